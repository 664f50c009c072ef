//! Pods and what the runtime shows in, statuses out.

use k8s_openapi::api::core::v1::{Container, PodCondition, Probe};

use super::*;
use crate::pod::fixture::{at, container, observed, pod, sidecar};
use crate::pod::memory::{Failure, Verdict};
use crate::runtime::SandboxState;

fn of(pod: &Pod, observed: &Observed, memory: &Memory, ending: bool) -> PodStatus {
    let host_ips = ["192.0.2.1".to_owned()];
    status(pod, &Situation { observed, memory, host_ips: &host_ips, runtime_name: "containerd", ending, now: at(50) })
}

fn condition<'a>(status: &'a PodStatus, type_: &str) -> &'a PodCondition {
    status.conditions.as_ref().expect("conditions").iter().find(|c| c.type_ == type_).expect("the condition")
}

/// Phase, and each condition's status (`PodReadyToStartContainers Initialized Ready ContainersReady PodScheduled`).
#[track_caller]
fn check(pod: &Pod, containers: &[&str], ending: bool, phase: &str, conditions: &str) {
    let status = of(pod, &observed(containers), &Memory::default(), ending);
    assert_eq!(status.phase.as_deref(), Some(phase));
    let seen: String = status.conditions.iter().flatten().map(|c| if c.status == "True" { '1' } else { '0' }).collect();
    assert_eq!(seen, conditions);
}

#[test]
fn phases_and_conditions() {
    let simple = |policy| pod(policy, vec![], vec![container("a")]);
    check(&simple("Always"), &[], false, "Pending", "11001");
    check(&simple("Always"), &["a -"], false, "Pending", "11001");
    check(&simple("Always"), &["a +"], false, "Running", "11111");
    check(&simple("Always"), &["a 1"], false, "Running", "11001");
    check(&simple("Always"), &["a 1"], true, "Failed", "11001");
    check(&simple("Always"), &["a 0"], true, "Succeeded", "11001");
    check(&simple("OnFailure"), &["a 0"], false, "Succeeded", "11001");
    check(&simple("OnFailure"), &["a 1"], false, "Running", "11001");
    check(&simple("Never"), &["a 1"], false, "Failed", "11001");
    let init = |policy| pod(policy, vec![container("i")], vec![container("a")]);
    check(&init("Always"), &[], false, "Pending", "10001");
    check(&init("Always"), &["i +"], false, "Pending", "10001");
    check(&init("Always"), &["i 1"], false, "Pending", "10001");
    check(&init("Never"), &["i 1"], false, "Failed", "10001");
    check(&init("Always"), &["a +", "i 0"], false, "Running", "11111");
    let side = pod("Always", vec![sidecar("s")], vec![container("a")]);
    check(&side, &["s +"], false, "Pending", "11001");
    check(&side, &["a +", "s +"], false, "Running", "11111");
    check(&side, &["a +", "s 1"], false, "Running", "11001");
    check(&side, &["s 1"], false, "Pending", "10001");
    check(&side, &["a 0", "s 0"], true, "Succeeded", "11001");
    check(&side, &["a 0", "s 137"], true, "Succeeded", "11001");
    let two = |policy| pod(policy, vec![], vec![container("a"), container("b")]);
    check(&two("Always"), &["a +"], false, "Pending", "11001");
    check(&two("Never"), &["a 1", "b +"], false, "Running", "11001");
    check(&two("Never"), &["a 1", "b 0"], false, "Failed", "11001");
    check(&two("Never"), &["a 0", "b 0"], false, "Succeeded", "11001");
    check(&two("OnFailure"), &["a 0", "b 1"], false, "Running", "11001");
    check(&two("OnFailure"), &["a 0", "b +"], false, "Running", "11001");
    check(&init("OnFailure"), &["i 1"], false, "Pending", "10001");
    check(&init("Never"), &["i 0"], false, "Pending", "11001");
    check(&init("Never"), &["a 0", "i 0"], false, "Succeeded", "11001");
}

#[test]
fn without_a_sandbox_nothing_is_ready_to_start() {
    let pod = pod("Always", vec![], vec![container("a")]);
    let status = of(&pod, &Observed::default(), &Memory::default(), false);
    assert_eq!(condition(&status, "PodReadyToStartContainers").status, "False");
    assert_eq!(condition(&status, "PodScheduled").status, "True");
    assert_eq!((status.phase.as_deref(), status.pod_ip), (Some("Pending"), None));
}

#[test]
fn on_the_nodes_network_the_address_is_the_nodes() {
    let mut pod = pod("Always", vec![], vec![container("a")]);
    pod.spec.as_mut().expect("spec").host_network = Some(true);
    let status = of(&pod, &observed(&["a +"]), &Memory::default(), false);
    assert_eq!((status.pod_ip.as_deref(), status.host_ip.as_deref()), (Some("192.0.2.1"), Some("192.0.2.1")));
    assert_eq!(status.pod_ips.expect("addresses").len(), 1);
}

#[test]
fn both_families_are_told() {
    let pod = pod("Always", vec![], vec![container("a")]);
    let mut seen = observed(&["a +"]);
    seen.sandboxes[0].ips = vec!["10.0.0.2".into(), "fd00::2".into()];
    let status = of(&pod, &seen, &Memory::default(), false);
    let ips: Vec<String> = status.pod_ips.into_iter().flatten().map(|ip| ip.ip).collect();
    assert_eq!((status.pod_ip.as_deref(), ips), (Some("10.0.0.2"), vec!["10.0.0.2".into(), "fd00::2".into()]));
}

/// The words of the condition Ready, by the states of two gates.
#[track_caller]
fn check_gates(first: Option<&str>, second: Option<&str>, expected: (&str, Option<&str>)) {
    let mut pod = pod("Always", vec![], vec![container("a")]);
    let gates = r#"[{"conditionType":"x/one"},{"conditionType":"x/two"}]"#;
    pod.spec.as_mut().expect("spec").readiness_gates = Some(serde_json::from_str(gates).expect("gates"));
    let given = [("x/one", first), ("x/two", second)].into_iter();
    let conditions = given.filter_map(|(type_, status)| {
        Some(PodCondition { type_: type_.into(), status: status?.into(), ..PodCondition::default() })
    });
    pod.status = Some(PodStatus { conditions: Some(conditions.collect()), ..PodStatus::default() });
    let status = of(&pod, &observed(&["a +"]), &Memory::default(), false);
    let ready = condition(&status, "Ready");
    assert_eq!((ready.status.as_str(), ready.message.as_deref()), expected);
    assert_eq!(condition(&status, "ContainersReady").status, "True");
}

#[test]
fn every_gate_must_be_open() {
    check_gates(Some("True"), Some("True"), ("True", None));
    let absent = "corresponding condition of pod readiness gate \"x/two\" does not exist.";
    check_gates(Some("True"), None, ("False", Some(absent)));
    let closed = "the status of pod readiness gate \"x/one\" is not \"True\", but False";
    check_gates(Some("False"), Some("True"), ("False", Some(closed)));
    check_gates(Some("False"), None, ("False", Some(&format!("{closed}, {absent}"))));
}

#[test]
fn a_sidecar_that_is_not_ready_keeps_the_pod_from_being() {
    let mut side = sidecar("s");
    side.readiness_probe = Some(Probe::default());
    let pod = pod("Always", vec![container("i"), side], vec![container("a")]);
    let status = of(&pod, &observed(&["a +", "s +", "i 0"]), &Memory::default(), false);
    let message = condition(&status, "ContainersReady").message.as_deref();
    assert_eq!(message, Some("containers with unready status: [s]"));
    assert_eq!(condition(&status, "Initialized").status, "True", "it has started, and that is what counts here");
}

#[test]
fn a_failure_is_shown_until_the_container_runs() {
    let pod = pod("Never", vec![], vec![container("a")]);
    let failure = Failure { reason: "ErrImagePull".into(), message: "no such image".into(), at: at(40) };
    let memory = Memory { failures: [("a".to_owned(), failure)].into(), ..Memory::default() };
    let waiting = |containers: &[&str]| {
        let status = of(&pod, &observed(containers), &memory, false);
        let state = status.container_statuses.expect("statuses")[0].state.clone().expect("a state");
        state.waiting.map(|waiting| (waiting.reason.unwrap_or_default(), waiting.message.unwrap_or_default()))
    };
    assert_eq!(waiting(&[]), Some(("ErrImagePull".into(), "no such image".into())));
    assert_eq!(waiting(&["a +"]), None);
    assert_eq!(waiting(&["a 1"]), None, "one that is not started again has ended");
}

#[test]
fn what_the_runtime_has_forgotten_the_status_remembers() {
    let pod = pod("Always", vec![], vec![container("a")]);
    let before = of(&pod, &observed(&["a/1 +", "a/0 7"]), &Memory::default(), false);
    // The dead one is gone from the runtime; it is still what ended last.
    let memory = Memory { status: before.into(), ..Memory::default() };
    let status = of(&pod, &observed(&["a/1 +"]), &memory, false);
    let last = |status: &PodStatus| {
        let container = status.container_statuses.as_ref().expect("statuses")[0].clone();
        container.last_state.and_then(|state| state.terminated).map(|end| end.exit_code)
    };
    assert_eq!(last(&status), Some(7));
    // And one that was replaced since has ended as the status said.
    let ended = of(&pod, &observed(&["a/1 9"]), &memory, false);
    let memory = Memory { status: ended.into(), ..Memory::default() };
    assert_eq!(last(&of(&pod, &observed(&["a/2 +"]), &memory, false)), Some(9));
}

#[test]
fn counts_come_from_the_annotation() {
    use crate::runtime::container::RESTART_COUNT_ANNOTATION;
    let pod = pod("Always", vec![], vec![container("a")]);
    let mut seen = observed(&["a/2 +"]);
    seen.containers[0].status.annotations.insert(RESTART_COUNT_ANNOTATION.into(), "5".into());
    let status = of(&pod, &seen, &Memory::default(), false);
    assert_eq!(status.container_statuses.expect("statuses")[0].restart_count, 5);
}

#[test]
fn what_others_wrote_into_a_status_is_kept() {
    let mut pod = pod("Always", vec![], vec![container("a")]);
    let api = r#"{"nominatedNodeName":"n9","qosClass":"Guaranteed","startTime":"2023-01-01T00:00:00Z","reason":"R","message":"M"}"#;
    pod.status = Some(serde_json::from_str(api).expect("a status"));
    let status = of(&pod, &observed(&["a +"]), &Memory::default(), false);
    assert_eq!(status.nominated_node_name.as_deref(), Some("n9"));
    assert_eq!(status.qos_class.as_deref(), Some("Guaranteed"), "it was settled when the pod was made");
    assert_eq!(status.start_time, pod.status.as_ref().and_then(|status| status.start_time.clone()));
    assert_eq!((status.reason.as_deref(), status.message.as_deref()), (Some("R"), Some("M")));
}

#[test]
fn mounts_and_resources_are_told() {
    let mut own = crate::pod::fixture::container_with_resources("a", &[("cpu", "1")], &[("cpu", "2")]);
    let mounts = r#"[{"name":"v","mountPath":"/data"},{"name":"w","mountPath":"/ro","readOnly":true}]"#;
    own.volume_mounts = Some(serde_json::from_str(mounts).expect("mounts"));
    let pod = pod("Always", vec![], vec![own]);
    let status = of(&pod, &observed(&["a +"]), &Memory::default(), false);
    let container = &status.container_statuses.as_ref().expect("statuses")[0];
    assert_eq!(container.allocated_resources.as_ref().expect("resources")["cpu"].0, "1");
    let limits = container.resources.as_ref().and_then(|resources| resources.limits.as_ref()).expect("limits");
    assert_eq!(limits["cpu"].0, "2");
    let mounts = container.volume_mounts.as_ref().expect("mounts");
    let shown: Vec<_> =
        mounts.iter().map(|m| (m.mount_path.as_str(), m.read_only, m.recursive_read_only.as_deref())).collect();
    assert_eq!(shown, [("/data", None, None), ("/ro", Some(true), Some("Disabled"))]);
}

#[test]
fn messages_name_the_containers() {
    let pod = pod("Always", vec![container("i"), container("j")], vec![container("b"), container("a")]);
    let status = of(&pod, &observed(&["i 0"]), &Memory::default(), false);
    let initialized = condition(&status, "Initialized");
    assert_eq!(initialized.reason.as_deref(), Some("ContainersNotInitialized"));
    assert_eq!(initialized.message.as_deref(), Some("containers with incomplete status: [j]"));
    let ready = condition(&status, "Ready");
    assert_eq!(ready.reason.as_deref(), Some("ContainersNotReady"));
    assert_eq!(ready.message.as_deref(), Some("containers with unready status: [b a]"));
    assert_eq!(ready.observed_generation, Some(1));
    let names: Vec<&str> = status.container_statuses.iter().flatten().map(|status| status.name.as_str()).collect();
    assert_eq!(names, ["a", "b"], "sorted by name");
    let waiting = status.container_statuses.expect("statuses")[0].state.clone().expect("a state").waiting;
    assert_eq!(waiting.expect("waiting").reason.as_deref(), Some("PodInitializing"));
}

#[test]
fn a_running_container_in_full() {
    let pod = pod("Always", vec![], vec![container("a")]);
    let status = of(&pod, &observed(&["a/2 +", "a/1 3"]), &Memory::default(), false);
    let container = &status.container_statuses.as_ref().expect("statuses")[0];
    assert_eq!(container.container_id.as_deref(), Some("containerd://a-2"));
    assert_eq!(container.image_id, "busybox@sha256:0");
    assert_eq!((container.restart_count, container.ready, container.started), (2, true, Some(true)));
    let state = container.state.as_ref().expect("a state");
    assert_eq!(state.running.as_ref().expect("running").started_at, Some(time(at(3))));
    let last = container.last_state.as_ref().and_then(|state| state.terminated.as_ref()).expect("the one before");
    assert_eq!((last.exit_code, last.reason.as_deref()), (3, Some("Error")));
    assert_eq!(last.container_id.as_deref(), Some("containerd://a-1"));
    assert_eq!(status.pod_ip.as_deref(), Some("10.0.0.2"));
    assert_eq!(status.host_ips.as_ref().expect("host addresses")[0].ip, "192.0.2.1");
    assert_eq!(status.start_time, Some(time(at(50))));
    assert_eq!(status.qos_class.as_deref(), Some("BestEffort"));
    assert_eq!(status.observed_generation, Some(1));
}

#[test]
fn a_crash_loop_is_waiting_with_its_last_state() {
    let pod = pod("Always", vec![], vec![container("a")]);
    let mut memory = Memory::default();
    let failure = Failure { reason: "CrashLoopBackOff".into(), message: "back-off".into(), at: at(50) };
    memory.failures.insert("a".into(), failure);
    let status = of(&pod, &observed(&["a/1 1", "a/0 2"]), &memory, false);
    assert_eq!(status.phase.as_deref(), Some("Running"));
    let container = &status.container_statuses.as_ref().expect("statuses")[0];
    let waiting = container.state.as_ref().and_then(|state| state.waiting.as_ref()).expect("waiting");
    assert_eq!(waiting.reason.as_deref(), Some("CrashLoopBackOff"));
    let last = container.last_state.as_ref().and_then(|state| state.terminated.as_ref()).expect("the end");
    assert_eq!(last.exit_code, 1);
    assert_eq!(container.restart_count, 1);
}

#[test]
fn readiness_and_startup_probes_hold_back() {
    let mut probed: Container = container("a");
    probed.readiness_probe = Some(Probe::default());
    let status = of(&pod("Always", vec![], vec![probed.clone()]), &observed(&["a +"]), &Memory::default(), false);
    let seen = &status.container_statuses.as_ref().expect("statuses")[0];
    assert_eq!((seen.started, seen.ready), (Some(true), false));
    probed.startup_probe = Some(Probe::default());
    let status = of(&pod("Always", vec![], vec![probed]), &observed(&["a +"]), &Memory::default(), false);
    let seen = &status.container_statuses.as_ref().expect("statuses")[0];
    assert_eq!((seen.started, seen.ready), (Some(false), false));
}

#[test]
fn conditions_of_others_and_times_of_change_are_kept() {
    let mut pod = pod("Always", vec![], vec![container("a")]);
    let gate = k8s_openapi::api::core::v1::PodReadinessGate { condition_type: "example.com/lb".into() };
    pod.spec.as_mut().expect("spec").readiness_gates = Some(vec![gate]);
    let first = of(&pod, &observed(&["a +"]), &Memory::default(), false);
    let ready = condition(&first, "Ready");
    assert_eq!(ready.reason.as_deref(), Some("ReadinessGatesNotReady"));
    let text = "corresponding condition of pod readiness gate \"example.com/lb\" does not exist.";
    assert_eq!(ready.message.as_deref(), Some(text));
    let foreign = PodCondition { type_: "example.com/lb".into(), status: "True".into(), ..PodCondition::default() };
    pod.status = Some(PodStatus { conditions: Some(vec![foreign.clone()]), ..PodStatus::default() });
    let mut earlier = first.clone();
    for condition in earlier.conditions.iter_mut().flatten() {
        condition.last_transition_time = Some(time(at(7)));
    }
    let memory = Memory { status: earlier.into(), ..Memory::default() };
    let second = of(&pod, &observed(&["a +"]), &memory, false);
    assert_eq!(condition(&second, "example.com/lb"), &foreign);
    assert_eq!(condition(&second, "Ready").status, "True");
    assert_eq!(condition(&second, "Ready").last_transition_time, Some(time(at(50))));
    assert_eq!(condition(&second, "ContainersReady").last_transition_time, Some(time(at(7))));
}

#[test]
fn a_verdict_fails_the_pod_and_ends_are_final() {
    let pod = pod("Always", vec![], vec![container("a")]);
    let verdict = Verdict { reason: "DeadlineExceeded".into(), message: "too long".into() };
    let memory = Memory { verdict: Some(verdict), ..Memory::default() };
    let status = of(&pod, &observed(&["a +"]), &memory, true);
    assert_eq!((status.phase.as_deref(), status.reason.as_deref()), (Some("Failed"), Some("DeadlineExceeded")));
    assert_eq!(condition(&status, "Ready").reason.as_deref(), Some("PodFailed"));
    let succeeded = PodStatus { phase: Some("Succeeded".into()), ..PodStatus::default() };
    let memory = Memory { status: succeeded.into(), ..Memory::default() };
    assert_eq!(of(&pod, &observed(&["a +"]), &memory, true).phase.as_deref(), Some("Succeeded"));
}

#[test]
fn an_ended_pod_keeps_its_address() {
    let pod = pod("Never", vec![], vec![container("a")]);
    let before = of(&pod, &observed(&["a +"]), &Memory::default(), false);
    let mut after = observed(&["a 0"]);
    after.sandboxes[0].state = SandboxState::NotReady;
    after.sandboxes[0].ips.clear();
    let status = of(&pod, &after, &Memory { status: before.into(), ..Memory::default() }, true);
    assert_eq!(status.pod_ip.as_deref(), Some("10.0.0.2"));
    assert_eq!(condition(&status, "PodReadyToStartContainers").status, "False");
    assert_eq!(condition(&status, "ContainersReady").reason.as_deref(), Some("PodCompleted"));
}

#[test]
fn a_container_that_vanished_while_running_counts_as_lost() {
    let pod = pod("Always", vec![], vec![container("a")]);
    let before = of(&pod, &observed(&["a/1 +"]), &Memory::default(), false);
    let status = of(&pod, &Observed::default(), &Memory { status: before.into(), ..Memory::default() }, false);
    let seen = &status.container_statuses.as_ref().expect("statuses")[0];
    assert_eq!(seen.restart_count, 2);
    let last = seen.last_state.as_ref().and_then(|state| state.terminated.as_ref()).expect("an end");
    assert_eq!((last.exit_code, last.reason.as_deref()), (137, Some("ContainerStatusUnknown")));
}

/// The final status of a pod of which nothing runs any more: its phase, and by container `code` where it has ended and `?`
/// where it waits.
#[track_caller]
fn check_closed(pod: &Pod, containers: &[&str], failure: Option<&str>, expected: (&str, &str)) {
    let mut memory = Memory::default();
    if let Some(name) = failure {
        let failure = Failure { reason: "ImagePullBackOff".into(), message: String::new(), at: at(40) };
        memory.failures.insert(name.into(), failure);
    }
    let status = of(pod, &observed(containers), &memory, true);
    let all = status.init_container_statuses.iter().flatten().chain(status.container_statuses.iter().flatten());
    let ends = all.map(|container| match container.state.as_ref().and_then(|state| state.terminated.as_ref()) {
        Some(end) => format!("{}={}", container.name, end.exit_code),
        None => format!("{}=?", container.name),
    });
    let ends: Vec<String> = ends.collect();
    assert_eq!((status.phase.as_deref().unwrap_or_default(), ends.join(" ").as_str()), expected);
}

#[test]
fn a_pod_that_was_ended_has_a_final_phase() {
    let one = pod("Always", vec![], vec![container("a")]);
    check_closed(&one, &[], None, ("Failed", "a=137"));
    check_closed(&one, &["a -"], None, ("Failed", "a=137"));
    check_closed(&one, &[], Some("a"), ("Failed", "a=137"));
    check_closed(&one, &["a 143"], None, ("Failed", "a=143"));
    check_closed(&one, &["a 0"], None, ("Succeeded", "a=0"));
    let two = pod("Always", vec![], vec![container("a"), container("b")]);
    check_closed(&two, &["a 0"], Some("b"), ("Failed", "a=0 b=137"));
    check_closed(&two, &["b 0", "a 0"], None, ("Succeeded", "a=0 b=0"));
    check_closed(&two, &["b 0", "a 1"], None, ("Failed", "a=1 b=0"));
    // While one of them runs, nothing is final.
    check_closed(&two, &["a +"], Some("b"), ("Pending", "a=? b=?"));
    check_closed(&two, &["b +", "a 0"], None, ("Running", "a=0 b=?"));
}

#[test]
fn containers_whose_turn_never_came_are_left_waiting_at_the_end() {
    let pod = pod("Always", vec![container("i"), container("j"), container("k")], vec![container("a")]);
    check_closed(&pod, &[], None, ("Failed", "i=137 j=? k=? a=?"));
    check_closed(&pod, &["i 1"], None, ("Failed", "i=1 j=? k=? a=?"));
    check_closed(&pod, &["j 143", "i 0"], None, ("Failed", "i=0 j=143 k=? a=?"));
    // The last init container has succeeded: it was the main container's turn.
    check_closed(&pod, &["k 0", "j 0", "i 0"], None, ("Failed", "i=0 j=0 k=0 a=137"));
    check_closed(&pod, &["a 0", "k 0", "j 0", "i 0"], None, ("Succeeded", "i=0 j=0 k=0 a=0"));
}

#[test]
fn an_end_that_nobody_saw_says_so() {
    let pod = pod("Always", vec![], vec![container("a")]);
    let status = of(&pod, &observed(&[]), &Memory::default(), true);
    let container = &status.container_statuses.as_ref().expect("statuses")[0];
    let end = container.state.as_ref().and_then(|state| state.terminated.as_ref()).expect("an end");
    assert_eq!(end.reason.as_deref(), Some("ContainerStatusUnknown"));
    assert_eq!(end.message.as_deref(), Some("The container could not be located when the pod was terminated"));
    assert_eq!(condition(&status, "Ready").reason.as_deref(), Some("PodFailed"));
}
