//! What a key management service does, and the rules that its answers must keep.

use async_trait::async_trait;
use std::collections::BTreeMap;
use std::fmt;
use zeroize::Zeroizing;

/// The most bytes of a key's name, and of a wrapped data key. Source: `kmsv2/envelope.go` of kube-apiserver.
const KEY_ID_BYTES_MAX: usize = 1024;
const WRAPPED_BYTES_MAX: usize = 1024;
/// The most bytes of all annotations of a wrapped data key, names included.
const ANNOTATION_BYTES_MAX: usize = 32 << 10;

/// A key management service: it has a key that never leaves it, and wraps data keys under it.
///
/// What is wrapped under one key can be unwrapped after the service has gone on to another key, for as long as the service
/// keeps the older one. Calls may be repeated, come at the same time, and be dropped at any point. Errors are for people:
/// they say what was asked and what went wrong, and have no secrets.
///
/// Source: `k8s.io/kms/apis/v2`.
#[async_trait]
pub trait KeyService: Send + Sync + fmt::Debug + 'static {
    /// Whether it is well, and which key it wraps under now.
    ///
    /// # Errors
    /// When it cannot be asked.
    async fn status(&self) -> Result<Status, String>;

    /// Wraps a data key under the present key. `uid` names the request, for logs.
    ///
    /// # Errors
    /// When it does not.
    async fn encrypt(&self, uid: &str, plain: &[u8]) -> Result<Wrapped, String>;

    /// Unwraps a data key.
    ///
    /// # Errors
    /// When it does not: the key is gone, or what is to be unwrapped is not what was wrapped.
    async fn decrypt(&self, uid: &str, wrapped: &Wrapped) -> Result<Zeroizing<Vec<u8>>, String>;
}

/// What a service says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// The version of the API: `v2`.
    pub version: String,
    /// `ok`, or what is wrong.
    pub healthz: String,
    /// The name of the key that it wraps under.
    pub key_id: String,
}

/// A wrapped data key, and what the service needs to unwrap it. Nothing of it is secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrapped {
    /// The wrapped data key.
    pub ciphertext: Vec<u8>,
    /// The name of the key that it was wrapped under.
    pub key_id: String,
    /// What the service wants to see again. Names are domain names.
    pub annotations: BTreeMap<String, Vec<u8>>,
}

impl Status {
    /// Whether the service can be used.
    ///
    /// # Errors
    /// Why it cannot.
    pub(super) fn check(&self) -> Result<(), String> {
        if !matches!(self.version.as_str(), "v2" | "v2beta1") {
            return Err(format!("it speaks version {:?} of the API, and v2 is needed", self.version));
        }
        if self.healthz != "ok" {
            return Err(format!("it is not well: it says {:?} where \"ok\" is expected", self.healthz));
        }
        check_key_id(&self.key_id)
    }
}

impl Wrapped {
    /// Whether it can stand beside every value.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn check(&self) -> Result<(), String> {
        check_key_id(&self.key_id)?;
        let bytes = self.ciphertext.len();
        if bytes == 0 || bytes > WRAPPED_BYTES_MAX {
            return Err(format!("it wrapped the data key into {bytes} bytes; 1 to {WRAPPED_BYTES_MAX} are allowed"));
        }
        let bytes: usize = self.annotations.iter().map(|(name, value)| name.len() + value.len()).sum();
        if bytes > ANNOTATION_BYTES_MAX {
            return Err(format!("its annotations have {bytes} bytes; at most {ANNOTATION_BYTES_MAX} are allowed"));
        }
        match self.annotations.keys().find(|name| !is_qualified_domain(name)) {
            Some(name) => Err(format!("the name {name:?} of an annotation is no fully qualified domain name")),
            None => Ok(()),
        }
    }
}

fn check_key_id(key_id: &str) -> Result<(), String> {
    match key_id.len() {
        0 => Err("it names no key".to_owned()),
        bytes if bytes > KEY_ID_BYTES_MAX => {
            Err(format!("the name of its key has {bytes} bytes; at most {KEY_ID_BYTES_MAX} are allowed"))
        }
        _ => Ok(()),
    }
}

/// A domain name of at least two labels. Source: `IsFullyQualifiedDomainName` of `k8s.io/apimachinery`.
fn is_qualified_domain(name: &str) -> bool {
    const LABEL_MAX: usize = 63;
    const NAME_MAX: usize = 253;
    let name = name.strip_suffix('.').unwrap_or(name);
    let label = |label: &str| {
        (1..=LABEL_MAX).contains(&label.len())
            && label.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    name.len() <= NAME_MAX && name.contains('.') && name.split('.').all(label)
}
