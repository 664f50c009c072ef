//! `/reencrypt`: writes anew, under the present key, what is stored under an older one or in plain text.
//!
//! For `system:masters`, and whoever has a ClusterRole with a rule for this non-resource URL: of the default roles that is
//! `cluster-admin` alone. Kubernetes has no such path; there, every object is replaced by itself through the API.

use crate::registry::failure::of_store;
use crate::request::{Request, Response};
use crate::response;
use crate::server::Server;
use http::{Method, StatusCode};
use kubekit_core::status::ApiError;
use serde_json::json;

/// Does it, and says of how many objects.
///
/// # Errors
/// When the method is not POST, or the store fails.
pub(super) async fn answer(server: &Server, request: &Request) -> Result<Response, ApiError> {
    if request.parts.method != Method::POST {
        return Err(ApiError::method_not_allowed());
    }
    let count = server.store().reseal().await.map_err(of_store)?;
    let message = format!("{count} objects are stored under the present key now, and nothing under an older one");
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "message": message,
        "details": {"count": count},
    });
    response::value(request, StatusCode::OK, &status)
}
