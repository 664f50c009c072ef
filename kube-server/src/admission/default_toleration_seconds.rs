//! DefaultTolerationSeconds: a Pod stays for five minutes on a node that is not ready or cannot be reached.

use super::{AdmissionRequest, Operation, append};
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
    let Some(spec) = request.spec_mut() else { return };
    let given = spec.get("tolerations").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let added = DEFAULTS.iter().filter(|(key, _)| !given.iter().any(|toleration| tolerates(toleration, key)));
    let added: Vec<Value> = added.map(|(_, toleration)| toleration.clone()).collect();
    append(spec, "tolerations", added);
}

fn tolerates(toleration: &Value, key: &str) -> bool {
    let text = |field: &str| toleration[field].as_str().unwrap_or_default();
    matches!(text("effect"), "" | "NoExecute") && (text("key") == key || text("key").is_empty())
}
