//! What a store answers when it cannot do what was asked.

use crate::Revision;

/// The result of a store operation.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a store operation failed. Nothing was changed, unless the variant says that it is unknown.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The history at this revision has been compacted away.
    #[error("revision {requested} has been compacted; the oldest revision kept is {oldest}")]
    Compacted {
        /// What was asked for.
        requested: Revision,
        /// The oldest revision that can still be read.
        oldest: Revision,
    },
    /// The revision has not been reached yet.
    #[error("revision {requested} is in the future; the store is at {current}")]
    Future {
        /// What was asked for.
        requested: Revision,
        /// Where the store is.
        current: Revision,
    },
    /// The request breaks a limit of the store (key or value too large, malformed key).
    #[error("invalid request: {0}")]
    Invalid(String),
    /// The medium is full; reads go on, writes are refused until space is freed.
    #[error("no space left to write: {0}")]
    NoSpace(String),
    /// The medium failed; whether the write is durable is unknown.
    #[error("storage failed: {0}")]
    Io(String),
    /// The store cannot be reached at present. Nothing was changed; trying again may succeed.
    #[error("the store cannot be reached: {0}")]
    Unavailable(String),
    /// A write was sent, and no answer came: whether it took effect is unknown. Read before trying again.
    #[error("whether the write took effect is unknown: {0}")]
    Unknown(String),
    /// The stored data is damaged or of another version; says what and where, and what to do.
    #[error("stored data cannot be used: {0}")]
    Damaged(String),
    /// Another process holds the store.
    #[error("in use by another process: {0}")]
    Locked(String),
    /// The watcher could not keep up and was ended; it can resume from the last revision that it saw.
    #[error("watcher fell behind; resume from revision {resume_after}")]
    Lagged {
        /// Every event up to and including this revision was delivered.
        resume_after: Revision,
    },
    /// The store has been closed.
    #[error("the store is closed")]
    Closed,
}

impl Error {
    /// Whether the history that the request needs is gone, so that the caller must list anew.
    pub fn is_compacted(&self) -> bool {
        matches!(self, Self::Compacted { .. })
    }
}
