//! Patches: JSON patch (RFC 6902), merge patch (RFC 7386), strategic merge patch.

use crate::schema::Type;
use crate::status::ApiError;
use serde_json::Value;

/// Applies a JSON patch: a list of operations.
///
/// # Errors
/// 400 where the patch is malformed; 422 where an operation does not apply (a failed `test`, a missing path).
pub fn json(target: &Value, patch: &Value) -> Result<Value, ApiError> {
    let _ = (target, patch);
    todo!()
}

/// Applies a merge patch: null deletes, objects merge, all else replaces.
pub fn merge(target: &mut Value, patch: Value) {
    let _ = (target, patch);
    todo!()
}

/// Applies a strategic merge patch: a merge patch in which lists merge by key, and with directives
/// (`$patch`, `$retainKeys`, `$deleteFromPrimitiveList/…`, `$setElementOrder/…`).
///
/// # Errors
/// 400 where the patch is malformed.
pub fn strategic(target: Value, patch: Value, schema: &'static Type) -> Result<Value, ApiError> {
    let _ = (target, patch, schema);
    todo!()
}
