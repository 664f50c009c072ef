//! What makes two pods one class: everything that scheduling can see of them.

use crate::model::{Labels, Pod, PodAffinityTerm, Selector};
use std::collections::BTreeSet;
use std::hash::{BuildHasher, Hash, Hasher};

/// Which of a pod's own labels tell classes apart.
#[derive(Clone, Debug)]
pub(super) enum LabelsSeen {
    /// All: a plugin looks at labels.
    All,
    /// Those under keys that a term of a bound pod or of the pod itself looks at.
    Terms(BTreeSet<String>),
}

impl LabelsSeen {
    fn keeps(&self, pod: &Pod, key: &str) -> bool {
        match self {
            Self::All => true,
            Self::Terms(keys) => keys.contains(key) || own_selectors(pod).any(|selector| mentions(selector, key)),
        }
    }

    fn labels<'a>(&'a self, pod: &'a Pod) -> impl Iterator<Item = (&'a str, &'a str)> {
        // Most pods in most clusters are looked at by no term at all.
        let none = matches!(self, Self::Terms(keys) if keys.is_empty()) && own_selectors(pod).next().is_none();
        let labels = if none { None } else { Some(&pod.labels) };
        labels.into_iter().flat_map(Labels::iter).filter(|(key, _)| self.keeps(pod, key))
    }
}

fn terms(pod: &Pod) -> impl Iterator<Item = &PodAffinityTerm> {
    pod.affinity.iter().chain(&pod.anti_affinity).chain(pod.preferred_pods.iter().map(|wish| &wish.term))
}

fn own_selectors(pod: &Pod) -> impl Iterator<Item = &Selector> {
    pod.spread.iter().map(|constraint| &constraint.selector).chain(terms(pod).map(|term| &term.selector))
}

fn mentions(selector: &Selector, key: &str) -> bool {
    matches!(selector, Selector::All(requirements) if requirements.iter().any(|r| r.key == key))
}

/// The label keys that a pod's terms on other pods look at.
#[expect(dead_code, reason = "for counters by domain")]
pub(super) fn term_keys(pod: &Pod) -> impl Iterator<Item = &str> {
    terms(pod)
        .flat_map(|term| match &term.selector {
            Selector::All(requirements) => requirements.as_slice(),
            Selector::Nothing => &[],
        })
        .map(|requirement| requirement.key.as_str())
}

/// A hash of what makes the pod's class. Pods of one class have one hash.
pub(super) fn hash(pod: &Pod, seen: &LabelsSeen, builder: &impl BuildHasher) -> u64 {
    let mut hasher = builder.build_hasher();
    // Fields are named one by one, so that a new one must be thought of here and in `same`. The first line is identity,
    // and what only the queue and preemption look at.
    let Pod {
        uid: _,
        name: _,
        created_seconds: _,
        started_seconds: _,
        nominated_node: _,
        gates: _,
        preempted: _,
        may_preempt: _,
        namespace,
        labels: _,
        requests,
        assumed,
        priority,
        node,
        terminating,
        node_selector,
        node_affinity,
        preferred_nodes,
        tolerations,
        host_ports,
        spread,
        affinity,
        anti_affinity,
        preferred_pods,
        images,
        containers,
        gpu,
        gpu_devices,
        owner: _,
        volumes,
        group,
        resource_claims,
    } = pod;
    (namespace, requests, assumed, priority, terminating, containers).hash(&mut hasher);
    (node, node_selector, node_affinity, preferred_nodes, tolerations, host_ports).hash(&mut hasher);
    (spread, affinity, anti_affinity, preferred_pods, images, gpu, gpu_devices).hash(&mut hasher);
    (volumes, group, resource_claims).hash(&mut hasher);
    seen.labels(pod).for_each(|label| label.hash(&mut hasher));
    hasher.finish()
}

/// Whether two pods are of one class.
pub(super) fn same(a: &Pod, b: &Pod, seen: &LabelsSeen) -> bool {
    let parts = |pod: &Pod| (pod.priority, pod.terminating, pod.containers);
    parts(a) == parts(b)
        && a.namespace == b.namespace
        && a.requests == b.requests
        && a.assumed == b.assumed
        && a.node == b.node
        && a.node_selector == b.node_selector
        && a.node_affinity == b.node_affinity
        && a.preferred_nodes == b.preferred_nodes
        && a.tolerations == b.tolerations
        && a.host_ports == b.host_ports
        && a.spread == b.spread
        && a.affinity == b.affinity
        && a.anti_affinity == b.anti_affinity
        && a.preferred_pods == b.preferred_pods
        && a.images == b.images
        && a.gpu == b.gpu
        && a.volumes == b.volumes
        && a.resource_claims == b.resource_claims
        && a.group == b.group
        && a.gpu_devices == b.gpu_devices
        && seen.labels(a).eq(seen.labels(b))
}
