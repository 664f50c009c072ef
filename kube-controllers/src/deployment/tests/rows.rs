//! Rows for the arithmetic.

use super::super::{replicas, revision, template};
use super::*;

#[track_caller]
fn check_fenceposts(wanted: i32, surge: &str, unavailable: &str, expected: (i32, i32)) {
    assert_eq!(replicas::fenceposts(&deployment(wanted, surge, unavailable)), expected);
}

#[test]
fn fenceposts_round_the_surge_up_and_the_unavailable_down() {
    check_fenceposts(3, "25%", "25%", (1, 0));
    check_fenceposts(10, "25%", "25%", (3, 2));
    check_fenceposts(10, "0", "0%", (0, 1));
    check_fenceposts(1, "1", "0", (1, 0));
    check_fenceposts(0, "25%", "25%", (0, 1));
    check_fenceposts(100, "100%", "5", (100, 5));
}

#[test]
fn no_more_can_be_unavailable_than_are_wanted() {
    assert_eq!(replicas::max_unavailable(&deployment(2, "0", "5")), 2);
    assert_eq!(replicas::max_unavailable(&deployment(0, "0", "5")), 0);
}

#[test]
fn the_hash_is_stable_safe_and_changed_by_collisions() {
    let hash = template::hash(&template("v1"), None);
    assert_eq!(hash, template::hash(&template("v1"), None));
    assert!(hash.bytes().all(|b| b"bcdfghjklmnpqrstvwxz2456789".contains(&b)) && hash.len() <= 10, "{hash}");
    let others = [template::hash(&template("v2"), None), template::hash(&template("v1"), Some(1))];
    assert!(!others.contains(&hash));
    assert_ne!(others[1], template::hash(&template("v1"), Some(2)));
}

#[test]
fn a_template_is_recognized_with_its_hash_label() {
    let mut world = World::new(deployment(1, "1", "0"));
    world.pass();
    assert!(template::is_of(&world.sets[0], &template("v1")));
    assert!(!template::is_of(&world.sets[0], &template("v2")));
}

/// Annotations of a new ReplicaSet, from those it has and those of its Deployment.
#[track_caller]
fn check_annotations(has: &[(&str, &str)], next: i64, expected: &[(&str, &str)]) {
    let mut deployment = deployment(3, "1", "0");
    deployment.metadata.annotations = Some(labels(&[
        ("kubernetes.io/change-cause", "why"),
        ("kubectl.kubernetes.io/last-applied-configuration", "{}"),
        (revision::REVISION, "77"),
    ]));
    let mut annotations = labels(has);
    revision::annotate(&deployment, &mut annotations, next, true);
    let mut expected = labels(expected);
    expected.insert("kubernetes.io/change-cause".into(), "why".into());
    assert_eq!(annotations, expected);
}

#[test]
fn revisions_grow_and_remember() {
    let (now, history) = (revision::REVISION, revision::REVISION_HISTORY);
    check_annotations(&[], 1, &[(now, "1")]);
    check_annotations(&[(now, "2")], 2, &[(now, "2")]);
    check_annotations(&[(now, "1")], 3, &[(now, "3"), (history, "1")]);
    check_annotations(&[(now, "3"), (history, "1")], 5, &[(now, "5"), (history, "1,3")]);
    check_annotations(&[(now, "9")], 2, &[(now, "9")]);
}

#[test]
fn a_history_that_grows_too_long_loses_its_oldest() {
    let long = (1..=700).map(|n| n.to_string()).collect::<Vec<_>>().join(",");
    let mut annotations = labels(&[(revision::REVISION, "701"), (revision::REVISION_HISTORY, &long)]);
    revision::annotate(&deployment(1, "1", "0"), &mut annotations, 702, true);
    let history = &annotations[revision::REVISION_HISTORY];
    assert!(history.len() <= 2000 && history.ends_with(",700,701"), "{history}");
}
