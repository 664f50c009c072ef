//! Deployment. Source: `pkg/apis/apps/v1/defaults.go`, `pkg/apis/apps/validation`, `pkg/registry/apps/deployment`.

use super::access::{default_text, default_to, get, int, made, set, text};
use super::selector::{self, check_template};
use super::{Rules, copy_field, format, pod};
use crate::field::{Error, ErrorList, Path};
use serde_json::{Value, json};

/// Rules of Deployments.
#[derive(Debug)]
pub struct Deployment;

impl Rules for Deployment {
    fn default(&self, object: &mut Value) {
        let Some(spec) = made(object, "spec") else { return };
        default_to(spec, "replicas", 1);
        if let Some(strategy) = made(spec, "strategy") {
            default_text(strategy, "type", "RollingUpdate");
            if text(strategy, "type") == "RollingUpdate"
                && let Some(rolling) = made(strategy, "rollingUpdate")
            {
                default_to(rolling, "maxUnavailable", "25%");
                default_to(rolling, "maxSurge", "25%");
            }
        }
        default_to(spec, "revisionHistoryLimit", 10);
        default_to(spec, "progressDeadlineSeconds", 600);
        pod::defaults::template(spec);
    }

    fn prepare_create(&self, object: &mut Value) {
        set(object, "status", json!({}));
    }

    /// Annotations pass: with the status the controller writes the revision. Source: `deploymentStatusStrategy`.
    fn prepare_status_update(&self, new: &mut Value, old: &Value) {
        copy_field(new, old, "spec");
        copy_field(&mut new["metadata"], &old["metadata"], "labels");
    }

    fn validate(&self, object: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let path = Path::new("spec");
        let spec = &object["spec"];
        format::check_non_negative(&mut errors, &path, spec, "replicas");
        selector::check_required(&mut errors, &path, spec, "empty selector is invalid for deployment");
        if selector::check_parsed(&mut errors, &path, spec) {
            check_template(&mut errors, &path, spec, "ReplicaSet");
        }
        check_strategy(&mut errors, &path.child("strategy"), &spec["strategy"]);
        format::check_non_negative(&mut errors, &path, spec, "minReadySeconds");
        format::check_non_negative(&mut errors, &path, spec, "revisionHistoryLimit");
        if let Some(deadline) = int(spec, "progressDeadlineSeconds") {
            format::check_non_negative(&mut errors, &path, spec, "progressDeadlineSeconds");
            if deadline <= int(spec, "minReadySeconds").unwrap_or(0) {
                errors.push(Error::invalid(
                    &path.child("progressDeadlineSeconds"),
                    &deadline.into(),
                    "must be greater than minReadySeconds",
                ));
            }
        }
        errors
    }

    fn validate_update(&self, new: &Value, old: &Value) -> ErrorList {
        let mut errors = self.validate(new);
        selector::check_immutable(&mut errors, new, old);
        errors
    }

    fn validate_status_update(&self, new: &Value, old: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let path = Path::new("status");
        let status = &new["status"];
        let fields = [
            "observedGeneration",
            "replicas",
            "updatedReplicas",
            "readyReplicas",
            "availableReplicas",
            "unavailableReplicas",
            "collisionCount",
            "terminatingReplicas",
        ];
        for field in fields {
            format::check_non_negative(&mut errors, &path, status, field);
        }
        for (field, bound, text) in [
            ("updatedReplicas", "replicas", "cannot be greater than status.replicas"),
            ("readyReplicas", "replicas", "cannot be greater than status.replicas"),
            ("availableReplicas", "replicas", "cannot be greater than status.replicas"),
            ("availableReplicas", "readyReplicas", "cannot be greater than readyReplicas"),
        ] {
            format::check_at_most(&mut errors, &path, status, field, bound, text);
        }
        format::check_not_decremented(&mut errors, &path, status, &old["status"], "collisionCount");
        errors
    }

    fn warnings_of_create(&self, object: &Value) -> Vec<String> {
        pod::warnings::of_create(object, self)
    }

    fn warnings(&self, object: &Value) -> Vec<String> {
        pod::warnings::of_template(object, "spec.template")
    }

    fn has_status(&self) -> bool {
        true
    }
}

fn check_strategy(errors: &mut ErrorList, path: &Path, strategy: &Value) {
    match text(strategy, "type") {
        "Recreate" => {
            if get(strategy, "rollingUpdate").is_some() {
                errors.push(Error::forbidden(
                    &path.child("rollingUpdate"),
                    "may not be specified when strategy `type` is 'Recreate'",
                ));
            }
        }
        "RollingUpdate" => match get(strategy, "rollingUpdate") {
            None => {
                errors.push(Error::required(&path.child("rollingUpdate"), "this should be defaulted and never be nil"))
            }
            Some(rolling) => check_rolling(errors, &path.child("rollingUpdate"), rolling),
        },
        _ => errors.push(Error::not_supported(path, strategy, &["Recreate", "RollingUpdate"])),
    }
}

fn check_rolling(errors: &mut ErrorList, path: &Path, rolling: &Value) {
    format::check_int_or_percent(errors, path, rolling, "maxUnavailable");
    format::check_int_or_percent(errors, path, rolling, "maxSurge");
    if format::int_or_percent_value(rolling, "maxUnavailable") == 0
        && format::int_or_percent_value(rolling, "maxSurge") == 0
    {
        errors.push(Error::invalid(
            &path.child("maxUnavailable"),
            &rolling["maxUnavailable"],
            "may not be 0 when `maxSurge` is 0",
        ));
    }
    format::check_not_above_100_percent(errors, path, rolling, "maxUnavailable");
}

#[cfg(test)]
mod tests {
    //! What a write of the status may change.

    use super::*;

    #[test]
    fn the_status_brings_annotations_but_no_labels_and_no_spec() {
        let revision = json!({"deployment.kubernetes.io/revision": "2"});
        let old = json!({"metadata": {"labels": {"a": "1"}, "annotations": {}}, "spec": {"replicas": 1}});
        let mut new = json!({"metadata": {"labels": {"b": "2"}, "annotations": revision}, "spec": {"replicas": 9},
                             "status": {"replicas": 1}});
        Deployment.prepare_status_update(&mut new, &old);
        let expected = json!({"metadata": {"labels": {"a": "1"}, "annotations": revision}, "spec": {"replicas": 1},
                              "status": {"replicas": 1}});
        assert_eq!(new, expected);
    }
}
