//! Defaults and errors of `behavior`: how fast an autoscaler scales up and down. Source: KEP-853.

use crate::field::{Error, ErrorList, Path};
use crate::rules::access::{default_to, get, int, list, made, set};
use crate::rules::format;
use serde_json::{Value, json};

/// An hour.
const WINDOW_SECONDS_MAX: i64 = 3600;
/// Half an hour.
const PERIOD_SECONDS_MAX: i64 = 1800;

/// Fills in both directions.
pub(super) fn default(behavior: &mut Value) {
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

/// Checks both directions.
pub(super) fn check(errors: &mut ErrorList, path: &Path, behavior: &Value) {
    for direction in ["scaleUp", "scaleDown"] {
        if let Some(rules) = get(behavior, direction) {
            check_rules(errors, &path.child(direction), rules);
        }
    }
}

fn check_rules(errors: &mut ErrorList, path: &Path, rules: &Value) {
    if let Some(seconds) = int(rules, "stabilizationWindowSeconds") {
        let mut report = |text: &str| {
            errors.push(Error::invalid(&path.child("stabilizationWindowSeconds"), &seconds.into(), text));
        };
        match seconds {
            ..0 => report("must be greater than or equal to zero"),
            0..=WINDOW_SECONDS_MAX => {}
            _ => report(&format!("must be less than or equal to {WINDOW_SECONDS_MAX}")),
        }
    }
    format::check_optional(errors, path, rules, "selectPolicy", &["Disabled", "Max", "Min"]);
    for (index, policy) in list(rules, "policies").iter().enumerate() {
        let path = path.child("policies").index(index);
        format::check_supported(errors, &path, policy, "type", &["Percent", "Pods"]);
        for field in ["value", "periodSeconds"] {
            let value = int(policy, field).unwrap_or(0);
            if value <= 0 {
                errors.push(Error::invalid(&path.child(field), &value.into(), format::NOT_POSITIVE));
            }
        }
        if let Some(seconds) = int(policy, "periodSeconds").filter(|seconds| *seconds > PERIOD_SECONDS_MAX) {
            let text = format!("must be less than or equal to {PERIOD_SECONDS_MAX}");
            errors.push(Error::invalid(&path.child("periodSeconds"), &seconds.into(), &text));
        }
    }
}
