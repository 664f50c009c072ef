//! Node. Source: `pkg/apis/core/v1/defaults.go`, `pkg/apis/core/validation`, `pkg/registry/core/node`.

use super::access::{entries, get, is_true, list, made, set, text, text_at, texts};
use super::{Rules, copy_field, format, resource_list};
use crate::field::{Error, ErrorKind, ErrorList, Path};
use serde_json::Value;
use std::collections::HashSet;

/// Rules of Nodes.
#[derive(Debug)]
pub struct Node;

const CIDR_FIXED: &str = "node updates may not change podCIDR except from \"\" to valid";

impl Rules for Node {
    fn default(&self, object: &mut Value) {
        made(object, "spec");
        mirror_pod_cidr(object);
        if let Some(status) = object.get_mut("status").filter(|status| status.is_object())
            && get(status, "allocatable").is_none()
            && let Some(capacity) = get(status, "capacity").cloned()
        {
            set(status, "allocatable", capacity);
        }
    }

    // A kubelet that registers its node sends the status with it.
    fn prepare_create(&self, object: &mut Value) {
        made(object, "status");
    }

    fn prepare_status_update(&self, new: &mut Value, old: &Value) {
        copy_field(new, old, "spec");
    }

    fn validate(&self, object: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        check_taints(&mut errors, object);
        check_resources(&mut errors, object);
        check_pod_cidrs(&mut errors, object);
        errors
    }

    fn validate_update(&self, new: &Value, old: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        check_resources(&mut errors, new);
        let mut seen = HashSet::new();
        for (index, address) in list(&new["status"], "addresses").iter().enumerate() {
            if !seen.insert((text(address, "type"), text(address, "address"))) {
                let path = Path::new("status").child("addresses").index(index);
                errors.push(Error::duplicate(&path, address));
            }
        }
        let path = Path::new("spec");
        let (spec, before) = (&new["spec"], &old["spec"]);
        if !list(before, "podCIDRs").is_empty() && list(before, "podCIDRs") != list(spec, "podCIDRs") {
            errors.push(Error::forbidden(&path.child("podCIDRs"), CIDR_FIXED));
        }
        if !text(before, "providerID").is_empty() && text(before, "providerID") != text(spec, "providerID") {
            errors.push(Error::forbidden(
                &path.child("providerID"),
                "node updates may not change providerID except from \"\" to valid",
            ));
        }
        check_taints(&mut errors, new);
        if text(spec, "externalID") != text(before, "externalID") {
            errors.push(Error::forbidden(&path.child("externalID"), "may not be updated"));
        }
        errors
    }

    fn validate_status_update(&self, new: &Value, old: &Value) -> ErrorList {
        self.validate_update(new, old)
    }

    fn warnings(&self, object: &Value) -> Vec<String> {
        let mut warnings = Vec::new();
        if get(&object["spec"], "configSource").is_some() {
            warnings.push("spec.configSource: the feature is removed in v1.24; the field is ignored".to_owned());
        }
        if !text_at(object, &["spec", "externalID"]).is_empty() {
            warnings.push("spec.externalID: this field is deprecated, and is unused by Kubernetes".to_owned());
        }
        warnings
    }

    fn has_status(&self) -> bool {
        true
    }

    fn has_generation(&self) -> bool {
        false
    }

    fn selectable_fields(&self, object: &Value) -> Vec<(&'static str, String)> {
        vec![("spec.unschedulable", is_true(&object["spec"], "unschedulable").to_string())]
    }

    fn selectable_field_names(&self) -> &'static [&'static str] {
        &["spec.unschedulable"]
    }
}

/// `podCIDR` and the first of `podCIDRs` are one field under two names.
fn mirror_pod_cidr(object: &mut Value) {
    let Some(spec) = object.get_mut("spec") else { return };
    let first = texts(spec, "podCIDRs").next().map(str::to_owned);
    match (text(spec, "podCIDR").to_owned(), first) {
        (_, Some(first)) => set(spec, "podCIDR", first),
        (one, None) if !one.is_empty() => set(spec, "podCIDRs", vec![Value::from(one)]),
        _ => {}
    }
}

fn check_taints(errors: &mut ErrorList, object: &Value) {
    // Kubernetes reports taints under metadata.
    let path = Path::new("metadata").child("taints");
    let mut seen = HashSet::new();
    for (index, taint) in list(&object["spec"], "taints").iter().enumerate() {
        let path = path.index(index);
        format::check_label_key(errors, &path.child("key"), text(taint, "key"));
        let messages = format::label_value(text(taint, "value"));
        if !messages.is_empty() {
            errors.push(Error::invalid(&path.child("value"), &text(taint, "value").into(), &messages.join(";")));
        }
        let effect = text(taint, "effect");
        if effect.is_empty() {
            errors.push(Error::required(&path.child("effect"), ""));
        } else {
            format::check_supported(errors, &path, taint, "effect", &["NoSchedule", "PreferNoSchedule", "NoExecute"]);
        }
        if !seen.insert((text(taint, "key"), effect)) {
            errors.push(Error {
                kind: ErrorKind::Duplicate,
                path,
                message: format!("Duplicate value: {taint}: taints must be unique by key and effect pair"),
            });
        }
    }
}

fn check_resources(errors: &mut ErrorList, object: &Value) {
    for field in ["capacity", "allocatable"] {
        for (name, quantity) in entries(&object["status"], field) {
            let path = Path::new("status").child(field).child(name);
            resource_list::check_quantity(errors, &path, name, quantity);
        }
    }
}

fn check_pod_cidrs(errors: &mut ErrorList, object: &Value) {
    let path = Path::new("spec").child("podCIDRs");
    let ranges: Vec<&str> = texts(&object["spec"], "podCIDRs").collect();
    for (index, range) in ranges.iter().enumerate() {
        format::check_cidr(errors, &path.index(index), range);
    }
    if ranges.len() < 2 {
        return;
    }
    let dual = ranges.len() == 2 && ranges[0].contains(':') != ranges[1].contains(':');
    if !dual {
        errors.push(Error::invalid(
            &path,
            &object["spec"]["podCIDRs"],
            "may specify no more than one CIDR for each IP family",
        ));
    }
    let mut seen = HashSet::new();
    for (index, range) in ranges.iter().enumerate() {
        if !seen.insert(range) {
            errors.push(Error::duplicate(&path.index(index), &(*range).into()));
        }
    }
}
