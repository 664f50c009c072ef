//! Rows for the claims of a controller.

use k8s_openapi::api::apps::v1::ReplicaSet;
use k8s_openapi::api::core::v1::Pod;
use kubekit_runtime::controller_reference;

use super::{Claim, adopt_patch, claim, release_patch};
use crate::objects::{meta, pod, terminating};

fn controller(name: &str) -> ReplicaSet {
    ReplicaSet { metadata: meta(name), ..ReplicaSet::default() }
}

fn deleting(mut set: ReplicaSet) -> ReplicaSet {
    set.metadata.deletion_timestamp = set.metadata.creation_timestamp.clone();
    set
}

fn owned_by(name: &str) -> Pod {
    let mut pod = pod("p1");
    pod.metadata.owner_references = Some(vec![controller_reference(&controller(name))]);
    pod
}

#[track_caller]
fn check(controller: &ReplicaSet, object: &Pod, matches: bool, expected: Claim) {
    assert_eq!(claim(controller, object, matches), expected);
}

#[test]
fn claims() {
    check(&controller("a"), &owned_by("a"), true, Claim::Owned);
    check(&controller("a"), &owned_by("a"), false, Claim::Release);
    check(&controller("a"), &owned_by("b"), true, Claim::Ignore);
    check(&controller("a"), &pod("p1"), true, Claim::Adopt);
    check(&controller("a"), &pod("p1"), false, Claim::Ignore);
    check(&controller("a"), &terminating(pod("p1")), true, Claim::Ignore);
    check(&deleting(controller("a")), &pod("p1"), true, Claim::Ignore);
    check(&deleting(controller("a")), &owned_by("a"), true, Claim::Owned);
    check(&deleting(controller("a")), &owned_by("a"), false, Claim::Ignore);
    let mut elsewhere = pod("p1");
    elsewhere.metadata.namespace = Some("other".into());
    check(&controller("a"), &elsewhere, true, Claim::Ignore);
}

#[test]
fn patches_name_the_object_they_were_decided_for() {
    let adopt = adopt_patch(&controller_reference(&controller("a")), "p1");
    assert_eq!(adopt["metadata"]["uid"], "p1");
    assert_eq!(adopt["metadata"]["ownerReferences"][0]["controller"], true);
    let release = release_patch(["c1"], "p1");
    assert_eq!(release["metadata"]["ownerReferences"][0]["$patch"], "delete");
    assert_eq!(release["metadata"]["ownerReferences"][0]["uid"], "c1");
}
