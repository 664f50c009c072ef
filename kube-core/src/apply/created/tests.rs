//! What [`track_new`] writes is held against what [`crate::apply::track`] makes of the same object.

use super::*;
use crate::apply::track;
use crate::{schema, test_data};
use proptest::prelude::*;
use serde_json::json;

fn writer<'a>(api_version: &'a str, subresource: &'a str) -> Writer<'a> {
    Writer { manager: "kube\"ctl", api_version, subresource, now: jiff::Timestamp::UNIX_EPOCH }
}

#[track_caller]
fn check_as(object: &Value, schema: &'static Type, writer: Writer<'_>) {
    let (mut tracked, mut new) = (object.clone(), object.clone());
    track(None, &mut tracked, schema, writer);
    let record = track_new(&mut new, schema, writer);
    if let Some(record) = &record {
        let record: Value = serde_json::from_slice(record).expect("a record is JSON");
        new["metadata"]["managedFields"] = record;
    }
    let record = &tracked["metadata"]["managedFields"];
    assert_eq!(&new["metadata"]["managedFields"], record, "{object}");
    if let (Some(bytes), Value::Array(_)) = (track_new(&mut object.clone(), schema, writer), record) {
        assert_eq!(String::from_utf8_lossy(&bytes), record.to_string(), "the same bytes, in the same order");
    }
}

#[track_caller]
fn check(object: Value) {
    let text = |field: &str| object[field].as_str().unwrap_or_default();
    let (group, version) = text("apiVersion").split_once('/').unwrap_or(("", text("apiVersion")));
    let of = schema::of_kind(group, version, text("kind")).unwrap_or(&schema::CUSTOM);
    check_as(&object, of, writer(text("apiVersion"), ""));
    check_as(&object, of, writer(text("apiVersion"), "status"));
}

fn pod(metadata: Value, spec: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec, "status": {"phase": "Pending"}})
}

#[test]
fn the_creator_owns_every_field_but_the_systems() {
    let metadata = json!({"name": "a", "namespace": "n", "uid": "u", "creationTimestamp": "t", "generation": 1,
        "labels": {"app": "web", "a\"b": ""}, "annotations": {"x/y": "z"}, "finalizers": ["b", "a"],
        "ownerReferences": [{"uid": "2", "name": "y"}, {"uid": "1", "name": "x"}]});
    check(pod(metadata.clone(), json!({})));
    check(pod(
        metadata,
        json!({
            "containers": [
                {"name": "b", "ports": [{"containerPort": 80}, {"containerPort": 80, "protocol": "UDP"}], "args": ["x"],
                    "env": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}], "resources": {}},
                {"name": "a", "resources": {"limits": {"cpu": "1"}}, "env": []}],
            "nodeSelector": {"k": "v"}, "securityContext": {}, "volumes": [], "tolerations": [{"key": "k"}],
            "volumes": [{"name": "v", "projected": {"sources": [{"secret": {"name": "s"}}]}}]}),
    ));
}

#[test]
fn bare_null_and_doubled_values_are_owned_as_elsewhere() {
    let name = json!({"name": "a"});
    check(pod(name.clone(), Value::Null));
    check(pod(json!({}), json!({"containers": Value::Null, "hostname": Value::Null})));
    check(pod(
        json!({"name": "a", "labels": {}}),
        json!({"containers": [{}, {"name": "a"}, {"name": "a", "image": "i"}]}),
    ));
    check(pod(
        json!({"name": "a", "labels": {"a": Value::Null}}),
        json!({"containers": [Value::Null, 1, {"name": 2}]}),
    ));
    check(pod(
        json!({"name": "a", "finalizers": ["a", "a", Value::Null, 1]}),
        json!({"containers": {}, "volumes": "x"}),
    ));
    check(json!({"apiVersion": "v1", "kind": "Pod"}));
    check(json!({"apiVersion": "v1", "kind": "Pod", "metadata": name}));
    check(
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"a": "b"}, "binaryData": {}}),
    );
}

#[test]
fn custom_resources_are_owned_by_what_they_look_like() {
    check(json!({"apiVersion": "e.com/v1", "kind": "Any", "metadata": {"name": "a", "labels": {"x": "y"}},
        "spec": {"list": [1, {"a": 2}], "map": {"a": {"b": {}}}, "none": null, "empty": []}, "status": {"ready": true}}));
}

#[test]
fn a_record_that_came_along_is_kept_and_brought_up_to_date() {
    let entry = json!([{"manager": "other", "operation": "Apply", "apiVersion": "v1", "fieldsType": "FieldsV1",
        "time": "2024-01-01T00:00:00Z", "fieldsV1": {"f:spec": {"f:hostname": {}}}}]);
    for managed in [entry, json!([{}]), json!([]), json!("x"), Value::Null] {
        let metadata = json!({"name": "a", "managedFields": managed});
        check(pod(metadata, json!({"hostname": "h", "containers": [{"name": "a"}]})));
    }
}

#[test]
fn every_field_of_every_kind_is_owned_as_elsewhere() {
    let Some(data) = test_data::path("api-objects") else { return };
    let mut checked = 0;
    for entry in std::fs::read_dir(data).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "json") {
            let mut object: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
            // Options and the like have no metadata, and are never stored.
            if object.get("metadata").is_none_or(|metadata| !metadata.is_object()) {
                continue;
            }
            check(object.clone());
            object["metadata"].as_object_mut().unwrap().remove("managedFields");
            check(object);
            checked += 1;
        }
    }
    assert!(checked > 60, "only {checked} objects were compared");
}

/// Values that look like parts of a pod, and others in their places.
fn any_part() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![Just(Value::Null), (0..3).prop_map(Value::from), "[a-c]?".prop_map(Value::from)];
    leaf.prop_recursive(6, 48, 6, |inner| {
        let names = "name|labels|spec|status|containers|ports|containerPort|protocol|env|volumes|finalizers|resources|limits\
            |nodeSelector|securityContext|tolerations|metadata|[a-c]";
        prop_oneof![
            1 => prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            3 => prop::collection::btree_map(names, inner, 0..5).prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn any_object_is_owned_as_elsewhere(labels in any_part(), spec in any_part(), status in any_part()) {
        let mut object = pod(json!({"name": "a", "labels": labels}), spec);
        object["status"] = status;
        check(object.clone());
        object["apiVersion"] = json!("e.com/v1");
        check(object);
    }
}
