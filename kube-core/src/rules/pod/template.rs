//! Errors of pod templates, and of the annotations that pods and templates share.

use super::{all_containers, security_field, spec};
use crate::field::{Error, ErrorList, Path};
use crate::meta;
use crate::rules::access::{at, count, get, text, text_at, text_entries};
use crate::rules::format;
use serde_json::Value;

const MIRROR: &str = "kubernetes.io/config.mirror";
const DELETION_COST: &str = "controller.kubernetes.io/pod-deletion-cost";
const APP_ARMOR_PREFIX: &str = "container.apparmor.security.beta.kubernetes.io/";
const SECCOMP_POD: &str = "seccomp.security.alpha.kubernetes.io/pod";
const SECCOMP_PREFIX: &str = "container.seccomp.security.alpha.kubernetes.io/";

/// Checks the template of a workload.
pub(in crate::rules) fn check(errors: &mut ErrorList, path: &Path, template: &Value) {
    check_metadata(errors, path, template);
    let pod = &template["spec"];
    spec::check(errors, &path.child("spec"), pod, None);
    if count(pod, "ephemeralContainers") > 0 {
        errors.push(Error::forbidden(
            &path.child("spec").child("ephemeralContainers"),
            "ephemeral containers not allowed in pod template",
        ));
    }
}

/// Errors of the labels and annotations of a template.
pub(in crate::rules) fn check_metadata(errors: &mut ErrorList, path: &Path, template: &Value) {
    if let Some(labels) = at(template, &["metadata", "labels"]) {
        errors.extend(meta::validate_labels(labels, &path.child("labels")));
    }
    let annotations = path.child("annotations");
    if let Some(map) = at(template, &["metadata", "annotations"]) {
        errors.extend(meta::validate_annotations(map, &annotations));
    }
    check_annotations(errors, &annotations, &template["metadata"], &template["spec"]);
}

/// The annotations that mean something to Kubernetes itself. `path` is that of the map.
pub(super) fn check_annotations(errors: &mut ErrorList, path: &Path, metadata: &Value, pod: &Value) {
    if get(metadata, "annotations").is_none() {
        return;
    }
    for (name, value) in text_entries(metadata, "annotations") {
        match name {
            MIRROR if text(pod, "nodeName").is_empty() => errors.push(Error::invalid(
                &path.key(MIRROR),
                &value.into(),
                "must set spec.nodeName if mirror pod annotation is set",
            )),
            DELETION_COST if !is_deletion_cost(value) => {
                errors.push(Error::invalid(&path.key(name), &value.into(), "must be a 32bit integer"));
            }
            SECCOMP_POD => check_seccomp(errors, &path.child(name), value),
            _ if name.starts_with(SECCOMP_PREFIX) => check_seccomp(errors, &path.child(name), value),
            _ => {}
        }
        if let Some(container) = name.strip_prefix(APP_ARMOR_PREFIX) {
            check_app_armor(errors, &path.key(name), container, value, pod);
        }
    }
    check_app_armor_fields(errors, metadata, pod);
}

/// Without a leading zero or plus sign, so that one number has one form.
fn is_deletion_cost(value: &str) -> bool {
    let digits = value.strip_prefix('-').unwrap_or(value);
    let canonical = digits == "0" || !digits.starts_with(['0', '+']);
    canonical && value.parse::<i32>().is_ok()
}

fn check_seccomp(errors: &mut ErrorList, path: &Path, profile: &str) {
    match profile {
        "runtime/default" | "docker/default" | "unconfined" => {}
        _ => match profile.strip_prefix("localhost/") {
            Some(file) => format::check_descending(errors, path, file),
            None => errors.push(Error::invalid(path, &profile.into(), "must be a valid seccomp profile")),
        },
    }
}

fn check_app_armor(errors: &mut ErrorList, path: &Path, container: &str, profile: &str, pod: &Value) {
    if !all_containers(pod).any(|(_, _, c)| text(c, "name") == container) {
        errors.push(Error::invalid(path, &container.into(), "container not found"));
    }
    let known = matches!(profile, "" | "runtime/default" | "unconfined") || profile.starts_with("localhost/");
    if !known {
        let text = format!("invalid AppArmor profile name: {profile:?}");
        errors.push(Error::invalid(path, &profile.into(), &text));
    }
}

/// Where the annotation and the field are both given, they say the same.
fn check_app_armor_fields(errors: &mut ErrorList, metadata: &Value, pod: &Value) {
    let of_pod = security_field(pod, "appArmorProfile");
    for (field, index, container) in all_containers(pod) {
        let Some(profile) = security_field(container, "appArmorProfile").or(of_pod) else { continue };
        let key = format!("{APP_ARMOR_PREFIX}{}", text(container, "name"));
        let Some(annotation) = at(metadata, &["annotations", &key]).and_then(Value::as_str) else { continue };
        let path = || {
            let path = Path::new("spec").child(field).index(index);
            path.child("securityContext").child("appArmorProfile")
        };
        let matches = match text(profile, "type") {
            "Unconfined" => annotation == "unconfined",
            "RuntimeDefault" => annotation == "runtime/default",
            "Localhost" => annotation.starts_with("localhost/"),
            _ => true,
        };
        if !matches {
            let text = "apparmor type in annotation and field must match";
            errors.push(Error::forbidden(&path().child("type"), text));
        } else if text(profile, "type") == "Localhost"
            && annotation.strip_prefix("localhost/") != Some(text_at(profile, &["localhostProfile"]))
        {
            let text = "apparmor profile in annotation and field must match";
            errors.push(Error::forbidden(&path().child("localhostProfile"), text));
        }
    }
}

/// Annotations that an update may not add, change or remove.
pub(super) fn check_annotation_updates(errors: &mut ErrorList, new: &Value, old: &Value) {
    let path = Path::new("metadata").child("annotations");
    let special = |name: &str| name == MIRROR || name.starts_with(APP_ARMOR_PREFIX);
    let what = |name: &str| if name == MIRROR { "mirror pod annotation" } else { "AppArmor annotations" };
    let annotation = |object: &Value, name: &str| at(object, &["metadata", "annotations", name]).cloned();
    for (name, value) in text_entries(&old["metadata"], "annotations").filter(|(name, _)| special(name)) {
        if annotation(new, name).as_ref().and_then(Value::as_str) != Some(value) {
            let text = format!("may not remove or update {}", what(name));
            errors.push(Error::forbidden(&path.key(name), &text));
        }
    }
    for (name, _) in text_entries(&new["metadata"], "annotations").filter(|(name, _)| special(name)) {
        if annotation(old, name).is_none() {
            errors.push(Error::forbidden(&path.key(name), &format!("may not add {}", what(name))));
        }
    }
}

/// Whether a pod mirrors a static pod of its node.
pub(super) fn is_mirror(object: &Value) -> bool {
    at(object, &["metadata", "annotations", MIRROR]).is_some()
}
