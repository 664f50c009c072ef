//! What is wrong with Jobs and CronJobs, and what an update of a Job may change.

use super::*;

pub(super) fn job(spec: Value) -> Value {
    let mut job = object(
        "batch/v1",
        "Job",
        json!({"spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]}}}}),
    );
    merge(&mut job["spec"], spec);
    job
}

#[test]
fn jobs() {
    check(job(json!({})), &[]);
    check(
        job(json!({"parallelism": -1})),
        &["spec.parallelism: Invalid value: -1: must be greater than or equal to 0"],
    );
    check(
        job(json!({"template": {"spec": {"restartPolicy": null}}})),
        &["spec.template.spec.restartPolicy: Required value: valid values: \"OnFailure\", \"Never\""],
    );
    check(
        job(json!({"completionMode": "Indexed", "parallelism": 1})),
        &["spec.completions: Required value: when completion mode is Indexed"],
    );
    check(
        job(json!({"backoffLimitPerIndex": 1})),
        &["spec.backoffLimitPerIndex: Invalid value: 1: requires indexed completion mode"],
    );
}

#[track_caller]
fn check_schedule(schedule: &str, expected: &[&str]) {
    let cron = object("batch/v1", "CronJob", json!({"spec": {"schedule": schedule, "jobTemplate": job(json!({}))}}));
    let full: Vec<String> = expected.iter().map(|text| format!("spec.schedule: {text}")).collect();
    check(cron, &full.iter().map(String::as_str).collect::<Vec<_>>());
}

#[test]
fn schedules() {
    for valid in ["* * * * *", "*/5 0-6 1,15 jan-mar MON", "@hourly", "0 0 * * 6"] {
        check_schedule(valid, &[]);
    }
    check_schedule("", &["Required value"]);
    check_schedule("* * *", &["Invalid value: \"* * *\": expected exactly 5 fields, found 3: [* * *]"]);
    check_schedule("60 * * * *", &["Invalid value: \"60 * * * *\": end of range (60) above maximum (59): 60"]);
    check_schedule("* * 0 * *", &["Invalid value: \"* * 0 * *\": beginning of range (0) below minimum (1): 0"]);
    check_schedule("*/0 * * * *", &["Invalid value: \"*/0 * * * *\": step of range should be a positive number: */0"]);
    check_schedule("@never", &["Invalid value: \"@never\": unrecognized descriptor: @never"]);
    check_schedule(
        "TZ=UTC * * * * *",
        &["Invalid value: \"TZ=UTC * * * * *\": cannot use TZ or CRON_TZ in schedule, use timeZone field instead"],
    );
}

/// An Indexed Job of ten pods.
fn indexed(spec: Value) -> Value {
    let mut indexed = job(json!({"completionMode": "Indexed", "completions": 10, "parallelism": 10}));
    merge(&mut indexed["spec"], spec);
    indexed
}

#[test]
fn indexes_that_may_fail() {
    const ONLY_INDEXED: &str = "requires indexed completion mode";
    check(indexed(json!({"backoffLimitPerIndex": 1, "maxFailedIndexes": 10})), &[]);
    check(
        job(json!({"backoffLimitPerIndex": 1, "maxFailedIndexes": 1})),
        &[
            &format!("spec.backoffLimitPerIndex: Invalid value: 1: {ONLY_INDEXED}"),
            &format!("spec.maxFailedIndexes: Invalid value: 1: {ONLY_INDEXED}"),
        ],
    );
    check(
        indexed(json!({"maxFailedIndexes": 11})),
        &[
            "spec.backoffLimitPerIndex: Required value: when maxFailedIndexes is specified",
            "spec.maxFailedIndexes: Invalid value: 11: must be less than or equal to completions",
        ],
    );
    check(
        indexed(json!({"parallelism": 100_001})),
        &[
            "spec.parallelism: Invalid value: 100001: must be less than or equal to 100000 when completion mode is Indexed",
        ],
    );
    let many = |spec: Value| {
        let mut many = indexed(json!({"completions": 100_001, "backoffLimitPerIndex": 1}));
        merge(&mut many["spec"], spec);
        many
    };
    const WHEN: &str = "when completions are above 100000 and used with backoff limit per index";
    check(
        many(json!({"parallelism": 10_001})),
        &[
            "spec.maxFailedIndexes: Required value: must be specified when completions is above 100000",
            &format!("spec.parallelism: Invalid value: 10001: must be less than or equal to 10000 {WHEN}"),
        ],
    );
    check(
        many(json!({"maxFailedIndexes": 10_001})),
        &[&format!("spec.maxFailedIndexes: Invalid value: 10001: must be less than or equal to 10000 {WHEN}")],
    );
    check(many(json!({"maxFailedIndexes": 10_000})), &[]);
}

#[test]
fn the_names_of_indexed_pods_are_host_names() {
    let named = |name: &str| {
        let mut job = indexed(json!({}));
        job["metadata"]["name"] = name.into();
        job
    };
    check(named(&"a".repeat(61)), &[]);
    let long = "a".repeat(62);
    check(
        named(&long),
        &[&format!(
            "metadata.name: Invalid value: \"{long}\": will not able to create pod with invalid DNS label: {long}-9: must be no more than 63 bytes"
        )],
    );
}

/// Errors of a Job whose failure policy has this rule, without the rule's path.
#[track_caller]
fn check_failure_rule(rule: Value, expected: &[&str]) {
    let full: Vec<String> = expected.iter().map(|text| format!("spec.podFailurePolicy.rules[0]{text}")).collect();
    check(job(json!({"podFailurePolicy": {"rules": [rule]}})), &full.iter().map(String::as_str).collect::<Vec<_>>());
}

#[test]
fn what_the_end_of_a_pod_means() {
    let codes = |codes: Value| json!({"action": "FailJob", "onExitCodes": codes});
    check_failure_rule(codes(json!({"operator": "In", "values": [1, 42]})), &[]);
    check_failure_rule(codes(json!({"operator": "NotIn", "values": [0], "containerName": "c"})), &[]);
    check_failure_rule(json!({"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget"}]}), &[]);
    check_failure_rule(
        json!({"onPodConditions": [{"type": "DisruptionTarget"}]}),
        &[".action: Required value: valid values: [\"Count\" \"FailIndex\" \"FailJob\" \"Ignore\"]"],
    );
    check_failure_rule(
        json!({"action": "Stop"}),
        &[
            ".action: Unsupported value: \"Stop\": supported values: \"Count\", \"FailIndex\", \"FailJob\", \"Ignore\"",
            ": Invalid value: specifying one of OnExitCodes and OnPodConditions is required",
        ],
    );
    check_failure_rule(
        json!({"action": "FailIndex", "onExitCodes": {"operator": "In", "values": [1]}, "onPodConditions": [{"type": "a"}]}),
        &[
            ".action: Invalid value: \"FailIndex\": requires the backoffLimitPerIndex to be set",
            ": Invalid value: specifying both OnExitCodes and OnPodConditions is not supported",
        ],
    );
    check_failure_rule(
        codes(json!({"values": [3, 1, 3], "containerName": "x"})),
        &[
            ".onExitCodes.operator: Required value: valid values: [\"In\" \"NotIn\"]",
            ".onExitCodes.containerName: Invalid value: \"x\": must be one of the container or initContainer names in the pod template",
            ".onExitCodes.values[2]: Duplicate value: 3",
            ".onExitCodes.values: Invalid value: [3,1,3]: must be ordered",
        ],
    );
    check_failure_rule(
        codes(json!({"operator": "In", "values": [0, 1]})),
        &[".onExitCodes.values[0]: Invalid value: 0: must not be 0 for the In operator"],
    );
    check_failure_rule(
        codes(json!({"operator": "In", "values": []})),
        &[".onExitCodes.values: Invalid value: []: at least one value is required"],
    );
    check_failure_rule(
        json!({"action": "Count", "onPodConditions": [{"type": "a", "status": "Maybe"}]}),
        &[
            ".onPodConditions[0].status: Unsupported value: \"Maybe\": supported values: \"False\", \"True\", \"Unknown\"",
        ],
    );
    let rule = json!({"action": "Count", "onPodConditions": [{"type": "a"}]});
    check(
        job(json!({"podFailurePolicy": {"rules": vec![rule.clone(); 21]}})),
        &["spec.podFailurePolicy.rules: Too many: 21: must have at most 20 items"],
    );
    check(
        job(json!({"podFailurePolicy": {"rules": [rule]}, "podReplacementPolicy": "TerminatingOrFailed",
                   "template": {"spec": {"restartPolicy": "OnFailure"}}})),
        &[
            "spec.podReplacementPolicy: Unsupported value: \"TerminatingOrFailed\": supported values: \"Failed\"",
            "spec.template.spec.restartPolicy: Invalid value: \"OnFailure\": only \"Never\" is supported when podFailurePolicy is specified",
        ],
    );
}

/// Errors of an Indexed Job of ten whose success policy has this rule, without the rule's path.
#[track_caller]
fn check_success_rule(rule: Value, expected: &[&str]) {
    let full: Vec<String> = expected.iter().map(|text| format!("spec.successPolicy.rules[0]{text}")).collect();
    check(indexed(json!({"successPolicy": {"rules": [rule]}})), &full.iter().map(String::as_str).collect::<Vec<_>>());
}

#[track_caller]
fn check_indexes(indexes: &str, problem: Option<&str>) {
    let shown = problem.map(|problem| {
        format!(".succeededIndexes: Invalid value: {indexes:?}: error parsing succeededIndexes: {problem}")
    });
    check_success_rule(json!({"succeededIndexes": indexes}), &shown.iter().map(String::as_str).collect::<Vec<_>>());
}

#[test]
fn which_indexes_are_enough() {
    check_success_rule(json!({"succeededCount": 10}), &[]);
    check_success_rule(json!({"succeededIndexes": "0,2-4", "succeededCount": 4}), &[]);
    check_success_rule(
        json!({}),
        &[": Required value: at least one of succeededCount or succeededIndexes must be specified"],
    );
    check_success_rule(
        json!({"succeededCount": 11}),
        &[".succeededCount: Invalid value: 11: must be less than or equal to 10 (the number of specified completions)"],
    );
    check_success_rule(
        json!({"succeededIndexes": "0,2-4", "succeededCount": 5}),
        &[
            ".succeededCount: Invalid value: 5: must be less than or equal to 4 (the number of indexes in the specified succeededIndexes field)",
        ],
    );
    check_indexes("0-9", None);
    check_indexes("x", Some("cannot convert string to integer for index: \"x\""));
    check_indexes("10", Some("too large index: \"10\""));
    check_indexes("1-10", Some("too large index: \"10\""));
    check_indexes("2-1", Some("non-increasing order, previous: 2, current: 1"));
    check_indexes("1-3,3", Some("non-increasing order, previous: 3, current: 3"));
    check_indexes(
        "1-2-3",
        Some(
            "the fragment \"1-2-3\" violates the requirement that an index interval can have at most two parts separated by '-'",
        ),
    );
    check(
        indexed(json!({"successPolicy": {"rules": []}})),
        &[
            "spec.successPolicy.rules: Required value: at least one rules must be specified when the successPolicy is specified",
        ],
    );
    check(
        job(json!({"successPolicy": {"rules": [{"succeededCount": 1}]}})),
        &["spec.successPolicy: Invalid value: {\"rules\":[{\"succeededCount\":1}]}: requires indexed completion mode"],
    );
}

#[test]
fn jobs_of_other_controllers() {
    check(job(json!({"managedBy": "example.com/queue"})), &[]);
    check(
        job(json!({"managedBy": "queue"})),
        &["spec.managedBy: Invalid value: \"queue\": must be a domain-prefixed path (such as \"acme.io/foo\")"],
    );
    check(job(json!({"managedBy": ""})), &["spec.managedBy: Required value"]);
    check(
        job(json!({"managedBy": format!("example.com/{}", "a".repeat(52))})),
        &["spec.managedBy: Too long: may not be more than 63 bytes"],
    );
    check(
        job(json!({"managedBy": "example.com/a b"})),
        &[
            "spec.managedBy: Invalid value: \"a b\": Invalid path (regex used for validation is '[A-Za-z0-9/\\-._~%!$&'()*+,;=:]+')",
        ],
    );
}

#[test]
fn an_indexed_job_grows_as_a_whole() {
    check_update(indexed(json!({})), json!({"spec": {"completions": 12, "parallelism": 12}}), &[]);
    check_update(
        indexed(json!({})),
        json!({"spec": {"completions": 12}}),
        &["spec.completions: Invalid value: 12: can only be modified in tandem with spec.parallelism"],
    );
    check_update(
        job(json!({"completions": 2, "parallelism": 2})),
        json!({"spec": {"completions": 3, "parallelism": 3}}),
        &["spec.completions: Invalid value: 3: field is immutable"],
    );
}

#[test]
fn a_job_keeps_how_it_ends() {
    let rule = json!({"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]});
    for (field, value) in [
        ("backoffLimitPerIndex", json!(2)),
        ("podFailurePolicy", json!({"rules": [rule]})),
        ("successPolicy", json!({"rules": [{"succeededCount": 1}]})),
        ("managedBy", json!("example.com/queue")),
    ] {
        // What follows from one field may be reported too.
        let old = created(indexed(json!({})));
        let mut new = old.clone();
        new["spec"][field] = value.clone();
        let errors = texts(&rules(&old).validate_update(&new, &old));
        let expected = format!("spec.{field}: Invalid value: {value}: field is immutable");
        assert!(errors.contains(&expected), "{errors:?}");
    }
    check_update(
        indexed(json!({})),
        json!({"spec": {"suspend": true, "activeDeadlineSeconds": 5, "backoffLimit": 0}}),
        &[],
    );
}

#[test]
fn a_suspended_job_may_be_moved_until_it_starts() {
    let is_refused = |old: Value, pointer: &str, value: Value| {
        let old = created(old);
        let mut new = old.clone();
        *new.pointer_mut(pointer).unwrap() = value;
        let errors = texts(&rules(&old).validate_update(&new, &old));
        assert!(errors.iter().all(|text| text.starts_with("spec.template: Invalid value: ")), "{errors:?}");
        assert!(errors.iter().all(|text| text.ends_with(": field is immutable")), "{errors:?}");
        !errors.is_empty()
    };
    let placed = |spec: Value| {
        let mut placed = job(json!({"template": {"spec": {"nodeSelector": {"zone": "a"}}}}));
        merge(&mut placed["spec"], spec);
        placed
    };
    let (selector, zone) = ("/spec/template/spec/nodeSelector", json!({"zone": "b"}));
    assert!(is_refused(placed(json!({})), selector, zone.clone()));
    assert!(!is_refused(placed(json!({"suspend": true})), selector, zone));
    let image = "/spec/template/spec/containers/0/image";
    assert!(is_refused(placed(json!({"suspend": true})), image, json!("j")), "an image stays in any case");
    let mut started = created(placed(json!({"suspend": true})));
    started["status"]["startTime"] = json!("2026-01-01T00:00:00Z");
    let mut new = started.clone();
    new["spec"]["template"]["spec"]["nodeSelector"] = json!({"zone": "b"});
    assert_eq!(rules(&started).validate_update(&new, &started).len(), 1);
}

#[test]
fn the_selector_of_a_job_is_its_own() {
    let labels = json!({
        "batch.kubernetes.io/controller-uid": "11111111-2222-3333-4444-555555555555",
        "controller-uid": "11111111-2222-3333-4444-555555555555",
        "batch.kubernetes.io/job-name": "a", "job-name": "a",
    });
    check_created(job(json!({})), "/spec/template/metadata/labels", labels);
    check_created(
        job(json!({})),
        "/spec/selector",
        json!({"matchLabels": {"batch.kubernetes.io/controller-uid": "11111111-2222-3333-4444-555555555555"}}),
    );
    let manual = json!({"manualSelector": true, "selector": {"matchLabels": {"app": "a"}},
                        "template": {"metadata": {"labels": {"app": "b"}}}});
    check_created(job(manual.clone()), "/spec/template/metadata/labels", json!({"app": "b"}));
    check(
        job(manual),
        &["spec.template.metadata.labels: Invalid value: {\"app\":\"b\"}: `selector` does not match template `labels`"],
    );
    check(job(json!({"manualSelector": true})), &["spec.selector: Required value"]);
}

#[test]
fn jobs_get_their_defaults() {
    for (spec, pointer, expected) in [
        (json!({}), "/spec/completions", json!(1)),
        (json!({}), "/spec/parallelism", json!(1)),
        (json!({"parallelism": 3}), "/spec/completions", Value::Null),
        (json!({"completions": 3}), "/spec/parallelism", json!(1)),
        (json!({}), "/spec/backoffLimit", json!(6)),
        (json!({"backoffLimitPerIndex": 1}), "/spec/backoffLimit", json!(2_147_483_647)),
        (json!({}), "/spec/completionMode", json!("NonIndexed")),
        (json!({}), "/spec/suspend", json!(false)),
        (json!({}), "/spec/podReplacementPolicy", json!("TerminatingOrFailed")),
        (json!({"podFailurePolicy": {"rules": []}}), "/spec/podReplacementPolicy", json!("Failed")),
    ] {
        check_created(job(spec), pointer, expected);
    }
}

fn cron_job(spec: Value) -> Value {
    let mut cron =
        object("batch/v1", "CronJob", json!({"spec": {"schedule": "@daily", "jobTemplate": job(json!({}))}}));
    cron["spec"]["jobTemplate"].as_object_mut().unwrap().retain(|field, _| field == "spec");
    merge(&mut cron["spec"], spec);
    cron
}

#[test]
fn cron_jobs() {
    check(cron_job(json!({})), &[]);
    check(
        cron_job(json!({"concurrencyPolicy": "Queue", "startingDeadlineSeconds": -1, "failedJobsHistoryLimit": -1})),
        &[
            "spec.startingDeadlineSeconds: Invalid value: -1: must be greater than or equal to 0",
            "spec.concurrencyPolicy: Unsupported value: \"Queue\": supported values: \"Allow\", \"Forbid\", \"Replace\"",
            "spec.failedJobsHistoryLimit: Invalid value: -1: must be greater than or equal to 0",
        ],
    );
    check(
        cron_job(json!({"timeZone": ""})),
        &["spec.timeZone: Invalid value: \"\": timeZone must be nil or non-empty string"],
    );
    check(
        cron_job(json!({"timeZone": "Local"})),
        &[
            "spec.timeZone: Invalid value: \"Local\": timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones",
        ],
    );
    for zone in ["Europe/Berlin", "Etc/GMT+5", "America/Argentina/Rio_Gallegos", "UTC"] {
        check(cron_job(json!({"timeZone": zone})), &[]);
    }
    for zone in
        ["Europe Berlin", "../etc/passwd", "Europe//Berlin", "/Europe", "-x", "Europe/\u{e9}", "a23456789012345"]
    {
        let text = format!("spec.timeZone: Invalid value: {zone:?}: unknown time zone {zone}");
        check(cron_job(json!({"timeZone": zone})), &[&text]);
    }
    // What an update leaves as it was is taken, also where a new object may not have it any more.
    let mut stored = created(cron_job(json!({"timeZone": "Europe/Hogwarts Castle"})));
    stored["metadata"]["name"] = json!("n".repeat(60));
    let mut new = stored.clone();
    new["spec"]["suspend"] = json!(true);
    assert_eq!(texts(&rules(&stored).validate_update(&new, &stored)), [""; 0]);
    check(
        cron_job(json!({"jobTemplate": {"spec": {"selector": {"matchLabels": {"a": "b"}}}}})),
        &[
            "spec.jobTemplate.spec.selector: Invalid value: {\"matchLabels\":{\"a\":\"b\"}}: `selector` will be auto-generated",
        ],
    );
    check(
        cron_job(json!({"jobTemplate": {"spec": {"manualSelector": true}}})),
        &["spec.jobTemplate.spec.manualSelector: Unsupported value: true: supported values: \"false\", \"nil\""],
    );
    check(
        cron_job(json!({"jobTemplate": {"spec": {"template": {"spec": {"restartPolicy": "Always"}}}}})),
        &["spec.jobTemplate.spec.template.spec.restartPolicy: Required value: valid values: \"OnFailure\", \"Never\""],
    );
    let mut long = cron_job(json!({}));
    long["metadata"]["name"] = json!("a".repeat(53));
    check(
        long.clone(),
        &[&format!("metadata.name: Invalid value: {}: must be no more than 52 characters", long["metadata"]["name"])],
    );
}

#[test]
fn cron_jobs_get_their_defaults() {
    let spec = &created(cron_job(json!({})))["spec"];
    assert_eq!(
        (
            &spec["concurrencyPolicy"],
            &spec["suspend"],
            &spec["successfulJobsHistoryLimit"],
            &spec["failedJobsHistoryLimit"]
        ),
        (&json!("Allow"), &json!(false), &json!(3), &json!(1))
    );
    let job = &spec["jobTemplate"]["spec"];
    assert_eq!(job["template"]["spec"]["dnsPolicy"], "ClusterFirst");
    assert_eq!(job.get("backoffLimit"), None, "the Job has it when it is made");
    let policy = json!({"rules": [{"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget"}]}]});
    check_created(
        cron_job(json!({"jobTemplate": {"spec": {"podFailurePolicy": policy}}})),
        "/spec/jobTemplate/spec/podFailurePolicy/rules/0/onPodConditions/0/status",
        json!("True"),
    );
}
