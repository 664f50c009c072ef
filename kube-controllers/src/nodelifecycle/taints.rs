//! The taints that a node's conditions call for.
//!
//! Source: `pkg/controller/nodelifecycle` and `k8s.io/api/core/v1/well_known_taints.go`.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Node, Taint};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::health::{Readiness, condition, readiness};

/// The agent says that the node is not ready.
pub const NOT_READY: &str = "node.kubernetes.io/not-ready";
/// The agent says nothing.
pub const UNREACHABLE: &str = "node.kubernetes.io/unreachable";
/// The node was cordoned.
pub const UNSCHEDULABLE: &str = "node.kubernetes.io/unschedulable";
/// An administrator says that the node is down for good.
pub const OUT_OF_SERVICE: &str = "node.kubernetes.io/out-of-service";

/// The taints by which a condition that is `True` keeps pods away.
const PRESSURES: [(&str, &str); 4] = [
    ("MemoryPressure", "node.kubernetes.io/memory-pressure"),
    ("DiskPressure", "node.kubernetes.io/disk-pressure"),
    ("NetworkUnavailable", "node.kubernetes.io/network-unavailable"),
    ("PIDPressure", "node.kubernetes.io/pid-pressure"),
];

/// The taints of a node.
pub fn of(node: &Node) -> &[Taint] {
    node.spec.as_ref().and_then(|s| s.taints.as_deref()).unwrap_or_default()
}

/// Whether the node has a taint of this key and effect.
pub fn has(node: &Node, key: &str, effect: &str) -> bool {
    of(node).iter().any(|t| t.key == key && t.effect == effect)
}

/// The keys of the `NoSchedule` taints that the node's state calls for.
fn called_for(node: &Node) -> Vec<&'static str> {
    let mut keys = Vec::new();
    match (condition(node, "Ready").is_some(), readiness(node)) {
        (true, Readiness::NotReady) => keys.push(NOT_READY),
        (true, Readiness::Unknown) => keys.push(UNREACHABLE),
        _ => {}
    }
    let pressed = |kind| condition(node, kind).is_some_and(|c| c.status == "True");
    keys.extend(PRESSURES.iter().filter(|(kind, _)| pressed(kind)).map(|(_, key)| *key));
    if node.spec.as_ref().and_then(|s| s.unschedulable) == Some(true) {
        keys.push(UNSCHEDULABLE);
    }
    keys
}

fn is_ours(key: &str) -> bool {
    [NOT_READY, UNREACHABLE, UNSCHEDULABLE].contains(&key) || PRESSURES.iter().any(|(_, ours)| *ours == key)
}

/// The node's taints with the `NoSchedule` ones brought in line with its conditions; none where they are. Taints of other
/// keys or effects are left alone.
pub fn no_schedule(node: &Node, now: Timestamp) -> Option<Vec<Taint>> {
    let wanted = called_for(node);
    let stays =
        |taint: &&Taint| taint.effect != "NoSchedule" || !is_ours(&taint.key) || wanted.contains(&taint.key.as_str());
    let mut taints: Vec<Taint> = of(node).iter().filter(stays).cloned().collect();
    let missing = wanted.iter().filter(|key| !has(node, key, "NoSchedule"));
    taints.extend(missing.map(|key| taint(key, "NoSchedule", now)));
    (taints != of(node)).then_some(taints)
}

/// The node's taints with exactly this `NoExecute` taint of `not-ready` and `unreachable`, or with neither; none where they
/// are so already.
pub fn no_execute(node: &Node, key: Option<&str>, now: Timestamp) -> Option<Vec<Taint>> {
    let ours = |taint: &Taint| taint.effect == "NoExecute" && [NOT_READY, UNREACHABLE].contains(&taint.key.as_str());
    let mut taints: Vec<Taint> = of(node).iter().filter(|t| !ours(t) || Some(t.key.as_str()) == key).cloned().collect();
    if let Some(key) = key.filter(|key| !has(node, key, "NoExecute")) {
        taints.push(taint(key, "NoExecute", now));
    }
    (taints != of(node)).then_some(taints)
}

fn taint(key: &str, effect: &str, now: Timestamp) -> Taint {
    Taint { key: key.into(), effect: effect.into(), value: None, time_added: Some(Time(now)) }
}
