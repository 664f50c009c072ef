//! NodeResourcesBalancedAllocation. Source: kubernetes/kubernetes#135573 and the arithmetic beside each row.

use super::*;
use crate::model::{Node, Resources};
use crate::plugins::testing::{GIB, cluster, node, scores};

/// One node with 4 cores and 8 GiB, on which pods use `used`.
#[track_caller]
fn check(_source: &str, used: Resources, wants: Resources, expected: &str) {
    let state = cluster([node("a")], [Pod::new("x").request(used).on("a")]);
    assert_eq!(scores(&NodeResourcesBalancedAllocation::default(), &state, &Pod::new("p").request(wants)), expected);
}

#[test]
fn score() {
    let none = Resources::default;
    let r = |cpu, gib| Resources::new(cpu, gib * GIB, 0);
    check("best-effort pods are skipped (#129138)", r(1000, 1), none(), "skip");
    check("0.5 and 0.5 on an empty node: 100 before and after: 50 + 50/2", none(), r(2000, 4), "75");
    check("0.75 and 0.5: σ 0.125, 87 after 100: 50 + (50 − 13)/2 = 68", none(), r(3000, 4), "68");
    check("1 and 0: σ 0.5, 50 after 100: 50 + (50 − 50)/2", none(), r(4000, 0), "50");
    check("a lone core evens half the memory: 100 after 75: 50 + 75/2 = 87", r(0, 4), r(2000, 0), "87");
    check("from 0|1 (50) to 1|1 (100): 50 + 100/2", r(0, 8), r(4000, 0), "100");
    check("more than there is counts as all of it: 1|1 is even", r(4000, 8), r(4000, 8), "75");
    check("memory alone, 0|0.25: σ 0.125, 87 after 100", none(), r(0, 2), "68");
    check("from 0.25|0 (87) to 0.25|0.25 (100): 50 + 63/2 = 81", r(1000, 0), r(0, 2), "81");
    check("bad input: a negative request is a share below 0: σ 0.125 → 87: 68", none(), r(-1000, 0), "68");
}

#[track_caller]
fn check_with(_source: &str, resources: &[&str], allocatable: Resources, wants: Resources, expected: &str) {
    let plugin = NodeResourcesBalancedAllocation { resources: resources.iter().map(|name| (*name).into()).collect() };
    let state = cluster([Node::new("a", allocatable)], []);
    assert_eq!(scores(&plugin, &state, &Pod::new("p").request(wants)), expected);
}

#[test]
fn other_resources() {
    let all = || Resources::new(1000, 1000, 10).with_scalar("nvidia.com/gpu", 4);
    let three = ["cpu", "memory", "nvidia.com/gpu"];
    // Shares 0.2, 0.4, 0.75: mean 0.45, σ = √((0.0625 + 0.0025 + 0.09)/3) = 0.2273, 77; before 0|0|0: 100.
    check_with(
        "three resources: population standard deviation",
        &three,
        all(),
        Resources::new(200, 400, 0).with_scalar("nvidia.com/gpu", 3),
        "63",
    );
    check_with(
        "an extended resource that is not asked for does not count: 0.5|0.5",
        &three,
        all(),
        Resources::new(500, 500, 0),
        "75",
    );
    check_with(
        "a node without a resource: one share is even with itself",
        &three[..2],
        Resources::new(1000, 0, 10),
        Resources::new(900, 5, 0),
        "75",
    );
    check_with("bad input: a node without capacity", &three[..2], Resources::default(), Resources::new(1, 1, 0), "75");
    check_with(
        "only the configured resources make a pod other than best-effort",
        &["memory"],
        all(),
        Resources::new(1, 0, 0),
        "skip",
    );
}
