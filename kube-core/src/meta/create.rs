//! What the system fills in when an object is created.

use crate::decode::format_time;
use crate::environment::Random;
use crate::names;
use crate::status::ApiError;
use serde_json::Value;

/// What a create knows beside the object.
#[derive(Clone, Copy, Debug)]
pub struct CreateContext<'a> {
    /// The namespace of the request; empty for cluster scope.
    pub namespace: &'a str,
    /// Whether `metadata.generation` counts.
    pub has_generation: bool,
    /// The time.
    pub now: jiff::Timestamp,
    /// For generated names and uids.
    pub random: &'a dyn Random,
}

/// Fills in namespace, generated name, uid, creationTimestamp and generation, and clears what a creator may not set.
///
/// # Errors
/// 400 where the object's namespace is not the request's, or the object comes with a resourceVersion.
pub fn prepare_create(object: &mut Value, context: &CreateContext<'_>) -> Result<(), ApiError> {
    let Some(metadata) = super::metadata_mut(object) else {
        return Err(ApiError::bad_request("metadata must be an object"));
    };
    let text = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or_default().to_owned();
    if !text(metadata.get("resourceVersion")).is_empty() {
        return Err(ApiError::bad_request("resourceVersion should not be set on objects to be created"));
    }
    let namespace = text(metadata.get("namespace"));
    if context.namespace.is_empty() {
        metadata.remove("namespace");
    } else if namespace.is_empty() {
        metadata.insert("namespace".into(), context.namespace.into());
    } else if namespace != context.namespace {
        return Err(ApiError::bad_request(
            "the namespace of the provided object does not match the namespace sent on the request",
        ));
    }
    for field in ["resourceVersion", "deletionTimestamp", "deletionGracePeriodSeconds", "selfLink", "generation"] {
        metadata.remove(field);
    }
    if text(metadata.get("name")).is_empty() {
        let base = text(metadata.get("generateName"));
        if !base.is_empty() {
            metadata.insert("name".into(), names::generate(&base, context.random).into());
        }
    }
    metadata.insert("uid".into(), names::uid(context.random).into());
    metadata.insert("creationTimestamp".into(), format_time(context.now).into());
    if context.has_generation {
        metadata.insert("generation".into(), 1.into());
    }
    super::drop_empty(metadata);
    Ok(())
}
