//! What an embedded store can be told: how much history it keeps, what it indexes, how much a watcher may lag.

use crate::{CommitMode, Encryption};
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// Settings of an embedded store. Start from `Config::default()`.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// How much history is kept for reads at older revisions and for watches that resume.
    pub history: History,
    /// Names of attributes that get an index: a list whose selector has [`Operator::In`](crate::Operator::In) with one
    /// value on such a name costs what matches, not what exists. Each costs a little memory for every object that has it.
    pub indexed: Vec<String>,
    /// Events that wait for one watcher at most. Beyond that, the watcher continues from the history once it reads on.
    pub watch_buffer: usize,
    /// Time between [`EventKind::Progress`](crate::EventKind::Progress) events while the revision moves.
    pub progress_interval: Duration,
    /// Wall time, which bounds lifetimes across a restart of a durable store. Waiting itself uses `tokio::time`.
    pub wall_clock: WallClock,
    /// Bytes after which the disk backend completes a log file and begins the next. A snapshot is due when the log has
    /// grown by as much, or by the size of the state if that is more.
    pub segment_bytes: u64,
    /// Where the disk backend does its blocking work.
    pub commit_mode: CommitMode,
    /// What is encrypted before it reaches the log or etcd; nothing unless told. The memory backend has nothing to encrypt.
    pub encryption: Encryption,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            history: History::default(),
            indexed: Vec::new(),
            watch_buffer: 1024,
            progress_interval: Duration::from_secs(1),
            wall_clock: WallClock::system(),
            segment_bytes: 64 << 20,
            commit_mode: CommitMode::default(),
            encryption: Encryption::default(),
        }
    }
}

impl Config {
    /// With this bound on history.
    #[must_use]
    pub fn history(mut self, history: History) -> Self {
        self.history = history;
        self
    }

    /// With an index on the attribute `name`, beside those that are there already.
    #[must_use]
    pub fn indexed(mut self, name: impl Into<String>) -> Self {
        self.indexed.push(name.into());
        self
    }

    /// With this many events waiting for one watcher at most (at least 1).
    #[must_use]
    pub fn watch_buffer(mut self, events: usize) -> Self {
        self.watch_buffer = events.max(1);
        self
    }

    /// With this time between progress events.
    #[must_use]
    pub fn progress_interval(mut self, interval: Duration) -> Self {
        self.progress_interval = interval;
        self
    }

    /// With this source of wall time.
    #[must_use]
    pub fn wall_clock(mut self, clock: WallClock) -> Self {
        self.wall_clock = clock;
        self
    }

    /// With log files of this size.
    #[must_use]
    pub fn segment_bytes(mut self, bytes: u64) -> Self {
        self.segment_bytes = bytes;
        self
    }

    /// With this encrypted.
    #[must_use]
    pub fn encryption(mut self, encryption: Encryption) -> Self {
        self.encryption = encryption;
        self
    }

    /// With the blocking work of the disk backend done there.
    #[must_use]
    pub fn commit_mode(mut self, mode: CommitMode) -> Self {
        self.commit_mode = mode;
        self
    }
}

/// Bounds of the history. Whatever exceeds one of them is compacted by the store itself, oldest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct History {
    /// Transactions kept at most.
    pub revisions: usize,
    /// Bytes of superseded values kept at most.
    pub value_bytes: usize,
    /// Age of a transaction kept at most. 5 minutes is the compaction interval of kube-apiserver over etcd.
    pub age: Duration,
}

impl Default for History {
    fn default() -> Self {
        Self { revisions: 100_000, value_bytes: 64 << 20, age: Duration::from_secs(300) }
    }
}

impl History {
    /// No bound: history goes only by [`Store::compact`](crate::Store::compact).
    pub fn unbounded() -> Self {
        Self { revisions: usize::MAX, value_bytes: usize::MAX, age: Duration::MAX }
    }

    /// With at most this many transactions.
    #[must_use]
    pub fn revisions(mut self, revisions: usize) -> Self {
        self.revisions = revisions;
        self
    }

    /// With at most this many bytes of superseded values.
    #[must_use]
    pub fn value_bytes(mut self, value_bytes: usize) -> Self {
        self.value_bytes = value_bytes;
        self
    }

    /// With transactions of at most this age.
    #[must_use]
    pub fn age(mut self, age: Duration) -> Self {
        self.age = age;
        self
    }
}

/// A source of wall time.
#[derive(Clone)]
pub struct WallClock(Arc<dyn Fn() -> SystemTime + Send + Sync>);

impl WallClock {
    /// A clock from a function.
    pub fn new(now: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    /// The clock of the operating system.
    pub fn system() -> Self {
        Self::new(SystemTime::now)
    }

    /// The present.
    pub fn now(&self) -> SystemTime {
        (self.0)()
    }
}

impl fmt::Debug for WallClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WallClock")
    }
}
