//! Client certificates: the common name is the user, each organization is a group.
//!
//! Source: `k8s.io/apiserver/pkg/authentication/request/x509`.

use super::{Authenticator, PeerCertificates, bearer};
use crate::identity::UserInfo;
use async_trait::async_trait;
use kubekit_core::environment::WallClock;
use kubekit_core::status::ApiError;
use parking_lot::Mutex;
use rustls::RootCertStore;
use rustls::server::danger::ClientCertVerifier;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, UnixTime};
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Verified chains that are remembered: verifying one costs more than most requests.
const REMEMBERED_MAX: usize = 4096;
/// For how long a verified chain is believed, so that the end of an intermediate's life is noticed.
const REMEMBERED_SECONDS: i64 = 60;

/// The trust anchors in a PEM bundle.
///
/// # Errors
/// What is wrong with the bundle.
pub(crate) fn roots(pem: &str) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        roots.add(certificate.map_err(|e| e.to_string())?).map_err(|e| e.to_string())?;
    }
    if roots.is_empty() { Err("it holds no certificate".to_owned()) } else { Ok(roots) }
}

/// Knows users by certificates that an authority signed for client use.
pub struct ClientCertificates {
    verifier: Arc<dyn ClientCertVerifier>,
    clock: Arc<dyn WallClock>,
    remembered: Mutex<HashMap<[u8; 32], Remembered>>,
}

struct Remembered {
    user: UserInfo,
    not_after: i64,
    believed_until: i64,
}

impl fmt::Debug for ClientCertificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientCertificates").finish_non_exhaustive()
    }
}

impl ClientCertificates {
    /// Trusts the authorities in this PEM bundle.
    ///
    /// # Errors
    /// When the bundle holds no certificate, or something else.
    pub fn new(authorities: &str, clock: Arc<dyn WallClock>) -> Result<Self, crate::pki::Error> {
        let malformed = |detail| crate::pki::Error::Malformed { what: "client certificate authority".into(), detail };
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let roots = Arc::new(roots(authorities).map_err(malformed)?);
        let verifier = rustls::server::WebPkiClientVerifier::builder_with_provider(roots, provider)
            .build()
            .map_err(|error| malformed(error.to_string()))?;
        Ok(Self { verifier, clock, remembered: Mutex::default() })
    }

    fn verify(&self, chain: &[Vec<u8>], now: i64) -> Option<Remembered> {
        let (leaf, intermediates) = chain.split_first()?;
        let intermediates: Vec<CertificateDer<'_>> =
            intermediates.iter().map(|der| CertificateDer::from(der.as_slice())).collect();
        let time = UnixTime::since_unix_epoch(Duration::from_secs(u64::try_from(now).unwrap_or(0)));
        self.verifier
            .verify_client_cert(&CertificateDer::from(leaf.as_slice()), &intermediates, time)
            .inspect_err(|error| tracing::debug!(%error, "client certificate refused"))
            .ok()?;
        let (_, certificate) = x509_parser::parse_x509_certificate(leaf).ok()?;
        let user = user(certificate.subject(), leaf)?;
        let not_after = certificate.validity().not_after.timestamp();
        Some(Remembered { user, not_after, believed_until: now.saturating_add(REMEMBERED_SECONDS) })
    }
}

fn user(subject: &x509_parser::x509::X509Name<'_>, leaf: &[u8]) -> Option<UserInfo> {
    let name = subject.iter_common_name().next()?.as_str().ok()?;
    let groups = subject.iter_organization().filter_map(|group| group.as_str().ok());
    let mut user = UserInfo::new(name, groups);
    let digest: String = bearer::digest(leaf).iter().map(|byte| format!("{byte:02x}")).collect();
    user.extra.insert("authentication.kubernetes.io/credential-id".to_owned(), vec![format!("X509SHA256={digest}")]);
    (!user.name.is_empty()).then_some(user)
}

#[async_trait]
impl Authenticator for ClientCertificates {
    async fn authenticate(&self, request: &http::request::Parts) -> Result<Option<UserInfo>, ApiError> {
        let Some(PeerCertificates(chain)) = request.extensions.get::<PeerCertificates>() else { return Ok(None) };
        let Some(leaf) = chain.first() else { return Ok(None) };
        let now = self.clock.now().as_second();
        let key = bearer::digest(leaf);
        if let Some(known) = self.remembered.lock().get(&key)
            && now <= known.not_after
            && now < known.believed_until
        {
            return Ok(Some(known.user.clone()));
        }
        let verified = self.verify(chain, now).ok_or_else(ApiError::unauthorized)?;
        let user = verified.user.clone();
        let mut remembered = self.remembered.lock();
        if remembered.len() >= REMEMBERED_MAX {
            remembered.clear();
        }
        remembered.insert(key, verified);
        Ok(Some(user))
    }
}
