//! What the system fills in when an object is created.

use crate::decode::format_time;
use crate::environment::Random;
use crate::names;
use crate::status::{ApiError, Reason};
use serde_json::{Map, Value};

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
/// 400 where the object's namespace is not the request's; 500 where the object comes with a version, which is Kubernetes' code
/// for it.
pub fn prepare_create(object: &mut Value, context: &CreateContext<'_>) -> Result<(), ApiError> {
    let Some(metadata) = super::metadata_mut(object) else {
        return Err(ApiError::bad_request("metadata must be an object"));
    };
    if !matches!(text(metadata, "resourceVersion"), "" | "0") {
        let text = "resourceVersion should not be set on objects to be created";
        return Err(ApiError::new(Reason::InternalError, text));
    }
    if context.namespace.is_empty() {
        metadata.remove("namespace");
    } else {
        match text(metadata, "namespace") {
            "" => {
                metadata.insert("namespace".into(), context.namespace.into());
            }
            namespace if namespace == context.namespace => {}
            _ => {
                return Err(ApiError::bad_request(
                    "the namespace of the provided object does not match the namespace sent on the request",
                ));
            }
        }
    }
    for field in ["resourceVersion", "deletionTimestamp", "deletionGracePeriodSeconds", "selfLink", "generation"] {
        metadata.remove(field);
    }
    if text(metadata, "name").is_empty() && !text(metadata, "generateName").is_empty() {
        let name = names::generate(text(metadata, "generateName"), context.random);
        metadata.insert("name".into(), name.into());
    }
    metadata.insert("uid".into(), names::uid(context.random).into());
    metadata.insert("creationTimestamp".into(), format_time(context.now).into());
    if context.has_generation {
        metadata.insert("generation".into(), 1.into());
    }
    super::drop_empty(metadata);
    Ok(())
}

fn text<'a>(metadata: &'a Map<String, Value>, field: &str) -> &'a str {
    metadata.get(field).and_then(Value::as_str).unwrap_or_default()
}
