//! Frames as servers write them, and as they might.

use super::*;
use crate::{DynamicObject, PartialObject, TypedObject};
use k8s_openapi::api::core::v1::ConfigMap;

fn show(event: &WatchEvent<ConfigMap>) -> String {
    match event {
        WatchEvent::Added(object) => format!("+{}", object.name()),
        WatchEvent::Modified(object) => format!("~{}", object.name()),
        WatchEvent::Deleted(object) => format!("-{}", object.name()),
        WatchEvent::Bookmark { resource_version } => format!("@{resource_version}"),
        WatchEvent::Error(error) => format!("!{} {}", error.code(), error.message),
    }
}

#[track_caller]
fn check(line: &str, expected: &str) {
    let decoded = WatchEvent::<ConfigMap>::decode(line.as_bytes(), &ConfigMap::api_resource());
    let shown = decoded.map_or_else(|error| format!("error: {error}"), |event| show(&event));
    assert!(shown.starts_with(expected), "{shown:?} does not begin with {expected:?}");
}

#[test]
fn frames() {
    check(r#"{"type":"ADDED","object":{"metadata":{"name":"a"}}}"#, "+a");
    check(r#"{"type":"MODIFIED","object":{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"a"}}}"#, "~a");
    check(r#"{"object":{"metadata":{"name":"a"}},"type":"DELETED"}"#, "-a");
    check(r#"{"type":"BOOKMARK","object":{"kind":"ConfigMap","metadata":{"resourceVersion":"7"}}}"#, "@7");
    check(r#"{"type":"ADDED","extra":[1],"object":{"metadata":{"name":"a"}}}"#, "+a");
    check(
        r#"{"type":"ERROR","object":{"kind":"Status","code":410,"reason":"Expired","message":"too old"}}"#,
        "!410 too old",
    );
}

#[test]
fn what_is_no_frame_is_an_error() {
    check("{}", "error: missing field `type`");
    check(r#"{"type":"ADDED"}"#, "error: missing field `object`");
    check(r#"{"type":"LOST","object":{}}"#, "error: unknown variant `LOST`");
    check(r#"{"type":"ADDED","object":{"kind":"Pod"}}"#, "error: invalid value");
    check(r#"{"type":"ADDED","object":{"metadata":"#, "error: EOF");
}

#[test]
fn untyped_objects_know_their_kind() {
    let line = br#"{"type":"ADDED","object":{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/v1","metadata":{"name":"a"}}}"#;
    let event = WatchEvent::<PartialObject>::decode(line, &ConfigMap::api_resource()).unwrap();
    let WatchEvent::Added(object) = event else { panic!("{event:?}") };
    assert_eq!((object.api_version.as_str(), object.kind.as_str(), object.name()), ("v1", "ConfigMap", "a"));

    let line = br#"{"type":"ADDED","object":{"metadata":{"name":"a"},"data":{"k":"v"}}}"#;
    let event = WatchEvent::<DynamicObject>::decode(line, &ConfigMap::api_resource()).unwrap();
    let WatchEvent::Added(object) = event else { panic!("{event:?}") };
    assert_eq!((object.kind.as_str(), &object.data["data"]["k"]), ("ConfigMap", &serde_json::json!("v")));
}
