//! NodeResourcesFit: a node must have room for what the pod requests.
//!
//! Score `LeastAllocated`, the default: per resource (allocatable − used)·100/allocatable in integers, 0 when over, with
//! the pod and the assumed amounts of containers that request nothing; the weighted integer mean of cpu and memory.

use crate::cluster::{Cluster, NodeInfo};
use crate::framework::{
    ClusterEvent, Code, EventKind, Filter, Hint, MAX_NODE_SCORE, PreFilter, Reason, Refusal, Score,
};
use crate::model::{Pod, Resources};

/// Which nodes are best.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ScoringStrategy {
    /// The emptiest, which spreads load.
    #[default]
    LeastAllocated,
    /// The fullest, which packs.
    MostAllocated,
}

/// Refuses nodes without room for what the pod requests.
#[derive(Clone, Copy, Debug, Default)]
pub struct NodeResourcesFit {
    /// Which nodes are best.
    pub strategy: ScoringStrategy,
}

impl Filter for NodeResourcesFit {
    type State = ();

    fn name(&self) -> &'static str {
        "NodeResourcesFit"
    }

    fn pre_filter(&self, _cluster: &Cluster, _pod: &Pod) -> PreFilter<()> {
        PreFilter::Run(())
    }

    fn filter(&self, (): &(), pod: &Pod, node: &NodeInfo) -> Result<(), Refusal> {
        let shortages = shortages(&pod.requests, node);
        if shortages.is_empty() {
            return Ok(());
        }
        // Where the pod is larger than the whole node, removing others does not help.
        let resolvable = shortages.iter().all(|shortage| shortage.fits_empty_node);
        Err(Refusal {
            plugin: Filter::name(self),
            code: if resolvable { Code::Unschedulable } else { Code::Unresolvable },
            reasons: shortages.into_iter().map(|shortage| shortage.reason).collect(),
        })
    }

    fn hint(&self, event: &ClusterEvent, _pod: &Pod) -> Hint {
        match event.kind {
            EventKind::NodeAdd | EventKind::NodeAllocatable | EventKind::PodDelete | EventKind::PodUpdate => {
                Hint::Queue
            }
            _ => Hint::Skip,
        }
    }
}

struct Shortage {
    reason: Reason,
    fits_empty_node: bool,
}

/// In kube-scheduler's order: pods, cpu, memory, ephemeral storage, extended resources.
fn shortages(requests: &Resources, node: &NodeInfo) -> Vec<Shortage> {
    let (used, all) = (node.requested(), &node.node().allocatable);
    let mut found = Vec::new();
    if used.pods + 1 > all.pods {
        found.push(Shortage { reason: "Too many pods".into(), fits_empty_node: true });
    }
    let mut hold = |reason: &dyn Fn() -> Reason, wanted: i64, used: i64, all: i64| {
        if wanted > 0 && wanted > all.saturating_sub(used) {
            found.push(Shortage { reason: reason(), fits_empty_node: wanted <= all });
        }
    };
    hold(&|| "Insufficient cpu".into(), requests.cpu_milli, used.cpu_milli, all.cpu_milli);
    hold(&|| "Insufficient memory".into(), requests.memory_bytes, used.memory_bytes, all.memory_bytes);
    hold(
        &|| "Insufficient ephemeral-storage".into(),
        requests.ephemeral_storage_bytes,
        used.ephemeral_storage_bytes,
        all.ephemeral_storage_bytes,
    );
    for (name, wanted) in requests.scalars() {
        hold(&|| format!("Insufficient {name}").into(), wanted, used.scalar(name), all.scalar(name));
    }
    found
}

impl Score for NodeResourcesFit {
    type State = ();

    fn name(&self) -> &'static str {
        "NodeResourcesFit"
    }

    fn pre_score(&self, _cluster: &Cluster, _pod: &Pod, _feasible: &[&NodeInfo]) -> Option<()> {
        Some(())
    }

    fn score(&self, (): &(), pod: &Pod, node: &NodeInfo) -> i64 {
        let (used, all) = (node.assumed(), &node.node().allocatable);
        let pairs = [
            (used.cpu_milli.saturating_add(pod.assumed.cpu_milli), all.cpu_milli),
            (used.memory_bytes.saturating_add(pod.assumed.memory_bytes), all.memory_bytes),
        ];
        let mut sum = 0;
        let mut weights = 0;
        for (requested, allocatable) in pairs {
            if allocatable > 0 {
                sum += self.strategy.score(requested, allocatable);
                weights += 1;
            }
        }
        if weights == 0 { 0 } else { sum / weights }
    }
}

impl ScoringStrategy {
    fn score(self, requested: i64, allocatable: i64) -> i64 {
        // Amounts of memory times 100 overflow 64 bits from 83 PiB on.
        let share = |part: i64| {
            i64::try_from(i128::from(part) * i128::from(MAX_NODE_SCORE) / i128::from(allocatable)).unwrap_or(0)
        };
        match self {
            _ if requested > allocatable => 0,
            Self::LeastAllocated => share(allocatable - requested),
            Self::MostAllocated => share(requested),
        }
    }
}
