//! Each plugin's rule as rows: a cluster, a pod, and the nodes it may go to or the scores it gets.

use crate::cluster::{Cluster, NodeInfo};
use crate::framework::{Filter, PreFilter, Profile, Score};
use crate::model::*;
use crate::plugins::*;
use crate::scheduler::Scheduler;

const GIB: i64 = 1 << 30;
const MIB: i64 = 1 << 20;

fn node(name: &str) -> Node {
    Node::new(name, Resources::new(4000, 8 * GIB, 10))
}

fn cluster(nodes: impl IntoIterator<Item = Node>, pods: impl IntoIterator<Item = Pod>) -> Cluster {
    let mut cluster = Cluster::new();
    nodes.into_iter().for_each(|node| cluster.add_node(node));
    pods.into_iter().for_each(|pod| cluster.add_pod(pod).unwrap());
    cluster
}

/// The nodes that one filter lets a pod go to.
#[track_caller]
fn check_filter(plugin: impl Filter, cluster: &Cluster, pod: &Pod, expected: &[&str]) {
    let nodes: Vec<&NodeInfo> = cluster.nodes().collect();
    let allowed: Vec<&str> = match plugin.pre_filter(cluster, pod) {
        PreFilter::Skip => nodes.iter().map(|n| &*n.node().name).collect(),
        PreFilter::Refuse(_) => Vec::new(),
        PreFilter::Run(state) => {
            nodes.iter().filter(|n| plugin.filter(&state, pod, n).is_ok()).map(|n| &*n.node().name).collect()
        }
        PreFilter::Only(names, state) => nodes
            .iter()
            .filter(|n| names.iter().any(|name| **name == *n.node().name) && plugin.filter(&state, pod, n).is_ok())
            .map(|n| &*n.node().name)
            .collect(),
    };
    assert_eq!(allowed, expected);
}

/// The normalised scores of one plugin, in the order of node names; none when it has no say.
#[track_caller]
fn check_score(plugin: impl Score, cluster: &Cluster, pod: &Pod, expected: &[i64]) {
    let nodes: Vec<&NodeInfo> = cluster.nodes().collect();
    let scores = plugin.pre_score(cluster, pod, &nodes).map_or_else(Vec::new, |state| {
        let mut scores: Vec<i64> = nodes.iter().map(|n| plugin.score(&state, pod, n)).collect();
        plugin.normalize(&state, &nodes, &mut scores);
        scores
    });
    assert_eq!(scores, expected);
}

#[test]
fn fit_counts_every_resource_and_the_number_of_pods() {
    let small = Node::new("small", Resources::new(1000, GIB, 1).with_scalar("nvidia.com/gpu", 1));
    let state = cluster([small, node("large")], [Pod::new("x").request(Resources::new(900, 0, 0)).on("large")]);
    let request = |r| Pod::new("p").request(r);
    for (resources, expected) in [
        (Resources::new(1000, 0, 0), &["large", "small"][..]),
        (Resources::new(1001, 0, 0), &["large"]),
        (Resources::new(3101, 0, 0), &[]),
        (Resources::new(0, GIB + 1, 0), &["large"]),
        (Resources::default().with_scalar("nvidia.com/gpu", 1), &["small"]),
        (Resources::default().with_scalar("nvidia.com/gpu", 2), &[]),
        (Resources::default().with_ephemeral_storage(1), &[]),
        (Resources::new(i64::MAX, 0, 0), &[]),
        (Resources::new(-5, 0, 0), &["large", "small"]),
    ] {
        check_filter(NodeResourcesFit::default(), &state, &request(resources), expected);
    }
    let full = cluster([Node::new("a", Resources::new(1000, GIB, 0))], []);
    check_filter(NodeResourcesFit::default(), &full, &Pod::new("p"), &[]);
}

#[test]
fn least_allocated_is_the_integer_mean_of_free_shares() {
    // cpu: (4000 − 3000)·100/4000 = 25; memory: (8 − 4)·100/8 = 50; (25 + 50)/2 = 37.
    let p = Pod::new("p").request(Resources::new(3000, 4 * GIB, 0));
    check_score(NodeResourcesFit::default(), &cluster([node("a")], []), &p, &[37]);
    // A container that requests nothing counts as 100m and 200 MiB: 97 and 97.
    check_score(NodeResourcesFit::default(), &cluster([node("a")], []), &Pod::new("p"), &[97]);
    check_score(NodeResourcesFit { strategy: ScoringStrategy::MostAllocated }, &cluster([node("a")], []), &p, &[62]);
    check_score(NodeResourcesFit::default(), &cluster([Node::new("a", Resources::default())], []), &p, &[0]);
}

#[test]
fn balanced_allocation_is_one_minus_half_the_difference() {
    // Shares 0.75 and 0.5: (1 − 0.125)·100 = 87.
    let p = Pod::new("p").request(Resources::new(3000, 4 * GIB, 0));
    check_score(NodeResourcesBalancedAllocation, &cluster([node("a")], []), &p, &[87]);
    check_score(NodeResourcesBalancedAllocation, &cluster([node("a")], []), &Pod::new("p"), &[]);
}

#[test]
fn taints_repel_what_does_not_tolerate_them() {
    let taint = |effect| Taint::new("k", "v", effect);
    let state = cluster(
        [
            node("execute").taint(taint(Effect::NoExecute)),
            node("plain"),
            node("prefer").taint(taint(Effect::PreferNoSchedule)),
            node("schedule").taint(taint(Effect::NoSchedule)),
        ],
        [],
    );
    let tolerate = |key: Option<&str>, value: Option<&str>, effect| {
        Pod::new("p").tolerate(Toleration { key: key.map(Into::into), value: value.map(Into::into), effect })
    };
    check_filter(TaintToleration, &state, &Pod::new("p"), &["plain", "prefer"]);
    check_filter(TaintToleration, &state, &tolerate(None, None, None), &["execute", "plain", "prefer", "schedule"]);
    check_filter(
        TaintToleration,
        &state,
        &tolerate(Some("k"), Some("v"), Some(Effect::NoSchedule)),
        &["plain", "prefer", "schedule"],
    );
    check_filter(TaintToleration, &state, &tolerate(Some("k"), Some("other"), None), &["plain", "prefer"]);
    check_score(TaintToleration, &state, &Pod::new("p"), &[100, 100, 0, 100]);
    check_score(TaintToleration, &state, &tolerate(Some("k"), None, None), &[100, 100, 100, 100]);
    check_score(TaintToleration, &cluster([node("a")], []), &Pod::new("p"), &[]);
}

#[test]
fn cordoned_nodes_take_only_what_tolerates_it() {
    let state = cluster([node("a").cordoned(), node("b")], []);
    check_filter(NodeUnschedulable, &state, &Pod::new("p"), &["b"]);
    let all = Toleration::default();
    check_filter(NodeUnschedulable, &state, &Pod::new("p").tolerate(all), &["a", "b"]);
}

#[test]
fn host_ports_are_taken_once() {
    let port = |ip: &str, port| HostPort { protocol: Protocol::Tcp, ip: ip.to_owned(), port };
    let with = |name: &str, p: HostPort| {
        let mut pod = Pod::new(name);
        pod.host_ports.push(p);
        pod
    };
    let state = cluster([node("a"), node("b")], [with("x", port("127.0.0.1", 80)).on("a")]);
    check_filter(NodePorts, &state, &with("p", port("0.0.0.0", 80)), &["b"]);
    check_filter(NodePorts, &state, &with("p", port("127.0.0.2", 80)), &["a", "b"]);
    check_filter(NodePorts, &state, &with("p", port("0.0.0.0", 81)), &["a", "b"]);
}

#[test]
fn node_affinity_reads_labels_names_and_integers() {
    let state = cluster([node("a").label("zone", "x").label("size", "5"), node("b").label("zone", "y"), node("c")], []);
    let with = |labels: Vec<Requirement>, names: Vec<Requirement>| {
        let mut pod = Pod::new("p");
        pod.node_affinity = Some(NodeSelector(vec![NodeSelectorTerm { labels, names }]));
        pod
    };
    let label = |op, values: &[&str]| Requirement::new("zone", op, values.iter().copied());
    for (labels, names, expected) in [
        (vec![label(Operator::In, &["x", "y"])], vec![], &["a", "b"][..]),
        (vec![label(Operator::NotIn, &["x"])], vec![], &["b", "c"]),
        (vec![label(Operator::Exists, &[])], vec![], &["a", "b"]),
        (vec![label(Operator::DoesNotExist, &[])], vec![], &["c"]),
        (vec![Requirement::new("size", Operator::Gt, ["4"])], vec![], &["a"]),
        (vec![Requirement::new("size", Operator::Lt, ["5"])], vec![], &[]),
        (vec![Requirement::new("zone", Operator::Gt, ["4"])], vec![], &[]),
        (vec![], vec![Requirement::new("metadata.name", Operator::In, ["b", "zz"])], &["b"]),
        (vec![], vec![], &[]),
    ] {
        check_filter(NodeAffinity, &state, &with(labels, names), expected);
    }
    let mut selected = Pod::new("p");
    selected.node_selector = Labels::new([("zone", "y")]);
    check_filter(NodeAffinity, &state, &selected, &["b"]);
    let mut none = Pod::new("p");
    none.node_affinity = Some(NodeSelector(vec![]));
    check_filter(NodeAffinity, &state, &none, &[]);
}

#[test]
fn preferred_nodes_are_scaled_to_the_best() {
    let state = cluster([node("a").label("zone", "x"), node("b").label("zone", "y"), node("c")], []);
    let mut pod = Pod::new("p");
    let term =
        |zone: &str| NodeSelectorTerm { labels: vec![Requirement::new("zone", Operator::In, [zone])], names: vec![] };
    pod.preferred_nodes =
        vec![PreferredNodeTerm { weight: 10, term: term("x") }, PreferredNodeTerm { weight: 40, term: term("y") }];
    check_score(NodeAffinity, &state, &pod, &[25, 100, 0]);
}

#[test]
fn image_locality_scales_from_23_to_1000_mib() {
    let state = cluster([node("a").image("big", 1046 * MIB), node("b")], []);
    let mut pod = Pod::new("p");
    pod.images.push("big".to_owned());
    // Half of the nodes hold it: 523 MiB; (523 − 23)·100/977 = 51.
    check_score(ImageLocality, &state, &pod, &[51, 0]);
    check_score(ImageLocality, &state, &Pod::new("q"), &[]);
}

fn zoned(name: &str, zone: &str) -> Node {
    node(name).label("zone", zone)
}

fn web(name: &str) -> Pod {
    Pod::new(name).label("app", "web")
}

fn spread(max_skew: i64, when: WhenUnsatisfiable) -> SpreadConstraint {
    SpreadConstraint::new(max_skew, "zone", when, Selector::labels([("app", "web")]))
}

#[test]
fn hard_spread_bounds_the_skew() {
    let state =
        cluster([zoned("a", "x"), zoned("b", "y"), node("c")], [web("1").on("a"), web("2").on("a"), web("3").on("b")]);
    let with = |constraint| {
        let mut pod = web("p");
        pod.spread.push(constraint);
        pod
    };
    check_filter(PodTopologySpread, &state, &with(spread(1, WhenUnsatisfiable::DoNotSchedule)), &["b"]);
    check_filter(PodTopologySpread, &state, &with(spread(2, WhenUnsatisfiable::DoNotSchedule)), &["a", "b"]);
    // Three domains are wanted and two exist: the least number counts as 0.
    let mut three = spread(2, WhenUnsatisfiable::DoNotSchedule);
    three.min_domains = 3;
    check_filter(PodTopologySpread, &state, &with(three), &["b"]);
    check_filter(PodTopologySpread, &state, &with(spread(1, WhenUnsatisfiable::ScheduleAnyway)), &["a", "b", "c"]);
}

#[test]
fn spread_counts_only_nodes_that_its_policies_admit() {
    let taint = Taint::new("k", "", Effect::NoSchedule);
    let state = cluster([zoned("a", "x"), zoned("b", "y").taint(taint)], [web("1").on("a")]);
    let mut pod = web("p");
    pod.spread.push(spread(1, WhenUnsatisfiable::DoNotSchedule));
    check_filter(PodTopologySpread, &state, &pod, &["b"]);
    pod.spread[0].honor_taints = true;
    check_filter(PodTopologySpread, &state, &pod, &["a", "b"]);
}

#[test]
fn soft_spread_prefers_the_domain_with_fewer() {
    let state = cluster([zoned("a", "x"), zoned("b", "y"), node("c")], [web("1").on("a"), web("2").on("a")]);
    let mut pod = web("p");
    pod.spread.push(spread(1, WhenUnsatisfiable::ScheduleAnyway));
    // Raw: round(2·ln 4) = 3, 0; 100·(3 + 0 − s)/3. The node without the key gets 0.
    check_score(PodTopologySpread, &state, &pod, &[0, 100, 0]);
}

fn term(labels: &[(&str, &str)]) -> PodAffinityTerm {
    PodAffinityTerm {
        selector: Selector::labels(labels.iter().copied()),
        namespaces: NamespaceScope::only("default"),
        topology_key: "zone".to_owned(),
    }
}

#[test]
fn affinity_follows_matching_pods_and_the_first_of_a_group_may_start() {
    let nodes = || [zoned("a", "x"), zoned("b", "y"), node("c")];
    let mut pod = web("p");
    pod.affinity.push(term(&[("app", "web")]));
    check_filter(InterPodAffinity::default(), &cluster(nodes(), [web("1").on("b")]), &pod, &["b"]);
    check_filter(InterPodAffinity::default(), &cluster(nodes(), []), &pod, &["a", "b"]);
    let mut other = Pod::new("q");
    other.affinity.push(term(&[("app", "web")]));
    check_filter(InterPodAffinity::default(), &cluster(nodes(), []), &other, &[]);
    let foreign = cluster(nodes(), [web("1").in_namespace("elsewhere").on("b")]);
    check_filter(InterPodAffinity::default(), &foreign, &other, &[]);
}

#[test]
fn anti_affinity_holds_both_ways() {
    let nodes = || [zoned("a", "x"), zoned("a2", "x"), zoned("b", "y"), node("c")];
    let mut lonely = Pod::new("lonely");
    lonely.anti_affinity.push(term(&[("app", "web")]));
    check_filter(InterPodAffinity::default(), &cluster(nodes(), [web("1").on("a")]), &lonely, &["b", "c"]);
    let state = cluster(nodes(), [lonely.on("a")]);
    check_filter(InterPodAffinity::default(), &state, &web("p"), &["b", "c"]);
    check_filter(InterPodAffinity::default(), &state, &Pod::new("other"), &["a", "a2", "b", "c"]);
}

#[test]
fn namespace_selectors_reach_other_namespaces() {
    let mut state = cluster([zoned("a", "x"), zoned("b", "y")], [web("1").in_namespace("team").on("a")]);
    let mut pod = Pod::new("p");
    let mut wide = term(&[("app", "web")]);
    wide.namespaces = NamespaceScope { names: vec![], selector: Selector::labels([("kind", "team")]) };
    pod.affinity.push(wide);
    check_filter(InterPodAffinity::default(), &state, &pod, &[]);
    state.set_namespace("team", Labels::new([("kind", "team")]));
    check_filter(InterPodAffinity::default(), &state, &pod, &["a"]);
}

#[test]
fn preferred_pods_are_scaled_between_least_and_most() {
    let state =
        cluster([zoned("a", "x"), zoned("b", "y"), node("c")], [web("1").on("a"), web("2").on("a"), web("3").on("b")]);
    let mut pod = Pod::new("p");
    pod.preferred_pods.push(Weighted { weight: 10, term: term(&[("app", "web")]) });
    check_score(InterPodAffinity::default(), &state, &pod, &[100, 50, 0]);
    pod.preferred_pods[0].weight = -10;
    check_score(InterPodAffinity::default(), &state, &pod, &[0, 50, 100]);
    check_score(InterPodAffinity::default(), &state, &Pod::new("q"), &[]);
}

#[test]
fn preemption_resolves_anti_affinity() {
    let mut victim = Pod::new("victim");
    victim.anti_affinity.push(term(&[("app", "web")]));
    let state = cluster([zoned("a", "x")], [victim.on("a")]);
    let error = Scheduler::new(Profile::default(), 0).schedule(&state, &web("p").priority(1)).unwrap_err();
    assert_eq!(error.nomination.unwrap().victims[0].name.as_ref(), "victim");
}
