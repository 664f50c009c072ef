//! PodTemplate.

use super::{Rules, pod};
use crate::field::{ErrorList, Path};
use serde_json::Value;

/// Rules of PodTemplates.
#[derive(Debug)]
pub struct PodTemplate;

impl Rules for PodTemplate {
    fn default(&self, object: &mut Value) {
        pod::defaults::template(object);
    }

    fn validate(&self, object: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        pod::template::check(&mut errors, &Path::new("template"), &object["template"]);
        errors
    }

    fn warnings(&self, object: &Value) -> Vec<String> {
        pod::warnings::of_spec("template.", &object["template"]["spec"], &object["template"]["metadata"])
    }

    fn has_generation(&self) -> bool {
        true
    }
}
