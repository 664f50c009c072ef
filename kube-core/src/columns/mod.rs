//! The columns with which a kind is shown as a Table, and the cells of its rows.
//!
//! The server asks for both by group and kind, whatever the version. Source: `pkg/printers/internalversion`.

use crate::catalog::Column;
use serde_json::{Value, json};

/// The columns of a built-in kind; empty for Name and Age alone.
pub fn of(_group: &str, _kind: &str) -> &'static [Column] {
    &[]
}

/// The cells of an object's row, one for each of [`of`]'s columns, those of `-o wide` too. `None`: Name and Age.
pub fn cells(_group: &str, _kind: &str, _object: &Value, _now: jiff::Timestamp) -> Option<Vec<Value>> {
    None
}

/// The conditions of an object's row: a pod that has ended is `Completed`, which clients may leave out of a list.
pub fn completed(object: &Value) -> Option<Value> {
    let (reason, message) = match object["status"]["phase"].as_str()? {
        "Succeeded" => ("Succeeded", "The pod has completed successfully."),
        "Failed" => ("Failed", "The pod failed."),
        _ => return None,
    };
    Some(json!([{"type": "Completed", "status": "True", "reason": reason, "message": message}]))
}
