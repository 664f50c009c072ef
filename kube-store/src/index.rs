//! The one MVCC index: it is the memory backend, and it is what the disk backend's log is read into.
//!
//! Synchronous and without a clock of its own: changes go in, versions and snapshots come out. The present state is a
//! copy-on-write [`Tree`] from key to the current version. Each version links to the one before it, deleted keys wait
//! among the graves, and the [`history`] holds the transactions in order; together they answer reads at older revisions.
//! Compaction takes changes off the front of the history and cuts the links that only older reads would follow, which
//! costs O(1) for each.

pub(crate) mod history;
mod secondary;
pub(crate) mod tree;

#[cfg(test)]
mod tests;

use crate::{Entry, Error, ReadAt, Result, Revision, Selector};
use history::{Change, History};
use secondary::Secondary;
use std::sync::Arc;
use tokio::time::Instant;
pub(crate) use tree::Place;
use tree::Tree;

/// Versions of all keys, as far back as the history goes.
#[derive(Debug)]
pub(crate) struct Index {
    live: Tree<Arc<Entry>>,
    graves: Tree<Grave>,
    history: History,
    secondary: Secondary,
    revision: Revision,
    live_bytes: usize,
}

/// A key that does not exist now, but did at revisions that can still be read.
#[derive(Clone, Debug)]
struct Grave {
    last: Arc<Entry>,
    deleted: Revision,
}

/// The state at one revision.
#[derive(Debug)]
pub(crate) struct Snapshot {
    /// The revision.
    pub(crate) revision: Revision,
    live: Tree<Arc<Entry>>,
    /// Only for a revision of the past.
    graves: Option<Tree<Grave>>,
    /// Only for the present: the keys among which everything is that was asked for.
    candidates: Option<Tree<Arc<str>>>,
}

impl Index {
    /// An empty index at `revision`.
    pub(crate) fn new(revision: Revision, indexed: &[String]) -> Self {
        Self {
            live: Tree::default(),
            graves: Tree::default(),
            history: History::new(revision),
            secondary: Secondary::new(indexed),
            revision,
            live_bytes: 0,
        }
    }

    /// Bytes of keys, values and attributes of the present state.
    pub(crate) fn live_bytes(&self) -> usize {
        self.live_bytes
    }

    /// The revision of the last change.
    pub(crate) fn revision(&self) -> Revision {
        self.revision
    }

    /// The oldest revision that can be read.
    pub(crate) fn floor(&self) -> Revision {
        self.history.floor()
    }

    /// When the oldest change of the history was committed.
    pub(crate) fn oldest(&self) -> Option<Instant> {
        self.history.oldest()
    }

    /// The current version of `key`.
    pub(crate) fn current(&self, key: &str) -> Option<&Arc<Entry>> {
        self.live.get(key)
    }

    /// The current version of `key`, and where it stands until the index changes.
    pub(crate) fn locate(&self, key: &str) -> Option<(Place, &Arc<Entry>)> {
        self.live.find(key)
    }

    /// The version of `key` at a revision.
    pub(crate) fn get(&self, key: &str, at: ReadAt) -> Result<Option<Arc<Entry>>> {
        let revision = self.resolve(at)?;
        if let Some(entry) = self.live.get(key) {
            return Ok(version_at(entry, revision));
        }
        Ok(self.graves.get(key).and_then(|grave| grave.at(revision)))
    }

    /// The revision that a read means.
    pub(crate) fn resolve(&self, at: ReadAt) -> Result<Revision> {
        let current = self.revision;
        match at {
            ReadAt::Latest => Ok(current),
            ReadAt::NotOlderThan(requested) | ReadAt::Exactly(requested) if requested > current => {
                Err(Error::Future { requested, current })
            }
            ReadAt::NotOlderThan(_) => Ok(current),
            ReadAt::Exactly(requested) if requested < self.floor() => {
                Err(Error::Compacted { requested, oldest: self.floor() })
            }
            ReadAt::Exactly(requested) => Ok(requested),
        }
    }

    /// The state at a revision, narrowed to candidates of `selector` where an index knows them.
    pub(crate) fn snapshot(&self, at: ReadAt, selector: &Selector) -> Result<Snapshot> {
        let revision = self.resolve(at)?;
        let past = revision < self.revision;
        Ok(Snapshot {
            revision,
            live: self.live.clone(),
            graves: past.then(|| self.graves.clone()),
            candidates: if past { None } else { self.secondary.candidates(selector) },
        })
    }

    /// Changes after `revision`, about `limit` of them, and the revision up to which they are all.
    pub(crate) fn changes_after(&self, revision: Revision, limit: usize) -> Result<(Vec<Change>, Revision)> {
        if revision < self.floor() {
            return Err(Error::Compacted { requested: revision, oldest: self.floor() });
        }
        let mut after = self.history.after(revision);
        let mut changes: Vec<_> = after.by_ref().take(limit).cloned().collect();
        if changes.len() < limit {
            return Ok((changes, self.revision));
        }
        let last = changes.last().map_or(self.revision, |change| change.revision);
        // A step never ends within a revision.
        changes.extend(after.take_while(|change| change.revision == last).cloned());
        Ok((changes, last))
    }

    /// Raises the present revision without a change: those in between concern nothing that is kept here.
    #[cfg(feature = "etcd")]
    pub(crate) fn advance(&mut self, revision: Revision) {
        self.revision = self.revision.max(revision);
    }

    /// Makes `revision` the oldest that can be read, after every change up to it was forgotten.
    pub(crate) fn lift_floor(&mut self, revision: Revision) {
        self.history.lift_floor(revision);
    }

    /// Makes a change the present state. Its revision is above the present one (the next one, in an embedded store), and
    /// `previous` is the current version.
    pub(crate) fn apply(&mut self, change: Change) {
        self.apply_at(change, None);
    }

    /// As [`Index::apply`], where the place of `previous` may be known.
    pub(crate) fn apply_at(&mut self, change: Change, place: Option<Place>) {
        debug_assert!(change.revision >= self.revision, "revisions rise");
        self.revision = change.revision;
        self.secondary.update(change.previous.as_ref(), change.entry.as_ref());
        self.live_bytes += change.entry.as_ref().map_or(0, |entry| entry.stored_bytes());
        self.live_bytes -= change.previous.as_ref().map_or(0, |entry| entry.stored_bytes());
        match (&change.previous, &change.entry) {
            (Some(previous), Some(entry)) => {
                entry.older.set(Arc::clone(previous), change.revision);
                match place {
                    Some(place) => drop(self.live.replace(place, Arc::clone(entry))),
                    None => drop(self.live.insert(&entry.key, Arc::clone(entry))),
                }
            }
            (None, Some(entry)) => {
                if !self.graves.is_empty()
                    && let Some(grave) = self.graves.remove(&entry.key)
                {
                    entry.older.set(grave.last, grave.deleted);
                }
                self.live.insert(&entry.key, Arc::clone(entry));
            }
            (Some(previous), None) => {
                self.live.remove(&previous.key);
                let grave = Grave { last: Arc::clone(previous), deleted: change.revision };
                self.graves.insert(&previous.key, grave);
            }
            (None, None) => {}
        }
        self.history.push(change);
    }

    /// Puts a version in place that a snapshot on a medium recorded; it has no history.
    pub(crate) fn restore(&mut self, entry: Arc<Entry>) {
        self.secondary.update(None, Some(&entry));
        self.live_bytes += entry.stored_bytes();
        self.live.insert(&Arc::clone(&entry.key), entry);
    }

    /// Takes one step of compaction towards `revision`; `None` when it is reached. What comes back is best dropped
    /// after the lock on the index is released: it may free values.
    pub(crate) fn compact_step(&mut self, revision: Revision) -> Option<Forgotten> {
        let change = self.history.pop_through(revision)?;
        Some(self.forget(change))
    }

    /// Takes one step of compaction if the history exceeds `bounds`.
    pub(crate) fn trim_step(&mut self, bounds: &crate::History, now: Instant) -> Option<Forgotten> {
        let change = self.history.pop_beyond(bounds, now)?;
        Some(self.forget(change))
    }

    /// Ends the history at the present without changing the state: older revisions were never known here.
    pub(crate) fn begin_at(&mut self, revision: Revision) {
        self.history.raise_floor(revision);
        self.revision = revision;
    }

    fn forget(&mut self, change: Change) -> Forgotten {
        let older = match &change.entry {
            Some(entry) => entry.older.cut(),
            None => {
                let still = self.graves.get(change.key()).is_some_and(|grave| grave.deleted == change.revision);
                if still { self.graves.remove(change.key()).map(|grave| grave.last) } else { None }
            }
        };
        Forgotten { _change: change, _older: older }
    }
}

/// Versions that nothing reads any more.
#[derive(Debug)]
pub(crate) struct Forgotten {
    _change: Change,
    _older: Option<Arc<Entry>>,
}

impl Grave {
    fn at(&self, revision: Revision) -> Option<Arc<Entry>> {
        if self.deleted <= revision { None } else { version_at(&self.last, revision) }
    }
}

/// The version that was current at `revision`, in the chain that begins at `entry`.
fn version_at(entry: &Arc<Entry>, revision: Revision) -> Option<Arc<Entry>> {
    if entry.revision <= revision {
        return Some(Arc::clone(entry));
    }
    let mut link = entry.older.get();
    while let Some((entry, until)) = link {
        if until <= revision {
            return None;
        }
        if entry.revision <= revision {
            return Some(entry);
        }
        link = entry.older.get();
    }
    None
}

impl Snapshot {
    /// Whether this is a state of the past. Its versions are only there until they are compacted.
    pub(crate) fn is_past(&self) -> bool {
        self.graves.is_some()
    }

    /// Number of keys under `prefix` after `after`, among the candidates if there are some; of the present, also for a
    /// revision of the past.
    pub(crate) fn count(&self, prefix: &str, after: Option<&str>) -> usize {
        if let Some(candidates) = &self.candidates {
            return candidates.count(prefix, after);
        }
        self.live.count(prefix, after)
    }

    /// The versions under `prefix` after `after`, in key order.
    pub(crate) fn walk(&self, prefix: &str, after: Option<&str>) -> Box<dyn Iterator<Item = Arc<Entry>> + Send> {
        if let Some(candidates) = &self.candidates {
            let live = self.live.clone();
            let keys = candidates.walk(prefix, after);
            return Box::new(keys.filter_map(move |key| live.get(&key).cloned()));
        }
        let live = self.live.walk(prefix, after);
        let Some(graves) = &self.graves else { return Box::new(live) };
        let revision = self.revision;
        let mut live = live.peekable();
        let mut graves = graves.walk(prefix, after).peekable();
        Box::new(
            std::iter::from_fn(move || {
                let grave_first = match (live.peek(), graves.peek()) {
                    (Some(entry), Some(grave)) => grave.last.key < entry.key,
                    (None, Some(_)) => true,
                    (_, None) => false,
                };
                if grave_first {
                    graves.next().map(|grave| grave.at(revision))
                } else {
                    live.next().map(|entry| version_at(&entry, revision))
                }
            })
            .flatten(),
        )
    }
}
