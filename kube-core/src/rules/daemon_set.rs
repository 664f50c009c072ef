//! DaemonSet. Source: `pkg/apis/apps/v1/defaults.go`, `pkg/apis/apps/validation`, `pkg/registry/apps/daemonset`.

use super::access::{child_mut, default_text, default_to, get, list, made, set, text};
use super::selector::{self, check_template};
use super::{Rules, copy_field, format, pod};
use crate::field::{Error, ErrorList, Path};
use serde_json::{Value, json};

/// Rules of DaemonSets.
#[derive(Debug)]
pub struct DaemonSet;

impl Rules for DaemonSet {
    fn default(&self, object: &mut Value) {
        let Some(spec) = made(object, "spec") else { return };
        if let Some(strategy) = made(spec, "updateStrategy") {
            default_text(strategy, "type", "RollingUpdate");
            if text(strategy, "type") == "RollingUpdate"
                && let Some(rolling) = made(strategy, "rollingUpdate")
            {
                default_to(rolling, "maxUnavailable", 1);
                default_to(rolling, "maxSurge", 0);
            }
        }
        default_to(spec, "revisionHistoryLimit", 10);
        pod::defaults::template(spec);
    }

    fn prepare_create(&self, object: &mut Value) {
        set(
            object,
            "status",
            json!({"currentNumberScheduled": 0, "desiredNumberScheduled": 0, "numberMisscheduled": 0, "numberReady": 0}),
        );
    }

    fn validate(&self, object: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let path = Path::new("spec");
        let spec = &object["spec"];
        selector::check_required(&mut errors, &path, spec, "invalid empty selector");
        selector::check_parsed(&mut errors, &path, spec);
        check_template(&mut errors, &path, spec, "DaemonSet");
        if !list(&spec["template"]["spec"], "ephemeralContainers").is_empty() {
            errors.push(Error::forbidden(
                &path.child("template").child("spec").child("ephemeralContainers"),
                "ephemeral containers not allowed in pod template",
            ));
        }
        format::check_non_negative(&mut errors, &path, spec, "minReadySeconds");
        check_strategy(&mut errors, &path.child("updateStrategy"), &spec["updateStrategy"]);
        format::check_non_negative(&mut errors, &path, spec, "revisionHistoryLimit");
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
        for field in [
            "currentNumberScheduled",
            "numberMisscheduled",
            "desiredNumberScheduled",
            "numberReady",
            "observedGeneration",
            "updatedNumberScheduled",
            "numberAvailable",
            "numberUnavailable",
            "collisionCount",
        ] {
            format::check_non_negative(&mut errors, &path, &new["status"], field);
        }
        format::check_not_decremented(&mut errors, &path, &new["status"], &old["status"], "collisionCount");
        errors
    }

    fn warnings(&self, object: &Value) -> Vec<String> {
        pod::warnings::of_template(object, "spec.template")
    }

    fn has_status(&self) -> bool {
        true
    }

    fn prepare_update(&self, new: &mut Value, old: &Value) {
        copy_field(new, old, "status");
        if let (Some(spec), Some(generation)) = (child_mut(new, "spec"), get(&old["spec"], "templateGeneration")) {
            default_to(spec, "templateGeneration", generation.clone());
        }
    }
}

fn check_strategy(errors: &mut ErrorList, path: &Path, strategy: &Value) {
    match text(strategy, "type") {
        "OnDelete" => {}
        "RollingUpdate" => match get(strategy, "rollingUpdate") {
            None => errors.push(Error::required(&path.child("rollingUpdate"), "")),
            Some(rolling) => check_rolling(errors, &path.child("rollingUpdate"), rolling),
        },
        _ => errors.push(Error::not_supported(path, strategy, &["RollingUpdate", "OnDelete"])),
    }
}

fn check_rolling(errors: &mut ErrorList, path: &Path, rolling: &Value) {
    let unavailable = format::int_or_percent_value(rolling, "maxUnavailable");
    let surge = format::int_or_percent_value(rolling, "maxSurge");
    for field in ["maxUnavailable", "maxSurge"] {
        format::check_int_or_percent(errors, path, rolling, field);
        format::check_not_above_100_percent(errors, path, rolling, field);
    }
    match (unavailable != 0, surge != 0) {
        (true, true) => errors.push(Error::invalid(
            &path.child("maxSurge"),
            &rolling["maxSurge"],
            "may not be set when maxUnavailable is non-zero",
        )),
        (false, false) => {
            errors.push(Error::required(&path.child("maxUnavailable"), "cannot be 0 when maxSurge is 0"));
        }
        _ => {}
    }
}
