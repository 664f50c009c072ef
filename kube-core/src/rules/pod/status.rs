//! Updates of a pod's status.

use super::{is_sidecar, keep_metadata, template};
use crate::field::{Error, ErrorList, Path};
use crate::rules::access::{at, get, int, list, made, set, text, text_at};
use crate::rules::{copy_field, format};
use serde_json::Value;
use std::collections::BTreeSet;

/// Keeps the spec, the owners and the class; the status and the rest of the metadata are the new ones.
pub(super) fn prepare(new: &mut Value, old: &Value) {
    copy_field(new, old, "spec");
    for field in ["ownerReferences", "deletionTimestamp", "deletionGracePeriodSeconds"] {
        keep_metadata(new, old, field);
    }
    if let Some(status) = made(new, "status")
        && text(status, "qosClass").is_empty()
    {
        copy_field(status, &old["status"], "qosClass");
    }
    keep_observed_generation(new, old);
}

/// Old kubelets do not send `observedGeneration`; what was known stays.
fn keep_observed_generation(new: &mut Value, old: &Value) {
    let Some(status) = made(new, "status") else { return };
    if int(status, "observedGeneration").unwrap_or(0) == 0 {
        copy_field(status, &old["status"], "observedGeneration");
    }
    for condition in crate::rules::access::each_mut(status, "conditions") {
        if int(condition, "observedGeneration").unwrap_or(0) != 0 {
            continue;
        }
        let before = list(&old["status"], "conditions").iter().find(|c| text(c, "type") == text(condition, "type"));
        if let Some(generation) = before.and_then(|c| int(c, "observedGeneration")).filter(|g| *g != 0) {
            set(condition, "observedGeneration", generation);
        }
    }
}

/// Errors of an update of the status.
pub(super) fn check(new: &Value, old: &Value) -> ErrorList {
    let mut errors = ErrorList::new();
    template::check_annotation_updates(&mut errors, new, old);
    for (index, condition) in list(&new["status"], "conditions").iter().enumerate() {
        let kind = text(condition, "type");
        if !matches!(kind, "PodScheduled" | "Ready" | "Initialized") {
            let path = Path::new("metadata").child("conditions").index(index).child("Type");
            format::check_qualified_name(&mut errors, &path, kind);
        }
    }
    let path = Path::new("status");
    if text_at(new, &["spec", "nodeName"]) != text_at(old, &["spec", "nodeName"]) {
        errors.push(Error::forbidden(&path.child("nodeName"), "may not be changed directly"));
    }
    let nominated = text_at(new, &["status", "nominatedNodeName"]);
    if !nominated.is_empty() && nominated != text_at(old, &["status", "nominatedNodeName"]) {
        format::check_subdomain(&mut errors, &path.child("nominatedNodeName"), nominated);
    }
    format::check_immutable(&mut errors, &path, &new["status"], &old["status"], "qosClass");
    check_transitions(&mut errors, &path, new, old);
    check_addresses(&mut errors, &path, &new["status"]);
    errors
}

/// A container that has ended stays ended, unless the restart policy restarts it.
fn check_transitions(errors: &mut ErrorList, path: &Path, new: &Value, old: &Value) {
    let policy = text_at(old, &["spec", "restartPolicy"]);
    for field in ["containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses"] {
        // Ephemeral containers are never restarted.
        let policy = if field == "ephemeralContainerStatuses" { "Never" } else { policy };
        if policy == "Always" {
            continue;
        }
        for (index, before) in list(&old["status"], field).iter().enumerate() {
            let Some(ended) = at(before, &["state", "terminated"]) else { continue };
            let failed = int(ended, "exitCode").unwrap_or(0) != 0;
            if (failed && policy == "OnFailure") || may_restart(&old["spec"], text(before, "name")) {
                continue;
            }
            let revived = list(&new["status"], field)
                .iter()
                .any(|now| text(now, "name") == text(before, "name") && at(now, &["state", "terminated"]).is_none());
            if revived {
                let text = "may not be transitioned to non-terminated state";
                errors.push(Error::forbidden(&path.child(field).index(index).child("state"), text));
            }
        }
    }
}

/// Whether a container has a restart policy or rules of its own.
fn may_restart(spec: &Value, name: &str) -> bool {
    ["initContainers", "containers"].iter().flat_map(|field| list(spec, field)).any(|container| {
        text(container, "name") == name
            && (is_sidecar(container)
                || get(container, "restartPolicy").is_some()
                || get(container, "restartPolicyRules").is_some())
    })
}

fn check_addresses(errors: &mut ErrorList, path: &Path, status: &Value) {
    for field in ["podIPs", "hostIPs"] {
        let path = path.child(field);
        let ips: Vec<&str> = list(status, field).iter().map(|entry| text(entry, "ip")).collect();
        if field == "hostIPs" && ips.first().is_some_and(|first| *first != text(status, "hostIP")) {
            let path = path.index(0).child("ip");
            errors.push(Error::invalid(&path, &ips[0].into(), "must be equal to `hostIP`"));
        }
        for (index, ip) in ips.iter().enumerate() {
            format::check_ip(errors, &path.index(index), ip);
        }
        if ips.len() < 2 {
            continue;
        }
        let dual = ips.len() == 2 && ips[0].contains(':') != ips[1].contains(':');
        if !dual {
            let text = "may specify no more than one IP for each IP family";
            errors.push(Error::invalid(&path, &status[field], text));
        }
        let mut seen = BTreeSet::new();
        for (index, entry) in list(status, field).iter().enumerate() {
            if !seen.insert(text(entry, "ip")) {
                errors.push(Error::duplicate(&path.index(index), entry));
            }
        }
    }
}
