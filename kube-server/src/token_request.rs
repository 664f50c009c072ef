//! `serviceaccounts/token`.

use crate::request::Request;
use crate::server::Server;
use kubekit_core::status::{ApiError, Reason};
use serde_json::Value;
use std::sync::Arc;

/// Issues a token for a ServiceAccount.
pub(crate) async fn create(
    _server: &Arc<Server>,
    _request: &Request,
    _namespace: &str,
    _name: &str,
    _object: Value,
) -> Result<Value, ApiError> {
    Err(ApiError::new(Reason::MethodNotAllowed, "the server does not allow this method on the requested resource"))
}
