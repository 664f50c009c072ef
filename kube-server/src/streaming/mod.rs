//! Subresources that stream to and from a node agent.

use crate::body::Body;
use crate::request::{Request, Response};
use crate::server::Server;
use kubekit_core::status::{ApiError, Reason};
use std::sync::Arc;

/// Connects a request for `log`, `exec`, `attach`, `portforward` or `proxy` to the agent of its node.
pub(crate) async fn connect(_server: &Arc<Server>, _request: &mut Request, _body: Body) -> Result<Response, ApiError> {
    Err(ApiError::new(Reason::ServiceUnavailable, "no node agent can be reached"))
}
