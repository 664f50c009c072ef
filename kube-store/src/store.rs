//! The seam: what every backend promises.

use crate::{Entry, ListRequest, Listing, ReadAt, Result, Revision, Txn, TxnOutcome, Watch, WatchRequest};
use async_trait::async_trait;
use std::sync::Arc;

/// A revisioned key-value store.
#[async_trait]
pub trait Store: Send + Sync + std::fmt::Debug + 'static {
    /// The version of `key` at the given revision, or `None`.
    async fn get(&self, key: &str, at: ReadAt) -> Result<Option<Arc<Entry>>>;

    /// The entries under a prefix, in key order, at one revision.
    async fn list(&self, request: ListRequest) -> Result<Listing>;

    /// One atomic write.
    async fn txn(&self, txn: Txn) -> Result<TxnOutcome>;

    /// Every change under a prefix, in order.
    async fn watch(&self, request: WatchRequest) -> Result<Watch>;

    /// The revision of the last committed transaction; linearizable.
    async fn revision(&self) -> Result<Revision>;

    /// Forgets history before `revision`, which stays readable.
    async fn compact(&self, revision: Revision) -> Result<()>;
}
