//! JSON patch.

use crate::decode::DEPTH_MAX;
use crate::status::{ApiError, Cause, Reason};
use json_patch::{PatchErrorKind, PatchOperation};
use serde_json::Value;

/// Most operations in one patch, as in Kubernetes.
const OPERATIONS_MAX: usize = 10_000;
/// What the `copy` operations of one patch may copy in all: each could double the object.
const COPIED_BYTES_MAX: usize = 3 * 1024 * 1024;

/// Applies a JSON patch: a list of operations.
///
/// # Errors
/// 400 where the patch is malformed; 413 where it is too much; 422 where an operation does not apply (a failed `test`, a
/// missing path).
pub fn json(target: &Value, patch: &Value) -> Result<Value, ApiError> {
    let operations: Vec<PatchOperation> = serde::Deserialize::deserialize(patch)
        .map_err(|e| ApiError::bad_request(format!("error decoding patch: {e}")))?;
    if operations.len() > OPERATIONS_MAX {
        return Err(ApiError::new(
            Reason::RequestEntityTooLarge,
            format!(
                "Request entity too large: The allowed maximum operations in a JSON patch is {OPERATIONS_MAX}, got {}",
                operations.len()
            ),
        ));
    }
    let mut object = target.clone();
    let mut copied = 0;
    for operation in &operations {
        if let PatchOperation::Copy(copy) = operation {
            copied += copy.from.resolve(&object).map_or(0, size);
            if copied > COPIED_BYTES_MAX {
                let text = format!(
                    "Unable to complete the copy, the accumulated size increase of copy is {copied}, exceeding the limit {COPIED_BYTES_MAX}"
                );
                return Err(rejected(&text));
            }
        }
        if operation_is_void(operation, &object) {
            continue;
        }
        if depth_after(operation, &object) > DEPTH_MAX {
            return Err(rejected(&format!("the object would nest deeper than {DEPTH_MAX} levels")));
        }
        json_patch::patch_unsafe(&mut object, std::slice::from_ref(operation))
            .map_err(|e| rejected(&explain(operation, &e.kind)))?;
    }
    Ok(object)
}

/// A test for null holds where nothing is.
fn operation_is_void(operation: &PatchOperation, object: &Value) -> bool {
    matches!(operation, PatchOperation::Test(test) if test.value.is_null() && test.path.resolve(object).is_err())
}

/// How deep the place that an operation writes is nested afterwards.
fn depth_after(operation: &PatchOperation, object: &Value) -> usize {
    let below = match operation {
        PatchOperation::Add(add) => depth(&add.value),
        PatchOperation::Replace(replace) => depth(&replace.value),
        PatchOperation::Move(moved) => moved.from.resolve(object).map_or(0, depth),
        PatchOperation::Copy(copy) => copy.from.resolve(object).map_or(0, depth),
        PatchOperation::Remove(_) | PatchOperation::Test(_) => return 0,
    };
    operation.path().count() + below
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(list) => 1 + list.iter().map(depth).max().unwrap_or_default(),
        Value::Object(map) => 1 + map.values().map(depth).max().unwrap_or_default(),
        _ => 0,
    }
}

/// Why an operation does not apply, in the words of the library that Kubernetes uses.
fn explain(operation: &PatchOperation, kind: &PatchErrorKind) -> String {
    let path = operation.path();
    match (operation, kind) {
        (PatchOperation::Test(_), _) => format!("testing value {path} failed: test failed"),
        (PatchOperation::Add(_), _) => {
            format!("add operation does not apply: doc is missing path: \"{path}\": missing value")
        }
        (PatchOperation::Remove(_), _) => {
            format!("remove operation does not apply: doc is missing path: \"{path}\": missing value")
        }
        (PatchOperation::Replace(_), _) => {
            format!("replace operation does not apply: doc is missing path: {path}: missing value")
        }
        (PatchOperation::Move(from), PatchErrorKind::InvalidFromPointer) => {
            format!("move operation does not apply: doc is missing from path: {}: missing value", from.from)
        }
        (PatchOperation::Copy(from), PatchErrorKind::InvalidFromPointer) => {
            format!("copy operation does not apply: doc is missing from path: {}: missing value", from.from)
        }
        (_, kind) => format!("operation does not apply at {path}: {kind}"),
    }
}

fn rejected(what: &str) -> ApiError {
    let mut error = ApiError::new(Reason::Invalid, "the server rejected our request due to an error in our request");
    error.details.causes.push(Cause {
        reason: "UnexpectedServerResponse".to_owned(),
        message: what.to_owned(),
        field: String::new(),
    });
    error
}

/// About how many bytes a value is long.
fn size(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len() + 2,
        Value::Array(list) => list.iter().map(|v| size(v) + 1).sum::<usize>() + 2,
        Value::Object(map) => map.iter().map(|(k, v)| k.len() + size(v) + 4).sum::<usize>() + 2,
        _ => 8,
    }
}
