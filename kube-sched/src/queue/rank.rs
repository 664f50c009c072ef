//! The order of the active queue: QueueSort's, then age.

use crate::framework::QueueSort;
use crate::model::Pod;
use std::cmp::Ordering;
use std::sync::Arc;

/// A pod in the active heap; the greatest is tried first.
#[derive(Debug)]
pub(super) struct Ranked {
    pub(super) sort: Arc<dyn QueueSort>,
    pub(super) pod: Arc<Pod>,
    pub(super) sequence: u64,
}

impl Ord for Ranked {
    fn cmp(&self, other: &Self) -> Ordering {
        self.sort.compare(&self.pod, &other.pod).then(self.sequence.cmp(&other.sequence)).reverse()
    }
}

impl PartialOrd for Ranked {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Ranked {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Ranked {}
