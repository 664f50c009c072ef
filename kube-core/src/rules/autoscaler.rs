//! HorizontalPodAutoscaler, of autoscaling/v1 and v2. Source: `pkg/apis/autoscaling/v2/defaults.go`,
//! `pkg/apis/autoscaling/validation`.

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
            default_behavior(behavior);
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
        let target = path.child("scaleTargetRef");
        for field in ["kind", "name"] {
            let value = text(&spec["scaleTargetRef"], field);
            if value.is_empty() {
                errors.push(Error::required(&target.child(field), ""));
            } else {
                format::invalid(&mut errors, &target.child(field), value, format::path_segment(value));
            }
        }
        for (index, metric) in list(spec, "metrics").iter().enumerate() {
            check_metric(&mut errors, &path.child("metrics").index(index), metric);
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

fn default_behavior(behavior: &mut Value) {
    for (direction, policies) in [
        (
            "scaleUp",
            json!([{"type": "Pods", "value": 4, "periodSeconds": 15}, {"type": "Percent", "value": 100, "periodSeconds": 15}]),
        ),
        ("scaleDown", json!([{"type": "Percent", "value": 100, "periodSeconds": 15}])),
    ] {
        let Some(rules) = made(behavior, direction) else { continue };
        default_to(rules, "selectPolicy", "Max");
        if direction == "scaleUp" {
            default_to(rules, "stabilizationWindowSeconds", 0);
        }
        if list(rules, "policies").is_empty() {
            set(rules, "policies", policies);
        }
    }
}

fn check_metric(errors: &mut ErrorList, path: &Path, metric: &Value) {
    const SOURCES: [(&str, &str); 5] = [
        ("Resource", "resource"),
        ("ContainerResource", "containerResource"),
        ("Pods", "pods"),
        ("Object", "object"),
        ("External", "external"),
    ];
    let kind = text(metric, "type");
    if kind.is_empty() {
        errors.push(Error::required(&path.child("type"), "must specify a metric source type"));
        return;
    }
    let Some((_, source)) = SOURCES.iter().find(|(name, _)| *name == kind) else {
        let kinds: Vec<&str> = SOURCES.iter().map(|(name, _)| *name).collect();
        errors.push(Error::not_supported(&path.child("type"), &kind.into(), &kinds));
        return;
    };
    for (_, other) in SOURCES.iter().filter(|(_, other)| other != source) {
        if get(metric, other).is_some() {
            let text = "must specify only the metric source of the given type";
            errors.push(Error::forbidden(&path.child(other), text));
        }
    }
    let Some(value) = get(metric, source) else {
        let text = "must populate information for the given metric source";
        errors.push(Error::required(&path.child(source), text));
        return;
    };
    let target = path.child(source).child("target");
    format::check_required(errors, &target, &value["target"], "type", &["Utilization", "Value", "AverageValue"]);
    if let Some(percent) = int(&value["target"], "averageUtilization").filter(|percent| *percent < 1) {
        errors.push(Error::invalid(&target.child("averageUtilization"), &percent.into(), "must be greater than 0"));
    }
}
