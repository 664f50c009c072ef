//! PodGroup. Source: `pkg/apis/scheduling/validation` and `pkg/registry/scheduling/podgroup`, KEP-4671, KEP-5732.

use super::access::{get, int, list, text};
use super::{Rules, copy_field, format};
use crate::field::{Error, ErrorList, Path};
use serde_json::{Value, json};

/// Rules of PodGroups.
#[derive(Debug)]
pub struct PodGroup;

/// Fields of features that are off: preemption of whole groups, claims of groups.
pub(super) const OFF: [&str; 4] = ["resourceClaims", "disruptionMode", "priorityClassName", "priority"];

/// How many topology constraints a group may have.
const TOPOLOGY_MAX: usize = 1;

impl Rules for PodGroup {
    fn prepare_create(&self, object: &mut Value) {
        if let Some(map) = object.as_object_mut() {
            map.remove("status");
        }
        if let Some(spec) = object.get_mut("spec") {
            drop_off(spec, &Value::Null);
        }
    }

    fn prepare_update(&self, new: &mut Value, old: &Value) {
        copy_field(new, old, "status");
        if let Some(spec) = new.get_mut("spec") {
            drop_off(spec, &old["spec"]);
        }
    }

    fn validate(&self, object: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let spec = &object["spec"];
        let path = Path::new("spec");
        if let Some(reference) = get(spec, "podGroupTemplateRef") {
            check_template(&mut errors, &path.child("podGroupTemplateRef"), reference);
        }
        check_policy(&mut errors, &path.child("schedulingPolicy"), &spec["schedulingPolicy"]);
        check_constraints(&mut errors, &path.child("schedulingConstraints"), &spec["schedulingConstraints"]);
        errors
    }

    fn validate_update(&self, new: &Value, old: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        for field in ["podGroupTemplateRef", "schedulingPolicy", "schedulingConstraints"].into_iter().chain(OFF) {
            format::check_immutable(&mut errors, &Path::new("spec"), &new["spec"], &old["spec"], field);
        }
        errors
    }

    fn has_status(&self) -> bool {
        true
    }

    fn has_generation(&self) -> bool {
        true
    }
}

/// Drops what features that are off would look at, but for what is stored already: as on a create, or it could not be said
/// twice.
pub(super) fn drop_off(spec: &mut Value, old: &Value) {
    if let Some(spec) = spec.as_object_mut() {
        spec.retain(|field, _| !OFF.contains(&field.as_str()) || old.get(field).is_some());
    }
}

fn check_template(errors: &mut ErrorList, path: &Path, reference: &Value) {
    let Some(workload) = get(reference, "workload") else {
        errors.push(Error::invalid(path, &json!(""), "must specify one of: `workload`"));
        return;
    };
    let path = path.child("workload");
    for (field, check) in [
        ("workloadName", format::check_subdomain as fn(&mut ErrorList, &Path, &str)),
        ("podGroupTemplateName", format::check_label),
    ] {
        match text(workload, field) {
            "" => errors.push(Error::required(&path.child(field), "")),
            name => check(errors, &path.child(field), name),
        }
    }
}

/// At most one constraint, with the key of a label (KEP-5732).
pub(super) fn check_constraints(errors: &mut ErrorList, path: &Path, constraints: &Value) {
    let (path, topology) = (path.child("topology"), list(constraints, "topology"));
    if topology.len() > TOPOLOGY_MAX {
        errors.push(Error::too_many(&path, topology.len(), TOPOLOGY_MAX));
        return;
    }
    for (i, constraint) in topology.iter().enumerate() {
        let path = path.index(i).child("key");
        match text(constraint, "key") {
            "" => errors.push(Error::required(&path, "")),
            key => format::check_label_key(errors, &path, key),
        }
    }
}

/// Exactly one policy, and a gang of at least one pod.
pub(super) fn check_policy(errors: &mut ErrorList, path: &Path, policy: &Value) {
    match (get(policy, "basic"), get(policy, "gang")) {
        (None, None) => errors.push(Error::invalid(path, &json!(""), "must specify one of: `basic`, `gang`")),
        (Some(_), Some(_)) => {
            let problem = "exactly one of `basic`, `gang` is required, but multiple fields are set";
            errors.push(Error::invalid(path, &json!("{`basic`, `gang`}"), problem));
        }
        (None, Some(gang)) => {
            let path = path.child("gang").child("minCount");
            match int(gang, "minCount").unwrap_or(0) {
                0 => errors.push(Error::required(&path, "")),
                count if count < 0 => {
                    errors.push(Error::invalid(&path, &json!(count), "must be greater than or equal to 1"));
                }
                _ => {}
            }
        }
        (Some(_), None) => {}
    }
}
