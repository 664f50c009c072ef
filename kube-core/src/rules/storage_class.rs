//! StorageClass. Source: `pkg/apis/storage/v1/defaults.go`, `pkg/apis/storage/validation`.

use super::access::{default_to, entries, list, text};
use super::{Rules, format};
use crate::field::{Error, ErrorList, Path};
use serde_json::Value;

const PARAMETERS_MAX: usize = 512;
const PARAMETERS_BYTES_MAX: usize = 256 * 1024;

/// Rules of StorageClasses.
#[derive(Debug)]
pub struct StorageClass;

impl Rules for StorageClass {
    fn default(&self, object: &mut Value) {
        default_to(object, "reclaimPolicy", "Delete");
        default_to(object, "volumeBindingMode", "Immediate");
    }

    fn validate(&self, object: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let root = Path::new("");
        match text(object, "provisioner") {
            "" => errors.push(Error::required(&Path::new("provisioner"), "")),
            provisioner => {
                format::check_qualified_name(&mut errors, &Path::new("provisioner"), &provisioner.to_lowercase());
            }
        }
        let parameters = Path::new("parameters");
        let count = entries(object, "parameters").count();
        if count > PARAMETERS_MAX {
            errors.push(Error::too_long(&parameters, PARAMETERS_MAX));
        }
        let bytes: usize = entries(object, "parameters").map(|(k, v)| k.len() + v.as_str().map_or(0, str::len)).sum();
        if bytes > PARAMETERS_BYTES_MAX {
            errors.push(Error::too_long(&parameters, PARAMETERS_BYTES_MAX));
        }
        if entries(object, "parameters").any(|(key, _)| key.is_empty()) {
            errors.push(Error::invalid(&parameters, &"".into(), "field can not be empty."));
        }
        format::check_supported(&mut errors, &root, object, "reclaimPolicy", &["Delete", "Retain"]);
        let modes = ["Immediate", "WaitForFirstConsumer"];
        format::check_supported(&mut errors, &root, object, "volumeBindingMode", &modes);
        for (index, term) in list(object, "allowedTopologies").iter().enumerate() {
            let path = Path::new("allowedTopologies").index(index).child("matchLabelExpressions");
            for (index, requirement) in list(term, "matchLabelExpressions").iter().enumerate() {
                let path = path.index(index);
                if list(requirement, "values").is_empty() {
                    errors.push(Error::required(&path.child("values"), ""));
                }
                format::check_label_key(&mut errors, &path.child("key"), text(requirement, "key"));
            }
        }
        errors
    }

    fn validate_update(&self, new: &Value, old: &Value) -> ErrorList {
        let mut errors = self.validate(new);
        for field in ["parameters", "provisioner"] {
            if new.get(field) != old.get(field) {
                let text = "updates to parameters are forbidden.";
                let text = if field == "provisioner" { "updates to provisioner are forbidden." } else { text };
                errors.push(Error::forbidden(&Path::new(field), text));
            }
        }
        for field in ["reclaimPolicy", "volumeBindingMode"] {
            format::check_immutable(&mut errors, &Path::new(""), new, old, field);
        }
        errors
    }
}
