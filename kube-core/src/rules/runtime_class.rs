//! RuntimeClass. Source: `pkg/apis/node/validation`.

use super::access::{at, entries, get, text};
use super::pod::scheduling;
use super::{Rules, format, resource_list};
use crate::field::{ErrorList, Path};
use crate::meta;
use serde_json::Value;

/// Rules of RuntimeClasses.
#[derive(Debug)]
pub struct RuntimeClass;

impl Rules for RuntimeClass {
    fn validate(&self, object: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        format::check_label(&mut errors, &Path::new("handler"), text(object, "handler"));
        if let Some(overhead) = get(object, "overhead") {
            let path = Path::new("overhead").child("podFixed");
            for (name, value) in entries(overhead, "podFixed") {
                resource_list::check_container_name(&mut errors, &path.key(name), name);
                resource_list::check_quantity(&mut errors, &path.key(name), name, value);
            }
        }
        if let Some(given) = get(object, "scheduling") {
            let path = Path::new("scheduling");
            if let Some(selector) = at(given, &["nodeSelector"]) {
                errors.extend(meta::validate_labels(selector, &path.child("nodeSelector")));
            }
            scheduling::check_tolerations(&mut errors, &path.child("tolerations"), given);
        }
        errors
    }

    fn validate_update(&self, new: &Value, old: &Value) -> ErrorList {
        let mut errors = self.validate(new);
        format::check_immutable(&mut errors, &Path::new(""), new, old, "handler");
        errors
    }
}
