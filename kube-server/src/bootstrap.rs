//! The objects that every cluster starts with.

use crate::server::Server;
use kubekit_core::status::ApiError;

/// Writes what is absent.
pub(crate) async fn run(_server: &Server) -> Result<(), ApiError> {
    Ok(())
}

/// Publishes where the server listens.
pub(crate) async fn publish_address(_server: &Server, _address: std::net::SocketAddr) -> Result<(), ApiError> {
    Ok(())
}
