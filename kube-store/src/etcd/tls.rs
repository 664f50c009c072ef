//! Certificates for `https`.

use super::config::TlsFiles;
use crate::{Error, Result};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use std::path::Path;
use std::sync::Arc;

/// What a connection over TLS needs.
///
/// # Errors
/// `Invalid`, with the name of the file that is missing or cannot be used.
pub(super) fn client(files: &TlsFiles) -> Result<ClientConfig> {
    let Some(ca) = &files.ca else {
        return Err(Error::Invalid(
            "an https address of etcd needs a file with its authority's certificate".to_owned(),
        ));
    };
    let mut roots = RootCertStore::empty();
    for certificate in certificates(ca)? {
        roots.add(certificate).map_err(|error| unusable(ca, &error))?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::Invalid(error.to_string()))?
        .with_root_certificates(roots);
    let mut config = match (&files.certificate, &files.key) {
        (None, None) => builder.with_no_client_auth(),
        (Some(certificate), Some(key)) => {
            let private = PrivateKeyDer::from_pem_file(key).map_err(|error| unusable(key, &error))?;
            let chain = certificates(certificate)?;
            builder.with_client_auth_cert(chain, private).map_err(|error| unusable(certificate, &error))?
        }
        (certificate, _) => {
            let missing = if certificate.is_some() { "key" } else { "certificate" };
            let text = format!("a client certificate for etcd takes a certificate and a key; the {missing} is missing");
            return Err(Error::Invalid(text));
        }
    };
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(config)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let found = CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
    let found: Vec<_> = found.map_err(|error| unusable(path, &error))?;
    if found.is_empty() {
        return Err(unusable(path, &"it has no certificate"));
    }
    Ok(found)
}

fn unusable(path: &Path, why: &dyn std::fmt::Display) -> Error {
    Error::Invalid(format!("{} cannot be used for TLS with etcd: {why}", path.display()))
}
