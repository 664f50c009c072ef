//! HorizontalPodAutoscaler, of autoscaling/v1 and v2. Source: `pkg/apis/autoscaling/v2/defaults.go`,
//! `pkg/apis/autoscaling/validation`.

mod behavior;
mod metrics;

use super::access::{child_mut, count, default_to, get, int, list, made, set, text};
use super::{Rules, format};
use crate::field::{Error, ErrorList, Path};
use serde_json::{Value, json};

/// Rules of HorizontalPodAutoscalers.
#[derive(Debug)]
pub struct HorizontalPodAutoscaler;

impl Rules for HorizontalPodAutoscaler {
    fn default(&self, object: &mut Value) {
        let second = text(object, "apiVersion").ends_with("/v2");
        let Some(spec) = made(object, "spec") else { return };
        default_to(spec, "minReplicas", 1);
        if !second {
            return;
        }
        if count(spec, "metrics") == 0 {
            set(
                spec,
                "metrics",
                json!([{"type": "Resource", "resource": {
                    "name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80},
                }}]),
            );
        }
        if let Some(behavior) = child_mut(spec, "behavior") {
            behavior::default(behavior);
        }
    }

    fn prepare_create(&self, object: &mut Value) {
        let second = text(object, "apiVersion").ends_with("/v2");
        let status =
            if second { json!({"desiredReplicas": 0}) } else { json!({"currentReplicas": 0, "desiredReplicas": 0}) };
        set(object, "status", status);
    }

    fn validate(&self, object: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let path = Path::new("spec");
        let spec = &object["spec"];
        let least = int(spec, "minReplicas").unwrap_or(1);
        if least < 1 {
            let text = "must be greater than or equal to 1";
            errors.push(Error::invalid(&path.child("minReplicas"), &least.into(), text));
        }
        let most = int(spec, "maxReplicas").unwrap_or(0);
        if most < 1 {
            errors.push(Error::invalid(&path.child("maxReplicas"), &most.into(), "must be greater than 0"));
        }
        if most < least {
            let text = "must be greater than or equal to `minReplicas`";
            errors.push(Error::invalid(&path.child("maxReplicas"), &most.into(), text));
        }
        check_reference(&mut errors, &path.child("scaleTargetRef"), &spec["scaleTargetRef"]);
        for (index, metric) in list(spec, "metrics").iter().enumerate() {
            metrics::check(&mut errors, &path.child("metrics").index(index), metric);
        }
        if let Some(behavior) = get(spec, "behavior") {
            behavior::check(&mut errors, &path.child("behavior"), behavior);
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

/// What is scaled, or what a metric is about, by kind and name.
fn check_reference(errors: &mut ErrorList, path: &Path, reference: &Value) {
    for field in ["kind", "name"] {
        match text(reference, field) {
            "" => errors.push(Error::required(&path.child(field), "")),
            value => format::invalid(errors, &path.child(field), value, format::path_segment(value)),
        }
    }
}
