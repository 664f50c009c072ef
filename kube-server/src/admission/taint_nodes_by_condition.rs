//! TaintNodesByCondition: a new node takes no Pods until it is known to be ready.

use super::{AdmissionRequest, Operation};
use serde_json::{Value, json};

const NOT_READY: &str = "node.kubernetes.io/not-ready";

pub(super) fn admit(request: &mut AdmissionRequest<'_>) {
    if request.operation != Operation::Create {
        return;
    }
    let Some(node) = request.object.as_mut() else { return };
    let taint = json!({"key": NOT_READY, "effect": "NoSchedule"});
    if !node["spec"].is_object() {
        node["spec"] = json!({});
    }
    match node["spec"]["taints"].as_array_mut() {
        Some(taints) => {
            if !taints.iter().any(|t| t["key"] == NOT_READY && t["effect"] == "NoSchedule") {
                taints.push(taint);
            }
        }
        None => node["spec"]["taints"] = Value::Array(vec![taint]),
    }
}
