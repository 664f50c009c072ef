//! What a watcher sees.

use crate::{Entry, Result, Revision};
use futures::stream::BoxStream;
use std::sync::Arc;

/// How the set that a watcher selects changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// An object came into the set: it was created, or a change made the selector match.
    Added,
    /// An object of the set changed and is still in it.
    Modified,
    /// An object left the set: it was deleted, or a change made the selector fail.
    Deleted,
    /// Every event up to and including `revision` has been delivered; there is no object.
    Progress,
    /// Ends the initial state of a watch that asked for it; there is no object.
    InitialEnd,
}

/// One event of a watch.
#[derive(Clone, Debug)]
pub struct Event {
    /// What happened.
    pub kind: EventKind,
    /// The revision of the transaction that caused it. For the initial state: the revision of the object.
    pub revision: Revision,
    /// The object: after the change for `Added` and `Modified`, and for `Deleted` the last version that was in the set.
    pub entry: Option<Arc<Entry>>,
}

/// A stream of events. It ends after an error; dropping it stops the watch.
pub type Watch = BoxStream<'static, Result<Event>>;
