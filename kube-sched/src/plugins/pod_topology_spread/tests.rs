//! PodTopologySpread. Sources: "Pod Topology Spread Constraints" of the documentation, KEP-895, KEP-1258 (defaults), KEP-3022
//! (minDomains), KEP-3094 (node inclusion policies), and the arithmetic beside each row.

use super::*;
use crate::inventory::{Owner, Service, Workload};
use crate::model::{Effect, Labels, Node, Taint};
use crate::plugins::testing::{cluster, node, scores, verdict, web, zoned};
use WhenUnsatisfiable::{DoNotSchedule, ScheduleAnyway};

const SKEW: &str = "Unschedulable: node(s) didn't match pod topology spread constraints";
const LABEL: &str = "Unresolvable: node(s) didn't match pod topology spread constraints (missing required label)";

fn spread(max_skew: i64, key: &str, when: WhenUnsatisfiable) -> SpreadConstraint {
    SpreadConstraint::new(max_skew, key, when, Selector::labels([("app", "web")]))
}

fn hard(max_skew: i64) -> SpreadConstraint {
    spread(max_skew, "zone", DoNotSchedule)
}

fn with(constraints: Vec<SpreadConstraint>) -> Pod {
    Pod { spread: constraints, ..web("p") }
}

/// The documentation's cluster: zoneA has node1 (two pods) and node2 (one), zoneB node3 (one) and node4 (none).
fn four() -> [Node; 4] {
    [zoned("node1", "A"), zoned("node2", "A"), zoned("node3", "B"), zoned("node4", "B")]
}

#[track_caller]
fn check(_source: &str, cluster: &Cluster, pod: &Pod, expected: &str) {
    let expected = expected.replace("SKEW", SKEW).replace("LABEL", LABEL);
    assert_eq!(verdict(&PodTopologySpread::default(), cluster, pod), expected);
}

#[test]
fn hard_constraints() {
    let on = |nodes: &[&str]| -> Vec<Pod> {
        nodes.iter().enumerate().map(|(i, node)| web(&format!("x{i}")).on(*node)).collect()
    };
    let docs = cluster(four(), on(&["node1", "node2", "node3"]));
    check("docs: one constraint, zone [2, 1]: only zone B", &docs, &with(vec![hard(1)]), "node3 node4 | SKEW");
    check("docs: a skew of 2 also allows zone A", &docs, &with(vec![hard(2)]), "node1 node2 node3 node4");
    let host = spread(1, HOSTNAME, DoNotSchedule);
    check(
        "docs: two constraints: zone and node: only node4",
        &docs,
        &with(vec![hard(1), host.clone()]),
        "node4 | SKEW",
    );
    let conflict = cluster(
        [zoned("node1", "A"), zoned("node2", "A"), zoned("node3", "B")],
        on(&["node1", "node1", "node2", "node3", "node3"]),
    );
    check("docs: conflicting constraints leave the pod pending", &conflict, &with(vec![hard(1), host]), "| SKEW");
    check("no hard constraint", &docs, &with(vec![spread(1, "zone", ScheduleAnyway)]), "skip");
    let with_bare = cluster(four().into_iter().chain([node("node5")]), on(&["node1"]));
    check("docs: nodes without the key are bypassed", &with_bare, &with(vec![hard(1)]), "node3 node4 | LABEL; SKEW");
    let foreign = Pod { labels: Labels::default(), ..with(vec![hard(1)]) };
    check(
        "docs: a pod that does not match itself adds nothing: [2, 1] + 0",
        &docs,
        &foreign,
        "node1 node2 node3 node4",
    );
    let three = cluster([zoned("a", "x"), zoned("b", "y")], on(&["a", "b"]));
    let domains = |n| with(vec![SpreadConstraint { min_domains: n, ..hard(1) }]);
    check("KEP-3022: enough domains: least is 1", &three, &domains(2), "a b");
    check("KEP-3022: too few domains: least is 0, 1 + 1 − 0 > 1", &three, &domains(3), "| SKEW");
    let elsewhere = cluster([zoned("a", "x"), zoned("b", "y")], [web("x").in_namespace("other").on("a")]);
    check("docs: only pods of its own namespace count", &elsewhere, &with(vec![hard(1)]), "a b");
    let leaving = cluster([zoned("a", "x"), zoned("b", "y")], [Pod { terminating: true, ..web("x").on("a") }]);
    check("#87621: pods that are being deleted do not count", &leaving, &with(vec![hard(1)]), "a b");
    let all = SpreadConstraint { selector: Selector::All(vec![]), ..hard(1) };
    check("common.go: to a selector of everything no pod counts", &docs, &with(vec![all]), "node1 node2 node3 node4");
    let none = SpreadConstraint { selector: Selector::Nothing, ..hard(1) };
    check("API: an absent selector matches no pods", &docs, &with(vec![none]), "node1 node2 node3 node4");
    check("bad input: a key that no node has", &docs, &with(vec![spread(1, "rack", DoNotSchedule)]), "| LABEL");
}

#[test]
fn node_inclusion_policies() {
    let taint = Taint::new("k", "", Effect::NoSchedule);
    let tainted = cluster([zoned("a", "x"), zoned("b", "y").taint(taint)], [web("1").on("a")]);
    check("KEP-3094: nodeTaintsPolicy Ignore counts node b: least 0", &tainted, &with(vec![hard(1)]), "b | SKEW");
    let honor = SpreadConstraint { honor_taints: true, ..hard(1) };
    check("KEP-3094: Honor leaves it out: least 1", &tainted, &with(vec![honor]), "a b");
    let selecting = |constraint| Pod { node_selector: Labels::new([("disk", "ssd")]), ..with(vec![constraint]) };
    let state = cluster([zoned("a", "x").label("disk", "ssd"), zoned("b", "y")], [web("1").on("a")]);
    check("KEP-3094: nodeAffinityPolicy Honor counts only node a", &state, &selecting(hard(1)), "a b");
    let ignore = SpreadConstraint { honor_affinity: false, ..hard(1) };
    check("KEP-3094: Ignore counts node b, where there is none", &state, &selecting(ignore), "b | SKEW");
}

#[track_caller]
fn check_score(_source: &str, plugin: &PodTopologySpread, cluster: &Cluster, pod: &Pod, expected: &str) {
    assert_eq!(scores(plugin, cluster, pod), expected);
}

#[test]
fn soft_constraints() {
    let plain = PodTopologySpread::default();
    let soft = |skew, key| spread(skew, key, ScheduleAnyway);
    let state = cluster([zoned("a", "x"), zoned("b", "y"), node("c")], [web("1").on("a"), web("2").on("a")]);
    // Raw: round(2·ln(2 + 2)) = round(2.77) = 3, and 0; 100·(3 + 0 − s)/3. The node without the key gets 0.
    check_score("scoring.go: zone [2, 0]", &plain, &state, &with(vec![soft(1, "zone")]), "0 100 0");
    // maxSkew 3 adds 2 to both: 5 and 2; 100·(5 + 2 − 5)/5 = 40, 100·(7 − 2)/5 = 100.
    check_score("scoring.go: a wide skew waters down", &plain, &state, &with(vec![soft(3, "zone")]), "40 100 0");
    // By host: three nodes, ln 5 = 1.61; 2·1.61 = 3.2 → 3, 0, 0.
    check_score("scoring.go: hosts are counted by node", &plain, &state, &with(vec![soft(1, HOSTNAME)]), "0 100 100");
    check_score(
        "scoring.go: nothing matches: all are best",
        &plain,
        &cluster(four(), []),
        &with(vec![soft(1, "zone")]),
        "100 100 100 100",
    );
    check_score("no soft constraint", &plain, &state, &with(vec![hard(1)]), "skip");
    // Zone and host: two nodes with both keys; a: 2·ln 4 + 2·ln 4 = 5.5 → 6, b: 0.
    check_score(
        "scoring.go: constraints are summed",
        &plain,
        &state,
        &with(vec![soft(1, "zone"), soft(1, HOSTNAME)]),
        "0 100 0",
    );
}

#[test]
fn defaults() {
    let plain = PodTopologySpread::default();
    let at = |name: &str, zone: &str| node(name).label(ZONE, zone);
    let mut state =
        cluster([at("a", "x"), at("b", "x"), at("c", "y"), node("d")], [web("1").on("a"), web("2").on("a")]);
    check_score("KEP-1258: a pod of no service has no defaults", &plain, &state, &web("p"), "skip");
    state.inventory_mut().services.set(Service {
        namespace: "default".into(),
        name: "web".into(),
        selector: Selector::labels([("app", "web")]),
    });
    // Hosts: four, ln 6 = 1.79, skew 3 adds 2. Zones x, y and none: three, ln 5 = 1.61, skew 5 adds 4; d has no zone.
    // a: 2·1.79 + 2 + 2·1.61 + 4 = 12.8 → 13; b: 2 + 3.22 + 4 = 9.2 → 9; c: 2 + 4 = 6; d: 2.
    // 100·(13 + 2 − s)/13: 15, 46, 69, 100.
    check_score("KEP-1258: system defaults by host 3 and zone 5", &plain, &state, &web("p"), "15 46 69 100");
    check_score("KEP-1258: not of pods that the service does not select", &plain, &state, &Pod::new("p"), "skip");
    let own = with(vec![spread(1, "rack", DoNotSchedule)]);
    check_score("KEP-1258: not of pods with constraints of their own", &plain, &state, &own, "skip");
    let off = PodTopologySpread { defaults: DefaultConstraints::List(vec![]) };
    check_score("docs: defaultingType List without constraints", &off, &state, &web("p"), "skip");
    let zones = PodTopologySpread { defaults: DefaultConstraints::List(vec![spread(1, ZONE, ScheduleAnyway)]) };
    // x has 2: round(2·ln 4) = 3; y 0; d lacks the key and gets 0.
    check_score("docs: defaultConstraints of a profile", &zones, &state, &web("p"), "0 0 100 0");
}

#[test]
fn default_hard_constraints_of_a_workload() {
    let plugin = PodTopologySpread { defaults: DefaultConstraints::List(vec![hard(1)]) };
    let owner = Owner { kind: "ReplicaSet".into(), name: "web-1".into() };
    let owned = |name: &str| Pod { owner: Some(owner.clone()), ..web(name) };
    let mut state = cluster([zoned("a", "x"), zoned("b", "y")], [owned("1").on("a")]);
    assert_eq!(verdict(&plugin, &state, &owned("p")), "skip");
    state.inventory_mut().workloads.set(Workload {
        namespace: "default".into(),
        owner: owner.clone(),
        selector: Selector::labels([("app", "web")]),
    });
    assert_eq!(verdict(&plugin, &state, &owned("p")), format!("b | {SKEW}"));
}

#[test]
fn preemption_can_even_the_skew() {
    let state = cluster([zoned("a", "x"), zoned("b", "y")], [web("1").on("a")]);
    let plugin = PodTopologySpread::default();
    let pod = with(vec![hard(1)]);
    let crate::framework::PreFilter::Run(mut domains) = plugin.pre_filter(&state, &pod) else { panic!("it has a say") };
    let a = state.node("a").unwrap();
    assert!(plugin.filter(&domains, &pod, a).is_err());
    plugin.remove_pod(&mut domains, &pod, &a.pods()[0], a, &state);
    assert!(plugin.filter(&domains, &pod, a).is_ok());
    plugin.add_pod(&mut domains, &pod, &a.pods()[0], a, &state);
    assert!(plugin.filter(&domains, &pod, a).is_err());
}
