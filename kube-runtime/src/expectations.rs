//! What a controller expects to see in its cache after what it has done.

use crate::object::ObjectKey;

/// Creations and deletions that a controller has asked for and not yet seen. Until they are seen (or five minutes have
/// passed) its cache is behind its own writes, and it must not decide by it. Source: `ControllerExpectations` of
/// `pkg/controller/controller_utils.go`. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Expectations {}

impl Expectations {
    /// Expects `count` creations for `key`, and nothing else.
    pub fn expect_creations(&self, key: &ObjectKey, count: usize) {
        todo!("{key} {count}")
    }

    /// Expects the deletion of the objects of these uids, and nothing else.
    pub fn expect_deletions(&self, key: &ObjectKey, uids: impl IntoIterator<Item = String>) {
        let _ = uids.into_iter();
        todo!("{key}")
    }

    /// One creation was seen, or failed.
    pub fn creation_observed(&self, key: &ObjectKey) {
        todo!("{key}")
    }

    /// The deletion of this object was seen, or failed.
    pub fn deletion_observed(&self, key: &ObjectKey, uid: &str) {
        todo!("{key} {uid}")
    }

    /// Whether everything expected was seen, or was expected too long ago.
    pub fn satisfied(&self, key: &ObjectKey) -> bool {
        todo!("{key}")
    }

    /// The object of this key is gone; so are its expectations.
    pub fn forget(&self, key: &ObjectKey) {
        todo!("{key}")
    }
}
