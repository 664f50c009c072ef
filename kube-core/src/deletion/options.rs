//! `DeleteOptions`.

use crate::field::{Error, ErrorList, Path};
use crate::status::ApiError;
use serde_json::Value;

/// What happens to an object's dependents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Propagation {
    /// They stay, without their owner.
    Orphan,
    /// The object goes at once, the garbage collector deletes them later.
    Background,
    /// They go first.
    Foreground,
}

/// `DeleteOptions`, parsed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// How long the object may take to end.
    pub grace_period_seconds: Option<i64>,
    /// What happens to dependents; `None`: the kind's default.
    pub propagation: Option<Propagation>,
    /// Only this uid is deleted.
    pub uid: Option<String>,
    /// Only this version is deleted.
    pub resource_version: Option<String>,
    /// Nothing is stored.
    pub dry_run: bool,
}

impl Options {
    /// Reads a `DeleteOptions` object (as a body, or made from a query).
    ///
    /// # Errors
    /// One error per field that breaks a rule.
    pub fn parse(options: &Value) -> Result<Self, ErrorList> {
        let mut errors = ErrorList::new();
        let (policy, orphan) = (&options["propagationPolicy"], &options["orphanDependents"]);
        let path = Path::new("propagationPolicy");
        if !policy.is_null() && !orphan.is_null() {
            let detail = "orphanDependents and deletionPropagation cannot be both set";
            errors.push(Error::invalid(&path, policy, detail));
        }
        let propagation = match (policy.as_str(), orphan.as_bool()) {
            (Some("Orphan"), _) | (None, Some(true)) => Some(Propagation::Orphan),
            (Some("Background"), _) | (None, Some(false)) => Some(Propagation::Background),
            (Some("Foreground"), _) => Some(Propagation::Foreground),
            (Some(_), _) => {
                errors.push(Error::not_supported(&path, policy, &["Foreground", "Background", "Orphan", "nil"]));
                None
            }
            (None, None) => None,
        };
        let dry_run: Vec<&Value> = options["dryRun"].as_array().into_iter().flatten().collect();
        if dry_run.iter().any(|value| **value != "All") {
            errors.push(Error::not_supported(&Path::new("dryRun"), &options["dryRun"], &["All"]));
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        let text = |value: &Value| value.as_str().map(str::to_owned);
        Ok(Self {
            grace_period_seconds: options["gracePeriodSeconds"].as_i64(),
            propagation,
            uid: text(&options["preconditions"]["uid"]),
            resource_version: text(&options["preconditions"]["resourceVersion"]),
            dry_run: !dry_run.is_empty(),
        })
    }

    /// Whether `object`, as it is stored now, is the one that is meant. `group` is its kind's.
    ///
    /// # Errors
    /// 409 where a precondition does not hold.
    pub fn check_preconditions(&self, object: &Value, group: &str) -> Result<(), ApiError> {
        let metadata = &object["metadata"];
        let (name, kind) = (metadata["name"].as_str().unwrap_or_default(), object["kind"].as_str().unwrap_or_default());
        let wanted = [
            ("UID", "uid", &self.uid, "deleted and then recreated"),
            ("ResourceVersion", "resourceVersion", &self.resource_version, "modified"),
        ];
        for (what, field, wanted, may_have_been) in wanted {
            let found = metadata[field].as_str().unwrap_or_default();
            if let Some(wanted) = wanted.as_deref().filter(|wanted| *wanted != found) {
                let detail = format!(
                    "the {what} in the precondition ({wanted}) does not match the {what} in record ({found}). The object \
                     might have been {may_have_been}"
                );
                // Kubernetes tells the kind here, where other errors tell the plural.
                return Err(ApiError::conflict(group, kind, name, &detail));
            }
        }
        Ok(())
    }
}
