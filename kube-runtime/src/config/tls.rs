//! What rustls needs to know: whom to trust, and who we are.

use super::unverified::AnyCertificate;
use crate::error::Error;
use crate::kubeconfig::missing;
use rustls::client::WebPkiServerVerifier;
use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
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

impl Material {
    /// Whether anything of it makes sense with TLS only.
    pub(super) fn speaks_of_tls(&self) -> bool {
        self.insecure || self.authority.is_some() || self.certificate.is_some()
    }
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
    if material.insecure && material.authority.is_some() {
        return Err(missing(
            "the kubeconfig's cluster has both a certificate-authority and insecure-skip-tls-verify; remove one of them",
        ));
    }
    let builder = if material.insecure {
        builder.dangerous().with_custom_certificate_verifier(Arc::new(AnyCertificate::new(provider)))
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
