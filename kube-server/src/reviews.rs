//! The kinds that are asked and not stored: access and token reviews.

use crate::request::Request;
use crate::server::Server;
use kubekit_core::catalog::Resource;
use kubekit_core::status::{ApiError, Reason};
use serde_json::Value;
use std::sync::Arc;

/// Answers a review.
pub(crate) async fn create(
    _server: &Arc<Server>,
    _request: &Request,
    _resource: &'static Resource,
    _object: Value,
) -> Result<Value, ApiError> {
    Err(ApiError::new(Reason::MethodNotAllowed, "the server does not allow this method on the requested resource"))
}
