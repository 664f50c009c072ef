//! Decisions of whole profiles: choice, ties, texts, preemption, nominations, reserve and permit.

use super::*;
use crate::framework::{Filter, PreFilter, Reserve, Score};
use crate::model::{Effect, Node, NodeSelector, NodeSelectorTerm, Operator, Requirement, Resources, Taint};
use std::sync::Mutex;

fn scheduler() -> Scheduler {
    Scheduler::new(Profile::default(), 7)
}

fn cluster(nodes: impl IntoIterator<Item = Node>) -> Cluster {
    let mut cluster = Cluster::new();
    for node in nodes {
        cluster.add_node(node);
    }
    cluster
}

fn node(name: &str, cpu: i64) -> Node {
    Node::new(name, Resources::new(cpu, 8 << 30, 110))
}

fn pod(name: &str, cpu: i64) -> Pod {
    Pod::new(name).request(Resources::new(cpu, 0, 0))
}

#[track_caller]
fn check_text(cluster: &Cluster, pod: &Pod, expected: &str) {
    assert_eq!(scheduler().schedule(cluster, pod).unwrap_err().to_string(), expected);
}

#[test]
fn the_emptier_node_wins() {
    let mut cluster = cluster([node("a", 4000), node("b", 4000)]);
    cluster.add_pod(pod("x", 2000).on("a")).unwrap();
    let placement = scheduler().schedule(&cluster, &pod("p", 500)).unwrap();
    assert_eq!((&*placement.node, placement.feasible), ("b", 2));
    let explanation = scheduler().explain(&cluster, &pod("p", 500));
    assert!(explanation.nodes.iter().all(|node| node.scores.iter().any(|(plugin, _)| *plugin == "NodeResourcesFit")));
    assert!(explanation.nodes[1].total > explanation.nodes[0].total);
}

#[test]
fn ties_are_a_function_of_seed_and_pod_and_reach_every_node() {
    let cluster = cluster((0..8).map(|i| node(&format!("n{i}"), 4000)));
    let pick =
        |seed, name: &str| Scheduler::new(Profile::default(), seed).schedule(&cluster, &pod(name, 1)).unwrap().node;
    assert_eq!(pick(1, "p"), pick(1, "p"));
    let seen: std::collections::BTreeSet<_> = (0..200).map(|i| pick(1, &format!("p{i}"))).collect();
    assert_eq!(seen.len(), 8);
    assert!((0..50).any(|seed| pick(seed, "p") != pick(0, "p")));
}

#[test]
fn texts_are_kube_schedulers() {
    check_text(&Cluster::new(), &pod("p", 1), "no nodes available to schedule pods");
    let taint = Taint::new("dedicated", "gpu", Effect::NoSchedule);
    let cluster = cluster([node("a", 100), node("b", 1000).taint(taint), node("c", 1000).cordoned()]);
    check_text(
        &cluster,
        &pod("p", 500),
        "0/3 nodes are available: 1 Insufficient cpu, 1 node(s) had untolerated taint(s), 1 node(s) were unschedulable. \
         preemption: 0/3 nodes are available: 3 Preemption is not helpful for scheduling.",
    );
}

#[test]
fn without_lesser_pods_there_are_no_victims() {
    let mut cluster = cluster([node("a", 1000)]);
    cluster.add_pod(pod("x", 900).on("a")).unwrap();
    check_text(
        &cluster,
        &pod("p", 500),
        "0/1 nodes are available: 1 Insufficient cpu. preemption: 0/1 nodes are available: \
         1 No preemption victims found for incoming pod.",
    );
}

#[test]
fn a_node_named_pod_goes_nowhere_else() {
    let cluster = cluster([node("a", 1000), node("b", 1000)]);
    let error = scheduler().schedule(&cluster, &pod("p", 1).on("c")).unwrap_err();
    assert_eq!(error.plugins().into_iter().collect::<Vec<_>>(), ["NodeName"]);
}

#[test]
fn nodes_that_a_pod_does_not_name_are_said_to_be_others() {
    let mut cluster = cluster([node("a", 1000), node("b", 1000), node("c", 1000)]);
    cluster.add_pod(pod("x", 900).on("b")).unwrap();
    let named = |pod: Pod, names: &[&str]| {
        let term = NodeSelectorTerm {
            names: vec![Requirement::new("metadata.name", Operator::In, names.iter().copied())],
            labels: vec![],
        };
        Pod { node_affinity: Some(NodeSelector(vec![term])), ..pod }
    };
    check_text(
        &cluster,
        &named(pod("p", 500), &["b"]),
        "0/3 nodes are available: 1 Insufficient cpu, 2 node(s) didn't satisfy plugin(s) [NodeAffinity]. \
         preemption: 0/3 nodes are available: 1 No preemption victims found for incoming pod, \
         2 Preemption is not helpful for scheduling.",
    );
    assert_eq!(scheduler().schedule(&cluster, &named(pod("p", 500), &["c"])).unwrap().evaluated, 1);
}

#[test]
fn with_a_percentage_the_search_ends_with_enough_nodes() {
    let nodes = |count: usize| cluster((0..count).map(|i| node(&format!("n{i:04}"), 4000)));
    let evaluated = |nodes: &Cluster, percentage: usize| {
        let profile = Profile::default_builder().percentage_of_nodes_to_score(percentage).build();
        let placement = Scheduler::new(profile, 1).schedule(nodes, &pod("p", 1)).unwrap();
        (placement.evaluated, placement.feasible)
    };
    let (few, many) = (nodes(99), nodes(1000));
    assert_eq!(evaluated(&few, 10), (99, 99), "of fewer than 100 nodes all");
    assert_eq!(evaluated(&many, 5), (100, 100), "100 at least");
    assert_eq!(evaluated(&many, 30), (300, 300));
    assert_eq!(evaluated(&many, 0), (1000, 1000), "0 leaves the choice to the scheduler");
    assert_eq!(evaluated(&many, 100), (1000, 1000));
    let profile = || Profile::default_builder().percentage_of_nodes_to_score(10).build();
    let pick = |name: &str| Scheduler::new(profile(), 1).schedule(&many, &pod(name, 1)).unwrap().node;
    assert_eq!(pick("p"), pick("p"), "a pure function of the seed and the pod");
    let seen: std::collections::BTreeSet<_> = (0..200).map(|i| pick(&format!("p{i}"))).collect();
    assert!(seen.iter().any(|name| **name < *"n0300") && seen.iter().any(|name| **name > *"n0700"), "{seen:?}");
}

#[test]
fn what_a_node_was_is_not_learnt_from_what_it_is() {
    // The cordon is decided on by one class only, and the other hears of it when it is over.
    let (plain, cordoned) = (|| node("a", 1000), || node("a", 1000).cordoned());
    for (first, between, last) in [(plain(), cordoned(), plain()), (cordoned(), plain(), cordoned())] {
        let (scheduler, mut cluster) = (scheduler(), cluster([first]));
        let agree = |cluster: &Cluster, cpu: i64| {
            let pod = pod("p", cpu);
            assert_eq!(scheduler.schedule(cluster, &pod).is_ok(), scheduler.schedule_naively(cluster, &pod).is_ok());
        };
        agree(&cluster, 100);
        cluster.add_node(between.clone());
        agree(&cluster, 200);
        cluster.add_node(last);
        agree(&cluster, 100);
        cluster.add_node(between);
        agree(&cluster, 100);
    }
}

#[test]
fn preemption_takes_the_fewest_and_least_important() {
    let mut cluster = cluster([node("a", 1000), node("b", 1000), node("c", 1000)]);
    cluster.add_pod(pod("a1", 500).priority(5).on("a")).unwrap();
    cluster.add_pod(pod("a2", 500).priority(5).on("a")).unwrap();
    cluster.add_pod(pod("b1", 600).priority(5).on("b")).unwrap();
    cluster.add_pod(pod("b2", 400).priority(1).on("b")).unwrap();
    cluster.add_pod(pod("c1", 1000).priority(9).on("c")).unwrap();
    let error = scheduler().schedule(&cluster, &pod("p", 400).priority(10)).unwrap_err();
    let nomination = error.nomination.unwrap();
    assert_eq!(nomination.node, "b");
    assert_eq!(nomination.victims.iter().map(|pod| pod.name.as_ref()).collect::<Vec<_>>(), ["b2"]);
}

#[test]
fn preemption_policy_never_is_respected() {
    let mut cluster = cluster([node("a", 1000)]);
    cluster.add_pod(pod("x", 1000).on("a")).unwrap();
    let mut p = pod("p", 500).priority(10);
    p.may_preempt = false;
    check_text(
        &cluster,
        &p,
        "0/1 nodes are available: 1 Insufficient cpu. preemption: not eligible due to preemptionPolicy=Never.",
    );
}

#[test]
fn room_that_was_promised_is_not_given_to_a_lesser_pod() {
    let mut cluster = cluster([node("a", 1000)]);
    let mut preemptor = pod("preemptor", 800).priority(10);
    preemptor.nominated_node = Some("a".into());
    cluster.nominate(preemptor.clone());
    assert!(scheduler().schedule(&cluster, &pod("p", 500)).is_err());
    assert!(scheduler().schedule(&cluster, &pod("greater", 500).priority(11)).is_ok());
    assert!(scheduler().schedule(&cluster, &preemptor).is_ok());
    cluster.withdraw_nomination("preemptor");
    assert!(scheduler().schedule(&cluster, &pod("p", 500)).is_ok());
}

#[derive(Debug)]
struct Wild(i64);

impl Score for Wild {
    type State = ();
    fn name(&self) -> &'static str {
        "Wild"
    }
    fn pre_score(&self, _: &Cluster, _: &Pod, _: &[&NodeInfo]) -> Option<()> {
        Some(())
    }
    fn score(&self, (): &(), _: &Pod, node: &NodeInfo) -> i64 {
        if &*node.node().name == "a" { self.0 } else { 1 }
    }
}

#[test]
fn scores_out_of_range_are_clamped() {
    let cluster = cluster([node("a", 1), node("b", 1)]);
    for (wild, expected) in [(i64::MAX, "a"), (i64::MIN, "b")] {
        let scheduler = Scheduler::new(Profile::builder("x").score(Wild(wild), 1000).build(), 0);
        assert_eq!(scheduler.schedule(&cluster, &pod("p", 0)).unwrap().node.as_ref(), expected);
    }
}

#[derive(Debug)]
struct OnlyVowels;

impl Filter for OnlyVowels {
    type State = ();
    fn name(&self) -> &'static str {
        "OnlyVowels"
    }
    fn pre_filter(&self, _: &Cluster, _: &Pod) -> PreFilter<()> {
        PreFilter::Run(())
    }
    fn filter(&self, (): &(), _: &Pod, node: &NodeInfo) -> Result<(), Refusal> {
        let vowel = node.node().name.starts_with(['a', 'e', 'i', 'o', 'u']);
        if vowel { Ok(()) } else { Err(Refusal::unresolvable("OnlyVowels", "node(s) began with a consonant")) }
    }
}

#[test]
fn a_plugin_of_ones_own_has_its_say() {
    let cluster = cluster([node("bob", 1000), node("eve", 1000)]);
    let scheduler = Scheduler::new(Profile::default_builder().filter(OnlyVowels).build(), 0);
    assert_eq!(scheduler.schedule(&cluster, &pod("p", 1)).unwrap().node.as_ref(), "eve");
}

#[derive(Debug, Default)]
struct Account(Mutex<Vec<String>>, bool);

impl Reserve for &'static Account {
    fn name(&self) -> &'static str {
        "Account"
    }
    fn reserve(&self, _: &Cluster, pod: &Pod, _: &str) -> Result<(), Refusal> {
        self.0.lock().unwrap().push(format!("+{}", pod.name));
        if self.1 { Err(Refusal::unschedulable("Account", "overdrawn")) } else { Ok(()) }
    }
    fn unreserve(&self, _: &Cluster, pod: &Pod, _: &str) {
        self.0.lock().unwrap().push(format!("-{}", pod.name));
    }
}

#[test]
fn a_failed_reservation_gives_everything_back() {
    let good: &'static Account = Box::leak(Box::default());
    let bad: &'static Account = Box::leak(Box::new(Account(Mutex::default(), true)));
    let scheduler = Scheduler::new(Profile::builder("x").reserve(good).reserve(bad).build(), 0);
    let cluster = cluster([node("a", 1)]);
    assert_eq!(scheduler.reserve(&cluster, &pod("p", 1), "a").unwrap_err().plugin, "Account");
    assert_eq!(*good.0.lock().unwrap(), ["+p", "-p"]);
}
