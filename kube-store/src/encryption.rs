//! Encryption at rest: between the index, which has plain bytes, and the log or etcd, which have none of what is secret.
//!
//! [`Encryption`] decides by the key's prefix; a [`Provider`] seals and opens with one key, or through a key management
//! service. The key of the object is associated data, so that a value cannot be moved under another key. What is sealed is
//! the whole stored form of a version: its value, and the attributes that selectors see. Stored values begin with their
//! provider's name, `k8s:enc:PROVIDER:VERSION:NAME:`, as in Kubernetes.

#[cfg(feature = "encryption")]
mod aescbc;
#[cfg(feature = "encryption")]
mod aesgcm;
#[cfg(feature = "encryption")]
pub mod config;
#[cfg(feature = "encryption")]
mod key;
#[cfg(feature = "encryption")]
mod secretbox;
#[cfg(feature = "encryption")]
#[cfg(test)]
mod tests;

use crate::{Error, Result};
#[cfg(feature = "encryption")]
pub use aescbc::AesCbc;
#[cfg(feature = "encryption")]
pub use aesgcm::AesGcm;
#[cfg(feature = "encryption")]
pub use key::Key;
#[cfg(feature = "encryption")]
pub use secretbox::Secretbox;

use futures::future::BoxFuture;
use parking_lot::RwLock;
use std::fmt;
use std::sync::Arc;

/// What every stored value begins with that is not in plain text.
const ENCRYPTED: &[u8] = b"k8s:enc:";
/// Bytes of a provider's prefix that are shown of a value that nobody can read.
const PREFIX_SHOWN_MAX: usize = 128;

/// Seals and opens values with one key.
pub trait Provider: Send + Sync + fmt::Debug + 'static {
    /// What the stored values begin with: `k8s:enc:aesgcm:v1:key1:`. Empty for [`Identity`].
    fn prefix(&self) -> &str;

    /// Encrypts; `key` is the object's, and is to be authenticated where the cipher can.
    ///
    /// # Errors
    /// Why it cannot be done. No secrets.
    fn seal(&self, plain: &[u8], key: &str) -> Result<Vec<u8>, String>;

    /// Decrypts what [`Provider::seal`] gave.
    ///
    /// # Errors
    /// Why it cannot be done. No secrets.
    fn open(&self, sealed: &[u8], key: &str) -> Result<Opened, String>;

    /// Fetches what [`Provider::open`] will need for this value, where that takes another process. By default nothing.
    ///
    /// # Errors
    /// Why it cannot be had.
    fn prepare<'a>(&'a self, _sealed: &'a [u8]) -> BoxFuture<'a, Result<(), String>> {
        Box::pin(std::future::ready(Ok(())))
    }
}

/// A decrypted value.
#[derive(Clone, PartialEq, Eq)]
pub struct Opened {
    /// The plain bytes.
    pub plain: Vec<u8>,
    /// Whether it is to be written anew: its key is an older one.
    pub stale: bool,
}

impl fmt::Debug for Opened {
    /// What is encrypted is secret: only its size is shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opened").field("bytes", &self.plain.len()).field("stale", &self.stale).finish()
    }
}

/// No encryption: stores plain text, and reads what was stored as such.
#[derive(Clone, Copy, Debug, Default)]
pub struct Identity;

impl Provider for Identity {
    fn prefix(&self) -> &'static str {
        ""
    }

    fn seal(&self, plain: &[u8], _key: &str) -> Result<Vec<u8>, String> {
        Ok(plain.to_vec())
    }

    fn open(&self, sealed: &[u8], _key: &str) -> Result<Opened, String> {
        Ok(Opened { plain: sealed.to_vec(), stale: false })
    }
}

/// How the values under some prefixes are encrypted.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Keys that begin with one of these.
    pub prefixes: Vec<String>,
    /// The first one writes; all are tried for reading, by the prefix of the stored value.
    pub providers: Vec<Arc<dyn Provider>>,
}

/// Which values are encrypted, and how; the first rule that fits a key rules it, and what no rule fits is stored in plain
/// text. Clones share the rules, which can be replaced while a store runs.
#[derive(Clone, Default)]
pub struct Encryption(Arc<RwLock<Arc<[Rule]>>>);

impl fmt::Debug for Encryption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.read().iter()).finish()
    }
}

/// Who reads a value, and what of it.
struct Reader<'a> {
    provider: Arc<dyn Provider>,
    sealed: &'a [u8],
    /// Whether it is also who writes.
    writes: bool,
}

impl Encryption {
    /// With these rules.
    pub fn new(rules: Vec<Rule>) -> Self {
        Self(Arc::new(RwLock::new(rules.into())))
    }

    /// Takes other rules: what is written from now on follows them. Providers that are still needed for reading must be
    /// among them.
    pub fn replace(&self, rules: Vec<Rule>) {
        *self.0.write() = rules.into();
    }

    fn providers(&self, key: &str) -> Option<Vec<Arc<dyn Provider>>> {
        let rules = Arc::clone(&self.0.read());
        let rule = rules.iter().find(|rule| rule.prefixes.iter().any(|prefix| key.starts_with(prefix)))?;
        Some(rule.providers.clone())
    }

    /// Whether a rule is about this key.
    pub(crate) fn concerns(&self, key: &str) -> bool {
        self.0.read().iter().any(|rule| rule.prefixes.iter().any(|prefix| key.starts_with(prefix)))
    }

    /// What to store for `plain`; `None` where that is the plain text.
    ///
    /// # Errors
    /// `Unavailable` when the provider cannot encrypt.
    pub(crate) fn seal(&self, key: &str, plain: &[u8]) -> Result<Option<Vec<u8>>> {
        let Some(provider) = self.providers(key).and_then(|providers| providers.into_iter().next()) else {
            return Ok(None);
        };
        let prefix = provider.prefix().as_bytes();
        if prefix.is_empty() {
            return Ok(None);
        }
        let sealed = provider.seal(plain, key);
        let sealed = sealed.map_err(|why| Error::Unavailable(format!("{key} cannot be encrypted: {why}")))?;
        Ok(Some([prefix, &sealed].concat()))
    }

    /// The plain text of what is stored; `None` where it is stored in plain text, and no rule is about it.
    ///
    /// # Errors
    /// `Damaged`, with what to do, when no provider can decrypt it.
    pub(crate) fn open(&self, key: &str, stored: &[u8]) -> Result<Option<Opened>> {
        let Some(reader) = self.reader(key, stored)? else { return Ok(None) };
        let opened = reader.provider.open(reader.sealed, key).map_err(|why| unreadable(key, &why))?;
        Ok(Some(Opened { stale: opened.stale || !reader.writes, ..opened }))
    }

    /// The prefixes of keys that rules are about.
    #[cfg(feature = "etcd")]
    pub(crate) fn prefixes(&self) -> Vec<String> {
        self.0.read().iter().flat_map(|rule| rule.prefixes.iter().cloned()).collect()
    }

    /// Fetches what [`Encryption::open`] will need.
    ///
    /// # Errors
    /// `Damaged`, with what to do, when no provider can decrypt it.
    #[cfg(feature = "etcd")]
    pub(crate) async fn prepare(&self, key: &str, stored: &[u8]) -> Result<()> {
        let Some(reader) = self.reader(key, stored)? else { return Ok(()) };
        reader.provider.prepare(reader.sealed).await.map_err(|why| unreadable(key, &why))
    }

    /// Who reads this value; `None` for plain text that no rule is about.
    fn reader<'a>(&self, key: &str, stored: &'a [u8]) -> Result<Option<Reader<'a>>> {
        let encrypted = stored.starts_with(ENCRYPTED);
        let Some(providers) = self.providers(key) else {
            return if encrypted { Err(unreadable(key, &no_provider(stored))) } else { Ok(None) };
        };
        for (place, provider) in providers.into_iter().enumerate() {
            let prefix = provider.prefix().as_bytes();
            if prefix.is_empty() {
                if !encrypted {
                    return Ok(Some(Reader { provider, sealed: stored, writes: place == 0 }));
                }
            } else if let Some(sealed) = stored.strip_prefix(prefix) {
                return Ok(Some(Reader { provider, sealed, writes: place == 0 }));
            }
        }
        Err(unreadable(key, &no_provider(stored)))
    }
}

/// The plain and the encrypted form of "there is no provider for this".
fn no_provider(stored: &[u8]) -> String {
    if !stored.starts_with(ENCRYPTED) {
        return "it is stored in plain text, which the encryption configuration does not allow for; add the provider \
                identity behind the others to read it"
            .to_owned();
    }
    // The name ends with the fifth colon; what follows is not text.
    let end = stored.iter().enumerate().filter(|(_, byte)| **byte == b':').nth(4).map_or(0, |(place, _)| place + 1);
    let prefix = String::from_utf8_lossy(&stored[..end.min(PREFIX_SHOWN_MAX)]).into_owned();
    format!("it is encrypted as {prefix}, for which the encryption configuration has no provider; add the key back")
}

fn unreadable(key: &str, why: &str) -> Error {
    Error::Damaged(format!("the stored value of {key} cannot be decrypted: {why}"))
}
