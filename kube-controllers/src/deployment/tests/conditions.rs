//! Rows for the status: counts, conditions, and when the Deployment is looked at again.

use k8s_openapi::api::apps::v1::{DeploymentCondition, ReplicaSetCondition};

use super::super::progress::{AVAILABLE, PROGRESSING};
use super::*;

/// Sizes, pods, ready, available and terminating pods of a ReplicaSet.
type Pods = (i32, i32, i32, i32, Option<i32>);

fn set(name: &str, pods: Pods) -> ReplicaSet {
    let (size, replicas, ready, available, terminating) = pods;
    let mut set = ReplicaSet { metadata: meta(name), ..ReplicaSet::default() };
    set.spec.get_or_insert_default().replicas = Some(size);
    set.status = Some(ReplicaSetStatus {
        replicas,
        ready_replicas: Some(ready),
        available_replicas: Some(available),
        terminating_replicas: terminating,
        ..ReplicaSetStatus::default()
    });
    set
}

/// The status of ten wanted pods with an old and a new set: replicas, updated, ready, available, unavailable; and those that
/// are on their way out.
#[track_caller]
fn check_counts(old: Pods, new: Pods, expected: [i32; 5], terminating: Option<i32>) {
    let (old, new) = (set("old", old), set("new", new));
    let deployment = deployment(10, "3", "2");
    let status = super::super::progress::calculate(&deployment, &[&old, &new], Some(&new), at(5));
    let counts = [
        status.replicas,
        status.updated_replicas,
        status.ready_replicas,
        status.available_replicas,
        status.unavailable_replicas,
    ];
    assert_eq!(counts.map(Option::unwrap_or_default), expected);
    assert!(counts.iter().all(|count| *count != Some(0)), "a count of zero is left out");
    assert_eq!(status.terminating_replicas, terminating);
    assert_eq!(status.observed_generation, Some(1));
}

#[test]
fn the_status_counts_the_pods_of_all_sets() {
    check_counts((0, 0, 0, 0, Some(0)), (10, 10, 10, 10, Some(0)), [10, 10, 10, 10, 0], Some(0));
    check_counts((8, 8, 8, 7, Some(2)), (5, 4, 3, 2, Some(1)), [12, 4, 11, 9, 4], Some(3));
    // Unavailable are those asked for, whether they are there or not.
    check_counts((8, 8, 8, 8, Some(0)), (5, 0, 0, 0, Some(0)), [8, 0, 8, 8, 5], Some(0));
    // More available than asked for: nothing is missing.
    check_counts((0, 8, 8, 8, Some(0)), (10, 10, 10, 10, Some(0)), [18, 10, 18, 18, 0], Some(0));
    // A set that has not been looked at does not say how many are on their way out, so the sum is not known.
    check_counts((8, 8, 8, 8, Some(1)), (5, 0, 0, 0, None), [8, 0, 8, 8, 5], None);
}

#[track_caller]
fn check_available(wanted: i32, unavailable: &str, available: i32, expected: (&str, &str)) {
    let only = set("new", (wanted, wanted, available, available, Some(0)));
    let deployment = deployment(wanted, "1", unavailable);
    let status = super::super::progress::calculate(&deployment, &[&only], Some(&only), at(5));
    let condition = super::super::progress::condition(&status, AVAILABLE).unwrap();
    assert_eq!((condition.status.as_str(), condition.message.as_deref().unwrap()), expected);
}

#[test]
fn available_tells_whether_no_more_are_missing_than_may() {
    let enough = ("True", "Deployment has minimum availability.");
    let too_few = ("False", "Deployment does not have minimum availability.");
    check_available(10, "25%", 8, enough);
    check_available(10, "25%", 7, too_few);
    check_available(3, "25%", 3, enough);
    check_available(3, "25%", 2, too_few);
    check_available(0, "25%", 0, enough);
    check_available(2, "5", 0, enough);
}

fn progressing(world: &World) -> DeploymentCondition {
    let status = world.deployment.status.clone().unwrap_or_default();
    super::super::progress::condition(&status, PROGRESSING).cloned().unwrap_or_default()
}

/// Reason and message, with the new set's name as `SET`.
#[track_caller]
fn check_progressing(world: &World, status: &str, reason: &str, message: &str) {
    let condition = progressing(world);
    let name = world.sets.last().unwrap().name();
    let text = condition.message.unwrap_or_default().replace(name, "SET");
    let told = (condition.status.as_str(), condition.reason.as_deref().unwrap_or_default(), text.as_str());
    assert_eq!(told, (status, reason, message));
}

#[test]
fn progressing_tells_the_story_of_a_rollout() {
    let mut world = World::new(deployment(2, "1", "0"));
    world.pass();
    check_progressing(&world, "True", "NewReplicaSetCreated", "Created new replica set \"SET\"");
    world.pods_follow(1);
    world.now = at(1100);
    world.pass();
    check_progressing(&world, "True", "ReplicaSetUpdated", "ReplicaSet \"SET\" is progressing.");
    let moved = progressing(&world);
    assert_eq!(moved.last_update_time, Some(Time(at(1100))), "each progress gives it its full time again");
    assert_eq!(moved.last_transition_time, Some(Time(at(1000))), "it has been True since the beginning");
    world.now = at(1600);
    world.pass();
    assert_eq!(progressing(&world), moved, "nothing moved");
    world.now = at(1700);
    world.pass();
    check_progressing(&world, "True", "ReplicaSetUpdated", "ReplicaSet \"SET\" is progressing.");
    world.now = at(1701);
    world.pass();
    check_progressing(&world, "False", "ProgressDeadlineExceeded", "ReplicaSet \"SET\" has timed out progressing.");
    assert_eq!(progressing(&world).last_transition_time, Some(Time(at(1701))));
    world.pods_follow(1);
    world.now = at(1800);
    world.pass();
    check_progressing(&world, "True", "NewReplicaSetAvailable", "ReplicaSet \"SET\" has successfully progressed.");
    assert_eq!(progressing(&world).last_transition_time, Some(Time(at(1800))));
}

#[test]
fn pausing_does_not_hide_that_the_time_has_run_out() {
    let mut world = World::new(deployment(2, "1", "0"));
    world.pass();
    world.pods_follow(0);
    world.pass();
    world.now += jiff::SignedDuration::from_hours(1);
    world.pass();
    spec(&mut world.deployment).paused = Some(true);
    world.pass();
    assert_eq!(world.condition(PROGRESSING), ("False".into(), "ProgressDeadlineExceeded".into()));
}

#[track_caller]
fn check_no_deadline(seconds: Option<i32>) {
    let mut world = World::new(deployment(2, "1", "0"));
    world.settle(|_| {});
    spec(&mut world.deployment).progress_deadline_seconds = seconds;
    world.settle(|_| {});
    assert_eq!(world.condition(PROGRESSING), (String::new(), String::new()));
    assert_eq!(world.condition(AVAILABLE).0, "True");
    assert_eq!(world.look().requeue_after, None);
}

#[test]
fn without_a_deadline_nothing_is_told_of_progress() {
    check_no_deadline(None);
    check_no_deadline(Some(i32::MAX));
}

#[test]
fn a_set_that_was_there_before_the_deadline_is_found() {
    let mut world = World::new(deployment(2, "1", "0"));
    spec(&mut world.deployment).progress_deadline_seconds = None;
    world.pass();
    spec(&mut world.deployment).progress_deadline_seconds = Some(600);
    world.pass();
    check_progressing(&world, "True", "FoundNewReplicaSet", "Found new replica set \"SET\"");
}

fn failing(set: &mut ReplicaSet, message: &str) {
    let condition = ReplicaSetCondition {
        type_: "ReplicaFailure".into(),
        status: "True".into(),
        reason: Some("FailedCreate".into()),
        message: Some(message.into()),
        last_transition_time: Some(Time(at(7))),
    };
    set.status.get_or_insert_default().conditions = Some(vec![condition]);
}

#[test]
fn failures_to_create_pods_are_told_those_of_the_new_set_first() {
    let mut world = World::new(deployment(2, "1", "0"));
    world.settle(|_| {});
    spec(&mut world.deployment).template = template("v2");
    world.pass();
    let told = |world: &World| {
        let conditions = world.deployment.status.clone().unwrap_or_default().conditions.unwrap_or_default();
        let failure = conditions.into_iter().find(|c| c.type_ == "ReplicaFailure");
        failure.and_then(|c| c.message).unwrap_or_default()
    };
    failing(&mut world.sets[0], "the old one's");
    world.pass();
    assert_eq!(told(&world), "the old one's");
    assert_eq!(world.condition("ReplicaFailure"), ("True".into(), "FailedCreate".into()));
    let mut both = World { sets: world.sets.clone(), ..World::new(deployment(2, "1", "0")) };
    spec(&mut both.deployment).template = template("v2");
    failing(&mut both.sets[1], "the new one's");
    both.pass();
    assert_eq!(told(&both), "the new one's");
    world.sets.iter_mut().for_each(|set| set.status.get_or_insert_default().conditions = None);
    world.pass();
    assert_eq!(told(&world), "");
}

#[test]
fn a_deployment_on_its_way_out_only_reports() {
    let mut world = World::new(deployment(3, "1", "0"));
    world.settle(|_| {});
    world.deployment.metadata.deletion_timestamp = Some(Time(at(1)));
    spec(&mut world.deployment).replicas = Some(9);
    spec(&mut world.deployment).template = template("v2");
    world.sets[0].status.get_or_insert_default().replicas = 1;
    assert_eq!(world.look().requeue_after, None);
    let effects = world.look().effects;
    let [Effect::UpdateStatus(reported)] = effects.as_slice() else { panic!("{effects:?}") };
    let status = reported.status.as_ref().unwrap();
    assert_eq!((status.replicas, status.observed_generation), (Some(1), reported.metadata.generation));
}
