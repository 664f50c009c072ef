//! A store in which something happens before others write to it.

use async_trait::async_trait;
use kubekit_server::{extractor, store_config};
use kubekit_store::WatchRequest;
use kubekit_store::{Entry, ListRequest, Listing, Memory, ReadAt, Result, Revision, Store, Txn, TxnOutcome, Watch};
use std::fmt::Debug;
use std::sync::Arc;

/// An empty store in memory.
pub(crate) fn memory() -> Arc<dyn Store> {
    Arc::new(Memory::new(extractor(), store_config()))
}

/// What happens.
#[async_trait]
pub(crate) trait Happening: Debug + Send + Sync + 'static {
    /// Before a write to `store`; what it gives becomes of the write.
    async fn before_write(&self, _store: &Arc<dyn Store>, _txn: &Txn) -> Option<Result<TxnOutcome>> {
        None
    }

    /// Instead of writing everything anew.
    async fn reseal(&self) -> Result<u64> {
        Ok(0)
    }
}

/// A store in memory, and what happens there.
#[derive(Debug)]
pub(crate) struct Interposed<H> {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) happening: H,
}

impl<H: Happening> Interposed<H> {
    pub(crate) fn new(happening: H) -> Arc<Self> {
        Arc::new(Self { store: memory(), happening })
    }
}

#[async_trait]
impl<H: Happening> Store for Interposed<H> {
    async fn get(&self, key: &str, at: ReadAt) -> Result<Option<Arc<Entry>>> {
        self.store.get(key, at).await
    }

    async fn list(&self, request: ListRequest) -> Result<Listing> {
        self.store.list(request).await
    }

    async fn txn(&self, txn: Txn) -> Result<TxnOutcome> {
        match self.happening.before_write(&self.store, &txn).await {
            Some(outcome) => outcome,
            None => self.store.txn(txn).await,
        }
    }

    async fn watch(&self, request: WatchRequest) -> Result<Watch> {
        self.store.watch(request).await
    }

    async fn revision(&self) -> Result<Revision> {
        self.store.revision().await
    }

    async fn compact(&self, revision: Revision) -> Result<()> {
        self.store.compact(revision).await
    }

    async fn reseal(&self) -> Result<u64> {
        self.happening.reseal().await
    }
}
