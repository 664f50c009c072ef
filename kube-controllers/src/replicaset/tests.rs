//! Rows for how many pods to create, which go first, and what is reported.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::apps::v1::{ReplicaSet, ReplicaSetSpec, ReplicaSetStatus};
use k8s_openapi::api::core::v1::{
    Container, ContainerStatus, Pod, PodTemplateSpec, ReplicationController, ReplicationControllerSpec,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use kubekit_runtime::{Change, Object as _, controller_reference};

use super::decide::{Scale, can_wait, manage, pod_from_template, slow_start};
use super::kind::Replicated as _;
use super::status::{self, Failure};
use crate::objects::{at, labels, meta, on_node, pod, pod_ready_since, terminating};

fn template() -> PodTemplateSpec {
    let mut web = pod("template");
    web.metadata = ObjectMeta { labels: web.metadata.labels, ..ObjectMeta::default() };
    PodTemplateSpec { metadata: Some(web.metadata), spec: web.spec }
}

fn set(replicas: i32) -> ReplicaSet {
    let spec = ReplicaSetSpec { replicas: Some(replicas), template: Some(template()), ..ReplicaSetSpec::default() };
    ReplicaSet { metadata: meta("web"), spec: Some(spec), status: None }
}

fn pods(count: usize) -> Vec<Arc<Pod>> {
    (0..count).map(|i| Arc::new(pod_ready_since(&format!("p{i}"), 10))).collect()
}

/// What is done about so many pods when so many are wanted: above zero created, below deleted.
#[track_caller]
fn check_scale(wanted: i32, present: usize, expected: i64) {
    let pods = pods(present);
    let done = match manage(&set(wanted), &pods, &pods, at(100)) {
        Scale::Keep => 0,
        Scale::Create(count) => i64::try_from(count).unwrap(),
        Scale::Delete(pods) => -i64::try_from(pods.len()).unwrap(),
    };
    assert_eq!(done, expected);
}

#[test]
fn the_number_of_pods_is_brought_to_what_is_wanted() {
    check_scale(3, 3, 0);
    check_scale(3, 0, 3);
    check_scale(3, 1, 2);
    check_scale(3, 5, -2);
    check_scale(0, 4, -4);
    check_scale(600, 0, 500);
    check_scale(0, 600, -500);
}

#[test]
fn batches_double() {
    assert_eq!(slow_start(10).collect::<Vec<_>>(), [1, 2, 4, 3]);
    assert_eq!(slow_start(1).collect::<Vec<_>>(), [1]);
    assert_eq!(slow_start(0).count(), 0);
    assert_eq!(slow_start(500).sum::<usize>(), 500);
}

#[test]
fn a_pod_is_made_from_its_template_and_owned() {
    let made = pod_from_template(&template(), &meta("web"), controller_reference(&set(1)));
    assert_eq!(made.metadata.generate_name.as_deref(), Some("web-"));
    assert_eq!(made.namespace(), "default");
    assert_eq!(made.labels()["app"], "web");
    let owner = &made.metadata.owner_references.unwrap()[0];
    assert_eq!((owner.kind.as_str(), owner.uid.as_str()), ("ReplicaSet", "uid-web"));
    assert_eq!((owner.controller, owner.block_owner_deletion), (Some(true), Some(true)));
}

/// What has become of a pod, and whether its set can be looked at later.
#[track_caller]
fn check_can_wait(old: Option<Pod>, new: Pod, settled: bool, expected: bool) {
    let change = Change::Applied { old: old.map(Arc::new), new: Arc::new(new) };
    assert_eq!(can_wait(&change, settled), expected);
}

#[test]
fn what_only_the_status_counts_can_wait() {
    let owned = |mut pod: Pod| {
        pod.metadata.owner_references = Some(vec![controller_reference(&set(1))]);
        pod
    };
    let pending = || owned(pod("a"));
    let ready = || owned(pod_ready_since("a", 10));
    check_can_wait(Some(pending()), ready(), true, true);
    check_can_wait(Some(ready()), pending(), false, true);
    check_can_wait(None, pending(), false, true);
    check_can_wait(None, pending(), true, false);
    check_can_wait(Some(ready()), terminating(ready()), true, false);
    check_can_wait(Some(ready()), pod_ready_since("a", 10), true, false);
    let mut failed = ready();
    failed.status.get_or_insert_default().phase = Some("Failed".into());
    check_can_wait(Some(ready()), failed, true, false);
    let mut relabelled = ready();
    relabelled.metadata.labels = Some(labels(&[("app", "other")]));
    check_can_wait(Some(ready()), relabelled, true, false);
    assert!(!can_wait(&Change::Deleted(Arc::new(ready())), false));
}

/// The first of two pods must go before the second, in whatever order they are given.
#[track_caller]
fn check_order(first: Pod, second: Pod, related: &[Pod]) {
    let (first, second) = (Arc::new(first), Arc::new(second));
    let related: Vec<Arc<Pod>> = related.iter().cloned().map(Arc::new).collect();
    for active in [[Arc::clone(&first), Arc::clone(&second)], [Arc::clone(&second), Arc::clone(&first)]] {
        let Scale::Delete(pods) = manage(&set(1), &active, &related, at(100_000)) else { panic!("nothing deleted") };
        let names: Vec<&str> = pods.iter().map(|pod| pod.name()).collect();
        assert_eq!(names, [first.name()]);
    }
}

fn costing(mut pod: Pod, cost: &str) -> Pod {
    pod.metadata.annotations = Some(labels(&[("controller.kubernetes.io/pod-deletion-cost", cost)]));
    pod
}

fn restarted(mut pod: Pod, count: i32) -> Pod {
    let status = ContainerStatus { name: "c".into(), restart_count: count, ..ContainerStatus::default() };
    pod.status.get_or_insert_default().container_statuses = Some(vec![status]);
    pod
}

#[test]
fn pods_go_in_the_order_of_kubernetes() {
    let running = |name: &str| on_node(pod_ready_since(name, 10), "n1");
    // Unassigned before assigned.
    check_order(pod("a"), on_node(pod("b"), "n1"), &[]);
    // Pending before running.
    check_order(on_node(pod("a"), "n1"), running("b"), &[]);
    // Not ready before ready.
    let mut unready = running("a");
    unready.status.get_or_insert_default().conditions = None;
    check_order(unready, running("b"), &[]);
    // Cheap before dear.
    check_order(costing(running("z"), "-5"), running("b"), &[]);
    check_order(running("z"), costing(running("b"), "1"), &[]);
    // A cost that is no number costs nothing.
    check_order(costing(running("a"), "much"), costing(running("b"), "1"), &[]);
    // Doubled up before alone.
    let elsewhere = on_node(pod_ready_since("b", 10), "n2");
    check_order(running("z"), elsewhere, &[running("x"), running("y")]);
    // Younger before older, by the order of magnitude of their ages.
    check_order(on_node(pod_ready_since("z", 99_990), "n1"), running("b"), &[]);
    // Of about the same age, by uid.
    check_order(on_node(pod_ready_since("a", 20), "n1"), on_node(pod_ready_since("b", 30), "n1"), &[]);
    // More restarts before fewer.
    check_order(restarted(running("z"), 5), restarted(running("b"), 1), &[]);
    // Unknown after pending, before running.
    check_order(on_node(pod("z"), "n1"), in_phase(running("b"), "Unknown"), &[]);
    check_order(in_phase(running("z"), "Unknown"), running("b"), &[]);
    // Of those that are not ready, the younger one.
    let unready = |name: &str, created: i64| {
        let mut pod = in_phase(on_node(pod(name), "n1"), "Running");
        pod.metadata.creation_timestamp = Some(Time(at(created)));
        pod
    };
    check_order(unready("z", 99_990), unready("b", 10), &[]);
    // Sidecars' restarts count after those of containers, and those of containers that ran to their end do not.
    check_order(sidecar_restarted(running("z"), 5, true), sidecar_restarted(running("b"), 1, true), &[]);
    check_order(restarted(running("z"), 1), sidecar_restarted(running("b"), 9, true), &[]);
    check_order(sidecar_restarted(running("a"), 1, false), sidecar_restarted(running("b"), 9, false), &[]);
}

fn in_phase(mut pod: Pod, phase: &str) -> Pod {
    pod.status.get_or_insert_default().phase = Some(phase.into());
    pod
}

/// An init container that was restarted, one that runs on beside the others or one that does not.
fn sidecar_restarted(mut pod: Pod, count: i32, runs_on: bool) -> Pod {
    let restart_policy = runs_on.then(|| "Always".to_owned());
    let container = Container { name: "init".into(), restart_policy, ..Container::default() };
    pod.spec.get_or_insert_default().init_containers = Some(vec![container]);
    let status = ContainerStatus { name: "init".into(), restart_count: count, ..ContainerStatus::default() };
    pod.status.get_or_insert_default().init_container_statuses = Some(vec![status]);
    pod
}

/// Each rule counts more than all that follow it.
#[test]
fn what_serves_least_goes_first_whatever_it_costs() {
    let running = |name: &str| on_node(pod_ready_since(name, 10), "n1");
    let unready = |name: &str| in_phase(on_node(pod(name), "n1"), "Running");
    let crowd = [running("x"), running("y")];
    let elsewhere = |pod: Pod| on_node(pod, "n2");
    check_order(costing(pod("z"), "9"), costing(unready("b"), "-9"), &crowd);
    check_order(costing(elsewhere(pod("z")), "9"), costing(unready("b"), "-9"), &crowd);
    check_order(costing(elsewhere(unready("z")), "9"), costing(running("b"), "-9"), &crowd);
    check_order(costing(elsewhere(running("z")), "-9"), costing(running("b"), "9"), &crowd);
    let young = elsewhere(pod_ready_since("z", 99_990));
    check_order(running("b"), young, &crowd);
    check_order(on_node(pod_ready_since("z", 99_990), "n1"), restarted(running("b"), 9), &[]);
}

#[track_caller]
fn counts(status: &ReplicaSetStatus) -> [i32; 4] {
    let or_zero = |n: Option<i32>| n.unwrap_or(0);
    let labeled = or_zero(status.fully_labeled_replicas);
    [status.replicas, labeled, or_zero(status.ready_replicas), or_zero(status.available_replicas)]
}

#[test]
fn the_status_counts_pods() {
    let mut other = pod("c");
    other.metadata.labels = None;
    let active = [Arc::new(pod_ready_since("a", 10)), Arc::new(pod_ready_since("b", 95)), Arc::new(other)];
    let mut set = set(3);
    let status = status::calculate(&set, &active, 2, None, at(100));
    assert_eq!(counts(&status), [3, 2, 2, 2]);
    assert_eq!(status.terminating_replicas, Some(2));
    assert_eq!(status.observed_generation, Some(1));
    set.spec.get_or_insert_default().min_ready_seconds = Some(30);
    let status = status::calculate(&set, &active, 0, None, at(100));
    assert_eq!(counts(&status), [3, 2, 2, 1]);
    assert_eq!(status::next_available(&set, &active, at(100)), Some(Duration::from_secs(25)));
    assert_eq!(status::next_available(&set, &active, at(200)), None);
}

#[test]
fn a_failure_is_a_condition_until_it_is_over() {
    let mut set = set(3);
    let failure = Failure { reason: "FailedCreate", message: "exceeded quota".into() };
    let status = status::calculate(&set, &[], 0, Some(&failure), at(100));
    let condition = status.conditions.as_ref().unwrap()[0].clone();
    assert_eq!((condition.type_.as_str(), condition.status.as_str()), ("ReplicaFailure", "True"));
    assert_eq!(condition.reason.as_deref(), Some("FailedCreate"));
    set.status = Some(status);
    let again = Failure { message: "another text".into(), ..failure };
    let status = status::calculate(&set, &[], 0, Some(&again), at(200));
    assert_eq!(status.conditions.as_ref().unwrap()[0], condition, "the first failure stays");
    assert_eq!(status::calculate(&set, &[], 0, None, at(300)).conditions, None);
}

#[test]
fn a_replication_controller_is_read_as_a_replica_set_and_written_back() {
    let spec = ReplicationControllerSpec {
        replicas: Some(4),
        selector: Some(labels(&[("app", "web")])),
        template: Some(template()),
        ..ReplicationControllerSpec::default()
    };
    let controller = Arc::new(ReplicationController { metadata: meta("rc"), spec: Some(spec), status: None });
    let set = ReplicationController::as_replica_set(&controller);
    let read = set.spec.as_ref().unwrap();
    assert_eq!((read.replicas, read.selector.match_labels.as_ref()), (Some(4), Some(&labels(&[("app", "web")]))));
    let failure = Failure { reason: "FailedCreate", message: "no".into() };
    let status = status::calculate(&set, &pods(2), 0, Some(&failure), at(100));
    let reporting = Arc::new(ReplicationController::with_status(&controller, status));
    let set = ReplicationController::as_replica_set(&reporting);
    let same = status::calculate(&set, &pods(2), 1, Some(&failure), at(200));
    assert!(ReplicationController::has_status(&reporting, &same), "it has no field for pods that are on their way out");
    let other = status::calculate(&set, &pods(3), 0, Some(&failure), at(200));
    assert!(!ReplicationController::has_status(&reporting, &other));
    let written = reporting.status.clone().unwrap();
    assert_eq!((written.replicas, written.ready_replicas), (2, Some(2)));
    assert_eq!(written.conditions.unwrap()[0].type_, "ReplicaFailure");
}
