//! PreEnqueue, QueueSort and queueing hints: which pods are tried, in which order, and when again.

use super::Refusal;
use crate::model::Pod;
use std::cmp::Ordering;
use std::fmt::Debug;

/// Holds pods back before they enter the active queue.
pub trait PreEnqueue: Send + Sync + Debug {
    /// The plugin's name.
    fn name(&self) -> &'static str;

    /// Whether the pod may be tried.
    ///
    /// # Errors
    /// The refusal that holds it back.
    fn pre_enqueue(&self, pod: &Pod) -> Result<(), Refusal>;
}

/// Orders the active queue. A profile has exactly one.
pub trait QueueSort: Send + Sync + Debug {
    /// The plugin's name.
    fn name(&self) -> &'static str;

    /// `Less` when `a` is to be tried before `b`. Ties are broken by the time of enqueueing.
    fn compare(&self, a: &Pod, b: &Pod) -> Ordering;

    /// A number by which pods are ordered, the smallest first, where a number says all: a queue of a million pods then
    /// need not look at them. All pods have one, or none.
    fn rank(&self, _pod: &Pod) -> Option<i64> {
        None
    }
}

/// What happened in the cluster, for hints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterEvent {
    /// What happened.
    pub kind: EventKind,
    /// The node concerned; empty where none is.
    pub node: String,
}

/// The kinds of events that may make a pod schedulable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EventKind {
    /// A node was added.
    NodeAdd,
    /// A node's allocatable amounts changed.
    NodeAllocatable,
    /// A node's labels changed.
    NodeLabel,
    /// A node's taints, or its being cordoned, changed.
    NodeTaint,
    /// A pod was bound to a node.
    PodAdd,
    /// Labels or requests of a bound pod changed.
    PodUpdate,
    /// A bound pod went away.
    PodDelete,
    /// A namespace's labels changed.
    NamespaceLabel,
    /// A claim, a volume, a storage class or what drivers say of storage changed.
    Storage,
    /// Devices, or claims and classes of devices, changed (KEP-4381).
    Devices,
    /// A group of pods changed, or one of its pods came (KEP-4671).
    Group,
    /// Time has passed: pods that waited too long are tried whatever plugins say.
    Flush,
}

impl EventKind {
    /// All kinds.
    pub const ALL: &'static [Self] = &[
        Self::NodeAdd,
        Self::NodeAllocatable,
        Self::NodeLabel,
        Self::NodeTaint,
        Self::PodAdd,
        Self::PodUpdate,
        Self::PodDelete,
        Self::NamespaceLabel,
        Self::Storage,
        Self::Devices,
        Self::Group,
        Self::Flush,
    ];
}

/// A plugin's answer to an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hint {
    /// The event changes nothing for the pod.
    Skip,
    /// The pod may be schedulable now.
    Queue,
}
