//! Node agents over the network.

use super::{NodeConnector, NodeStream};
use crate::authentication::roots;
use crate::pki::{Credential, Error};
use async_trait::async_trait;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// A node that has gone away must not hold a client up for minutes.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Reaches agents over TLS: both sides show certificates of the cluster's authority.
pub struct OverTls {
    connector: TlsConnector,
}

impl fmt::Debug for OverTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OverTls")
    }
}

impl OverTls {
    /// Trusts agents whose certificate `authority` (PEM) signed for their address, and shows them `client`.
    ///
    /// # Errors
    /// When a certificate or key cannot be used.
    pub fn new(authority: &str, client: &Credential) -> Result<Self, Error> {
        let malformed = |detail: String| Error::Malformed { what: "client certificate for node agents".into(), detail };
        let chain = CertificateDer::pem_slice_iter(client.certificate.as_bytes())
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| malformed(error.to_string()))?;
        let key = PrivateKeyDer::from_pem_slice(client.key.as_bytes()).map_err(|e| malformed(e.to_string()))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| malformed(error.to_string()))?
            .with_root_certificates(roots(authority).map_err(malformed)?)
            .with_client_auth_cert(chain, key)
            .map_err(|error| malformed(error.to_string()))?;
        Ok(Self { connector: TlsConnector::from(Arc::new(config)) })
    }
}

#[async_trait]
impl NodeConnector for OverTls {
    async fn connect(&self, _node: &str, address: &str, port: u16) -> io::Result<Box<dyn NodeStream>> {
        let invalid = |error| io::Error::new(io::ErrorKind::InvalidInput, error);
        let name = ServerName::try_from(address.to_owned()).map_err(invalid)?;
        let connect = async {
            let stream = TcpStream::connect((address, port)).await?;
            stream.set_nodelay(true)?;
            self.connector.connect(name, stream).await
        };
        let stream = tokio::time::timeout(CONNECT_TIMEOUT, connect).await.map_err(|_| {
            io::Error::new(io::ErrorKind::TimedOut, format!("dial tcp {address}:{port}: i/o timeout"))
        })??;
        Ok(Box::new(stream))
    }
}
