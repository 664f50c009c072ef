//! Rows for which pods are collected, and when.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::{Node, Pod, Taint};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kubekit_runtime::Object as _;

use super::decide::{Collector, Config, Reason};
use crate::objects::{at, node, on_node, pod, terminating};

#[track_caller]
fn check(pods: &[Pod], nodes: &[Node], expected: &[(&str, Reason)]) {
    let config = Config { terminated_max: 2, ..Config::default() };
    let pods: Vec<Arc<Pod>> = pods.iter().cloned().map(Arc::new).collect();
    let nodes: Vec<Arc<Node>> = nodes.iter().cloned().map(Arc::new).collect();
    let mut collector = Collector::default();
    let early = collector.look(&config, &pods, &nodes, Duration::ZERO);
    assert!(early.iter().all(|(_, reason)| *reason != Reason::Orphaned), "in quarantine");
    let collected = collector.look(&config, &pods, &nodes, Duration::from_secs(40));
    let collected: Vec<(&str, Reason)> = collected.iter().map(|(pod, reason)| (pod.name(), *reason)).collect();
    assert_eq!(collected, expected);
}

fn ended(name: &str, second: i64, reason: Option<&str>) -> Pod {
    let mut pod = on_node(pod(name), "n1");
    pod.metadata.creation_timestamp = Some(Time(at(second)));
    let status = pod.status.get_or_insert_default();
    status.phase = Some("Failed".into());
    status.reason = reason.map(str::to_owned);
    pod
}

fn out_of_service(name: &str, ready: &str) -> Node {
    let mut node = node(name, ready, 1);
    let taint =
        Taint { key: "node.kubernetes.io/out-of-service".into(), effect: "NoExecute".into(), ..Taint::default() };
    node.spec.get_or_insert_default().taints = Some(vec![taint]);
    node
}

#[test]
fn pods_of_nodes_that_are_gone_are_collected() {
    let pods = [on_node(pod("a"), "n1"), on_node(pod("b"), "gone"), pod("c")];
    check(&pods, &[node("n1", "True", 1)], &[("b", Reason::Orphaned)]);
}

#[test]
fn pods_deleted_before_they_had_a_node_are_collected() {
    check(&[terminating(pod("a"))], &[], &[("a", Reason::UnscheduledTerminating)]);
}

#[test]
fn pods_deleted_on_a_node_out_of_service_are_collected() {
    let pods = [terminating(on_node(pod("a"), "n1")), on_node(pod("b"), "n1")];
    check(&pods, &[out_of_service("n1", "Unknown")], &[("a", Reason::OutOfService)]);
    check(&pods, &[out_of_service("n1", "True")], &[]);
    check(&pods, &[node("n1", "Unknown", 1)], &[]);
}

#[test]
fn ended_pods_beyond_the_limit_are_collected_evicted_and_old_ones_first() {
    let pods = [ended("a", 30, None), ended("b", 10, None), ended("c", 20, None), ended("d", 40, Some("Evicted"))];
    let nodes = [node("n1", "True", 1)];
    check(&pods, &nodes, &[("d", Reason::Terminated), ("b", Reason::Terminated)]);
    check(&pods[..2], &nodes, &[]);
}

#[test]
fn a_node_that_comes_back_ends_the_quarantine() {
    let config = Config::default();
    let pods = [Arc::new(on_node(pod("a"), "n1"))];
    let back = [Arc::new(node("n1", "True", 1))];
    let mut collector = Collector::default();
    assert!(collector.look(&config, &pods, &[], Duration::ZERO).is_empty());
    assert!(collector.look(&config, &pods, &back, Duration::from_secs(20)).is_empty());
    assert!(collector.look(&config, &pods, &[], Duration::from_secs(45)).is_empty());
    assert_eq!(collector.look(&config, &pods, &[], Duration::from_secs(85)).len(), 1);
}

/// Reason and message of the condition that a collected pod gets, if any.
#[track_caller]
fn check_condition(reason: Reason, expected: Option<(&str, &str)>) {
    let condition = reason.condition(at(5));
    let texts = condition.as_ref().map(|c| (c.reason.as_deref().unwrap(), c.message.as_deref().unwrap()));
    assert_eq!(texts, expected);
    assert!(condition.is_none_or(|c| (c.type_.as_str(), c.status.as_str()) == ("DisruptionTarget", "True")));
}

#[test]
fn only_pods_of_nodes_that_are_gone_were_disrupted() {
    check_condition(Reason::Orphaned, Some(("DeletionByPodGC", "PodGC: node no longer exists")));
    // These were deleted, or ended, before: a Job must not take that for a disruption.
    check_condition(Reason::OutOfService, None);
    check_condition(Reason::UnscheduledTerminating, None);
    check_condition(Reason::Terminated, None);
}

#[test]
fn by_default_12500_ended_pods_are_kept_and_none_is_collected_without_a_limit() {
    let pods: Vec<Arc<Pod>> = (0..12_502).map(|i| Arc::new(ended(&format!("p{i:05}"), i, None))).collect();
    let nodes = [Arc::new(node("n1", "True", 1))];
    let collected = |config: &Config| {
        let collected = Collector::default().look(config, &pods, &nodes, Duration::ZERO);
        collected.iter().map(|(pod, _)| pod.name().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(collected(&Config::default()), ["p00000", "p00001"]);
    assert!(collected(&Config { terminated_max: 0, ..Config::default() }).is_empty());
}

#[test]
fn pods_that_are_waited_for_are_left_alone() {
    let nodes = [node("n1", "True", 1)];
    // Pending without a node, running, on its way out with an agent to confirm it, ended but not too many.
    let mut running = on_node(pod("b"), "n1");
    running.status.get_or_insert_default().phase = Some("Running".into());
    check(&[pod("a"), running, terminating(on_node(pod("c"), "n1")), ended("d", 1, None)], &nodes, &[]);
    // One that is being deleted already does not count as one more that ended.
    let pods = [ended("a", 1, None), ended("b", 2, None), terminating(ended("c", 3, None))];
    check(&pods, &nodes, &[]);
    // Ended pods of a node that is gone go, however few there are.
    check(&[ended("a", 1, None)], &[], &[("a", Reason::Orphaned)]);
}
