//! TaintToleration: nodes repel pods that do not tolerate their taints.
//!
//! Score: the fewer `PreferNoSchedule` taints are not tolerated, the better; 100 − 100·c/max.

use crate::cluster::{Cluster, NodeInfo};
use crate::framework::{Depends, EventKind, Filter, PreFilter, Refusal, Score, normalize_by_max};
use crate::model::{Effect, Pod, Toleration};

/// Refuses nodes with taints that the pod does not tolerate.
#[derive(Clone, Copy, Debug)]
pub struct TaintToleration;

impl Filter for TaintToleration {
    type State = ();

    fn name(&self) -> &'static str {
        "TaintToleration"
    }

    fn pre_filter(&self, _cluster: &Cluster, _pod: &Pod) -> PreFilter<()> {
        PreFilter::Run(())
    }

    fn filter(&self, (): &(), pod: &Pod, node: &NodeInfo) -> Result<(), Refusal> {
        if tolerated(pod, node) {
            return Ok(());
        }
        Err(Refusal::unresolvable(Filter::name(self), "node(s) had untolerated taint(s)"))
    }

    fn depends(&self, _pod: &Pod) -> Depends {
        Depends::Profile
    }

    fn sees_pod_labels(&self) -> bool {
        false
    }

    fn events_to_register(&self) -> &[EventKind] {
        &[EventKind::NodeAdd, EventKind::NodeTaint]
    }
}

/// Whether the pod tolerates every taint of the node that keeps pods away.
pub(super) fn tolerated(pod: &Pod, node: &NodeInfo) -> bool {
    node.node().taints.iter().all(|taint| {
        taint.effect == Effect::PreferNoSchedule || pod.tolerations.iter().any(|toleration| toleration.tolerates(taint))
    })
}

impl Score for TaintToleration {
    /// The pod's tolerations that bear on `PreferNoSchedule`.
    type State = Vec<Toleration>;

    fn name(&self) -> &'static str {
        "TaintToleration"
    }

    fn depends(&self, _pod: &Pod) -> Depends {
        Depends::Profile
    }

    fn sees_pod_labels(&self) -> bool {
        false
    }

    fn pre_score(&self, _cluster: &Cluster, pod: &Pod, feasible: &[&NodeInfo]) -> Option<Self::State> {
        let preferring =
            |node: &&NodeInfo| node.node().taints.iter().any(|taint| taint.effect == Effect::PreferNoSchedule);
        if !feasible.iter().any(preferring) {
            // Every node would get the same score.
            return None;
        }
        let bears = |t: &&Toleration| t.effect.is_none_or(|effect| effect == Effect::PreferNoSchedule);
        Some(pod.tolerations.iter().filter(bears).cloned().collect())
    }

    fn score(&self, state: &Self::State, _pod: &Pod, node: &NodeInfo) -> i64 {
        let repelling = node.node().taints.iter().filter(|taint| {
            taint.effect == Effect::PreferNoSchedule && !state.iter().any(|toleration| toleration.tolerates(taint))
        });
        i64::try_from(repelling.count()).unwrap_or(i64::MAX)
    }

    fn normalize(&self, _state: &Self::State, _nodes: &[&NodeInfo], scores: &mut [i64]) {
        normalize_by_max(scores, true);
    }
}

#[cfg(test)]
mod tests;
