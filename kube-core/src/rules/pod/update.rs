//! What an update of a pod may change.

use super::{diff, scheduling, template};
use crate::field::{Error, ErrorList, Path};
use crate::rules::access::{at, count, each_mut, get, int, list, made, set, text, text_entries, unset};
use crate::rules::copy_field;
use serde_json::Value;

/// What may change, as the error lists it.
const UPDATABLE: &str = "`spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,\
                         `spec.tolerations` (only additions to existing tolerations),\
                         `spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";
const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";

/// Checks an update of a pod, beyond the new pod itself.
pub(super) fn check(errors: &mut ErrorList, new: &Value, old: &Value) {
    template::check_annotation_updates(errors, new, old);
    let path = Path::new("spec");
    let (spec, before) = (&new["spec"], &old["spec"]);
    for field in ["containers", "initContainers"] {
        if count(spec, field) != count(before, field) {
            errors.push(Error::forbidden(&path.child(field), "pod updates may not add or remove containers"));
            return;
        }
    }
    if !check_deadline(errors, &path, spec, before) {
        return;
    }
    scheduling::check_only_added_tolerations(errors, &path.child("tolerations"), spec, before);
    scheduling::check_only_deleted_gates(errors, &path.child("schedulingGates"), spec, before);
    let (mut kept, normalized) = (diff::normalized(spec), diff::normalized(before));
    if kept == normalized {
        return;
    }
    restore_updatable(&mut kept, &normalized);
    if !list(before, "schedulingGates").is_empty() {
        check_gated(errors, &path, &mut kept, &normalized);
    }
    if kept != normalized {
        let text =
            format!("pod updates may not change fields other than {UPDATABLE}\n{}", diff::text_of(&normalized, &kept));
        errors.push(Error::forbidden(&path, &text));
    }
}

/// A deadline may come, or become shorter. `false` ends the checks, as in Kubernetes.
fn check_deadline(errors: &mut ErrorList, path: &Path, spec: &Value, old: &Value) -> bool {
    let path = path.child("activeDeadlineSeconds");
    match (int(spec, "activeDeadlineSeconds"), int(old, "activeDeadlineSeconds")) {
        (Some(new), _) if !(0..=i64::from(i32::MAX)).contains(&new) => {
            errors.push(Error::invalid(&path, &new.into(), "must be between 0 and 2147483647, inclusive"));
            false
        }
        (Some(new), Some(old)) if old < new => {
            errors.push(Error::invalid(&path, &new.into(), "must be less than or equal to previous value"));
            false
        }
        (None, Some(_)) => {
            let text = "must not update from a positive integer to nil value";
            errors.push(Error::invalid(&path, &Value::Null, text));
            true
        }
        _ => true,
    }
}

/// Puts back what may change, so that only what may not remains different.
fn restore_updatable(kept: &mut Value, old: &Value) {
    for field in ["containers", "initContainers"] {
        for (container, before) in each_mut(kept, field).zip(list(old, field)) {
            copy_field(container, before, "image");
        }
    }
    for field in ["activeDeadlineSeconds", "schedulingGates", "tolerations"] {
        copy_field(kept, old, field);
    }
    let grace = "terminationGracePeriodSeconds";
    if int(old, grace).is_some_and(|seconds| seconds < 0) && int(kept, grace) == Some(1) {
        copy_field(kept, old, grace);
    }
}

/// A pod that waits at a gate may be narrowed down: more node selectors, more node affinity. Source: KEP-3838.
fn check_gated(errors: &mut ErrorList, path: &Path, kept: &mut Value, old: &Value) {
    if get(kept, "nodeSelector") != get(old, "nodeSelector") {
        let lost = text_entries(old, "nodeSelector").any(|(key, value)| text(&kept["nodeSelector"], key) != value);
        if lost {
            let text = "only additions to spec.nodeSelector are allowed (no mutations or deletions)";
            errors.push(Error::invalid(&path.child("nodeSelector"), &kept["nodeSelector"], text));
        }
        copy_field(kept, old, "nodeSelector");
    }
    let new = at(kept, &["affinity", "nodeAffinity"]).cloned();
    let before = at(old, &["affinity", "nodeAffinity"]).cloned();
    if new == before {
        return;
    }
    let field = path.child("affinity").child("nodeAffinity").child(REQUIRED).child("nodeSelectorTerms");
    check_node_affinity(errors, &field, new.as_ref(), before.as_ref());
    match before {
        Some(before) => {
            if let Some(affinity) = made(kept, "affinity") {
                set(affinity, "nodeAffinity", before);
            }
        }
        None => {
            if let Some(affinity) = kept.get_mut("affinity") {
                unset(affinity, "nodeAffinity");
                if get(old, "affinity").is_none() && affinity.as_object().is_some_and(serde_json::Map::is_empty) {
                    unset(kept, "affinity");
                }
            }
        }
    }
}

fn check_node_affinity(errors: &mut ErrorList, path: &Path, new: Option<&Value>, old: Option<&Value>) {
    let terms = |affinity: Option<&Value>| {
        affinity.and_then(|a| get(a, REQUIRED)).map_or(Vec::new(), |r| list(r, "nodeSelectorTerms").to_vec())
    };
    let (new, old) = (terms(new), terms(old));
    if old.is_empty() {
        return;
    }
    if old.len() != new.len() {
        let text = "no additions/deletions to non-empty NodeSelectorTerms list are allowed";
        errors.push(Error::invalid(path, &new.into(), text));
        return;
    }
    for (index, (after, before)) in new.iter().zip(&old).enumerate() {
        let only_added =
            ["matchExpressions", "matchFields"].iter().all(|field| list(after, field).starts_with(list(before, field)));
        let empty = |term: &Value| count(term, "matchExpressions") + count(term, "matchFields") == 0;
        if !only_added || (empty(before) && !empty(after)) {
            let text = "only additions are allowed (no mutations or deletions)";
            errors.push(Error::invalid(&path.index(index), after, text));
        }
    }
}
