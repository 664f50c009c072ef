//! FlowSchema and PriorityLevelConfiguration: defaults. Source: `pkg/apis/flowcontrol/v1/defaults.go`.

use super::access::{child_mut, default_nonzero, default_to, made, set};
use super::{Rules, format};
use crate::field::{ErrorList, Path};
use serde_json::{Value, json};

/// Rules of FlowSchemas.
#[derive(Debug)]
pub struct FlowSchema;

impl Rules for FlowSchema {
    fn default(&self, object: &mut Value) {
        if let Some(spec) = made(object, "spec") {
            default_nonzero(spec, "matchingPrecedence", 1000);
        }
    }

    fn prepare_create(&self, object: &mut Value) {
        set(object, "status", json!({}));
    }

    fn validate(&self, object: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let path = Path::new("spec");
        format::check_range(&mut errors, &path, &object["spec"], "matchingPrecedence", 1, 10000);
        let level = path.child("priorityLevelConfiguration");
        format::check_present(&mut errors, &level, &object["spec"]["priorityLevelConfiguration"], "name");
        errors
    }

    fn has_status(&self) -> bool {
        true
    }
}

/// Rules of PriorityLevelConfigurations.
#[derive(Debug)]
pub struct PriorityLevel;

impl Rules for PriorityLevel {
    fn default(&self, object: &mut Value) {
        let Some(spec) = made(object, "spec") else { return };
        if let Some(limited) = child_mut(spec, "limited") {
            default_to(limited, "nominalConcurrencyShares", 30);
            default_to(limited, "lendablePercent", 0);
            if let Some(queuing) =
                child_mut(limited, "limitResponse").and_then(|response| child_mut(response, "queuing"))
            {
                default_nonzero(queuing, "handSize", 8);
                default_nonzero(queuing, "queues", 64);
                default_nonzero(queuing, "queueLengthLimit", 50);
            }
        }
        if let Some(exempt) = child_mut(spec, "exempt") {
            default_to(exempt, "nominalConcurrencyShares", 0);
            default_to(exempt, "lendablePercent", 0);
        }
    }

    fn prepare_create(&self, object: &mut Value) {
        set(object, "status", json!({}));
    }

    fn validate(&self, object: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        format::check_required(&mut errors, &Path::new("spec"), &object["spec"], "type", &["Exempt", "Limited"]);
        errors
    }

    fn has_status(&self) -> bool {
        true
    }
}
