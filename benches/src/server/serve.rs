//! The process that is measured: an API server over a memory store, on a plain-text loopback socket, default admission on.

use anyhow::Result;
use async_trait::async_trait;
use kubekit_core::environment::WallClock;
use kubekit_core::status::ApiError;
use kubekit_server::ApiServer;
use kubekit_server::authentication::{Authenticator, ClientCertificates};
use kubekit_server::identity::UserInfo;
use kubekit_server::pki::{Pki, ServingNames, Subject};
use kubekit_server::serve::Transport;
use kubekit_store::Memory;
use std::io::Write;
use std::path::Path;
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

/// The same over TLS, with client certificates: writes the administrator's kubeconfig into `dir`, then prints the address.
pub(crate) async fn serve_tls(dir: &Path) -> Result<()> {
    let now = jiff::Timestamp::now();
    let pki = Pki::generate(&ServingNames::default(), now)?;
    let authority = pki.authority.certificate();
    let certificates = ClientCertificates::new(authority, Arc::new(Clock))?;
    let server = ApiServer::builder(Arc::new(store())).authenticator(Arc::new(certificates)).build().await?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("https://{}", listener.local_addr()?);
    pki.kubeconfig(&Subject::administrator(), &url, now)?.write(&dir.join("kubeconfig"))?;
    let transport = Transport::tls(&pki.serving, authority)?;
    writeln!(std::io::stdout(), "{url}")?;
    kubekit_server::serve::serve(listener, transport, server, CancellationToken::new()).await?;
    Ok(())
}

/// The system's clock.
#[derive(Debug)]
struct Clock;

impl WallClock for Clock {
    fn now(&self) -> jiff::Timestamp {
        jiff::Timestamp::now()
    }
}

/// A server that is ready for pods.
pub(super) async fn server() -> Result<ApiServer> {
    Ok(ApiServer::builder(Arc::new(store())).authenticator(Arc::new(Everybody)).build().await?)
}

fn store() -> Memory {
    Memory::new(kubekit_server::extractor(), kubekit_server::store_config())
}
