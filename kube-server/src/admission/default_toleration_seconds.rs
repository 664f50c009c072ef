//! DefaultTolerationSeconds: a Pod stays for five minutes on a node that is not ready or cannot be reached.

use super::{AdmissionRequest, Operation};
use serde_json::{Value, json};
use std::sync::LazyLock;

/// Source: `--default-not-ready-toleration-seconds`.
const SECONDS: u32 = 300;

/// What is added to every Pod that says nothing of these taints.
static DEFAULTS: LazyLock<[(&str, Value); 2]> = LazyLock::new(|| {
    ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"].map(|key| {
        (key, json!({"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": SECONDS}))
    })
});

pub(super) fn admit(request: &mut AdmissionRequest<'_>) {
    if request.operation != Operation::Create {
        return;
    }
    let Some(spec) = request.object.as_mut().and_then(|pod| pod.get_mut("spec")) else { return };
    for (key, toleration) in DEFAULTS.iter() {
        let tolerated = spec["tolerations"].as_array().is_some_and(|list| list.iter().any(|t| tolerates(t, key)));
        if tolerated {
            continue;
        }
        match spec["tolerations"].as_array_mut() {
            Some(list) => list.push(toleration.clone()),
            None => spec["tolerations"] = Value::Array(vec![toleration.clone()]),
        }
    }
}

fn tolerates(toleration: &Value, key: &str) -> bool {
    let text = |field: &str| toleration[field].as_str().unwrap_or_default();
    matches!(text("effect"), "" | "NoExecute") && (text("key") == key || text("key").is_empty())
}
