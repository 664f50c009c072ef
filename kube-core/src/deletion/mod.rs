//! The life of an object that is being deleted: grace periods, finalizers, propagation.
//!
//! Source: `k8s.io/apiserver/pkg/registry/rest/delete.go` and `registry/generic/registry/store.go`.

use crate::field::ErrorList;
use crate::rules::Rules;
use serde_json::Value;

/// What happens to an object's dependents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Propagation {
    /// They stay, without their owner.
    Orphan,
    /// The object goes at once, the garbage collector deletes them later.
    Background,
    /// They go first.
    Foreground,
}

/// `DeleteOptions`, parsed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// How long the object may take to end.
    pub grace_period_seconds: Option<i64>,
    /// What happens to dependents; `None`: the kind's default.
    pub propagation: Option<Propagation>,
    /// Only this uid is deleted.
    pub uid: Option<String>,
    /// Only this version is deleted.
    pub resource_version: Option<String>,
    /// Nothing is stored.
    pub dry_run: bool,
}

impl Options {
    /// Reads a `DeleteOptions` object (as a body, or made from a query).
    ///
    /// # Errors
    /// One error per field that breaks a rule.
    pub fn parse(options: &Value) -> Result<Self, ErrorList> {
        let _ = options;
        todo!()
    }
}

/// What a delete does.
#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    /// The object is removed now.
    Remove,
    /// The object is stored like this, marked as being deleted; who waits for it (finalizers, the node agent) goes on.
    Mark(Value),
    /// It is being deleted already and nothing changes.
    Unchanged,
}

/// Decides what a delete does to `object`.
pub fn decide(object: &Value, options: &Options, rules: &dyn Rules, now: jiff::Timestamp) -> Decision {
    let _ = (object, options, rules, now);
    todo!()
}

/// Whether an update has brought a deletion to its end: the object is marked, no finalizer is left and its grace period
/// is zero. Such an object is removed instead of stored.
pub fn completes(object: &Value) -> bool {
    let _ = object;
    todo!()
}
