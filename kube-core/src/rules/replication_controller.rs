//! ReplicationController: a ReplicaSet whose selector is a plain map and is taken from the template where it is left out.
//! Source: `pkg/apis/core/v1/defaults.go`, `pkg/apis/core/validation`.

use super::access::{count, default_to, get, made, set};
use super::replica_set::ReplicaSet;
use super::{Rules, format, pod, selector};
use crate::field::{Error, ErrorList, Path};
use serde_json::{Value, json};

/// Rules of ReplicationControllers.
#[derive(Debug)]
pub struct ReplicationController;

impl Rules for ReplicationController {
    fn default(&self, object: &mut Value) {
        let Some(spec) = made(object, "spec") else { return };
        default_to(spec, "replicas", 1);
        pod::defaults::template(spec);
        let Some(labels) = spec["template"]["metadata"].get("labels").filter(|l| l.is_object()).cloned() else {
            return;
        };
        if count(spec, "selector") == 0 {
            set(spec, "selector", labels.clone());
        }
        if count(&object["metadata"], "labels") == 0
            && let Some(metadata) = made(object, "metadata")
        {
            set(metadata, "labels", labels);
        }
    }

    fn prepare_create(&self, object: &mut Value) {
        ReplicaSet.prepare_create(object);
    }

    fn validate(&self, object: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let path = Path::new("spec");
        let spec = &object["spec"];
        format::check_non_negative(&mut errors, &path, spec, "minReadySeconds");
        if count(spec, "selector") == 0 {
            errors.push(Error::required(&path.child("selector"), ""));
        }
        format::check_non_negative(&mut errors, &path, spec, "replicas");
        let template = path.child("template");
        let Some(value) = get(spec, "template") else {
            errors.push(Error::required(&template, ""));
            return errors;
        };
        selector::check_matches_template(&mut errors, &template, &json!({"matchLabels": spec["selector"]}), value);
        pod::template::check(&mut errors, &template, value);
        selector::check_restart_policy(&mut errors, &template, value, &["Always"]);
        selector::check_no_deadline(&mut errors, &template, value, "ReplicationController");
        errors
    }

    fn validate_status_update(&self, new: &Value, old: &Value) -> ErrorList {
        ReplicaSet.validate_status_update(new, old)
    }

    fn warnings_of_create(&self, object: &Value) -> Vec<String> {
        pod::warnings::of_create(object, self)
    }

    fn warnings(&self, object: &Value) -> Vec<String> {
        ReplicaSet.warnings(object)
    }

    fn has_status(&self) -> bool {
        ReplicaSet.has_status()
    }

    fn selectable_fields(&self, object: &Value) -> Vec<(&'static str, String)> {
        ReplicaSet.selectable_fields(object)
    }

    fn selectable_field_names(&self) -> &'static [&'static str] {
        ReplicaSet.selectable_field_names()
    }
}
