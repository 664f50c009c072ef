//! Whether a node still gives signs of life: it renews its lease, or it posts its status.
//!
//! Source: `tryUpdateNodeHealth`. Silence is measured by a monotonic clock from when a sign was *seen*, so clocks of nodes
//! need not agree with ours.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{Node, NodeCondition};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

/// The conditions that become `Unknown` when a node falls silent.
const CONDITIONS: [&str; 4] = ["Ready", "MemoryPressure", "DiskPressure", "PIDPressure"];

/// Whether a node is ready, as its status says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// `True`.
    Ready,
    /// `False`: its agent says that it is not.
    NotReady,
    /// `Unknown`, or never said.
    Unknown,
}

/// The signs of life seen of one node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    heartbeat: Option<Timestamp>,
    renewed: Option<Timestamp>,
    /// When the last sign was seen, on the monotonic clock.
    seen: Duration,
}

/// The condition of one type.
pub fn condition<'a>(node: &'a Node, kind: &str) -> Option<&'a NodeCondition> {
    node.status.as_ref()?.conditions.as_ref()?.iter().find(|c| c.type_ == kind)
}

/// What the node's `Ready` condition says.
pub fn readiness(node: &Node) -> Readiness {
    match condition(node, "Ready").map(|c| c.status.as_str()) {
        Some("True") => Readiness::Ready,
        Some("False") => Readiness::NotReady,
        _ => Readiness::Unknown,
    }
}

impl Health {
    /// A node seen for the first time at `uptime`.
    pub fn new(node: &Node, lease: Option<&Lease>, uptime: Duration) -> Self {
        Self { heartbeat: heartbeat(node), renewed: renewed(lease), seen: uptime }
    }

    /// Looks for signs of life since the last time.
    pub fn observe(&mut self, node: &Node, lease: Option<&Lease>, uptime: Duration) {
        let heartbeat = heartbeat(node);
        let renewed = renewed(lease);
        if heartbeat != self.heartbeat || renewed > self.renewed {
            self.seen = uptime;
        }
        self.heartbeat = heartbeat;
        self.renewed = renewed.max(self.renewed);
    }

    /// Counts as seen now: after all nodes were silent at once, the fault was ours, and each gets its full time again.
    pub fn forgive(&mut self, uptime: Duration) {
        self.seen = uptime;
    }

    /// Whether the node has been silent for longer than `grace`.
    pub fn is_silent(&self, uptime: Duration, grace: Duration) -> bool {
        uptime.saturating_sub(self.seen) > grace
    }
}

fn heartbeat(node: &Node) -> Option<Timestamp> {
    condition(node, "Ready")?.last_heartbeat_time.as_ref().map(|t| t.0)
}

fn renewed(lease: Option<&Lease>) -> Option<Timestamp> {
    lease?.spec.as_ref()?.renew_time.as_ref().map(|t| t.0)
}

/// The conditions of a silent node; none where they say so already.
pub fn silenced(node: &Node, now: Timestamp) -> Option<Vec<NodeCondition>> {
    let mut conditions = node.status.as_ref().and_then(|s| s.conditions.clone()).unwrap_or_default();
    let mut changed = false;
    for kind in CONDITIONS {
        match conditions.iter_mut().find(|c| c.type_ == kind) {
            None => conditions.push(NodeCondition {
                type_: kind.into(),
                status: "Unknown".into(),
                reason: Some("NodeStatusNeverUpdated".into()),
                message: Some("Kubelet never posted node status.".into()),
                last_heartbeat_time: node.metadata.creation_timestamp.clone(),
                last_transition_time: Some(Time(now)),
            }),
            Some(condition) if condition.status != "Unknown" => {
                condition.status = "Unknown".into();
                condition.reason = Some("NodeStatusUnknown".into());
                condition.message = Some("Kubelet stopped posting node status.".into());
                condition.last_transition_time = Some(Time(now));
            }
            Some(_) => continue,
        }
        changed = true;
    }
    changed.then_some(conditions)
}
