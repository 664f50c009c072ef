//! PersistentVolumeClaim. Source: `pkg/apis/core/v1/defaults.go`, `pkg/apis/core/validation`.

use super::access::{at, default_text, get, list, made, set, text, text_at, texts, unset};
use super::resource_list::{self, quantity, quantity_of};
use super::{Rules, copy_field, format, selector};
use crate::field::{Error, ErrorList, Path};
use serde_json::{Value, json};

/// Rules of PersistentVolumeClaims.
#[derive(Debug)]
pub struct PersistentVolumeClaim;

/// How a volume may be mounted.
const ACCESS_MODES: [&str; 4] = ["ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"];

const FIXED: &str =
    "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims";

impl Rules for PersistentVolumeClaim {
    fn default(&self, object: &mut Value) {
        let Some(spec) = made(object, "spec") else { return };
        default_text(spec, "volumeMode", "Filesystem");
    }

    fn prepare_create(&self, object: &mut Value) {
        set(object, "status", json!({"phase": "Pending"}));
        settle_sources(&mut object["spec"], &Value::Null);
    }

    fn prepare_update(&self, new: &mut Value, old: &Value) {
        copy_field(new, old, "status");
        settle_sources(&mut new["spec"], &old["spec"]);
    }

    fn validate(&self, object: &Value) -> ErrorList {
        check_spec(&Path::new("spec"), &object["spec"])
    }

    fn validate_update(&self, new: &Value, old: &Value) -> ErrorList {
        let mut errors = self.validate(new);
        let path = Path::new("spec");
        let mut kept = new["spec"].clone();
        let before = &old["spec"];
        if text(before, "volumeName").is_empty() {
            unset(&mut kept, "volumeName");
        }
        if get(before, "storageClassName").is_none() {
            unset(&mut kept, "storageClassName");
        }
        if text_at(new, &["status", "phase"]) == "Bound" {
            copy_field(&mut kept, before, "volumeAttributesClassName");
            if let (Some(requests), Some(size)) = (
                made(&mut kept, "resources").and_then(|r| made(r, "requests")),
                at(before, &["resources", "requests", "storage"]),
            ) {
                set(requests, "storage", size.clone());
            }
        }
        if kept != *before {
            errors.push(Error::forbidden(&path, FIXED));
        }
        let size = |object: &Value, list: &[&str]| at(object, list).and_then(|list| quantity_of(list, "storage"));
        let requests = ["resources", "requests"];
        let shrinks = size(&new["spec"], &requests) < size(before, &requests);
        if shrinks && size(&new["spec"], &requests) <= size(&old["status"], &["capacity"]) {
            errors.push(Error::forbidden(
                &path.child("resources").child("requests").child("storage"),
                "field can not be less than status.capacity",
            ));
        }
        if get(&new["spec"], "volumeMode") != get(before, "volumeMode") {
            errors.push(Error::invalid(&Path::new("volumeMode"), &new["spec"]["volumeMode"], format::IMMUTABLE));
        }
        errors
    }

    fn warnings(&self, object: &Value) -> Vec<String> {
        let mut warnings: Vec<String> = warning_of_class(object).into_iter().collect();
        warnings.extend(warnings_of_spec("spec", &object["spec"]));
        warnings
    }

    fn has_status(&self) -> bool {
        true
    }

    fn has_generation(&self) -> bool {
        false
    }

    fn selectable_fields(&self, object: &Value) -> Vec<(&'static str, String)> {
        vec![("name", text_at(object, &["metadata", "name"]).to_owned())]
    }

    fn selectable_field_names(&self) -> &'static [&'static str] {
        &["name"]
    }
}

/// Drops what a claim may not name as the source of its data, and makes the older field and the one that replaces it
/// mirror each other. What the stored claim has stays.
///
/// Source: KEP-1495; KEP-3294, whose gate `CrossNamespaceVolumeDataSource` is off.
fn settle_sources(spec: &mut Value, old: &Value) {
    let has = |field: &str| get(old, field).is_some();
    if !text_at(spec, &["dataSourceRef", "namespace"]).is_empty() && !has("dataSourceRef") {
        unset(spec, "dataSourceRef");
    }
    if !has("dataSource") && !has("dataSourceRef") && get(spec, "dataSourceRef").is_none() {
        let source = &spec["dataSource"];
        let known = matches!(
            (text(source, "apiGroup"), text(source, "kind")),
            ("", "PersistentVolumeClaim") | ("snapshot.storage.k8s.io", "VolumeSnapshot")
        );
        if !known {
            unset(spec, "dataSource");
        }
    }
    match (get(spec, "dataSource").cloned(), get(spec, "dataSourceRef").cloned()) {
        (Some(source), None) => set(spec, "dataSourceRef", source),
        (None, Some(reference)) if text(&reference, "namespace").is_empty() => set(spec, "dataSource", reference),
        _ => {}
    }
}

/// A warning about the annotation that `storageClassName` has replaced.
pub(super) fn warning_of_class(object: &Value) -> Option<String> {
    const CLASS: &str = "volume.beta.kubernetes.io/storage-class";
    at(object, &["metadata", "annotations", CLASS])?;
    Some(format!("metadata.annotations[{CLASS}]: deprecated since v1.8; use \"storageClassName\" attribute instead"))
}

/// Warnings about the spec of a claim: half a byte cannot be had.
pub(super) fn warnings_of_spec(path: &str, spec: &Value) -> Vec<String> {
    let mut warnings = Vec::new();
    for field in ["requests", "limits"] {
        let Some(size) = at(spec, &["resources", field, "storage"]) else { continue };
        if quantity(size).is_some_and(|quantity| quantity.milli_value() % 1000 != 0) {
            warnings.push(format!(
                "{path}.resources.{field}[storage]: fractional byte value {size} is invalid, must be an integer"
            ));
        }
    }
    warnings
}

/// The spec of a claim, or of the claim that an ephemeral volume makes.
pub(super) fn check_spec(path: &Path, spec: &Value) -> ErrorList {
    let mut errors = ErrorList::new();
    if list(spec, "accessModes").is_empty() {
        errors.push(Error::required(&path.child("accessModes"), "at least 1 access mode is required"));
    }
    if let Some(value) = get(spec, "selector") {
        selector::check(&mut errors, &path.child("selector"), value);
    }
    check_access_modes(&mut errors, path, spec);
    let storage = path.child("resources").key("storage");
    match at(spec, &["resources", "requests", "storage"]) {
        None => errors.push(Error::required(&storage, "")),
        Some(size) => {
            if !check_positive(&mut errors, &storage, size) {
                resource_list::check_quantity(&mut errors, &storage, "storage", size);
            }
        }
    }
    for field in ["storageClassName", "volumeAttributesClassName"] {
        if !text(spec, field).is_empty() {
            format::check_subdomain(&mut errors, &path.child(field), text(spec, field));
        }
    }
    format::check_optional(&mut errors, path, spec, "volumeMode", &["Block", "Filesystem"]);
    for field in ["dataSource", "dataSourceRef"] {
        if let Some(source) = get(spec, field) {
            check_data_source(&mut errors, &path.child(field), source);
        }
    }
    if let (Some(source), Some(reference)) = (get(spec, "dataSource"), get(spec, "dataSourceRef")) {
        let differ = ["apiGroup", "kind", "name"].iter().any(|field| text(source, field) != text(reference, field));
        if !text(reference, "namespace").is_empty() {
            let text = "may not be specified when dataSourceRef.namespace is specified";
            errors.push(Error::invalid(path, &json!({}), text));
        } else if differ {
            errors.push(Error::invalid(path, &json!({}), "must match dataSourceRef"));
        }
    }
    errors
}

fn check_data_source(errors: &mut ErrorList, path: &Path, source: &Value) {
    format::check_present(errors, path, source, "name");
    format::check_present(errors, path, source, "kind");
    let group = text(source, "apiGroup");
    if group.is_empty() && text(source, "kind") != "PersistentVolumeClaim" {
        errors.push(Error::invalid(
            path,
            &text(source, "kind").into(),
            "must be 'PersistentVolumeClaim' when referencing the default apiGroup",
        ));
    }
    if !group.is_empty() {
        format::check_subdomain(errors, &path.child("apiGroup"), group);
    }
}

/// Access modes are known, and `ReadWriteOncePod` stands alone.
pub(super) fn check_access_modes(errors: &mut ErrorList, path: &Path, spec: &Value) {
    let (mut alone, mut others) = (false, false);
    for mode in texts(spec, "accessModes") {
        if !ACCESS_MODES.contains(&mode) {
            errors.push(Error::not_supported(&path.child("accessModes"), &mode.into(), &ACCESS_MODES));
        } else if mode == "ReadWriteOncePod" {
            alone = true;
        } else {
            others = true;
        }
    }
    if alone && others {
        errors
            .push(Error::forbidden(&path.child("accessModes"), "may not use ReadWriteOncePod with other access modes"));
    }
}

/// A quantity above zero. `true` where it was reported.
pub(super) fn check_positive(errors: &mut ErrorList, path: &Path, value: &Value) -> bool {
    let wrong = quantity(value).is_some_and(|quantity| quantity.is_zero() || quantity.is_negative());
    if wrong {
        errors.push(Error::invalid(path, value, format::NOT_POSITIVE));
    }
    wrong
}
