//! Topology spread constraints (KEP-895).

use super::Selector;

/// What to do where a constraint cannot hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WhenUnsatisfiable {
    /// The pod waits.
    DoNotSchedule,
    /// The pod goes where the skew is least.
    ScheduleAnyway,
}

/// How evenly matching pods are spread over the values of a node label.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SpreadConstraint {
    /// By how much the numbers of matching pods in two domains may differ; at least 1.
    pub max_skew: i64,
    /// The label.
    pub topology_key: String,
    /// What to do where it cannot hold.
    pub when_unsatisfiable: WhenUnsatisfiable,
    /// Pods with these labels count; `matchLabelKeys` (KEP-3243) are already part of it.
    pub selector: Selector,
    /// With fewer eligible domains the least number counts as 0 (KEP-3022); at least 1.
    pub min_domains: i64,
    /// Whether nodes that the pod's node affinity excludes do not count (`nodeAffinityPolicy: Honor`, KEP-3094).
    pub honor_affinity: bool,
    /// Whether nodes whose taints the pod does not tolerate do not count (`nodeTaintsPolicy: Honor`).
    pub honor_taints: bool,
}

impl SpreadConstraint {
    /// A constraint with Kubernetes' defaults: one domain, affinity honoured, taints ignored.
    pub fn new(max_skew: i64, topology_key: &str, when: WhenUnsatisfiable, selector: Selector) -> Self {
        Self {
            max_skew,
            topology_key: topology_key.to_owned(),
            when_unsatisfiable: when,
            selector,
            min_domains: 1,
            honor_affinity: true,
            honor_taints: false,
        }
    }
}
