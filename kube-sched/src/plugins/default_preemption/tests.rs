//! DefaultPreemption. Sources: "Pod Priority and Preemption" of the documentation and kube-scheduler's `pickOneNodeForPreemption`.

use super::*;
use crate::cluster::Cluster;
use crate::framework::Profile;
use crate::inventory::DisruptionBudget;
use crate::model::{Labels, Node, Pod, Resources, Selector};
use crate::plugins::testing::{cluster, web};
use crate::scheduler::Scheduler;
use std::collections::BTreeSet;

fn node(name: &str) -> Node {
    Node::new(name, Resources::new(1000, 1 << 30, 10))
}

/// A pod of 1000m cpu shares, by priority and start.
fn pod(name: &str, cpu: i64, priority: i32, started_seconds: i64) -> Pod {
    Pod { started_seconds, ..Pod::new(name).request(Resources::new(cpu, 0, 0)).priority(priority) }
}

fn budget(name: &str, app: &str, allowed: i64) -> DisruptionBudget {
    DisruptionBudget {
        namespace: "default".into(),
        name: name.into(),
        selector: Selector::labels([("app", app)]),
        disruptions_allowed: allowed,
        disrupted_pods: BTreeSet::new(),
    }
}

fn outcome(cluster: &Cluster, pod: &Pod) -> String {
    let error = Scheduler::new(Profile::default(), 0).schedule(cluster, pod).unwrap_err();
    match &error.nomination {
        Some(found) => {
            let victims: Vec<&str> = found.victims.iter().map(|pod| &*pod.name).collect();
            format!("{}: {}", found.node, victims.join(" "))
        }
        None => error.post_filter.clone().unwrap_or_default(),
    }
}

/// Nodes of 1000m; existing pods by node; a pod of 1000m with priority 100 comes.
#[track_caller]
fn check(_source: &str, existing: Vec<(&str, Pod)>, budgets: Vec<DisruptionBudget>, expected: &str) {
    let names: BTreeSet<&str> = existing.iter().map(|(node, _)| *node).collect();
    let mut state = cluster(names.into_iter().map(node), existing.into_iter().map(|(node, pod)| pod.on(node)));
    budgets.into_iter().for_each(|budget| state.inventory_mut().budgets.set(budget));
    assert_eq!(outcome(&state, &pod("p", 1000, 100, 0)), expected);
}

fn app(pod: Pod, app: &str) -> Pod {
    pod.label("app", app)
}

#[test]
fn the_choice_of_a_node() {
    check(
        "1: fewest violated budgets, whatever the priorities",
        vec![("a", app(pod("a1", 1000, 1, 0), "web")), ("b", pod("b1", 1000, 90, 0))],
        vec![budget("w", "web", 0)],
        "b: b1",
    );
    check(
        "2: the lowest highest priority",
        vec![("a", pod("a1", 1000, 5, 0)), ("b", pod("b1", 1000, 4, 0))],
        vec![],
        "b: b1",
    );
    check(
        "3: the smallest sum of priorities",
        vec![
            ("a", pod("a1", 500, 5, 0)),
            ("a", pod("a2", 500, 5, 0)),
            ("b", pod("b1", 500, 5, 0)),
            ("b", pod("b2", 500, 4, 0)),
        ],
        vec![],
        "b: b1 b2",
    );
    check(
        "3: each pod adds more than 2^31, so that two of −1 cost more than one of 5",
        vec![
            ("a", pod("a1", 500, 5, 0)),
            ("a", pod("a2", 500, -1, 0)),
            ("a", pod("a3", 0, -1, 0)),
            ("b", pod("b1", 500, 5, 0)),
            ("b", pod("b2", 500, 3, 0)),
        ],
        vec![],
        "a: a1 a2",
    );
    check(
        "4: the fewest pods, where sums are equal: at the lowest priority a pod adds nothing",
        vec![
            ("a", pod("a1", 500, i32::MIN, 0)),
            ("a", pod("a2", 500, i32::MIN, 0)),
            ("b", pod("b1", 1000, i32::MIN, 0)),
        ],
        vec![],
        "b: b1",
    );
    check(
        "5: the latest start of the most important",
        vec![("a", pod("a1", 1000, 5, 10)), ("b", pod("b1", 1000, 5, 20))],
        vec![],
        "b: b1",
    );
    check("6: the first", vec![("a", pod("a1", 1000, 5, 10)), ("b", pod("b1", 1000, 5, 10))], vec![], "a: a1");
}

#[test]
fn the_choice_of_victims() {
    let three = || vec![("a", pod("low", 300, 1, 0)), ("a", pod("mid", 300, 5, 0)), ("a", pod("high", 400, 9, 0))];
    check("docs: all of lower priority, if all are needed", three(), vec![], "a: high mid low");
    let spare = || vec![("a", pod("small", 0, 1, 0)), ("a", pod("big", 1000, 9, 0))];
    check("docs: not more than needed", spare(), vec![], "a: big");
    check(
        "docs: pods of equal priority stay",
        vec![("a", pod("equal", 1000, 100, 0))],
        vec![],
        "preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod.",
    );
    check(
        "docs: what remains must make room",
        vec![("a", pod("low", 500, 1, 0)), ("a", pod("equal", 500, 100, 0))],
        vec![],
        "preemption: 0/1 nodes are available: 1 Insufficient cpu.",
    );
    check(
        "docs: budgets are best effort: violated where nothing else helps",
        vec![("a", app(pod("a1", 1000, 1, 0), "web"))],
        vec![budget("w", "web", 0)],
        "a: a1",
    );
}

/// One node of 1000m full of pods of 300m to 400m; a pod of 400m with priority 100 comes.
#[track_caller]
fn check_reprieve(_source: &str, existing: Vec<Pod>, budgets: Vec<DisruptionBudget>, expected: &str) {
    let mut state = cluster([node("a")], existing.into_iter().map(|pod| pod.on("a")));
    budgets.into_iter().for_each(|budget| state.inventory_mut().budgets.set(budget));
    assert_eq!(outcome(&state, &pod("p", 400, 100, 0)), expected);
}

#[test]
fn reprieve() {
    let by_priority = || vec![pod("low", 300, 1, 0), pod("mid", 300, 5, 0), pod("high", 400, 9, 0)];
    check_reprieve(
        "the most important first: 400 stays, then 300 does not fit beside 400 + 400",
        by_priority(),
        vec![],
        "a: mid low",
    );
    let by_age = || vec![pod("young", 500, 1, 20), pod("old", 500, 1, 10)];
    check_reprieve("of equals the longest running first", by_age(), vec![], "a: young");
    let web = || vec![app(pod("low", 500, 1, 0), "web"), pod("high", 500, 9, 0)];
    check_reprieve("those under a budget before those more important", web(), vec![budget("w", "web", 0)], "a: high");
    check_reprieve("a budget with room protects nobody", web(), vec![budget("w", "web", 1)], "a: low");
    let disrupted = DisruptionBudget { disrupted_pods: BTreeSet::from(["low".to_owned()]), ..budget("w", "web", 0) };
    check_reprieve("nor one that has counted the pod already", web(), vec![disrupted], "a: low");
    let empty = DisruptionBudget { selector: Selector::All(vec![]), ..budget("w", "web", 0) };
    check_reprieve("nor one with an empty selector", web(), vec![empty], "a: low");
    let foreign = DisruptionBudget { namespace: "other".into(), ..budget("w", "web", 0) };
    check_reprieve("nor one of another namespace", web(), vec![foreign], "a: low");
    let two = || vec![app(pod("w1", 500, 9, 0), "web"), app(pod("w2", 500, 9, 1), "web")];
    check_reprieve(
        "one may go: the less important of two counts as the violating one, and stays first",
        two(),
        vec![budget("w", "web", 1)],
        "a: w1",
    );
}

#[track_caller]
fn check_message(_source: &str, state: &Cluster, pod: &Pod, expected: &str) {
    assert_eq!(outcome(state, pod), expected);
}

#[test]
fn eligibility() {
    let state = cluster([node("a")], [pod("x", 1000, 1, 0).on("a")]);
    let never = Pod { may_preempt: false, ..pod("p", 1000, 100, 0) };
    check_message(
        "docs: preemptionPolicy Never",
        &state,
        &never,
        "preemption: not eligible due to preemptionPolicy=Never.",
    );
    let leaving =
        |preempted| cluster([node("a")], [Pod { terminating: true, preempted, ..pod("x", 1000, 1, 0) }.on("a")]);
    let nominated = Pod { nominated_node: Some("a".into()), ..pod("p", 1000, 100, 0) };
    check_message(
        "it waits for its victims",
        &leaving(true),
        &nominated,
        "preemption: not eligible due to a terminating pod on the nominated node.",
    );
    check_message("not for pods that go for another reason (#114623)", &leaving(false), &nominated, "a: x");
    check_message("not when it was nominated to no node", &leaving(true), &pod("p", 1000, 100, 0), "a: x");
    let mut cordoned = cluster([node("a").cordoned(), node("b")], []);
    cordoned.add_pod(Pod { terminating: true, preempted: true, ..pod("x", 1000, 1, 0) }.on("a")).unwrap();
    cordoned.add_pod(pod("y", 1000, 1, 0).on("b")).unwrap();
    check_message("not when the nominated node cannot take it any more", &cordoned, &nominated, "b: y");
    check_message(
        "nodes that no preemption mends are counted",
        &cluster([node("a").cordoned(), node("b").cordoned(), node("c")], [pod("x", 1000, 100, 0).on("c")]),
        &pod("p", 1000, 100, 0),
        "preemption: 0/3 nodes are available: 1 No preemption victims found for incoming pod, 2 Preemption is not helpful for scheduling.",
    );
    check_message(
        "bad input: a pod larger than any node",
        &state,
        &pod("p", i64::MAX, i32::MAX, 0),
        "preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling.",
    );
    check_message(
        "bad input: priorities at the limits",
        &cluster([node("a")], [pod("x", 1000, i32::MIN, 0).on("a")]),
        &pod("p", 1, i32::MAX, 0),
        "a: x",
    );
    let room = cluster([node("a")], [pod("x", 1000, 1, 0).on("a")]);
    let mut promised = room.clone();
    promised.nominate(Pod { nominated_node: Some("a".into()), ..pod("greater", 800, 200, 0) });
    check_message(
        "what is promised to a greater pod is not cleared for a lesser one",
        &promised,
        &pod("p", 500, 100, 0),
        "preemption: 0/1 nodes are available: 1 Insufficient cpu.",
    );
}

#[test]
fn the_search_ends_with_enough_candidates() {
    let names: Vec<String> = (0..300).map(|i| format!("n{i:03}")).collect();
    let state = cluster(
        names.iter().map(|name| node(name)),
        names.iter().map(|name| pod(&format!("x-{name}"), 1000, 1, 0).on(name.as_str())),
    );
    let nominated = |seed| {
        let plugin = DefaultPreemption { seed, ..DefaultPreemption::default() };
        let profile =
            Profile::builder("x").filter(crate::plugins::NodeResourcesFit::default()).post_filter(plugin).build();
        Scheduler::new(profile, 0).schedule(&state, &pod("p", 1000, 9, 0)).unwrap_err().nomination.unwrap().node
    };
    assert_eq!(nominated(1), nominated(1), "a seed decides");
    let different: BTreeSet<String> = (0..20).map(nominated).collect();
    assert!(different.len() > 5, "seeds begin at different nodes: {different:?}");
}

#[test]
fn what_is_protected_depends_on_labels() {
    let bare = budget("w", "web", 0);
    assert!(bare.protects("default", "x", &web("x").labels));
    assert!(!bare.protects("default", "x", &Labels::default()));
}
