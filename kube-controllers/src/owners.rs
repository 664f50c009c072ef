//! Controller references: which objects a controller owns, may adopt, or must let go.
//!
//! Source: `k8s.io/kubernetes/pkg/controller/controller_ref_manager.go`. The decision is pure; the shell carries it out
//! with a patch that names the object's uid, after a live read has shown that the controller still exists.

use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kubekit_runtime::{Object, Reader, controller_of};
use serde_json::{Value, json};

/// What a controller does about an object that it might own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// It owns the object.
    Owned,
    /// The object is an orphan that matches: take it.
    Adopt,
    /// It owns the object, which no longer matches: let it go.
    Release,
    /// The object is not its business.
    Ignore,
}

/// Whether the object is managed by the controller with this uid.
pub fn is_controlled_by<K: Object>(object: &K, uid: &str) -> bool {
    controller_of(object).is_some_and(|r| r.uid == uid)
}

/// Whether one controller manages both, or none manages either.
pub fn have_same_controller<K: Object>(a: &K, b: &K) -> bool {
    controller_of(a).map(|r| &r.uid) == controller_of(b).map(|r| &r.uid)
}

/// The index of dependents by their controller; see [`index`].
pub const INDEX: &str = "controller";

/// Files an object under the uid of its controller; an orphan under its namespace, as `orphan/default`.
pub fn index<K: Object>(object: &K) -> Vec<String> {
    vec![match controller_of(object) {
        Some(owner) => owner.uid.clone(),
        None => orphans(object.namespace()),
    }]
}

fn orphans(namespace: &str) -> String {
    format!("orphan/{namespace}")
}

/// What `controller` may own: what it owns already, and the orphans of its namespace.
pub fn candidates<C: Object, K: Object>(reader: &Reader<K>, controller: &C) -> Vec<Arc<K>> {
    let mut candidates = reader.by_index(INDEX, controller.uid());
    candidates.extend(reader.by_index(INDEX, &orphans(controller.namespace())));
    candidates
}

/// What `controller` does about `object`, given whether its selector matches.
pub fn claim<C: Object, K: Object>(controller: &C, object: &K, matches: bool) -> Claim {
    let deleting = controller.is_being_deleted();
    match controller_of(object) {
        Some(reference) if reference.uid != controller.uid() => Claim::Ignore,
        Some(_) if matches => Claim::Owned,
        Some(_) if deleting => Claim::Ignore,
        Some(_) => Claim::Release,
        None if deleting || !matches || object.is_being_deleted() => Claim::Ignore,
        None if controller.namespace() != object.namespace() => Claim::Ignore,
        None => Claim::Adopt,
    }
}

/// The strategic merge patch that adopts the object with this uid.
pub fn adopt_patch(reference: &OwnerReference, object_uid: &str) -> Value {
    json!({"metadata": {"ownerReferences": [reference], "uid": object_uid}})
}

/// The strategic merge patch that takes the owners with these uids away from the object with this uid.
pub fn release_patch<'a>(owner_uids: impl IntoIterator<Item = &'a str>, object_uid: &str) -> Value {
    let references: Vec<Value> = owner_uids.into_iter().map(|uid| json!({"$patch": "delete", "uid": uid})).collect();
    json!({"metadata": {"ownerReferences": references, "uid": object_uid}})
}

#[cfg(test)]
mod tests;
