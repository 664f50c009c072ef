//! Errors of an update of a Job's status: clients rely on a Job that has ended staying so. Source: KEP-4368,
//! `pkg/apis/batch/validation` and `pkg/registry/batch/job`.
//!
//! Most rules hold for what the update changes only, so that a status which broke one before can still be written.

use super::indexes;
use crate::field::{Error, ErrorList, Path};
use crate::rules::access::{get, int, is_true, list, text};
use crate::rules::format;
use jiff::Timestamp;
use serde_json::Value;
use std::collections::HashSet;

/// The condition that comes before the completion.
const MET: &str = "SuccessCriteriaMet";

/// Checks the status of `new` against that of `old`.
pub(super) fn validate_update(new: &Value, old: &Value) -> ErrorList {
    let change = Change { spec: &new["spec"], new: Status(&new["status"]), old: Status(&old["status"]) };
    let path = Path::new("status");
    let mut errors = ErrorList::new();
    check_numbers(&mut errors, &path, &new["status"]);
    change.check_end(&mut errors, &path);
    change.check_times(&mut errors, &path);
    change.check_indexes(&mut errors, &path);
    change.check_counters(&mut errors, &path);
    change.check_success(&mut errors, &path);
    change.check_order(&mut errors, &path);
    errors
}

/// A status.
#[derive(Clone, Copy)]
struct Status<'a>(&'a Value);

impl Status<'_> {
    /// Whether a condition is true.
    fn is(self, condition: &str) -> bool {
        self.has(condition, "True")
    }

    /// Whether a condition is false, which is more than that it is not there.
    fn is_not(self, condition: &str) -> bool {
        self.has(condition, "False")
    }

    fn has(self, condition: &str, status: &str) -> bool {
        list(self.0, "conditions")
            .iter()
            .any(|known| text(known, "type") == condition && text(known, "status") == status)
    }

    fn is_finished(self) -> bool {
        self.is("Complete") || self.is("Failed")
    }

    fn time(self, field: &str) -> Option<Timestamp> {
        text(self.0, field).parse().ok()
    }
}

fn check_numbers(errors: &mut ErrorList, path: &Path, status: &Value) {
    for field in ["active", "succeeded", "failed", "ready", "terminating"] {
        format::check_non_negative(errors, path, status, field);
    }
    let uncounted = &status["uncountedTerminatedPods"];
    let mut seen = HashSet::new();
    for field in ["succeeded", "failed"] {
        seen.clear();
        for (index, uid) in list(uncounted, field).iter().enumerate() {
            let at = || path.child("uncountedTerminatedPods").child(field).index(index);
            if uid == "" {
                errors.push(Error::invalid(&at(), uid, "must not be empty"));
            } else if !seen.insert(uid.as_str()) {
                errors.push(Error::duplicate(&at(), uid));
            }
        }
    }
}

/// An update of a status.
struct Change<'a> {
    spec: &'a Value,
    new: Status<'a>,
    old: Status<'a>,
}

impl Change<'_> {
    fn changes(&self, field: &str) -> bool {
        get(self.new.0, field) != get(self.old.0, field)
    }

    fn turns(&self, condition: &str) -> bool {
        self.new.is(condition) != self.old.is(condition)
    }

    fn finishes(&self) -> bool {
        self.new.is_finished() != self.old.is_finished()
    }

    /// What cannot be said of one Job together, and of one that has ended.
    fn check_end(&self, errors: &mut ErrorList, path: &Path) {
        let conditions = path.child("conditions");
        for other in ["Failed", "FailureTarget"] {
            if (self.turns("Complete") || self.turns(other)) && self.new.is("Complete") && self.new.is(other) {
                let text = format!("cannot set Complete=True and {other}=true conditions");
                errors.push(Error::invalid_without_value(&conditions, &text));
            }
        }
        if (self.turns("Failed") || self.changes("failedIndexes"))
            && self.new.is("Failed")
            && !self.new.is("FailureTarget")
        {
            let text = "cannot set Failed=True condition without the FailureTarget=true condition";
            errors.push(Error::invalid_without_value(&conditions, text));
        }
        if (self.turns("Complete") || self.turns(MET)) && self.new.is("Complete") && !self.new.is(MET) {
            let text = "cannot set Complete=True condition without the SuccessCriteriaMet=true condition";
            errors.push(Error::invalid_without_value(&conditions, text));
        }
        if !self.new.is_finished() {
            return;
        }
        for field in ["active", "terminating"] {
            if (self.finishes() || self.changes(field))
                && let Some(count) = int(self.new.0, field).filter(|count| *count > 0)
            {
                let text = format!("{field}>0 is invalid for finished job");
                errors.push(Error::invalid(&path.child(field), &count.into(), &text));
            }
        }
        let never_starts = is_true(self.spec, "suspend") && int(self.spec, "completions") == Some(0);
        if (self.finishes() || self.changes("startTime")) && get(self.new.0, "startTime").is_none() && !never_starts {
            errors.push(Error::required(&path.child("startTime"), "startTime is required for finished job"));
        }
        let uncounted = &self.new.0["uncountedTerminatedPods"];
        if (self.finishes() || self.changes("uncountedTerminatedPods"))
            && list(uncounted, "failed").len() + list(uncounted, "succeeded").len() > 0
        {
            let text = "uncountedTerminatedPods needs to be empty for finished job";
            errors.push(Error::invalid(&path.child("uncountedTerminatedPods"), uncounted, text));
        }
    }

    fn check_times(&self, errors: &mut ErrorList, path: &Path) {
        let completion = path.child("completionTime");
        let value = &self.new.0["completionTime"];
        let (completed, before) = (get(self.new.0, "completionTime"), get(self.old.0, "completionTime"));
        if self.turns("Complete") || self.changes("completionTime") {
            match (completed, self.new.is("Complete")) {
                (Some(_), false) => {
                    let text = "cannot set completionTime when there is no Complete=True condition";
                    errors.push(Error::invalid(&completion, value, text));
                }
                (None, true) => {
                    errors.push(Error::required(&completion, "completionTime is required for Complete jobs"));
                }
                _ => {}
            }
        }
        let early =
            self.new.time("completionTime").zip(self.new.time("startTime")).is_some_and(|(end, start)| end < start);
        if early && (self.changes("startTime") || self.changes("completionTime")) {
            errors.push(Error::invalid(&completion, value, "completionTime cannot be set before startTime"));
        }
        if completed.is_some() && before.is_some() && completed != before {
            errors.push(Error::invalid(&completion, value, "completionTime cannot be mutated"));
        }
        // A Job that goes on after a pause starts anew.
        let resumes = self.old.is("Suspended") && self.new.is_not("Suspended");
        let restarts = is_true(self.spec, "suspend") || resumes;
        if get(self.old.0, "startTime").is_some() && self.changes("startTime") && !restarts {
            let text = "startTime cannot be removed for unsuspended job";
            errors.push(Error::required(&path.child("startTime"), text));
        }
    }

    fn check_indexes(&self, errors: &mut ErrorList, path: &Path) {
        let completed = text(self.new.0, "completedIndexes");
        let failed = get(self.new.0, "failedIndexes").map(|_| text(self.new.0, "failedIndexes"));
        let completions = int(self.spec, "completions");
        let mut refuse = |field: &str, value: &str, text: &str| {
            errors.push(Error::invalid(&path.child(field), &value.into(), text));
        };
        let per_index = get(self.spec, "backoffLimitPerIndex").is_some();
        if self.changes("completedIndexes") {
            if let Some(Err(problem)) = completions.map(|most| indexes::count(completed, most)) {
                refuse("completedIndexes", completed, &format!("error parsing completedIndexes: {problem}"));
            }
            if !completed.is_empty() && text(self.spec, "completionMode") != "Indexed" {
                let text = "cannot set non-empty completedIndexes when non-indexed completion mode";
                refuse("completedIndexes", completed, text);
            }
        }
        let Some(failed) = failed else { return };
        if self.changes("failedIndexes") {
            if let Some(Err(problem)) = completions.filter(|_| per_index).map(|most| indexes::count(failed, most)) {
                refuse("failedIndexes", failed, &format!("error parsing failedIndexes: {problem}"));
            }
            if !per_index {
                refuse("failedIndexes", failed, "cannot set non-null failedIndexes when backoffLimitPerIndex is null");
            }
        }
        if (self.changes("failedIndexes") || self.changes("completedIndexes"))
            && let Some(index) = completions.and_then(|most| indexes::overlap(completed, failed, most))
        {
            refuse("failedIndexes", failed, &format!("failedIndexes and completedIndexes overlap at index: {index}"));
        }
    }

    fn check_counters(&self, errors: &mut ErrorList, path: &Path) {
        if (self.changes("ready") || self.changes("active"))
            && let Some(ready) = int(self.new.0, "ready")
            && ready > int(self.new.0, "active").unwrap_or(0)
        {
            errors.push(Error::invalid(&path.child("ready"), &ready.into(), "cannot set more ready pods than active"));
        }
    }

    /// The criteria of a Job's success come before its completion, and stay.
    fn check_success(&self, errors: &mut ErrorList, path: &Path) {
        let (met, met_before) = (self.new.is(MET), self.old.is(MET));
        let mut refuse = |is: bool, text: &str| {
            if is {
                errors.push(Error::invalid_without_value(&path.child("conditions"), text));
            }
        };
        for other in ["Failed", "FailureTarget"] {
            let text = format!("cannot set SuccessCriteriaMet=True and {other}=true conditions");
            refuse(met && self.new.is(other), &text);
        }
        refuse(
            get(self.spec, "successPolicy").is_some() && !met && self.new.is("Complete"),
            "cannot set Complete=True for Job with SuccessPolicy unless SuccessCriteriaMet=True",
        );
        refuse(met_before && !met, "cannot disable the SuccessCriteriaMet=True condition");
        refuse(
            self.old.is("Complete") && !met_before && met,
            "cannot set SuccessCriteriaMet=True for Job already has Complete=true conditions",
        );
    }

    /// An end stays, and counters do not fall: but for successes of an Indexed Job that may shrink.
    fn check_order(&self, errors: &mut ErrorList, path: &Path) {
        for condition in ["Failed", "Complete", "FailureTarget"] {
            if self.old.is(condition) && !self.new.is(condition) {
                let text = format!("cannot disable the terminal {condition}=True condition");
                errors.push(Error::invalid_without_value(&path.child("conditions"), &text));
            }
        }
        let elastic = text(self.spec, "completionMode") == "Indexed"
            && get(self.spec, "completions") == get(self.spec, "parallelism");
        for (field, may_fall) in [("failed", false), ("succeeded", elastic)] {
            let count = |status: Status<'_>| int(status.0, field).unwrap_or(0);
            if !may_fall && count(self.new) < count(self.old) {
                let text = format!("cannot decrease the {field} counter");
                errors.push(Error::invalid(&path.child(field), &count(self.new).into(), &text));
            }
        }
    }
}
