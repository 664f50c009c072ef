//! Records what clients asked of a store and what they were told, and judges whether a store that does one thing at a time
//! could have told them that.
//!
//! Give every client a [`Client`] on one [`Recorder`], run them side by side under whatever faults there are, then read
//! the store's whole history with [`Journal::read`] and hold the record against it with [`Recorder::judge`]. Answers
//! carry revisions, so that the order in which writes took effect need not be searched for: the judgement takes
//! `O(n log n)`, where that of a history without them (Wing and Gong, 1993) is exponential.

mod clients;
mod linearizable;
#[cfg(test)]
mod tests;
mod watched;

pub use clients::{Load, run};
pub use watched::{CHECKS as WATCH_CHECKS, Delivered, WatchCheck, Watched};

use super::Subject;
use crate::{Entry, Error, Event, EventKind, Precondition, ReadAt, Result, Revision, TxnOutcome, Value, WatchRequest};
use futures::StreamExt;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

/// A version as a client saw it: its revision and its text.
pub type Version = (Revision, String);

/// What a client asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// To write this text. No two writes of a history have the same.
    Put(Precondition, String),
    /// To delete the key.
    Delete(Precondition),
    /// For the latest version.
    Get,
}

/// What it was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// The write took effect, on top of this version.
    Committed(Revision, Option<Version>),
    /// The precondition did not hold, as this was there.
    Refused(Option<Version>),
    /// This is there.
    Found(Option<Version>),
    /// An error that says that nothing was changed.
    NotDone,
    /// An error after which nothing is known, or nothing at all.
    Unknown,
}

/// One question and its answer. `asked_at` and `told_at` are moments of one clock: whatever was told before another thing
/// was asked has a smaller one.
#[derive(Clone, Debug)]
pub struct Operation {
    /// On which key.
    pub key: String,
    /// What was asked.
    pub asked: Asked,
    /// When.
    pub asked_at: u64,
    /// What was told.
    pub told: Told,
    /// When.
    pub told_at: u64,
}

/// A promise that a history shows to be broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation(pub String);

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Violation {}

/// What a judgement is based on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Judged {
    /// Questions with an answer.
    pub answered: usize,
    /// Writes whose answer was lost, and which took effect.
    pub unknown_done: usize,
    /// Writes whose answer was lost, and which did not take effect.
    pub unknown_not_done: usize,
    /// Streams of watches.
    pub watches: usize,
    /// Events that they delivered.
    pub events: usize,
}

/// The record that several clients write.
#[derive(Debug, Default)]
pub struct Recorder {
    clock: AtomicU64,
    operations: Mutex<Vec<Operation>>,
    watches: Mutex<Vec<Watched>>,
}

impl Recorder {
    /// Adds a stream of a watch.
    pub fn watched(&self, watched: Watched) {
        self.watches.lock().push(watched);
    }

    fn now(&self) -> u64 {
        self.clock.fetch_add(1, Ordering::SeqCst)
    }

    /// Holds the record against what the store says has happened.
    ///
    /// # Errors
    /// The first promise that was broken: by an answer, or by a watch.
    pub fn judge(&self, journal: &Journal) -> Result<Judged, Violation> {
        let mut operations = self.operations.lock().clone();
        let mut judged = linearizable::check(&mut operations, journal)?;
        for watched in self.watches.lock().iter() {
            judged.watches += 1;
            judged.events += watched.events.len();
            for check in WATCH_CHECKS {
                check.run(watched, journal)?;
            }
        }
        Ok(judged)
    }
}

/// Asks a store, and records what it is told.
#[derive(Debug)]
pub struct Client<'a> {
    store: Subject,
    recorder: &'a Recorder,
}

fn version(entry: &Entry) -> Version {
    (entry.revision, super::text(entry).to_owned())
}

impl<'a> Client<'a> {
    /// A client of this store.
    pub fn new(store: Subject, recorder: &'a Recorder) -> Self {
        Self { store, recorder }
    }

    /// Asks, and gives what was told; `Err` where the store gave an error.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn ask(&self, key: &str, asked: Asked) -> Result<Told> {
        let asked_at = self.recorder.now();
        let answer = match &asked {
            Asked::Put(precondition, text) => {
                let value = Value { bytes: text.clone().into(), splice: 0 };
                self.store.put(key, *precondition, value).await.map(told)
            }
            Asked::Delete(precondition) => self.store.delete(key, *precondition).await.map(told),
            Asked::Get => {
                let found = self.store.get(key, ReadAt::Latest).await;
                found.map(|entry| Told::Found(entry.as_deref().map(version)))
            }
        };
        let told = match &answer {
            Ok(told) => told.clone(),
            Err(Error::NoSpace(_) | Error::Invalid(_)) => Told::NotDone,
            Err(_) if asked == Asked::Get => Told::NotDone,
            Err(_) => Told::Unknown,
        };
        let told_at = self.recorder.now();
        self.recorder.operations.lock().push(Operation { key: key.to_owned(), asked, asked_at, told, told_at });
        answer
    }
}

fn told(outcome: TxnOutcome) -> Told {
    match outcome {
        TxnOutcome::Committed { revision, previous, .. } => Told::Committed(revision, previous.as_deref().map(version)),
        TxnOutcome::Refused { current } => Told::Refused(current.as_deref().map(version)),
    }
}

/// A change as the store tells of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logged {
    /// Which key.
    pub key: String,
    /// What is there since; `None` after a delete.
    pub text: Option<String>,
}

/// Everything that has happened in a store, in order.
#[derive(Clone, Debug, Default)]
pub struct Journal {
    changes: BTreeMap<Revision, Logged>,
    /// For each key the revisions at which it changed.
    keys: BTreeMap<String, Vec<Revision>>,
}

impl Journal {
    /// A journal of these changes.
    pub fn new(changes: impl IntoIterator<Item = (Revision, Logged)>) -> Self {
        let changes: BTreeMap<_, _> = changes.into_iter().collect();
        let mut keys: BTreeMap<String, Vec<Revision>> = BTreeMap::new();
        for (revision, change) in &changes {
            keys.entry(change.key.clone()).or_default().push(*revision);
        }
        Self { changes, keys }
    }

    /// Reads it from a store whose history goes back to `after`.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn read(store: &Subject, after: Revision) -> Result<Self> {
        let end = store.revision().await?;
        let request = WatchRequest { after: Some(after), progress: true, ..WatchRequest::default() };
        let mut events = store.watch(request).await?;
        let mut changes = Vec::new();
        let mut at = after;
        while at < end {
            let event = events.next().await.ok_or(Error::Closed)??;
            at = event.revision;
            if let (EventKind::Added | EventKind::Modified | EventKind::Deleted, Some(entry)) =
                (event.kind, &event.entry)
            {
                let text = (event.kind != EventKind::Deleted).then(|| super::text(entry).to_owned());
                changes.push((event.revision, Logged { key: entry.key.to_string(), text }));
            }
        }
        Ok(Self::new(changes))
    }

    /// Number of changes.
    pub fn len(&self) -> usize {
        self.changes.len()
    }

    /// Whether nothing has happened.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// The version of a key just before a revision.
    fn before(&self, key: &str, revision: Revision) -> Option<Version> {
        let revisions = self.keys.get(key)?;
        let at = *revisions.get(revisions.partition_point(|r| *r < revision).checked_sub(1)?)?;
        self.changes[&at].text.clone().map(|text| (at, text))
    }

    /// The first moment from `bound` on, as the revision that is then the last, at which a key had this version.
    fn moment_of(&self, key: &str, version: Option<&Version>, bound: Revision) -> Option<Revision> {
        let empty = Vec::new();
        let revisions = self.keys.get(key).unwrap_or(&empty);
        let mut next = revisions.partition_point(|r| *r <= bound);
        let mut moment = bound;
        loop {
            if self.before(key, moment + 1).as_ref() == version {
                return Some(moment);
            }
            moment = *revisions.get(next)?;
            next += 1;
        }
    }
}
