//! The certificates of a cluster: its authority, the server's certificate, one client certificate per component, the
//! key that signs service account tokens, and the kubeconfigs that carry them.
//!
//! Start at [`Pki`]. Keys are ECDSA P-256. Names and groups are those that kubeadm gives, so that the default RBAC
//! bindings apply to them.

mod directory;
mod kubeconfig;
#[cfg(test)]
mod tests;

pub use kubeconfig::Kubeconfig;

use jiff::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;
use std::time::Duration;

const DAY: Duration = Duration::from_secs(24 * 3600);
/// kubeadm's `CACertificateValidity`.
const AUTHORITY_LIFETIME: Duration = Duration::from_secs(10 * 365 * DAY.as_secs());
/// kubeadm's `CertificateValidityPeriod`.
const LIFETIME: Duration = Duration::from_secs(365 * DAY.as_secs());
/// A certificate that lives no longer than this is replaced at the next start.
const RENEW_BEFORE: Duration = Duration::from_secs(30 * DAY.as_secs());
/// Peers' clocks may be behind ours by this much.
const CLOCK_SKEW: Duration = Duration::from_secs(5 * 60);

/// Why certificates could not be made, read or kept.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A certificate or key could not be made.
    #[error("cannot create the {what}")]
    Create {
        /// What was being made.
        what: String,
        /// Why.
        #[source]
        source: rcgen::Error,
    },
    /// A certificate or key is not what its name says.
    #[error("cannot use the {what}: {detail}; restore it, or remove it to have a new one made")]
    Malformed {
        /// What was being read.
        what: String,
        /// What is wrong with it.
        detail: String,
    },
    /// One half of a certificate and its key is missing.
    #[error(
        "{present} exists but {absent} does not: restore it, or remove both to begin anew (clients of the old one are refused then)"
    )]
    Incomplete {
        /// The file that is there.
        present: PathBuf,
        /// The file that is not.
        absent: PathBuf,
    },
    /// A file could not be read or written.
    #[error("cannot {action} {path}", path = path.display())]
    Io {
        /// `read`, `write`, `create`.
        action: &'static str,
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// The result of an operation on certificates.
pub type Result<T> = std::result::Result<T, Error>;

/// A certificate and its private key, both PEM.
#[derive(Clone, PartialEq, Eq)]
pub struct Credential {
    /// `-----BEGIN CERTIFICATE-----`
    pub certificate: String,
    /// `-----BEGIN PRIVATE KEY-----`
    pub key: String,
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential").field("certificate", &self.certificate).finish_non_exhaustive()
    }
}

/// Whom a certificate names: the user, and the group that the user belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// CN: the user.
    pub user: String,
    /// O: the group; empty is none.
    pub group: String,
}

impl Subject {
    /// A user in a group; an empty group is none.
    pub fn new(user: impl Into<String>, group: impl Into<String>) -> Self {
        Self { user: user.into(), group: group.into() }
    }

    /// The administrator, in the group `system:masters`, which no RBAC rule binds: what kubeadm keeps in
    /// `super-admin.conf`. (kubeadm's `admin.conf` is bound by RBAC instead; a cluster of one's own needs one way in.)
    pub fn administrator() -> Self {
        Self::new("kubernetes-admin", "system:masters")
    }

    /// The controller manager.
    pub fn controller_manager() -> Self {
        Self::new("system:kube-controller-manager", "")
    }

    /// The scheduler.
    pub fn scheduler() -> Self {
        Self::new("system:kube-scheduler", "")
    }

    /// The service proxy.
    pub fn proxy() -> Self {
        Self::new("system:kube-proxy", "")
    }

    /// The agent of a node.
    pub fn node(name: &str) -> Self {
        Self::new(format!("system:node:{name}"), "system:nodes")
    }

    /// The API server, when it calls the agent of a node.
    pub fn apiserver_kubelet_client() -> Self {
        Self::new("kube-apiserver-kubelet-client", "system:masters")
    }
}

/// A certificate authority: signs certificates of servers and clients.
pub struct CertificateAuthority {
    certificate: String,
    issuer: Issuer<'static, KeyPair>,
}

impl fmt::Debug for CertificateAuthority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CertificateAuthority").field("certificate", &self.certificate).finish_non_exhaustive()
    }
}

impl CertificateAuthority {
    /// A new authority with a key of its own, valid for ten years from `now`.
    ///
    /// # Errors
    /// When the system gives no randomness for the key.
    pub fn generate(name: &str, now: Timestamp) -> Result<Self> {
        let create = |source| Error::Create { what: format!("certificate authority {name:?}"), source };
        let key = KeyPair::generate().map_err(create)?;
        let mut params = params(&Subject::new(name, ""), Vec::new(), AUTHORITY_LIFETIME, now).map_err(create)?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages =
            vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign, KeyUsagePurpose::DigitalSignature];
        let certificate = params.self_signed(&key).map_err(create)?.pem();
        Ok(Self { certificate, issuer: Issuer::new(params, key) })
    }

    /// The authority with this certificate and key.
    ///
    /// # Errors
    /// When they cannot be parsed.
    pub fn from_pem(credential: &Credential) -> Result<Self> {
        let malformed = |source: rcgen::Error| Error::Malformed {
            what: "certificate authority".to_owned(),
            detail: source.to_string(),
        };
        let key = KeyPair::from_pem(&credential.key).map_err(malformed)?;
        let issuer = Issuer::from_ca_cert_pem(&credential.certificate, key).map_err(malformed)?;
        Ok(Self { certificate: credential.certificate.clone(), issuer })
    }

    /// The certificate, PEM: what clients and servers trust.
    pub fn certificate(&self) -> &str {
        &self.certificate
    }

    /// The certificate and its key.
    pub fn credential(&self) -> Credential {
        Credential { certificate: self.certificate.clone(), key: self.issuer.key().serialize_pem() }
    }

    /// A new client certificate for `subject`, valid for a year from `now`.
    ///
    /// # Errors
    /// When the system gives no randomness for the key.
    pub fn client(&self, subject: &Subject, now: Timestamp) -> Result<Credential> {
        self.issue(subject, &[], ExtendedKeyUsagePurpose::ClientAuth, now)
    }

    /// A new server certificate for these host names and addresses, valid for a year from `now`.
    ///
    /// # Errors
    /// When a name is no DNS name, or the system gives no randomness for the key.
    pub fn serving(&self, subject: &Subject, names: &[String], now: Timestamp) -> Result<Credential> {
        self.issue(subject, names, ExtendedKeyUsagePurpose::ServerAuth, now)
    }

    fn issue(
        &self,
        subject: &Subject,
        names: &[String],
        usage: ExtendedKeyUsagePurpose,
        now: Timestamp,
    ) -> Result<Credential> {
        let create = |source| Error::Create { what: format!("certificate of {:?}", subject.user), source };
        let key = KeyPair::generate().map_err(create)?;
        let mut params = params(subject, names.to_vec(), LIFETIME, now).map_err(create)?;
        params.is_ca = IsCa::ExplicitNoCa;
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
        params.extended_key_usages = vec![usage];
        let certificate = params.signed_by(&key, &self.issuer).map_err(create)?.pem();
        Ok(Credential { certificate, key: key.serialize_pem() })
    }
}

fn params(
    subject: &Subject,
    names: Vec<String>,
    lifetime: Duration,
    now: Timestamp,
) -> std::result::Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new(names)?;
    let mut name = DistinguishedName::new();
    if !subject.group.is_empty() {
        name.push(DnType::OrganizationName, subject.group.as_str());
    }
    name.push(DnType::CommonName, subject.user.as_str());
    params.distinguished_name = name;
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    let now = Duration::from_secs(u64::try_from(now.as_second()).unwrap_or(0));
    params.not_before = epoch + now.saturating_sub(CLOCK_SKEW);
    params.not_after = epoch + now + lifetime;
    Ok(params)
}

/// What the certificate of the API server must name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServingNames {
    /// The first address of the service range: the cluster IP of the Service `kubernetes`.
    pub service_ip: IpAddr,
    /// `cluster.local`
    pub cluster_domain: String,
    /// Addresses on which the server listens, beyond loopback.
    pub addresses: Vec<IpAddr>,
    /// Further host names.
    pub names: Vec<String>,
}

impl Default for ServingNames {
    fn default() -> Self {
        Self {
            service_ip: IpAddr::V4(Ipv4Addr::new(10, 96, 0, 1)),
            cluster_domain: "cluster.local".to_owned(),
            addresses: Vec::new(),
            names: Vec::new(),
        }
    }
}

impl ServingNames {
    /// All names and addresses.
    pub fn all(&self) -> Vec<String> {
        let mut all: Vec<String> =
            ["localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc"].map(str::to_owned).into();
        all.push(format!("kubernetes.default.svc.{}", self.cluster_domain));
        all.extend(self.names.iter().cloned());
        let loopback = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
        let specified = self.addresses.iter().copied().filter(|a| !a.is_unspecified());
        let addresses = loopback.into_iter().chain([self.service_ip]).chain(specified);
        for address in addresses.map(|a| a.to_string()) {
            if !all.contains(&address) {
                all.push(address);
            }
        }
        all
    }
}

/// What an API server needs to serve and to be trusted.
#[derive(Debug)]
pub struct Pki {
    /// Signs and verifies the certificates of the cluster.
    pub authority: CertificateAuthority,
    /// What the API server shows to its clients.
    pub serving: Credential,
    /// What the API server shows to node agents.
    pub kubelet_client: Credential,
    /// The key that signs service account tokens, PEM.
    pub token_key: TokenKey,
}

/// The private key that signs service account tokens, PEM. Its text never reaches a log.
#[derive(Clone, PartialEq, Eq)]
pub struct TokenKey(pub String);

impl fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenKey")
    }
}

impl TokenKey {
    /// A new key.
    ///
    /// # Errors
    /// When the system gives no randomness.
    pub fn generate() -> Result<Self> {
        let key = KeyPair::generate()
            .map_err(|source| Error::Create { what: "key for service account tokens".to_owned(), source })?;
        Ok(Self(key.serialize_pem()))
    }
}

impl Pki {
    /// Everything new, in memory only.
    ///
    /// # Errors
    /// When the system gives no randomness, or a name is no DNS name.
    pub fn generate(names: &ServingNames, now: Timestamp) -> Result<Self> {
        let authority = CertificateAuthority::generate("kubernetes", now)?;
        Ok(Self {
            serving: authority.serving(&Subject::new("kube-apiserver", ""), &names.all(), now)?,
            kubelet_client: authority.client(&Subject::apiserver_kubelet_client(), now)?,
            token_key: TokenKey::generate()?,
            authority,
        })
    }

    /// A kubeconfig for `subject` with a new client certificate, which talks to `server` (`https://127.0.0.1:6443`).
    ///
    /// # Errors
    /// When the system gives no randomness for the key.
    pub fn kubeconfig(&self, subject: &Subject, server: &str, now: Timestamp) -> Result<Kubeconfig> {
        Ok(Kubeconfig {
            cluster: "kubernetes".to_owned(),
            server: server.to_owned(),
            authority: self.authority.certificate.clone(),
            user: subject.user.clone(),
            credential: self.authority.client(subject, now)?,
        })
    }
}
