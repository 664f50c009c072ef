//! `/backup`: the whole state of the store at one revision, as one file, while the server goes on.
//!
//! It holds every Secret. Nobody may read it but `system:masters` and whoever has a ClusterRole with a rule for this
//! non-resource URL: of the default roles that is `cluster-admin` alone.

use crate::body::{self, BoxError};
use crate::registry::failure::of_store;
use crate::request::Response;
use crate::response;
use crate::server::Server;
use bytes::Bytes;
use http::StatusCode;
use http::header::{CACHE_CONTROL, HeaderValue};
use http_body::Frame;
use http_body_util::StreamBody;
use kubekit_core::status::ApiError;
use kubekit_store::WallClock;
use kubekit_store::backup::Backup;
use std::sync::Arc;

/// Begins a backup; its bytes are made as the client reads them.
///
/// # Errors
/// When the store cannot be listed.
pub(super) async fn answer(server: &Server) -> Result<Response, ApiError> {
    let clock = Arc::clone(&server.registry.clock);
    let clock = WallClock::new(move || clock.now().into());
    let backup = Backup::of(&**server.store(), &clock).await.map_err(of_store)?;
    let mut response = response::bytes(StatusCode::OK, "application/octet-stream", Bytes::new());
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let pieces = futures::stream::iter(backup.map(|piece| Ok::<_, BoxError>(Frame::data(piece))));
    *response.body_mut() = body::erase(StreamBody::new(pieces));
    Ok(response)
}
