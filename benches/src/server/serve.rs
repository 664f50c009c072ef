//! The process that is measured: an API server over a memory store, on a plain-text loopback socket, default admission on.

use anyhow::Result;
use async_trait::async_trait;
use kubekit_core::status::ApiError;
use kubekit_server::ApiServer;
use kubekit_server::authentication::Authenticator;
use kubekit_server::identity::UserInfo;
use kubekit_server::serve::Transport;
use kubekit_store::Memory;
use std::io::Write;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// Takes everybody for the administrator: what is measured is not authentication, but authorization runs.
#[derive(Debug)]
struct Everybody;

#[async_trait]
impl Authenticator for Everybody {
    async fn authenticate(&self, _request: &http::request::Parts) -> Result<Option<UserInfo>, ApiError> {
        Ok(Some(UserInfo::admin()))
    }
}

/// Serves until killed; prints the address on standard output.
pub(crate) async fn serve() -> Result<()> {
    let server = server().await?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    writeln!(std::io::stdout(), "{}", listener.local_addr()?)?;
    kubekit_server::serve::serve(listener, Transport::PlainText, server, CancellationToken::new()).await?;
    Ok(())
}

/// A server that is ready for pods.
pub(super) async fn server() -> Result<ApiServer> {
    let store = Memory::new(kubekit_server::extractor(), kubekit_server::store_config());
    Ok(ApiServer::builder(Arc::new(store)).authenticator(Arc::new(Everybody)).build().await?)
}
