//! From a request's subject to the code that serves it.

use crate::body::Body;
use crate::request::{Request, Response};
use crate::server::Server;
use crate::{endpoints, response, streaming};
use kubekit_core::status::{ApiError, Reason};
use std::sync::Arc;

/// Serves a request whose body has been read.
pub(crate) async fn serve(server: &Arc<Server>, request: &Request) -> Result<Response, ApiError> {
    if !request.info.is_resource {
        return match endpoints::serve(server, request).await {
            Some(answer) => answer,
            None => Ok(response::page_not_found()),
        };
    }
    Err(not_here())
}

/// Serves a watch or a stream.
pub(crate) async fn stream(server: &Arc<Server>, request: &mut Request, body: Body) -> Result<Response, ApiError> {
    streaming::connect(server, request, body).await
}

/// 404 for paths under `/api` and `/apis` that name nothing.
pub(crate) fn not_here() -> ApiError {
    ApiError::new(Reason::NotFound, "the server could not find the requested resource")
}
