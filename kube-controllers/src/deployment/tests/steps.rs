//! Rows for one step of a rolling update, and for scaling in the middle of one.

use super::super::{replicas, revision, rolling, scale};
use super::*;

/// A ReplicaSet of so many pods, of which so many are reported as available.
fn set(name: &str, age: i64, size: i32, available: i32) -> ReplicaSet {
    let mut set = ReplicaSet { metadata: meta(name), ..ReplicaSet::default() };
    set.metadata.creation_timestamp = Some(Time(at(age)));
    set.spec.get_or_insert_default().replicas = Some(size);
    let status = set.status.get_or_insert_default();
    (status.replicas, status.available_replicas) = (size, Some(available));
    set
}

/// ReplicaSets from sizes and available pods, the oldest first.
fn sets(pods: &[(i32, i32)]) -> Vec<ReplicaSet> {
    pods.iter().zip(0_i64..).map(|((size, available), age)| set(&format!("s{age}"), age, *size, *available)).collect()
}

#[track_caller]
fn check_up(wanted: i32, surge: &str, old: i32, new: i32, expected: i32) {
    assert_eq!(rolling::reconcile_new(&deployment(wanted, surge, "0"), old + new, new), expected);
}

#[test]
fn the_new_set_grows_as_far_as_the_surge_allows() {
    check_up(10, "2", 10, 0, 2);
    check_up(10, "2", 5, 0, 7);
    check_up(10, "2", 10, 2, 2);
    check_up(10, "2", 2, 11, 10);
    check_up(10, "25%", 10, 0, 3);
    check_up(10, "25%", 8, 3, 5);
    check_up(10, "100%", 10, 0, 10);
    check_up(10, "1", 30, 4, 4);
    check_up(0, "25%", 3, 2, 0);
    // Without a surge it waits for old pods to go.
    let unavailable = deployment(10, "0", "2");
    assert_eq!(rolling::reconcile_new(&unavailable, 10, 0), 0);
    assert_eq!(rolling::reconcile_new(&unavailable, 8, 0), 2);
}

/// Of ten wanted pods at most `unavailable` may be missing: what is left of the old ones, the oldest first.
#[track_caller]
fn check_down(unavailable: &str, old: &[(i32, i32)], new: (i32, i32), expected: &[i32]) {
    let (old, new) = (sets(old), set("new", 100, new.0, new.1));
    let old: Vec<&ReplicaSet> = old.iter().collect();
    assert_eq!(rolling::reconcile_old(&deployment(10, "3", unavailable), &old, Some(&new)), expected);
}

#[test]
fn old_sets_shrink_by_what_the_new_one_makes_up_for() {
    check_down("0", &[(10, 10)], (3, 0), &[10]);
    check_down("0", &[(10, 10)], (3, 2), &[8]);
    check_down("2", &[(10, 10)], (0, 0), &[8]);
    check_down("2", &[(8, 8)], (5, 0), &[8]);
    check_down("2", &[(8, 8)], (5, 5), &[3]);
    check_down("20%", &[(8, 8)], (5, 5), &[3]);
    check_down("2", &[(4, 4), (4, 4)], (5, 5), &[0, 3]);
    check_down("0", &[(0, 0), (3, 3)], (10, 10), &[0, 0]);
}

#[test]
fn old_pods_that_do_not_serve_go_first() {
    check_down("2", &[(10, 8)], (0, 0), &[8]);
    check_down("2", &[(10, 9)], (0, 0), &[8]);
    check_down("2", &[(10, 0)], (3, 0), &[8]);
    check_down("2", &[(5, 5), (5, 3)], (0, 0), &[5, 3]);
    check_down("2", &[(5, 1), (5, 5)], (3, 0), &[3, 5]);
}

/// A set that was shrunk reports the pods that it had until its controller has looked.
#[test]
fn pods_that_are_about_to_go_do_not_count_as_available() {
    check_down("2", &[(8, 10)], (5, 2), &[6]);
    check_down("2", &[(0, 3), (5, 5)], (3, 3), &[0, 5]);
    check_down("2", &[(5, 8)], (5, 5), &[3]);
}

/// Scales sets (the oldest first, the last the new one if `with_new`), which were last scaled for `before` pods with the
/// surge then.
#[track_caller]
fn check_scale(wanted: i32, surge: &str, before: (i32, i32), sizes: &[i32], with_new: bool, expected: &[i32]) {
    let deployment = deployment(wanted, surge, "0");
    let (desired, most) = ((before.0).to_string(), (before.0 + before.1).to_string());
    let annotations = labels(&[(revision::DESIRED_REPLICAS, &desired), (revision::MAX_REPLICAS, &most)]);
    let pods: Vec<(i32, i32)> = sizes.iter().map(|&size| (size, size)).collect();
    let mut sets = sets(&pods);
    sets.iter_mut().for_each(|set| set.metadata.annotations = Some(annotations.clone()));
    let sets: Vec<&ReplicaSet> = sets.iter().collect();
    let new = with_new.then(|| sets.len() - 1);
    let after = scale::resize(&deployment, &sets, new);
    let after: Vec<i32> = after.iter().zip(&sets).map(|(size, set)| size.unwrap_or(replicas::of(set))).collect();
    assert_eq!(after, expected);
}

#[test]
fn one_set_gets_all_that_is_wanted() {
    check_scale(12, "0", (10, 0), &[10], true, &[12]);
    check_scale(5, "0", (10, 0), &[10], true, &[5]);
    check_scale(12, "25%", (10, 3), &[0, 10, 0], false, &[0, 12, 0]);
    // From zero the newest grows.
    check_scale(6, "0", (0, 0), &[0, 0, 0], true, &[0, 0, 6]);
    check_scale(6, "0", (0, 0), &[0, 0], false, &[0, 6]);
}

#[test]
fn sets_keep_their_proportion() {
    check_scale(10, "0", (5, 0), &[3, 2], true, &[6, 4]);
    check_scale(3, "0", (5, 0), &[3, 2], true, &[2, 1]);
    check_scale(4, "0", (9, 0), &[1, 8], true, &[0, 4]);
    check_scale(10, "0", (7, 0), &[2, 3, 2], true, &[3, 4, 3]);
    check_scale(8, "0", (13, 0), &[3, 8, 2], true, &[2, 5, 1]);
    check_scale(0, "0", (10, 0), &[4, 3, 3], true, &[0, 0, 0]);
    // The surge is shared out as well, also one that changes at the same time.
    check_scale(20, "2", (10, 2), &[6, 6], true, &[11, 11]);
    check_scale(50, "6", (10, 3), &[8, 5], true, &[34, 22]);
    check_scale(40, "25%", (10, 3), &[8, 5], false, &[31, 19]);
}

#[test]
fn what_is_left_over_goes_to_the_newest_or_comes_from_the_oldest() {
    check_scale(4, "0", (3, 0), &[1, 1, 1], true, &[1, 1, 2]);
    check_scale(2, "0", (3, 0), &[1, 1, 1], true, &[0, 1, 1]);
    check_scale(5, "0", (4, 0), &[2, 2], false, &[2, 3]);
}

#[test]
fn old_sets_go_at_once_when_the_new_one_has_all_pods() {
    let mut world = World::new(deployment(3, "1", "0"));
    world.settle(|_| {});
    // One that was let go comes back, with pods of its own.
    let mut adopted = set("web-old", 1, 2, 2);
    adopted.spec.get_or_insert_default().template = Some(template("v0"));
    adopted.metadata.annotations = Some(labels(&[(revision::DESIRED_REPLICAS, "2")]));
    world.sets.push(adopted);
    world.pass();
    assert_eq!(world.sets.iter().map(replicas::of).collect::<Vec<_>>(), [3, 0]);
}
