//! What a pod's status means to a controller: ready, available, active, terminal.
//!
//! Source: `k8s.io/kubernetes/pkg/api/v1/pod` and `pkg/controller`.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Pod, PodCondition};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

/// The phase, empty where none was written yet.
pub fn phase(pod: &Pod) -> &str {
    pod.status.as_ref().and_then(|s| s.phase.as_deref()).unwrap_or_default()
}

/// The condition of one type.
pub fn condition<'a>(pod: &'a Pod, kind: &str) -> Option<&'a PodCondition> {
    pod.status.as_ref()?.conditions.as_ref()?.iter().find(|c| c.type_ == kind)
}

/// Whether the `Ready` condition is `True`.
pub fn is_ready(pod: &Pod) -> bool {
    condition(pod, "Ready").is_some_and(|c| c.status == "True")
}

/// Since when the pod is ready.
pub fn ready_since(pod: &Pod) -> Option<Timestamp> {
    condition(pod, "Ready").filter(|c| c.status == "True")?.last_transition_time.as_ref().map(|t| t.0)
}

/// Whether the pod was asked to go.
pub fn is_terminating(pod: &Pod) -> bool {
    pod.metadata.deletion_timestamp.is_some()
}

/// Whether the pod ran to an end: `Succeeded` or `Failed`.
pub fn is_terminal(pod: &Pod) -> bool {
    matches!(phase(pod), "Succeeded" | "Failed")
}

/// Whether the pod counts as a replica: neither ended nor asked to go.
pub fn is_active(pod: &Pod) -> bool {
    !is_terminal(pod) && !is_terminating(pod)
}

/// How a pod stands to `minReadySeconds`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Availability {
    /// Ready for long enough.
    Available,
    /// Ready, and available after this time if nothing changes.
    After(Duration),
    /// Not ready, so that no time can be named.
    Unready,
}

/// Whether the pod has been ready for `min_ready_seconds` at `now`, or when it will have been.
pub fn availability(pod: &Pod, min_ready_seconds: i32, now: Timestamp) -> Availability {
    if !is_ready(pod) {
        return Availability::Unready;
    }
    if min_ready_seconds <= 0 {
        return Availability::Available;
    }
    let Some(since) = ready_since(pod) else { return Availability::Unready };
    let wanted = Duration::from_secs(u64::from(min_ready_seconds.unsigned_abs()));
    let elapsed = elapsed(since, now);
    if elapsed >= wanted { Availability::Available } else { Availability::After(wanted.saturating_sub(elapsed)) }
}

/// Whether the pod is available at `now`.
pub fn is_available(pod: &Pod, min_ready_seconds: i32, now: Timestamp) -> bool {
    availability(pod, min_ready_seconds, now) == Availability::Available
}

/// The time from `since` to `now`, zero where `since` lies ahead.
pub fn elapsed(since: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(since)).unwrap_or_default()
}

/// The node that the pod is bound to; empty where it is bound to none.
pub fn node_name(pod: &Pod) -> &str {
    pod.spec.as_ref().and_then(|s| s.node_name.as_deref()).unwrap_or_default()
}

/// The index of pods by their node; see [`by_node`].
pub const NODE_INDEX: &str = "node";

/// Files a pod under its node.
pub fn by_node(pod: &Pod) -> Vec<String> {
    Some(node_name(pod)).filter(|n| !n.is_empty()).map(str::to_owned).into_iter().collect()
}

/// The pod with its `Ready` condition turned `False`; none where it is not `True`.
pub fn not_ready(pod: &Pod, now: Timestamp) -> Option<Pod> {
    is_ready(pod).then(|| {
        let mut pod = pod.clone();
        let conditions = pod.status.get_or_insert_default().conditions.get_or_insert_default();
        for condition in conditions.iter_mut().filter(|c| c.type_ == "Ready") {
            condition.status = "False".into();
            condition.last_transition_time = Some(Time(now));
        }
        pod
    })
}

/// A number of objects as the API writes it.
pub fn count(objects: usize) -> i32 {
    i32::try_from(objects).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests;
