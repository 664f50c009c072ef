//! Makers and verdicts that the plugins' tests share.

use crate::cluster::{Cluster, NodeInfo};
use crate::framework::{Filter, PreFilter, Refusal, Score};
use crate::model::{Labels, Node, Operator, Pod, Requirement, Resources};
use std::collections::BTreeSet;

pub(super) const GIB: i64 = 1 << 30;
pub(super) const MIB: i64 = 1 << 20;

/// A node with 4 cores, 8 GiB and room for 10 pods.
pub(super) fn node(name: &str) -> Node {
    Node::new(name, Resources::new(4000, 8 * GIB, 10))
}

/// A node in a zone.
pub(super) fn zoned(name: &str, zone: &str) -> Node {
    node(name).label("zone", zone)
}

/// A pod with the label `app: web`.
pub(super) fn web(name: &str) -> Pod {
    Pod::new(name).label("app", "web")
}

pub(super) fn requirement(key: &str, operator: Operator, values: &[&str]) -> Requirement {
    Requirement::new(key, operator, values.iter().copied())
}

pub(super) fn cluster(nodes: impl IntoIterator<Item = Node>, pods: impl IntoIterator<Item = Pod>) -> Cluster {
    let mut cluster = Cluster::new();
    nodes.into_iter().for_each(|node| cluster.add_node(node));
    pods.into_iter().for_each(|pod| cluster.add_pod(pod).unwrap());
    cluster.set_namespace("default", Labels::new([("kubernetes.io/metadata.name", "default")]));
    cluster
}

fn told(refusal: &Refusal) -> String {
    format!("{:?}: {}", refusal.code, refusal.reasons.join(", "))
}

/// What a filter says of every node: `a b | Unschedulable: why the others not; Unresolvable: why yet others not`, or `skip`.
pub(super) fn verdict(plugin: &impl Filter, cluster: &Cluster, pod: &Pod) -> String {
    let (only, state) = match plugin.pre_filter(cluster, pod) {
        PreFilter::Skip => return "skip".to_owned(),
        PreFilter::Refuse(refusal) => return format!("| {}", told(&refusal)),
        PreFilter::Run(state) | PreFilter::AllBut(_, state) => (None, state),
        PreFilter::Only(names, state) => (Some(names), state),
    };
    let mut words: Vec<String> = Vec::new();
    let mut reasons = BTreeSet::new();
    for node in cluster.nodes() {
        let name = &node.node().name;
        if only.as_ref().is_some_and(|names| names.iter().all(|n| **n != **name)) {
            continue;
        }
        match plugin.filter(&state, pod, node) {
            Ok(()) => words.push(name.to_string()),
            Err(refusal) => drop(reasons.insert(told(&refusal))),
        }
    }
    if !reasons.is_empty() {
        words.push("|".to_owned());
        words.push(reasons.into_iter().collect::<Vec<_>>().join("; "));
    }
    words.join(" ")
}

/// The normalised scores of all nodes, in the order of their names, or `skip`.
pub(super) fn scores(plugin: &impl Score, cluster: &Cluster, pod: &Pod) -> String {
    let nodes: Vec<&NodeInfo> = cluster.nodes().collect();
    let Some(state) = plugin.pre_score(cluster, pod, &nodes) else { return "skip".to_owned() };
    let mut scores: Vec<i64> = nodes.iter().map(|node| plugin.score(&state, pod, node)).collect();
    plugin.normalize(&state, &nodes, &mut scores);
    scores.iter().map(i64::to_string).collect::<Vec<_>>().join(" ")
}
