//! Groups in one domain. Source: KEP-5732, "Topology-Aware Workload Scheduling" of the documentation.

use super::*;
use crate::framework::{Attempt, Nomination, PostFilter, Profile, Refusal, Reserve};
use crate::inventory::Change;
use crate::model::{
    Node, NodeSelector, NodeSelectorTerm, Operator, Requirement, Resources, Selector, SpreadConstraint,
    WhenUnsatisfiable,
};
use crate::plugins::testing::cluster;

const RACK: &str = "rack";

/// A node of a rack; of none where that is empty. Of memory there is 1 GiB, of which a pod is taken to use 200 MiB.
fn node(name: &str, rack: &str, cpu: i64) -> Node {
    let node = Node::new(name, Resources::new(cpu, 1 << 30, 110));
    if rack.is_empty() { node } else { node.label(RACK, rack) }
}

fn pod(name: &str, cpu: i64) -> Pod {
    Pod::new(name).request(Resources::new(cpu, 0, 0)).in_group("g")
}

/// `r1: p0 p1 -p2`: the domain, who is placed there and who is left; or why not.
fn told(outcome: Result<Gang, GangError>, state: &Cluster) -> String {
    match outcome {
        Err(error) => error.to_string(),
        Ok(gang) => {
            let domain = gang.domain.unwrap();
            let in_domain = |node: &str| state.node(node).unwrap().node().labels.get(RACK) == Some(&domain);
            assert!(gang.members.iter().all(|member| in_domain(&member.placement.node)));
            let members = gang.members.iter().map(|member| member.pod.name.to_string());
            let left = gang.left.iter().map(|(pod, _)| format!("-{}", pod.name));
            format!("{domain}: {}", members.chain(left).collect::<Vec<_>>().join(" "))
        }
    }
}

/// Pods of these sizes on nodes of these racks and sizes; those of the group that have a place are on `placed`, of 1000 each.
#[track_caller]
fn check(_source: &str, nodes: &[(&str, i64)], pods: &[i64], min_count: usize, placed: &[&str], expected: &str) {
    let nodes = nodes.iter().enumerate().map(|(i, (rack, cpu))| node(&format!("n{i}"), rack, *cpu));
    let on_nodes = placed.iter().enumerate().map(|(i, node)| pod(&format!("before{i}"), 1000).on(*node));
    let state = cluster(nodes, on_nodes);
    let pods: Vec<Arc<Pod>> = pods.iter().enumerate().map(|(i, cpu)| Arc::new(pod(&format!("p{i}"), *cpu))).collect();
    let scheduler = Scheduler::new(Profile::default(), 0);
    let outcome = GangScheduling.place_in_domain(&scheduler, &state, &pods, min_count, RACK, placed);
    assert_eq!(told(outcome, &state), expected);
}

#[test]
fn all_pods_of_a_group_are_in_one_domain() {
    check("KEP-5732: the only rack with room", &[("r1", 1000), ("r2", 2000)], &[1000, 1000], 2, &[], "r2: p0 p1");
    check(
        "KEP-5732: on several nodes of it",
        &[("r1", 1000), ("r2", 1000), ("r2", 1000)],
        &[1000, 1000],
        2,
        &[],
        "r2: p0 p1",
    );
    check(
        "KEP-5732: the cluster has room, no rack has",
        &[("r1", 1000), ("r2", 1000)],
        &[1000, 1000],
        2,
        &[],
        "0/2 placements are available, first placement status: minCount (2) cannot be satisfied: 1 scheduled, 0 remaining",
    );
    check(
        "KEP-5732: nodes without the label are in no rack",
        &[("", 9000), ("r1", 1000)],
        &[1000, 1000],
        2,
        &[],
        "0/1 placements are available, first placement status: minCount (2) cannot be satisfied: 1 scheduled, 0 remaining",
    );
    check("no node has the label", &[("", 9000)], &[1000], 1, &[], "0/0 placements are available");
    check("no nodes", &[], &[1000], 1, &[], "0/0 placements are available");
    check(
        "KEP-5732: the basic policy places those that fit, in one rack",
        &[("r1", 1000), ("", 9000)],
        &[1000, 1000],
        1,
        &[],
        "r1: p0 -p1",
    );
}

#[test]
fn the_best_domain_is_where_more_pods_fit_and_nodes_are_fuller() {
    // r1: (2000/4000 = 50 and 400/1024 = 39) / 2 = 44; r2: (100 and 39) / 2 = 69. As many pods in both.
    check("docs: the fullest", &[("r1", 4000), ("r2", 2000)], &[1000, 1000], 2, &[], "r2: p0 p1");
    // r1: (100 and 39) / 2 = 69, and 2 pods of 3 at most: 66; r2: (50 and 58) / 2 = 54, and 3 of 3: 100.
    check("docs: more pods", &[("r1", 2000), ("r2", 6000)], &[1000, 1000, 1000], 2, &[], "r2: p0 p1 p2");
    // r2: (5 and 58) / 2 = 31, and 100, which is less than 135.
    check("docs: both count the same", &[("r1", 2000), ("r2", 60000)], &[1000; 3], 2, &[], "r1: p0 p1 -p2");
    // r1 with two nodes: (2000/4000 = 50 and 400/2048 = 19) / 2 = 34; r2 with one: (50 and 39) / 2 = 44.
    check(
        "docs: all nodes of a domain count",
        &[("r1", 2000), ("r1", 2000), ("r2", 4000)],
        &[1000, 1000],
        2,
        &[],
        "r2: p0 p1",
    );
}

#[test]
fn pods_that_have_a_place_decide_for_those_that_follow() {
    check("docs: the same rack", &[("r1", 2000), ("r2", 1000)], &[1000], 2, &["n0"], "r1: p0");
    check(
        "docs: it has no room, others have",
        &[("r1", 1000), ("r2", 9000)],
        &[1000],
        2,
        &["n0"],
        "0/1 placements are available, first placement status: minCount (2) cannot be satisfied: 1 scheduled, 0 remaining",
    );
    check(
        "topology_placement.go: in two racks",
        &[("r1", 2000), ("r2", 2000)],
        &[1000],
        3,
        &["n0", "n1"],
        "cannot determine domain for already scheduled pods: more than 1 domain found for pod group: r1, r2",
    );
    check(
        "topology_placement.go: in none",
        &[("", 2000), ("r2", 2000)],
        &[1000],
        2,
        &["n0"],
        "cannot determine domain for already scheduled pods: no topology domain found for node \"n0\"",
    );
}

#[test]
fn a_node_that_is_gone_has_no_domain() {
    let state = cluster([node("n0", "r1", 1000)], []);
    let scheduler = Scheduler::new(Profile::default(), 0);
    let pods = [Arc::new(pod("p0", 1000))];
    let outcome = GangScheduling.place_in_domain(&scheduler, &state, &pods, 1, RACK, &["gone"]);
    let text = "cannot determine domain for already scheduled pods: nodeinfo not found for node name \"gone\"";
    assert_eq!(told(outcome, &state), text);
}

#[test]
fn nobody_goes_for_a_group_that_is_to_be_in_one_domain() {
    let lesser = pod("lesser", 1000).priority(-1).on("n0");
    let state = cluster([node("n0", "r1", 1000), node("n1", "", 1000)], [lesser]);
    let scheduler = Scheduler::new(Profile::default(), 0);
    let pods = [Arc::new(pod("p0", 1000))];
    let error = GangScheduling.place_in_domain(&scheduler, &state, &pods, 1, RACK, &[]).unwrap_err();
    let GangError::NoDomain { domains } = &error else { panic!("{error}") };
    let [Domain { name, verdict: Err(GangError::TooFew { failed, .. }) }] = &domains[..] else { panic!("{domains:?}") };
    // Of nodes that are not in the domain nothing is said.
    assert_eq!((&**name, failed[0].1.to_string().as_str()), ("r1", "0/1 nodes are available: 1 Insufficient cpu."));
}

#[test]
fn what_pods_ask_of_nodes_themselves_holds_too() {
    let state = cluster([node("n0", "r1", 1000), node("n1", "r2", 9000)], []);
    let scheduler = Scheduler::new(Profile::default(), 0);
    let labels = vec![crate::Requirement::new(RACK, crate::Operator::In, ["r2"])];
    let only = crate::NodeSelector(vec![crate::NodeSelectorTerm { labels, names: Vec::new() }]);
    let mut choosy = pod("p0", 500);
    choosy.node_affinity = Some(only);
    let gang = GangScheduling.place_in_domain(&scheduler, &state, &[Arc::new(choosy)], 1, RACK, &[]);
    assert_eq!(told(gang, &state), "r2: p0");
}

#[test]
fn every_domain_is_explained() {
    let state = cluster([node("n0", "r1", 4000), node("n1", "r2", 2000), node("n2", "r3", 1000)], []);
    let scheduler = Scheduler::new(Profile::default(), 0);
    let pods: Vec<Arc<Pod>> = (0..2).map(|i| Arc::new(pod(&format!("p{i}"), 1000))).collect();
    let gang = GangScheduling.place_in_domain(&scheduler, &state, &pods, 2, RACK, &[]).unwrap();
    let told = |domain: &Domain| match &domain.verdict {
        Ok(scores) => format!("{}: {scores:?} {:?}", domain.name, domain.total()),
        Err(error) => format!("{}: {error}", domain.name),
    };
    let expected = [
        "r1: [(\"NodeResourcesFit\", 44), (\"GangScheduling\", 100)] Some(144)",
        "r2: [(\"NodeResourcesFit\", 69), (\"GangScheduling\", 100)] Some(169)",
        "r3: minCount (2) cannot be satisfied: 1 scheduled, 0 remaining",
    ];
    assert_eq!(gang.domains.iter().map(told).collect::<Vec<_>>(), expected);
    // The pods are as they were, and the cluster too.
    assert!(gang.members.iter().all(|member| member.pod.node_affinity.is_none() && member.pod.may_preempt));
    assert!(state.nodes().all(|node| node.pods().is_empty()));
}

#[test]
fn plugins_see_the_nodes_of_other_domains() {
    // Two pods that are to be in different zones fit into no rack, which is in one.
    let nodes = [("n0", "r1", "z1"), ("n1", "r2", "z2")];
    let state = cluster(nodes.map(|(name, rack, zone)| node(name, rack, 4000).label("zone", zone)), []);
    let spread = SpreadConstraint::new(1, "zone", WhenUnsatisfiable::DoNotSchedule, Selector::labels([("app", "web")]));
    let web = |name| Arc::new(Pod { spread: vec![spread.clone()], ..pod(name, 1000).label("app", "web") });
    let scheduler = Scheduler::new(Profile::default(), 0);
    let outcome = GangScheduling.place_in_domain(&scheduler, &state, &[web("p0"), web("p1")], 2, RACK, &[]);
    let too_few = "minCount (2) cannot be satisfied: 1 scheduled, 0 remaining";
    assert_eq!(told(outcome, &state), format!("0/2 placements are available, first placement status: {too_few}"));
}

#[test]
fn a_pod_for_one_node_takes_its_group_to_the_domain_of_that() {
    let state = cluster([node("n0", "r1", 4000), node("n1", "r1", 4000), node("n2", "r2", 4000)], []);
    let mut choosy = pod("p0", 1000);
    let names = vec![Requirement::new("metadata.name", Operator::In, ["n1"])];
    choosy.node_affinity = Some(NodeSelector(vec![NodeSelectorTerm { labels: Vec::new(), names }]));
    let pods = [Arc::new(choosy), Arc::new(pod("p1", 1000))];
    let scheduler = Scheduler::new(Profile::default(), 0);
    let gang = GangScheduling.place_in_domain(&scheduler, &state, &pods, 2, RACK, &[]).unwrap();
    assert_eq!(&*gang.members[0].placement.node, "n1");
    let why: Vec<String> = gang.domains.iter().filter_map(|d| Some(d.verdict.as_ref().err()?.to_string())).collect();
    assert_eq!(why, ["minCount (2) cannot be satisfied: 0 scheduled, 1 remaining"]);
}

/// Clears every node, and keeps what it is told to on one of them from being placed.
#[derive(Debug)]
struct Stubborn(Code);

impl PostFilter for Stubborn {
    fn name(&self) -> &'static str {
        "Stubborn"
    }
    fn post_filter(&self, attempt: &Attempt<'_>) -> Result<Nomination, String> {
        let node = attempt.cluster().nodes().next().unwrap();
        Ok(Nomination { node: node.node().name.to_string(), victims: node.pods().to_vec() })
    }
}

impl Reserve for Stubborn {
    fn name(&self) -> &'static str {
        "Stubborn"
    }
    fn reserve(&self, _: &Cluster, _: &Pod, _: &str) -> Result<(), Refusal> {
        Ok(())
    }
    fn changes(&self, _: &Cluster, _: &Pod, node: &str) -> Result<Vec<Change>, Refusal> {
        let refusal = Refusal { plugin: "Stubborn", code: self.0, reasons: vec!["not here".into()] };
        if node == "n0" { Err(refusal) } else { Ok(Vec::new()) }
    }
    fn unreserve(&self, _: &Cluster, _: &Pod, _: &str) {}
}

#[test]
fn no_plugin_has_anybody_go_for_a_group_that_is_to_be_in_one_domain() {
    let lesser = pod("lesser", 1000).priority(-1).on("n0");
    let state = cluster([node("n0", "r1", 1000)], [lesser]);
    let profile = Profile::default_builder().disable("DefaultPreemption").post_filter(Stubborn(Code::Error)).build();
    let pods = [Arc::new(pod("p0", 1000))];
    let outcome = GangScheduling.place_in_domain(&Scheduler::new(profile, 0), &state, &pods, 1, RACK, &[]);
    let too_few = "minCount (1) cannot be satisfied: 0 scheduled, 0 remaining";
    assert_eq!(told(outcome, &state), format!("0/1 placements are available, first placement status: {too_few}"));
}

#[test]
fn a_domain_that_is_refused_in_the_end_is_one_of_several() {
    let state = cluster([node("n0", "r1", 1000), node("n1", "r2", 9000)], []);
    let pods = [Arc::new(pod("p0", 1000))];
    let place = |code| {
        let scheduler = Scheduler::new(Profile::default_builder().reserve(Stubborn(code)).build(), 0);
        told(GangScheduling.place_in_domain(&scheduler, &state, &pods, 1, RACK, &[]), &state)
    };
    assert_eq!(place(Code::Unschedulable), "r2: p0");
    // What fails ends the attempt.
    assert_eq!(place(Code::Error), "pod \"p0\" cannot be placed: not here");
}
