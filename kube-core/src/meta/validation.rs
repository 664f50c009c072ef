//! Errors of metadata.

use crate::field::{ErrorList, Path};
use crate::rules::NameRule;
use serde_json::Value;

/// Errors of a new object's metadata (`metadata` itself, at `path`).
pub fn validate(metadata: &Value, namespaced: bool, rule: NameRule, path: &Path) -> ErrorList {
    let _ = (metadata, namespaced, rule, path);
    todo!()
}

/// Errors of an update's metadata: immutable fields, finalizers, owner references.
pub fn validate_update(new: &Value, old: &Value, path: &Path) -> ErrorList {
    let _ = (new, old, path);
    todo!()
}

/// Errors of a map of labels.
pub fn validate_labels(labels: &Value, path: &Path) -> ErrorList {
    let _ = (labels, path);
    todo!()
}

/// Errors of a map of annotations: keys, and 256 KiB in all.
pub fn validate_annotations(annotations: &Value, path: &Path) -> ErrorList {
    let _ = (annotations, path);
    todo!()
}
