//! One version of one object, shared by the index, its lists and its watchers.

use crate::{Attributes, Revision};
use bytes::Bytes;
use std::sync::{Arc, OnceLock};

/// What a writer hands in: an encoded object without a revision, and the place where readers splice it in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value {
    /// The encoded object. It must not name a revision: the store assigns it after the encoding.
    pub bytes: Bytes,
    /// Offset in `bytes` at which a reader inserts the revision; the writer gives it a meaning.
    pub splice: u32,
}

/// One version of one object. Cheap to share: lists and watchers hold `Arc<Entry>`.
#[derive(Debug)]
pub struct Entry {
    /// The key.
    pub key: Arc<str>,
    /// The encoded object, without a revision.
    pub value: Value,
    /// The revision of the transaction that wrote this version.
    pub revision: Revision,
    /// What selectors see of this version.
    pub attributes: Attributes,
    /// Forms that readers derive from this version and share, filled on first use; the caller gives the slots meaning.
    pub(crate) derived: [OnceLock<Bytes>; Entry::DERIVED_SLOTS],
}

impl Entry {
    /// Number of slots for shared derived forms.
    pub const DERIVED_SLOTS: usize = 3;

    /// A version of an object, with nothing derived from it yet.
    pub fn new(key: Arc<str>, value: Value, revision: Revision, attributes: Attributes) -> Self {
        Self { key, value, revision, attributes, derived: Default::default() }
    }

    /// The derived form in `slot`, made by `make` when nobody made it before.
    ///
    /// # Panics
    /// When `slot` is not below [`Entry::DERIVED_SLOTS`].
    pub fn derived(&self, slot: usize, make: impl FnOnce(&Self) -> Bytes) -> &Bytes {
        self.derived[slot].get_or_init(|| make(self))
    }
}
