//! NodeResourcesBalancedAllocation: cpu and memory should be used in equal shares.
//!
//! Score: (1 − σ)·100, where σ of two shares a and b, each capped at 1, is |a − b|/2. Pods that request neither are
//! skipped, since their requests change no share.

use crate::cluster::{Cluster, NodeInfo};
use crate::framework::{MAX_NODE_SCORE, Score};
use crate::model::Pod;

/// Prefers nodes whose resources are used evenly.
#[derive(Clone, Copy, Debug)]
pub struct NodeResourcesBalancedAllocation;

impl Score for NodeResourcesBalancedAllocation {
    type State = ();

    fn name(&self) -> &'static str {
        "NodeResourcesBalancedAllocation"
    }

    fn pre_score(&self, _cluster: &Cluster, pod: &Pod, _feasible: &[&NodeInfo]) -> Option<()> {
        (pod.requests.cpu_milli != 0 || pod.requests.memory_bytes != 0).then_some(())
    }

    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        reason = "the rule is stated in doubles, truncated"
    )]
    fn score(&self, (): &(), pod: &Pod, node: &NodeInfo) -> i64 {
        let (used, all) = (node.requested(), &node.node().allocatable);
        let share = |requested: i64, allocatable: i64| (requested as f64 / allocatable as f64).min(1.0);
        let cpu = used.cpu_milli.saturating_add(pod.requests.cpu_milli);
        let memory = used.memory_bytes.saturating_add(pod.requests.memory_bytes);
        let deviation = if all.cpu_milli > 0 && all.memory_bytes > 0 {
            ((share(cpu, all.cpu_milli) - share(memory, all.memory_bytes)) / 2.0).abs()
        } else {
            0.0
        };
        ((1.0 - deviation) * MAX_NODE_SCORE as f64) as i64
    }
}
