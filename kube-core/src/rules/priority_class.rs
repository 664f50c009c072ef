//! PriorityClass. Source: `pkg/apis/scheduling/v1/defaults.go`, `pkg/apis/scheduling/validation`.

use super::access::{default_to, int, is_true, text, text_at};
use super::{Rules, format};
use crate::field::{Error, ErrorList, Path};
use serde_json::Value;

/// The highest value that is not kept for the system.
pub const HIGHEST_USER_PRIORITY: i64 = 1_000_000_000;
/// The classes that every cluster has, with their values.
pub const SYSTEM: [(&str, i64); 2] =
    [("system-node-critical", 2_000_001_000), ("system-cluster-critical", 2_000_000_000)];

/// Rules of PriorityClasses.
#[derive(Debug)]
pub struct PriorityClass;

impl Rules for PriorityClass {
    fn default(&self, object: &mut Value) {
        default_to(object, "preemptionPolicy", "PreemptLowerPriority");
    }

    fn validate(&self, object: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let name = text_at(object, &["metadata", "name"]);
        let value = int(object, "value").unwrap_or(0);
        if name.starts_with("system-") {
            let known = SYSTEM.iter().find(|(system, _)| *system == name);
            let problem = match known {
                None => Some(format!("{name} is not a known system priority class")),
                Some((_, expected)) if value != *expected => {
                    Some(format!("value of {name} PriorityClass must be {expected}"))
                }
                Some(_) if is_true(object, "globalDefault") => {
                    Some(format!("globalDefault of {name} PriorityClass must be false"))
                }
                Some(_) => None,
            };
            if let Some(problem) = problem {
                errors.push(Error::forbidden(
                    &Path::new("metadata").child("name"),
                    &format!(
                        "priority class names with 'system-' prefix are reserved for system use only. error: {problem}"
                    ),
                ));
            }
        } else if value > HIGHEST_USER_PRIORITY {
            errors.push(Error::forbidden(
                &Path::new("value"),
                &format!("maximum allowed value of a user defined priority is {HIGHEST_USER_PRIORITY}"),
            ));
        }
        if !text(object, "preemptionPolicy").is_empty() {
            let policies = ["PreemptLowerPriority", "Never"];
            format::check_supported(&mut errors, &Path::new(""), object, "preemptionPolicy", &policies);
        }
        errors
    }

    fn validate_update(&self, new: &Value, old: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        if int(new, "value") != int(old, "value") {
            errors.push(Error::forbidden(&Path::new("value"), "may not be changed in an update."));
        }
        format::check_immutable(&mut errors, &Path::new(""), new, old, "preemptionPolicy");
        errors
    }

    fn has_generation(&self) -> bool {
        true
    }
}
