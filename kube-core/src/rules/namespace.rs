//! Namespace. Source: `pkg/apis/core/v1/defaults.go`, `pkg/apis/core/validation`, `pkg/registry/core/namespace`.

use super::access::{get, made, set, text_at, texts};
use super::{NameRule, Rules, copy_field, format};
use crate::field::{Error, ErrorList, Path};
use serde_json::{Value, json};

/// The label that carries a namespace's name, so that selectors can name it.
pub const NAME_LABEL: &str = "kubernetes.io/metadata.name";
/// The finalizer of a namespace's content, in `spec.finalizers`.
pub const FINALIZER: &str = "kubernetes";

/// Rules of Namespaces.
#[derive(Debug)]
pub struct Namespace;

impl Rules for Namespace {
    fn default(&self, object: &mut Value) {
        let name = text_at(object, &["metadata", "name"]).to_owned();
        if !name.is_empty()
            && let Some(labels) = made(object, "metadata").and_then(|metadata| made(metadata, "labels"))
        {
            set(labels, NAME_LABEL, name);
        }
    }

    fn prepare_create(&self, object: &mut Value) {
        self.default(object);
        set(object, "status", json!({"phase": "Active"}));
        let Some(spec) = made(object, "spec") else { return };
        let mut finalizers: Vec<Value> = texts(spec, "finalizers").map(Value::from).collect();
        if !finalizers.iter().any(|finalizer| finalizer == FINALIZER) {
            finalizers.push(FINALIZER.into());
        }
        set(spec, "finalizers", finalizers);
    }

    fn prepare_update(&self, new: &mut Value, old: &Value) {
        if let (Some(spec), Some(before)) = (made(new, "spec"), get(old, "spec")) {
            copy_field(spec, before, "finalizers");
        }
        copy_field(new, old, "status");
    }

    fn validate(&self, object: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        check_finalizers(&mut errors, object, |path, _| path.clone());
        errors
    }

    fn validate_update(&self, _new: &Value, _old: &Value) -> ErrorList {
        ErrorList::new()
    }

    fn validate_status_update(&self, new: &Value, _old: &Value) -> ErrorList {
        let (phase, when) = match get(&new["metadata"], "deletionTimestamp") {
            None => ("Active", "is empty"),
            Some(_) => ("Terminating", "is not empty"),
        };
        if text_at(new, &["status", "phase"]) == phase {
            return ErrorList::new();
        }
        let text = format!("may only be '{phase}' if `deletionTimestamp` {when}");
        vec![Error::invalid(&Path::new("status").child("Phase"), &text_at(new, &["status", "phase"]).into(), &text)]
    }

    fn has_status(&self) -> bool {
        true
    }

    fn has_generation(&self) -> bool {
        false
    }

    fn name_rule(&self) -> NameRule {
        NameRule::Label
    }

    fn selectable_fields(&self, object: &Value) -> Vec<(&'static str, String)> {
        let name = text_at(object, &["metadata", "name"]).to_owned();
        vec![("status.phase", text_at(object, &["status", "phase"]).to_owned()), ("name", name)]
    }

    fn selectable_field_names(&self) -> &'static [&'static str] {
        &["status.phase", "name"]
    }
}

/// What the `finalize` subresource takes: the new `spec.finalizers`, and nothing else.
pub fn prepare_finalize(new: &mut Value, old: &Value) {
    let finalizers = new["spec"].get("finalizers").cloned();
    copy_field(new, old, "status");
    copy_field(new, old, "spec");
    if let Some(spec) = made(new, "spec") {
        set(spec, "finalizers", finalizers.unwrap_or_else(|| json!([])));
    }
}

/// Errors of the `finalize` subresource.
pub fn validate_finalize(new: &Value) -> ErrorList {
    let mut errors = ErrorList::new();
    check_finalizers(&mut errors, new, Path::index);
    errors
}

fn check_finalizers(errors: &mut ErrorList, object: &Value, at: impl Fn(&Path, usize) -> Path) {
    let path = Path::new("spec").child("finalizers");
    for (index, finalizer) in texts(&object["spec"], "finalizers").enumerate() {
        let path = at(&path, index);
        let before = errors.len();
        format::check_qualified_name(errors, &path, finalizer);
        let standard = matches!(finalizer, "kubernetes" | "orphan" | "foregroundDeletion");
        if errors.len() == before && !finalizer.contains('/') && !standard {
            errors.push(Error::invalid(
                &path,
                &finalizer.into(),
                "name is neither a standard finalizer name nor is it fully qualified",
            ));
        }
    }
}
