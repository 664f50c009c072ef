//! Reserve and Permit: the last words before a pod is bound.

use super::Refusal;
use crate::cluster::Cluster;
use crate::inventory::Change;
use crate::model::Pod;
use std::fmt::Debug;
use std::time::Duration;

/// Keeps account of what a placement takes besides the node's resources.
pub trait Reserve: Send + Sync + Debug {
    /// The plugin's name.
    fn name(&self) -> &'static str;

    /// The pod is about to go to the node.
    ///
    /// # Errors
    /// The refusal, when the account does not allow it; every plugin's [`Reserve::unreserve`] is then called.
    fn reserve(&self, cluster: &Cluster, pod: &Pod, node: &str) -> Result<(), Refusal>;

    /// Writes into the pod what it was given on the node, such as devices; called before the pod is put into the state.
    fn assume(&self, _cluster: &Cluster, _pod: &mut Pod, _node: &str) {}

    /// What the placement changes besides the pod, as data: whoever drives the engine assumes the changes
    /// ([`crate::Inventory::apply`]), carries them out before the binding, and takes them back when it comes to nothing.
    ///
    /// # Errors
    /// The refusal, when the placement is not possible after all.
    fn changes(&self, _cluster: &Cluster, _pod: &Pod, _node: &str) -> Result<Vec<Change>, Refusal> {
        Ok(Vec::new())
    }

    /// The placement came to nothing. Must be idempotent, and must not fail.
    fn unreserve(&self, cluster: &Cluster, pod: &Pod, node: &str);
}

/// What [`Permit`] decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PermitDecision {
    /// Bind now.
    Allow,
    /// Keep the place and wait until the plugin allows it ([`super::WaitingPods`]), at most this long and never longer than
    /// [`super::PERMIT_WAIT_MAX`]; then the pod is rejected.
    Wait(Duration),
    /// Do not bind.
    Deny(Refusal),
}

/// Delays or denies a binding, as gang scheduling needs.
pub trait Permit: Send + Sync + Debug {
    /// The plugin's name.
    fn name(&self) -> &'static str;

    /// Whether the pod may be bound to the node now.
    fn permit(&self, cluster: &Cluster, pod: &Pod, node: &str) -> PermitDecision;
}
