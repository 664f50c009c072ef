//! The driver's state against watches that are late, and bindings that fail.

use super::*;
use serde_json::{Value, json};

fn parse<T: serde::de::DeserializeOwned>(json: Value) -> T {
    serde_json::from_value(json).unwrap()
}

fn node(name: &str, cpu: &str) -> Node {
    parse(json!({"metadata": {"name": name}, "status": {"allocatable": {"cpu": cpu, "memory": "8Gi", "pods": "10"}}}))
}

fn pod(name: &str, cpu: &str) -> Pod {
    parse(json!({
        "metadata": {"name": name, "namespace": "default", "uid": name},
        "spec": {"schedulerName": "default-scheduler", "containers": [{"name": "c", "resources": {"requests": {"cpu": cpu}}}]},
    }))
}

fn on(mut pod: Pod, node: &str) -> Pod {
    pod.spec.as_mut().unwrap().node_name = Some(node.to_owned());
    pod
}

fn state() -> State {
    State::new(&Config::default())
}

const ZERO: Duration = Duration::ZERO;

#[track_caller]
fn check_bind(state: &mut State, now: Duration, expected: (&str, &str)) -> Arc<crate::Pod> {
    match state.next_step(now) {
        Some(Step::Bind { pod, node, .. }) => {
            assert_eq!((&*pod.name, node.as_str()), expected);
            pod
        }
        other => panic!("expected a binding, got {other:?}"),
    }
}

#[track_caller]
fn check_report(state: &mut State, now: Duration, expected: &str) {
    match state.next_step(now) {
        Some(Step::Report { error, .. }) => assert!(error.to_string().starts_with(expected), "{error}"),
        other => panic!("expected a report, got {other:?}"),
    }
}

#[test]
fn an_assumed_pod_takes_its_room_before_the_watch_shows_it() {
    let mut state = state();
    state.node_applied(&node("n", "1"), ZERO);
    state.pod_applied(&pod("a", "600m"), ZERO);
    state.pod_applied(&pod("b", "600m"), ZERO);
    check_bind(&mut state, ZERO, ("a", "n"));
    check_report(&mut state, ZERO, "0/1 nodes are available: 1 Insufficient cpu.");
}

#[test]
fn a_failed_binding_gives_the_room_back_and_is_tried_again() {
    let mut state = state();
    state.node_applied(&node("n", "1"), ZERO);
    state.pod_applied(&pod("a", "600m"), ZERO);
    let a = check_bind(&mut state, ZERO, ("a", "n"));
    state.bind_failed(&a, "n", ZERO);
    assert!(state.next_step(ZERO).is_none());
    check_bind(&mut state, Duration::from_secs(1), ("a", "n"));
}

#[test]
fn an_older_state_of_an_assumed_pod_does_not_bring_it_back() {
    let mut state = state();
    state.node_applied(&node("n", "1"), ZERO);
    state.pod_applied(&pod("a", "600m"), ZERO);
    let a = check_bind(&mut state, ZERO, ("a", "n"));
    state.pod_applied(&pod("a", "600m"), ZERO);
    state.bound(&a, "n");
    state.pod_applied(&pod("a", "600m"), ZERO);
    state.pod_applied(&on(pod("a", "600m"), "n"), ZERO);
    assert!(state.next_step(Duration::from_secs(1000)).is_none());
    assert_eq!(state.cluster.location("a"), Some("n"));
}

#[test]
fn another_scheduler_that_was_faster_is_right() {
    let mut state = state();
    state.node_applied(&node("n", "1"), ZERO);
    state.pod_applied(&pod("a", "600m"), ZERO);
    let a = check_bind(&mut state, ZERO, ("a", "n"));
    state.node_applied(&node("m", "1"), ZERO);
    state.pod_applied(&on(pod("a", "600m"), "m"), ZERO);
    state.bind_failed(&a, "n", ZERO);
    assert_eq!(state.cluster.location("a"), Some("m"));
    assert!(state.next_step(Duration::from_secs(1000)).is_none());
}

#[test]
fn a_pod_that_ends_or_goes_frees_its_node_for_those_that_wait() {
    let mut state = state();
    state.node_applied(&node("n", "1"), ZERO);
    state.pod_applied(&on(pod("old", "1"), "n"), ZERO);
    state.pod_applied(&pod("new", "1"), ZERO);
    check_report(&mut state, ZERO, "0/1 nodes");
    let mut ended = on(pod("old", "1"), "n");
    ended.status = parse(json!({"phase": "Succeeded"}));
    state.pod_applied(&ended, ZERO);
    check_bind(&mut state, Duration::from_secs(1), ("new", "n"));
}

#[test]
fn the_first_node_brings_back_what_waited_for_any() {
    let mut state = state();
    state.pod_applied(&pod("a", "1"), ZERO);
    check_report(&mut state, ZERO, "no nodes available to schedule pods");
    state.node_applied(&node("n", "1"), ZERO);
    check_bind(&mut state, Duration::from_secs(1), ("a", "n"));
}

#[test]
fn a_heartbeat_brings_nothing_back() {
    let mut state = state();
    state.node_applied(&node("n", "1"), ZERO);
    state.pod_applied(&pod("a", "2"), ZERO);
    check_report(&mut state, ZERO, "0/1 nodes");
    state.node_applied(&node("n", "1"), ZERO);
    assert!(state.next_step(Duration::from_secs(60)).is_none());
    state.node_applied(&node("n", "2"), Duration::from_secs(60));
    check_bind(&mut state, Duration::from_secs(61), ("a", "n"));
}

#[test]
fn pods_of_other_schedulers_and_dying_ones_are_left_alone() {
    let mut state = state();
    state.node_applied(&node("n", "1"), ZERO);
    let mut foreign = pod("foreign", "1");
    foreign.spec.as_mut().unwrap().scheduler_name = Some("another".to_owned());
    state.pod_applied(&foreign, ZERO);
    let mut dying = pod("dying", "1");
    dying.metadata.deletion_timestamp = parse(json!("2026-01-01T00:00:00Z"));
    state.pod_applied(&dying, ZERO);
    assert!(state.next_step(ZERO).is_none());
}

#[test]
fn preemption_nominates_and_the_room_is_kept() {
    let mut state = state();
    state.node_applied(&node("n", "1"), ZERO);
    state.pod_applied(&on(pod("victim", "1"), "n"), ZERO);
    let mut greater = pod("greater", "1");
    greater.spec.as_mut().unwrap().priority = Some(10);
    state.pod_applied(&greater, ZERO);
    match state.next_step(ZERO) {
        Some(Step::Report { error, .. }) => assert_eq!(error.nomination.unwrap().node, "n"),
        other => panic!("{other:?}"),
    }
    state.pod_applied(&pod("lesser", "1"), ZERO);
    state.pod_deleted(&on(pod("victim", "1"), "n"), ZERO);
    check_report(&mut state, ZERO, "0/1 nodes");
    check_bind(&mut state, Duration::from_secs(1), ("greater", "n"));
}

#[test]
fn a_pod_is_placed_by_the_profile_that_it_names() {
    use crate::framework::Profile;
    use crate::plugins::{NodeResourcesFit, ScoringStrategy};
    let packing = Profile::builder("packing")
        .filter(NodeResourcesFit::default())
        .score(NodeResourcesFit::with_strategy(ScoringStrategy::MostAllocated), 1)
        .build();
    let mut state = State::new(&Config { further_profiles: vec![packing], ..Config::default() });
    state.node_applied(&node("a", "4"), ZERO);
    state.node_applied(&node("b", "4"), ZERO);
    state.pod_applied(&on(pod("there", "1"), "a"), ZERO);
    let named = |name: &str, scheduler: &str| {
        let mut pod = pod(name, "1");
        pod.spec.as_mut().unwrap().scheduler_name = Some(scheduler.to_owned());
        pod
    };
    let mut placed = |name: &str, scheduler: &str| {
        state.pod_applied(&named(name, scheduler), ZERO);
        match state.next_step(ZERO) {
            Some(Step::Bind { node, .. }) => node.to_string(),
            other => format!("{other:?}"),
        }
    };
    assert_eq!(placed("packed", "packing"), "a");
    assert_eq!(placed("spread", "default-scheduler"), "b");
    assert_eq!(placed("nobody's", "unknown"), "None");
}

#[test]
fn a_binding_that_fails_gives_its_volume_back() {
    use crate::storage::{Claim, PodVolume, StorageClass, Volume};
    let mut state = state();
    state.node_applied(&node("a", "4"), ZERO);
    let add = |state: &mut State, update: Update| state.inventory_changed(update, ZERO);
    add(
        &mut state,
        Box::new(|inventory| {
            inventory.storage_classes.set(StorageClass::waiting("local", StorageClass::NO_PROVISIONER));
            inventory.claims.set(Claim::new("default", "c", "local", 1));
            inventory.volumes.set(Volume::new("v", "local", 1));
            None
        }),
    );
    let mut user = pod("p", "1");
    user.spec.as_mut().unwrap().volumes = parse(json!([{"name": "v", "persistentVolumeClaim": {"claimName": "c"}}]));
    state.pod_applied(&user, ZERO);
    let Some(Step::Bind { pod, node, changes }) = state.next_step(ZERO) else { panic!("it fits") };
    assert_eq!(pod.volumes, [PodVolume::Claim { name: "c".into(), ephemeral: false }]);
    assert_eq!(changes.len(), 1);
    let promised = |state: &State| state.cluster.inventory().volumes.get("", "v").unwrap().claim.is_some();
    assert!(promised(&state), "the next decision sees it");
    // An older state of the volume comes late.
    add(
        &mut state,
        Box::new(|inventory| {
            inventory.volumes.set(Volume::new("v", "local", 1));
            None
        }),
    );
    assert!(promised(&state), "what was decided outlives it");
    assert_eq!(state.waiting_for_changes(), 1);
    state.bind_failed(&pod, &node, ZERO);
    assert!(!promised(&state));
    assert_eq!(state.waiting_for_changes(), 0);
}
