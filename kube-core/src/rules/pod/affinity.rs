//! Errors of node affinity and pod affinity.

use crate::field::{Error, ErrorList, Path};
use crate::rules::access::{count, get, int, list, text, texts};
use crate::rules::{format, selector};
use serde_json::Value;

const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";
const PREFERRED: &str = "preferredDuringSchedulingIgnoredDuringExecution";

/// Checks `affinity`.
pub(super) fn check(errors: &mut ErrorList, path: &Path, affinity: &Value) {
    if let Some(node) = get(affinity, "nodeAffinity") {
        check_node(errors, &path.child("nodeAffinity"), node);
    }
    for name in ["podAffinity", "podAntiAffinity"] {
        let Some(pods) = get(affinity, name) else { continue };
        let path = path.child(name);
        for (index, term) in list(pods, REQUIRED).iter().enumerate() {
            check_pod_term(errors, &path.child(REQUIRED).index(index), term);
        }
        for (index, weighted) in list(pods, PREFERRED).iter().enumerate() {
            let path = path.child(PREFERRED).index(index);
            check_weight(errors, &path, weighted);
            check_pod_term(errors, &path.child("podAffinityTerm"), &weighted["podAffinityTerm"]);
        }
    }
}

fn check_node(errors: &mut ErrorList, path: &Path, node: &Value) {
    if let Some(required) = get(node, REQUIRED) {
        check_node_selector(errors, &path.child(REQUIRED), required);
    }
    for (index, weighted) in list(node, PREFERRED).iter().enumerate() {
        let path = path.child(PREFERRED).index(index);
        check_weight(errors, &path, weighted);
        check_node_term(errors, &path.child("preference"), &weighted["preference"], false);
    }
}

/// Checks a selector of nodes: of a pod, or of a volume that not all nodes reach.
pub(in crate::rules) fn check_node_selector(errors: &mut ErrorList, path: &Path, selector: &Value) {
    let path = path.child("nodeSelectorTerms");
    if count(selector, "nodeSelectorTerms") == 0 {
        errors.push(Error::required(&path, "must have at least one node selector term"));
    }
    for (index, term) in list(selector, "nodeSelectorTerms").iter().enumerate() {
        check_node_term(errors, &path.index(index), term, true);
    }
}

fn check_weight(errors: &mut ErrorList, path: &Path, weighted: &Value) {
    let weight = int(weighted, "weight").unwrap_or(0);
    if !(1..=100).contains(&weight) {
        errors.push(Error::invalid(&path.child("weight"), &weight.into(), "must be in the range 1-100"));
    }
}

/// `values`: whether the values must be labels' values; a preference may name what no node has.
fn check_node_term(errors: &mut ErrorList, path: &Path, term: &Value, values: bool) {
    for (index, requirement) in list(term, "matchExpressions").iter().enumerate() {
        check_expression(errors, &path.child("matchExpressions").index(index), requirement, values);
    }
    for (index, requirement) in list(term, "matchFields").iter().enumerate() {
        let path = path.child("matchFields").index(index);
        match text(requirement, "operator") {
            "In" | "NotIn" if count(requirement, "values") != 1 => errors.push(Error::required(
                &path.child("values"),
                "must be only one value when `operator` is 'In' or 'NotIn' for node field selector",
            )),
            "In" | "NotIn" => {}
            other => {
                errors.push(Error::invalid(&path.child("operator"), &other.into(), "not a valid selector operator"));
            }
        }
        match text(requirement, "key") {
            "metadata.name" => {
                for (index, name) in texts(requirement, "values").enumerate() {
                    format::check_subdomain(errors, &path.child("values").index(index), name);
                }
            }
            other => errors.push(Error::invalid(&path.child("key"), &other.into(), "not a valid field selector key")),
        }
    }
}

fn check_expression(errors: &mut ErrorList, path: &Path, requirement: &Value, check_values: bool) {
    let values = path.child("values");
    match (text(requirement, "operator"), count(requirement, "values")) {
        ("In" | "NotIn", 0) => {
            errors.push(Error::required(&values, "must be specified when `operator` is 'In' or 'NotIn'"));
        }
        ("Exists" | "DoesNotExist", 1..) => {
            errors.push(Error::forbidden(&values, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"))
        }
        ("Gt" | "Lt", given) if given != 1 => {
            errors.push(Error::required(&values, "must be specified single value when `operator` is 'Lt' or 'Gt'"))
        }
        ("In" | "NotIn" | "Exists" | "DoesNotExist" | "Gt" | "Lt", _) => {}
        (other, _) => {
            errors.push(Error::invalid(&path.child("operator"), &other.into(), "not a valid selector operator"));
        }
    }
    format::check_label_key(errors, &path.child("key"), text(requirement, "key"));
    if check_values {
        for (index, value) in texts(requirement, "values").enumerate() {
            format::invalid(errors, &values.index(index), value, format::label_value(value));
        }
    }
}

fn check_pod_term(errors: &mut ErrorList, path: &Path, term: &Value) {
    for field in ["labelSelector", "namespaceSelector"] {
        if let Some(value) = get(term, field) {
            selector::check(errors, &path.child(field), value);
        }
    }
    for namespace in texts(term, "namespaces") {
        format::check_label(errors, &path.child("namespace"), namespace);
    }
    check_keys(errors, path, term);
    let key = text(term, "topologyKey");
    if key.is_empty() {
        errors.push(Error::required(&path.child("topologyKey"), "can not be empty"));
    }
    format::check_label_key(errors, &path.child("topologyKey"), key);
}

/// `matchLabelKeys` and `mismatchLabelKeys`. Source: KEP-3633.
fn check_keys(errors: &mut ErrorList, path: &Path, term: &Value) {
    for field in ["matchLabelKeys", "mismatchLabelKeys"] {
        if count(term, field) > 0 && get(term, "labelSelector").is_none() {
            let text = "must not be specified when labelSelector is not set";
            errors.push(Error::forbidden(&path.child(field), text));
            continue;
        }
        for (index, key) in texts(term, field).enumerate() {
            format::check_label_key(errors, &path.child(field).index(index), key);
        }
    }
    for (index, key) in texts(term, "matchLabelKeys").enumerate() {
        // The key is in the selector once, since it is added there when a pod is created; twice is the author's.
        let given = get(term, "labelSelector").map_or(0, |s| selector::keys(s).filter(|k| *k == key).count());
        if given > 1 {
            let text = "exists in both matchLabelKeys and labelSelector";
            errors.push(Error::invalid(&path.index(index), &key.into(), text));
        }
        if texts(term, "mismatchLabelKeys").any(|other| other == key) {
            let text = "exists in both matchLabelKeys and mismatchLabelKeys";
            errors.push(Error::invalid(&path.child("matchLabelKeys").index(index), &key.into(), text));
        }
    }
}
