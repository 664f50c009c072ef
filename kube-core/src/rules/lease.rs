//! Lease. Source: `pkg/apis/coordination/validation`, `pkg/registry/coordination/lease`.

use super::access::{get, int, text};
use super::{Rules, format};
use crate::field::{Error, ErrorList, Path};
use serde_json::Value;

/// Rules of Leases.
#[derive(Debug)]
pub struct Lease;

impl Rules for Lease {
    fn validate(&self, object: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let path = Path::new("spec");
        let spec = &object["spec"];
        if let Some(seconds) = int(spec, "leaseDurationSeconds").filter(|seconds| *seconds <= 0) {
            errors.push(Error::invalid(&path.child("leaseDurationSeconds"), &seconds.into(), "must be greater than 0"));
        }
        format::check_non_negative(&mut errors, &path, spec, "leaseTransitions");
        if let Some(strategy) = get(spec, "strategy").and_then(Value::as_str) {
            if strategy.is_empty() {
                errors.push(Error::required(&path.child("strategy"), ""));
            } else {
                format::check_qualified_name(&mut errors, &path.child("strategy"), strategy);
            }
        }
        let preferred = text(spec, "preferredHolder");
        if !preferred.is_empty() && text(spec, "strategy").is_empty() {
            errors.push(Error::forbidden(
                &path.child("preferredHolder"),
                "may only be specified when `strategy` is defined",
            ));
        }
        errors
    }

    fn allows_create_on_update(&self) -> bool {
        true
    }

    fn allows_unconditional_update(&self) -> bool {
        false
    }
}
