//! Workload. Source: `pkg/apis/scheduling/validation`, KEP-4671.

use super::access::{each_mut, get, list, text};
use super::pod_group::{check_constraints, check_policy, drop_off};
use super::{Rules, format};
use crate::field::{Error, ErrorList, Path};
use serde_json::Value;
use std::collections::BTreeSet;

/// Rules of Workloads.
#[derive(Debug)]
pub struct Workload;

/// How many templates a workload may have.
const TEMPLATES_MAX: usize = 8;

impl Rules for Workload {
    fn prepare_create(&self, object: &mut Value) {
        if let Some(spec) = object.get_mut("spec") {
            each_mut(spec, "podGroupTemplates").for_each(|template| drop_off(template, &Value::Null));
        }
    }

    fn prepare_update(&self, new: &mut Value, old: &Value) {
        let Some(spec) = new.get_mut("spec") else { return };
        let stored = list(&old["spec"], "podGroupTemplates").iter().chain(std::iter::repeat(&Value::Null));
        each_mut(spec, "podGroupTemplates").zip(stored).for_each(|(template, old)| drop_off(template, old));
    }

    fn validate(&self, object: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let spec = &object["spec"];
        let path = Path::new("spec");
        if let Some(reference) = get(spec, "controllerRef") {
            check_reference(&mut errors, &path.child("controllerRef"), reference);
        }
        let templates = list(spec, "podGroupTemplates");
        let path = path.child("podGroupTemplates");
        if templates.is_empty() {
            errors.push(Error::required(&path, "must have at least one item"));
        } else if templates.len() > TEMPLATES_MAX {
            errors.push(Error::too_many(&path, templates.len(), TEMPLATES_MAX));
        } else {
            check_templates(&mut errors, &path, templates);
        }
        errors
    }

    fn validate_update(&self, new: &Value, old: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let path = Path::new("spec");
        match (get(&old["spec"], "controllerRef"), get(&new["spec"], "controllerRef")) {
            (None, Some(reference)) => check_reference(&mut errors, &path.child("controllerRef"), reference),
            _ => format::check_immutable(&mut errors, &path, &new["spec"], &old["spec"], "controllerRef"),
        }
        format::check_immutable(&mut errors, &path, &new["spec"], &old["spec"], "podGroupTemplates");
        errors
    }

    fn has_generation(&self) -> bool {
        true
    }
}

fn check_reference(errors: &mut ErrorList, path: &Path, reference: &Value) {
    match text(reference, "apiGroup") {
        "" => {}
        group => format::check_subdomain(errors, &path.child("apiGroup"), group),
    }
    for field in ["kind", "name"] {
        match text(reference, field) {
            "" => errors.push(Error::required(&path.child(field), "")),
            name => format::invalid(errors, &path.child(field), name, format::path_segment(name)),
        }
    }
}

fn check_templates(errors: &mut ErrorList, path: &Path, templates: &[Value]) {
    let mut names = BTreeSet::new();
    for (i, template) in templates.iter().enumerate() {
        let path = path.index(i);
        match text(template, "name") {
            "" => errors.push(Error::required(&path.child("name"), "")),
            name => format::check_label(errors, &path.child("name"), name),
        }
        if !names.insert(text(template, "name")) {
            errors.push(Error::duplicate(&path, template));
        }
        check_policy(errors, &path.child("schedulingPolicy"), &template["schedulingPolicy"]);
        check_constraints(errors, &path.child("schedulingConstraints"), &template["schedulingConstraints"]);
    }
}
