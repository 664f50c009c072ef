//! What a placement changes besides the pod: effects as data, for whoever drives the engine to carry out.

use super::Inventory;
use crate::dra::Allocation;
use std::sync::Arc;

/// A change that comes with a placement. [`Inventory::apply`] assumes it, so that the next decision sees it;
/// [`Inventory::revert`] takes it back when the placement comes to nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change {
    /// Bind a PersistentVolume to a claim: `spec.claimRef` of the volume, with the annotation
    /// `pv.kubernetes.io/bound-by-controller`. The volume controller does the rest.
    BindVolume {
        /// The volume.
        volume: Arc<str>,
        /// The claim's namespace.
        namespace: Arc<str>,
        /// The claim.
        claim: Arc<str>,
    },
    /// Have a volume provisioned on a node: the annotation `volume.kubernetes.io/selected-node` of the claim.
    SelectNode {
        /// The claim's namespace.
        namespace: Arc<str>,
        /// The claim.
        claim: Arc<str>,
        /// The node.
        node: Arc<str>,
    },
    /// Give a claim its devices (`status.allocation`, with a finalizer), if it has none, and let a pod use it
    /// (`status.reservedFor`).
    UseResourceClaim {
        /// The claim's namespace.
        namespace: Arc<str>,
        /// The claim.
        claim: Arc<str>,
        /// What it is given; `None` when it is known to have its devices already.
        allocation: Option<Allocation>,
        /// The pod.
        pod: Arc<str>,
        /// The pod's uid.
        pod_uid: Arc<str>,
    },
}

impl Inventory {
    /// Assumes a change; does nothing where it is assumed already.
    pub fn apply(&mut self, change: &Change) {
        match change {
            Change::BindVolume { volume, namespace, claim } => {
                let uid = self.claims.get(namespace, claim).map(|claim| claim.uid.clone());
                self.volumes.update("", volume, |volume| {
                    let to = || crate::storage::ClaimRef { namespace: namespace.clone(), name: claim.clone(), uid };
                    // What another has written meanwhile is not covered up.
                    volume.claim.get_or_insert_with(to);
                });
            }
            Change::SelectNode { namespace, claim, node } => {
                self.claims.update(namespace, claim, |claim| {
                    claim.selected_node.get_or_insert_with(|| node.clone());
                });
            }
            Change::UseResourceClaim { namespace, claim, allocation, pod_uid, .. } => {
                self.resource_claims.update(namespace, claim, |claim| {
                    if claim.allocation.is_none() && allocation.is_some() {
                        claim.allocation.clone_from(allocation);
                        claim.assumed = true;
                    }
                    if !claim.reserved_for.contains(pod_uid) {
                        claim.reserved_for.push(pod_uid.clone());
                    }
                });
            }
        }
    }

    /// Takes an assumed change back.
    pub fn revert(&mut self, change: &Change) {
        match change {
            Change::BindVolume { volume, namespace, claim } => {
                self.volumes.update("", volume, |volume| {
                    volume.claim.take_if(|to| to.namespace == *namespace && to.name == *claim);
                });
            }
            Change::SelectNode { namespace, claim, node } => {
                self.claims.update(namespace, claim, |claim| {
                    claim.selected_node.take_if(|selected| selected == node);
                });
            }
            Change::UseResourceClaim { namespace, claim, pod_uid, .. } => {
                self.resource_claims.update(namespace, claim, |claim| {
                    claim.reserved_for.retain(|uid| uid != pod_uid);
                    if claim.assumed && claim.reserved_for.is_empty() {
                        claim.allocation = None;
                        claim.assumed = false;
                    }
                });
            }
        }
    }
}
