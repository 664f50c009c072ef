//! Pod. Source: `pkg/apis/core/v1/defaults.go`, `pkg/apis/core/validation`, `pkg/registry/core/pod`.
//!
//! Start at `spec::check`, which a pod and every pod template go through.

pub(super) mod affinity;
mod containers;
pub(super) mod defaults;
mod diff;
mod environment;
mod mounts;
mod operating_system;
mod probes;
pub mod qos;
mod resources;
pub(super) mod scheduling;
mod security;
mod spec;
mod status;
pub mod subresources;
pub(super) mod template;
mod update;
pub(super) mod volumes;
pub(super) mod warnings;

use super::access::{at, get, int, is_true, list, set, text, text_at};
use super::{Rules, copy_field};
use crate::field::{Error, ErrorList, Path};
use serde_json::{Value, json};

/// Rules of Pods.
#[derive(Debug)]
pub struct Pod;

impl Rules for Pod {
    fn default(&self, object: &mut Value) {
        defaults::pod(object);
    }

    fn prepare_create(&self, object: &mut Value) {
        let class = qos::class(&object["spec"]);
        let mut status = json!({"phase": "Pending", "qosClass": class});
        if !list(&object["spec"], "schedulingGates").is_empty() {
            status["conditions"] = json!([{
                "type": "PodScheduled", "status": "False", "reason": "SchedulingGated",
                "message": "Scheduling is blocked due to non-empty scheduling gates",
            }]);
        }
        set(object, "status", status);
        scheduling::apply_match_label_keys(object);
    }

    fn prepare_status_update(&self, new: &mut Value, old: &Value) {
        status::prepare(new, old);
    }

    fn validate(&self, object: &Value) -> ErrorList {
        let mut errors = check_metadata_and_spec(object);
        let spec = &object["spec"];
        let path = Path::new("spec");
        if !list(spec, "ephemeralContainers").is_empty() {
            errors.push(Error::forbidden(&path.child("ephemeralContainers"), "cannot be set on create"));
        }
        if !text(spec, "nodeName").is_empty() && !list(spec, "schedulingGates").is_empty() {
            let text = "cannot be set until all schedulingGates have been cleared";
            errors.push(Error::forbidden(&path.child("nodeName"), text));
        }
        errors
    }

    fn validate_update(&self, new: &Value, old: &Value) -> ErrorList {
        let mut errors = check_metadata_and_spec(new);
        update::check(&mut errors, new, old);
        errors
    }

    fn validate_status_update(&self, new: &Value, old: &Value) -> ErrorList {
        status::check(new, old)
    }

    fn warnings_of_create(&self, object: &Value) -> Vec<String> {
        let mut warnings = warnings::of_name(object, "the Pod's hostname");
        warnings.extend(self.warnings(object));
        warnings
    }

    fn warnings(&self, object: &Value) -> Vec<String> {
        warnings::of_spec("", &object["spec"], &object["metadata"])
    }

    fn has_status(&self) -> bool {
        true
    }

    fn selectable_fields(&self, object: &Value) -> Vec<(&'static str, String)> {
        let spec = &object["spec"];
        let status = &object["status"];
        let ip = list(status, "podIPs").first().map_or_else(|| text(status, "podIP"), |ip| text(ip, "ip"));
        vec![
            ("spec.hostNetwork", is_true(spec, "hostNetwork").to_string()),
            ("spec.nodeName", text(spec, "nodeName").to_owned()),
            ("spec.restartPolicy", text(spec, "restartPolicy").to_owned()),
            ("spec.schedulerName", text(spec, "schedulerName").to_owned()),
            ("spec.serviceAccountName", text(spec, "serviceAccountName").to_owned()),
            ("status.nominatedNodeName", text(status, "nominatedNodeName").to_owned()),
            ("status.phase", text(status, "phase").to_owned()),
            ("status.podIP", ip.to_owned()),
        ]
    }

    fn selectable_field_names(&self) -> &'static [&'static str] {
        &[
            "spec.hostNetwork",
            "spec.nodeName",
            "spec.restartPolicy",
            "spec.schedulerName",
            "spec.serviceAccountName",
            "status.nominatedNodeName",
            "status.phase",
            "status.podIP",
        ]
    }

    /// What the client asked for, or the pod's own grace period; nothing for a pod that no node has, or that has ended.
    fn deletion_grace_seconds(&self, object: &Value, requested: Option<i64>) -> Option<i64> {
        let own = || int(&object["spec"], "terminationGracePeriodSeconds").unwrap_or(0);
        let seconds = requested.unwrap_or_else(own);
        let unscheduled = text_at(object, &["spec", "nodeName"]).is_empty();
        let ended = matches!(text_at(object, &["status", "phase"]), "Failed" | "Succeeded");
        Some(match seconds {
            _ if unscheduled || ended => 0,
            negative if negative < 0 => 1,
            seconds => seconds,
        })
    }
}

/// What holds for a pod but not for a template of one, beside what holds for both.
fn check_metadata_and_spec(object: &Value) -> ErrorList {
    let mut errors = ErrorList::new();
    let spec = &object["spec"];
    template::check_annotations(&mut errors, &Path::new("metadata").child("annotations"), &object["metadata"], spec);
    let path = Path::new("spec");
    spec::check(&mut errors, &path, spec, Some(&object["metadata"]));
    if text(spec, "serviceAccountName").is_empty() {
        for (index, volume) in list(spec, "volumes").iter().enumerate() {
            for (at, source) in get(volume, "projected").map_or(&[][..], |p| list(p, "sources")).iter().enumerate() {
                if get(source, "serviceAccountToken").is_some() {
                    let path = path.child("volumes").index(index).child("projected").child("sources").index(at);
                    let text = "must not be specified when serviceAccountName is not set";
                    errors.push(Error::forbidden(&path.child("serviceAccountToken"), text));
                }
            }
        }
    }
    for field in ["containers", "initContainers"] {
        for (index, container) in list(spec, field).iter().enumerate() {
            containers::check_image_spaces(&mut errors, || path.child(field).index(index), container);
        }
    }
    errors
}

/// The containers of a pod spec of every kind, with the lists they are in.
fn all_containers(spec: &Value) -> impl Iterator<Item = (&'static str, usize, &Value)> {
    ["initContainers", "containers", "ephemeralContainers"]
        .into_iter()
        .flat_map(move |field| list(spec, field).iter().enumerate().map(move |(index, c)| (field, index, c)))
}

/// Whether an init container keeps running beside the others: a sidecar.
fn is_sidecar(container: &Value) -> bool {
    text(container, "restartPolicy") == "Always"
}

/// A field of the security context of a pod or container.
fn security_field<'a>(owner: &'a Value, field: &str) -> Option<&'a Value> {
    at(owner, &["securityContext", field])
}

/// Whether the pod uses user namespaces of the host, as it does unless it says otherwise.
fn uses_host_users(spec: &Value) -> bool {
    super::access::boolean(spec, "hostUsers") != Some(false)
}

/// Keeps `field` of the old object's metadata.
fn keep_metadata(new: &mut Value, old: &Value, field: &str) {
    if let Some(metadata) = new.get_mut("metadata") {
        copy_field(metadata, &old["metadata"], field);
    }
}
