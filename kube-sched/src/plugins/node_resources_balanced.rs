//! NodeResourcesBalancedAllocation: a pod should leave its node's resources used in more equal shares than it found them.
//!
//! The balance of a node is int((1 − σ)·100), where σ is the standard deviation of the shares requested of each resource,
//! each share capped at 1. Score: 50 + (50 + balance with the pod − balance without it)/2 in integers: 75 where the pod
//! changes nothing. Pods that request none of the resources are skipped. Source: kube-scheduler's `noderesources`
//! (kubernetes/kubernetes#135573).

use crate::cluster::{Cluster, NodeInfo, NodeRow};
use crate::framework::{Depends, MAX_NODE_SCORE, Score};
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

    fn depends(&self, _pod: &Pod) -> Depends {
        Depends::Node
    }

    fn sees_pod_labels(&self) -> bool {
        false
    }

    fn pre_score(&self, _cluster: &Cluster, pod: &Pod, _feasible: &[&NodeInfo]) -> Option<()> {
        self.resources.iter().any(|resource| pod.requests.amount(resource) != 0).then_some(())
    }

    fn score(&self, (): &(), pod: &Pod, node: &NodeInfo) -> i64 {
        let (used, all) = (node.requested(), &node.node().allocatable);
        let amounts = |resource: &ResourceName| Some((used.amount(resource), all.amount(resource)));
        self.change(pod, amounts).expect("a node knows of every resource how much it has")
    }

    fn score_row(&self, (): &(), pod: &Pod, row: &NodeRow) -> Option<i64> {
        self.change(pod, |resource| row.requested_of(resource))
    }
}

impl NodeResourcesBalancedAllocation {
    /// The score, where `amounts` tells how much of every resource is requested and allocatable.
    fn change(&self, pod: &Pod, amounts: impl Fn(&ResourceName) -> Option<(i64, i64)>) -> Option<i64> {
        let share = |resource: &ResourceName| {
            let (used, allocatable) = amounts(resource)?;
            Some(share(pod.requests.amount(resource), used, allocatable, resource))
        };
        let (with, without) = match &self.resources[..] {
            // Two, as a rule, need no room beyond the stack.
            [one, other] => match (share(one)?, share(other)?) {
                (Some(one), Some(other)) => balances(&[one, other]),
                _ => balances(&[]),
            },
            all => {
                let shares: Option<Vec<_>> = all.iter().map(share).collect();
                balances(&shares?.into_iter().flatten().collect::<Vec<_>>())
            }
        };
        let half = MAX_NODE_SCORE / 2;
        Some(half + (half + with - without) / 2)
    }
}

/// How even shares are with the pod and without it, 0 to 100.
#[inline]
fn balances(shares: &[(f64, f64)]) -> (i64, i64) {
    match shares {
        [] | [_] => (100, 100),
        [one, other] => (even(one.0 - other.0), even(one.1 - other.1)),
        all => (balance(all.iter().map(|share| share.0)), balance(all.iter().map(|share| share.1))),
    }
}

/// How even two shares are that differ by this much, 0 to 100.
#[expect(clippy::cast_possible_truncation, reason = "the rule is stated in doubles, truncated")]
fn even(difference: f64) -> i64 {
    ((1.0 - (difference / 2.0).abs()) * 100.0) as i64
}

/// How even three or more shares are, 0 to 100.
#[expect(clippy::cast_possible_truncation, reason = "the rule is stated in doubles, truncated")]
fn balance(shares: impl Iterator<Item = f64> + Clone) -> i64 {
    let (count, sum) = shares.clone().fold((0.0, 0.0), |(count, sum), share| (count + 1.0, sum + share));
    let mean = sum / count;
    let deviation = (shares.fold(0.0, |sum, share| sum + (share - mean) * (share - mean)) / count).sqrt();
    ((1.0 - deviation) * 100.0) as i64
}

/// The shares of a resource that are requested with and without the pod; `None` where the node has none of it, or the pod
/// does not ask for an extended resource.
#[inline]
#[expect(clippy::cast_precision_loss, reason = "the rule is stated in doubles")]
fn share(wanted: i64, used: i64, allocatable: i64, resource: &ResourceName) -> Option<(f64, f64)> {
    if allocatable == 0 || (wanted == 0 && matches!(resource, ResourceName::Scalar(_))) {
        return None;
    }
    // Negative amounts, which no API server lets through, must not outweigh what there is.
    let share = |requested: i64| (requested as f64 / allocatable as f64).clamp(-1.0, 1.0);
    Some((share(used.saturating_add(wanted)), share(used)))
}

#[cfg(test)]
mod tests;
