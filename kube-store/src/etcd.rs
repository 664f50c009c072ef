//! The backend over a real etcd cluster.
//!
//! Writes are transactions of etcd. Reads and watches are answered from the crate's one index, which a single watch over
//! all keys of the store keeps up with etcd ([`feed`](self)); whether it is fresh enough for a read that must not be stale
//! is asked of etcd each time, and what the index cannot answer is read from etcd itself. `docs/store.md` has the layout of
//! keys and values, and what happens when members fail.

mod client;
mod codec;
mod compaction;
mod config;
mod endpoint;
mod failure;
mod feed;
mod keyspace;
mod messages;
mod read;
mod reseal;
mod tls;
mod version;
mod write;

use crate::engine::Engine;
use crate::engine::expiry::Expiry;
use crate::engine::housekeeping::{Backend, Housekeeper};
use crate::engine::transaction::Prepared;
use crate::index::Index;
use crate::{Config, Entry, Error, Extractor, ListRequest, Listing, ReadAt, Result, Revision, Store, Txn, TxnOutcome};
use crate::{Watch, WatchRequest, store};
use async_trait::async_trait;
use client::Client;
use codec::Codec;
pub use config::{Credentials, EtcdConfig, TlsFiles};
use feed::{Feed, State};
use keyspace::Keyspace;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::task::AbortHandle;
use tokio::time::Instant;

/// Pause between attempts to reach a cluster at the start.
const START_PAUSE: Duration = Duration::from_millis(50);

/// A store in an etcd cluster. Several stores, in several processes, may share one: each sees the others' writes.
///
/// Beyond the contract of [`Store`]: others who write to the same etcd cluster use revisions too, so that they rise by more
/// than one; a lifetime of less than etcd's shortest lease (about 2 s) ends that much later; and a value may not be larger
/// than etcd's own limit on a request (1.5 MiB unless it was told otherwise).
///
/// It has tasks of its own, on the runtime of whoever connects it, which end when it is dropped.
#[derive(Debug)]
pub struct Etcd {
    inner: Arc<Inner>,
    tasks: Vec<AbortHandle>,
}

#[derive(Debug)]
struct Inner {
    feed: Arc<Feed>,
    housekeeper: Housekeeper,
}

impl Etcd {
    /// Connects to a cluster, and reads the state of the store.
    ///
    /// # Errors
    /// `Invalid` for a configuration that cannot be used, `Unavailable` when no member, or nobody who keeps the keys of
    /// encryption, answers in time, `Damaged` for values that this store cannot read.
    pub async fn connect(etcd: EtcdConfig, extractor: Extractor, config: Config) -> Result<Self> {
        let encryption = config.encryption.clone();
        let codec = Codec { keys: Keyspace::new(&etcd.prefix, &etcd.root), encryption };
        let (patience, interval) = (etcd.start_timeout, etcd.compaction_interval);
        let client = Client::new(etcd)?;
        let index = Index::new(store::EMPTY_REVISION, &config.indexed);
        let engine = Arc::new(Engine::new(index, Expiry::default(), extractor, config));
        let feed = Arc::new(Feed {
            engine,
            client,
            codec,
            state: watch::Sender::new(State::default()),
            progress: Notify::new(),
            asks_progress: AtomicBool::new(false),
        });
        let deadline = Instant::now() + patience;
        loop {
            match feed.load().await {
                Ok(()) => break,
                Err(Error::Unavailable(text)) if Instant::now() >= deadline => return Err(Error::Unavailable(text)),
                Err(Error::Unavailable(text)) => {
                    tracing::warn!(%text, "the state cannot be read from etcd yet");
                    tokio::time::sleep(START_PAUSE).await;
                }
                Err(error) => return Err(error),
            }
        }
        let mut tasks = vec![tokio::spawn(Arc::clone(&feed).run()).abort_handle()];
        if let Some(interval) = interval {
            tasks.push(tokio::spawn(compaction::run(Arc::clone(&feed), interval)).abort_handle());
        }
        let inner = Arc::new(Inner { feed, housekeeper: Housekeeper::default() });
        inner.housekeeper.ensure_running(&inner);
        let store = Self { inner, tasks };
        // What happened since the state that was read is replayed before anybody asks.
        let present = store.inner.feed.present().await?;
        store.inner.feed.reach(present).await;
        Ok(store)
    }
}

impl Drop for Etcd {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
        self.inner.feed.engine.close();
    }
}

impl Backend for Inner {
    fn engine(&self) -> &Engine {
        &self.feed.engine
    }

    /// Expiry is etcd's, by leases: the housekeeping finds nothing to delete.
    async fn commit(&self, _prepared: Prepared) -> Result<TxnOutcome> {
        Err(Error::Closed)
    }
}

#[async_trait]
impl Store for Etcd {
    async fn get(&self, key: &str, at: ReadAt) -> Result<Option<Arc<Entry>>> {
        self.inner.feed.get(key, at).await
    }

    async fn list(&self, request: ListRequest) -> Result<Listing> {
        self.inner.feed.list(request).await
    }

    async fn txn(&self, txn: Txn) -> Result<TxnOutcome> {
        self.inner.feed.txn(txn).await
    }

    async fn watch(&self, request: WatchRequest) -> Result<Watch> {
        self.inner.housekeeper.ensure_running(&self.inner);
        self.inner.feed.watch(request).await
    }

    async fn revision(&self) -> Result<Revision> {
        self.inner.feed.present().await
    }

    async fn compact(&self, revision: Revision) -> Result<()> {
        let feed = &self.inner.feed;
        let current = feed.present().await?;
        if revision > current {
            return Err(Error::Future { requested: revision, current });
        }
        match feed.client.compact(revision, false).await {
            Ok(()) => {}
            Err(failure::Failure::Compacted) if feed.engine.floor() == revision => {}
            Err(failure) => return Err(feed.locate(failure.into_error(revision))),
        }
        feed.reach(revision).await;
        match feed.engine.compact(revision) {
            // The history kept here may be shorter than etcd's, or not have come so far yet.
            Ok(()) | Err(Error::Compacted { .. } | Error::Future { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn reseal(&self) -> Result<u64> {
        self.inner.feed.reseal().await
    }

    async fn health(&self) -> Result<()> {
        self.inner.feed.present().await?;
        let trouble = self.inner.feed.state.borrow().trouble.clone();
        match trouble {
            None => self.inner.feed.codec.encryption.health(),
            Some(text) => Err(Error::Unavailable(format!("the watch of etcd does not run: {text}"))),
        }
    }
}
