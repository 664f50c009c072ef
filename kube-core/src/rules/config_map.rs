//! ConfigMap. Source: `pkg/apis/core/validation`.

use super::access::{entries, get, is_true};
use super::{Rules, format};
use crate::field::{Error, ErrorList, Path};
use serde_json::Value;

/// Most bytes of all values of a ConfigMap or Secret together.
pub(super) const MAX_DATA_BYTES: usize = 1 << 20;

/// Rules of ConfigMaps.
#[derive(Debug)]
pub struct ConfigMap;

impl Rules for ConfigMap {
    fn validate(&self, object: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let mut total = 0;
        let data = Path::new("data");
        for (key, value) in entries(object, "data") {
            format::check_config_key(&mut errors, &data, key);
            if object["binaryData"].get(key).is_some() {
                errors.push(Error::invalid(
                    &data.key(key),
                    &key.as_str().into(),
                    "duplicate of key present in binaryData",
                ));
            }
            total += value.as_str().map_or(0, str::len);
        }
        let binary = Path::new("binaryData");
        for (key, value) in entries(object, "binaryData") {
            format::check_config_key(&mut errors, &binary, key);
            total += format::decoded_bytes(value.as_str().unwrap_or(""));
        }
        if total > MAX_DATA_BYTES {
            errors.push(Error::too_long(&Path::new(""), MAX_DATA_BYTES));
        }
        errors
    }

    fn validate_update(&self, new: &Value, old: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        check_immutable(&mut errors, new, old, &["data", "binaryData"]);
        errors.extend(self.validate(new));
        errors
    }
}

/// What `immutable: true` forbids, for ConfigMaps and Secrets.
pub(super) fn check_immutable(errors: &mut ErrorList, new: &Value, old: &Value, fields: &[&str]) {
    const TEXT: &str = "field is immutable when `immutable` is set";
    if !is_true(old, "immutable") {
        return;
    }
    if !is_true(new, "immutable") {
        errors.push(Error::forbidden(&Path::new("immutable"), TEXT));
    }
    for field in fields {
        let content =
            |object| get(object, field).filter(|map| map.as_object().is_none_or(|map| !map.is_empty())).cloned();
        if content(new) != content(old) {
            errors.push(Error::forbidden(&Path::new(field), TEXT));
        }
    }
}
