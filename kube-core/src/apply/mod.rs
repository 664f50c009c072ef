//! Server-side apply: which manager owns which fields, and what an apply changes.
//!
//! [`apply`] serves apply patches; [`track_new`] makes the record of a create and [`track`] and [`track_apart`] keep it after every other write. All are driven by the list and
//! map types of the schema table.
//!
//! Source: KEP-555, `structured-merge-diff`, `k8s.io/apimachinery/pkg/util/managedfields`.

mod compare;
mod conflict;
mod created;
mod form;
mod last_applied;
mod managers;
mod merge;
mod set;
mod text;

use crate::catalog;
use crate::schema::Type;
use crate::status::ApiError;
use conflict::Conflict;
pub use created::track_new;
use form::Form;
use managers::{Identity, Managers, Operation};
use serde_json::{Map, Value};
use set::Set;
use std::collections::HashSet;
use std::sync::LazyLock;

/// Who writes, through which API version and subresource, and when.
#[derive(Clone, Copy, Debug)]
pub struct Writer<'a> {
    /// The field manager.
    pub manager: &'a str,
    /// The API version of the request: `apps/v1`.
    pub api_version: &'a str,
    /// `status`, `scale`, …; empty for the object itself.
    pub subresource: &'a str,
    /// The time of the write.
    pub now: jiff::Timestamp,
}

/// The object after `configuration` was applied to `live` (`None`: to nothing), managedFields included. It equals `live`
/// where the apply changes nothing.
///
/// Fields that the configuration no longer names and that nobody else owns are removed. Defaults are not filled in, so
/// they are owned by nobody.
///
/// # Errors
/// 409 with a cause for every field that another manager owns with another value, unless `force`; 400 where the
/// configuration itself cannot be applied (managedFields set, merge keys missing or twice the same).
pub fn apply(
    live: Option<&Value>,
    configuration: &Value,
    schema: &'static Type,
    writer: Writer<'_>,
    force: bool,
) -> Result<Value, ApiError> {
    if configuration["metadata"]["managedFields"].as_array().is_some_and(|entries| !entries.is_empty()) {
        return Err(ApiError::bad_request("metadata.managedFields must be nil"));
    }
    let empty = Value::Object(Map::new());
    let live = live.unwrap_or(&empty);
    let configuration = within_reach(configuration, schema, writer.subresource);
    match apply_once(live, &configuration, schema, writer, force) {
        Ok(applied) => Ok(applied),
        Err(Failure::Malformed(error)) => Err(error),
        Err(Failure::Conflicts(conflicts)) => {
            let allowed = last_applied::allowed(live, schema, writer);
            let left: Vec<Conflict> = conflicts.into_iter().filter_map(|conflict| conflict.without(&allowed)).collect();
            if !left.is_empty() {
                return Err(conflict::error(&left));
            }
            apply_once(live, &configuration, schema, writer, true).map_err(|failure| match failure {
                Failure::Malformed(error) => error,
                Failure::Conflicts(conflicts) => conflict::error(&conflicts),
            })
        }
    }
}

/// Brings managedFields of `new` up to date after a write that is not an apply (create, update, patch): the writer owns
/// what it changed, others lose what it changed or removed. `new` is the object as it will be stored.
pub fn track(live: Option<&Value>, new: &mut Value, schema: &'static Type, writer: Writer<'_>) {
    let empty = Value::Object(Map::new());
    let live = live.unwrap_or(&empty);
    let mut managers = Managers::of_update(new, live, writer);
    bring_up_to_date(&mut managers, live, new, schema, writer);
    managers.write(new);
}

/// As [`track`], for a record that was kept apart from the objects, as stored: writers that say nothing of ownership need
/// not decode what is half of an object. `live` and `new` have no managedFields. Gives the new record, encoded.
pub fn track_apart(
    live: &Value,
    new: &Value,
    record: Option<&str>,
    schema: &'static Type,
    writer: Writer<'_>,
) -> Option<Vec<u8>> {
    let mut managers = record.map(Managers::of_text).unwrap_or_default();
    bring_up_to_date(&mut managers, live, new, schema, writer);
    managers.encode()
}

fn bring_up_to_date(managers: &mut Managers, live: &Value, new: &Value, schema: &'static Type, writer: Writer<'_>) {
    let compared = compare::compare(Some(live), Some(new), Form::Struct(schema));
    let changed = owned(compared.changed, schema, writer.subresource);
    let removed = owned(compared.removed, schema, writer.subresource);
    let me = Identity::new(writer, Operation::Update);
    managers.release(&me, &changed, &removed);
    managers.take(me, changed, writer);
    managers.cap();
}

enum Failure {
    Conflicts(Vec<Conflict>),
    Malformed(ApiError),
}

fn apply_once(
    live: &Value,
    configuration: &Value,
    schema: &'static Type,
    writer: Writer<'_>,
    force: bool,
) -> Result<Value, Failure> {
    let form = Form::Struct(schema);
    let mut managers = Managers::read(live["metadata"]["managedFields"].clone());
    let me = Identity::new(writer, Operation::Apply);
    let applied = compare::fields(configuration, form).map_err(|what| {
        Failure::Malformed(ApiError::bad_request(format!("failed to create typed patch object: {what}")))
    })?;
    let applied = owned(applied, schema, writer.subresource);
    let mut new = merge::merge(Some(live), configuration, form);
    let last = managers.replace(&me, applied, writer);
    let kept = managers.union();
    merge::remove(&mut new, form, &last, Some(&kept));
    let compared = compare::compare(Some(live), Some(&new), form);
    let conflicts = conflict::find(&managers, &me, &compared.changed);
    if !force && !conflicts.is_empty() {
        return Err(Failure::Conflicts(conflicts));
    }
    managers.release(&me, &compared.changed, &compared.removed);
    managers.write(&mut new);
    last_applied::sync(live, &mut new, writer);
    Ok(new)
}

/// The set without what nobody owns: what the system itself sets.
fn owned(mut set: Set, schema: &'static Type, subresource: &str) -> Set {
    if set.is_empty() {
        return set;
    }
    for field in ["apiVersion", "kind"] {
        set.remove_field(&[field]);
    }
    for field in created::SYSTEM_METADATA {
        set.remove_field(&["metadata", field]);
    }
    set.unmark_field("metadata");
    if subresource.is_empty() && has_status(schema) {
        set.remove_field(&["status"]);
    }
    set
}

/// What the endpoint lets a configuration set: all but the status, or the status alone.
fn within_reach(configuration: &Value, schema: &'static Type, subresource: &str) -> Value {
    let mut reached = configuration.clone();
    if let Some(map) = reached.as_object_mut() {
        match subresource {
            "status" => map.retain(|field, _| matches!(field.as_str(), "apiVersion" | "kind" | "metadata" | "status")),
            _ if has_status(schema) => {
                map.remove("status");
            }
            _ => {}
        }
    }
    reached
}

/// Whether objects of this type have their status as a subresource, which other managers own.
fn has_status(schema: &'static Type) -> bool {
    static NAMES: LazyLock<HashSet<&'static str>> = LazyLock::new(|| {
        let resources = catalog::builtin().iter().filter(|resource| resource.subresource("status").is_some());
        resources.filter(|r| r.schema_type().field("status").is_some()).map(|r| r.schema).collect()
    });
    NAMES.contains(schema.name)
}

#[cfg(test)]
mod tests;
