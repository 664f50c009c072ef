//! NodeResourcesBalancedAllocation: a pod should leave its node's resources used in more equal shares than it found them.
//!
//! The balance of a node is int((1 − σ)·100), where σ is the standard deviation of the shares requested of each resource,
//! each share capped at 1. Score: 50 + (50 + balance with the pod − balance without it)/2 in integers: 75 where the pod
//! changes nothing. Pods that request none of the resources are skipped. Source: kube-scheduler's `noderesources`
//! (kubernetes/kubernetes#135573).

use crate::cluster::{Cluster, NodeInfo};
use crate::framework::{MAX_NODE_SCORE, Score};
use crate::model::{Pod, ResourceName};

/// Prefers nodes whose resources the pod balances.
#[derive(Clone, Debug)]
pub struct NodeResourcesBalancedAllocation {
    /// The resources to balance; cpu and memory by default.
    pub resources: Vec<ResourceName>,
}

impl Default for NodeResourcesBalancedAllocation {
    fn default() -> Self {
        Self { resources: vec![ResourceName::Cpu, ResourceName::Memory] }
    }
}

impl Score for NodeResourcesBalancedAllocation {
    type State = ();

    fn name(&self) -> &'static str {
        "NodeResourcesBalancedAllocation"
    }

    fn pre_score(&self, _cluster: &Cluster, pod: &Pod, _feasible: &[&NodeInfo]) -> Option<()> {
        self.resources.iter().any(|resource| pod.requests.amount(resource) != 0).then_some(())
    }

    fn score(&self, (): &(), pod: &Pod, node: &NodeInfo) -> i64 {
        let half = MAX_NODE_SCORE / 2;
        half + (half + self.balance(pod, node, true) - self.balance(pod, node, false)) / 2
    }
}

impl NodeResourcesBalancedAllocation {
    /// How even the shares are, 0 to 100.
    #[expect(clippy::cast_possible_truncation, reason = "the rule is stated in doubles, truncated")]
    fn balance(&self, pod: &Pod, node: &NodeInfo, with_pod: bool) -> i64 {
        let shares = || self.resources.iter().filter_map(|resource| share(pod, node, resource, with_pod));
        let (count, sum) = shares().fold((0.0, 0.0), |(count, sum), share| (count + 1.0, sum + share));
        let deviation = if count == 2.0 {
            let mut both = shares();
            both.next().zip(both.next()).map_or(0.0, |(a, b)| ((a - b) / 2.0).abs())
        } else if count > 2.0 {
            let mean = sum / count;
            (shares().fold(0.0, |sum, share| sum + (share - mean) * (share - mean)) / count).sqrt()
        } else {
            0.0
        };
        ((1.0 - deviation) * 100.0) as i64
    }
}

/// The share of a resource that is requested; `None` where the node has none of it, or the pod does not ask for an extended
/// resource.
#[expect(clippy::cast_precision_loss, reason = "the rule is stated in doubles")]
fn share(pod: &Pod, node: &NodeInfo, resource: &ResourceName, with_pod: bool) -> Option<f64> {
    let (wanted, allocatable) = (pod.requests.amount(resource), node.node().allocatable.amount(resource));
    if allocatable == 0 || (wanted == 0 && matches!(resource, ResourceName::Scalar(_))) {
        return None;
    }
    let used = node.requested().amount(resource);
    let requested = if with_pod { used.saturating_add(wanted) } else { used };
    Some((requested as f64 / allocatable as f64).min(1.0))
}

#[cfg(test)]
mod tests;
