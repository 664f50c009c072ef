//! Rows for the order of deletion and for the conditions.

use k8s_openapi::api::core::v1::{Namespace, NamespaceSpec};
use kubekit_runtime::ApiResource;

use super::decide::{Progress, finalized, is_ours, order, report};
use crate::discovery::Served;
use crate::objects::{at, meta};

fn going() -> Namespace {
    let mut namespace = Namespace { metadata: meta("team"), ..Namespace::default() };
    namespace.metadata.namespace = None;
    namespace.metadata.deletion_timestamp = namespace.metadata.creation_timestamp.clone();
    namespace.spec = Some(NamespaceSpec { finalizers: Some(vec!["example.com/x".into(), "kubernetes".into()]) });
    namespace
}

fn served(group: &'static str, plural: &'static str, namespaced: bool, verbs: &[&str]) -> Served {
    let resource =
        ApiResource { group: group.into(), version: "v1".into(), kind: "K".into(), plural: plural.into(), namespaced };
    Served { resource, verbs: verbs.iter().map(|v| (*v).to_owned()).collect() }
}

#[test]
fn only_namespaces_that_wait_for_us_are_ours() {
    assert!(is_ours(&going()));
    assert!(!is_ours(&finalized(&going())));
    assert!(!is_ours(&Namespace { metadata: meta("team"), ..going() }));
    assert_eq!(finalized(&going()).spec.unwrap().finalizers.unwrap(), ["example.com/x"]);
}

#[test]
fn pods_come_first() {
    let all = ["list", "delete"];
    let kinds = [
        served("", "configmaps", true, &all),
        served("", "pods", true, &all),
        served("metrics.k8s.io", "pods", true, &["list"]),
        served("", "nodes", false, &all),
        served("authorization.k8s.io", "localsubjectaccessreviews", true, &["create"]),
        served("example.com", "pods", true, &all),
    ];
    let (first, rest) = order(&kinds);
    let names = |kinds: &[&Served]| -> Vec<String> { kinds.iter().map(|k| k.resource.path("")).collect() };
    assert_eq!(names(&first), ["/api/v1/pods"]);
    assert_eq!(names(&rest), ["/api/v1/configmaps", "/apis/example.com/v1/pods"]);
}

/// Status, reason and message of one condition.
#[track_caller]
fn check(progress: &Progress, kind: &str, expected: (&str, &str, &str)) {
    let reported = report(&going(), progress, at(5)).expect("a first report");
    let status = reported.status.as_ref().unwrap();
    assert_eq!(status.phase.as_deref(), Some("Terminating"));
    let conditions = status.conditions.as_ref().unwrap();
    assert_eq!(conditions.len(), 5);
    let condition = conditions.iter().find(|c| c.type_ == kind).unwrap();
    let texts =
        (condition.status.as_str(), condition.reason.as_deref().unwrap(), condition.message.as_deref().unwrap());
    assert_eq!(texts, expected);
    assert_eq!(report(&reported, progress, at(9)), None, "nothing new");
}

#[test]
fn conditions_tell_what_is_left() {
    let done = Progress::default();
    assert!(done.is_done());
    let removed = ("False", "ContentRemoved", "All content successfully removed");
    check(&done, "NamespaceContentRemaining", removed);
    check(&done, "NamespaceFinalizersRemaining", removed);
    let discovered = ("False", "ResourcesDiscovered", "All resources successfully discovered");
    check(&done, "NamespaceDeletionDiscoveryFailure", discovered);
    let parsed = ("False", "ParsedGroupVersions", "All legacy kube types successfully parsed");
    check(&done, "NamespaceDeletionGroupVersionParsingFailure", parsed);

    let mut left = Progress::default();
    let waits = ["example.com/wait".to_owned()];
    let none: &[String] = &[];
    left.note(&served("", "pods", true, &[]).resource, [none, &waits]);
    left.note(&served("apps", "deployments", true, &[]).resource, [&waits[..]]);
    left.note(&served("", "secrets", true, &[]).resource, []);
    assert!(!left.is_done());
    let text =
        "Some resources are remaining: deployments.apps has 1 resource instances, pods. has 1 resource instances";
    let text = text.replace("pods. has 1", "pods. has 2");
    check(&left, "NamespaceContentRemaining", ("True", "SomeResourcesRemain", &text));
    let text = "Some finalizers are remaining: example.com/wait in 2 resource instances";
    check(&left, "NamespaceFinalizersRemaining", ("True", "SomeFinalizersRemain", text));

    let failed = Progress { deletion_failures: vec!["a".into(), "b".into()], ..Progress::default() };
    let text = "Failed to delete all resource types, 2 remaining: a, b";
    check(&failed, "NamespaceDeletionContentFailure", ("True", "ContentDeletionFailed", text));
}

#[test]
fn a_condition_keeps_its_time_until_its_status_changes() {
    let mut progress = Progress::default();
    progress.remaining.insert("pods.".into(), 2);
    let first = report(&going(), &progress, at(5)).unwrap();
    progress.remaining.insert("pods.".into(), 1);
    let second = report(&first, &progress, at(6)).unwrap();
    let third = report(&second, &Progress::default(), at(7)).unwrap();
    let since = |namespace: &Namespace| {
        let conditions = namespace.status.as_ref().unwrap().conditions.as_ref().unwrap();
        let condition = conditions.iter().find(|c| c.type_ == "NamespaceContentRemaining").unwrap();
        condition.last_transition_time.as_ref().unwrap().0
    };
    assert_eq!((since(&first), since(&second), since(&third)), (at(5), at(5), at(7)));
}
