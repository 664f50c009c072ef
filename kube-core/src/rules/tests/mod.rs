//! Rows for the rules: what is wrong with an object, what an update may not change, what defaults fill in.

mod admission;
mod autoscalers;
mod defaults;
mod examples;
mod fields;
mod job_status;
mod jobs;
mod kinds;
mod networking;
mod pod;
mod pod_placement;
mod pod_running;
mod pod_security;
mod pod_volumes;
mod quotas;
mod service;
mod storage;
mod updates;
mod warnings;
mod workloads;

use super::{Rules, of};
use crate::field::ErrorList;
use serde_json::{Value, json};

/// An object as a client would send it: `apiVersion`, `kind` and a name, and what `fields` adds or replaces.
fn object(api_version: &str, kind: &str, fields: Value) -> Value {
    let mut object = json!({
        "apiVersion": api_version, "kind": kind,
        "metadata": {"name": "a", "namespace": "default", "uid": "11111111-2222-3333-4444-555555555555"},
    });
    merge(&mut object, fields);
    object
}

/// Merges maps; anything else is replaced. `null` removes.
fn merge(target: &mut Value, fields: Value) {
    match (target, fields) {
        (Value::Object(target), Value::Object(fields)) => {
            for (key, value) in fields {
                if value.is_null() {
                    target.remove(&key);
                } else if value.is_object() && target.get(&key).is_some_and(Value::is_object) {
                    merge(&mut target[&key], value);
                } else {
                    target.insert(key, value);
                }
            }
        }
        (target, fields) => *target = fields,
    }
}

fn rules(object: &Value) -> &'static dyn Rules {
    let version = object["apiVersion"].as_str().unwrap();
    of(version.split_once('/').map_or("", |(group, _)| group), object["kind"].as_str().unwrap())
}

/// The object after its defaults, prepared for its creation.
fn created(mut object: Value) -> Value {
    let rules = rules(&object);
    rules.default(&mut object);
    rules.prepare_create(&mut object);
    object
}

fn texts(errors: &ErrorList) -> Vec<String> {
    errors.iter().map(ToString::to_string).collect()
}

/// Errors of a create, defaults filled in.
#[track_caller]
fn check(input: Value, expected: &[&str]) {
    let object = created(input);
    assert_eq!(texts(&rules(&object).validate(&object)), expected);
}

/// Errors of an update from `old` with `changes` merged in, after defaults.
#[track_caller]
fn check_update(old: Value, changes: Value, expected: &[&str]) {
    let old = created(old);
    let mut new = old.clone();
    merge(&mut new, changes);
    let rules = rules(&old);
    rules.default(&mut new);
    rules.prepare_update(&mut new, &old);
    let found = texts(&rules.validate_update(&new, &old));
    // A text that shows a difference ends in it; its head is what counts.
    let heads: Vec<&str> = found.iter().map(|text| text.split('\n').next().unwrap()).collect();
    assert_eq!(heads, expected);
}

/// What a part of the object is after defaults and preparation.
#[track_caller]
fn check_created(input: Value, pointer: &str, expected: Value) {
    let object = created(input);
    assert_eq!(object.pointer(pointer).cloned().unwrap_or(Value::Null), expected, "{object:#}");
}

fn pod(spec: Value) -> Value {
    let mut pod = object("v1", "Pod", json!({"spec": {"containers": [{"name": "c", "image": "nginx"}]}}));
    merge(&mut pod["spec"], spec);
    pod
}

/// A pod whose only container has these fields too.
fn container(fields: Value) -> Value {
    let mut pod = pod(json!({}));
    merge(&mut pod["spec"]["containers"][0], fields);
    pod
}

fn service(spec: Value) -> Value {
    let mut service = object("v1", "Service", json!({"spec": {"ports": [{"port": 80}]}}));
    merge(&mut service["spec"], spec);
    service
}

fn deployment(spec: Value) -> Value {
    workload("Deployment", spec)
}

fn workload(kind: &str, spec: Value) -> Value {
    let mut workload = object(
        "apps/v1",
        kind,
        json!({"spec": {
            "selector": {"matchLabels": {"app": "a"}},
            "template": {
                "metadata": {"labels": {"app": "a"}},
                "spec": {"containers": [{"name": "c", "image": "nginx:1"}]},
            },
        }}),
    );
    merge(&mut workload["spec"], spec);
    workload
}
