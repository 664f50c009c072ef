//! Conditions that the server itself sets on a Pod. Source: `UpdatePodCondition` of `pkg/api/v1/pod`.

use kubekit_core::decode::format_time;
use serde_json::{Value, json};

/// Sets a condition, given by type, status, reason and message. Its time is that of its last change of status.
pub(super) fn set(pod: &mut Value, mut condition: Value, now: jiff::Timestamp) {
    condition["lastProbeTime"] = Value::Null;
    condition["lastTransitionTime"] = json!(format_time(now));
    if let Some(generation) = pod["metadata"].get("generation") {
        condition["observedGeneration"] = generation.clone();
    }
    if !pod["status"].is_object() {
        pod["status"] = json!({});
    }
    let conditions = &mut pod["status"]["conditions"];
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
