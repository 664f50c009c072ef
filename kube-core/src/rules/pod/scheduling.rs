//! Errors of what else guides the scheduler: gates, topology spread, tolerations.

use crate::field::{Error, ErrorList, Path};
use crate::rules::access::{each_mut, get, int, list, made, set, text, texts};
use crate::rules::{format, selector};
use serde_json::{Value, json};
use std::collections::BTreeSet;

const EFFECTS: [&str; 3] = ["NoSchedule", "PreferNoSchedule", "NoExecute"];

/// Checks `schedulingGates`.
pub(super) fn check_gates(errors: &mut ErrorList, path: &Path, spec: &Value) {
    let mut seen = BTreeSet::new();
    for (index, gate) in list(spec, "schedulingGates").iter().enumerate() {
        let name = text(gate, "name");
        format::check_qualified_name(errors, &path.index(index), name);
        if !seen.insert(name) {
            errors.push(Error::duplicate(&path.index(index), &name.into()));
        }
    }
}

/// Checks `topologySpreadConstraints`.
pub(super) fn check_spread(errors: &mut ErrorList, path: &Path, spec: &Value) {
    let constraints = list(spec, "topologySpreadConstraints");
    for (index, constraint) in constraints.iter().enumerate() {
        let path = path.index(index);
        let skew = int(constraint, "maxSkew").unwrap_or(0);
        if skew <= 0 {
            errors.push(Error::invalid(&path.child("maxSkew"), &skew.into(), format::NOT_POSITIVE));
        }
        let key = text(constraint, "topologyKey");
        if key.is_empty() {
            errors.push(Error::required(&path.child("topologyKey"), "can not be empty"));
        }
        let action = text(constraint, "whenUnsatisfiable");
        let actions = ["DoNotSchedule", "ScheduleAnyway"];
        format::check_supported(errors, &path, constraint, "whenUnsatisfiable", &actions);
        let repeated = constraints[index + 1..]
            .iter()
            .any(|other| text(other, "topologyKey") == key && text(other, "whenUnsatisfiable") == action);
        if repeated {
            let shown = format!("{{{key}, {action}}}");
            errors.push(Error::duplicate(&path.child("{topologyKey, whenUnsatisfiable}"), &shown.into()));
        }
        if let Some(domains) = int(constraint, "minDomains") {
            let path = path.child("minDomains");
            if domains <= 0 {
                errors.push(Error::invalid(&path, &domains.into(), format::NOT_POSITIVE));
            }
            if action != "DoNotSchedule" {
                let text = format!("can only use minDomains if whenUnsatisfiable=DoNotSchedule, not {action}");
                errors.push(Error::invalid(&path, &domains.into(), &text));
            }
        }
        for field in ["nodeAffinityPolicy", "nodeTaintsPolicy"] {
            format::check_optional(errors, &path, constraint, field, &["Honor", "Ignore"]);
        }
        check_spread_keys(errors, &path, constraint);
        if let Some(value) = get(constraint, "labelSelector") {
            selector::check(errors, &path.child("labelSelector"), value);
        }
    }
}

fn check_spread_keys(errors: &mut ErrorList, path: &Path, constraint: &Value) {
    let path = path.child("matchLabelKeys");
    if list(constraint, "matchLabelKeys").is_empty() {
        return;
    }
    let given = get(constraint, "labelSelector");
    if given.is_none() {
        errors.push(Error::forbidden(&path, "must not be specified when labelSelector is not set"));
    }
    for (index, key) in texts(constraint, "matchLabelKeys").enumerate() {
        format::check_label_key(errors, &path.index(index), key);
        if given.is_some_and(|given| selector::keys(given).any(|other| other == key)) {
            let text = "exists in both matchLabelKeys and labelSelector";
            errors.push(Error::invalid(&path.index(index), &key.into(), text));
        }
    }
}

/// Checks `tolerations`.
pub(in crate::rules) fn check_tolerations(errors: &mut ErrorList, path: &Path, spec: &Value) {
    for (index, toleration) in list(spec, "tolerations").iter().enumerate() {
        let path = path.index(index);
        let (key, operator, value) = (text(toleration, "key"), text(toleration, "operator"), text(toleration, "value"));
        if !key.is_empty() {
            format::check_label_key(errors, &path.child("key"), key);
        } else if operator != "Exists" {
            let text = "operator must be Exists when `key` is empty, which means \"match all values and all keys\"";
            errors.push(Error::invalid(&path.child("operator"), &operator.into(), text));
        }
        let effect = text(toleration, "effect");
        if get(toleration, "tolerationSeconds").is_some() && effect != "NoExecute" {
            let text = "effect must be 'NoExecute' when `tolerationSeconds` is set";
            errors.push(Error::invalid(&path.child("effect"), &effect.into(), text));
        }
        match operator {
            "" | "Equal" => {
                let messages = format::label_value(value);
                if !messages.is_empty() {
                    errors.push(Error::invalid(&path.child("operator"), &value.into(), &messages.join(";")));
                }
            }
            "Exists" => {
                if !value.is_empty() {
                    let text = "value must be empty when `operator` is 'Exists'";
                    errors.push(Error::invalid(&path.child("operator"), &value.into(), text));
                }
            }
            other => {
                errors.push(Error::not_supported(&path.child("operator"), &other.into(), &["Equal", "Exists"]));
            }
        }
        if !effect.is_empty() {
            format::check_supported(errors, &path, toleration, "effect", &EFFECTS);
        }
    }
}

/// Adds the pod's own labels under `matchLabelKeys` to the selectors of its affinity terms, so that whoever schedules
/// it need not look at its labels. Source: KEP-3633.
pub(super) fn apply_match_label_keys(object: &mut Value) {
    if get(&object["spec"], "affinity").is_none() {
        return;
    }
    let labels = object["metadata"].get("labels").cloned().unwrap_or(Value::Null);
    let Some(affinity) = object.get_mut("spec").and_then(|spec| spec.get_mut("affinity")) else { return };
    for name in ["podAffinity", "podAntiAffinity"] {
        let Some(pods) = affinity.get_mut(name) else { continue };
        for term in each_mut(pods, "requiredDuringSchedulingIgnoredDuringExecution") {
            apply_keys(term, &labels);
        }
        for weighted in each_mut(pods, "preferredDuringSchedulingIgnoredDuringExecution") {
            if let Some(term) = weighted.get_mut("podAffinityTerm") {
                apply_keys(term, &labels);
            }
        }
    }
}

fn apply_keys(term: &mut Value, labels: &Value) {
    for (field, operator) in [("matchLabelKeys", "In"), ("mismatchLabelKeys", "NotIn")] {
        let added: Vec<Value> = texts(term, field)
            .filter_map(|key| {
                let value = labels.get(key)?;
                Some(json!({"key": key, "operator": operator, "values": [value]}))
            })
            .collect();
        if added.is_empty() || get(term, "labelSelector").is_none() {
            continue;
        }
        if let Some(selector) = made(term, "labelSelector") {
            let mut expressions = list(selector, "matchExpressions").to_vec();
            expressions.extend(added);
            set(selector, "matchExpressions", expressions);
        }
    }
}

/// Tolerations that an update may only add to, but for the seconds.
pub(super) fn check_only_added_tolerations(errors: &mut ErrorList, path: &Path, spec: &Value, old: &Value) {
    let same = |a: &Value, b: &Value| {
        ["key", "operator", "value", "effect"].iter().all(|field| text(a, field) == text(b, field))
    };
    for toleration in list(old, "tolerations") {
        if !list(spec, "tolerations").iter().any(|other| same(other, toleration)) {
            let text = "existing toleration can not be modified except its tolerationSeconds";
            errors.push(Error::forbidden(path, text));
            return;
        }
    }
    check_tolerations(errors, path, spec);
}

/// Gates that an update may only take away.
pub(super) fn check_only_deleted_gates(errors: &mut ErrorList, path: &Path, spec: &Value, old: &Value) {
    let known: BTreeSet<&str> = list(old, "schedulingGates").iter().map(|gate| text(gate, "name")).collect();
    for (index, gate) in list(spec, "schedulingGates").iter().enumerate() {
        let name = text(gate, "name");
        if !known.contains(name) {
            let text = format!("only deletion is allowed, but found new scheduling gate '{name}'");
            errors.push(Error::forbidden(&path.index(index).child("name"), &text));
        }
    }
}
