//! Why a plugin refuses a pod or a node.

use std::borrow::Cow;

/// A reason for people: `Insufficient cpu`.
pub type Reason = Cow<'static, str>;

/// What follows from a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Code {
    /// Removing pods from the node may help: preemption looks at it.
    Unschedulable,
    /// Nothing that preemption can do helps.
    Unresolvable,
    /// The plugin waits for something; the pod is tried again at once when it happens.
    Pending,
    /// The plugin failed; the pod is tried again.
    Error,
}

/// A plugin's refusal of a pod, or of one node for it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Refusal {
    /// The plugin.
    pub plugin: &'static str,
    /// What follows.
    pub code: Code,
    /// Why, for people; at least one.
    pub reasons: Vec<Reason>,
}

impl Refusal {
    /// Preemption may help.
    pub fn unschedulable(plugin: &'static str, reason: impl Into<Reason>) -> Self {
        Self { plugin, code: Code::Unschedulable, reasons: vec![reason.into()] }
    }

    /// Preemption cannot help.
    pub fn unresolvable(plugin: &'static str, reason: impl Into<Reason>) -> Self {
        Self { plugin, code: Code::Unresolvable, reasons: vec![reason.into()] }
    }
}
