//! Gangs through the driver's state: held back, placed together, given back together (KEP-4671).

use super::*;
use crate::driver::Config;
use crate::driver::state::tests::{ZERO, at, check_bind, check_report, greater, node, on, parse, pod, state};
use crate::framework::{Permit, PermitDecision, Profile, WaitingPods};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::scheduling::v1alpha2::PodGroup;
use serde_json::json;

fn group(name: &str, min_count: i32) -> PodGroup {
    parse(json!({
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"schedulingPolicy": {"gang": {"minCount": min_count}}},
    }))
}

fn member(name: &str, group: &str, cpu: &str) -> Pod {
    let mut pod = pod(name, cpu);
    pod.spec.as_mut().unwrap().scheduling_group = parse(json!({"podGroupName": group}));
    pod
}

/// Two nodes of one CPU, and a gang `g` of this many.
fn with_gang(min_count: i32) -> State {
    let mut state = state();
    state.node_applied(&node("n", "1"), ZERO);
    state.node_applied(&node("m", "1"), ZERO);
    state.group_applied(&group("g", min_count), ZERO);
    state
}

/// A gang of two, `a` and `b`, of which one needs the place of a lesser pod.
fn contended() -> State {
    contended_by(["PreemptLowerPriority"; 2])
}

/// The same, with these preemption policies.
fn contended_by(policies: [&str; 2]) -> State {
    let mut state = with_gang(2);
    state.pod_applied(&on(pod("lesser", "1"), "n"), ZERO);
    for (name, policy) in ["a", "b"].into_iter().zip(policies) {
        let mut pod = greater(member(name, "g", "1"));
        pod.spec.as_mut().unwrap().preemption_policy = Some(policy.to_owned());
        state.pod_applied(&pod, ZERO);
    }
    state
}

/// All steps that there are now, in words.
fn steps(state: &mut State, now: Duration) -> Vec<String> {
    let mut told = Vec::new();
    while let Some(step) = state.next_step(now) {
        told.push(match step {
            Step::Bind(binding) => format!("bind {} to {}", binding.pod.name, binding.node),
            Step::BindGang(gang) => {
                let members: Vec<_> =
                    gang.members.iter().map(|one| format!("{} to {}", one.pod.name, one.node)).collect();
                format!("bind gang {}: {}", gang.key.1, members.join(", "))
            }
            Step::Report { pod, error, .. } => {
                let nominated =
                    error.nomination.as_ref().map(|n| format!(" -> {} ({} victims)", n.node, n.victims.len()));
                format!("{}: {error}{}", pod.name, nominated.unwrap_or_default())
            }
            Step::Group(status) => format!("group {}: {}: {}", status.key.1, status.reason, status.message),
            Step::Wait => continue,
            Step::Consult(_) | Step::ConsultOnVictims(_) => "consult".to_owned(),
        });
    }
    told
}

#[track_caller]
fn check_steps(state: &mut State, now: Duration, expected: &[&str]) {
    assert_eq!(steps(state, now), expected);
}

#[test]
fn a_gang_waits_for_its_group_and_for_its_pods() {
    let mut state = state();
    state.node_applied(&node("n", "4"), ZERO);
    state.pod_applied(&member("a", "g", "1"), ZERO);
    state.pod_applied(&member("b", "g", "1"), ZERO);
    check_steps(&mut state, at(1000), &[]);
    state.group_applied(&group("g", 3), ZERO);
    check_steps(&mut state, at(1000), &[]);
    state.pod_applied(&member("other", "h", "1"), ZERO);
    check_steps(&mut state, at(1000), &[]);
    state.pod_applied(&member("c", "g", "1"), ZERO);
    check_steps(&mut state, at(1000), &["bind gang g: a to n, b to n, c to n"]);
}

#[test]
fn what_holds_a_pod_back_does_not_count_as_time_of_the_scheduler() {
    let mut state = with_gang(2);
    let mut gated = pod("gated", "100m");
    gated.spec.as_mut().unwrap().scheduling_gates = parse(json!([{"name": "example.com/quota"}]));
    state.pod_applied(&gated, ZERO);
    state.pod_applied(&member("a", "g", "500m"), ZERO);
    state.pod_applied(&member("b", "g", "500m"), at(100));
    gated.spec.as_mut().unwrap().scheduling_gates = None;
    state.pod_applied(&gated, at(200));
    let Some(Step::BindGang(gang)) = state.next_step(at(300)) else { panic!("it fits") };
    assert_eq!(gang.members.iter().map(|one| one.tried.since).collect::<Vec<_>>(), [at(100), at(100)]);
    let Some(Step::Bind(binding)) = state.next_step(at(300)) else { panic!("it fits") };
    assert_eq!((&*binding.pod.name, binding.tried.since), ("gated", at(200)));
}

#[test]
fn a_gang_that_does_not_fit_stays_away_as_a_whole_and_says_why() {
    let mut state = with_gang(3);
    for name in ["a", "b", "c"] {
        state.pod_applied(&member(name, "g", "1"), ZERO);
    }
    let told = steps(&mut state, ZERO);
    let reason = "minCount (3) cannot be satisfied: 2 scheduled, 0 remaining";
    assert_eq!(told[0], format!("group g: Unschedulable: {reason}"));
    assert_eq!(told[1..3], [format!("a: {reason}"), format!("b: {reason}")]);
    assert!(told[3].starts_with("c: 0/2 nodes are available: 2 Insufficient cpu."), "{told:?}");
    assert_eq!(state.decisions(), 1, "four steps tell of one decision");
    assert!(state.cluster.nodes().all(|node| node.pods().is_empty()));
    // What helps one pod brings all of them back.
    state.node_applied(&node("o", "1"), at(5));
    let told = steps(&mut state, at(6));
    assert!(told.len() == 1 && told[0].starts_with("bind gang g: "), "{told:?}");
    assert!(state.cluster.nodes().all(|node| node.pods().len() == 1));
}

#[test]
fn a_gang_that_came_before_any_node_is_tried_with_the_first() {
    let mut state = state();
    state.group_applied(&group("g", 1), ZERO);
    state.pod_applied(&member("a", "g", "1"), ZERO);
    assert_eq!(steps(&mut state, ZERO)[1], "a: no nodes available to schedule pods");
    state.node_applied(&node("n", "1"), at(1));
    check_steps(&mut state, at(3), &["bind gang g: a to n"]);
}

#[test]
fn two_gangs_that_compete_never_share_what_is_enough_for_one() {
    let mut state = with_gang(2);
    state.group_applied(&group("h", 2), ZERO);
    for (name, group) in [("a1", "g"), ("b1", "h"), ("a2", "g"), ("b2", "h")] {
        state.pod_applied(&member(name, group, "1"), ZERO);
    }
    let told = steps(&mut state, ZERO);
    assert_eq!(told.iter().filter(|step| step.starts_with("bind gang")).count(), 1, "{told:?}");
    assert!(
        told.iter().any(|step| step.starts_with("group h: Unschedulable: minCount (2) cannot be satisfied")),
        "{told:?}"
    );
    let on_nodes: Vec<_> = state.cluster.nodes().flat_map(|node| node.pods()).map(|pod| pod.group.clone()).collect();
    assert_eq!(on_nodes, [Some("g".into()), Some("g".into())]);
}

#[test]
fn bindings_that_fail_give_back_what_was_not_bound_and_the_rest_is_tried_again() {
    let mut state = with_gang(2);
    for name in ["a", "b"] {
        state.pod_applied(&member(name, "g", "1"), ZERO);
    }
    let Some(Step::BindGang(gang)) = state.next_step(ZERO) else { panic!("it fits") };
    for binding in &gang.members {
        state.bind_failed(&binding.pod, ZERO);
    }
    assert!(state.cluster.nodes().all(|node| node.pods().is_empty()));
    let Some(Step::BindGang(gang)) = state.next_step(at(1)) else { panic!("it still fits") };
    // One is bound, the other is not: the one counts when the other is tried again.
    let [first, second] = &gang.members[..] else { panic!("two") };
    state.bound(first);
    state.pod_applied(&on(member(&first.pod.name, "g", "1"), &first.node), at(1));
    state.bind_failed(&second.pod, at(1));
    check_steps(&mut state, at(10), &[&format!("bind gang g: {} to {}", second.pod.name, second.node)]);
}

#[test]
fn pods_beyond_the_least_number_go_where_there_is_room_and_late_ones_follow() {
    let mut state = with_gang(1);
    for name in ["a", "b", "c"] {
        state.pod_applied(&member(name, "g", "1"), ZERO);
    }
    let told = steps(&mut state, ZERO);
    assert!(told.iter().any(|step| step.starts_with("bind gang g: a to ") && step.contains("b to ")), "{told:?}");
    assert!(told.iter().any(|step| step.starts_with("c: 0/2 nodes are available: 2 Insufficient cpu.")), "{told:?}");
    state.node_applied(&node("o", "2"), at(1));
    check_steps(&mut state, at(2), &["bind gang g: c to o"]);
    state.pod_applied(&member("d", "g", "1"), at(2));
    check_steps(&mut state, at(2), &["bind gang g: d to o"]);
}

#[test]
fn a_group_without_a_gang_policy_is_nothing_special() {
    let mut state = with_gang(2);
    let basic =
        parse(json!({"metadata": {"name": "g", "namespace": "default"}, "spec": {"schedulingPolicy": {"basic": {}}}}));
    state.group_applied(&basic, ZERO);
    state.pod_applied(&member("a", "g", "1"), ZERO);
    assert!(matches!(state.next_step(ZERO), Some(Step::Bind(_))));
    let mut off = State::new(&Config { gang_scheduling: false, ..Config::default() });
    off.node_applied(&node("n", "1"), ZERO);
    off.pod_applied(&member("a", "g", "1"), ZERO);
    check_bind(&mut off, ZERO, ("a", "n"));
}

#[test]
fn a_gang_that_loses_pods_is_held_back_again() {
    let mut state = with_gang(2);
    state.pod_applied(&member("a", "g", "2"), ZERO);
    state.pod_applied(&member("b", "g", "2"), ZERO);
    assert_eq!(steps(&mut state, ZERO).len(), 3);
    state.pod_deleted(&member("b", "g", "2"), at(1));
    state.node_applied(&node("o", "4"), at(1));
    check_steps(&mut state, at(100), &[]);
    state.pod_applied(&member("c", "g", "2"), at(100));
    check_steps(&mut state, at(100), &["bind gang g: a to o, c to o"]);
    state.group_deleted(&group("g", 2));
    state.pod_applied(&member("d", "g", "1"), at(100));
    check_steps(&mut state, at(1000), &[]);
}

#[test]
fn pods_of_a_gang_that_name_several_profiles_are_refused() {
    let packing = Profile::builder("packing").filter(crate::plugins::NodeResourcesFit::default()).build();
    let mut state = State::new(&Config { further_profiles: vec![packing], ..Config::default() });
    state.node_applied(&node("n", "4"), ZERO);
    state.group_applied(&group("g", 2), ZERO);
    let mut other = member("b", "g", "1");
    other.spec.as_mut().unwrap().scheduler_name = Some("packing".to_owned());
    state.pod_applied(&member("a", "g", "1"), ZERO);
    state.pod_applied(&other, ZERO);
    let text = "all pods in a single pod group should have the same .spec.schedulerName set, got: \"default-scheduler\" and \"packing\"";
    check_steps(
        &mut state,
        ZERO,
        &[&format!("group g: SchedulerError: {text}"), &format!("a: {text}"), &format!("b: {text}")],
    );
}

#[test]
fn a_gang_takes_the_place_of_lesser_pods_as_a_whole() {
    let mut state = contended();
    let waiting = "pod group is waiting for preemption to complete";
    let told = steps(&mut state, ZERO);
    assert_eq!(told[0], format!("group g: Unschedulable: {waiting}"));
    assert!(told[1..].contains(&format!("a: {waiting} -> m (0 victims)")), "{told:?}");
    assert!(told[1..].contains(&format!("b: {waiting} -> n (1 victims)")), "{told:?}");
    state.pod_deleted(&on(pod("lesser", "1"), "n"), at(1));
    let told = steps(&mut state, at(2));
    assert!(told.len() == 1 && told[0].starts_with("bind gang g: "), "{told:?}");
}

#[test]
fn a_gang_for_which_nobody_goes_any_more_keeps_no_room() {
    let mut state = contended();
    steps(&mut state, ZERO);
    let promised = |state: &State| ["a", "b"].map(|uid| state.cluster.nominated_node(uid).map(str::to_owned));
    assert_eq!(promised(&state), [Some("m".to_owned()), Some("n".to_owned())]);
    state.node_applied(&node("m", "500m"), at(1));
    let told = steps(&mut state, at(2));
    assert!(told[0].starts_with("group g: Unschedulable: minCount (2) cannot be satisfied"), "{told:?}");
    assert_eq!(promised(&state), [None, None]);
}

#[test]
fn a_pod_of_a_gang_that_preempts_nobody_keeps_no_promises_of_the_others() {
    let mut state = contended_by(["Never", "PreemptLowerPriority"]);
    steps(&mut state, ZERO);
    let promised = |state: &State| ["a", "b"].map(|uid| state.cluster.nominated_node(uid).map(str::to_owned));
    assert_eq!(promised(&state), [Some("m".to_owned()), Some("n".to_owned())]);
    // Nobody is on the way out, and the gang fits nowhere any more.
    state.node_applied(&node("m", "500m"), at(1));
    let told = steps(&mut state, at(2));
    assert!(told[0].starts_with("group g: Unschedulable: minCount (2) cannot be satisfied"), "{told:?}");
    assert_eq!(promised(&state), [Some("m".to_owned()), None]);
}

#[test]
fn a_pod_of_a_gang_that_would_fit_keeps_no_promise_either() {
    let mut state = contended_by(["Never", "PreemptLowerPriority"]);
    steps(&mut state, ZERO);
    assert_eq!(state.cluster.nominated_node("a"), Some("m"));
    // The first fits where it was promised room; the other fits nowhere any more, and so nobody waits.
    state.node_applied(&node("n", "500m"), at(1));
    let told = steps(&mut state, at(2));
    assert_eq!(told[0], "group g: Unschedulable: minCount (2) cannot be satisfied: 1 scheduled, 0 remaining");
    assert_eq!(["a", "b"].map(|uid| state.cluster.nominated_node(uid)), [None, None]);
}

/// Nodes of these racks and sizes, and a group `g` that is to be in one rack, with this policy.
fn with_racks(nodes: &[(&str, &str, &str)], policy: serde_json::Value) -> State {
    let mut state = state();
    for (name, rack, cpu) in nodes {
        state.node_applied(&in_rack(node(name, cpu), rack), ZERO);
    }
    let group = parse(json!({
        "metadata": {"name": "g", "namespace": "default"},
        "spec": {"schedulingPolicy": policy, "schedulingConstraints": {"topology": [{"key": "rack"}]}},
    }));
    state.group_applied(&group, ZERO);
    state
}

fn in_rack(mut node: k8s_openapi::api::core::v1::Node, rack: &str) -> k8s_openapi::api::core::v1::Node {
    if !rack.is_empty() {
        node.metadata.labels = parse(json!({"rack": rack}));
    }
    node
}

#[test]
fn a_group_in_one_rack_is_tried_again_when_another_rack_may_take_it() {
    let nodes = [("n", "r1", "1"), ("m", "r2", "1"), ("o", "", "1")];
    let mut state = with_racks(&nodes, json!({"gang": {"minCount": 2}}));
    for name in ["a", "b"] {
        state.pod_applied(&member(name, "g", "1"), ZERO);
    }
    let too_few = "minCount (2) cannot be satisfied: 1 scheduled, 0 remaining";
    let reason = format!("0/2 placements are available, first placement status: {too_few}");
    let told = steps(&mut state, ZERO);
    assert_eq!(told[..2], [format!("group g: Unschedulable: {reason}"), format!("a: {reason}")]);
    assert_eq!(told[2], "b: 0/1 nodes are available: 1 Insufficient cpu.");
    // No filter of single pods waits for a label.
    state.node_applied(&in_rack(node("o", "1"), "r2"), at(1));
    let told = steps(&mut state, at(2));
    assert!(told == ["bind gang g: a to m, b to o"] || told == ["bind gang g: a to o, b to m"], "{told:?}");
}

#[test]
fn a_pod_that_its_group_left_behind_is_tried_again_when_its_rack_grows() {
    let mut state = with_racks(&[("n", "r1", "1"), ("o", "", "1")], json!({"basic": {}}));
    for name in ["a", "b"] {
        state.pod_applied(&member(name, "g", "1"), ZERO);
    }
    let told = steps(&mut state, ZERO);
    assert!(told.contains(&"bind gang g: a to n".to_owned()), "{told:?}");
    state.node_applied(&in_rack(node("o", "1"), "r1"), at(1));
    check_steps(&mut state, at(2), &["bind gang g: b to o"]);
}

#[test]
fn a_group_in_one_rack_is_tried_again_when_something_helps_in_any_rack_and_not_else() {
    let mut state = with_racks(&[("n", "r1", "1"), ("m", "r2", "4")], json!({"gang": {"minCount": 2}}));
    let cordoned = |unschedulable: bool| {
        let mut node = in_rack(node("m", "4"), "r2");
        node.spec = parse(json!({"unschedulable": unschedulable}));
        node
    };
    state.node_applied(&cordoned(true), ZERO);
    for name in ["a", "b"] {
        state.pod_applied(&member(name, "g", "1"), ZERO);
    }
    assert_eq!(steps(&mut state, ZERO).len(), 3);
    let namespace = parse(json!({"metadata": {"name": "default", "labels": {"team": "blue"}}}));
    state.namespace_applied(&namespace, at(10));
    check_steps(&mut state, at(30), &[]);
    // The first rack is too small; the other was only closed.
    state.node_applied(&cordoned(false), at(30));
    check_steps(&mut state, at(60), &["bind gang g: a to m, b to m"]);
}

#[test]
fn pods_of_a_group_that_come_later_follow_it_to_its_rack() {
    let mut state = with_racks(&[("n", "r1", "2"), ("m", "r2", "8")], json!({"basic": {}}));
    state.pod_applied(&member("a", "g", "1"), ZERO);
    check_steps(&mut state, ZERO, &["bind gang g: a to n"]);
    state.pod_applied(&member("b", "g", "1"), ZERO);
    check_steps(&mut state, ZERO, &["bind gang g: b to n"]);
    // The rack is full; the other is not theirs.
    state.pod_applied(&member("c", "g", "1"), ZERO);
    check_steps(&mut state, ZERO, &["c: 0/1 nodes are available: 1 Insufficient cpu."]);
    // Once nobody is there any more, any rack will do.
    for name in ["a", "b"] {
        state.pod_deleted(&on(member(name, "g", "1"), "n"), at(1));
    }
    state.node_deleted(&node("n", "2"));
    check_steps(&mut state, at(3), &["bind gang g: c to m"]);
}

#[derive(Debug)]
struct Gate;

impl Permit for Gate {
    fn name(&self) -> &'static str {
        "Gate"
    }
    fn permit(&self, _: &crate::Cluster, _: &crate::Pod, _: &str) -> PermitDecision {
        PermitDecision::Wait(Duration::from_secs(60))
    }
}

/// A gang of two that waits in Permit.
fn at_the_gate() -> (State, WaitingPods) {
    let config = Config { profile: Profile::default_builder().permit(Gate).build(), ..Config::default() };
    let mut state = State::new(&config);
    for name in ["n", "m"] {
        state.node_applied(&node(name, "1"), ZERO);
    }
    state.group_applied(&group("g", 2), ZERO);
    for name in ["a", "b"] {
        state.pod_applied(&member(name, "g", "1"), ZERO);
    }
    check_steps(&mut state, ZERO, &[]);
    (state, config.waiting_pods)
}

#[test]
fn a_gang_is_bound_when_all_of_it_is_permitted() {
    let (mut state, waiting) = at_the_gate();
    waiting.get("a").unwrap().allow("Gate");
    check_steps(&mut state, at(1), &[]);
    waiting.get("b").unwrap().allow("Gate");
    let told = steps(&mut state, at(2));
    assert!(told.len() == 1 && told[0].starts_with("bind gang g: a to "), "{told:?}");
}

#[test]
fn a_gang_of_which_one_is_rejected_or_goes_is_given_back() {
    let (mut state, waiting) = at_the_gate();
    waiting.get("a").unwrap().allow("Gate");
    waiting.get("b").unwrap().reject("Gate", "no");
    let told = steps(&mut state, at(1));
    assert!(told.contains(&"b: 0/1 nodes are available: 1 no.".to_owned()), "{told:?}");
    assert!(state.cluster.nodes().all(|node| node.pods().is_empty()) && waiting.is_empty());

    let (mut state, waiting) = at_the_gate();
    state.pod_deleted(&member("b", "g", "1"), at(1));
    assert!(state.cluster.nodes().all(|node| node.pods().is_empty()) && waiting.is_empty());
    check_steps(&mut state, at(100), &[]);
    let (mut state, _) = at_the_gate();
    check_report_of_time(&mut state);
}

#[test]
fn a_late_pod_shares_the_fate_of_its_gang_in_permit() {
    for rejected in [true, false] {
        let (mut state, waiting) = at_the_gate();
        state.node_applied(&node("o", "1"), ZERO);
        state.pod_applied(&member("c", "g", "1"), ZERO);
        check_steps(&mut state, ZERO, &[]);
        for name in ["a", "c"] {
            waiting.get(name).unwrap().allow("Gate");
        }
        check_steps(&mut state, at(1), &[]);
        if rejected {
            waiting.get("b").unwrap().reject("Gate", "no");
            let told = steps(&mut state, at(2));
            assert!(told.contains(&"b: 0/1 nodes are available: 1 no.".to_owned()), "{told:?}");
            assert!(state.cluster.nodes().all(|node| node.pods().is_empty()));
        } else {
            waiting.get("b").unwrap().allow("Gate");
            let told = steps(&mut state, at(2));
            assert!(
                told.len() == 1 && told[0].starts_with("bind gang g: a to ") && told[0].ends_with("c to o"),
                "{told:?}"
            );
        }
    }
}

#[track_caller]
fn check_report_of_time(state: &mut State) {
    assert!(matches!(state.next_step(at(60)), Some(Step::Group(_))));
    let text = "0/1 nodes are available: 1 rejected due to timeout after waiting 1m0s at plugin Gate.";
    check_report(state, at(60), text);
}
