//! What a store does by itself: delete what has expired, tell watchers of progress, let history age.
//!
//! One task for each store, started by the first call that gives it something to do and owned by the store: it ends
//! with it. It sleeps until the next thing is due, so that an idle store has no timers.

use super::transaction::Prepared;
use super::{Engine, Writer};
use crate::{Op, Precondition, Result, Txn, TxnOutcome};
use parking_lot::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::Instant;

/// Expired keys that are deleted before the clock is looked at again.
const EXPIRY_STEP: usize = 256;
/// Pause after a delete failed, as it does on a full medium.
const RETRY: Duration = Duration::from_secs(1);

/// What the housekeeping needs of a backend.
pub(crate) trait Backend: Send + Sync + 'static {
    /// The engine under it.
    fn engine(&self) -> &Engine;
    /// Commits a transaction the way every other is committed.
    fn commit(&self, prepared: Prepared) -> impl Future<Output = Result<TxnOutcome>> + Send;
}

/// The handle on the task.
#[derive(Debug, Default)]
pub(crate) struct Housekeeper {
    running: Arc<AtomicBool>,
    task: Mutex<Option<AbortHandle>>,
}

impl Housekeeper {
    /// Starts the task unless it runs. It may have ended with the runtime that it ran on; outside of any runtime there
    /// is no clock, and the next call inside of one starts it.
    pub(crate) fn ensure_running<B: Backend>(&self, backend: &Arc<B>) {
        if self.running.load(Ordering::Relaxed) {
            return;
        }
        let Ok(runtime) = Handle::try_current() else { return };
        let mut task = self.task.lock();
        if self.running.swap(true, Ordering::Relaxed) {
            return;
        }
        let ended = Ended(Arc::clone(&self.running));
        let bell = Arc::clone(&backend.engine().bell);
        let backend = Arc::downgrade(backend);
        *task = Some(runtime.spawn(run(backend, bell, ended)).abort_handle());
    }
}

impl Drop for Housekeeper {
    fn drop(&mut self) {
        if let Some(task) = self.task.get_mut().take() {
            task.abort();
        }
    }
}

/// Notes that the task has ended, however it did.
struct Ended(Arc<AtomicBool>);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

async fn run<B: Backend>(backend: Weak<B>, bell: Arc<Notify>, _ended: Ended) {
    loop {
        let Some(strong) = backend.upgrade() else { return };
        let Some(chores) = strong.engine().chores(Instant::now()) else { return };
        let mut next = chores.next;
        for txn in chores.expired {
            if let Err(error) = expire(&*strong, txn).await {
                tracing::warn!(%error, "an expired key could not be deleted");
                next = Some(Instant::now() + RETRY);
                break;
            }
        }
        // Nothing may keep the store alive while this task waits.
        drop(strong);
        match next {
            None => bell.notified().await,
            Some(due) => {
                tokio::select! {
                    biased;
                    () = bell.notified() => {}
                    () = tokio::time::sleep_until(due) => {}
                }
            }
        }
    }
}

async fn expire<B: Backend>(backend: &B, txn: Txn) -> Result<()> {
    let prepared = backend.engine().prepare(txn)?;
    // A refusal means that the key was written or deleted meanwhile, which is as good.
    backend.commit(prepared).await.map(|_| ())
}

/// What is to be done.
pub(crate) struct Chores {
    expired: Vec<Txn>,
    next: Option<Instant>,
}

impl Engine {
    /// Does what needs no transaction, and says what else is due now and when to look again; `None` when closed.
    fn chores(&self, now: Instant) -> Option<Chores> {
        {
            let mut writer = self.turn().ok()?;
            self.tell_progress(&mut writer, now);
        }
        self.forget(|index| index.trim_step(&self.config.history, now).is_some());
        let mut writer = self.turn().ok()?;
        let due = writer.expiry.due(now, EXPIRY_STEP);
        let expired: Vec<_> = due
            .into_iter()
            .map(|(key, revision)| Txn {
                key: key.to_string(),
                precondition: Precondition::Revision(revision),
                op: Op::Delete,
            })
            .collect();
        let next = if expired.is_empty() {
            let oldest = self.index.read().oldest();
            self.next_chore(&writer, oldest)
        } else {
            Some(now)
        };
        writer.armed = next;
        Some(Chores { expired, next })
    }

    fn tell_progress(&self, writer: &mut Writer, now: Instant) {
        if writer.progress_due.is_some_and(|due| due <= now) {
            writer.progress_due = None;
            writer.router.progress(self.index.read().revision());
        }
    }
}
