//! DefaultTolerationSeconds: a Pod stays for five minutes on a node that is not ready or cannot be reached.

use super::{AdmissionRequest, Operation};
use serde_json::{Value, json};

/// Source: `--default-not-ready-toleration-seconds`.
const SECONDS: u32 = 300;

pub(super) fn admit(request: &mut AdmissionRequest<'_>) {
    if request.operation != Operation::Create {
        return;
    }
    let Some(spec) = request.object.as_mut().and_then(|pod| pod.get_mut("spec")) else { return };
    for key in ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"] {
        let tolerated = spec["tolerations"].as_array().is_some_and(|list| list.iter().any(|t| tolerates(t, key)));
        if tolerated {
            continue;
        }
        let toleration = json!({"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": SECONDS});
        match spec["tolerations"].as_array_mut() {
            Some(list) => list.push(toleration),
            None => spec["tolerations"] = json!([toleration]),
        }
    }
}

fn tolerates(toleration: &Value, key: &str) -> bool {
    let text = |field: &str| toleration[field].as_str().unwrap_or_default();
    matches!(text("effect"), "" | "NoExecute") && (text("key") == key || text("key").is_empty())
}
