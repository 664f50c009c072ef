//! Which pods go first when there are too many.
//!
//! Source: `controller.ActivePodsWithRanks`.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ContainerStatus, Pod};

use crate::pods;

/// The annotation by which a user says what losing a pod costs.
pub const DELETION_COST: &str = "controller.kubernetes.io/pod-deletion-cost";

/// The `surplus` of `active` that go first, in order.
pub fn first_to_go(active: &[Arc<Pod>], related: &[Arc<Pod>], surplus: usize, now: Timestamp) -> Vec<Arc<Pod>> {
    let mut order: Vec<(Standing<'_>, &Arc<Pod>)> = Vec::with_capacity(active.len());
    let mut on_node: HashMap<&str, usize> = HashMap::new();
    for pod in related.iter().filter(|p| pods::is_active(p)) {
        *on_node.entry(pods::node_name(pod)).or_default() += 1;
    }
    for pod in active {
        let doubled_up = on_node.get(pods::node_name(pod)).copied().unwrap_or_default();
        order.push((Standing::of(pod, doubled_up), pod));
    }
    if surplus < order.len() {
        order.sort_by(|(a, _), (b, _)| a.compare(b, now));
    }
    order.into_iter().take(surplus).map(|(_, pod)| Arc::clone(pod)).collect()
}

/// What the order looks at, read once per pod.
#[derive(Debug)]
struct Standing<'a> {
    assigned: bool,
    phase: u8,
    ready_since: Option<Timestamp>,
    ready: bool,
    cost: i32,
    doubled_up: usize,
    restarts: i32,
    sidecar_restarts: i32,
    created: Option<Timestamp>,
    uid: &'a str,
}

impl<'a> Standing<'a> {
    fn of(pod: &'a Pod, doubled_up: usize) -> Self {
        let status = pod.status.as_ref();
        let restarts = status.and_then(|s| s.container_statuses.as_deref());
        Self {
            assigned: !pods::node_name(pod).is_empty(),
            phase: match pods::phase(pod) {
                "Pending" => 0,
                "Unknown" => 1,
                _ => 2,
            },
            ready_since: pods::ready_since(pod),
            ready: pods::is_ready(pod),
            cost: deletion_cost(pod),
            doubled_up,
            restarts: most_restarts(restarts.into_iter().flatten()),
            sidecar_restarts: most_restarts(sidecars(pod)),
            created: pod.metadata.creation_timestamp.as_ref().map(|t| t.0),
            uid: pod.metadata.uid.as_deref().unwrap_or_default(),
        }
    }

    /// `Less` goes first.
    fn compare(&self, other: &Self, now: Timestamp) -> Ordering {
        self.assigned
            .cmp(&other.assigned)
            .then(self.phase.cmp(&other.phase))
            .then(self.ready.cmp(&other.ready))
            .then(self.cost.cmp(&other.cost))
            .then(other.doubled_up.cmp(&self.doubled_up))
            .then_with(|| match self.ready && other.ready {
                true => self.younger(self.ready_since, other.ready_since, other, now),
                false => Ordering::Equal,
            })
            .then(other.restarts.cmp(&self.restarts))
            .then(other.sidecar_restarts.cmp(&self.sidecar_restarts))
            .then_with(|| self.younger(self.created, other.created, other, now))
            // Ties fall by uid, so that one state has one answer.
            .then(self.uid.cmp(other.uid))
    }

    /// Younger first, but ages are compared by their order of magnitude: among pods of about one age the uid, which is
    /// random, decides, so that scaling up and down does not always hit the same failure domain (KEP-2185).
    fn younger(&self, a: Option<Timestamp>, b: Option<Timestamp>, other: &Self, now: Timestamp) -> Ordering {
        match (a, b) {
            (a, b) if a == b => Ordering::Equal,
            (None, _) => Ordering::Less,
            (_, None) => Ordering::Greater,
            (Some(a), Some(b)) => magnitude(a, now).cmp(&magnitude(b, now)).then_with(|| self.uid.cmp(other.uid)),
        }
    }
}

/// The binary logarithm of the age in nanoseconds; -1 for what lies ahead.
fn magnitude(since: Timestamp, now: Timestamp) -> i32 {
    match pods::elapsed(since, now).as_nanos() {
        0 => -1,
        nanos => i32::try_from(nanos.ilog2()).unwrap_or(i32::MAX),
    }
}

fn deletion_cost(pod: &Pod) -> i32 {
    let annotations = pod.metadata.annotations.as_ref();
    annotations.and_then(|a| a.get(DELETION_COST)).and_then(|cost| cost.parse().ok()).unwrap_or(0)
}

fn most_restarts<'a>(statuses: impl Iterator<Item = &'a ContainerStatus>) -> i32 {
    statuses.map(|s| s.restart_count).max().unwrap_or(0)
}

fn sidecars(pod: &Pod) -> impl Iterator<Item = &ContainerStatus> {
    let containers = pod.spec.as_ref().and_then(|s| s.init_containers.as_deref()).unwrap_or_default();
    let statuses = pod.status.as_ref().and_then(|s| s.init_container_statuses.as_deref()).unwrap_or_default();
    statuses.iter().filter(|status| {
        containers.iter().any(|c| c.name == status.name && c.restart_policy.as_deref() == Some("Always"))
    })
}
