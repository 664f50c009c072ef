//! How pods live: they start in order, crash and come back, are probed, and survive their agent.

use std::sync::atomic::Ordering;
use std::time::Duration;

use k8s_openapi::api::core::v1::Service;
use kubekit_node::runtime::{ContainerRuntime as _, Filter};
use kubekit_runtime::{Api, DeleteParams, Patch, PatchParams};
use serde_json::json;

use crate::world::{World, container, last_end, merge, phase, ready, shell, short};

#[tokio::test(start_paused = true)]
async fn crashes_are_retried_at_once_then_after_ten_seconds_then_twice_that() {
    let world = World::new().await;
    world.pod(json!({}), json!({}), shell("sleep 1; exit 3")).await;
    let mut at = 0.0;
    // It ends a second after each start, at 1, 2, 13, 34 and 75.
    for (time, expected) in [
        (0.5, "+! 0"),
        (1.5, "+! 1"),
        (3.0, "CrashLoopBackOff 1"),
        (11.5, "CrashLoopBackOff 1"),
        (12.5, "+! 2"),
        (32.5, "CrashLoopBackOff 2"),
        (33.5, "+! 3"),
        (73.5, "CrashLoopBackOff 3"),
        (74.5, "+! 4"),
    ] {
        world.after(time - at).await;
        at = time;
        let pod = world.now().await;
        assert_eq!((phase(&pod).as_str(), short(&pod, "a").as_str()), ("Running", expected), "after {time} s");
    }
    assert_eq!(last_end(&world.now().await, "a").exit_code, 3);
    world.after(5.0).await;
    let pod = world.now().await;
    let uid = pod.metadata.uid.clone().expect("a uid");
    let state = container(&pod, "a").state.expect("a state");
    let message = state.waiting.and_then(|waiting| waiting.message).expect("a message");
    assert_eq!(message, format!("back-off 1m20s restarting failed container=a pod=p_default({uid})"));
    let told = format!("Back-off restarting failed container a in pod p_default({uid})");
    World::told(&world.events().await, "BackOff", &told);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_fails_its_liveness_probe_has_not_succeeded() {
    let world = World::new().await;
    let probe = json!({"httpGet": {"port": 80}, "periodSeconds": 1, "failureThreshold": 2});
    let annotations = json!({"liveness": "fail-after=5s", "stop-time": "1s"});
    world.pod(annotations, json!({"restartPolicy": "OnFailure"}), json!({"livenessProbe": probe})).await;
    world.after(4.5).await;
    assert_eq!(short(&world.now().await, "a"), "+! 0");
    world.after(4.0).await;
    let pod = world.now().await;
    assert_eq!((phase(&pod).as_str(), short(&pod, "a").as_str()), ("Running", "+! 1"));
    assert_eq!(last_end(&pod, "a").exit_code, 0, "it ended in peace when it was asked to");
    // The third instance fails too soon after the second for a start at once.
    world.after(15.0).await;
    let pod = world.now().await;
    assert_eq!((phase(&pod).as_str(), short(&pod, "a").as_str()), ("Running", "CrashLoopBackOff 2"));
    assert_eq!(last_end(&pod, "a").exit_code, 0);
    let events = world.events().await;
    World::told(&events, "Unhealthy", "Liveness probe failed: HTTP probe failed with statuscode: 503");
    World::told(&events, "Killing", "Container a failed liveness probe, will be restarted");
}

#[tokio::test(start_paused = true)]
async fn a_startup_probe_gives_time_and_takes_life() {
    let world = World::new().await;
    let startup = json!({"httpGet": {"port": 80}, "periodSeconds": 2, "failureThreshold": 5});
    let liveness = json!({"httpGet": {"port": 80}, "periodSeconds": 1, "failureThreshold": 1});
    let container = json!({"startupProbe": startup, "livenessProbe": liveness});
    world.pod(json!({"startup": "ok-after=7s", "liveness": "ok-after=7s"}), json!({}), container).await;
    world.after(6.5).await;
    assert_eq!(short(&world.now().await, "a"), "+ 0", "liveness is not asked yet");
    world.after(3.0).await;
    assert_eq!(short(&world.now().await, "a"), "+! 0");
    world.after(60.0).await;
    assert_eq!(short(&world.now().await, "a"), "+! 0");

    let world = World::new().await;
    world.pod(json!({"startup": "fail"}), json!({}), json!({"startupProbe": startup})).await;
    world.after(7.5).await;
    assert_eq!(short(&world.now().await, "a"), "+ 0");
    world.after(2.0).await;
    assert_eq!(short(&world.now().await, "a"), "+ 1", "the fifth failure is the last");
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_is_made_again_under_its_name_is_another() {
    let world = World::new().await;
    world.pod(json!({"stop-time": "1s"}), json!({}), json!({})).await;
    world.after(2.0).await;
    let before = world.now().await;
    let force = DeleteParams::default().grace_period_seconds(0);
    world.pods().delete("p", &force).await.expect("deleted");
    world.pod(json!({}), json!({}), json!({})).await;
    world.after(10.0).await;
    let pod = world.now().await;
    assert_ne!(pod.metadata.uid, before.metadata.uid);
    assert_eq!((phase(&pod).as_str(), short(&pod, "a").as_str()), ("Running", "+! 0"));
    let sandboxes = world.runtime.list_sandboxes(&Filter::default()).await.expect("a list");
    assert_eq!(sandboxes.into_iter().map(|sandbox| Some(sandbox.uid)).collect::<Vec<_>>(), [pod.metadata.uid]);
}

#[tokio::test(start_paused = true)]
async fn rules_of_a_container_decide_by_its_code() {
    let rules = json!([{"action": "Restart", "exitCodes": {"operator": "In", "values": [42]}}]);
    for (code, expected) in [(42, ("Running", "+! 1")), (1, ("Failed", "1 0"))] {
        let world = World::new().await;
        let mut own = shell(&format!("sleep 5; exit {code}"));
        merge(&mut own, json!({"restartPolicy": "Never", "restartPolicyRules": rules}));
        world.pod(json!({}), json!({"restartPolicy": "Never"}), own).await;
        world.after(7.0).await;
        let pod = world.now().await;
        assert_eq!((phase(&pod).as_str(), short(&pod, "a").as_str()), expected, "{code}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_start_that_fails_is_a_crash_like_another() {
    let world = World::new().await;
    world.pod(json!({"start": "exec: \"nothing\": executable file not found in $PATH"}), json!({}), json!({})).await;
    world.after(1.0).await;
    let state = container(&world.now().await, "a").state.expect("a state");
    let waiting = state.waiting.expect("it waits");
    assert_eq!(waiting.reason.as_deref(), Some("RunContainerError"));
    assert!(waiting.message.is_some_and(|message| message.contains("executable file not found")));
    world.after(10.0).await;
    let pod = world.now().await;
    assert_eq!(short(&pod, "a"), "CrashLoopBackOff 1");
    let end = last_end(&pod, "a");
    assert_eq!((end.exit_code, end.reason.as_deref()), (128, Some("StartError")));
}

#[tokio::test(start_paused = true)]
async fn init_containers_come_first_and_are_told_of() {
    let world = World::new().await;
    let init = |name: &str, script: &str| {
        let mut init = shell(script);
        merge(&mut init, json!({"name": name, "image": "busybox:1"}));
        init
    };
    let sidecar = json!({"name": "s", "image": "busybox:1", "restartPolicy": "Always"});
    let spec = json!({"initContainers": [init("i", "sleep 2; exit 0"), sidecar, init("j", "sleep 2; exit 0")]});
    world.pod(json!({}), spec, json!({})).await;
    let mut at = 0.0;
    let creating = "PodInitializing 0";
    for (time, phase_, expected) in [
        (1.0, "Pending", ["+ 0", creating, creating, creating]),
        (3.0, "Pending", ["0 0", "+! 0", "+ 0", creating]),
        (5.0, "Running", ["0 0", "+! 0", "0 0", "+! 0"]),
    ] {
        world.after(time - at).await;
        at = time;
        let pod = world.now().await;
        assert_eq!(phase(&pod), phase_, "after {time} s");
        assert_eq!(["i", "s", "j", "a"].map(|name| short(&pod, name)), expected, "after {time} s");
    }
}

#[tokio::test(start_paused = true)]
async fn a_failing_init_container_fails_the_pod_or_is_tried_again() {
    let spec = |policy: &str| {
        let mut init = shell("sleep 1; exit 4");
        merge(&mut init, json!({"name": "i", "image": "busybox:1"}));
        json!({"restartPolicy": policy, "initContainers": [init]})
    };
    let world = World::new().await;
    world.pod(json!({}), spec("Never"), json!({})).await;
    world.after(2.0).await;
    let pod = world.now().await;
    assert_eq!(phase(&pod), "Failed");
    assert_eq!(["i", "a"].map(|name| short(&pod, name)), ["4 0", "PodInitializing 0"]);

    let world = World::new().await;
    world.pod(json!({}), spec("OnFailure"), json!({})).await;
    world.after(4.0).await;
    let pod = world.now().await;
    assert_eq!(phase(&pod), "Pending");
    assert_eq!(["i", "a"].map(|name| short(&pod, name)), ["CrashLoopBackOff 1", "PodInitializing 0"]);
}

#[tokio::test(start_paused = true)]
async fn a_hook_that_fails_after_the_start_costs_the_container_its_life() {
    let world = World::new().await;
    let hook = json!({"lifecycle": {"postStart": {"exec": {"command": ["sh", "-c", "echo why; exit 1"]}}}});
    world.pod(json!({}), json!({}), hook).await;
    world.after(5.0).await;
    assert_eq!(short(&world.now().await, "a"), "CrashLoopBackOff 1");
    let message = "PostStartHook failed: command 'sh -c echo why; exit 1' exited with 1: why\n";
    World::told(&world.events().await, "FailedPostStartHook", message);
}

#[tokio::test(start_paused = true)]
async fn a_lost_sandbox_begins_the_pod_anew() {
    let world = World::new().await;
    let mut init = shell("sleep 1; exit 0");
    merge(&mut init, json!({"name": "i", "image": "busybox:1"}));
    world.pod(json!({}), json!({"initContainers": [init]}), json!({})).await;
    world.after(3.0).await;
    let before = world.now().await.status.expect("a status");
    let sandboxes = world.runtime.list_sandboxes(&Filter::default()).await.expect("a list");
    world.runtime.crash_sandbox(&sandboxes[0].id);
    world.after(0.5).await;
    assert_eq!(short(&world.now().await, "i"), "+ 1", "it is initialized again");
    world.after(2.0).await;
    let pod = world.now().await;
    assert_eq!((phase(&pod).as_str(), short(&pod, "a").as_str()), ("Running", "+! 1"));
    assert_ne!(pod.status.and_then(|status| status.pod_ip), before.pod_ip, "with an address of its own");
    assert_eq!(last_end(&world.now().await, "a").exit_code, 137);
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_is_started_again_counts_on() {
    let world = World::new().await;
    world.pod(json!({}), json!({}), shell("sleep 30; exit 1")).await;
    world.after(35.0).await;
    assert_eq!(short(&world.now().await, "a"), "+! 1");
    let before = container(&world.now().await, "a");
    let world = world.restart_agent().await;
    world.after(1.0).await;
    let after = container(&world.now().await, "a");
    assert_eq!((after.container_id, after.state), (before.container_id, before.state), "it runs on");
    assert_eq!(last_end(&world.now().await, "a").exit_code, 1, "its last end is known still");
    world.after(30.0).await;
    assert_eq!(container(&world.now().await, "a").restart_count, 2);
}

#[tokio::test(start_paused = true)]
async fn a_ready_pod_stays_ready_when_the_agent_is_started_again() {
    let world = World::new().await;
    let probe = json!({"httpGet": {"port": 80}, "initialDelaySeconds": 2, "periodSeconds": 30});
    world.pod(json!({}), json!({}), json!({"readinessProbe": probe, "startupProbe": probe})).await;
    world.after(60.0).await;
    let before = ready(&world.now().await);
    assert_eq!(before.status, "True");
    let world = world.restart_agent().await;
    world.after(60.0).await;
    let after = ready(&world.now().await);
    assert_eq!((after.status.as_str(), after.last_transition_time), ("True", before.last_transition_time));
}

#[tokio::test(start_paused = true)]
async fn what_ended_while_no_agent_looked_is_told_by_the_next() {
    let world = World::new().await;
    world.pod(json!({}), json!({"restartPolicy": "Never"}), shell("sleep 10; exit 6")).await;
    world.after(2.0).await;
    world.shutdown.cancel();
    world.after(20.0).await;
    assert_eq!(phase(&world.now().await), "Running", "nobody knows");
    let world = world.restart_agent().await;
    world.after(1.0).await;
    let pod = world.now().await;
    assert_eq!((phase(&pod).as_str(), short(&pod, "a").as_str()), ("Failed", "6 0"));
    let end = container(&pod, "a").state.and_then(|state| state.terminated).expect("an end");
    let lived = end.finished_at.expect("an end").0.duration_since(end.started_at.expect("a start").0);
    assert_eq!(lived.as_secs(), 10, "when it ended, not when it was seen");
}

#[tokio::test(start_paused = true)]
async fn a_status_that_nobody_took_is_told_again() {
    let world = World::new().await;
    world.deaf.store(true, Ordering::SeqCst);
    world.pod(json!({}), json!({}), json!({})).await;
    world.after(5.0).await;
    let running = world.runtime.list_containers(&Filter::default()).await.expect("a list");
    assert_eq!(running.len(), 1, "the pod runs all the same, once");
    world.deaf.store(false, Ordering::SeqCst);
    world.after(3.0).await;
    let pod = world.now().await;
    assert_eq!((phase(&pod).as_str(), short(&pod, "a").as_str()), ("Running", "+! 0"));
}

#[tokio::test(start_paused = true)]
async fn a_readiness_gate_is_heeded_as_soon_as_it_is_set() {
    let world = World::new().await;
    world.pod(json!({}), json!({"readinessGates": [{"conditionType": "example.com/lb"}]}), json!({})).await;
    world.after(2.0).await;
    assert_eq!(ready(&world.now().await).status, "False");
    for (status, expected) in [("True", "True"), ("False", "False")] {
        let set = json!({"status": {"conditions": [{"type": "example.com/lb", "status": status}]}});
        world.pods().patch_status("p", &PatchParams::default(), &Patch::Strategic(set)).await.expect("set");
        world.after(1.0).await;
        assert_eq!(ready(&world.now().await).status, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_new_image_replaces_the_container_in_place() {
    let world = World::new().await;
    world.pod(json!({}), json!({}), json!({})).await;
    world.after(2.0).await;
    let image = json!({"spec": {"containers": [{"name": "a", "image": "busybox:2"}]}});
    world.pods().patch("p", &PatchParams::default(), &Patch::Strategic(image)).await.expect("patched");
    world.after(2.0).await;
    let pod = world.now().await;
    assert_eq!(short(&pod, "a"), "+! 1");
    assert_eq!(container(&pod, "a").image, "busybox:2");
    World::told(&world.events().await, "Killing", "Container a definition changed, will be restarted");
}

#[tokio::test(start_paused = true)]
async fn a_container_finds_services_however_late_they_are_listed() {
    for (late, waits) in [(1, false), (4, true)] {
        let world = World::with_services_after(Duration::from_secs(late)).await;
        let service =
            json!({"metadata": {"name": "db"}, "spec": {"clusterIP": "10.96.0.77", "ports": [{"port": 5432}]}});
        let services = Api::<Service>::namespaced(world.client.clone(), "default");
        services.create(&serde_json::from_value(service).expect("a Service")).await.expect("created");
        world.pod(json!({}), json!({}), json!({})).await;
        world.after(3.0).await;
        let state = container(&world.now().await, "a").state.expect("a state");
        let waiting =
            state.waiting.map(|waiting| (waiting.reason.unwrap_or_default(), waiting.message.unwrap_or_default()));
        let why = "services have not yet been read at least once, cannot construct envvars";
        assert_eq!(waiting, waits.then(|| ("CreateContainerConfigError".into(), why.into())), "{late} s");
        world.after(7.0).await;
        assert_eq!(short(&world.now().await, "a"), "+! 0");
        let id = &world.runtime.list_containers(&Filter::default()).await.expect("a list")[0].id;
        let command = ["printenv", "DB_SERVICE_HOST"].map(str::to_owned);
        let output = world.runtime.exec_sync(id, &command, None).await.expect("run");
        assert_eq!(output.stdout, "10.96.0.77\n", "{late} s");
    }
}
