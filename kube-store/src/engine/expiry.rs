//! Which keys are to be deleted when.

use crate::Revision;
use crate::index::history::Change;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::time::Instant;

/// Deadlines of the current versions that have one.
#[derive(Debug, Default)]
pub(crate) struct Expiry(BTreeMap<(Instant, Revision), Arc<str>>);

impl Expiry {
    /// Follows a change.
    pub(crate) fn update(&mut self, change: &Change) {
        if let Some(previous) = &change.previous
            && let Some(lifetime) = previous.lifetime
        {
            self.0.remove(&(lifetime.deadline, previous.revision));
        }
        if let Some(entry) = &change.entry
            && let Some(lifetime) = entry.lifetime
        {
            self.0.insert((lifetime.deadline, entry.revision), Arc::clone(&entry.key));
        }
    }

    /// Adds a version that was there before the store was opened.
    pub(crate) fn restore(&mut self, deadline: Instant, revision: Revision, key: &Arc<str>) {
        self.0.insert((deadline, revision), Arc::clone(key));
    }

    /// The next deadline.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.0.first_key_value().map(|((deadline, _), _)| *deadline)
    }

    /// Keys whose deadline has come, each with the revision of the version that ends; `limit` at most. They stay here
    /// until the delete is committed.
    pub(crate) fn due(&self, now: Instant, limit: usize) -> Vec<(Arc<str>, Revision)> {
        let due = self.0.iter().take_while(|((deadline, _), _)| *deadline <= now);
        due.take(limit).map(|((_, revision), key)| (Arc::clone(key), *revision)).collect()
    }
}
