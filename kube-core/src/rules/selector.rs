//! Label selectors of workloads, and how they go with the pod template.
//!
//! Source: `k8s.io/apimachinery/pkg/apis/meta/v1/validation`, `pkg/apis/apps/validation`.

use super::access::{count, get, text, text_at};
use super::{format, pod};
use crate::field::{Error, ErrorList, Path};
use crate::selector::LabelSelector;
use serde_json::Value;

/// Reports what is wrong with a label selector.
pub(super) fn check(errors: &mut ErrorList, path: &Path, selector: &Value) {
    if let Err(found) = LabelSelector::from_object(selector, path) {
        errors.extend(found);
    }
}

/// A spec's `selector` is there and selects something.
pub(super) fn check_required(errors: &mut ErrorList, path: &Path, spec: &Value, empty: &str) {
    match get(spec, "selector") {
        None => errors.push(Error::required(&path.child("selector"), "")),
        Some(selector) if count(selector, "matchLabels") + count(selector, "matchExpressions") == 0 => {
            errors.push(Error::invalid(&path.child("selector"), selector, empty));
        }
        Some(_) => {}
    }
}

/// Whether a spec's `selector` parses; reports why it does not.
pub(super) fn check_parsed(errors: &mut ErrorList, path: &Path, spec: &Value) -> bool {
    let before = errors.len();
    if let Some(selector) = get(spec, "selector") {
        check(errors, &path.child("selector"), selector);
    }
    errors.len() == before
}

/// The pod template of a workload that keeps its pods running: valid, selected, restarted always, without a deadline.
pub(super) fn check_template(errors: &mut ErrorList, path: &Path, spec: &Value, owner: &str) {
    check_template_by(errors, path, spec, owner, pod::template::check);
}

/// As [`check_template`], where the spec of the pods is not looked at: that of a StatefulSet's lacks the volumes that its
/// claims bring, and Kubernetes leaves its checks to the creation of the pods.
pub(super) fn check_template_of_stateful_set(errors: &mut ErrorList, path: &Path, spec: &Value) {
    check_template_by(errors, path, spec, "StatefulSet", pod::template::check_metadata);
}

fn check_template_by(
    errors: &mut ErrorList,
    path: &Path,
    spec: &Value,
    owner: &str,
    check: fn(&mut ErrorList, &Path, &Value),
) {
    let path = path.child("template");
    let Some(template) = get(spec, "template") else {
        errors.push(Error::required(&path, ""));
        return;
    };
    if let Some(selector) = get(spec, "selector") {
        check_matches_template(errors, &path, selector, template);
    }
    check(errors, &path, template);
    check_restart_policy(errors, &path, template, &["Always"]);
    check_no_deadline(errors, &path, template, owner);
}

/// The selector selects the template's labels, unless it selects everything.
pub(super) fn check_matches_template(errors: &mut ErrorList, path: &Path, selector: &Value, template: &Value) {
    let Ok(parsed) = LabelSelector::from_object(selector, path) else { return };
    let labels = &template["metadata"]["labels"];
    if !parsed.is_everything() && !parsed.matches_object(labels) {
        errors.push(Error::invalid(
            &path.child("metadata").child("labels"),
            labels,
            "`selector` does not match template `labels`",
        ));
    }
}

/// The template's restart policy is one of these.
pub(super) fn check_restart_policy(errors: &mut ErrorList, path: &Path, template: &Value, supported: &[&str]) {
    let policy = text_at(template, &["spec", "restartPolicy"]);
    if !supported.contains(&policy) {
        let path = path.child("spec").child("restartPolicy");
        errors.push(Error::not_supported(&path, &policy.into(), supported));
    }
}

/// The template has no deadline.
pub(super) fn check_no_deadline(errors: &mut ErrorList, path: &Path, template: &Value, owner: &str) {
    if get(&template["spec"], "activeDeadlineSeconds").is_some() {
        errors.push(Error::forbidden(
            &path.child("spec").child("activeDeadlineSeconds"),
            &format!("activeDeadlineSeconds in {owner} is not Supported"),
        ));
    }
}

/// A workload's selector may not change.
pub(super) fn check_immutable(errors: &mut ErrorList, new: &Value, old: &Value) {
    format::check_immutable(errors, &Path::new("spec"), &new["spec"], &old["spec"], "selector");
}

/// The keys that a selector names.
pub(super) fn keys(selector: &Value) -> impl Iterator<Item = &str> {
    let labels = super::access::entries(selector, "matchLabels").map(|(key, _)| key.as_str());
    labels.chain(super::access::list(selector, "matchExpressions").iter().map(|expression| text(expression, "key")))
}
