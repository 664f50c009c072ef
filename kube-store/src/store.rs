//! The seam: what every backend promises.

use crate::{Entry, ListRequest, Listing, Op, Precondition, ReadAt, Result, Revision, Txn, TxnOutcome, Value};
use crate::{Watch, WatchRequest};
use async_trait::async_trait;
use std::sync::Arc;

/// The revision of a store that nobody ever wrote to. It is not 0, which means "any" in the Kubernetes API.
pub const EMPTY_REVISION: Revision = 1;

/// A revisioned key-value store.
///
/// This documentation is the contract. The conformance suite (module `conformance`, behind the feature of that name)
/// checks it on any implementation.
///
/// # Writes
///
/// * **Linearizable.** A transaction takes effect at one moment between its call and its answer. Whoever calls after
///   that answer, in any task and through any handle, sees it: by `get`, by `list` and by `revision`.
/// * **Atomic.** A [`Txn`] compares one key and changes that key. If its precondition does not hold nothing changes, no
///   revision is used, and the answer is [`TxnOutcome::Refused`] with what is there. So is a delete of an absent key.
/// * **One revision a transaction.** A commit raises the [`Revision`] of the store by exactly one, refused and failed
///   ones leave it. A store that was never written to is at [`EMPTY_REVISION`]. A revision once answered is never given
///   to another transaction, restarts included.
/// * **Durable**, where the backend promises durability: a committed transaction survives the process and the machine.
///   Nobody sees a version, in a read or in a watch, that is not durable yet.
/// * A put of the value that is there already is a commit like any other.
///
/// # Reads
///
/// * [`ReadAt::Latest`] is never stale. [`ReadAt::NotOlderThan`] may be staler than that, but not than the revision it
///   names. [`ReadAt::Exactly`] gives the state as it was, for every revision from the last compaction on.
/// * A list is the state at **one** revision, in order of the bytes of its keys, whatever is written while the caller
///   walks it. Holding a [`Listing`] stops no writer and no compaction.
/// * Pages (`limit` and `after`) read at the revision of the first page are together one consistent list.
///
/// # Watches
///
/// * **Ordered**: revisions rise from event to event. **Unique**: none is delivered twice. **Reliable**: none is left
///   out. **Atomic**: one transaction is at most one event. **Resumable**: a watch `after` the revision of any event that
///   was delivered continues exactly behind it. **Bookmarkable**: [`EventKind::Progress`](crate::EventKind::Progress)
///   with a revision promises that all events up to it were delivered, so that a watch may resume behind it as well.
/// * With `initial_state`, the entries present at one revision come first, as `Added` in key order, each with the
///   revision of its version, then one `InitialEnd` with the revision of that state. These do not rise.
/// * With a selector, what counts is the selected set: a change that makes an object match is `Added`, one that makes it
///   cease to match is `Deleted` with the last version that matched, and a change outside of the set is no event.
/// * A watcher that reads too slowly is carried by the history. When the history has been compacted past it, the watch
///   ends with [`Error::Lagged`](crate::Error::Lagged). An error is the last item of the stream.
/// * Dropping the stream ends the watch and frees what it held.
///
/// # Compaction
///
/// `compact(r)` makes reads and watches at revisions below `r` fail with [`Error::Compacted`](crate::Error::Compacted);
/// `r` itself stays readable, and a watch may start after it. Backends also compact by themselves, within the bounds of
/// their configuration. Present state is never lost.
///
/// # Time to live
///
/// A put with `ttl_seconds` is deleted by the store when that time is over, by an ordinary transaction that watchers
/// see, not before and soon after. Any later write to the key replaces the lifetime. Lifetimes survive a restart
/// of a durable store. Embedded backends wait by `tokio::time`, so that a paused clock rules them.
///
/// # Limits
///
/// A key has 1 to [`KEY_BYTES_MAX`](crate::KEY_BYTES_MAX) bytes and no NUL, a value at most
/// [`VALUE_BYTES_MAX`](crate::VALUE_BYTES_MAX) bytes, attributes at most
/// [`ATTRIBUTE_BYTES_MAX`](crate::ATTRIBUTE_BYTES_MAX) bytes, a time to live is at least 1 s. Anything else is
/// [`Error::Invalid`](crate::Error::Invalid), and changes nothing.
///
/// # Cancel safety
///
/// Reads may be dropped at any time. A transaction whose future is dropped after its first poll may or may not take
/// effect, as a whole; the caller finds out by reading.
#[async_trait]
pub trait Store: Send + Sync + std::fmt::Debug + 'static {
    /// The version of `key` at the given revision, or `None`.
    ///
    /// # Errors
    /// `Future` and `Compacted` for a revision that cannot be read.
    async fn get(&self, key: &str, at: ReadAt) -> Result<Option<Arc<Entry>>>;

    /// The entries under a prefix, in key order, at one revision.
    ///
    /// # Errors
    /// `Future` and `Compacted` for a revision that cannot be read.
    async fn list(&self, request: ListRequest) -> Result<Listing>;

    /// One atomic write.
    ///
    /// # Errors
    /// `Invalid` for what breaks a limit. `NoSpace` when the medium is full: nothing changed, and a later write may
    /// succeed. `Io` when the medium failed: whether the write is durable is unknown, and so is every later one refused.
    /// `Unavailable` when a remote store was not asked, `Unknown` when it was and did not answer: such a write is never
    /// sent twice.
    async fn txn(&self, txn: Txn) -> Result<TxnOutcome>;

    /// Every change under a prefix, in order.
    ///
    /// # Errors
    /// `Future` and `Compacted` for a revision from which a watch cannot start.
    async fn watch(&self, request: WatchRequest) -> Result<Watch>;

    /// The revision of the last committed transaction; linearizable.
    ///
    /// # Errors
    /// Where another process keeps the revision, and it cannot be asked.
    async fn revision(&self) -> Result<Revision>;

    /// Forgets history before `revision`, which stays readable.
    ///
    /// # Errors
    /// `Future` for a revision that was not reached, `Compacted` for one that was forgotten already.
    async fn compact(&self, revision: Revision) -> Result<()>;

    /// Whether the store can keep its promises at this moment, for the readiness of a server: reachable, and the watch that
    /// feeds it alive. By default a store that knows its revision is well.
    ///
    /// # Errors
    /// What is wrong, in words for whoever has to mend it; no secrets.
    async fn health(&self) -> Result<()> {
        self.revision().await.map(|_| ())
    }

    /// Writes anew, under the present key, what is stored under an older one or in plain text, and forgets the old bytes.
    /// Afterwards the older keys are not needed any more. How many entries had to be written anew comes back. By default
    /// nothing is encrypted, and there is nothing to do.
    ///
    /// # Errors
    /// Those of [`Store::txn`]; what was written anew until then stays so, and calling again goes on.
    async fn reseal(&self) -> Result<u64> {
        Ok(0)
    }

    /// Puts a value, with attributes from the store's extractor and no time to live.
    ///
    /// # Errors
    /// Those of [`Store::txn`].
    async fn put(&self, key: &str, precondition: Precondition, value: Value) -> Result<TxnOutcome> {
        let op = Op::Put { value, attributes: None, ttl_seconds: None };
        self.txn(Txn { key: key.to_owned(), precondition, op }).await
    }

    /// Deletes a key.
    ///
    /// # Errors
    /// Those of [`Store::txn`].
    async fn delete(&self, key: &str, precondition: Precondition) -> Result<TxnOutcome> {
        self.txn(Txn { key: key.to_owned(), precondition, op: Op::Delete }).await
    }
}
