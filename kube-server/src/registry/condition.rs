//! Conditions that the server itself sets. Source: `UpdatePodCondition` of `pkg/api/v1/pod`, `SetStatusCondition` of
//! `k8s.io/apimachinery`.

use kubekit_core::decode::format_time;
use serde_json::{Value, json};

/// Sets a condition of a Pod, given by type, status, reason and message.
pub(super) fn set_on_pod(pod: &mut Value, mut condition: Value, now: jiff::Timestamp) {
    condition["lastProbeTime"] = Value::Null;
    if let Some(generation) = pod["metadata"].get("generation") {
        condition["observedGeneration"] = generation.clone();
    }
    set(&mut pod["status"], condition, now);
}

/// Sets a condition of a status. Its time is that of its last change of status.
pub(super) fn set(status: &mut Value, mut condition: Value, now: jiff::Timestamp) {
    condition["lastTransitionTime"] = json!(format_time(now));
    if !status.is_object() {
        *status = json!({});
    }
    let conditions = &mut status["conditions"];
    if !conditions.is_array() {
        *conditions = json!([]);
    }
    let list = conditions.as_array_mut().expect("made so above");
    match list.iter_mut().find(|known| known["type"] == condition["type"]) {
        Some(known) => {
            if known["status"] == condition["status"] {
                condition["lastTransitionTime"] = known["lastTransitionTime"].take();
            }
            *known = condition;
        }
        None => list.push(condition),
    }
}
