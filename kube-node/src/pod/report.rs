//! Telling the API server about a pod: the patch that leads from one status to another. Pure.

use k8s_openapi::api::core::v1::{Pod, PodCondition, PodStatus};
use serde_json::{Map, Value, json};

use super::conditions::OWNED;

/// The strategic merge patch of the pod's status from `old` to `new`; none when nothing differs. It names the pod's uid, so
/// that it never changes another pod of the same name.
#[must_use]
pub fn patch(pod: &Pod, old: &PodStatus, new: &PodStatus) -> Option<Value> {
    let (old, new) = (fields(old), fields(new));
    let mut status = Map::new();
    for (key, value) in new.iter().filter(|(key, value)| old.get(*key) != Some(value)) {
        if key != "conditions" {
            status.insert(key.clone(), replacement(key, value));
        } else if let Some(changed) = conditions(old.get(key), value) {
            status.insert(key.clone(), changed);
        }
    }
    for key in old.keys().filter(|key| !new.contains_key(*key)) {
        status.insert(key.clone(), Value::Null);
    }
    (!status.is_empty()).then(|| json!({"metadata": {"uid": pod.metadata.uid}, "status": status}))
}

/// Whether one of the agent's conditions that was `reported` is not what the API server was `found` to have. Conditions of
/// others do not count.
#[must_use]
pub fn overwritten(reported: &PodStatus, found: &PodStatus) -> bool {
    fn said(condition: &PodCondition) -> (&str, &str, Option<&str>, Option<&str>) {
        (&condition.type_, &condition.status, condition.reason.as_deref(), condition.message.as_deref())
    }
    let own = reported.conditions.iter().flatten().filter(|condition| OWNED.contains(&condition.type_.as_str()));
    own.into_iter().any(|own| !found.conditions.iter().flatten().any(|found| said(found) == said(own)))
}

fn fields(status: &PodStatus) -> Map<String, Value> {
    match serde_json::to_value(status) {
        Ok(Value::Object(fields)) => fields,
        _ => Map::new(),
    }
}

/// The agent's conditions that differ. They merge by their types: what is not named is left to others, who may have changed
/// it since the agent saw it; and what a condition no longer has must be taken away.
fn conditions(old: Option<&Value>, new: &Value) -> Option<Value> {
    let list = |conditions: Option<&Value>| conditions.and_then(Value::as_array).cloned().unwrap_or_default();
    let old = list(old);
    let mut changed = list(Some(new));
    changed.retain(|condition| OWNED.iter().any(|own| condition["type"] == *own) && !old.contains(condition));
    for condition in changed.iter_mut().filter_map(Value::as_object_mut) {
        for field in ["reason", "message"] {
            condition.entry(field).or_insert(Value::Null);
        }
    }
    (!changed.is_empty()).then_some(Value::Array(changed))
}

/// Lists that would merge by address are replaced instead.
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
    fn lists_without_keys_are_sent_whole_and_what_is_gone_is_taken_away() {
        let container = |name: &str, ready: bool| json!({"name": name, "image": "", "imageID": "", "ready": ready, "restartCount": 0});
        let (a, b) = (container("a", true), container("b", false));
        check(
            json!({"containerStatuses": [a, b]}),
            json!({"containerStatuses": [a, container("b", true)]}),
            Some(json!({"containerStatuses": [a, container("b", true)]})),
        );
        check(
            json!({"hostIPs": [{"ip": "1.1.1.1"}], "podIPs": [{"ip": "10.0.0.1"}], "reason": "x", "message": "y"}),
            json!({"hostIPs": [{"ip": "2.2.2.2"}]}),
            Some(
                json!({"hostIPs": [{"$patch": "replace"}, {"ip": "2.2.2.2"}], "podIPs": null, "reason": null, "message": null}),
            ),
        );
    }

    #[test]
    fn a_condition_whose_time_alone_differs_is_sent() {
        let ready = |time: &str| json!({"type": "Ready", "status": "True", "lastTransitionTime": time});
        let sent = json!({"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-02T00:00:00Z", "reason": null, "message": null});
        check(
            json!({"conditions": [ready("2026-01-01T00:00:00Z")]}),
            json!({"conditions": [ready("2026-01-02T00:00:00Z")]}),
            Some(json!({"conditions": [sent]})),
        );
    }

    #[track_caller]
    fn check_overwritten(reported: Value, found: Value, expected: bool) {
        let status = |conditions| serde_json::from_value(json!({"conditions": conditions})).expect("a status");
        assert_eq!(overwritten(&status(reported), &status(found)), expected);
    }

    #[test]
    fn what_others_write_into_the_agents_conditions_is_noticed() {
        let ready = |status: &str| json!({"type": "Ready", "status": status});
        check_overwritten(json!([ready("True")]), json!([ready("True")]), false);
        check_overwritten(json!([ready("True")]), json!([ready("False")]), true);
        check_overwritten(json!([ready("True")]), json!([]), true);
        check_overwritten(json!([ready("True")]), json!([ready("True"), {"type": "x/y", "status": "True"}]), false);
        check_overwritten(json!([{"type": "x/y", "status": "True"}]), json!([]), false);
        let moved = json!([{"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}]);
        check_overwritten(json!([ready("True")]), moved, false);
        check_overwritten(json!([]), json!([ready("False")]), false);
    }

    #[test]
    fn of_conditions_only_the_agents_own_that_differ_are_sent() {
        let ready = json!({"type": "Ready", "status": "False", "reason": "ContainersNotReady", "message": "m"});
        let gate = |status: &str| json!({"type": "x/gate", "status": status});
        let scheduled = json!({"type": "PodScheduled", "status": "True"});
        check(
            json!({"conditions": [scheduled, ready, gate("False")]}),
            json!({"conditions": [gate("True"), scheduled, {"type": "Ready", "status": "True"}]}),
            Some(json!({"conditions": [{"type": "Ready", "status": "True", "reason": null, "message": null}]})),
        );
        check(json!({"conditions": [gate("False")]}), json!({"conditions": [gate("True")]}), None);
        check(json!({}), json!({"conditions": [ready]}), Some(json!({"conditions": [ready]})));
    }

    #[test]
    fn the_uid_guards_the_pod() {
        let new = PodStatus { phase: Some("Running".into()), ..PodStatus::default() };
        let patch = patch(&pod("Always", vec![], vec![]), &PodStatus::default(), &new).expect("a patch");
        assert_eq!(patch["metadata"]["uid"], "uid-1");
    }
}
