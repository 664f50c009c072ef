//! Sets as text are held against sets as JSON values.

use super::*;
use crate::apply::form::Form;
use crate::apply::{Writer, compare, track, track_apart};
use crate::schema;
use proptest::prelude::*;
use serde_json::{Value, json};

fn set(fields: &Value) -> Set {
    Set::from_fields(fields).expect("a field set")
}

#[track_caller]
fn check(fields: &Value) {
    let set = set(fields);
    let mut text = Vec::new();
    append(&set, &mut text);
    let text = String::from_utf8(text).unwrap();
    assert_eq!(text, set.clone().into_fields().to_string());
    assert_eq!(read(&text), Some(set.clone()), "{text}");
    assert!(set.is_empty() || meets(&set, &text), "{text}");
}

#[test]
fn sets_are_written_and_read_as_values_are() {
    check(&json!({}));
    check(&json!({"f:spec": {}}));
    check(&json!({"f:metadata": {"f:labels": {".": {}, "f:a\"b": {}}}, "f:spec": {"f:containers": {
        "k:{\"name\":\"c\"}": {".": {}, "f:image": {}, "f:ports": {".": {}, "k:{\"containerPort\":80,\"protocol\":\"TCP\"}": {}}}},
        "f:finalizers": {".": {}, "v:\"a\"": {}}}}));
}

#[test]
fn what_is_no_set_is_not_read() {
    for text in ["", "[]", "1", "{", r#"{"spec":{}}"#, r#"{"f:a":1}"#, r#"{"f:a":{"b":{}}}"#] {
        assert_eq!(read(text), None, "{text}");
        let spec = set(&json!({"f:a": {"f:b": {}}}));
        assert!(!meets(&spec, text), "{text}");
    }
}

fn any_fields() -> impl Strategy<Value = Value> {
    let leaf = Just(json!({}));
    leaf.prop_recursive(4, 24, 4, |inner| {
        let element = prop_oneof![
            3 => "f:[a-d]".prop_map(String::from),
            1 => "[ab]".prop_map(|name| format!("k:{}", json!({ "name": name }))),
            1 => Just(".".to_owned()),
        ];
        prop::collection::btree_map(element, inner, 0..4).prop_map(|mut map| {
            if let Some(mark) = map.get_mut(".") {
                *mark = json!({});
            }
            Value::Object(map.into_iter().collect())
        })
    })
}

fn any_spec() -> impl Strategy<Value = Value> {
    let text = "[a-c]{1,2}";
    let container = ("[ab]", text, prop::option::of(text)).prop_map(|(name, image, command)| {
        json!({"name": name, "image": image, "args": command.map(|c| vec![c]), "ports": [{"containerPort": 80}]})
    });
    let labels = prop::collection::btree_map("[abc]", text, 0..3);
    (prop::option::of(0..3), labels, prop::collection::vec(container, 0..3)).prop_map(|(replicas, labels, mut containers)| {
        containers.dedup_by(|a, b| a["name"] == b["name"]);
        let mut object = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a", "labels": labels},
            "spec": {"template": {"spec": {"containers": containers}}}, "status": {"replicas": replicas}});
        if let Some(replicas) = replicas {
            object["spec"]["replicas"] = json!(replicas);
        }
        object
    })
}

proptest! {
    #[test]
    fn any_set_is_written_and_read_as_values_are(fields in any_fields()) {
        check(&fields);
    }

    #[test]
    fn whether_sets_meet_is_the_same_for_text_and_values(one in any_fields(), other in any_fields()) {
        let one = set(&one);
        let other = set(&other).into_fields();
        prop_assert_eq!(meets(&one, &other.to_string()), one.meets(&other));
    }

    /// A history of writes leaves the same record, whether it is kept in the object or apart.
    #[test]
    fn a_record_kept_apart_is_the_same(history in prop::collection::vec((any_spec(), 0..4_usize, any::<bool>()), 1..6)) {
        let schema = schema::of_kind("apps", "v1", "Deployment").unwrap();
        let mut within: Option<Value> = None;
        let mut apart: (Value, Option<Vec<u8>>) = (json!({"metadata": {}}), None);
        for (second, (object, manager, status)) in history.into_iter().enumerate() {
            let writer = Writer {
                manager: ["one", "two", "three", "fo\"ur"][manager],
                api_version: "apps/v1",
                subresource: if status { "status" } else { "" },
                now: jiff::Timestamp::from_second(i64::try_from(second).unwrap()).unwrap(),
            };
            let changed = compare::compare(Some(&apart.0), Some(&object), Form::Struct(schema));
            prop_assume!(!changed.changed.is_empty() || !changed.removed.is_empty());
            let mut new = object.clone();
            if let Some(live) = &within {
                new["metadata"]["managedFields"] = live["metadata"]["managedFields"].clone();
            }
            track(within.as_ref(), &mut new, schema, writer);
            let record = apart.1.as_deref().map(|record| std::str::from_utf8(record).unwrap());
            let record = track_apart(&apart.0, &object, record, schema, writer);
            let expected = new["metadata"].get("managedFields").map(Value::to_string);
            prop_assert_eq!(record.as_ref().map(|record| String::from_utf8(record.clone()).unwrap()), expected);
            within = Some(new);
            apart = (object, record);
        }
    }
}
