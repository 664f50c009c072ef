//! How pods end: by themselves, by their time, and because somebody wants them to.

use kubekit_node::runtime::{ContainerRuntime as _, ContainerState, Filter};
use kubekit_runtime::{DeleteParams, Patch, PatchParams};
use serde_json::{Value, json};

use crate::world::{World, container, merge, phase, shell, short};

#[tokio::test(start_paused = true)]
async fn policies_decide_what_an_end_means() {
    for (policy, code, expected) in [
        ("Never", 0, ("Succeeded", "0 0")),
        ("Never", 3, ("Failed", "3 0")),
        ("OnFailure", 0, ("Succeeded", "0 0")),
        ("OnFailure", 3, ("Running", "+! 1")),
        ("Always", 0, ("Running", "+! 1")),
    ] {
        let world = World::new().await;
        let script = format!("sleep 10; exit {code}");
        world.pod(json!({}), json!({"restartPolicy": policy}), shell(&script)).await;
        world.after(11.0).await;
        let pod = world.now().await;
        assert_eq!((phase(&pod).as_str(), short(&pod, "a").as_str()), expected, "{policy} {code}");
        if policy == "Never" {
            assert_eq!(pod.status.and_then(|status| status.pod_ip).as_deref(), Some("10.7.0.2"), "for people to read");
        }
    }
}

/// Deletes a pod of this kind; it must be there after the first time and gone after the second.
async fn check_deletion(annotations: Value, spec: Value, container: Value, there: f64, gone: f64) {
    let world = World::new().await;
    world.pod(annotations, spec, container).await;
    world.after(5.0).await;
    world.delete().await;
    world.after(there).await;
    assert!(world.found().await.is_some(), "it is gone after {there} s");
    world.after(gone - there).await;
    assert!(world.found().await.is_none(), "it is there after {gone} s");
    assert!(world.runtime.list_sandboxes(&Filter::default()).await.expect("a list").is_empty());
    assert!(world.runtime.list_containers(&Filter::default()).await.expect("a list").is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_deleted_pod_has_its_grace_and_no_more() {
    let grace = |seconds: u32| json!({"terminationGracePeriodSeconds": seconds});
    check_deletion(json!({"stop-time": "3s"}), grace(30), json!({}), 2.5, 3.5).await;
    check_deletion(json!({"stop-time": "never"}), grace(7), json!({}), 6.5, 8.5).await;
    // A hook runs first, and what it takes is taken from the grace.
    let hook = |seconds: u32| json!({"lifecycle": {"preStop": {"sleep": {"seconds": seconds}}}});
    check_deletion(json!({"stop-time": "0s"}), grace(30), hook(4), 3.5, 4.5).await;
    check_deletion(json!({"stop-time": "never"}), grace(10), hook(4), 9.5, 11.5).await;
    // Two seconds remain for the signal in any case.
    check_deletion(json!({"stop-time": "never"}), grace(5), hook(5), 6.5, 8.5).await;
}

#[tokio::test(start_paused = true)]
async fn who_cannot_wait_overtakes_who_can() {
    let world = World::new().await;
    world.pod(json!({"stop-time": "never"}), json!({"terminationGracePeriodSeconds": 600}), json!({})).await;
    world.after(2.0).await;
    world.delete().await;
    world.after(60.0).await;
    assert!(world.found().await.is_some());
    let now = DeleteParams::default().grace_period_seconds(1);
    world.pods().delete("p", &now).await.expect("deleted");
    world.after(3.5).await;
    assert!(world.found().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_deletion_does_not_wait_for_a_hook_after_the_start() {
    let hook = json!({"lifecycle": {"postStart": {"exec": {"command": ["sleep", "500"]}}}});
    check_deletion(json!({}), json!({"terminationGracePeriodSeconds": 5}), hook, 0.0, 6.0).await;
}

#[tokio::test(start_paused = true)]
async fn a_hook_that_fails_before_the_end_is_told_and_changes_nothing() {
    let world = World::new().await;
    let hook = json!({"lifecycle": {"preStop": {"exec": {"command": ["sh", "-c", "echo no; exit 2"]}}}});
    world.pod(json!({}), json!({}), hook).await;
    world.after(2.0).await;
    world.delete().await;
    world.after(2.0).await;
    assert!(world.found().await.is_none());
    let events = world.events().await;
    World::told(&events, "Killing", "Stopping container a");
    let message = "PreStopHook failed: command 'sh -c echo no; exit 2' exited with 2: no\n";
    World::told(&events, "FailedPreStopHook", message);
}

#[tokio::test(start_paused = true)]
async fn sidecars_outlive_the_main_containers_in_the_reverse_order() {
    let sidecar = |name: &str| json!({"name": name, "image": "busybox:1", "restartPolicy": "Always"});
    let spec = json!({"initContainers": [sidecar("s1"), sidecar("s2")], "terminationGracePeriodSeconds": 30});
    let world = World::new().await;
    let times = json!({"stop-time.a": "2s", "stop-time.s1": "3s", "stop-time.s2": "4s"});
    world.pod(times.clone(), spec.clone(), json!({})).await;
    world.after(5.0).await;
    world.delete().await;
    let running = async || {
        let all = world.runtime.list_containers(&Filter::default()).await.expect("a list");
        let running = all.into_iter().filter(|container| container.state == ContainerState::Running);
        let mut names: Vec<String> = running.map(|container| container.name).collect();
        names.sort();
        names.join(" ")
    };
    for (step, expected) in [(1.5, "a s1 s2"), (1.0, "s1 s2"), (3.0, "s1 s2"), (1.0, "s1"), (2.0, "s1"), (1.0, "")] {
        world.after(step).await;
        assert_eq!(running().await, expected);
    }
    check_deletion(times, spec, json!({}), 8.5, 9.5).await;
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_has_used_up_its_time_fails() {
    let world = World::new().await;
    world.pod(json!({}), json!({"activeDeadlineSeconds": 5}), json!({})).await;
    world.after(4.5).await;
    assert_eq!(phase(&world.now().await), "Running");
    world.after(2.0).await;
    let status = world.now().await.status.expect("a status");
    assert_eq!((status.phase.as_deref(), status.reason.as_deref()), (Some("Failed"), Some("DeadlineExceeded")));
    assert_eq!(status.message.as_deref(), Some("Pod was active on the node longer than the specified deadline"));
    assert_eq!(short(&world.now().await, "a"), "0 0", "it was asked to end");
}

/// A pod whose image cannot be fetched, and how it ends.
async fn unstartable(spec: Value, finalizers: Value) -> World {
    let world = World::new().await;
    world.pod(json!({"pull": "no such image"}), spec, json!({})).await;
    let keep = Patch::Merge(json!({"metadata": {"finalizers": finalizers}}));
    world.pods().patch("p", &PatchParams::default(), &keep).await.expect("patched");
    world.after(3.0).await;
    assert_eq!(phase(&world.now().await), "Pending");
    world
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_never_ran_has_a_final_phase_too() {
    let world = unstartable(json!({"activeDeadlineSeconds": 10}), json!([])).await;
    world.after(10.0).await;
    let pod = world.now().await;
    assert_eq!((phase(&pod).as_str(), short(&pod, "a").as_str()), ("Failed", "137 0"));

    // Whoever keeps a deleted pod by a finalizer waits for that.
    let world = unstartable(json!({}), json!(["example.com/keep"])).await;
    world.delete().await;
    world.after(3.0).await;
    let pod = world.now().await;
    assert_eq!((phase(&pod).as_str(), short(&pod, "a").as_str()), ("Failed", "137 0"));
    let end = container(&pod, "a").state.and_then(|state| state.terminated).expect("an end");
    assert_eq!(end.reason.as_deref(), Some("ContainerStatusUnknown"));
    assert!(world.runtime.list_sandboxes(&Filter::default()).await.expect("a list").is_empty());
    let release = Patch::Merge(json!({"metadata": {"finalizers": null}}));
    world.pods().patch("p", &PatchParams::default(), &release).await.expect("patched");
    assert!(world.found().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn last_words_come_from_the_log_where_the_container_says_so() {
    for (policy, code, expected) in
        [("FallbackToLogsOnError", 1, Some("first\nlast\n")), ("FallbackToLogsOnError", 0, None), ("File", 1, None)]
    {
        let world = World::new().await;
        let mut container_ = shell(&format!("echo first; echo last >&2; exit {code}"));
        merge(&mut container_, json!({"terminationMessagePolicy": policy}));
        world.pod(json!({}), json!({"restartPolicy": "Never"}), container_).await;
        world.after(1.0).await;
        let end = container(&world.now().await, "a").state.and_then(|state| state.terminated).expect("an end");
        assert_eq!((end.exit_code, end.message.as_deref()), (code, expected), "{policy}");
    }
}
