//! The driver's state against watches that are late, and bindings that fail.

use super::*;
use crate::framework::{Permit, PermitDecision, Profile, Reserve};
use serde_json::{Value, json};
use std::sync::Mutex;

pub(super) fn parse<T: serde::de::DeserializeOwned>(json: Value) -> T {
    serde_json::from_value(json).unwrap()
}

pub(super) fn node(name: &str, cpu: &str) -> Node {
    parse(json!({"metadata": {"name": name}, "status": {"allocatable": {"cpu": cpu, "memory": "8Gi", "pods": "10"}}}))
}

pub(super) fn pod(name: &str, cpu: &str) -> Pod {
    parse(json!({
        "metadata": {"name": name, "namespace": "default", "uid": name},
        "spec": {"schedulerName": "default-scheduler", "containers": [{"name": "c", "resources": {"requests": {"cpu": cpu}}}]},
    }))
}

/// With a priority above that of others.
pub(super) fn greater(mut pod: Pod) -> Pod {
    pod.spec.as_mut().unwrap().priority = Some(10);
    pod
}

pub(super) fn on(mut pod: Pod, node: &str) -> Pod {
    pod.spec.as_mut().unwrap().node_name = Some(node.to_owned());
    pod
}

pub(super) fn state() -> State {
    State::new(&Config::default())
}

pub(super) const ZERO: Duration = Duration::ZERO;

#[track_caller]
pub(super) fn check_bind(state: &mut State, now: Duration, expected: (&str, &str)) -> Arc<crate::Pod> {
    match state.next_step(now) {
        Some(Step::Bind(Binding { pod, node, .. })) => {
            assert_eq!((&*pod.name, &*node), expected);
            pod
        }
        other => panic!("expected a binding, got {other:?}"),
    }
}

#[track_caller]
pub(super) fn check_report(state: &mut State, now: Duration, expected: &str) {
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
    state.bind_failed(&a, ZERO);
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
    state.bound(&Binding { pod: a, node: "n".into(), changes: Vec::new(), profile: 0, tried: Tried::default() });
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
    state.bind_failed(&a, ZERO);
    assert_eq!(state.cluster.location("a"), Some("m"));
    assert!(state.next_step(Duration::from_secs(1000)).is_none());
}

#[test]
fn what_changes_nothing_for_scheduling_touches_nothing() {
    let mut state = state();
    state.node_applied(&node("n", "1"), ZERO);
    state.pod_applied(&pod("a", "600m"), ZERO);
    check_bind(&mut state, ZERO, ("a", "n"));
    let known = |state: &State| state.cluster.node("n").unwrap().pods()[0].clone();
    let assumed = known(&state);
    let mut bound = on(pod("a", "600m"), "n");
    state.pod_applied(&bound, ZERO);
    bound.status = parse(json!({"phase": "Running", "podIP": "10.0.0.1"}));
    state.pod_applied(&bound, ZERO);
    assert!(Arc::ptr_eq(&assumed, &known(&state)), "indexes need not look at the node again");
    assert_eq!(state.sizes(), (1, 1, 0));
    bound.metadata.labels = parse(json!({"tier": "new"}));
    state.pod_applied(&bound, ZERO);
    assert_eq!(known(&state).labels.get("tier"), Some("new"));
}

#[test]
fn a_binding_whose_answer_was_lost_is_not_made_again() {
    let mut state = state();
    state.node_applied(&node("n", "1"), ZERO);
    state.pod_applied(&pod("a", "600m"), ZERO);
    let a = check_bind(&mut state, ZERO, ("a", "n"));
    state.bind_failed(&a, ZERO);
    state.pod_applied(&on(pod("a", "600m"), "n"), ZERO);
    assert!(state.next_step(Duration::from_secs(1000)).is_none());
    assert_eq!((state.cluster.location("a"), state.counts()), (Some("n"), QueueCounts::default()));
    assert_eq!(state.sizes(), (1, 1, 0));
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

/// A node of 1 CPU that is full of a lesser pod, and a pod that needs its place.
fn contended() -> (State, Pod) {
    let mut state = state();
    state.node_applied(&node("n", "1"), ZERO);
    state.pod_applied(&on(pod("victim", "1"), "n"), ZERO);
    let greater = greater(pod("greater", "1"));
    state.pod_applied(&greater, ZERO);
    (state, greater)
}

#[test]
fn preemption_nominates_and_the_room_is_kept() {
    let (mut state, _) = contended();
    match state.next_step(ZERO) {
        Some(Step::Report { error, .. }) => assert_eq!(error.nomination.unwrap().node, "n"),
        other => panic!("{other:?}"),
    }
    state.pod_applied(&pod("lesser", "1"), ZERO);
    state.pod_deleted(&on(pod("victim", "1"), "n"), ZERO);
    check_report(&mut state, ZERO, "0/1 nodes");
    check_bind(&mut state, Duration::from_secs(1), ("greater", "n"));
}

/// The same, and the node has been promised to the pod.
fn promised() -> (State, Pod) {
    let (mut state, mut greater) = contended();
    check_report(&mut state, ZERO, "0/1 nodes");
    assert_eq!(state.cluster.nominated_node("greater"), Some("n"));
    greater.status = parse(json!({"nominatedNodeName": "n"}));
    state.pod_applied(&greater, ZERO);
    (state, greater)
}

#[test]
fn room_is_promised_no_longer_than_there_is_hope_for_it() {
    let (mut state, _) = promised();
    state.node_applied(&node("n", "500m"), at(1));
    match state.next_step(at(2)) {
        Some(Step::Report { error, withdrawn, .. }) => assert!(withdrawn && error.nomination.is_none(), "{error}"),
        other => panic!("{other:?}"),
    }
    state.pod_deleted(&on(pod("victim", "1"), "n"), at(2));
    state.pod_applied(&pod("lesser", "400m"), at(2));
    check_bind(&mut state, at(2), ("lesser", "n"));
}

#[test]
fn a_promise_that_the_watch_has_not_shown_is_withdrawn_too() {
    let (mut state, greater) = contended();
    check_report(&mut state, ZERO, "0/1 nodes");
    state.node_applied(&node("n", "500m"), at(1));
    let Some(Step::Report { withdrawn: true, .. }) = state.next_step(at(2)) else { panic!("it says so on the pod") };
    state.pod_applied(&greater, at(3));
    assert_eq!(state.cluster.nominated_node("greater"), None);
}

#[test]
fn a_pod_that_is_about_to_go_is_promised_nothing() {
    let (mut state, mut greater) = promised();
    greater.metadata.deletion_timestamp = parse(json!("2026-01-01T00:00:00Z"));
    state.pod_applied(&greater, at(1));
    assert_eq!(state.cluster.nominated_node("greater"), None);
}

#[test]
fn room_is_promised_until_the_victims_have_gone() {
    let (mut state, _) = promised();
    let mut victim = on(pod("victim", "1"), "n");
    victim.metadata.deletion_timestamp = parse(json!("2026-01-01T00:00:00Z"));
    let condition = json!({"type": "DisruptionTarget", "status": "True", "reason": "PreemptionByScheduler"});
    victim.status = parse(json!({"conditions": [condition]}));
    state.pod_applied(&victim, ZERO);
    state.node_applied(&node("small", "100m"), at(1));
    match state.next_step(at(2)) {
        Some(Step::Report { error, withdrawn, .. }) => assert!(!withdrawn && error.nomination.is_none(), "{error}"),
        other => panic!("{other:?}"),
    }
    assert_eq!(state.cluster.nominated_node("greater"), Some("n"));
}

#[test]
fn a_promise_to_a_pod_that_is_deleted_helps_those_whom_it_held_up() {
    let (mut state, greater) = promised();
    state.pod_deleted(&on(pod("victim", "1"), "n"), ZERO);
    state.pod_applied(&pod("lesser", "1"), ZERO);
    check_report(&mut state, ZERO, "0/1 nodes");
    state.pod_deleted(&greater, ZERO);
    check_bind(&mut state, at(1), ("lesser", "n"));
}

#[test]
fn a_pod_is_placed_by_the_profile_that_it_names() {
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
            Some(Step::Bind(binding)) => binding.node.to_string(),
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
    let Some(Step::Bind(Binding { pod, changes, .. })) = state.next_step(ZERO) else { panic!("it fits") };
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
    assert_eq!(state.changes.len(), 1);
    state.bind_failed(&pod, ZERO);
    assert!(!promised(&state));
    assert_eq!(state.changes.len(), 0);
}

#[derive(Debug, Default)]
struct Account(Mutex<Vec<String>>);

impl Reserve for &'static Account {
    fn name(&self) -> &'static str {
        "Account"
    }
    fn reserve(&self, _: &Cluster, pod: &crate::Pod, _: &str) -> Result<(), Refusal> {
        self.0.lock().unwrap().push(format!("+{}", pod.name));
        Ok(())
    }
    fn unreserve(&self, _: &Cluster, pod: &crate::Pod, _: &str) {
        self.0.lock().unwrap().push(format!("-{}", pod.name));
    }
}

/// Answers by the pod's label.
#[derive(Debug)]
struct Gate;

impl Permit for Gate {
    fn name(&self) -> &'static str {
        "Gate"
    }
    fn permit(&self, _: &Cluster, pod: &crate::Pod, _: &str) -> PermitDecision {
        match pod.labels.get("gate") {
            Some("deny") => PermitDecision::Deny(Refusal::unschedulable("Gate", "not today")),
            Some(seconds) => PermitDecision::Wait(Duration::from_secs(seconds.parse().unwrap())),
            None => PermitDecision::Allow,
        }
    }
}

/// A driver with a gate, one node with 1 CPU, and a pod that wants 600m with this label.
fn gated(gate: &str) -> (State, WaitingPods, &'static Account) {
    let account: &'static Account = Box::leak(Box::default());
    let profile = Profile::default_builder().reserve(account).permit(Gate).build();
    let config = Config { profile, ..Config::default() };
    let waiting = config.waiting_pods.clone();
    let mut state = State::new(&config);
    state.node_applied(&node("n", "1"), ZERO);
    state.pod_applied(&gated_pod("a", gate), ZERO);
    (state, waiting, account)
}

fn gated_pod(name: &str, gate: &str) -> Pod {
    let mut pod = pod(name, "600m");
    pod.metadata.labels = parse(json!({"gate": gate}));
    pod
}

#[track_caller]
fn check_wait(state: &mut State, now: Duration) {
    assert!(matches!(state.next_step(now), Some(Step::Wait)));
}

pub(super) const fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn a_pod_that_waits_in_permit_keeps_its_place_until_it_is_allowed() {
    let (mut state, waiting, account) = gated("30");
    check_wait(&mut state, ZERO);
    state.pod_applied(&pod("b", "600m"), ZERO);
    check_report(&mut state, ZERO, "0/1 nodes are available: 1 Insufficient cpu.");
    let handle = waiting.get("a").unwrap();
    assert_eq!((handle.node(), handle.pending_plugins(), state.cluster.location("a")), ("n", vec!["Gate"], Some("n")));
    assert_eq!(state.next_deadline(), Some(at(30)));
    handle.allow("Gate");
    let a = check_bind(&mut state, at(29), ("a", "n"));
    assert_eq!(*account.0.lock().unwrap(), ["+a"]);
    state.bind_failed(&a, at(29));
    assert_eq!(*account.0.lock().unwrap(), ["+a", "-a"]);
}

#[test]
fn a_pod_that_waited_too_long_gives_its_place_up_and_is_tried_again() {
    let (mut state, waiting, account) = gated("30");
    check_wait(&mut state, ZERO);
    state.pod_applied(&pod("b", "600m"), ZERO);
    check_report(&mut state, ZERO, "0/1 nodes");
    let expected = "0/1 nodes are available: 1 rejected due to timeout after waiting 30s at plugin Gate.";
    check_report(&mut state, at(30), expected);
    assert_eq!((*account.0.lock().unwrap()).clone(), ["+a", "-a"]);
    assert!(waiting.is_empty() && state.cluster.location("a").is_none());
    // What it gave up is somebody else's now, and its own rejection does not wake it.
    check_bind(&mut state, at(31), ("b", "n"));
    assert!(state.next_step(at(60)).is_none());
    state.pod_deleted(&on(pod("b", "600m"), "n"), at(60));
    check_wait(&mut state, at(62));
}

#[test]
fn a_pod_that_is_rejected_or_denied_says_why() {
    let (mut state, waiting, _) = gated("30");
    check_wait(&mut state, ZERO);
    waiting.get("a").unwrap().reject("Gate", "the budget is spent");
    check_report(&mut state, ZERO, "0/1 nodes are available: 1 the budget is spent.");
    let (mut state, waiting, account) = gated("deny");
    check_report(&mut state, ZERO, "0/1 nodes are available: 1 not today.");
    assert!(waiting.is_empty());
    assert_eq!(*account.0.lock().unwrap(), ["+a", "-a"]);
    assert!(state.cluster.location("a").is_none());
}

#[test]
fn no_plugin_may_ask_for_more_than_fifteen_minutes() {
    let (mut state, ..) = gated("86400");
    check_wait(&mut state, ZERO);
    assert!(state.next_step(at(899)).is_none());
    check_report(&mut state, at(900), "0/1 nodes are available: 1 rejected due to timeout after waiting 15m0s");
}

#[test]
fn a_pod_that_is_deleted_or_bound_elsewhere_while_it_waits_gives_everything_back() {
    for end in ["deleted", "terminating", "elsewhere"] {
        let (mut state, waiting, account) = gated("30");
        check_wait(&mut state, ZERO);
        let handle = waiting.get("a").unwrap();
        match end {
            "deleted" => state.pod_deleted(&gated_pod("a", "30"), ZERO),
            "elsewhere" => {
                state.node_applied(&node("m", "1"), ZERO);
                state.pod_applied(&on(gated_pod("a", "30"), "m"), ZERO);
            }
            _ => {
                let mut dying = gated_pod("a", "30");
                dying.metadata.deletion_timestamp = parse(json!("2026-01-01T00:00:00Z"));
                state.pod_applied(&dying, ZERO);
            }
        }
        handle.allow("Gate");
        assert!(waiting.is_empty() && state.next_step(at(1000)).is_none(), "{end}");
        assert_eq!(*account.0.lock().unwrap(), ["+a", "-a"], "{end}");
        assert_eq!(state.cluster.location("a"), (end == "elsewhere").then_some("m"), "{end}");
    }
}

#[test]
fn a_pod_that_is_allowed_and_gone_before_it_is_bound_is_not_bound() {
    let (mut state, waiting, _) = gated("30");
    check_wait(&mut state, ZERO);
    waiting.get("a").unwrap().allow("Gate");
    state.pod_deleted(&gated_pod("a", "30"), ZERO);
    check_wait(&mut state, ZERO);
    assert!(state.next_step(at(1000)).is_none());
}

#[test]
fn a_pod_that_changes_while_it_is_bound_is_tried_again_as_it_is_now() {
    let mut state = state();
    state.node_applied(&node("n", "1"), ZERO);
    state.pod_applied(&pod("a", "600m"), ZERO);
    let a = check_bind(&mut state, ZERO, ("a", "n"));
    let mut changed = pod("a", "600m");
    changed.metadata.labels = parse(json!({"tier": "new"}));
    state.pod_applied(&changed, ZERO);
    assert!(state.next_step(ZERO).is_none());
    state.bind_failed(&a, ZERO);
    let again = check_bind(&mut state, at(1), ("a", "n"));
    assert_eq!(again.labels.get("tier"), Some("new"));
}

#[derive(Debug)]
struct Unprepared;

impl crate::framework::PreBind for Unprepared {
    fn name(&self) -> &'static str {
        "Unprepared"
    }
    fn pre_bind(&self, _: &crate::Pod, _: &str) -> Result<(), Refusal> {
        Err(Refusal::unschedulable("Unprepared", "no network"))
    }
}

#[test]
fn a_pre_bind_that_fails_is_an_error_and_gives_everything_back() {
    let mut state =
        State::new(&Config { profile: Profile::default_builder().pre_bind(Unprepared).build(), ..Config::default() });
    state.node_applied(&node("n", "1"), ZERO);
    state.pod_applied(&pod("a", "1"), ZERO);
    check_report(&mut state, ZERO, "running PreBind plugin \"Unprepared\": no network");
    assert!(state.cluster.location("a").is_none());
    check_report(&mut state, at(1), "running PreBind plugin");
}
