//! What the embedded backends share: the index behind a lock, one writer at a time, the fan-out to watchers, expiry.
//!
//! Two locks, taken in this order and never across an `await`: the writer's, which makes transactions and joining
//! watchers take turns, and the index's, which readers hold for one look-up or the clone of a snapshot. A writer holds
//! the second only to apply its change; the fan-out happens under the first alone, so that reads go on meanwhile.

pub(crate) mod expiry;
pub(crate) mod housekeeping;
pub(crate) mod read;
pub(crate) mod router;
mod stream;
#[cfg(test)]
mod tests;
pub(crate) mod transaction;
pub(crate) mod watcher;

use crate::index::history::Change;
use crate::index::{Index, Place};
use crate::{Config, Entry, Error, Event, EventKind, Extractor, Op, Result, Revision, Txn, TxnOutcome};
use expiry::Expiry;
use parking_lot::{Mutex, MutexGuard, RwLock};
use router::Router;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use tokio::sync::Notify;
use tokio::time::Instant;
use transaction::{Decision, Prepared};
use watcher::Watcher;

/// Changes that a watch reads from the history at a time, under the lock on the index.
pub(crate) const HISTORY_STEP: usize = 128;
/// Changes that a compaction forgets at a time, under the lock on the index.
const COMPACTION_STEP: usize = 512;
/// Changes that a write forgets at most for each that it adds, so that no write pays for a long history.
const TRIM_STEP: usize = 2;

/// The state of an embedded store.
#[derive(Debug)]
pub(crate) struct Engine {
    index: RwLock<Index>,
    writer: Mutex<Writer>,
    config: Config,
    extractor: Extractor,
    watchers: AtomicU64,
    /// Rung when there is something to do at a time before the one that the housekeeping waits for.
    bell: Arc<Notify>,
}

/// What only the holder of the writer's turn touches.
#[derive(Debug, Default)]
pub(crate) struct Writer {
    router: Router,
    expiry: Expiry,
    /// When the next progress events are due, if the revision has moved since the last.
    progress_due: Option<Instant>,
    /// When the housekeeping will look next.
    armed: Option<Instant>,
    closed: bool,
}

impl Engine {
    /// An engine on this index.
    pub(crate) fn new(index: Index, expiry: Expiry, extractor: Extractor, config: Config) -> Self {
        Self {
            index: RwLock::new(index),
            writer: Mutex::new(Writer { expiry, ..Writer::default() }),
            config,
            extractor,
            watchers: AtomicU64::new(0),
            bell: Arc::new(Notify::new()),
        }
    }

    /// Checks a transaction and completes it, before it has its turn.
    pub(crate) fn prepare(&self, txn: Txn) -> Result<Prepared> {
        if matches!(txn.op, Op::Put { .. }) {
            self.config.encryption.ready(&txn.key)?;
        }
        Prepared::new(txn, &self.extractor, &self.config)
    }

    /// Decides on a transaction and publishes it, in one turn of the writer.
    pub(crate) fn commit(&self, prepared: Prepared) -> Result<TxnOutcome> {
        let mut writer = self.turn()?;
        let (decision, place) = {
            let index = self.index.read();
            let located = index.locate(&prepared.key);
            let (place, current) = (located.map(|(place, _)| place), located.map(|(_, entry)| Arc::clone(entry)));
            (prepared.decide(current, index.revision() + 1, Instant::now()), place)
        };
        match decision {
            Decision::Refuse(current) => Ok(TxnOutcome::Refused { current }),
            Decision::Commit(change) => {
                let outcome = TxnOutcome::from(&change);
                // Compaction, which may run meanwhile, leaves the tree of the present alone.
                self.publish_at(&mut writer, std::slice::from_ref(&change), place);
                Ok(outcome)
            }
        }
    }

    /// Waits for the writer's turn, which is short.
    pub(crate) fn turn(&self) -> Result<MutexGuard<'_, Writer>> {
        let writer = self.writer.lock();
        if writer.closed { Err(Error::Closed) } else { Ok(writer) }
    }

    /// The current version of `key`. Whoever decides on it must be the only writer.
    pub(crate) fn current(&self, key: &str) -> Option<Arc<Entry>> {
        self.index.read().current(key).cloned()
    }

    /// Makes committed changes the present, for readers first and then for watchers.
    pub(crate) fn publish(&self, writer: &mut Writer, changes: &[Change]) {
        self.publish_at(writer, changes, None);
    }

    /// As [`Engine::publish`], where the place of the first change's key may be known.
    fn publish_at(&self, writer: &mut Writer, changes: &[Change], mut place: Option<Place>) {
        let Some(last) = changes.last() else { return };
        let oldest = {
            let mut index = self.index.write();
            for change in changes {
                index.apply_at(change.clone(), place.take());
                for _ in 0..TRIM_STEP {
                    if index.trim_step(&self.config.history, last.at).is_none() {
                        break;
                    }
                }
            }
            index.oldest()
        };
        for change in changes {
            writer.expiry.update(change);
            writer.router.dispatch(change);
        }
        if writer.progress_due.is_none() && writer.router.wants_progress() {
            writer.progress_due = Some(last.at + self.config.progress_interval);
        }
        self.arm(writer, oldest);
    }

    /// When the housekeeping has something to do next.
    fn next_chore(&self, writer: &Writer, oldest: Option<Instant>) -> Option<Instant> {
        let aged = oldest.and_then(|oldest| oldest.checked_add(self.config.history.age));
        [writer.expiry.next(), writer.progress_due, aged].into_iter().flatten().min()
    }

    /// Makes the housekeeping look early enough.
    fn arm(&self, writer: &mut Writer, oldest: Option<Instant>) {
        let Some(due) = self.next_chore(writer, oldest) else { return };
        if writer.armed.is_none_or(|armed| due < armed) {
            writer.armed = Some(due);
            self.bell.notify_one();
        }
    }

    /// Forgets history before `revision`.
    pub(crate) fn compact(&self, revision: Revision) -> Result<()> {
        {
            let index = self.index.read();
            let current = index.revision();
            if revision > current {
                return Err(Error::Future { requested: revision, current });
            }
            if revision < index.floor() {
                return Err(Error::Compacted { requested: revision, oldest: index.floor() });
            }
        }
        self.forget(|index| index.compact_step(revision).is_some());
        self.index.write().lift_floor(revision);
        Ok(())
    }

    /// Repeats `step` until it finds nothing to forget, and lets others at the index in between.
    fn forget(&self, mut step: impl FnMut(&mut Index) -> bool) {
        loop {
            let mut index = self.index.write();
            for _ in 0..COMPACTION_STEP {
                if !step(&mut index) {
                    return;
                }
            }
        }
    }

    /// Moves a watcher towards the present; `true` when it is there and follows the writer from now on.
    fn catch_up(&self, watcher: &Arc<Watcher>, cursor: &mut Revision, into: &mut VecDeque<Event>) -> Result<bool> {
        let lagged = Error::Lagged { resume_after: *cursor };
        let behind = self.index.read().revision().saturating_sub(*cursor);
        if behind > HISTORY_STEP as Revision {
            let (changes, reached) = self.index.read().changes_after(*cursor, HISTORY_STEP).map_err(|_| lagged)?;
            deliver(watcher, &changes, into);
            *cursor = reached;
            return Ok(false);
        }
        let mut writer = self.turn()?;
        let (changes, reached, revision) = {
            let index = self.index.read();
            let (changes, reached) = index.changes_after(*cursor, HISTORY_STEP).map_err(|_| lagged)?;
            (changes, reached, index.revision())
        };
        deliver(watcher, &changes, into);
        // Over etcd, a watch may begin behind the end of what has arrived here.
        *cursor = reached.max(*cursor);
        if *cursor < revision {
            return Ok(false);
        }
        let told = into.back().map_or(0, |event| event.revision);
        if watcher.progress && !changes.is_empty() && told < revision {
            into.push_back(Event { kind: EventKind::Progress, revision, entry: None });
        }
        watcher.join(*cursor);
        writer.router.add(watcher);
        Ok(true)
    }

    /// Raises the present revision without a change; see [`Index::advance`].
    #[cfg(feature = "etcd")]
    pub(crate) fn advance(&self, revision: Revision) -> Result<()> {
        let mut writer = self.turn()?;
        let oldest = {
            let mut index = self.index.write();
            index.advance(revision);
            index.oldest()
        };
        if writer.progress_due.is_none() && writer.router.wants_progress() {
            writer.progress_due = Some(Instant::now() + self.config.progress_interval);
        }
        self.arm(&mut writer, oldest);
        Ok(())
    }

    /// Begins anew with another index, whose history does not continue the one before: watches that follow the present end
    /// with [`Error::Lagged`], or with [`Error::Closed`] where the revision went back, so that they could not tell.
    #[cfg(feature = "etcd")]
    pub(crate) fn reset(&self, index: Index) -> Result<()> {
        let (watchers, back) = {
            let mut writer = self.turn()?;
            let mut present = self.index.write();
            let back = index.revision() < present.revision();
            *present = index;
            (writer.router.drain(), back)
        };
        for watcher in watchers {
            if back {
                watcher.close();
            } else {
                watcher.overflow();
            }
        }
        Ok(())
    }

    /// The oldest revision that can be read.
    #[cfg(feature = "etcd")]
    pub(crate) fn floor(&self) -> Revision {
        self.index.read().floor()
    }

    /// How the store is set up.
    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    /// Takes a watcher out of the fan-out.
    fn leave(&self, watcher: &Watcher) {
        self.writer.lock().router.remove(watcher);
    }

    /// Ends every watch and refuses every further write.
    pub(crate) fn close(&self) {
        let watchers = {
            let mut writer = self.writer.lock();
            writer.closed = true;
            writer.router.drain()
        };
        for watcher in watchers {
            watcher.close();
        }
        self.bell.notify_one();
    }
}

/// Turns changes into the watcher's events.
fn deliver(watcher: &Watcher, changes: &[Change], into: &mut VecDeque<Event>) {
    for change in changes {
        if change.key().starts_with(&*watcher.prefix) {
            into.extend(watcher.event(change));
        }
    }
}
