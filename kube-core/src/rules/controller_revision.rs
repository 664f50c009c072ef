//! ControllerRevision: what a StatefulSet or DaemonSet goes back to. Source: `pkg/apis/apps/validation`.

use super::access::get;
use super::{Rules, format};
use crate::field::{Error, ErrorList, Path};
use serde_json::Value;

/// Rules of ControllerRevisions.
#[derive(Debug)]
pub struct ControllerRevision;

impl Rules for ControllerRevision {
    fn validate(&self, object: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        if get(object, "data").is_none() {
            errors.push(Error::required(&Path::new("data"), "data is mandatory"));
        }
        format::check_non_negative(&mut errors, &Path::new(""), object, "revision");
        errors
    }

    fn validate_update(&self, new: &Value, old: &Value) -> ErrorList {
        let mut errors = self.validate(new);
        format::check_immutable(&mut errors, &Path::new(""), new, old, "data");
        errors
    }
}
