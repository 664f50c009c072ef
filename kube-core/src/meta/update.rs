//! What an update keeps of the metadata of the stored object.

use super::{drop_empty, metadata_mut};
use serde_json::{Map, Value};

/// Restores what an update may leave out or may not change: namespace, uid, creationTimestamp, generation, and the marks
/// of a deletion, which nobody takes back.
pub fn prepare_update(new: &mut Value, old: &Value) {
    let Some(metadata) = metadata_mut(new) else { return };
    let old = &old["metadata"];
    for field in ["generation", "deletionTimestamp", "deletionGracePeriodSeconds"] {
        let always = field == "generation" || old.get(field).is_some();
        keep(metadata, old, field, always);
    }
    for field in ["namespace", "uid", "creationTimestamp"] {
        let missing = metadata.get(field).is_none_or(|v| v.is_null() || v == "");
        keep(metadata, old, field, missing);
    }
    metadata.remove("selfLink");
    drop_empty(metadata);
}

fn keep(metadata: &mut Map<String, Value>, old: &Value, field: &str, keep: bool) {
    match (keep, old.get(field)) {
        (true, Some(value)) => {
            metadata.insert(field.to_owned(), value.clone());
        }
        (true, None) => {
            metadata.remove(field);
        }
        (false, _) => {}
    }
}

/// Counts the generation up where anything outside metadata and status changed. Called after the kind's own
/// `prepare_update` and defaults.
pub fn advance_generation(new: &mut Value, old: &Value) {
    let changed = {
        let outside = |object: &'_ Value| {
            object
                .as_object()
                .into_iter()
                .flatten()
                .filter(|(k, _)| !matches!(k.as_str(), "metadata" | "status" | "apiVersion" | "kind"))
                .count()
        };
        outside(new) != outside(old)
            || new.as_object().into_iter().flatten().any(|(key, value)| {
                !matches!(key.as_str(), "metadata" | "status" | "apiVersion" | "kind") && old.get(key) != Some(value)
            })
    };
    if changed && let Some(metadata) = metadata_mut(new) {
        let generation = old["metadata"]["generation"].as_i64().unwrap_or_default();
        metadata.insert("generation".into(), (generation + 1).into());
    }
}
