//! Secret. Source: `pkg/apis/core/v1/conversion.go` (stringData), `pkg/apis/core/validation`, `pkg/registry/core/secret`.

use super::access::{default_text, entries, get, made, set, text, text_at, unset};
use super::config_map::{MAX_DATA_BYTES, check_immutable};
use super::{Rules, format};
use crate::field::{Error, ErrorList, Path};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

/// Rules of Secrets.
#[derive(Debug)]
pub struct Secret;

impl Rules for Secret {
    fn default(&self, object: &mut Value) {
        default_text(object, "type", "Opaque");
        merge_string_data(object);
    }

    fn prepare_update(&self, new: &mut Value, old: &Value) {
        // The type cannot change; leaving it out of an update keeps it.
        if text(new, "type").is_empty() {
            let kind = text(old, "type").to_owned();
            set(new, "type", kind);
        }
    }

    fn validate(&self, object: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let data = Path::new("data");
        let mut total = 0;
        for (key, value) in entries(object, "data") {
            format::check_config_key(&mut errors, &data, key);
            total += format::decoded_bytes(value.as_str().unwrap_or(""));
        }
        if total > MAX_DATA_BYTES {
            errors.push(Error::too_long(&data, MAX_DATA_BYTES));
        }
        check_type(&mut errors, &data, object);
        errors
    }

    fn validate_update(&self, new: &Value, old: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        format::check_immutable(&mut errors, &Path::new(""), new, old, "type");
        check_immutable(&mut errors, new, old, &["data"]);
        errors.extend(self.validate(new));
        errors
    }

    fn selectable_fields(&self, object: &Value) -> Vec<(&'static str, String)> {
        vec![("type", text(object, "type").to_owned())]
    }

    fn selectable_field_names(&self) -> &'static [&'static str] {
        &["type"]
    }
}

/// `stringData` is write-only: its values go into `data`, encoded, over those that are there.
fn merge_string_data(object: &mut Value) {
    let Some(plain) = object.get_mut("stringData").map(Value::take) else { return };
    unset(object, "stringData");
    let Value::Object(plain) = plain else { return };
    if plain.is_empty() {
        return;
    }
    if let Some(data) = made(object, "data") {
        for (key, value) in plain {
            set(data, &key, STANDARD.encode(value.as_str().unwrap_or("")));
        }
    }
}

/// The keys that a type requires.
fn check_type(errors: &mut ErrorList, data: &Path, object: &Value) {
    let has = |key: &str| object["data"].get(key).is_some();
    let mut require = |keys: &[&str]| {
        for key in keys {
            errors.push(Error::required(&data.key(key), ""));
        }
    };
    match text(object, "type") {
        "kubernetes.io/service-account-token" => {
            const ACCOUNT: &str = "kubernetes.io/service-account.name";
            if text_at(object, &["metadata", "annotations", ACCOUNT]).is_empty() {
                errors.push(Error::required(&Path::new("metadata").child("annotations").key(ACCOUNT), ""));
            }
        }
        "kubernetes.io/dockercfg" => check_json(errors, data, object, ".dockercfg"),
        "kubernetes.io/dockerconfigjson" => check_json(errors, data, object, ".dockerconfigjson"),
        "kubernetes.io/basic-auth" if !has("username") && !has("password") => require(&["username", "password"]),
        "kubernetes.io/ssh-auth" if text_at(object, &["data", "ssh-privatekey"]).is_empty() => {
            require(&["ssh-privatekey"]);
        }
        "kubernetes.io/tls" => {
            let missing: Vec<&str> = ["tls.crt", "tls.key"].into_iter().filter(|key| !has(key)).collect();
            require(&missing);
        }
        _ => {}
    }
}

/// The value under this key is there, and a JSON object. Its content stays out of the error.
fn check_json(errors: &mut ErrorList, data: &Path, object: &Value, key: &str) {
    let Some(encoded) = get(&object["data"], key).and_then(Value::as_str) else {
        errors.push(Error::required(&data.key(key), ""));
        return;
    };
    let decoded = STANDARD.decode(encoded).unwrap_or_default();
    if serde_json::from_slice::<Map<String, Value>>(&decoded).is_err() {
        errors.push(Error::invalid(
            &data.key(key),
            &"<secret contents redacted>".into(),
            "must be a valid JSON object",
        ));
    }
}
