//! Errors of metadata.

use super::syntax;
use crate::field::{Error, ErrorList, Path};
use crate::rules::NameRule;
use serde_json::Value;
use std::collections::BTreeSet;

/// All annotations together, keys and values.
const ANNOTATIONS_BYTES_MAX: usize = 256 * 1024;
const MANAGER_BYTES_MAX: usize = 128;
const IMMUTABLE: &str = "field is immutable";
const ORPHAN: &str = "orphan";
const FOREGROUND: &str = "foregroundDeletion";

/// Errors of a new object's metadata (`metadata` itself, at `path`).
pub fn validate(metadata: &Value, namespaced: bool, rule: NameRule, path: &Path) -> ErrorList {
    let [base, name, namespace] =
        ["generateName", "name", "namespace"].map(|field| metadata[field].as_str().unwrap_or_default());
    let mut errors = ErrorList::new();
    let mut invalid = |field: &str, value: &str, messages: Vec<String>| {
        errors.extend(messages.iter().map(|message| Error::invalid(&path.child(field), &value.into(), message)));
    };
    if !base.is_empty() {
        invalid("generateName", base, syntax::name(rule, base, true));
    }
    if !name.is_empty() {
        invalid("name", name, syntax::name(rule, name, false));
    }
    if namespaced && !namespace.is_empty() {
        invalid("namespace", namespace, syntax::dns1123_label(namespace));
    }
    if name.is_empty() {
        errors.push(Error::required(&path.child("name"), "name or generateName is required"));
    }
    match (namespaced, namespace.is_empty()) {
        (true, true) => errors.push(Error::required(&path.child("namespace"), "")),
        (false, false) => errors.push(Error::forbidden(&path.child("namespace"), "not allowed on this type")),
        _ => {}
    }
    if metadata["generation"].as_i64().is_some_and(|g| g < 0) {
        let detail = "must be greater than or equal to 0";
        errors.push(Error::invalid(&path.child("generation"), &metadata["generation"], detail));
    }
    errors.extend(validate_labels(&metadata["labels"], &path.child("labels")));
    errors.extend(validate_annotations(&metadata["annotations"], &path.child("annotations")));
    errors.extend(owner_references(&metadata["ownerReferences"], &path.child("ownerReferences")));
    errors.extend(finalizers(&metadata["finalizers"], &path.child("finalizers")));
    errors.extend(managed_fields(&metadata["managedFields"], &path.child("managedFields")));
    errors
}

/// Errors of an update's metadata: immutable fields, finalizers, owner references.
pub fn validate_update(new: &Value, old: &Value, path: &Path) -> ErrorList {
    let mut errors = ErrorList::new();
    if !old["deletionTimestamp"].is_null() {
        errors.extend(no_new_finalizers(&new["finalizers"], &old["finalizers"], &path.child("finalizers")));
    }
    if new["resourceVersion"].as_str().unwrap_or_default().is_empty() {
        let detail = "must be specified for an update";
        errors.push(Error::invalid(&path.child("resourceVersion"), &"".into(), detail));
    }
    if new["generation"].as_i64().unwrap_or_default() < old["generation"].as_i64().unwrap_or_default() {
        errors.push(Error::invalid(&path.child("generation"), &new["generation"], "must not be decremented"));
    }
    for field in ["name", "namespace", "uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds"] {
        if new[field] != old[field] {
            errors.push(Error::invalid(&path.child(field), &new[field], IMMUTABLE));
        }
    }
    errors.extend(validate_labels(&new["labels"], &path.child("labels")));
    errors.extend(validate_annotations(&new["annotations"], &path.child("annotations")));
    errors.extend(owner_references(&new["ownerReferences"], &path.child("ownerReferences")));
    errors.extend(finalizers(&new["finalizers"], &path.child("finalizers")));
    errors.extend(managed_fields(&new["managedFields"], &path.child("managedFields")));
    errors
}

/// Errors of a map of labels.
pub fn validate_labels(labels: &Value, path: &Path) -> ErrorList {
    let mut errors = ErrorList::new();
    for (key, value) in labels.as_object().into_iter().flatten() {
        let key_value = Value::from(key.as_str());
        errors.extend(syntax::qualified_name(key).iter().map(|e| Error::invalid(path, &key_value, e)));
        let text = value.as_str().unwrap_or_default();
        errors.extend(syntax::label_value(text).iter().map(|e| Error::invalid(path, value, e)));
    }
    errors
}

/// Errors of a map of annotations: keys, and 256 KiB in all.
pub fn validate_annotations(annotations: &Value, path: &Path) -> ErrorList {
    let mut errors = ErrorList::new();
    let mut bytes = 0;
    for (key, value) in annotations.as_object().into_iter().flatten() {
        let messages = syntax::qualified_name(&key.to_ascii_lowercase());
        errors.extend(messages.iter().map(|e| Error::invalid(path, &key.as_str().into(), e)));
        bytes += key.len() + value.as_str().unwrap_or_default().len();
    }
    if bytes > ANNOTATIONS_BYTES_MAX {
        errors.push(Error::too_long(path, ANNOTATIONS_BYTES_MAX));
    }
    errors
}

fn owner_references(references: &Value, path: &Path) -> ErrorList {
    let mut errors = ErrorList::new();
    let mut controller: Option<&str> = None;
    for reference in references.as_array().into_iter().flatten() {
        let text = |field: &str| reference[field].as_str().unwrap_or_default();
        let version = text("apiVersion").rsplit('/').next().unwrap_or_default();
        for (field, empty, what) in [
            ("apiVersion", version.is_empty(), "version must not be empty"),
            ("kind", text("kind").is_empty(), "must not be empty"),
            ("name", text("name").is_empty(), "must not be empty"),
            ("uid", text("uid").is_empty(), "must not be empty"),
        ] {
            if empty {
                errors.push(Error::invalid(&path.child(field), &text(field).into(), what));
            }
        }
        if text("apiVersion") == "v1" && text("kind") == "Event" {
            let detail = "/v1, Kind=Event is disallowed from being an owner";
            errors.push(Error::invalid(path, reference, detail));
        }
        if reference["controller"] == true {
            if let Some(first) = controller {
                let detail = format!(
                    "Only one reference can have Controller set to true. Found \"true\" in references for {first} and {}",
                    text("name")
                );
                errors.push(Error::invalid(path, references, &detail));
            }
            controller = controller.or(Some(text("name")));
        }
    }
    errors
}

fn finalizers(finalizers: &Value, path: &Path) -> ErrorList {
    let mut errors = ErrorList::new();
    let names: Vec<&str> = finalizers.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    for (i, name) in names.iter().enumerate() {
        errors.extend(syntax::qualified_name(name).iter().map(|e| Error::invalid(path, &(*name).into(), e)));
        if !name.contains('/') && !["kubernetes", ORPHAN, FOREGROUND].contains(name) {
            let detail = "name is neither a standard finalizer name nor is it fully qualified";
            errors.push(Error::invalid(&path.index(i), &(*name).into(), detail));
        }
    }
    if names.contains(&ORPHAN) && names.contains(&FOREGROUND) {
        let detail = "finalizer orphan and foregroundDeletion cannot be both set";
        errors.push(Error::invalid(path, finalizers, detail));
    }
    errors
}

fn no_new_finalizers(new: &Value, old: &Value, path: &Path) -> ErrorList {
    let names = |list: &Value| -> BTreeSet<String> {
        list.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let added: Vec<String> = names(new).difference(&names(old)).map(|name| format!("{name:?}")).collect();
    if added.is_empty() {
        return ErrorList::new();
    }
    vec![Error::forbidden(
        path,
        &format!(
            "no new finalizers can be added if the object is being deleted, found new finalizers []string{{{}}}",
            added.join(", ")
        ),
    )]
}

fn managed_fields(entries: &Value, path: &Path) -> ErrorList {
    let mut errors = ErrorList::new();
    for (i, entry) in entries.as_array().into_iter().flatten().enumerate() {
        let path = path.index(i);
        let text = |field: &str| entry[field].as_str().unwrap_or_default();
        if !matches!(text("operation"), "Apply" | "Update") {
            errors.push(Error::invalid(&path.child("operation"), &entry["operation"], "must be `Apply` or `Update`"));
        }
        if !matches!(text("fieldsType"), "" | "FieldsV1") {
            errors.push(Error::invalid(&path.child("fieldsType"), &entry["fieldsType"], "must be `FieldsV1`"));
        }
        if text("manager").len() > MANAGER_BYTES_MAX {
            errors.push(Error::too_long(&path.child("manager"), MANAGER_BYTES_MAX));
        }
    }
    errors
}
