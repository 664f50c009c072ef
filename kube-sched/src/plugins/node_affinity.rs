//! NodeAffinity: node selectors and node affinity.
//!
//! Score: the sum of the weights of preferred terms that match; 100·s/max.

use crate::cluster::{Cluster, NodeInfo};
use crate::framework::{ClusterEvent, EventKind, Filter, Hint, PreFilter, Refusal, Score, normalize_by_max};
use crate::model::{NodeSelector, Operator, Pod};
use std::collections::BTreeSet;

const REASON: &str = "node(s) didn't match Pod's node affinity/selector";

/// Refuses nodes that the pod's node selector or required node affinity exclude.
#[derive(Clone, Copy, Debug)]
pub struct NodeAffinity;

impl Filter for NodeAffinity {
    type State = ();

    fn name(&self) -> &'static str {
        "NodeAffinity"
    }

    fn pre_filter(&self, _cluster: &Cluster, pod: &Pod) -> PreFilter<()> {
        match &pod.node_affinity {
            None if pod.node_selector.iter().next().is_none() => PreFilter::Skip,
            None => PreFilter::Run(()),
            Some(affinity) => match named_nodes(affinity) {
                None => PreFilter::Run(()),
                Some(names) if names.is_empty() => {
                    PreFilter::Refuse(Refusal::unresolvable(Filter::name(self), "pod affinity terms conflict"))
                }
                Some(names) => PreFilter::Only(names.into_iter().collect(), ()),
            },
        }
    }

    fn filter(&self, (): &(), pod: &Pod, node: &NodeInfo) -> Result<(), Refusal> {
        if pod.accepts_node(&node.node().labels, &node.node().name) {
            return Ok(());
        }
        Err(Refusal::unresolvable(Filter::name(self), REASON))
    }

    fn hint(&self, event: &ClusterEvent, _pod: &Pod) -> Hint {
        match event.kind {
            EventKind::NodeAdd | EventKind::NodeLabel => Hint::Queue,
            _ => Hint::Skip,
        }
    }
}

/// The nodes that an affinity names when every term names some (as a DaemonSet's pods do); `None` when one does not.
fn named_nodes(affinity: &NodeSelector) -> Option<BTreeSet<String>> {
    let mut all = BTreeSet::new();
    for term in &affinity.0 {
        let mut named: Option<BTreeSet<String>> = None;
        for requirement in term.names.iter().filter(|r| r.operator == Operator::In) {
            let values: BTreeSet<String> = requirement.values.iter().cloned().collect();
            named = Some(match named {
                Some(before) => before.intersection(&values).cloned().collect(),
                None => values,
            });
        }
        all.extend(named?);
    }
    (!affinity.0.is_empty()).then_some(all)
}

impl Score for NodeAffinity {
    type State = ();

    fn name(&self) -> &'static str {
        "NodeAffinity"
    }

    fn pre_score(&self, _cluster: &Cluster, pod: &Pod, _feasible: &[&NodeInfo]) -> Option<()> {
        (!pod.preferred_nodes.is_empty()).then_some(())
    }

    fn score(&self, (): &(), pod: &Pod, node: &NodeInfo) -> i64 {
        let node = node.node();
        pod.preferred_nodes.iter().filter(|term| term.matches(&node.labels, &node.name)).map(|term| term.weight).sum()
    }

    fn normalize(&self, (): &(), _nodes: &[&NodeInfo], scores: &mut [i64]) {
        normalize_by_max(scores, false);
    }
}
