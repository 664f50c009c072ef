//! NodeAffinity: node selectors and node affinity.
//!
//! Score: the sum of the weights of preferred terms that match; 100·s/max. A profile may add terms of its own, which every
//! pod must meet (`addedAffinity`, KEP-1937). Source: kube-scheduler's `nodeaffinity`.

use crate::cluster::{Cluster, HOSTNAME, NodeInfo};
use crate::framework::{Depends, EventKind, Filter, PreFilter, Refusal, Score, normalize_by_max};
use crate::model::{NodeSelector, NodeSelectorTerm, Operator, Pod, PreferredNodeTerm};
use std::collections::BTreeSet;

const REASON: &str = "node(s) didn't match Pod's node affinity/selector";

const REASON_ADDED: &str = "node(s) didn't match scheduler-enforced node affinity";

/// Refuses nodes that the pod's node selector or required node affinity exclude.
#[derive(Clone, Debug, Default)]
pub struct NodeAffinity {
    /// Terms of the profile, one of which a node must meet for any pod.
    pub added: Option<NodeSelector>,
    /// Wishes of the profile, on top of the pod's.
    pub added_preferred: Vec<PreferredNodeTerm>,
}

impl Filter for NodeAffinity {
    type State = ();

    fn name(&self) -> &'static str {
        "NodeAffinity"
    }

    fn pre_filter(&self, _cluster: &Cluster, pod: &Pod) -> PreFilter<()> {
        match &pod.node_affinity {
            None if self.added.is_none() && pod.node_selector.iter().next().is_none() => PreFilter::Skip,
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
        let (labels, name) = (&node.node().labels, &node.node().name);
        if self.added.as_ref().is_some_and(|added| !added.matches(labels, name)) {
            return Err(Refusal::unresolvable(Filter::name(self), REASON_ADDED));
        }
        if pod.accepts_node(labels, name) {
            return Ok(());
        }
        Err(Refusal::unresolvable(Filter::name(self), REASON))
    }

    fn depends(&self, pod: &Pod) -> Depends {
        // No two nodes share a name.
        if self.looks_at_identity(pod) { Depends::Spec } else { Depends::Profile }
    }

    fn sees_pod_labels(&self) -> bool {
        false
    }

    fn events_to_register(&self) -> &[EventKind] {
        &[EventKind::NodeAdd, EventKind::NodeLabel]
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

impl NodeAffinity {
    /// Whether a term looks at a node's name or host name.
    fn looks_at_identity(&self, pod: &Pod) -> bool {
        let required = self.added.iter().chain(&pod.node_affinity).flat_map(|affinity| &affinity.0);
        let wishes = self.added_preferred.iter().chain(&pod.preferred_nodes).map(|wish| &wish.term);
        let identity = |term: &NodeSelectorTerm| {
            !term.names.is_empty() || term.labels.iter().any(|requirement| requirement.key == HOSTNAME)
        };
        pod.node_selector.contains(HOSTNAME) || required.chain(wishes).any(identity)
    }
}

impl Score for NodeAffinity {
    type State = ();

    fn name(&self) -> &'static str {
        "NodeAffinity"
    }

    fn depends(&self, pod: &Pod) -> Depends {
        // No two nodes share a name.
        if self.looks_at_identity(pod) { Depends::Spec } else { Depends::Profile }
    }

    fn sees_pod_labels(&self) -> bool {
        false
    }

    fn pre_score(&self, _cluster: &Cluster, pod: &Pod, _feasible: &[&NodeInfo]) -> Option<()> {
        (!(pod.preferred_nodes.is_empty() && self.added_preferred.is_empty())).then_some(())
    }

    fn score(&self, (): &(), pod: &Pod, node: &NodeInfo) -> i64 {
        let node = node.node();
        let wishes = self.added_preferred.iter().chain(&pod.preferred_nodes);
        wishes.filter(|wish| wish.matches(&node.labels, &node.name)).map(|wish| wish.weight).sum()
    }

    fn normalize(&self, (): &(), _nodes: &[&NodeInfo], scores: &mut [i64]) {
        normalize_by_max(scores, false);
    }
}

#[cfg(test)]
mod tests;
