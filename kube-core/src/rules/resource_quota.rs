//! ResourceQuota. Source: `pkg/apis/core/validation`, `pkg/registry/core/resourcequota`.

use super::access::{entries, get, list, set, text, texts};
use super::{Rules, format, resource_list};
use crate::field::{Error, ErrorList, Path};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Rules of ResourceQuotas.
#[derive(Debug)]
pub struct ResourceQuota;

const SCOPES: [&str; 7] = [
    "Terminating",
    "NotTerminating",
    "BestEffort",
    "NotBestEffort",
    "PriorityClass",
    "CrossNamespacePodAffinity",
    "VolumeAttributesClass",
];

const OUT_OF_SCOPE: &str = "unsupported scope applied to resource";

impl Rules for ResourceQuota {
    fn prepare_create(&self, object: &mut Value) {
        set(object, "status", json!({}));
    }

    fn validate(&self, object: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let path = Path::new("spec");
        let spec = &object["spec"];
        check_amounts(&mut errors, &path.child("hard"), spec, "hard");
        let scopes: Vec<&str> = texts(spec, "scopes").collect();
        for scope in &scopes {
            if !SCOPES.contains(scope) {
                errors.push(Error::invalid(&path.child("scopes"), &spec["scopes"], "unsupported scope"));
            }
            for _ in out_of_scope(scope, spec) {
                errors.push(Error::invalid(&path.child("scopes"), &spec["scopes"], OUT_OF_SCOPE));
            }
        }
        check_conflicts(&mut errors, &path.child("scopes"), &scopes, &spec["scopes"]);
        if let Some(selector) = get(spec, "scopeSelector") {
            check_selector(&mut errors, &path.child("scopeSelector").child("matchExpressions"), selector, spec);
        }
        errors
    }

    fn validate_update(&self, new: &Value, old: &Value) -> ErrorList {
        let mut errors = self.validate(new);
        let scopes = |object: &Value| texts(&object["spec"], "scopes").map(str::to_owned).collect::<BTreeSet<_>>();
        let (new_scopes, old_scopes) = (scopes(new), scopes(old));
        if new_scopes != old_scopes {
            let path = Path::new("spec").child("scopes");
            errors.push(Error::invalid(&path, &new["spec"]["scopes"], format::IMMUTABLE));
        }
        errors
    }

    fn validate_status_update(&self, new: &Value, _old: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        for field in ["hard", "used"] {
            check_amounts(&mut errors, &Path::new("status").child(field), &new["status"], field);
        }
        errors
    }

    fn has_status(&self) -> bool {
        true
    }

    fn has_generation(&self) -> bool {
        false
    }
}

fn check_amounts(errors: &mut ErrorList, path: &Path, object: &Value, field: &str) {
    for (name, value) in entries(object, field) {
        let path = path.key(name);
        // `count/<resource>.<group>` and `<class>.storageclass…` are qualified names.
        resource_list::check_quota_name(errors, &path, name);
        resource_list::check_quantity(errors, &path, name, value);
    }
}

/// The resources with a limit that objects of this scope have nothing to do with.
fn out_of_scope<'a>(scope: &'a str, spec: &'a Value) -> impl Iterator<Item = &'a String> {
    let names = entries(spec, "hard").map(|(name, _)| name);
    names.filter(move |name| resource_list::is_standard_for_quota(name) && !is_in_scope(scope, name))
}

/// Source: `IsResourceQuotaScopeValidForResource`.
fn is_in_scope(scope: &str, resource: &str) -> bool {
    const COMPUTE: [&str; 6] = ["cpu", "memory", "limits.cpu", "limits.memory", "requests.cpu", "requests.memory"];
    match scope {
        "BestEffort" => resource == "pods",
        "VolumeAttributesClass" => matches!(resource, "persistentvolumeclaims" | "requests.storage"),
        "Terminating" | "NotTerminating" | "NotBestEffort" | "PriorityClass" | "CrossNamespacePodAffinity" => {
            resource == "pods" || COMPUTE.contains(&resource)
        }
        _ => true,
    }
}

fn check_conflicts(errors: &mut ErrorList, path: &Path, scopes: &[&str], value: &Value) {
    for (a, b) in [("BestEffort", "NotBestEffort"), ("Terminating", "NotTerminating")] {
        if scopes.contains(&a) && scopes.contains(&b) {
            errors.push(Error::invalid(path, value, "conflicting scopes"));
        }
    }
}

fn check_selector(errors: &mut ErrorList, path: &Path, selector: &Value, spec: &Value) {
    let mut scopes = Vec::new();
    for requirement in list(selector, "matchExpressions") {
        let scope = text(requirement, "scopeName");
        if !SCOPES.contains(&scope) {
            errors.push(Error::invalid(&path.child("scopeName"), &scope.into(), "unsupported scope"));
        }
        for _ in out_of_scope(scope, spec) {
            errors.push(Error::invalid(&path.child("scopeName"), selector, OUT_OF_SCOPE));
        }
        let operator = text(requirement, "operator");
        if !matches!(scope, "PriorityClass" | "VolumeAttributesClass")
            && SCOPES.contains(&scope)
            && operator != "Exists"
        {
            errors.push(Error::invalid(&path.child("operator"), &operator.into(), "must be 'Exists' when scope is any of ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating, ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity"));
        }
        let values = path.child("values");
        match (operator, list(requirement, "values").len()) {
            ("In" | "NotIn", 0) => errors.push(Error::required(
                &values,
                "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector",
            )),
            ("Exists" | "DoesNotExist", 1..) => errors.push(Error::invalid(
                &values,
                &requirement["values"],
                "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector",
            )),
            ("In" | "NotIn" | "Exists" | "DoesNotExist", _) => {}
            _ => {
                errors.push(Error::invalid(&path.child("operator"), &operator.into(), "not a valid selector operator"))
            }
        }
        scopes.push(scope);
    }
    check_conflicts(errors, &Path::new("spec").child("scopes"), &scopes, &spec["scopes"]);
}
