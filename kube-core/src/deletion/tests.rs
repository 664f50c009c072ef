use super::*;
use crate::rules::Generic;

#[derive(Debug)]
struct Graceful;

impl Rules for Graceful {
    fn deletion_grace_seconds(&self, _object: &Value, requested: Option<i64>) -> Option<i64> {
        Some(requested.unwrap_or(30))
    }
}

static PLAIN: Generic = Generic { status: true };
const NOW: &str = "2024-01-01T00:00:00Z";

fn now() -> Timestamp {
    NOW.parse().unwrap()
}

#[track_caller]
fn check(rules: &dyn Rules, metadata: Value, options: Value, expected: Option<Value>) {
    let object = json!({"kind": "X", "metadata": metadata});
    let decision = decide(&object, &Options::parse(&options).unwrap(), rules, now());
    match (decision, expected) {
        (Decision::Mark(found), Some(expected)) => assert_eq!(found["metadata"], expected),
        (Decision::Remove, None) => {}
        (Decision::Unchanged, Some(expected)) => assert_eq!(metadata_of(&object), expected),
        (decision, expected) => panic!("{decision:?} instead of {expected:?}"),
    }
}

fn metadata_of(object: &Value) -> Value {
    object["metadata"].clone()
}

#[test]
fn plain_kinds_go_at_once() {
    check(&PLAIN, json!({"name": "a"}), json!({}), None);
    check(&PLAIN, json!({"name": "a"}), json!({"propagationPolicy": "Background", "gracePeriodSeconds": 30}), None);
}

#[test]
fn finalizers_hold_an_object_back() {
    check(
        &PLAIN,
        json!({"generation": 3, "finalizers": ["a/b"]}),
        json!({}),
        Some(
            json!({"generation": 4, "finalizers": ["a/b"], "deletionTimestamp": NOW, "deletionGracePeriodSeconds": 0}),
        ),
    );
    let marked = json!({"generation": 4, "finalizers": ["a/b"], "deletionTimestamp": "2023-01-01T00:00:00Z", "deletionGracePeriodSeconds": 0});
    check(&PLAIN, marked.clone(), json!({}), Some(marked));
}

#[test]
fn propagation_sets_the_collectors_finalizers() {
    for (policy, finalizer) in [("Foreground", FOREGROUND), ("Orphan", ORPHAN)] {
        check(
            &PLAIN,
            json!({}),
            json!({"propagationPolicy": policy}),
            Some(json!({"finalizers": [finalizer], "deletionTimestamp": NOW, "deletionGracePeriodSeconds": 0})),
        );
    }
    check(&PLAIN, json!({"finalizers": ["orphan"]}), json!({"propagationPolicy": "Background"}), None);
    check(
        &PLAIN,
        json!({"finalizers": ["a/b", "orphan"], "deletionTimestamp": NOW, "deletionGracePeriodSeconds": 0}),
        json!({"propagationPolicy": "Foreground"}),
        Some(json!({"finalizers": ["a/b", FOREGROUND], "deletionTimestamp": NOW, "deletionGracePeriodSeconds": 0})),
    );
    check(
        &PLAIN,
        json!({"finalizers": ["orphan"]}),
        json!({}),
        Some(json!({"finalizers": ["orphan"], "deletionTimestamp": NOW, "deletionGracePeriodSeconds": 0})),
    );
    check(&PLAIN, json!({}), json!({"orphanDependents": false}), None);
}

#[test]
fn grace_periods_only_shrink() {
    let end = "2024-01-01T00:00:30Z";
    let marked = json!({"generation": 2, "deletionTimestamp": end, "deletionGracePeriodSeconds": 30});
    check(&Graceful, json!({"generation": 1}), json!({}), Some(marked.clone()));
    check(&Graceful, marked.clone(), json!({"gracePeriodSeconds": 60}), Some(marked.clone()));
    check(&Graceful, marked.clone(), json!({}), Some(marked.clone()));
    check(
        &Graceful,
        marked.clone(),
        json!({"gracePeriodSeconds": 10}),
        Some(json!({"generation": 2, "deletionTimestamp": "2024-01-01T00:00:10Z", "deletionGracePeriodSeconds": 10})),
    );
    check(&Graceful, marked, json!({"gracePeriodSeconds": 0}), None);
    check(&Graceful, json!({}), json!({"gracePeriodSeconds": 0}), None);
    check(
        &Graceful,
        json!({}),
        json!({"gracePeriodSeconds": -5}),
        Some(json!({"deletionTimestamp": "2024-01-01T00:00:01Z", "deletionGracePeriodSeconds": 1})),
    );
    check(
        &Graceful,
        json!({"finalizers": ["a/b"]}),
        json!({"gracePeriodSeconds": 0}),
        Some(json!({"finalizers": ["a/b"], "deletionTimestamp": NOW, "deletionGracePeriodSeconds": 0})),
    );
}

#[test]
fn namespaces_wait_for_their_spec() {
    let namespace = json!({"kind": "Namespace", "metadata": {"name": "a"}, "spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"}});
    let Decision::Mark(marked) = decide(&namespace, &Options::default(), &PLAIN, now()) else { panic!("not marked") };
    assert_eq!(marked["status"]["phase"], "Terminating");
    assert_eq!(
        marked["metadata"],
        json!({"name": "a", "deletionTimestamp": NOW}),
        "as in Kubernetes, without a grace period"
    );
    assert_eq!(decide(&marked, &Options::default(), &PLAIN, now()), Decision::Unchanged);
    assert!(!completes(&marked));
    let mut finalized = marked;
    finalized["spec"] = json!({});
    assert!(completes(&finalized));
}

#[test]
fn updates_complete_deletions() {
    assert!(completes(&json!({"metadata": {"deletionTimestamp": NOW, "deletionGracePeriodSeconds": 0}})));
    assert!(!completes(&json!({"metadata": {"deletionTimestamp": NOW, "deletionGracePeriodSeconds": 3}})));
    assert!(!completes(&json!({"metadata": {"deletionTimestamp": NOW, "finalizers": ["a/b"]}})));
    assert!(!completes(&json!({"metadata": {}})));
}

#[test]
fn options_are_validated() {
    let errors =
        |options: Value| Options::parse(&options).unwrap_err().iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(
        errors(json!({"propagationPolicy": "Orphan", "orphanDependents": true})),
        ["propagationPolicy: Invalid value: \"Orphan\": orphanDependents and deletionPropagation cannot be both set"]
    );
    assert_eq!(
        errors(json!({"propagationPolicy": "None", "dryRun": ["Some"]})),
        [
            "propagationPolicy: Unsupported value: \"None\": supported values: \"Background\", \"Foreground\", \"Orphan\", \"nil\"",
            "dryRun: Unsupported value: [\"Some\"]: supported values: \"All\"",
        ]
    );
}

#[test]
fn preconditions_must_hold() {
    let options = Options::parse(&json!({"preconditions": {"uid": "u", "resourceVersion": "3"}})).unwrap();
    let object = |uid: &str, version: &str| json!({"kind": "Deployment", "metadata": {"name": "a", "uid": uid, "resourceVersion": version}});
    assert!(options.check_preconditions(&object("u", "3"), "apps").is_ok());
    let refused = |object: Value| {
        let error = options.check_preconditions(&object, "apps").unwrap_err();
        assert_eq!(error.code(), 409);
        error.message
    };
    assert_eq!(
        refused(object("v", "3")),
        "Operation cannot be fulfilled on Deployment.apps \"a\": the UID in the precondition (u) does not match the UID in \
         record (v). The object might have been deleted and then recreated"
    );
    assert_eq!(
        refused(object("u", "4")),
        "Operation cannot be fulfilled on Deployment.apps \"a\": the ResourceVersion in the precondition (3) does not match \
         the ResourceVersion in record (4). The object might have been modified"
    );
}
