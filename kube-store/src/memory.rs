//! The memory backend: the index, and nothing else.

use crate::engine::Engine;
use crate::engine::expiry::Expiry;
use crate::engine::housekeeping::{Backend, Housekeeper};
use crate::engine::transaction::Prepared;
use crate::index::Index;
use crate::{Config, Entry, Extractor, ListRequest, Listing, ReadAt, Result, Revision, Store, Txn, TxnOutcome, Watch};
use crate::{WatchRequest, store};
use async_trait::async_trait;
use std::sync::Arc;

/// A store that keeps everything in memory. It never waits: each operation is complete when it is first polled.
///
/// Dropping it closes it: watches end with [`Error::Closed`](crate::Error::Closed). Keys with a time to live expire, and
/// progress is told, by a task of its own on the runtime of the caller, whose time driver must be enabled.
///
/// ```
/// # use kubekit_store::*;
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let store = Memory::new(Extractor::none(), Config::default());
/// let value = Value { bytes: "{}".into(), splice: 1 };
/// store.put("/pods/default/web", Precondition::Absent, value).await?;
/// let pods = store.list(ListRequest { prefix: "/pods/".into(), ..ListRequest::default() }).await?;
/// assert_eq!(pods.entries.count(), 1);
/// # Ok::<(), Error>(())
/// # }).unwrap();
/// ```
#[derive(Debug)]
pub struct Memory {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    engine: Arc<Engine>,
    housekeeper: Housekeeper,
}

impl Memory {
    /// An empty store.
    pub fn new(extractor: Extractor, config: Config) -> Self {
        let index = Index::new(store::EMPTY_REVISION, &config.indexed);
        let engine = Arc::new(Engine::new(index, Expiry::default(), extractor, config));
        let inner = Arc::new(Inner { engine, housekeeper: Housekeeper::default() });
        inner.housekeeper.ensure_running(&inner);
        Self { inner }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        self.inner.engine.close();
    }
}

impl Backend for Inner {
    fn engine(&self) -> &Engine {
        &self.engine
    }

    async fn commit(&self, prepared: Prepared) -> Result<TxnOutcome> {
        self.engine.commit(prepared)
    }
}

#[async_trait]
impl Store for Memory {
    async fn get(&self, key: &str, at: ReadAt) -> Result<Option<Arc<Entry>>> {
        self.inner.housekeeper.ensure_running(&self.inner);
        self.inner.engine.get(key, at)
    }

    async fn list(&self, request: ListRequest) -> Result<Listing> {
        self.inner.housekeeper.ensure_running(&self.inner);
        self.inner.engine.list(request)
    }

    async fn txn(&self, txn: Txn) -> Result<TxnOutcome> {
        self.inner.housekeeper.ensure_running(&self.inner);
        let prepared = self.inner.engine.prepare(txn)?;
        self.inner.engine.commit(prepared)
    }

    async fn watch(&self, request: WatchRequest) -> Result<Watch> {
        self.inner.housekeeper.ensure_running(&self.inner);
        self.inner.engine.watch(request)
    }

    async fn revision(&self) -> Result<Revision> {
        Ok(self.inner.engine.revision())
    }

    async fn compact(&self, revision: Revision) -> Result<()> {
        self.inner.engine.compact(revision)
    }
}
