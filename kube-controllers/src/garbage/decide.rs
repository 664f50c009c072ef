//! What becomes of an object whose owners were looked up.
//!
//! Source: `attemptToDeleteItem` and `processDeletingDependentsItem`.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kubekit_runtime::{PartialObject, Propagation};

use super::graph::{FOREGROUND, ORPHAN};

/// How an owner stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// It is there, or it cannot be told.
    Solid,
    /// It is not there.
    Dangling,
    /// It is being deleted in the foreground: its dependents go first, whether it waits for this one or not.
    Waiting,
}

/// What becomes of the object.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// Nothing.
    Keep,
    /// It stays, with these references instead of those it has.
    Disown(Vec<OwnerReference>),
    /// It is deleted.
    Delete {
        /// What becomes of its dependents.
        propagation: Propagation,
        /// The references that it must have first, so that a circle of objects that wait for each other is broken.
        unblock: Option<Vec<OwnerReference>>,
    },
}

/// Decides what becomes of `live`, whose `owners` stand as told, in the order of its references. `dependents` says of each of
/// its dependents whether that waits for its own dependents.
pub fn decide(live: &PartialObject, owners: &[Owner], dependents: &[bool]) -> Verdict {
    let references = live.metadata.owner_references.as_deref().unwrap_or_default();
    if references.is_empty() {
        return Verdict::Keep;
    }
    let any = |state: Owner| owners.contains(&state);
    if any(Owner::Solid) {
        if !any(Owner::Dangling) && !any(Owner::Waiting) {
            return Verdict::Keep;
        }
        let solid = references.iter().zip(owners).filter(|(_, state)| **state == Owner::Solid);
        return Verdict::Disown(solid.map(|(reference, _)| reference.clone()).collect());
    }
    if any(Owner::Waiting) && !dependents.is_empty() {
        // Its owner waits for it, so it must itself be gone with all its dependents before its owner is.
        let circle = dependents.contains(&true);
        let unblock = circle.then(|| {
            let freed = |r: &OwnerReference| OwnerReference { block_owner_deletion: Some(false), ..r.clone() };
            references.iter().map(freed).collect()
        });
        return Verdict::Delete { propagation: Propagation::Foreground, unblock };
    }
    let has = |finalizer: &str| live.metadata.finalizers.iter().flatten().any(|f| f == finalizer);
    let propagation = if has(ORPHAN) {
        Propagation::Orphan
    } else if has(FOREGROUND) {
        Propagation::Foreground
    } else {
        Propagation::Background
    };
    Verdict::Delete { propagation, unblock: None }
}

/// The references without those to this owner; none where there are none.
pub fn without_owner(object: &PartialObject, owner: &str) -> Option<Vec<OwnerReference>> {
    let references = object.metadata.owner_references.as_deref().unwrap_or_default();
    let rest: Vec<OwnerReference> = references.iter().filter(|r| r.uid != owner).cloned().collect();
    (rest.len() < references.len()).then_some(rest)
}

/// The finalizers without this one; none where it is not among them.
pub fn without_finalizer(object: &PartialObject, finalizer: &str) -> Option<Vec<String>> {
    let finalizers = object.metadata.finalizers.as_deref().unwrap_or_default();
    let rest: Vec<String> = finalizers.iter().filter(|f| *f != finalizer).cloned().collect();
    (rest.len() < finalizers.len()).then_some(rest)
}
