//! What `kubectl get pods` shows of a pod.

use super::{NOW, check};
use crate::columns::{cells, completed};
use serde_json::{Value, json};

/// What a pod shows as READY, STATUS and RESTARTS.
#[track_caller]
fn check_pod(pod: Value, expected: &str) {
    let cells = cells("", "Pod", &pod, NOW.parse().unwrap());
    let text: Vec<&str> = cells[1..4].iter().map(|cell| cell.as_str().unwrap()).collect();
    assert_eq!(text.join("|"), expected);
}

fn pod(status: Value) -> Value {
    json!({"metadata": {"name": "a"}, "spec": {"containers": [{"name": "c"}]}, "status": status})
}

#[test]
fn a_pod_shows_what_its_containers_do() {
    let running = json!({"name": "c", "ready": true, "restartCount": 0, "state": {"running": {}}});
    check_pod(pod(json!({"phase": "Pending"})), "0/1|Pending|0");
    check_pod(pod(json!({"phase": "Running", "containerStatuses": [running]})), "1/1|Running|0");
    check_pod(pod(json!({"phase": "Failed", "reason": "Evicted"})), "0/1|Evicted|0");
    let crash = json!({"name": "c", "ready": false, "restartCount": 3,
        "state": {"waiting": {"reason": "CrashLoopBackOff"}},
        "lastState": {"terminated": {"exitCode": 1, "finishedAt": "2026-01-01T00:55:00Z"}}});
    check_pod(pod(json!({"phase": "Running", "containerStatuses": [crash]})), "0/1|CrashLoopBackOff|3 (5m ago)");
    let ended = |code: i64, reason: &str| json!({"name": "c", "restartCount": 0, "state": {"terminated": {"exitCode": code, "reason": reason}}});
    check_pod(pod(json!({"phase": "Succeeded", "containerStatuses": [ended(0, "Completed")]})), "0/1|Completed|0");
    check_pod(pod(json!({"phase": "Failed", "containerStatuses": [ended(1, "Error")]})), "0/1|Error|0");
    check_pod(pod(json!({"phase": "Failed", "containerStatuses": [ended(3, "")]})), "0/1|ExitCode:3|0");
}

#[test]
fn a_pod_that_has_partly_ended_still_runs() {
    let statuses = json!([
        {"name": "a", "state": {"terminated": {"exitCode": 0, "reason": "Completed"}}},
        {"name": "b", "ready": true, "state": {"running": {}}},
    ]);
    let ready = json!([{"type": "Ready", "status": "True"}]);
    check_pod(pod(json!({"phase": "Running", "conditions": ready, "containerStatuses": statuses})), "1/1|Running|0");
    check_pod(pod(json!({"phase": "Running", "containerStatuses": statuses})), "1/1|NotReady|0");
}

#[test]
fn init_containers_come_first() {
    let with = |init: Value, statuses: Value| {
        let mut pod = pod(json!({"phase": "Pending", "initContainerStatuses": statuses}));
        pod["spec"]["initContainers"] = init;
        pod
    };
    let two = json!([{"name": "x"}, {"name": "y"}]);
    let done = json!({"name": "x", "state": {"terminated": {"exitCode": 0}}});
    check_pod(with(two.clone(), json!([done, {"name": "y", "state": {"running": {}}}])), "0/1|Init:1/2|0");
    check_pod(
        with(
            two.clone(),
            json!([{"name": "x", "restartCount": 2, "state": {"waiting": {"reason": "CrashLoopBackOff"}}}]),
        ),
        "0/1|Init:CrashLoopBackOff|2",
    );
    check_pod(
        with(two, json!([{"name": "x", "state": {"terminated": {"exitCode": 1, "reason": "Error"}}}])),
        "0/1|Init:Error|0",
    );
    let sidecar = json!([{"name": "x", "restartPolicy": "Always"}]);
    let started = json!([{"name": "x", "ready": true, "started": true, "restartCount": 1, "state": {"running": {}}}]);
    check_pod(with(sidecar, started), "1/2|Pending|1");
}

#[test]
fn a_pod_that_is_deleted_or_gated_says_so() {
    let mut deleted = pod(json!({"phase": "Running"}));
    deleted["metadata"]["deletionTimestamp"] = json!(NOW);
    check_pod(deleted.clone(), "0/1|Terminating|0");
    deleted["status"]["reason"] = json!("NodeLost");
    check_pod(deleted.clone(), "0/1|Unknown|0");
    deleted["status"] = json!({"phase": "Succeeded"});
    check_pod(deleted, "0/1|Succeeded|0");
    let gated = json!([{"type": "PodScheduled", "status": "False", "reason": "SchedulingGated"}]);
    check_pod(pod(json!({"phase": "Pending", "conditions": gated})), "0/1|SchedulingGated|0");
}

#[test]
fn the_wide_cells_of_a_pod() {
    let mut object = pod(json!({"phase": "Running", "podIPs": [{"ip": "10.0.0.1"}],
                                "conditions": [{"type": "g", "status": "True"}]}));
    object["spec"]["nodeName"] = json!("n");
    object["spec"]["readinessGates"] = json!([{"conditionType": "g"}, {"conditionType": "h"}]);
    check("", "Pod", object, "a|0/1|Running|0|60m|10.0.0.1|n|<none>|1/2");
    check("", "Pod", pod(json!({"phase": "Pending"})), "a|0/1|Pending|0|60m|<none>|<none>|<none>|<none>");
}

#[test]
fn pods_that_have_ended_are_completed() {
    assert_eq!(completed(&pod(json!({"phase": "Running"}))), None);
    assert_eq!(completed(&pod(json!({"phase": "Succeeded"}))).unwrap()[0]["type"], "Completed");
    assert_eq!(completed(&json!({"status": {"phase": "Failed"}})), None, "a volume");
}

/// What a pod of two init containers and two containers shows.
#[track_caller]
fn check_two(status: Value, expected: &str) {
    let spec = json!({"initContainers": [{"name": "x"}, {"name": "y"}], "containers": [{"name": "c"}, {"name": "d"}]});
    check_pod(json!({"metadata": {"name": "a"}, "spec": spec, "status": status}), expected);
}

fn waiting(name: &str, reason: &str) -> Value {
    json!({"name": name, "ready": false, "restartCount": 0, "state": {"waiting": {"reason": reason}}})
}

fn ended(name: &str, code: i64, reason: &str) -> Value {
    json!({"name": name, "ready": false, "restartCount": 0, "state": {"terminated": {"exitCode": code, "reason": reason}}})
}

fn running(name: &str, ready: bool) -> Value {
    json!({"name": name, "ready": ready, "restartCount": 0, "state": {"running": {}}})
}

#[test]
fn the_life_of_a_pod_with_init_containers() {
    let pending = |init: [Value; 2]| {
        json!({"phase": "Pending", "initContainerStatuses": init,
               "containerStatuses": [waiting("c", "PodInitializing"), waiting("d", "PodInitializing")]})
    };
    check_two(json!({"phase": "Pending"}), "0/2|Pending|0");
    let second = || waiting("y", "PodInitializing");
    check_two(pending([waiting("x", "PodInitializing"), second()]), "0/2|Init:0/2|0");
    check_two(pending([running("x", false), second()]), "0/2|Init:0/2|0");
    check_two(pending([ended("x", 0, "Completed"), running("y", false)]), "0/2|Init:1/2|0");
    check_two(pending([waiting("x", "ErrImagePull"), second()]), "0/2|Init:ErrImagePull|0");
    check_two(pending([ended("x", 3, ""), second()]), "0/2|Init:ExitCode:3|0");
    let killed = json!({"name": "x", "state": {"terminated": {"exitCode": 137, "signal": 9}}});
    check_two(pending([killed, second()]), "0/2|Init:Signal:9|0");
    check_two(pending([ended("x", 137, "OOMKilled"), second()]), "0/2|Init:OOMKilled|0");
    check_two(pending([ended("x", 0, "Completed"), ended("y", 0, "Completed")]), "0/2|PodInitializing|0");
}

#[test]
fn the_first_container_in_trouble_is_told() {
    let of = |phase: &str, statuses: [Value; 2]| json!({"phase": phase, "containerStatuses": statuses});
    check_two(
        of("Pending", [waiting("c", "ContainerCreating"), waiting("d", "ContainerCreating")]),
        "0/2|ContainerCreating|0",
    );
    check_two(of("Pending", [waiting("c", "ImagePullBackOff"), running("d", true)]), "1/2|ImagePullBackOff|0");
    check_two(of("Running", [running("c", true), waiting("d", "CrashLoopBackOff")]), "1/2|CrashLoopBackOff|0");
    check_two(of("Running", [running("c", true), running("d", false)]), "1/2|Running|0");
    check_two(of("Running", [running("c", true), ended("d", 1, "Error")]), "1/2|Error|0");
    check_two(of("Succeeded", [ended("c", 0, "Completed"), ended("d", 0, "Completed")]), "0/2|Completed|0");
    check_two(of("Failed", [ended("c", 137, "OOMKilled"), ended("d", 0, "Completed")]), "0/2|OOMKilled|0");
    let killed = json!({"name": "c", "state": {"terminated": {"exitCode": 137, "signal": 9}}});
    check_two(of("Failed", [killed, running("d", true)]), "1/2|Signal:9|0");
    // The reason of the pod as a whole is what is left when its containers say nothing.
    check_two(json!({"phase": "Failed", "reason": "DeadlineExceeded"}), "0/2|DeadlineExceeded|0");
}

#[test]
fn restarts_and_how_long_ago() {
    let restarted = |name: &str, count: i64, at: &str| {
        json!({"name": name, "ready": true, "restartCount": count, "state": {"running": {}},
               "lastState": {"terminated": {"exitCode": 1, "finishedAt": at}}})
    };
    check_two(
        json!({"phase": "Running", "containerStatuses": [
            restarted("c", 2, "2026-01-01T00:30:00Z"), restarted("d", 1, "2026-01-01T00:59:30Z")]}),
        "2/2|Running|3 (30s ago)",
    );
    check_two(
        json!({"phase": "Running", "containerStatuses": [
            {"name": "c", "ready": true, "restartCount": 2, "state": {"running": {}}}, running("d", true)]}),
        "2/2|Running|2",
    );
    // Those of init containers count while they run, and not after.
    let mut init = restarted("x", 4, "2026-01-01T00:50:00Z");
    init["ready"] = json!(false);
    check_two(json!({"phase": "Pending", "initContainerStatuses": [init]}), "0/2|Init:0/2|4 (10m ago)");
    let mut done = ended("x", 0, "Completed");
    done["restartCount"] = json!(4);
    let both = json!({"phase": "Running", "initContainerStatuses": [done, ended("y", 0, "Completed")],
                      "containerStatuses": [running("c", true), running("d", true)]});
    check_two(both, "2/2|Running|0");
}

/// What a pod with a sidecar and a container shows.
#[track_caller]
fn check_sidecar(sidecar: Value, container: Value, expected: &str) {
    let spec = json!({"initContainers": [{"name": "s", "restartPolicy": "Always"}], "containers": [{"name": "c"}]});
    let status = json!({"phase": "Running", "initContainerStatuses": [sidecar], "containerStatuses": [container]});
    check_pod(json!({"metadata": {"name": "a"}, "spec": spec, "status": status}), expected);
}

#[test]
fn sidecars_count_as_containers() {
    let sidecar = |ready: bool, started: bool, restarts: i64| json!({"name": "s", "ready": ready, "started": started, "restartCount": restarts, "state": {"running": {}}});
    check_sidecar(sidecar(true, true, 0), running("c", true), "2/2|Running|0");
    check_sidecar(sidecar(false, true, 0), running("c", true), "1/2|Running|0");
    check_sidecar(sidecar(true, true, 3), running("c", true), "2/2|Running|3");
    check_sidecar(sidecar(false, false, 0), waiting("c", "PodInitializing"), "0/2|Init:0/1|0");
}
