//! Rows for verdicts, and the graph fed by hand.

mod model;

use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference, Time};
use kubekit_runtime::{ApiResource, PartialObject, Propagation};

use super::decide::{Owner, Verdict, decide, without_finalizer, without_owner};
use super::graph::{FOREGROUND, Graph, ORPHAN, Work};
use crate::objects::at;

fn resource(kind: &'static str, plural: &'static str, namespaced: bool) -> Arc<ApiResource> {
    let (group, version) = ("apps".into(), "v1".into());
    Arc::new(ApiResource { group, version, kind: kind.into(), plural: plural.into(), namespaced })
}

fn sets() -> Arc<ApiResource> {
    resource("Set", "sets", true)
}

fn pods() -> Arc<ApiResource> {
    resource("Pod", "pods", true)
}

fn reference(owner: &str, blocks: bool) -> OwnerReference {
    OwnerReference {
        api_version: "apps/v1".into(),
        kind: "Set".into(),
        name: owner.into(),
        uid: owner.into(),
        controller: Some(true),
        block_owner_deletion: Some(blocks),
    }
}

/// An object in `default` whose uid is its name.
fn object(name: &str, owners: &[OwnerReference]) -> PartialObject {
    let metadata = ObjectMeta {
        name: Some(name.into()),
        namespace: Some("default".into()),
        uid: Some(name.into()),
        owner_references: (!owners.is_empty()).then(|| owners.to_vec()),
        ..ObjectMeta::default()
    };
    PartialObject { metadata, ..PartialObject::default() }
}

fn deleting(mut object: PartialObject, finalizer: &str) -> PartialObject {
    object.metadata.deletion_timestamp = Some(Time(at(1)));
    object.metadata.finalizers = Some(vec![finalizer.into()]);
    object
}

/// `Delete` as `-name`, `Orphan` as `~name`, an invalid reference as `!name`.
fn texts(work: &[Work]) -> Vec<String> {
    let mut texts: Vec<String> = work
        .iter()
        .map(|work| match work {
            Work::Delete(uid) => format!("-{uid}"),
            Work::Orphan(uid) => format!("~{uid}"),
            Work::InvalidNamespace { dependent, .. } => format!("!{dependent}"),
        })
        .collect();
    texts.sort();
    texts
}

#[track_caller]
fn check_work(work: &[Work], expected: &[&str]) {
    assert_eq!(texts(work), expected);
}

/// A set with two pods, of which one blocks it.
fn family() -> Graph {
    let mut graph = Graph::default();
    check_work(&graph.applied(&sets(), &object("set", &[])), &[]);
    check_work(&graph.applied(&pods(), &object("p1", &[reference("set", true)])), &[]);
    check_work(&graph.applied(&pods(), &object("p2", &[reference("set", false)])), &[]);
    graph
}

#[test]
fn dependents_are_looked_at_when_their_owner_goes() {
    let mut graph = family();
    check_work(&graph.deleted("set"), &["-p1", "-p2"]);
    assert!(graph.is_in_doubt("p1"));
    check_work(&graph.deleted("p1"), &[]);
    assert_eq!(graph.len(), 1);
}

#[test]
fn a_dependent_seen_before_its_owner_is_in_doubt_until_that_is_seen() {
    let mut graph = Graph::default();
    check_work(&graph.applied(&pods(), &object("p1", &[reference("set", true)])), &["-p1"]);
    check_work(&graph.applied(&sets(), &object("set", &[])), &[]);
    assert!(!graph.is_in_doubt("p1"));
    check_work(&graph.deleted("set"), &["-p1"]);
}

#[test]
fn what_vanished_during_a_gap_is_gone() {
    let mut graph = family();
    check_work(&graph.restarted(&sets(), &[object("other", &[])]), &["-p1", "-p2"]);
    check_work(&graph.restarted(&pods(), &[object("p1", &[reference("other", true)])]), &[]);
    assert_eq!(graph.len(), 2);
}

#[test]
fn a_foreground_deletion_has_dependents_looked_at_and_waits_for_those_that_block() {
    let mut graph = family();
    let going = deleting(object("set", &[]), FOREGROUND);
    check_work(&graph.applied(&sets(), &going), &["-p1", "-p2", "-set"]);
    check_work(&graph.applied(&sets(), &going), &[]);
    assert_eq!(graph.blocking("set").len(), 1);
    check_work(&graph.deleted("p2"), &["-set"]);
    check_work(&graph.deleted("p1"), &["-set"]);
    assert!(graph.blocking("set").is_empty());
}

#[test]
fn an_owner_is_looked_at_when_a_dependent_stops_to_block() {
    let mut graph = family();
    graph.applied(&sets(), &deleting(object("set", &[]), FOREGROUND));
    check_work(&graph.applied(&pods(), &object("p1", &[reference("set", false)])), &["-p1", "-set"]);
    check_work(&graph.applied(&pods(), &object("p1", &[])), &["-set"]);
}

#[test]
fn an_orphaning_deletion_is_looked_at_once() {
    let mut graph = family();
    let going = deleting(object("set", &[]), ORPHAN);
    check_work(&graph.applied(&sets(), &going), &["~set"]);
    check_work(&graph.applied(&sets(), &going), &[]);
}

#[test]
fn an_owner_in_another_namespace_is_reported_and_does_not_count() {
    let mut graph = family();
    let mut elsewhere = object("p3", &[reference("set", true)]);
    elsewhere.metadata.namespace = Some("other".into());
    check_work(&graph.applied(&pods(), &elsewhere), &["!p3", "-p3"]);
    let mut clustered = object("c", &[reference("set", true)]);
    clustered.metadata.namespace = None;
    check_work(&graph.applied(&resource("Global", "globals", false), &clustered), &["!c", "-c"]);
    // The owner may be seen last.
    let mut graph = Graph::default();
    graph.applied(&pods(), &elsewhere);
    check_work(&graph.applied(&sets(), &object("set", &[])), &["!p3", "-p3"]);
}

#[test]
fn a_uid_of_another_kind_does_not_count() {
    let mut graph = Graph::default();
    graph.applied(&pods(), &object("p1", &[reference("set", true)]));
    check_work(&graph.applied(&resource("Impostor", "impostors", true), &object("set", &[])), &["-p1"]);
    assert!(graph.is_in_doubt("p1"));
}

#[track_caller]
fn check(live: &PartialObject, owners: &[Owner], dependents: &[bool], expected: Verdict) {
    assert_eq!(decide(live, owners, dependents), expected);
}

fn delete(propagation: Propagation) -> Verdict {
    Verdict::Delete { propagation, unblock: None }
}

#[test]
fn verdicts() {
    use Owner::{Dangling, Solid, Waiting};
    let one = object("p", &[reference("a", true)]);
    let two = object("p", &[reference("a", true), reference("b", true)]);
    check(&object("p", &[]), &[], &[], Verdict::Keep);
    check(&one, &[Solid], &[], Verdict::Keep);
    check(&one, &[Dangling], &[], delete(Propagation::Background));
    check(&two, &[Dangling, Dangling], &[], delete(Propagation::Background));
    check(&two, &[Dangling, Solid], &[], Verdict::Disown(vec![reference("b", true)]));
    check(&two, &[Solid, Waiting], &[], Verdict::Disown(vec![reference("a", true)]));
    check(&one, &[Waiting], &[], delete(Propagation::Background));
    check(&one, &[Waiting], &[false], delete(Propagation::Foreground));
    let unblock = Some(vec![reference("a", false)]);
    check(&one, &[Waiting], &[false, true], Verdict::Delete { propagation: Propagation::Foreground, unblock });
    let mut chosen = one.clone();
    chosen.metadata.finalizers = Some(vec![ORPHAN.into()]);
    check(&chosen, &[Dangling], &[], delete(Propagation::Orphan));
    chosen.metadata.finalizers = Some(vec![FOREGROUND.into()]);
    check(&chosen, &[Dangling], &[], delete(Propagation::Foreground));
}

#[test]
fn what_is_taken_away_leaves_the_rest() {
    let two = object("p", &[reference("a", true), reference("b", true)]);
    assert_eq!(without_owner(&two, "a"), Some(vec![reference("b", true)]));
    assert_eq!(without_owner(&two, "c"), None);
    let mut waiting = two;
    waiting.metadata.finalizers = Some(vec![ORPHAN.into(), "example.com/x".into()]);
    assert_eq!(without_finalizer(&waiting, ORPHAN), Some(vec!["example.com/x".to_owned()]));
    assert_eq!(without_finalizer(&waiting, FOREGROUND), None);
}
