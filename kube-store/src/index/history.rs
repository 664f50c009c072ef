//! The transactions of the recent past, in order: what watches resume from and what older revisions are read by.

use crate::{Entry, History as Bounds, Revision};
use std::collections::VecDeque;
use std::sync::Arc;
use tokio::time::Instant;

/// One committed transaction. At least one of `previous` and `entry` is there.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    /// The revision of the transaction.
    pub(crate) revision: Revision,
    /// The version before.
    pub(crate) previous: Option<Arc<Entry>>,
    /// The version after; `None` for a delete.
    pub(crate) entry: Option<Arc<Entry>>,
    /// When it was committed, to bound the history by age.
    pub(crate) at: Instant,
}

impl Change {
    /// The key that was changed.
    pub(crate) fn key(&self) -> &Arc<str> {
        let entry = self.entry.as_ref().or(self.previous.as_ref());
        &entry.expect("a transaction that changes nothing is refused, never committed").key
    }

    fn superseded_bytes(&self) -> usize {
        self.previous.as_ref().map_or(0, |entry| entry.bytes())
    }
}

/// Changes of rising revisions.
#[derive(Debug)]
pub(crate) struct History {
    changes: VecDeque<Change>,
    /// The revision before the first change that is kept.
    floor: Revision,
    superseded_bytes: usize,
}

impl History {
    /// An empty history that continues from `floor`.
    pub(crate) fn new(floor: Revision) -> Self {
        Self { changes: VecDeque::new(), floor, superseded_bytes: 0 }
    }

    /// The oldest revision that can be read, and after which a watch can resume.
    pub(crate) fn floor(&self) -> Revision {
        self.floor
    }

    /// When the oldest change that is kept was committed.
    pub(crate) fn oldest(&self) -> Option<Instant> {
        self.changes.front().map(|change| change.at)
    }

    /// Adds the next change.
    pub(crate) fn push(&mut self, change: Change) {
        debug_assert!(change.revision >= self.last(), "revisions rise");
        self.superseded_bytes += change.superseded_bytes();
        self.changes.push_back(change);
    }

    /// The revision of the last change.
    fn last(&self) -> Revision {
        self.changes.back().map_or(self.floor, |change| change.revision)
    }

    /// The changes after `revision`, which is not below the floor. Embedded stores have one for each revision, so that its
    /// place is known; over etcd others may have used some revisions, so that it has to be sought.
    pub(crate) fn after(&self, revision: Revision) -> impl Iterator<Item = &Change> {
        let consecutive = self.last() - self.floor == self.changes.len() as Revision;
        let skip = if consecutive {
            usize::try_from(revision.saturating_sub(self.floor)).unwrap_or(usize::MAX)
        } else {
            self.changes.partition_point(|change| change.revision <= revision)
        };
        self.changes.range(skip.min(self.changes.len())..)
    }

    /// Takes the oldest change out if it is at or below `revision`.
    pub(crate) fn pop_through(&mut self, revision: Revision) -> Option<Change> {
        if self.changes.front()?.revision > revision {
            return None;
        }
        self.pop()
    }

    /// Takes the oldest change out if it exceeds the bounds.
    pub(crate) fn pop_beyond(&mut self, bounds: &Bounds, now: Instant) -> Option<Change> {
        let oldest = self.changes.front()?;
        let beyond = self.changes.len() > bounds.revisions
            || self.superseded_bytes > bounds.value_bytes
            || now.saturating_duration_since(oldest.at) >= bounds.age;
        if beyond { self.pop() } else { None }
    }

    /// Makes `revision` the oldest that can be read, where no change is left at or below it.
    pub(crate) fn lift_floor(&mut self, revision: Revision) {
        if self.changes.front().is_none_or(|change| change.revision > revision) {
            self.floor = self.floor.max(revision);
        }
    }

    fn pop(&mut self) -> Option<Change> {
        let change = self.changes.pop_front()?;
        self.floor = change.revision;
        self.superseded_bytes -= change.superseded_bytes();
        Some(change)
    }

    /// Forgets everything up to `revision`, also where no change at all is kept from before it.
    pub(crate) fn raise_floor(&mut self, revision: Revision) {
        debug_assert!(self.changes.is_empty(), "only an empty history can be moved");
        self.floor = revision;
    }
}
