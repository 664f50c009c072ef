//! Groups of pods that are scheduled together (KEP-4671).

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
}

impl Entry for PodGroup {
    fn namespace(&self) -> &Arc<str> {
        &self.namespace
    }

    fn name(&self) -> Arc<str> {
        self.name.clone()
    }
}
