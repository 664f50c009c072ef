//! Groups of pods that are scheduled together (KEP-4671, KEP-5732).

use super::Entry;
use std::sync::Arc;

/// A PodGroup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodGroup {
    /// Its namespace.
    pub namespace: Arc<str>,
    /// Its name, which pods give as `schedulingGroup.podGroupName`.
    pub name: Arc<str>,
    /// With the gang policy, the least number of its pods that run; fewer are not placed at all. `None` with the basic policy.
    pub min_count: Option<usize>,
    /// The label of nodes whose value all of its pods' nodes share (KEP-5732); `None` without a topology constraint.
    pub topology_key: Option<Arc<str>>,
}

impl PodGroup {
    /// Whether its pods are decided on together, and not one by one.
    pub fn is_placed_together(&self) -> bool {
        self.min_count.is_some() || self.topology_key.is_some()
    }
}

impl Entry for PodGroup {
    fn namespace(&self) -> &Arc<str> {
        &self.namespace
    }

    fn name(&self) -> Arc<str> {
        self.name.clone()
    }
}
