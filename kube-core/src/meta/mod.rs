//! Object metadata: the rules for names, labels and annotations, and what a create or update does to metadata.
//!
//! Source: `k8s.io/apimachinery/pkg/api/validation`, `k8s.io/apiserver/pkg/registry/rest`.

mod create;
pub mod syntax;
mod update;
mod validation;

pub use create::{CreateContext, prepare_create};
pub use update::{advance_generation, prepare_update};
pub use validation::{validate, validate_annotations, validate_labels, validate_update};

use serde_json::{Map, Value};

/// The metadata of an object, made where it is missing.
fn metadata_mut(object: &mut Value) -> Option<&mut Map<String, Value>> {
    let object = object.as_object_mut()?;
    object.entry("metadata").or_insert_with(|| Value::Object(Map::new())).as_object_mut()
}

/// Drops empty labels, annotations, owner references, finalizers and field managers: Kubernetes' encoding leaves them out,
/// so that nobody can tell an empty one from none.
fn drop_empty(metadata: &mut Map<String, Value>) {
    for field in ["labels", "annotations", "ownerReferences", "finalizers", "managedFields"] {
        let empty = match metadata.get(field) {
            Some(Value::Array(list)) => list.is_empty(),
            Some(Value::Object(map)) => map.is_empty(),
            _ => false,
        };
        if empty {
            metadata.remove(field);
        }
    }
}

#[cfg(test)]
mod tests;
