//! Conflicts between managers, and what is said about them.

use super::managers::{Entry, Identity, Managers, Operation};
use super::set::Set;
use crate::status::{ApiError, Cause, Reason};

/// Fields that another manager owns.
#[derive(Clone, Debug)]
pub(super) struct Conflict {
    manager: String,
    fields: Set,
}

impl Conflict {
    /// What is left when these fields may be taken; `None` when nothing is.
    pub(super) fn without(mut self, allowed: &Set) -> Option<Self> {
        self.fields.subtract(allowed);
        if self.fields.is_empty() { None } else { Some(self) }
    }
}

/// What others own of what an apply changes.
pub(super) fn find(managers: &Managers, me: &Identity, changed: &Set) -> Vec<Conflict> {
    managers
        .entries
        .iter()
        .filter(|entry| entry.identity != *me)
        .map(|entry| Conflict { manager: readable(entry), fields: entry.set().intersection(changed) })
        .filter(|conflict| !conflict.fields.is_empty())
        .collect()
}

fn readable(entry: &Entry) -> String {
    let mut text = format!("{:?}", entry.identity.manager);
    if !entry.identity.subresource.is_empty() {
        text += &format!(" with subresource {:?}", entry.identity.subresource);
    }
    if entry.identity.operation == Operation::Update {
        text += &format!(" using {}", entry.api_version);
    }
    text
}

/// 409, with a cause per field.
pub(super) fn error(conflicts: &[Conflict]) -> ApiError {
    let mut causes = Vec::new();
    let mut lines = Vec::new();
    let mut sorted: Vec<&Conflict> = conflicts.iter().collect();
    sorted.sort_by(|a, b| a.manager.cmp(&b.manager));
    for conflict in sorted {
        lines.push(format!("conflicts with {}:", conflict.manager));
        for path in conflict.fields.paths() {
            lines.push(format!("- {path}"));
            causes.push(Cause {
                reason: "FieldManagerConflict".to_owned(),
                message: format!("conflict with {}", conflict.manager),
                field: path,
            });
        }
    }
    let message = match causes.as_slice() {
        [one] => format!("Apply failed with 1 conflict: {}: {}", one.message, one.field),
        many => format!("Apply failed with {} conflicts: {}", many.len(), lines.join("\n")),
    };
    let mut error = ApiError::new(Reason::Conflict, message);
    error.details.causes = causes;
    error
}
