//! The shapes of requests and answers.

use crate::{Attributes, Entry, Revision, Selector, Value};
use std::fmt;
use std::sync::Arc;

/// At which revision to read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReadAt {
    /// The latest state; never stale.
    #[default]
    Latest,
    /// Any state that is at least this fresh; waits for it where another process writes, fails with `Future` otherwise.
    NotOlderThan(Revision),
    /// Exactly the state at this revision.
    Exactly(Revision),
}

/// A list of the keys under a prefix.
#[derive(Clone, Debug, Default)]
pub struct ListRequest {
    /// Keys that start with this.
    pub prefix: String,
    /// Only keys that sort strictly after this one: the last key of the page before.
    pub after: Option<String>,
    /// At most this many entries; 0 is no limit.
    pub limit: usize,
    /// At which revision.
    pub at: ReadAt,
    /// Only entries that match.
    pub selector: Selector,
}

/// A consistent list: a walk over an immutable snapshot. Holding it blocks no writer.
pub struct Listing {
    /// The revision of the snapshot.
    pub revision: Revision,
    /// Entries in key order. Lazy; at most `limit` of the request.
    pub entries: Box<dyn Iterator<Item = Arc<Entry>> + Send>,
    /// Whether entries beyond the limit exist, and how many where counting them was cheap (no selector).
    pub remaining: Option<Remaining>,
}

/// What lies beyond the limit of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Remaining {
    /// Number of further entries; `None` where a selector makes counting dear.
    pub count: Option<u64>,
}

impl fmt::Debug for Listing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listing").field("revision", &self.revision).field("remaining", &self.remaining).finish()
    }
}

/// What must hold of a key before a transaction changes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precondition {
    /// No condition.
    None,
    /// The key must not exist.
    Absent,
    /// The key's current version must be this revision.
    Revision(Revision),
}

/// What a transaction does to its key.
#[derive(Clone, Debug)]
pub enum Op {
    /// Write this value; `ttl_seconds` deletes it by itself after that time.
    Put {
        /// The new value.
        value: Value,
        /// What selectors see of it; `None` asks the store's [`Extractor`](crate::Extractor). The two must agree.
        attributes: Option<Attributes>,
        /// Time to live in seconds, at least 1.
        ttl_seconds: Option<u32>,
    },
    /// Delete the key.
    Delete,
}

/// The one atomic shape of a write: compare one key's revision, then put or delete it.
#[derive(Clone, Debug)]
pub struct Txn {
    /// The key.
    pub key: String,
    /// What must hold.
    pub precondition: Precondition,
    /// What to do then.
    pub op: Op,
}

/// What became of a transaction.
#[derive(Clone, Debug)]
pub enum TxnOutcome {
    /// Committed, and durable where the backend promises it.
    Committed {
        /// The revision of this transaction.
        revision: Revision,
        /// The new version after a put.
        entry: Option<Arc<Entry>>,
        /// The version before, where there was one.
        previous: Option<Arc<Entry>>,
    },
    /// The precondition did not hold, or a delete found nothing; no revision was used.
    Refused {
        /// What is there instead.
        current: Option<Arc<Entry>>,
    },
}

/// A watch on the keys under a prefix.
#[derive(Clone, Debug, Default)]
pub struct WatchRequest {
    /// Keys that start with this.
    pub prefix: String,
    /// Deliver every event after this revision; `None` starts at the present.
    pub after: Option<Revision>,
    /// Begin with the present state as `Added` events and an `InitialEnd`; then `after` is a lower bound of its freshness.
    pub initial_state: bool,
    /// Only objects that match; objects that begin or cease to match are `Added` or `Deleted`.
    pub selector: Selector,
    /// Deliver `Progress` events while nothing else happens (about once a second; the store bounds their rate).
    pub progress: bool,
}
