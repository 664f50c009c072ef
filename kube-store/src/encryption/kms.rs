//! Keys of a key management service (KMS v2 of Kubernetes): values are encrypted here, under a data key that only the
//! service can unwrap.
//!
//! [`Kms`] is the provider; [`KeyService`] is what it asks of the service, and [`socket`] asks a plugin over its socket. A
//! new data key is made when a server starts and whenever the service's own key changes, which its status tells; the data
//! key, wrapped by the service, stands beside every value that it encrypts. Data keys that were unwrapped are kept, so that
//! reads go on while the service is away.
//!
//! The stored form is that of kube-apiserver: `k8s:enc:kms:v2:NAME:`, then an `EncryptedObject`.
//! Source: KEP-3299, `apiserver/pkg/storage/value/encrypt/envelope/kmsv2`.

mod cache;
mod messages;
mod seed;
pub mod service;
#[cfg(feature = "conformance")]
pub mod simulated;
#[cfg(unix)]
pub mod socket;
#[cfg(test)]
mod tests;

use super::key::random;
use super::{Opened, Provider};
use bytes::Bytes;
use cache::Cache;
use futures::future::BoxFuture;
use messages::{EncryptedObject, SOURCE_SEED};
use parking_lot::{Mutex, RwLock};
use prost::Message;
use seed::Seed;
pub use service::{KeyService, Status, Wrapped};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::Instant;

/// How long values are encrypted after the service was last well, as in Kubernetes: its key may have been withdrawn.
const WRITES_MAX: Duration = Duration::from_secs(3 * 60);

/// Encrypts under data keys that a key management service wraps.
pub struct Kms {
    name: String,
    prefix: String,
    service: Arc<dyn KeyService>,
    writing: RwLock<Option<Arc<Writing>>>,
    unwrapped: Mutex<Cache>,
    /// What the last refresh came to.
    health: RwLock<Result<(), String>>,
    /// Held while the service is asked for its status, so that one data key is made at a time.
    refreshing: tokio::sync::Mutex<()>,
    /// Held while a data key is unwrapped: the last one that could not be.
    unwrapping: tokio::sync::Mutex<Option<Refused>>,
    /// How many could not be unwrapped, ever.
    refusals: AtomicU64,
}

/// A data key that the service did not unwrap, by its head, and why.
struct Refused {
    head: Vec<u8>,
    why: String,
}

/// A stored value, taken apart.
struct Parsed {
    data: Bytes,
    /// See [`EncryptedObject::head`].
    head: Vec<u8>,
    wrapped: Wrapped,
}

/// The data key that encrypts.
struct Writing {
    seed: Arc<Seed>,
    key_id: String,
    /// What stands behind each value: see [`EncryptedObject::head`].
    head: Vec<u8>,
    /// Until when it may, unless the service says again that it is well.
    until: Mutex<Instant>,
}

impl fmt::Debug for Kms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.prefix)
    }
}

impl Kms {
    /// With this service, under the name that stands in front of each value. The service is asked for nothing yet: nothing
    /// can be encrypted before the first [`Provider::refresh`].
    pub fn new(name: impl Into<String>, service: Arc<dyn KeyService>) -> Self {
        let name = name.into();
        Self {
            prefix: format!("k8s:enc:kms:v2:{name}:"),
            health: RwLock::new(Err(format!("the KMS plugin {name:?} has not been asked yet"))),
            name,
            service,
            writing: RwLock::default(),
            unwrapped: Mutex::default(),
            refreshing: tokio::sync::Mutex::default(),
            unwrapping: tokio::sync::Mutex::default(),
            refusals: AtomicU64::new(0),
        }
    }

    /// What is wrong, with the service's name.
    fn wrong(&self, why: impl fmt::Display) -> String {
        format!("KMS plugin {:?}: {why}", self.name)
    }

    async fn try_refresh(&self) -> Result<(), String> {
        let status = self.service.status().await?;
        status.check()?;
        let until = Instant::now() + WRITES_MAX;
        let writing = self.writing.read().clone();
        if let Some(writing) = writing.filter(|writing| writing.key_id == status.key_id) {
            *writing.until.lock() = until;
            return Ok(());
        }
        let seed = Arc::new(Seed::generate()?);
        let wrapped = self.service.encrypt(&request_id()?, seed.bytes()).await?;
        wrapped.check()?;
        if wrapped.key_id != status.key_id {
            return Err(format!(
                "its status names the key {:?}, and it encrypts under {:?}",
                status.key_id, wrapped.key_id
            ));
        }
        let head = EncryptedObject::head(wrapped);
        tracing::info!(plugin = self.name, key_id = status.key_id, "a new data key encrypts from now on");
        self.unwrapped.lock().put(head.clone(), Arc::clone(&seed));
        *self.writing.write() = Some(Arc::new(Writing { seed, key_id: status.key_id, head, until: Mutex::new(until) }));
        Ok(())
    }

    /// The data key that may encrypt now.
    fn writing(&self) -> Result<Arc<Writing>, String> {
        let writing = self.writing.read().clone();
        match writing {
            Some(writing) if Instant::now() <= *writing.until.lock() => Ok(writing),
            _ => {
                let why = self
                    .health
                    .read()
                    .clone()
                    .err()
                    .unwrap_or_else(|| self.wrong(format!("it has not said for {WRITES_MAX:?} that it is well")));
                Err(why)
            }
        }
    }

    fn parse(&self, sealed: &[u8]) -> Result<Parsed, String> {
        let object = EncryptedObject::decode(sealed);
        let mut object = object.map_err(|_| "the value is damaged, or cut short".to_owned())?;
        if object.source_type != SOURCE_SEED {
            let kind = object.source_type;
            return Err(self.wrong(format!("the value has a data key of kind {kind}, which is not supported here")));
        }
        let data = std::mem::take(&mut object.data);
        Ok(Parsed { data, head: object.encode_to_vec(), wrapped: object.into_wrapped() })
    }

    fn known(&self, head: &[u8]) -> Option<Arc<Seed>> {
        self.unwrapped.lock().get(head)
    }

    /// Has the service unwrap a data key.
    async fn unwrap(&self, head: Vec<u8>, wrapped: Wrapped) -> Result<(), String> {
        let unwrapped = self.service.decrypt(&request_id()?, &wrapped).await.map_err(|why| self.wrong(why))?;
        let seed = Seed::new(&unwrapped).map_err(|why| self.wrong(why))?;
        self.unwrapped.lock().put(head, Arc::new(seed));
        Ok(())
    }

    /// What must be unwrapped before this can be opened. What cannot be read lacks nothing that the service has.
    fn lacks(&self, sealed: &[u8]) -> Option<Parsed> {
        self.parse(sealed).ok().filter(|parsed| self.known(&parsed.head).is_none())
    }
}

/// A name for one request, by which the service's log and this one can be held together.
fn request_id() -> Result<String, String> {
    let number = u128::from_be_bytes(random()?);
    Ok(format!("{number:032x}"))
}

impl Provider for Kms {
    fn prefix(&self) -> &str {
        &self.prefix
    }

    fn ready(&self) -> Result<(), String> {
        self.writing().map(drop)
    }

    fn seal(&self, plain: &[u8], key: &str) -> Result<Vec<u8>, String> {
        let writing = self.writing()?;
        let sealed = EncryptedObject { data: writing.seed.seal(plain, key)?.into(), ..EncryptedObject::default() };
        let mut bytes = sealed.encode_to_vec();
        // Messages are put together by putting their bytes together.
        bytes.extend_from_slice(&writing.head);
        Ok(bytes)
    }

    fn open(&self, sealed: &[u8], key: &str) -> Result<Opened, String> {
        let Parsed { data, head, wrapped } = self.parse(sealed)?;
        let seed = self.known(&head).ok_or_else(|| self.wrong("its data key has not been unwrapped"))?;
        let plain = seed.open(&data, key)?;
        let stale = self.writing.read().as_ref().is_some_and(|writing| writing.key_id != wrapped.key_id);
        Ok(Opened { plain, stale })
    }

    fn prepare<'a>(&'a self, sealed: &'a [u8]) -> BoxFuture<'a, Result<(), String>> {
        Box::pin(async {
            let Some(Parsed { head, wrapped, .. }) = self.lacks(sealed) else { return Ok(()) };
            let refusals = self.refusals.load(Ordering::Relaxed);
            // Many readers may want the same data key at the same time: the first one fetches it for all, or is told for all
            // that it is not to be had, so that they do not wait for a service that hangs one after the other.
            let mut refused = self.unwrapping.lock().await;
            if self.known(&head).is_some() {
                return Ok(());
            }
            if self.refusals.load(Ordering::Relaxed) != refusals
                && let Some(refused) = refused.as_ref().filter(|refused| refused.head == head)
            {
                return Err(refused.why.clone());
            }
            let unwrapped = self.unwrap(head.clone(), wrapped).await;
            if let Err(why) = &unwrapped {
                *refused = Some(Refused { head, why: why.clone() });
                self.refusals.fetch_add(1, Ordering::Relaxed);
            }
            unwrapped
        })
    }

    /// The service is asked on a thread and a runtime of its own: the caller's runtime may be the one that is blocked.
    fn prepare_blocking(&self, sealed: &[u8]) -> Result<(), String> {
        let Some(Parsed { head, wrapped, .. }) = self.lacks(sealed) else { return Ok(()) };
        let ask = || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.map_err(|error| error.to_string())?.block_on(self.unwrap(head, wrapped))
        };
        let asked = std::thread::scope(|scope| scope.spawn(ask).join());
        asked.unwrap_or_else(|_| Err(self.wrong("the thread that asked it panicked")))
    }

    fn refresh(&self) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(async {
            let _turn = self.refreshing.lock().await;
            let outcome = self.try_refresh().await.map_err(|why| self.wrong(why));
            let before = std::mem::replace(&mut *self.health.write(), outcome.clone());
            match (&before, &outcome) {
                (before, Err(why)) if before.as_ref().err() != Some(why) => {
                    tracing::warn!(%why, "a key management service is not well");
                }
                (Err(_), Ok(())) => tracing::info!(plugin = self.name, "a key management service is well"),
                _ => {}
            }
            outcome
        })
    }

    fn health(&self) -> Result<(), String> {
        self.health.read().clone()
    }
}
