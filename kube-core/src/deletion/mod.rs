//! The life of an object that is being deleted: grace periods, finalizers, propagation.
//!
//! A delete either removes an object at once or marks it; a marked object is removed when its grace period is zero and
//! nobody waits for it any more. [`decide`] is asked by a delete, [`completes`] by every update.
//!
//! Source: `k8s.io/apiserver/pkg/registry/rest/delete.go` and `registry/generic/registry/store.go`.

mod options;

pub use options::{Options, Propagation};

use crate::decode::format_time;
use crate::rules::Rules;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

const ORPHAN: &str = "orphan";
const FOREGROUND: &str = "foregroundDeletion";

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
pub fn decide(object: &Value, options: &Options, rules: &dyn Rules, now: Timestamp) -> Decision {
    let mut marked = object.clone();
    let graceful = match grace(&mut marked, options, rules, now) {
        Grace::Pending => return Decision::Unchanged,
        Grace::Seconds(seconds) => Some(seconds),
        Grace::None => None,
    };
    set_finalizers(&mut marked, options);
    let waiting = is_awaited(&marked);
    match graceful {
        Some(seconds) if waiting || seconds > 0 => changed(marked, object),
        None if waiting => {
            mark(&mut marked, now);
            changed(marked, object)
        }
        _ => Decision::Remove,
    }
}

/// Whether an update has brought a deletion to its end: the object is marked, no finalizer is left and its grace period
/// is over. Such an object is removed instead of stored.
pub fn completes(object: &Value) -> bool {
    let metadata = &object["metadata"];
    !metadata["deletionTimestamp"].is_null()
        && metadata["deletionGracePeriodSeconds"].as_i64().unwrap_or_default() == 0
        && !is_awaited(object)
}

fn changed(marked: Value, object: &Value) -> Decision {
    if marked == *object { Decision::Unchanged } else { Decision::Mark(marked) }
}

/// Whether finalizers hold the object back. Namespaces have a second list of them, in their spec.
fn is_awaited(object: &Value) -> bool {
    let some = |list: &Value| list.as_array().is_some_and(|l| !l.is_empty());
    some(&object["metadata"]["finalizers"]) || (object["kind"] == "Namespace" && some(&object["spec"]["finalizers"]))
}

enum Grace {
    /// The kind has no grace periods, or its grace period was cut to nothing.
    None,
    /// Marked, with this grace period.
    Seconds(i64),
    /// Marked before, and this delete asks for no shorter time.
    Pending,
}

/// Marks an object of a kind with grace periods.
fn grace(object: &mut Value, options: &Options, rules: &dyn Rules, now: Timestamp) -> Grace {
    // A grace period below zero means the shortest there is.
    let requested = options.grace_period_seconds.map(|s| if s < 0 { 1 } else { s });
    let Some(seconds) = rules.deletion_grace_seconds(object, requested) else { return Grace::None };
    let metadata = &object["metadata"];
    if metadata["deletionTimestamp"].is_null() {
        let end = now.saturating_add(SignedDuration::from_secs(seconds)).unwrap_or(now);
        object["metadata"]["deletionTimestamp"] = json!(format_time(end));
        object["metadata"]["deletionGracePeriodSeconds"] = json!(seconds);
        advance_generation(object);
        return Grace::Seconds(seconds);
    }
    // An object that is marked may only be given less time.
    let Some(current) = metadata["deletionGracePeriodSeconds"].as_i64() else { return Grace::None };
    match requested {
        Some(wanted) if wanted < current => {
            if let Some(end) = metadata["deletionTimestamp"].as_str().and_then(|t| t.parse::<Timestamp>().ok()) {
                let end = end.saturating_sub(SignedDuration::from_secs(current - wanted)).unwrap_or(end);
                object["metadata"]["deletionTimestamp"] = json!(format_time(end));
            }
            object["metadata"]["deletionGracePeriodSeconds"] = json!(wanted);
            Grace::Seconds(wanted)
        }
        // Nothing holds it back and its time is over: what was left undone is done now.
        _ if current == 0 && !is_awaited(object) => Grace::Seconds(0),
        _ => Grace::Pending,
    }
}

/// Marks an object of a kind without grace periods.
fn mark(object: &mut Value, now: Timestamp) {
    if object["metadata"]["deletionTimestamp"].is_null() {
        object["metadata"]["deletionTimestamp"] = json!(format_time(now));
        advance_generation(object);
    }
    if object["kind"] == "Namespace" {
        object["status"]["phase"] = json!("Terminating");
    } else {
        object["metadata"]["deletionGracePeriodSeconds"] = json!(0);
    }
}

/// Whoever watches generations must see that the object is going.
fn advance_generation(object: &mut Value) {
    if let Some(generation) = object["metadata"]["generation"].as_i64().filter(|g| *g > 0) {
        object["metadata"]["generation"] = json!(generation + 1);
    }
}

/// Puts the garbage collector's finalizers on the object as the propagation asks. Where the delete does not say, those
/// that are there stay, and the default is to delete dependents in the background.
fn set_finalizers(object: &mut Value, options: &Options) {
    let current: Vec<&str> =
        object["metadata"]["finalizers"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let propagation = options.propagation.unwrap_or(match () {
        () if current.contains(&ORPHAN) => Propagation::Orphan,
        () if current.contains(&FOREGROUND) => Propagation::Foreground,
        () => Propagation::Background,
    });
    let wanted = match propagation {
        Propagation::Orphan => Some(ORPHAN),
        Propagation::Foreground => Some(FOREGROUND),
        Propagation::Background => None,
    };
    if wanted.is_some_and(|f| current.contains(&f)) || (wanted.is_none() && !current.iter().any(|f| is_ours(f))) {
        return;
    }
    let finalizers: Vec<&str> = current.into_iter().filter(|f| !is_ours(f)).chain(wanted).collect();
    let finalizers = json!(finalizers);
    if let Some(metadata) = object["metadata"].as_object_mut() {
        if finalizers == json!([]) {
            metadata.remove("finalizers");
        } else {
            metadata.insert("finalizers".into(), finalizers);
        }
    }
}

fn is_ours(finalizer: &str) -> bool {
    finalizer == ORPHAN || finalizer == FOREGROUND
}

#[cfg(test)]
mod tests;
