//! NodeResourcesFit. Sources: "Resource Bin Packing" and "Resource Management for Pods and Containers" of the documentation,
//! and the arithmetic beside each row.

use super::*;
use crate::model::Node;
use crate::plugins::testing::{GIB, cluster, node, scores, verdict};

fn wants(requests: Resources) -> Pod {
    Pod::new("p").request(requests)
}

/// `small` has 1 core, 1 GiB, one pod, one GPU; `large` 4 cores, 8 GiB, 10 pods, of which 900m are used.
#[track_caller]
fn check(_source: &str, requests: Resources, expected: &str) {
    let small = Node::new("small", Resources::new(1000, GIB, 1).with_scalar("nvidia.com/gpu", 1));
    let state = cluster([small, node("large")], [wants(Resources::new(900, 0, 0)).on("large")]);
    assert_eq!(verdict(&NodeResourcesFit::default(), &state, &wants(requests)), expected);
}

#[test]
fn filter() {
    let manage = "docs: Resource Management — a pod is placed only where the sum of requests stays below the capacity";
    check(manage, Resources::new(1000, 0, 0), "large small");
    check(manage, Resources::new(1001, 0, 0), "large | Unresolvable: Insufficient cpu");
    check(manage, Resources::new(3100, 0, 0), "large | Unresolvable: Insufficient cpu");
    check(
        "docs: preemption helps where an empty node would do: 3101m of 4000m, of 1000m never",
        Resources::new(3101, 0, 0),
        "| Unresolvable: Insufficient cpu; Unschedulable: Insufficient cpu",
    );
    check(manage, Resources::new(0, GIB + 1, 0), "large | Unresolvable: Insufficient memory");
    check(
        "docs: every shortage is named, in the order cpu, memory",
        Resources::new(5000, 9 * GIB, 0),
        "| Unresolvable: Insufficient cpu, Insufficient memory",
    );
    let extended = "docs: Extended resources — integers, not overcommitted";
    check(
        extended,
        Resources::default().with_scalar("nvidia.com/gpu", 1),
        "small | Unresolvable: Insufficient nvidia.com/gpu",
    );
    check(
        extended,
        Resources::default().with_scalar("nvidia.com/gpu", 2),
        "| Unresolvable: Insufficient nvidia.com/gpu",
    );
    check("fit.go: a request of zero is not looked at", Resources::default().with_scalar("a/b", 0), "large small");
    check(
        "docs: Local ephemeral storage",
        Resources::default().with_ephemeral_storage(1),
        "| Unresolvable: Insufficient ephemeral-storage",
    );
    check(
        "bad input: the largest number fits nowhere",
        Resources::new(i64::MAX, i64::MAX, 0),
        "| Unresolvable: Insufficient cpu, Insufficient memory",
    );
    check("bad input: a negative request asks for nothing", Resources::new(-5, i64::MIN, 0), "large small");
}

#[track_caller]
fn check_on(_source: &str, plugin: &NodeResourcesFit, allocatable: Resources, requests: Resources, expected: &str) {
    let state = cluster([Node::new("a", allocatable)], []);
    assert_eq!(verdict(plugin, &state, &wants(requests)), expected);
}

#[test]
fn ignored_resources_and_odd_nodes() {
    let plain = NodeResourcesFit::default();
    let one = Resources::new(0, 0, 1);
    let gpu = Resources::default().with_scalar("example.com/gpu", 1);
    check_on(
        "bad input: a node without capacity",
        &plain,
        Resources::default(),
        Resources::default(),
        "| Unschedulable: Too many pods",
    );
    check_on(
        "bad input: negative capacity",
        &plain,
        Resources::new(-1, -1, 1),
        Resources::new(1, 0, 0),
        "| Unresolvable: Insufficient cpu",
    );
    let ignoring = NodeResourcesFit { ignored_resources: vec!["example.com/gpu".into()], ..plain.clone() };
    check_on("NodeResourcesFitArgs.ignoredResources", &ignoring, one.clone(), gpu.clone(), "a");
    let group = NodeResourcesFit { ignored_resource_groups: vec!["example.com".into()], ..plain.clone() };
    check_on("NodeResourcesFitArgs.ignoredResourceGroups", &group, one.clone(), gpu.clone(), "a");
    let other = NodeResourcesFit { ignored_resource_groups: vec!["example".into()], ..plain };
    check_on(
        "NodeResourcesFitArgs: groups are compared whole",
        &other,
        one,
        gpu,
        "| Unresolvable: Insufficient example.com/gpu",
    );
}

/// One node with 4 cores and 8 GiB.
#[track_caller]
fn check_score(_source: &str, plugin: &NodeResourcesFit, pod: &Pod, expected: &str) {
    assert_eq!(scores(plugin, &cluster([node("a")], []), pod), expected);
}

#[test]
fn score() {
    let least = NodeResourcesFit::default();
    let most = NodeResourcesFit::with_strategy(ScoringStrategy::MostAllocated);
    let p = wants(Resources::new(3000, 4 * GIB, 0));
    check_score("least: cpu (4000−3000)·100/4000 = 25, memory 50, mean 37", &least, &p, "37");
    check_score("least: none requested counts as 100m, 200 MiB: 97 and 97", &least, &Pod::new("p"), "97");
    check_score("least: over capacity 0, memory 100−2 = 97: 48", &least, &wants(Resources::new(4001, 0, 0)), "48");
    check_score("docs: Resource Bin Packing, MostAllocated: 75 and 50, mean 62", &most, &p, "62");
    check_score("most: over capacity counts as full: (100 + 2)/2", &most, &wants(Resources::new(4001, 0, 0)), "51");
    let weighted = NodeResourcesFit {
        resources: vec![(ResourceName::Cpu, 3), (ResourceName::Memory, 1)],
        ..NodeResourcesFit::default()
    };
    check_score("least, weights 3 and 1: (3·25 + 50)/4 = 31", &weighted, &p, "31");
    let state = cluster([Node::new("a", Resources::default())], []);
    assert_eq!(scores(&least, &state, &p), "0");
}

#[test]
fn requested_to_capacity_ratio() {
    // docs: Resource Bin Packing, "Node scoring for capacity allocation": intel.com/foo and intel.com/bar, weight 3 each,
    // cpu 1; shape {0: 0, 100: 10}. Used foo 2 of 4, bar 2 of 8, cpu 6 of 8, each with what the pod asks for.
    let line = vec![ShapePoint { utilization: 0, score: 0 }, ShapePoint { utilization: 100, score: 100 }];
    let plugin = NodeResourcesFit {
        resources: vec![(ResourceName::from("intel.com/foo"), 5), (ResourceName::Memory, 1), (ResourceName::Cpu, 3)],
        ..NodeResourcesFit::with_strategy(ScoringStrategy::RequestedToCapacityRatio(line))
    };
    let node = |used: Resources| {
        let all = Resources::new(8000, GIB, 10).with_scalar("intel.com/foo", 4);
        cluster([Node::new("a", all)], [Pod::new("x").request(used).on("a")])
    };
    let asks = wants(Resources::new(2000, 256 << 20, 0).with_scalar("intel.com/foo", 2));
    let first = node(Resources::new(1000, 256 << 20, 0).with_scalar("intel.com/foo", 1));
    // foo (1+2)/4 = 75, memory 512/1024 = 50, cpu 3/8 = 37; (75·5 + 50 + 37·3)/9 = 536/9 = 59.6 → 60 (the page: 5 of 10).
    assert_eq!(scores(&plugin, &first, &asks), "60");
    let second = node(Resources::new(6000, 512 << 20, 0).with_scalar("intel.com/foo", 2));
    // foo 100, memory 75, cpu 100; (500 + 75 + 300)/9 = 97.2 → 97 (the page: 9 of 10).
    assert_eq!(scores(&plugin, &second, &asks), "97");
}

#[track_caller]
fn check_line(_source: &str, utilization: i64, expected: i64) {
    let point = |utilization, score| ShapePoint { utilization, score };
    assert_eq!(broken_line(&[point(10, 0), point(40, 100), point(80, 20)], utilization), expected);
}

#[test]
fn the_line_is_flat_outside_its_points() {
    check_line("docs: RequestedToCapacityRatio — before the first point", 0, 0);
    check_line("at a point", 10, 0);
    check_line("between: 0 + 100·(20 − 10)/30", 20, 33);
    check_line("falling: 100 − 80·(70 − 40)/40", 70, 40);
    check_line("after the last point", 100, 20);
    assert_eq!(broken_line(&[], 50), 0);
}
