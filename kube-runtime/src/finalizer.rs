//! Finalizers: an object stays until those who must clean up after it have done so.

use crate::api::Api;
use crate::error::Error;
use crate::object::Object;

/// Adds `finalizer` to the object, unless it has it. Returns the object as it is now.
///
/// # Errors
///
/// A conflict, if the object has changed since; whatever the request gives.
pub async fn add<K: Object>(api: &Api<K>, object: &K, finalizer: &str) -> Result<K, Error> {
    let _ = (api, object);
    todo!("{finalizer}")
}

/// Removes `finalizer` from the object, if it has it. Returns the object as it was left; one that was only waiting for
/// this finalizer is gone then.
///
/// # Errors
///
/// A conflict, if the object has changed since; whatever the request gives. That it is gone is no error.
pub async fn remove<K: Object>(api: &Api<K>, object: &K, finalizer: &str) -> Result<(), Error> {
    let _ = (api, object);
    todo!("{finalizer}")
}
