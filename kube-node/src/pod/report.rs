//! Telling the API server about a pod: the patch that leads from one status to another. Pure.

use k8s_openapi::api::core::v1::{Pod, PodStatus};
use serde_json::{Map, Value, json};

/// The strategic merge patch of the pod's status from `old` to `new`; none when nothing differs. It names the pod's uid, so
/// that it never changes another pod of the same name.
#[must_use]
pub fn patch(pod: &Pod, old: &PodStatus, new: &PodStatus) -> Option<Value> {
    let (old, new) = (fields(old), fields(new));
    let mut status = Map::new();
    for (key, value) in &new {
        if old.get(key) != Some(value) {
            status.insert(key.clone(), replacement(key, value));
        }
    }
    for key in old.keys().filter(|key| !new.contains_key(*key)) {
        status.insert(key.clone(), Value::Null);
    }
    (!status.is_empty()).then(|| json!({"metadata": {"uid": pod.metadata.uid}, "status": status}))
}

fn fields(status: &PodStatus) -> Map<String, Value> {
    match serde_json::to_value(status) {
        Ok(Value::Object(fields)) => fields,
        _ => Map::new(),
    }
}

/// Lists that would merge by address are replaced instead; conditions do merge, so that those of others stay.
fn replacement(key: &str, value: &Value) -> Value {
    match (key, value) {
        ("podIPs" | "hostIPs", Value::Array(entries)) => {
            let mut list = vec![json!({"$patch": "replace"})];
            list.extend(entries.iter().cloned());
            Value::Array(list)
        }
        _ => value.clone(),
    }
}

#[cfg(test)]
mod tests {
    //! Two statuses in, a patch out.

    use super::*;
    use crate::pod::fixture::pod;

    #[track_caller]
    fn check(old: Value, new: Value, expected: Option<Value>) {
        let status = |value| serde_json::from_value::<PodStatus>(value).expect("a status");
        let patch = patch(&pod("Always", vec![], vec![]), &status(old), &status(new));
        assert_eq!(patch.map(|mut patch| patch["status"].take()), expected);
    }

    #[test]
    fn only_what_differs_is_sent() {
        check(json!({"phase": "Running"}), json!({"phase": "Running"}), None);
        check(
            json!({"phase": "Pending", "hostIP": "1.1.1.1"}),
            json!({"phase": "Running", "hostIP": "1.1.1.1"}),
            Some(json!({"phase": "Running"})),
        );
        check(json!({"podIP": "10.0.0.1"}), json!({}), Some(json!({"podIP": null})));
        check(
            json!({}),
            json!({"podIPs": [{"ip": "10.0.0.1"}]}),
            Some(json!({"podIPs": [{"$patch": "replace"}, {"ip": "10.0.0.1"}]})),
        );
    }

    #[test]
    fn the_uid_guards_the_pod() {
        let new = PodStatus { phase: Some("Running".into()), ..PodStatus::default() };
        let patch = patch(&pod("Always", vec![], vec![]), &PodStatus::default(), &new).expect("a patch");
        assert_eq!(patch["metadata"]["uid"], "uid-1");
    }
}
