//! Finalizers: an object stays until those who must clean up after it have done so.

use crate::api::Api;
use crate::error::Error;
use crate::object::Object;
use crate::params::PatchParams;
use crate::patch::Patch;
use serde_json::json;

/// Whether the object has `finalizer`.
pub fn has<K: Object>(object: &K, finalizer: &str) -> bool {
    object.meta().finalizers.as_ref().is_some_and(|all| all.iter().any(|one| one == finalizer))
}

/// Adds `finalizer` to the object, unless it has it. Returns the object as it is now.
///
/// # Errors
///
/// A conflict, if the object has changed since; whatever the request gives.
pub async fn add<K: Object>(api: &Api<K>, object: &K, finalizer: &str) -> Result<K, Error> {
    if has(object, finalizer) {
        return Ok(object.clone());
    }
    let mut finalizers = object.meta().finalizers.clone().unwrap_or_default();
    finalizers.push(finalizer.to_owned());
    replace(api, object, &finalizers).await
}

/// Removes `finalizer` from the object, if it has it. An object that was only waiting for this finalizer is gone then.
///
/// # Errors
///
/// A conflict, if the object has changed since; whatever the request gives. That it is gone is no error.
pub async fn remove<K: Object>(api: &Api<K>, object: &K, finalizer: &str) -> Result<(), Error> {
    if !has(object, finalizer) {
        return Ok(());
    }
    let mut finalizers = object.meta().finalizers.clone().unwrap_or_default();
    finalizers.retain(|one| one != finalizer);
    match replace(api, object, &finalizers).await {
        Ok(_) => Ok(()),
        Err(error) if error.is_not_found() => Ok(()),
        Err(error) => Err(error),
    }
}

/// The resourceVersion makes the list as a whole safe to write: nobody has changed it since.
async fn replace<K: Object>(api: &Api<K>, object: &K, finalizers: &[String]) -> Result<K, Error> {
    let patch = json!({"metadata": {
        "uid": object.uid(), "resourceVersion": object.resource_version(), "finalizers": finalizers,
    }});
    let api = api.within(object.namespace());
    api.patch(object.name(), &PatchParams::default(), &Patch::Merge(patch)).await
}
