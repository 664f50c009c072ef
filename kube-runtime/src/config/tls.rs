//! What rustls needs to know: whom to trust, and who we are.

use crate::error::Error;
use crate::kubeconfig::missing;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use std::sync::Arc;
use tokio_rustls::TlsConnector;

/// PEM of each part; absent parts are none.
#[derive(Default)]
pub(super) struct Material {
    pub(super) authority: Option<Vec<u8>>,
    pub(super) certificate: Option<Vec<u8>>,
    pub(super) key: Option<Vec<u8>>,
    pub(super) insecure: bool,
}

/// TLS to a server of this name.
#[derive(Clone)]
pub(super) struct Tls {
    pub(super) connector: TlsConnector,
    pub(super) name: ServerName<'static>,
}

pub(super) fn connector(material: &Material, name: &str) -> Result<Tls, Error> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|source| malformed("TLS cannot be set up", source))?;
    let builder = if material.insecure {
        builder.dangerous().with_custom_certificate_verifier(Arc::new(Anybody(provider)))
    } else {
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots(material)?), provider)
            .build()
            .map_err(|source| malformed("the kubeconfig's certificate-authority has no certificate", source))?;
        builder.with_webpki_verifier(verifier)
    };
    let mut config = match (&material.certificate, &material.key) {
        (Some(certificate), Some(key)) => {
            let chain: Vec<_> = CertificateDer::pem_slice_iter(certificate)
                .collect::<Result<_, _>>()
                .map_err(|source| malformed("the kubeconfig's client-certificate is malformed", source))?;
            let key = PrivateKeyDer::from_pem_slice(key)
                .map_err(|source| malformed("the kubeconfig's client-key is malformed", source))?;
            builder
                .with_client_auth_cert(chain, key)
                .map_err(|source| malformed("the kubeconfig's client-certificate and client-key do not fit", source))?
        }
        (None, None) => builder.with_no_client_auth(),
        _ => return Err(missing("the kubeconfig's user has a client-certificate or a client-key without the other")),
    };
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    let name = ServerName::try_from(bare.to_owned())
        .map_err(|source| malformed(&format!("the kubeconfig's server name {bare:?} is malformed"), source))?;
    Ok(Tls { connector: TlsConnector::from(Arc::new(config)), name })
}

fn roots(material: &Material) -> Result<RootCertStore, Error> {
    let Some(authority) = &material.authority else {
        return Err(missing(
            "the kubeconfig's cluster has no certificate-authority; this client trusts no authority of the system",
        ));
    };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(authority) {
        let certificate =
            certificate.map_err(|source| malformed("the kubeconfig's certificate-authority is malformed", source))?;
        roots
            .add(certificate)
            .map_err(|source| malformed("the kubeconfig's certificate-authority is malformed", source))?;
    }
    Ok(roots)
}

fn malformed(what: &str, source: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::Config { what: what.to_owned(), source: Some(source.into()) }
}

/// For `insecure-skip-tls-verify`: any certificate will do, though not a forged handshake.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
