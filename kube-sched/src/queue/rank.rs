//! The order of the active queue: QueueSort's, then age.

use crate::framework::QueueSort;
use crate::model::Pod;
use std::cmp::Ordering;
use std::sync::Arc;

/// A pod in the active heap; the greatest is tried first.
#[derive(Debug)]
pub(super) struct Ranked {
    /// What decides before QueueSort is asked; equal where it gives no numbers.
    rank: i64,
    pub(super) sequence: u64,
    pub(super) pod: Arc<Pod>,
    /// Where a number does not say all.
    sort: Option<Arc<dyn QueueSort>>,
}

impl Ranked {
    pub(super) fn new(sort: &Arc<dyn QueueSort>, pod: Arc<Pod>, sequence: u64) -> Self {
        let rank = sort.rank(&pod);
        Self { rank: rank.unwrap_or(0), sequence, pod, sort: rank.is_none().then(|| sort.clone()) }
    }
}

impl Ord for Ranked {
    fn cmp(&self, other: &Self) -> Ordering {
        let sorted = || self.sort.as_ref().map_or(Ordering::Equal, |sort| sort.compare(&self.pod, &other.pod));
        self.rank.cmp(&other.rank).then_with(sorted).then(self.sequence.cmp(&other.sequence)).reverse()
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
