//! Server-side apply: which manager owns which fields, and what an apply changes.
//!
//! Source: KEP-555 and `structured-merge-diff`.

use crate::schema::Type;
use crate::status::ApiError;
use serde_json::Value;

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

/// The object after `configuration` was applied to `live` (`None`: to nothing), managedFields included.
///
/// # Errors
/// 409 with a cause for every field that another manager owns with another value, unless `force`; 400 where the
/// configuration itself cannot be applied (managedFields set, keys missing).
pub fn apply(
    live: Option<&Value>,
    configuration: &Value,
    schema: &'static Type,
    writer: Writer<'_>,
    force: bool,
) -> Result<Value, ApiError> {
    let _ = (live, configuration, schema, writer, force);
    todo!()
}

/// Brings managedFields of `new` up to date after a write that is not an apply (create, update, patch): the writer owns
/// what it changed, others lose what it changed or removed.
pub fn track(live: Option<&Value>, new: &mut Value, schema: &'static Type, writer: Writer<'_>) {
    let _ = (live, new, schema, writer);
    todo!()
}
