//! ReplicaSet. Source: `pkg/apis/apps/v1/defaults.go`, `pkg/apis/apps/validation`, `pkg/registry/apps/replicaset`.

use super::access::{default_to, int, made, set};
use super::selector::{self, check_template};
use super::{Rules, format, pod};
use crate::field::{ErrorList, Path};
use serde_json::{Value, json};

/// Rules of ReplicaSets.
#[derive(Debug)]
pub struct ReplicaSet;

impl Rules for ReplicaSet {
    fn default(&self, object: &mut Value) {
        let Some(spec) = made(object, "spec") else { return };
        default_to(spec, "replicas", 1);
        pod::defaults::template(spec);
    }

    fn prepare_create(&self, object: &mut Value) {
        set(object, "status", json!({"replicas": 0}));
    }

    fn validate(&self, object: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let path = Path::new("spec");
        let spec = &object["spec"];
        format::check_non_negative(&mut errors, &path, spec, "replicas");
        format::check_non_negative(&mut errors, &path, spec, "minReadySeconds");
        selector::check_required(&mut errors, &path, spec, "empty selector is invalid for deployment");
        if selector::check_parsed(&mut errors, &path, spec) {
            check_template(&mut errors, &path, spec, "ReplicaSet");
        }
        errors
    }

    fn validate_update(&self, new: &Value, old: &Value) -> ErrorList {
        let mut errors = self.validate(new);
        selector::check_immutable(&mut errors, new, old);
        errors
    }

    fn validate_status_update(&self, new: &Value, _old: &Value) -> ErrorList {
        let status = &new["status"];
        let mut errors = ErrorList::new();
        let path = Path::new("status");
        for field in [
            "replicas",
            "fullyLabeledReplicas",
            "readyReplicas",
            "availableReplicas",
            "observedGeneration",
            "terminatingReplicas",
        ] {
            format::check_non_negative(&mut errors, &path, status, field);
        }
        for (field, bound, text) in [
            ("fullyLabeledReplicas", "replicas", "cannot be greater than status.replicas"),
            ("readyReplicas", "replicas", "cannot be greater than status.replicas"),
            ("availableReplicas", "replicas", "cannot be greater than status.replicas"),
            ("availableReplicas", "readyReplicas", "cannot be greater than readyReplicas"),
        ] {
            format::check_at_most(&mut errors, &path, status, field, bound, text);
        }
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

    fn selectable_fields(&self, object: &Value) -> Vec<(&'static str, String)> {
        vec![("status.replicas", int(&object["status"], "replicas").unwrap_or(0).to_string())]
    }

    fn selectable_field_names(&self) -> &'static [&'static str] {
        &["status.replicas"]
    }
}
