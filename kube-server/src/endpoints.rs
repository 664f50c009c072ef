//! Paths that name no resource: health, version, OpenAPI.

use crate::request::{Request, Response};
use crate::server::Server;
use kubekit_core::status::ApiError;
use std::sync::Arc;

/// Answers a path outside `/api` and `/apis`; `None` where nothing is there.
pub(crate) async fn serve(_server: &Arc<Server>, _request: &Request) -> Option<Result<Response, ApiError>> {
    None
}
