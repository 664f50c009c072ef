//! How many pods to create, or which to delete.

use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::ReplicaSet;
use k8s_openapi::api::core::v1::{Pod, PodTemplateSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kubekit_runtime::{Change, Object as _};

use super::rank;
use crate::{owners, pods};

/// The most pods that one pass creates or deletes. Source: `replicaset.BurstReplicas`.
pub const BURST_REPLICAS: usize = 500;

/// What one pass does about the number of pods.
#[derive(Debug, PartialEq)]
pub enum Scale {
    /// The number is right.
    Keep,
    /// So many pods are missing (at most [`BURST_REPLICAS`]).
    Create(usize),
    /// These pods are too many, the first to go first (at most [`BURST_REPLICAS`]).
    Delete(Vec<Arc<Pod>>),
}

/// What brings `active`, the active pods of `set`, to the wanted number.
///
/// `related` are the active pods of all sets under the same controller: nodes that hold many of them give up pods first,
/// so that a rolling update does not leave two of a kind on one node.
pub fn manage(set: &ReplicaSet, active: &[Arc<Pod>], related: &[Arc<Pod>], now: Timestamp) -> Scale {
    let wanted = wanted(set);
    if active.len() < wanted {
        return Scale::Create((wanted - active.len()).min(BURST_REPLICAS));
    }
    let surplus = (active.len() - wanted).min(BURST_REPLICAS);
    if surplus == 0 {
        return Scale::Keep;
    }
    Scale::Delete(rank::first_to_go(active, related, surplus, now))
}

/// The number of pods that the set asks for.
pub fn wanted(set: &ReplicaSet) -> usize {
    let replicas = set.spec.as_ref().and_then(|s| s.replicas).unwrap_or(1);
    usize::try_from(replicas).unwrap_or(0)
}

/// Whether a set need not be looked at for this change of a pod of its own until more have come: nothing changes but what the
/// status counts, or the pod is one of several creations of which not all were seen yet (the set is not `settled`).
pub fn can_wait(change: &Change<Pod>, settled: bool) -> bool {
    match change {
        Change::Deleted(_) => false,
        Change::Applied { old: None, .. } => !settled,
        Change::Applied { old: Some(old), new } => {
            owners::have_same_controller(&**old, &**new)
                && old.labels() == new.labels()
                && pods::is_active(old) == pods::is_active(new)
        }
    }
}

/// The sizes of the batches in which `count` pods are created: 1, 2, 4, … so that a quota or a faulty template costs few
/// refused requests. Source: `slowStartBatch`.
pub fn slow_start(count: usize) -> impl Iterator<Item = usize> {
    let mut remaining = count;
    let mut batch = 1;
    std::iter::from_fn(move || {
        let size = remaining.min(batch);
        remaining -= size;
        batch = size * 2;
        (size > 0).then_some(size)
    })
}

/// The pod that `template` describes, named after its parent and managed by `owner`.
pub fn pod_from_template(template: &PodTemplateSpec, parent: &ObjectMeta, owner: OwnerReference) -> Pod {
    let from = template.metadata.clone().unwrap_or_default();
    let metadata = ObjectMeta {
        generate_name: Some(format!("{}-", parent.name.as_deref().unwrap_or_default())),
        namespace: parent.namespace.clone(),
        labels: from.labels,
        annotations: from.annotations,
        finalizers: from.finalizers,
        owner_references: Some(vec![owner]),
        ..ObjectMeta::default()
    };
    Pod { metadata, spec: template.spec.clone(), status: None }
}
