//! The subresources of pods: `binding`, `ephemeralcontainers`, `resize`.

use super::{check_metadata_and_spec, diff, is_sidecar, qos, template};
use crate::field::{Error, ErrorList, Path};
use crate::rules::access::{each_mut, entries, get, list, made, text, text_at};
use crate::rules::copy_field;
use crate::rules::resource_list::quantity_of;
use serde_json::Value;

/// Errors of a Binding.
pub fn validate_binding(binding: &Value) -> ErrorList {
    let mut errors = ErrorList::new();
    let path = Path::new("target");
    let kind = text_at(binding, &["target", "kind"]);
    if !matches!(kind, "" | "Node") {
        errors.push(Error::not_supported(&path.child("kind"), &kind.into(), &["<empty>", "Node"]));
    }
    if text_at(binding, &["target", "name"]).is_empty() {
        errors.push(Error::required(&path.child("name"), ""));
    }
    errors
}

/// Keeps everything of the pod but its ephemeral containers.
pub fn prepare_ephemeral_containers(new: &mut Value, old: &Value) {
    let containers = new["spec"].get("ephemeralContainers").cloned();
    keep_all_but_bookkeeping(new, old);
    if let Some(spec) = made(new, "spec") {
        match containers {
            Some(containers) => crate::rules::access::set(spec, "ephemeralContainers", containers),
            None => crate::rules::access::unset(spec, "ephemeralContainers"),
        }
    }
}

/// Errors of an update of the ephemeral containers: none may be removed or changed.
pub fn validate_ephemeral_containers(new: &Value, old: &Value) -> ErrorList {
    if template::is_mirror(old) {
        return vec![Error::forbidden(&Path::new(""), "static pods do not support ephemeral containers")];
    }
    let mut errors = check_metadata_and_spec(new);
    let path = Path::new("spec").child("ephemeralContainers");
    for before in list(&old["spec"], "ephemeralContainers") {
        let name = text(before, "name");
        match list(&new["spec"], "ephemeralContainers").iter().find(|container| text(container, "name") == name) {
            None => {
                let text = format!("existing ephemeral containers {name:?} may not be removed\n");
                errors.push(Error::forbidden(&path, &text));
            }
            Some(after) if diff::normalized(after) != diff::normalized(before) => {
                let difference = diff::text_of(before, after);
                let text = format!("existing ephemeral containers {name:?} may not be changed\n{difference}");
                errors.push(Error::forbidden(&path, &text));
            }
            Some(_) => {}
        }
    }
    errors
}

/// Keeps everything of the pod but its containers' resources and resize policies.
pub fn prepare_resize(new: &mut Value, old: &Value) {
    let given = new["spec"].clone();
    keep_all_but_bookkeeping(new, old);
    let Some(spec) = made(new, "spec") else { return };
    for field in ["containers", "initContainers"] {
        let given = list(&given, field);
        let same = given.len() == list(spec, field).len()
            && given.iter().zip(list(spec, field)).all(|(a, b)| text(a, "name") == text(b, "name"));
        if !same {
            // Validation reports what was added, removed or renamed.
            crate::rules::access::set(spec, field, given.to_vec());
            continue;
        }
        for (container, given) in each_mut(spec, field).zip(given) {
            copy_field(container, given, "resources");
            copy_field(container, given, "resizePolicy");
        }
    }
    copy_field(spec, &given, "resources");
}

/// Errors of a resize: only the CPU and memory of containers and sidecars may change.
pub fn validate_resize(new: &Value, old: &Value) -> ErrorList {
    if template::is_mirror(old) {
        return vec![Error::forbidden(&Path::new(""), "static pods cannot be resized")];
    }
    if text_at(old, &["spec", "os", "name"]) == "windows" {
        return vec![Error::forbidden(&Path::new(""), "windows pods cannot be resized")];
    }
    let mut errors = check_metadata_and_spec(new);
    let path = Path::new("spec");
    let class = text_at(old, &["status", "qosClass"]);
    if !class.is_empty() && class != qos::class(&new["spec"]) {
        let text = "Pod QOS Class may not change as a result of resizing";
        errors.push(Error::invalid(&path, &class.into(), text));
    }
    let mut kept = new["spec"].clone();
    for field in ["containers", "initContainers"] {
        if list(&kept, field).len() != list(&old["spec"], field).len() {
            errors.push(Error::forbidden(&path.child(field), "pod updates may not add or remove containers"));
            return errors;
        }
        for (index, (container, before)) in each_mut(&mut kept, field).zip(list(&old["spec"], field)).enumerate() {
            if field == "initContainers" && !is_sidecar(before) {
                if diff::normalized(container) != diff::normalized(before) {
                    let text = "resources for non-sidecar init containers are immutable";
                    errors.push(Error::forbidden(&path, text));
                }
                continue;
            }
            check_container(&mut errors, &path.child(field).index(index).child("resources"), container, before);
            restore_compute(container, before);
        }
    }
    if errors.is_empty() && diff::normalized(&kept) != diff::normalized(&old["spec"]) {
        errors.push(Error::forbidden(&path, "only cpu and memory resources are mutable"));
    }
    errors
}

fn check_container(errors: &mut ErrorList, path: &Path, container: &Value, before: &Value) {
    let (resources, old) = (&container["resources"], &before["resources"]);
    for (field, what) in [("requests", "resource requests"), ("limits", "resource limits")] {
        if entries(old, field).any(|(name, _)| get(&resources[field], name).is_none()) {
            errors.push(Error::forbidden(&path.child(field), &format!("{what} cannot be removed")));
        }
    }
    let restarts = list(container, "resizePolicy")
        .iter()
        .any(|policy| text(policy, "resourceName") == "memory" && text(policy, "restartPolicy") == "RestartContainer");
    let limit = |resources: &Value| quantity_of(&resources["limits"], "memory");
    if !restarts && limit(old).is_none() && limit(resources).is_some() {
        errors.push(Error::forbidden(
            &path.child("limits").key("memory"),
            "memory limits cannot be added unless resizePolicy is RestartContainer",
        ));
    }
}

/// Puts the old CPU and memory back, so that only other changes remain.
fn restore_compute(container: &mut Value, before: &Value) {
    let Some(resources) = made(container, "resources") else { return };
    for field in ["limits", "requests"] {
        if get(&before["resources"], field).is_none() {
            crate::rules::access::unset(resources, field);
            continue;
        }
        if let Some(list) = made(resources, field) {
            copy_field(list, &before["resources"][field], "cpu");
            copy_field(list, &before["resources"][field], "memory");
        }
    }
    copy_field(container, before, "resizePolicy");
}

/// Everything is the old pod's but what the server itself keeps in the metadata.
fn keep_all_but_bookkeeping(new: &mut Value, old: &Value) {
    let metadata = new["metadata"].clone();
    *new = old.clone();
    if let Some(kept) = made(new, "metadata") {
        for field in ["resourceVersion", "managedFields"] {
            copy_field(kept, &metadata, field);
        }
    }
}
