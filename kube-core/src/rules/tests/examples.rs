//! Whole objects: those that people apply, and those that have every field.

use super::*;
use crate::catalog;
use crate::columns;
use crate::decode::{self, Limits};
use crate::test_data;
use proptest::prelude::*;
use std::path::{Path, PathBuf};

fn files(directory: &Path, extension: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == extension))
        .collect();
    files.sort();
    files
}

/// Everything that rules and columns do with an object. None of it may panic, whatever the object.
pub(super) fn exercise(object: &Value) {
    let (group, kind) = (
        object["apiVersion"].as_str().unwrap_or("").split_once('/').map_or("", |(group, _)| group),
        object["kind"].as_str().unwrap_or(""),
    );
    let rules = of(group, kind);
    let now = "2026-01-01T00:00:00Z".parse().unwrap();
    assert_eq!(columns::cells(group, kind, object, now).len(), columns::of(group, kind).len());
    rules.selectable_fields(object);
    rules.deletion_grace_seconds(object, None);
    let mut made = object.clone();
    rules.default(&mut made);
    rules.prepare_create(&mut made);
    rules.validate(&made);
    rules.warnings(&made);
    let mut updated = object.clone();
    rules.default(&mut updated);
    rules.prepare_update(&mut updated, &made);
    rules.validate_update(&updated, &made);
    rules.prepare_status_update(&mut updated, &made);
    rules.validate_status_update(&updated, &made);
}

#[test]
fn manifests_are_valid_and_their_defaults_stable() {
    let Some(directory) = test_data::path("manifests") else { return };
    let mut seen = 0;
    for file in files(&directory, "yaml") {
        let text = std::fs::read_to_string(&file).unwrap();
        for document in text.split("\n---\n") {
            let mut object = decode::raw_yaml(document.as_bytes(), Limits::default()).unwrap();
            merge(&mut object["metadata"], json!({"namespace": "default", "uid": "u", "resourceVersion": "1"}));
            let stored = created(object.clone());
            let rules = rules(&stored);
            assert_eq!(texts(&rules.validate(&stored)), Vec::<String>::new(), "{}", file.display());
            // Applied again over what is stored: nothing changes.
            let mut again = stored.clone();
            merge(&mut again, object);
            rules.default(&mut again);
            rules.prepare_update(&mut again, &stored);
            assert_eq!(again, stored, "{}", file.display());
            assert_eq!(texts(&rules.validate_update(&again, &stored)), Vec::<String>::new(), "{}", file.display());
            seen += 1;
        }
    }
    assert!(seen >= 11, "{seen} documents");
}

#[test]
fn objects_with_every_field_are_taken_in_stride() {
    let Some(directory) = test_data::path("api-objects") else { return };
    let mut seen = 0;
    for file in files(&directory, "json") {
        let object: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
        exercise(&object);
        seen += 1;
    }
    assert!(seen > 100, "{seen} objects");
}

/// JSON of any shape, with names of fields that rules look at.
fn anything() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[a-zA-Z0-9/:.%-]{0,6}".prop_map(Value::from),
    ];
    let names = prop::sample::select(vec![
        "name",
        "spec",
        "status",
        "metadata",
        "template",
        "containers",
        "volumes",
        "ports",
        "resources",
        "limits",
        "type",
        "selector",
        "matchLabels",
        "labels",
        "annotations",
        "clusterIPs",
        "data",
        "stringData",
        "rules",
        "hostPath",
        "projected",
        "sources",
        "affinity",
        "subjects",
        "roleRef",
        "taints",
        "conditions",
        "strategy",
        "rollingUpdate",
    ]);
    leaf.prop_recursive(5, 64, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::btree_map(names.clone(), inner, 0..6).prop_map(|map| {
                Value::Object(map.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
            }),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn no_object_makes_a_rule_panic(spec in anything(), other in anything()) {
        for resource in catalog::builtin() {
            let mut object = object(&resource.api_version(), resource.kind, json!({}));
            // The decoder lets only maps through where the schema has them.
            if spec.is_object() {
                object["spec"] = spec.clone();
            }
            if let Value::Object(fields) = &other {
                for (key, value) in fields.iter().filter(|(key, _)| !matches!(key.as_str(), "metadata" | "spec")) {
                    object[key.as_str()] = value.clone();
                }
            }
            exercise(&object);
        }
    }
}
