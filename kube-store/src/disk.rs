//! The disk backend: the index over a log with group commit, and snapshots. `docs/store.md` has the format
//! and the reasons.

mod answers;
mod committer;
pub(crate) mod frame;
mod group;
pub(crate) mod log;
pub mod medium;
pub(crate) mod names;
mod publisher;
mod queue;
pub(crate) mod reader;
pub(crate) mod record;
mod recovery;
pub(crate) mod snapshot;

pub use recovery::Recovery;

use crate::engine::Engine;
use crate::engine::housekeeping::{Backend, Housekeeper};
use crate::engine::transaction::Prepared;
use crate::{Config, Entry, Error, Extractor, ListRequest, Listing, ReadAt, Result, Revision, Store, Txn, TxnOutcome};
use crate::{Watch, WatchRequest};
use answers::Answers;
use async_trait::async_trait;
use committer::{Committer, Request};
use medium::{Directory, Medium, MediumLock};
use parking_lot::Mutex;
use queue::{Before, Queue};
use std::collections::VecDeque;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// Without a request for this long, the log is marked as durable to its end.
const IDLE_AFTER: Duration = Duration::from_millis(10);

/// Where the disk backend does its blocking work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CommitMode {
    /// On a thread of the store, which groups the transactions that arrive while it waits for the medium.
    #[default]
    Thread,
    /// In the call itself. For a simulated medium, which never blocks: the store has no threads then, and one seed
    /// gives one history.
    Inline,
}

/// A store in one directory. A committed transaction is durable before its answer, and before any reader sees it.
///
/// Dropping it closes it: what was asked before is completed, watches end with [`Error::Closed`], and the directory is
/// given free. That takes as long as the medium takes for one sync.
#[derive(Debug)]
pub struct Disk {
    inner: Arc<Inner>,
    /// The threads, if the store has any.
    threads: Vec<JoinHandle<()>>,
    recovery: Recovery,
    stop: Arc<AtomicBool>,
    _lock: Box<dyn MediumLock>,
}

#[derive(Debug)]
struct Inner {
    engine: Arc<Engine>,
    queue: Arc<Queue>,
    answers: Arc<Answers>,
    /// For [`CommitMode::Inline`].
    committer: Option<Mutex<Committer>>,
    housekeeper: Housekeeper,
}

impl Disk {
    /// Opens the store in the directory `path`, which is created if it is not there. It blocks while it reads the
    /// directory back: call it at start-up, or where blocking is allowed.
    ///
    /// # Errors
    /// `Locked` when another process, or another store of this one, has the directory. `Damaged` when what was
    /// acknowledged cannot be read back, or is of another version; nothing was changed then. `Unavailable` when whoever
    /// keeps the keys of encryption does not give one that is needed. `Io` and `NoSpace` when the medium fails.
    pub fn open(path: impl AsRef<Path>, extractor: Extractor, config: Config) -> Result<Self> {
        Self::open_on(Directory::new(path.as_ref()), extractor, config)
    }

    /// Opens the store on a medium.
    ///
    /// # Errors
    /// Those of [`Disk::open`].
    pub fn open_on(medium: impl Medium, extractor: Extractor, config: Config) -> Result<Self> {
        let medium: Arc<dyn Medium> = Arc::new(medium);
        let lock = lock(&*medium)?;
        let recovered = recovery::recover(&medium, &config)?;
        if !recovered.report.in_order {
            let (medium, cut_bytes) = (medium.describe(), recovered.report.cut_bytes);
            tracing::info!(medium, cut_bytes, "the store was not closed in order; what was acknowledged is there");
        }
        let (mode, segment_bytes) = (config.commit_mode, config.segment_bytes);
        let engine = Arc::new(Engine::new(recovered.index, recovered.expiry, extractor, config));
        let mut committer =
            Committer::new(Arc::clone(&engine), medium, recovered.log, segment_bytes, recovered.snapshot_bytes);
        if recovered.outdated {
            committer.upgrade();
        }
        let (stop, answers) = (committer.stop(), committer.answers());
        let queue = Arc::new(Queue::default());
        let mut threads = Vec::new();
        let mut inline = None;
        match mode {
            CommitMode::Inline => inline = Some(Mutex::new(committer)),
            CommitMode::Thread => threads = start_threads(committer, &queue)?,
        }
        let inner = Arc::new(Inner { engine, queue, answers, committer: inline, housekeeper: Housekeeper::default() });
        inner.housekeeper.ensure_running(&inner);
        Ok(Self { inner, threads, recovery: recovered.report, stop, _lock: lock })
    }

    /// How the store that had the directory before ended.
    pub fn recovery(&self) -> Recovery {
        self.recovery
    }
}

/// Takes a medium for this process.
pub(crate) fn lock(medium: &dyn Medium) -> Result<Box<dyn MediumLock>> {
    medium.lock().map_err(|error| match error.kind() {
        ErrorKind::WouldBlock => Error::Locked(format!("{}: {error}", medium.describe())),
        _ => Error::Io(format!("{}: {error}", medium.describe())),
    })
}

/// Starts the thread that commits, and those that publish and write snapshots, which end when the first does.
fn start_threads(mut committer: Committer, queue: &Arc<Queue>) -> Result<Vec<JoinHandle<()>>> {
    let failed = |error: std::io::Error| Error::Io(format!("starting a thread: {error}"));
    let (jobs, to_do) = std::sync::mpsc::channel::<committer::SnapshotJob>();
    let publish = committer.publish_beside(queue);
    let requests = Arc::clone(queue);
    let commit = move || {
        let mut waiting = VecDeque::new();
        let mut before = Before::default();
        loop {
            requests.gather(before);
            if !requests.take(&mut waiting, Some(IDLE_AFTER)) {
                committer.idle();
                if !requests.take(&mut waiting, None) {
                    break;
                }
            }
            while !waiting.is_empty() {
                let (start, asked) = (Instant::now(), waiting.len());
                if let Some(job) = committer.step(&mut waiting) {
                    // The receiver lives as long as this thread.
                    let _ = jobs.send(job);
                }
                before = Before { answered: asked - waiting.len(), took: start.elapsed() };
            }
        }
        committer.close();
    };
    let requests = Arc::clone(queue);
    let write = move || {
        while let Ok(job) = to_do.recv() {
            requests.push(job.run());
        }
    };
    let thread = |name: &str| std::thread::Builder::new().name(format!("kubekit-store-{name}"));
    let commit = thread("log").spawn(commit).map_err(failed)?;
    let publish = thread("pub").spawn(move || publish.run()).map_err(failed)?;
    let write = thread("snap").spawn(write).map_err(failed)?;
    Ok(vec![commit, publish, write])
}

impl Drop for Disk {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.inner.queue.close();
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a thread of the store had panicked");
            }
        }
        if let Some(committer) = &self.inner.committer {
            committer.lock().close();
        }
        self.inner.engine.close();
    }
}

impl Inner {
    /// Hands a request to the committer, or does its work where there is no thread.
    fn submit(&self, request: Request) {
        self.queue.push(request);
        let Some(committer) = &self.committer else { return };
        let mut committer = committer.lock();
        loop {
            let mut waiting = self.queue.drain();
            if waiting.is_empty() {
                committer.idle();
                return;
            }
            while !waiting.is_empty() {
                if let Some(job) = committer.step(&mut waiting) {
                    waiting.push_back(job.run());
                }
            }
        }
    }

    async fn compact(&self, revision: Revision) -> Result<()> {
        let (reply, answer) = oneshot::channel();
        self.submit(Request::Compact(revision, reply));
        answer.await.unwrap_or(Err(Error::Closed))
    }
}

impl Backend for Inner {
    fn engine(&self) -> &Engine {
        &self.engine
    }

    async fn commit(&self, prepared: Prepared) -> Result<TxnOutcome> {
        let (reply, answer) = oneshot::channel();
        self.submit(Request::Txn(Box::new(prepared), reply));
        let answer = answer.await.unwrap_or(Err(Error::Closed));
        self.answers.give_on();
        answer
    }
}

#[async_trait]
impl Store for Disk {
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
        self.inner.commit(prepared).await
    }

    async fn watch(&self, request: WatchRequest) -> Result<Watch> {
        self.inner.housekeeper.ensure_running(&self.inner);
        self.inner.engine.watch(request)
    }

    async fn revision(&self) -> Result<Revision> {
        Ok(self.inner.engine.revision())
    }

    async fn compact(&self, revision: Revision) -> Result<()> {
        self.inner.compact(revision).await
    }

    async fn health(&self) -> Result<()> {
        self.inner.engine.config().encryption.health()
    }

    /// A snapshot is written under the present keys, and the log before it goes: nothing under an older key is left.
    async fn reseal(&self) -> Result<u64> {
        self.inner.engine.config().encryption.refresh().await?;
        let count = self.inner.engine.snapshot(ReadAt::Latest)?.walk("", None);
        let encryption = &self.inner.engine.config().encryption;
        let count = count.filter(|entry| encryption.concerns(&entry.key)).count() as u64;
        let (reply, answer) = oneshot::channel();
        self.inner.submit(Request::Snapshot(reply));
        answer.await.unwrap_or(Err(Error::Closed))?;
        Ok(count)
    }
}
