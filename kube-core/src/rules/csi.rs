//! CSIDriver. Source: `pkg/apis/storage/v1/defaults.go`, `pkg/apis/storage/validation`.

use super::access::{default_to, list, made};
use super::{Rules, format};
use crate::field::{ErrorList, Path};
use serde_json::{Value, json};

/// Rules of CSIDrivers.
#[derive(Debug)]
pub struct CsiDriver;

impl Rules for CsiDriver {
    fn default(&self, object: &mut Value) {
        let Some(spec) = made(object, "spec") else { return };
        default_to(spec, "attachRequired", true);
        default_to(spec, "podInfoOnMount", false);
        default_to(spec, "storageCapacity", false);
        default_to(spec, "fsGroupPolicy", "ReadWriteOnceWithFSType");
        default_to(spec, "requiresRepublish", false);
        default_to(spec, "seLinuxMount", false);
        if list(spec, "volumeLifecycleModes").is_empty() {
            super::access::set(spec, "volumeLifecycleModes", json!(["Persistent"]));
        }
    }

    fn validate(&self, object: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let path = Path::new("spec");
        let policies = ["ReadWriteOnceWithFSType", "File", "None"];
        format::check_optional(&mut errors, &path, &object["spec"], "fsGroupPolicy", &policies);
        for mode in list(&object["spec"], "volumeLifecycleModes") {
            if !matches!(mode.as_str(), Some("Persistent" | "Ephemeral")) {
                errors.push(crate::field::Error::not_supported(
                    &path.child("volumeLifecycleModes"),
                    mode,
                    &["Persistent", "Ephemeral"],
                ));
            }
        }
        errors
    }

    fn validate_update(&self, new: &Value, old: &Value) -> ErrorList {
        let mut errors = self.validate(new);
        for field in ["attachRequired", "volumeLifecycleModes"] {
            format::check_immutable(&mut errors, &Path::new("spec"), &new["spec"], &old["spec"], field);
        }
        errors
    }

    fn has_generation(&self) -> bool {
        true
    }
}
