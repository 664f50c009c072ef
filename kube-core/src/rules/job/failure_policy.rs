//! Errors of `podFailurePolicy`: what the end of a pod means for its Job. Source: KEP-3329, `pkg/apis/batch/validation`.

use crate::field::{Error, ErrorList, Path};
use crate::rules::access::{get, list, text};
use crate::rules::format;
use serde_json::Value;
use std::collections::BTreeSet;

const RULES_MAX: usize = 20;
const CONDITIONS_MAX: usize = 20;
const EXIT_CODES_MAX: usize = 255;

/// Checks the policy of the spec of a Job; `path` is the policy's.
pub(super) fn check(errors: &mut ErrorList, path: &Path, spec: &Value) {
    let rules = list(&spec["podFailurePolicy"], "rules");
    let path = path.child("rules");
    if rules.len() > RULES_MAX {
        errors.push(Error::too_many(&path, rules.len(), RULES_MAX));
    }
    let pod = &spec["template"]["spec"];
    let containers: BTreeSet<&str> =
        ["containers", "initContainers"].iter().flat_map(|field| list(pod, field)).map(|c| text(c, "name")).collect();
    for (index, rule) in rules.iter().enumerate() {
        let path = path.index(index);
        check_action(errors, &path, rule, get(spec, "backoffLimitPerIndex").is_some());
        let codes = get(rule, "onExitCodes");
        if let Some(codes) = codes {
            check_exit_codes(errors, &path.child("onExitCodes"), codes, &containers);
        }
        check_conditions(errors, &path.child("onPodConditions"), list(rule, "onPodConditions"));
        match (codes.is_some(), list(rule, "onPodConditions").is_empty()) {
            (true, false) => {
                let text = "specifying both OnExitCodes and OnPodConditions is not supported";
                errors.push(Error::invalid_without_value(&path, text));
            }
            (false, true) => {
                let text = "specifying one of OnExitCodes and OnPodConditions is required";
                errors.push(Error::invalid_without_value(&path, text));
            }
            _ => {}
        }
    }
}

/// A value out of a set, whose absence is told with the set.
fn check_one_of(errors: &mut ErrorList, path: &Path, object: &Value, field: &str, supported: &[&str]) {
    if text(object, field).is_empty() {
        let shown: Vec<String> = supported.iter().map(|value| format!("{value:?}")).collect();
        errors.push(Error::required(&path.child(field), &format!("valid values: [{}]", shown.join(" "))));
    } else {
        format::check_supported(errors, path, object, field, supported);
    }
}

fn check_action(errors: &mut ErrorList, path: &Path, rule: &Value, per_index: bool) {
    check_one_of(errors, path, rule, "action", &["Count", "FailIndex", "FailJob", "Ignore"]);
    if text(rule, "action") == "FailIndex" && !per_index {
        let text = "requires the backoffLimitPerIndex to be set";
        errors.push(Error::invalid(&path.child("action"), &rule["action"], text));
    }
}

fn check_exit_codes(errors: &mut ErrorList, path: &Path, codes: &Value, containers: &BTreeSet<&str>) {
    check_one_of(errors, path, codes, "operator", &["In", "NotIn"]);
    if let Some(name) = get(codes, "containerName").filter(|name| !containers.contains(name.as_str().unwrap_or(""))) {
        let text = "must be one of the container or initContainer names in the pod template";
        errors.push(Error::invalid(&path.child("containerName"), name, text));
    }
    let values = list(codes, "values");
    let path = path.child("values");
    match values.len() {
        0 => errors.push(Error::invalid(&path, &values.into(), "at least one value is required")),
        count if count > EXIT_CODES_MAX => errors.push(Error::too_many(&path, count, EXIT_CODES_MAX)),
        _ => {}
    }
    let mut seen = BTreeSet::new();
    for (index, value) in values.iter().enumerate() {
        let number = value.as_i64().unwrap_or(0);
        if number == 0 && text(codes, "operator") == "In" {
            errors.push(Error::invalid(&path.index(index), value, "must not be 0 for the In operator"));
        }
        if !seen.insert(number) {
            errors.push(Error::duplicate(&path.index(index), value));
        }
    }
    if !values.is_sorted_by_key(|value| value.as_i64()) {
        errors.push(Error::invalid(&path, &values.into(), "must be ordered"));
    }
}

fn check_conditions(errors: &mut ErrorList, path: &Path, conditions: &[Value]) {
    if conditions.len() > CONDITIONS_MAX {
        errors.push(Error::too_many(path, conditions.len(), CONDITIONS_MAX));
    }
    for (index, condition) in conditions.iter().enumerate() {
        let path = path.index(index);
        format::check_qualified_name(errors, &path.child("type"), text(condition, "type"));
        check_one_of(errors, &path, condition, "status", &["False", "True", "Unknown"]);
    }
}
