//! The seam between a kind and the pipeline that serves it: defaults, validation and what an update may change.
//!
//! The server calls these on JSON values whose shape has been checked against the schema table, in this order.
//! Create: [`Rules::prepare_create`], [`Rules::default`], [`Rules::validate`].
//! Update: [`Rules::prepare_update`], [`Rules::default`], [`Rules::validate_update`].
//! Every method has the behaviour of a kind without rules of its own as its default.

use crate::field::ErrorList;
use serde_json::Value;
use std::fmt::Debug;

/// The rules of a built-in kind (the same for all its API versions), or `None` for a kind that has none of its own.
pub fn of(_group: &str, _kind: &str) -> Option<&'static dyn Rules> {
    None
}

/// The rules of one kind. Pure: no I/O, no clock, no randomness.
pub trait Rules: Sync + Debug {
    /// Fills in what the author of an object left out. Idempotent.
    fn default(&self, _object: &mut Value) {}

    /// Drops what a creator may not set (by default `status`, for kinds that have the subresource).
    fn prepare_create(&self, object: &mut Value) {
        if self.has_status()
            && let Some(map) = object.as_object_mut()
        {
            map.remove("status");
        }
    }

    /// Restores what an update of the main resource may not change (by default `status`).
    fn prepare_update(&self, new: &mut Value, old: &Value) {
        if self.has_status() {
            copy_field(new, old, "status");
        }
    }

    /// Restores what an update of the status subresource may not change (by default everything but `status` and metadata
    /// bookkeeping).
    fn prepare_status_update(&self, new: &mut Value, old: &Value) {
        let mut kept = old.clone();
        copy_field(&mut kept, new, "status");
        for field in ["resourceVersion", "managedFields"] {
            match new["metadata"].get(field) {
                Some(value) => kept["metadata"][field] = value.clone(),
                None => {
                    if let Some(map) = kept["metadata"].as_object_mut() {
                        map.remove(field);
                    }
                }
            }
        }
        *new = kept;
    }

    /// Errors of a new object, beyond those of its metadata.
    fn validate(&self, _object: &Value) -> ErrorList {
        ErrorList::new()
    }

    /// Errors of an update, beyond those of its metadata. By default those of the new object.
    fn validate_update(&self, new: &Value, _old: &Value) -> ErrorList {
        self.validate(new)
    }

    /// Errors of a status update.
    fn validate_status_update(&self, _new: &Value, _old: &Value) -> ErrorList {
        ErrorList::new()
    }

    /// Warnings for the author, sent as `Warning` headers.
    fn warnings(&self, _object: &Value) -> Vec<String> {
        Vec::new()
    }

    /// Whether `status` is a subresource of its own.
    fn has_status(&self) -> bool {
        false
    }

    /// Whether `metadata.generation` counts changes outside metadata and status.
    fn has_generation(&self) -> bool {
        self.has_status()
    }

    /// Whether an update of an object that does not exist creates it (Lease, Event, Endpoints … do).
    fn allows_create_on_update(&self) -> bool {
        false
    }

    /// Whether an update may leave out the resourceVersion.
    fn allows_unconditional_update(&self) -> bool {
        true
    }

    /// Fields beyond `metadata.name` and `metadata.namespace` that a field selector may name, with their values.
    fn selectable_fields(&self, _object: &Value) -> Vec<(&'static str, String)> {
        Vec::new()
    }

    /// The names that [`Rules::selectable_fields`] can give.
    fn selectable_field_names(&self) -> &'static [&'static str] {
        &[]
    }

    /// How names of this kind are checked.
    fn name_rule(&self) -> NameRule {
        NameRule::Subdomain
    }

    /// The grace period of a delete in seconds, where the kind has one: pods. `requested` is what the client asked for;
    /// `None` deletes at once.
    fn deletion_grace_seconds(&self, _object: &Value, _requested: Option<i64>) -> Option<i64> {
        None
    }

    /// The cells of one Table row after those the catalog derives by itself, one per column of
    /// [`crate::catalog::Resource::columns`]. `now` is for ages. `None`: the default columns, Name and Age.
    fn cells(&self, _object: &Value, _now: jiff::Timestamp) -> Option<Vec<Value>> {
        None
    }
}

/// The character rules for names. Source: RFC 1123, RFC 1035, and `ValidatePathSegmentName`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameRule {
    /// RFC 1123 subdomain, at most 253 bytes.
    Subdomain,
    /// RFC 1123 label, at most 63 bytes.
    Label,
    /// RFC 1035 label, at most 63 bytes.
    Rfc1035Label,
    /// Any path segment (RBAC).
    PathSegment,
}

/// The rules of a kind that has none of its own but keeps a status.
#[derive(Debug)]
pub struct Generic {
    /// Whether the kind has a status subresource.
    pub status: bool,
}

impl Rules for Generic {
    fn has_status(&self) -> bool {
        self.status
    }
}

fn copy_field(to: &mut Value, from: &Value, field: &str) {
    match (from.get(field), to.as_object_mut()) {
        (Some(value), Some(map)) => {
            map.insert(field.to_owned(), value.clone());
        }
        (None, Some(map)) => {
            map.remove(field);
        }
        (_, None) => {}
    }
}
