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

impl Default for LabelsSeen {
    fn default() -> Self {
        Self::Terms(BTreeSet::new())
    }
}

impl LabelsSeen {
    fn keeps(&self, pod: &Pod, alike: &Selector, key: &str) -> bool {
        match self {
            Self::All => true,
            Self::Terms(keys) => {
                keys.contains(key) || mentions(alike, key) || own_selectors(pod).any(|selector| mentions(selector, key))
            }
        }
    }

    fn labels<'a>(&'a self, pod: &'a Pod, alike: &'a Selector) -> impl Iterator<Item = (&'a str, &'a str)> {
        // Most pods in most clusters are looked at by no term at all.
        let none = matches!(self, Self::Terms(keys) if keys.is_empty())
            && own_selectors(pod).next().is_none()
            && *alike == Selector::Nothing;
        let labels = if none { None } else { Some(&pod.labels) };
        labels.into_iter().flat_map(Labels::iter).filter(|(key, _)| self.keeps(pod, alike, key))
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

/// A hash of what makes the pod's class, with the selector of pods like it, where default spreading has one. Pods of one class have one hash.
pub(super) fn hash(pod: &Pod, alike: &Selector, seen: &LabelsSeen, builder: &impl BuildHasher) -> u64 {
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
    // Most pods have next to none of the rest, and what they lack costs them nothing.
    let mut rest = Rest { hasher: &mut hasher, field: 0 };
    rest.hash(node.as_slice());
    rest.hash(node_selector.as_slice());
    rest.hash(node_affinity.as_slice());
    rest.hash(preferred_nodes);
    rest.hash(tolerations);
    rest.hash(host_ports);
    rest.hash(spread);
    rest.hash(affinity);
    rest.hash(anti_affinity);
    rest.hash(preferred_pods);
    rest.hash(images);
    rest.hash(gpu.as_slice());
    rest.hash(gpu_devices);
    rest.hash(volumes);
    rest.hash(group.as_slice());
    rest.hash(resource_claims);
    alike.hash(&mut hasher);
    seen.labels(pod, alike).for_each(|label| label.hash(&mut hasher));
    hasher.finish()
}

/// Fields that are empty as a rule: those that are not are hashed with their number.
struct Rest<'a, H> {
    hasher: &'a mut H,
    field: u8,
}

impl<H: Hasher> Rest<'_, H> {
    fn hash<T: Hash>(&mut self, parts: &[T]) {
        self.field += 1;
        if !parts.is_empty() {
            (self.field, parts).hash(self.hasher);
        }
    }
}

/// Whether two pods are of one class.
pub(super) fn same(a: &Pod, b: &Pod, alike: &Selector, seen: &LabelsSeen) -> bool {
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
        && seen.labels(a, alike).eq(seen.labels(b, alike))
}
