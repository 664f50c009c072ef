//! PodDisruptionBudget. Source: `pkg/apis/policy/validation`, `pkg/registry/policy/poddisruptionbudget`.

use super::access::{get, set};
use super::{Rules, format, selector};
use crate::field::{Error, ErrorList, Path};
use serde_json::{Value, json};

/// Rules of PodDisruptionBudgets.
#[derive(Debug)]
pub struct PodDisruptionBudget;

impl Rules for PodDisruptionBudget {
    fn prepare_create(&self, object: &mut Value) {
        set(
            object,
            "status",
            json!({"disruptionsAllowed": 0, "currentHealthy": 0, "desiredHealthy": 0, "expectedPods": 0}),
        );
    }

    fn validate(&self, object: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let path = Path::new("spec");
        let spec = &object["spec"];
        if get(spec, "minAvailable").is_some() && get(spec, "maxUnavailable").is_some() {
            errors.push(Error::invalid(&path, spec, "minAvailable and maxUnavailable cannot be both set"));
        }
        for field in ["minAvailable", "maxUnavailable"] {
            format::check_int_or_percent(&mut errors, &path, spec, field);
            format::check_not_above_100_percent(&mut errors, &path, spec, field);
        }
        if let Some(value) = get(spec, "selector") {
            selector::check(&mut errors, &path.child("selector"), value);
        }
        let policies = ["AlwaysAllow", "IfHealthyBudget"];
        format::check_optional(&mut errors, &path, spec, "unhealthyPodEvictionPolicy", &policies);
        errors
    }

    fn validate_status_update(&self, new: &Value, _old: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let path = Path::new("status");
        for field in ["disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods"] {
            format::check_non_negative(&mut errors, &path, &new["status"], field);
        }
        errors
    }

    fn has_status(&self) -> bool {
        true
    }

    fn allows_unconditional_update(&self) -> bool {
        false
    }
}
