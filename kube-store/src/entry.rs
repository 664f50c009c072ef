//! One version of one object, shared by the index, its lists and its watchers.

use crate::{Attributes, Revision};
use bytes::Bytes;
use parking_lot::Mutex;
use std::fmt;
use std::sync::Arc;
use tokio::time::Instant;

/// What a writer hands in: an encoded object without a revision, and the place where readers splice it in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value {
    /// The encoded object. It must not name a revision: the store assigns it after the encoding.
    pub bytes: Bytes,
    /// Offset in `bytes` at which a reader inserts the revision; the writer gives it a meaning.
    pub splice: u32,
}

/// One version of one object. Cheap to share: lists and watchers hold `Arc<Entry>`.
pub struct Entry {
    /// The key.
    pub key: Arc<str>,
    /// The encoded object, without a revision.
    pub value: Value,
    /// The revision of the transaction that wrote this version.
    pub revision: Revision,
    /// What selectors see of this version.
    pub attributes: Attributes,
    /// When the store deletes the key by itself, if this version is still there then.
    pub(crate) lifetime: Option<Lifetime>,
    /// The version before this one, while the history keeps it.
    pub(crate) older: Older,
    /// Forms that readers derive from this version; most versions are never read, so that the slots are made on demand.
    derived: Mutex<Option<Box<[Option<Bytes>; Entry::DERIVED_SLOTS]>>>,
}

/// The end of a version that was written with a time to live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lifetime {
    /// By the clock that waiting uses.
    pub(crate) deadline: Instant,
    /// By wall time, in milliseconds since 1970, for the time after a restart.
    pub(crate) wall_millis: u64,
    /// As the writer asked for it; a wall clock that was set back cannot prolong a life beyond this.
    pub(crate) ttl_seconds: u32,
}

impl Entry {
    /// Number of slots for shared derived forms.
    pub const DERIVED_SLOTS: usize = 3;

    /// A version of an object, with nothing derived from it yet.
    pub fn new(key: Arc<str>, value: Value, revision: Revision, attributes: Attributes) -> Self {
        Self { key, value, revision, attributes, lifetime: None, older: Older::default(), derived: Mutex::default() }
    }

    /// The derived form in `slot`, made by `make` when nobody made it before; the caller gives the slots a meaning. It is
    /// kept with the version until [`Entry::forget_derived`].
    ///
    /// # Panics
    /// When `slot` is not below [`Entry::DERIVED_SLOTS`].
    pub fn derived(&self, slot: usize, make: impl FnOnce(&Self) -> Bytes) -> Bytes {
        self.derived.lock().get_or_insert_default()[slot].get_or_insert_with(|| make(self)).clone()
    }

    /// Forgets all derived forms: whoever asks for one makes it again. Versions live as long as the history goes back, and
    /// what is derived from them is worth keeping for a moment only.
    pub fn forget_derived(&self) {
        *self.derived.lock() = None;
    }

    /// Bytes of key and value: what this version costs, near enough to bound histories and buffers by.
    pub(crate) fn bytes(&self) -> usize {
        self.key.len() + self.value.bytes.len()
    }
}

impl Entry {
    /// Bytes of key, value and attributes: what a medium holds of this version at least.
    pub(crate) fn stored_bytes(&self) -> usize {
        self.bytes() + self.attributes.bytes()
    }
}

impl fmt::Debug for Entry {
    /// Values may be secret: only their size is shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry")
            .field("key", &self.key)
            .field("revision", &self.revision)
            .field("value_bytes", &self.value.bytes.len())
            .finish_non_exhaustive()
    }
}

/// The link from a version to the one before it. Compaction cuts it.
#[derive(Default)]
pub(crate) struct Older(Mutex<Option<(Arc<Entry>, Revision)>>);

impl Older {
    /// Links to `entry`, which ceased to be the current version at revision `until`.
    pub(crate) fn set(&self, entry: Arc<Entry>, until: Revision) {
        *self.0.lock() = Some((entry, until));
    }

    /// The version before, and the revision at which it ceased to be current.
    pub(crate) fn get(&self) -> Option<(Arc<Entry>, Revision)> {
        self.0.lock().clone()
    }

    /// Forgets the version before, and with it all that are older.
    pub(crate) fn cut(&self) -> Option<Arc<Entry>> {
        self.0.lock().take().map(|(entry, _)| entry)
    }
}

impl Drop for Older {
    /// A key that is written often has a long chain: unlink it in a loop, where a recursive drop would exhaust the stack.
    fn drop(&mut self) {
        let mut next = self.0.get_mut().take();
        while let Some(mut entry) = next.and_then(|(entry, _)| Arc::into_inner(entry)) {
            next = entry.older.0.get_mut().take();
        }
    }
}
