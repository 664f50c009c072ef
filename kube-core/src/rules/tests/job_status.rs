//! The status of a Job: its end stays, its times are in order, and its counters do not fall.

use super::jobs::job;
use super::*;

/// Errors of a change of a Job's status.
#[track_caller]
fn check_status(spec: Value, before: Value, after: Value, expected: &[&str]) {
    let mut old = created(job(spec));
    old["status"] = before;
    let mut new = old.clone();
    merge(&mut new["status"], after);
    assert_eq!(texts(&rules(&old).validate_status_update(&new, &old)), expected);
}

/// Conditions that are true.
fn conditions(types: &[&str]) -> Value {
    types.iter().map(|kind| json!({"type": kind, "status": "True"})).collect()
}

/// The status of a Job that has completed.
fn complete() -> Value {
    json!({"conditions": conditions(&["SuccessCriteriaMet", "Complete"]), "succeeded": 1,
        "startTime": "2026-01-01T00:00:00Z", "completionTime": "2026-01-01T00:01:00Z"})
}

#[test]
fn a_job_that_has_ended_stays_so() {
    check_status(json!({}), json!({"startTime": "2026-01-01T00:00:00Z"}), complete(), &[]);
    check_status(json!({}), complete(), json!({"ready": 0, "terminating": 0}), &[]);
    check_status(
        json!({}),
        complete(),
        json!({"conditions": [], "completionTime": null}),
        &[
            "status.conditions: Invalid value: cannot disable the SuccessCriteriaMet=True condition",
            "status.conditions: Invalid value: cannot disable the terminal Complete=True condition",
        ],
    );
    check_status(
        json!({}),
        complete(),
        json!({"conditions": conditions(&["SuccessCriteriaMet", "Complete", "Failed"])}),
        &[
            "status.conditions: Invalid value: cannot set Complete=True and Failed=true conditions",
            "status.conditions: Invalid value: cannot set Failed=True condition without the FailureTarget=true condition",
            "status.conditions: Invalid value: cannot set SuccessCriteriaMet=True and Failed=true conditions",
        ],
    );
    check_status(
        json!({}),
        json!({"conditions": conditions(&["FailureTarget"]), "startTime": "2026-01-01T00:00:00Z"}),
        json!({"conditions": conditions(&["SuccessCriteriaMet"])}),
        &["status.conditions: Invalid value: cannot disable the terminal FailureTarget=True condition"],
    );
    check_status(
        json!({}),
        json!({}),
        json!({"conditions": conditions(&["FailureTarget", "Failed"]), "active": 1, "terminating": 2,
            "uncountedTerminatedPods": {"failed": ["u"]}}),
        &[
            "status.active: Invalid value: 1: active>0 is invalid for finished job",
            "status.terminating: Invalid value: 2: terminating>0 is invalid for finished job",
            "status.startTime: Required value: startTime is required for finished job",
            "status.uncountedTerminatedPods: Invalid value: {\"failed\":[\"u\"]}: uncountedTerminatedPods needs to be empty for finished job",
        ],
    );
    check_status(
        json!({"completionMode": "Indexed", "completions": 3, "parallelism": 1, "successPolicy": {"rules": [{"succeededCount": 1}]}}),
        json!({"startTime": "2026-01-01T00:00:00Z"}),
        json!({"conditions": conditions(&["Complete"]), "completionTime": "2026-01-01T00:01:00Z"}),
        &[
            "status.conditions: Invalid value: cannot set Complete=True condition without the SuccessCriteriaMet=true condition",
            "status.conditions: Invalid value: cannot set Complete=True for Job with SuccessPolicy unless SuccessCriteriaMet=True",
        ],
    );
    check_status(
        json!({}),
        json!({"startTime": "2026-01-01T00:00:00Z"}),
        json!({"conditions": conditions(&["Failed"])}),
        &[
            "status.conditions: Invalid value: cannot set Failed=True condition without the FailureTarget=true condition",
        ],
    );
    // A Job that has nothing to do ends without a start.
    let mut idle = complete();
    idle["startTime"] = Value::Null;
    check_status(json!({"suspend": true, "completions": 0}), json!({}), idle, &[]);
}

#[test]
fn the_times_of_a_job_are_in_order() {
    const END: &str = "status.completionTime";
    check_status(
        json!({}),
        json!({}),
        json!({"completionTime": "2026-01-01T00:01:00Z"}),
        &[&format!(
            "{END}: Invalid value: \"2026-01-01T00:01:00Z\": cannot set completionTime when there is no Complete=True condition"
        )],
    );
    let mut without = complete();
    without["completionTime"] = Value::Null;
    check_status(
        json!({}),
        json!({"startTime": "2026-01-01T00:00:00Z"}),
        without,
        &[&format!("{END}: Required value: completionTime is required for Complete jobs")],
    );
    let mut early = complete();
    early["completionTime"] = json!("2025-12-31T23:59:59Z");
    check_status(
        json!({}),
        json!({}),
        early,
        &[&format!("{END}: Invalid value: \"2025-12-31T23:59:59Z\": completionTime cannot be set before startTime")],
    );
    check_status(
        json!({}),
        complete(),
        json!({"completionTime": "2026-01-01T00:02:00Z"}),
        &[&format!("{END}: Invalid value: \"2026-01-01T00:02:00Z\": completionTime cannot be mutated")],
    );
    let started = json!({"startTime": "2026-01-01T00:00:00Z"});
    check_status(
        json!({}),
        started.clone(),
        json!({"startTime": null}),
        &["status.startTime: Required value: startTime cannot be removed for unsuspended job"],
    );
    check_status(json!({"suspend": true}), started, json!({"startTime": null}), &[]);
    check_status(
        json!({}),
        json!({"startTime": "2026-01-01T00:00:00Z", "conditions": conditions(&["Suspended"])}),
        json!({"startTime": "2026-01-01T00:05:00Z", "conditions": [{"type": "Suspended", "status": "False"}]}),
        &[],
    );
}

#[test]
fn the_counters_of_a_job_do_not_fall() {
    check_status(
        json!({}),
        json!({"failed": 2, "succeeded": 2}),
        json!({"failed": 1, "succeeded": 1}),
        &[
            "status.failed: Invalid value: 1: cannot decrease the failed counter",
            "status.succeeded: Invalid value: 1: cannot decrease the succeeded counter",
        ],
    );
    check_status(
        json!({}),
        json!({"active": 2, "ready": 2}),
        json!({"active": 1}),
        &["status.ready: Invalid value: 2: cannot set more ready pods than active"],
    );
    check_status(json!({}), json!({"ready": 1}), json!({"failed": 1}), &[]);
    let elastic = json!({"completionMode": "Indexed", "completions": 3, "parallelism": 3});
    check_status(elastic, json!({"succeeded": 2}), json!({"succeeded": 1}), &[]);
    check_status(
        json!({}),
        json!({}),
        json!({"active": -1, "ready": -1, "uncountedTerminatedPods": {"succeeded": ["a", "a", ""]}}),
        &[
            "status.active: Invalid value: -1: must be greater than or equal to 0",
            "status.ready: Invalid value: -1: must be greater than or equal to 0",
            "status.uncountedTerminatedPods.succeeded[1]: Duplicate value: \"a\"",
            "status.uncountedTerminatedPods.succeeded[2]: Invalid value: \"\": must not be empty",
        ],
    );
}

#[test]
fn the_indexes_of_a_job_are_those_it_has() {
    let indexed = json!({"completionMode": "Indexed", "completions": 5, "parallelism": 5, "backoffLimitPerIndex": 1});
    check_status(indexed.clone(), json!({}), json!({"completedIndexes": "0,2-3", "failedIndexes": "1,4"}), &[]);
    check_status(
        indexed.clone(),
        json!({}),
        json!({"completedIndexes": "0,9", "failedIndexes": "2-1"}),
        &[
            "status.completedIndexes: Invalid value: \"0,9\": error parsing completedIndexes: too large index: \"9\"",
            "status.failedIndexes: Invalid value: \"2-1\": error parsing failedIndexes: non-increasing order, previous: 2, current: 1",
        ],
    );
    check_status(
        indexed,
        json!({"completedIndexes": "0-2"}),
        json!({"failedIndexes": "2,3"}),
        &["status.failedIndexes: Invalid value: \"2,3\": failedIndexes and completedIndexes overlap at index: 2"],
    );
    check_status(
        json!({}),
        json!({}),
        json!({"completedIndexes": "0", "failedIndexes": ""}),
        &[
            "status.completedIndexes: Invalid value: \"0\": cannot set non-empty completedIndexes when non-indexed completion mode",
            "status.failedIndexes: Invalid value: \"\": cannot set non-null failedIndexes when backoffLimitPerIndex is null",
        ],
    );
    // What was wrong before is not looked at again.
    check_status(json!({}), json!({"completedIndexes": "0"}), json!({"active": 1}), &[]);
}
