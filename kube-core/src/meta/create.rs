//! What the system fills in when an object is created.

use crate::environment::Random;
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
/// 400 where the object's namespace is not the request's.
pub fn prepare_create(object: &mut Value, context: &CreateContext<'_>) -> Result<(), ApiError> {
    let _ = (object, context);
    todo!()
}
