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
#[cfg(feature = "kms")]
pub mod kms;
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
use std::time::Duration;

/// What every stored value begins with that is not in plain text.
const ENCRYPTED: &[u8] = b"k8s:enc:";
/// How often those who keep keys are asked for their status, and how often while one of them is not well.
const REFRESH_INTERVAL: Duration = Duration::from_secs(60);
const RETRY_INTERVAL: Duration = Duration::from_secs(10);
/// Bytes of a provider's prefix that are shown of a value that nobody can read.
const PREFIX_SHOWN_MAX: usize = 128;

/// Seals and opens values: with one key, or under keys of a service.
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

    /// Fetches what [`Provider::open`] will need for this value, where that takes another process. By default nothing. What
    /// is wrong with the value itself is left to `open` to say.
    ///
    /// # Errors
    /// Why it cannot be had.
    fn prepare<'a>(&'a self, _sealed: &'a [u8]) -> BoxFuture<'a, Result<(), String>> {
        Box::pin(std::future::ready(Ok(())))
    }

    /// The same, for callers that may block, on whatever thread, with or without a runtime.
    ///
    /// # Errors
    /// Why it cannot be had.
    fn prepare_blocking(&self, _sealed: &[u8]) -> Result<(), String> {
        Ok(())
    }

    /// Whether [`Provider::seal`] can be asked now. By default it can.
    ///
    /// # Errors
    /// Why not.
    fn ready(&self) -> Result<(), String> {
        Ok(())
    }

    /// Asks whoever keeps the key which one is to be used from now on. By default that never changes.
    ///
    /// # Errors
    /// When it cannot be asked.
    fn refresh(&self) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(std::future::ready(Ok(())))
    }

    /// What the last refresh came to. By default all is well.
    ///
    /// # Errors
    /// What is wrong.
    fn health(&self) -> Result<(), String> {
        Ok(())
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

    /// Who writes the values of each rule, and who reads them.
    fn all(&self) -> Vec<Arc<dyn Provider>> {
        self.0.read().iter().flat_map(|rule| rule.providers.iter().cloned()).collect()
    }

    /// Whether what is put under this key can be encrypted now: to be asked before a write has its turn, which it may share
    /// with others.
    ///
    /// # Errors
    /// `Unavailable` when it cannot.
    pub(crate) fn ready(&self, key: &str) -> Result<()> {
        let provider = self.providers(key).and_then(|providers| providers.into_iter().next());
        provider.map_or(Ok(()), |provider| provider.ready().map_err(|why| sealed_by_nobody(key, &why)))
    }

    /// Brings the keys up to date that others keep. A store must have been given keys once before it is opened.
    ///
    /// # Errors
    /// `Unavailable` with all that is wrong; what can be brought up to date is.
    pub async fn refresh(&self) -> Result<()> {
        let providers = self.all();
        let refreshed = futures::future::join_all(providers.iter().map(|provider| provider.refresh())).await;
        together(refreshed)
    }

    /// What the last refresh came to.
    ///
    /// # Errors
    /// `Unavailable` with all that is wrong.
    pub fn health(&self) -> Result<()> {
        together(self.all().iter().map(|provider| provider.health()))
    }

    /// Refreshes from time to time, as often as kube-apiserver does, for as long as it is polled.
    pub async fn keep_fresh(&self) {
        loop {
            let wait = if self.health().is_ok() { REFRESH_INTERVAL } else { RETRY_INTERVAL };
            tokio::time::sleep(wait).await;
            // What is wrong was logged by whom it concerns, and is told by `health`.
            let _ = self.refresh().await;
        }
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
        let sealed = sealed.map_err(|why| sealed_by_nobody(key, &why))?;
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

    /// Fetches what [`Encryption::open`] will need, and opens: for callers that may block.
    ///
    /// # Errors
    /// `Unavailable` when whoever keeps the key does not give it; `Damaged`, with what to do, when no provider can decrypt
    /// it.
    pub(crate) fn open_blocking(&self, key: &str, stored: &[u8]) -> Result<Option<Opened>> {
        if let Some(reader) = self.reader(key, stored)? {
            reader.provider.prepare_blocking(reader.sealed).map_err(|why| opened_by_nobody(key, &why))?;
        }
        self.open(key, stored)
    }

    /// The prefixes of keys that rules are about.
    #[cfg(feature = "etcd")]
    pub(crate) fn prefixes(&self) -> Vec<String> {
        self.0.read().iter().flat_map(|rule| rule.prefixes.iter().cloned()).collect()
    }

    /// Fetches what [`Encryption::open`] will need.
    ///
    /// # Errors
    /// `Unavailable` when whoever keeps the key does not give it; `Damaged`, with what to do, when there is no provider for
    /// it.
    #[cfg(feature = "etcd")]
    pub(crate) async fn prepare(&self, key: &str, stored: &[u8]) -> Result<()> {
        let Some(reader) = self.reader(key, stored)? else { return Ok(()) };
        reader.provider.prepare(reader.sealed).await.map_err(|why| opened_by_nobody(key, &why))
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

/// What went wrong, if anything did.
fn together(outcomes: impl IntoIterator<Item = Result<(), String>>) -> Result<()> {
    let wrong: Vec<String> = outcomes.into_iter().filter_map(Result::err).collect();
    if wrong.is_empty() { Ok(()) } else { Err(Error::Unavailable(format!("encryption at rest: {}", wrong.join("; ")))) }
}

fn sealed_by_nobody(key: &str, why: &str) -> Error {
    Error::Unavailable(format!("{key} cannot be encrypted: {why}"))
}

/// A service that is away says nothing about the value: it may be read when the service is back.
fn opened_by_nobody(key: &str, why: &str) -> Error {
    Error::Unavailable(undecrypted(key, why))
}

fn unreadable(key: &str, why: &str) -> Error {
    Error::Damaged(undecrypted(key, why))
}

fn undecrypted(key: &str, why: &str) -> String {
    format!("the stored value of {key} cannot be decrypted: {why}")
}
