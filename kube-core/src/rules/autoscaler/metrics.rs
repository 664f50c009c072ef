//! Errors of the metrics that an autoscaler follows.

use super::check_reference;
use crate::field::{Error, ErrorList, Path};
use crate::rules::access::{get, int, text};
use crate::rules::format;
use crate::rules::resource_list::{self, quantity};
use serde_json::Value;

/// The types of metrics, with the field that each is described in, in the order in which Kubernetes looks at them.
const SOURCES: [(&str, &str); 5] = [
    ("Object", "object"),
    ("External", "external"),
    ("Pods", "pods"),
    ("Resource", "resource"),
    ("ContainerResource", "containerResource"),
];

/// Checks one metric.
pub(super) fn check(errors: &mut ErrorList, path: &Path, metric: &Value) {
    let kind = text(metric, "type");
    let expected = SOURCES.iter().find(|(name, _)| *name == kind).map(|(_, field)| *field);
    if kind.is_empty() {
        errors.push(Error::required(&path.child("type"), "must specify a metric source type"));
    }
    if expected.is_none() {
        errors.push(Error::not_supported(&path.child("type"), &kind.into(), &SOURCES.map(|(name, _)| name)));
    }
    let mut given = SOURCES.iter().map(|(_, field)| *field).filter(|field| get(metric, field).is_some()).peekable();
    if let Some(first) = given.peek() {
        check_source(errors, &path.child(first), first, &metric[*first]);
    }
    if let Some(expected) = expected.filter(|expected| get(metric, expected).is_none()) {
        errors.push(Error::required(&path.child(expected), "must populate information for the given metric source"));
    }
    let given: Vec<&str> = given.collect();
    if given.len() > 1 {
        for other in given.into_iter().filter(|field| Some(*field) != expected) {
            errors.push(Error::forbidden(&path.child(other), "must populate the given metric source only"));
        }
    }
}

fn check_source(errors: &mut ErrorList, path: &Path, kind: &str, source: &Value) {
    let target = path.child("target");
    match kind {
        "object" => {
            check_reference(errors, &path.child("describedObject"), &source["describedObject"]);
            check_identifier(errors, path, source);
        }
        "pods" | "external" => check_identifier(errors, path, source),
        _ => check_resource(errors, path, kind, source),
    }
    check_target(errors, &target, &source["target"]);
    check_amounts(errors, &target, kind, &source["target"]);
}

fn check_identifier(errors: &mut ErrorList, path: &Path, source: &Value) {
    let path = path.child("metric").child("name");
    match text(&source["metric"], "name") {
        "" => errors.push(Error::required(&path, "must specify a metric name")),
        name => format::invalid(errors, &path, name, format::path_segment(name)),
    }
}

fn check_resource(errors: &mut ErrorList, path: &Path, kind: &str, source: &Value) {
    let of_container = kind == "containerResource";
    match text(source, "name") {
        "" => errors.push(Error::required(&path.child("name"), "must specify a resource name")),
        name if of_container => resource_list::check_container_name(errors, &path.child("name"), name),
        _ => {}
    }
    match text(source, "container") {
        _ if !of_container => {}
        "" => errors.push(Error::required(&path.child("container"), "must specify a container")),
        name => format::check_label(errors, &path.child("container"), name),
    }
}

fn check_target(errors: &mut ErrorList, path: &Path, target: &Value) {
    let kind = text(target, "type");
    if kind.is_empty() {
        errors.push(Error::required(&path.child("type"), "must specify a metric target type"));
    }
    if !matches!(kind, "Utilization" | "Value" | "AverageValue") {
        let text = "must be either Utilization, Value, or AverageValue";
        errors.push(Error::invalid(&path.child("type"), &kind.into(), text));
    }
    for field in ["value", "averageValue"] {
        if quantity(&target[field]).is_some_and(|amount| amount.is_zero() || amount.is_negative()) {
            errors.push(Error::invalid(&path.child(field), &target[field], "must be positive"));
        }
    }
    if let Some(percent) = int(target, "averageUtilization").filter(|percent| *percent < 1) {
        errors.push(Error::invalid(&path.child("averageUtilization"), &percent.into(), "must be greater than 0"));
    }
}

/// Which of the amounts of a target a kind of metric has.
fn check_amounts(errors: &mut ErrorList, path: &Path, kind: &str, target: &Value) {
    let [value, average, percent] =
        ["value", "averageValue", "averageUtilization"].map(|field| get(target, field).is_some());
    let mut required = |field: &str, text: &str| errors.push(Error::required(&path.child(field), text));
    match kind {
        "object" if !value && !average => {
            required("averageValue", "must set either a target value or averageValue");
        }
        "external" if !value && !average => {
            required("averageValue", "must set either a target value for metric or a per-pod target");
        }
        "external" if value && average => {
            let text = "may not set both a target value for metric and a per-pod target";
            errors.push(Error::forbidden(&path.child("value"), text));
        }
        "pods" if !average => required("averageValue", "must specify a positive target averageValue"),
        "resource" | "containerResource" if !average && !percent => {
            required("averageUtilization", "must set either a target raw value or a target utilization");
        }
        "resource" | "containerResource" if average && percent => {
            let text = "may not set both a target raw value and a target utilization";
            errors.push(Error::forbidden(&path.child("averageValue"), text));
        }
        _ => {}
    }
}
