//! Objects that `kubectl apply` has managed on the client's side: their annotation says what was applied last.

use super::Writer;
use super::compare::{compare, fields};
use super::form::Form;
use super::set::Set;
use crate::schema::Type;
use serde_json::Value;

const ANNOTATION: &str = "kubectl.kubernetes.io/last-applied-configuration";
/// The manager whose applies take over from client-side apply.
const KUBECTL: &str = "kubectl";
/// Annotations beyond this are not written: all of them together may have 256 KiB.
const BYTES_MAX: usize = 256 * 1024;

fn annotation(object: &Value) -> Option<&str> {
    object["metadata"]["annotations"][ANNOTATION].as_str()
}

/// The fields that a server-side apply by kubectl may take over without a conflict: those that its client-side apply has
/// set and nobody has changed since.
pub(super) fn allowed(live: &Value, schema: &'static Type, writer: Writer<'_>) -> Set {
    let form = Form::Struct(schema);
    let nothing = Set::default();
    if writer.manager != KUBECTL {
        return nothing;
    }
    let Some(applied) = annotation(live).and_then(|text| serde_json::from_str::<Value>(text).ok()) else {
        return nothing;
    };
    let Ok(applied) = crate::decode::value(applied, schema) else { return nothing };
    let Ok(mut set) = fields(&applied.value, form) else { return nothing };
    let compared = compare(Some(&applied.value), Some(live), form);
    set.subtract(&compared.changed);
    set.subtract(&compared.removed);
    // The annotation changes with every apply.
    let mut annotation = Set::default();
    for element in [ANNOTATION, "annotations", "metadata"] {
        let below = if annotation.is_empty() { Set::leaf() } else { annotation };
        annotation = Set::default();
        annotation.put(super::form::name_element(element), below);
    }
    set.union(&annotation);
    set
}

/// Keeps the annotation true where there is one, so that client-side apply goes on working.
pub(super) fn sync(live: &Value, new: &mut Value, writer: Writer<'_>) {
    if writer.manager != KUBECTL || !writer.subresource.is_empty() || annotation(live).is_none() {
        return;
    }
    let mut applied = new.clone();
    if let Some(metadata) = applied["metadata"].as_object_mut() {
        metadata.remove("managedFields");
        if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
            annotations.remove(ANNOTATION);
        }
    }
    let text = applied.to_string();
    if let Some(annotations) = new["metadata"]["annotations"].as_object_mut() {
        if text.len() > BYTES_MAX {
            annotations.remove(ANNOTATION);
        } else {
            annotations.insert(ANNOTATION.to_owned(), text.into());
        }
    }
}
