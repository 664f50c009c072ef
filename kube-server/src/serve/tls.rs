//! TLS: the server's certificate, and the client certificates that it asks for.

use crate::authentication::roots;
use crate::pki::{Credential, Error};
use rustls::crypto::CryptoProvider;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ServerConfig, WebPkiClientVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, SignatureScheme};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use std::fmt;
use std::sync::Arc;
use tokio_rustls::TlsAcceptor;

pub(super) const HTTP2: &[u8] = b"h2";

/// How bytes travel.
#[derive(Clone)]
pub enum Transport {
    /// Encrypted, and clients may show certificates.
    Tls(TlsAcceptor),
    /// As they are: for measurements on one machine.
    PlainText,
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tls(_) => "Tls",
            Self::PlainText => "PlainText",
        })
    }
}

impl Transport {
    /// TLS with this certificate. Clients are asked for certificates of `client_authority` (PEM) and need not have one.
    ///
    /// # Errors
    /// When a certificate or key cannot be used.
    pub fn tls(serving: &Credential, client_authority: &str) -> Result<Self, Error> {
        let malformed = |detail: String| Error::Malformed { what: "serving certificate".to_owned(), detail };
        let chain = CertificateDer::pem_slice_iter(serving.certificate.as_bytes())
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| malformed(error.to_string()))?;
        let key = PrivateKeyDer::from_pem_slice(serving.key.as_bytes()).map_err(|e| malformed(e.to_string()))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = AnyCertificate::new(client_authority, Arc::clone(&provider))?;
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| malformed(error.to_string()))?
            .with_client_cert_verifier(Arc::new(verifier))
            .with_single_cert(chain, key)
            .map_err(|error| malformed(error.to_string()))?;
        config.alpn_protocols = vec![HTTP2.to_vec(), b"http/1.1".to_vec()];
        Ok(Self::Tls(TlsAcceptor::from(Arc::new(config))))
    }
}

/// Takes any client certificate whose key its bearer has. Who signed it is judged per request, by
/// [`crate::authentication::ClientCertificates`]: so a stranger is told `401 Unauthorized` as by Kubernetes, not cut off in
/// the handshake, and a certificate that expires ends its user's access on open connections, too.
#[derive(Debug)]
struct AnyCertificate {
    /// Says which authorities are trusted, and checks handshakes' signatures.
    inner: Arc<dyn ClientCertVerifier>,
}

impl AnyCertificate {
    fn new(authority: &str, provider: Arc<CryptoProvider>) -> Result<Self, Error> {
        let malformed = |detail| Error::Malformed { what: "client certificate authority".to_owned(), detail };
        let roots = Arc::new(roots(authority).map_err(malformed)?);
        let inner = WebPkiClientVerifier::builder_with_provider(roots, provider)
            .build()
            .map_err(|error| malformed(error.to_string()))?;
        Ok(Self { inner })
    }
}

impl ClientCertVerifier for AnyCertificate {
    fn offer_client_auth(&self) -> bool {
        true
    }

    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.inner.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}
