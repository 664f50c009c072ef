//! Patches: JSON patch (RFC 6902), merge patch (RFC 7386), strategic merge patch.
//!
//! The result is not checked against a schema here: [`crate::decode::value`] does that, as for any body.

mod operations;
mod strategic;

pub use operations::json;
pub use strategic::strategic;

use serde_json::{Map, Value};

/// Applies a merge patch: null deletes, objects merge, all else replaces.
pub fn merge(target: &mut Value, patch: Value) {
    let Value::Object(patch) = patch else {
        *target = patch;
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Value::Object(target) = target else { return };
    for (key, value) in patch {
        if value.is_null() {
            target.remove(&key);
        } else {
            merge(target.entry(key).or_insert(Value::Null), value);
        }
    }
}

#[cfg(test)]
mod tests;
