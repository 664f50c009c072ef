//! What a controller expects to see in its cache after what it has done.

use crate::object::ObjectKey;
use parking_lot::Mutex;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// After this long an expectation no longer holds anybody up: a watch event may have been lost for good.
/// Source: `ExpectationsTimeout`.
const TIMEOUT: Duration = Duration::from_secs(5 * 60);

/// Creations and deletions that a controller has asked for and not yet seen. Until they are seen (or five minutes have
/// passed) its cache is behind its own writes, and it must not decide by it. Source: `ControllerExpectations` of
/// `pkg/controller/controller_utils.go`. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Expectations {
    by_key: Arc<Mutex<HashMap<ObjectKey, Expected>>>,
}

#[derive(Debug)]
struct Expected {
    creations: usize,
    /// Uids; counted by identity, since one deletion may be seen twice (as an update with a deletion timestamp, and as the
    /// deletion).
    deletions: HashSet<String>,
    since: Instant,
}

impl Expected {
    fn is_fulfilled(&self) -> bool {
        self.creations == 0 && self.deletions.is_empty()
    }
}

impl Expectations {
    /// Expects `count` creations for `key`, and nothing else.
    pub fn expect_creations(&self, key: &ObjectKey, count: usize) {
        self.set(key, count, HashSet::new());
    }

    /// Expects the deletion of the objects of these uids, and nothing else.
    pub fn expect_deletions(&self, key: &ObjectKey, uids: impl IntoIterator<Item = String>) {
        self.set(key, 0, uids.into_iter().collect());
    }

    fn set(&self, key: &ObjectKey, creations: usize, deletions: HashSet<String>) {
        self.by_key.lock().insert(key.clone(), Expected { creations, deletions, since: Instant::now() });
    }

    /// One creation was seen, or failed.
    pub fn creation_observed(&self, key: &ObjectKey) {
        if let Some(expected) = self.by_key.lock().get_mut(key) {
            expected.creations = expected.creations.saturating_sub(1);
        }
    }

    /// The deletion of this object was seen, or failed.
    pub fn deletion_observed(&self, key: &ObjectKey, uid: &str) {
        if let Some(expected) = self.by_key.lock().get_mut(key) {
            expected.deletions.remove(uid);
        }
    }

    /// Whether everything expected was seen, or was expected too long ago, or nothing is expected.
    pub fn satisfied(&self, key: &ObjectKey) -> bool {
        self.by_key.lock().get(key).is_none_or(|e| e.is_fulfilled() || e.since.elapsed() > TIMEOUT)
    }

    /// The object of this key is gone; so are its expectations.
    pub fn forget(&self, key: &ObjectKey) {
        self.by_key.lock().remove(key);
    }
}

#[cfg(test)]
mod tests {
    //! Creations, deletions, the time-out.

    use super::*;

    fn key() -> ObjectKey {
        ObjectKey::new("default", "web")
    }

    #[tokio::test(start_paused = true)]
    async fn creations_are_counted() {
        let expectations = Expectations::default();
        assert!(expectations.satisfied(&key()));
        expectations.expect_creations(&key(), 2);
        expectations.creation_observed(&key());
        assert!(!expectations.satisfied(&key()));
        expectations.creation_observed(&key());
        expectations.creation_observed(&key());
        assert!(expectations.satisfied(&key()));
    }

    #[tokio::test(start_paused = true)]
    async fn deletions_are_told_apart() {
        let expectations = Expectations::default();
        expectations.expect_deletions(&key(), ["a".to_owned(), "b".to_owned()]);
        expectations.deletion_observed(&key(), "a");
        expectations.deletion_observed(&key(), "a");
        expectations.deletion_observed(&key(), "c");
        assert!(!expectations.satisfied(&key()));
        expectations.deletion_observed(&key(), "b");
        assert!(expectations.satisfied(&key()));
    }

    #[tokio::test(start_paused = true)]
    async fn after_five_minutes_nobody_waits_any_more() {
        let expectations = Expectations::default();
        expectations.expect_creations(&key(), 1);
        tokio::time::advance(TIMEOUT).await;
        assert!(!expectations.satisfied(&key()));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(expectations.satisfied(&key()));
        expectations.expect_creations(&key(), 1);
        expectations.forget(&key());
        assert!(expectations.satisfied(&key()));
    }
}
