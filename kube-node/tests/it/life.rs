//! The lives of pods on a simulated runtime, on an API server in the same process. All clocks go with `tokio::time`, which is
//! paused: what takes minutes takes no time, and happens at the same moment in every run.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use k8s_openapi::api::core::v1::{ContainerStateTerminated, ContainerStatus, Event, Pod, PodCondition};
use kubekit_node::runtime::ContainerRuntime as _;
use kubekit_node::runtime::simulated::{self, Simulated};
use kubekit_node::runtime::{ContainerState, Filter};
use kubekit_node::{Agent, Config, agent};
use kubekit_runtime::environment::{Environment, TokioClock};
use kubekit_runtime::{Api, Client, DeleteParams, ListParams, Patch, PatchParams};
use kubekit_server::identity::UserInfo;
use kubekit_server::{ApiServer, extractor};
use kubekit_store::Memory;
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

/// A node whose pods live in virtual time.
struct World {
    client: Client,
    runtime: Simulated,
    clock: Arc<TokioClock>,
    /// While it is set, the API server takes no status of a pod.
    deaf: Arc<AtomicBool>,
    shutdown: CancellationToken,
    task: JoinHandle<()>,
}

impl World {
    async fn new() -> Self {
        let clock = Arc::new(TokioClock::starting_at("2026-01-01T00:00:00Z".parse().expect("a time")));
        let store = Arc::new(Memory::new(extractor(), Default::default()));
        let server = ApiServer::builder(store)
            .clock(Arc::clone(&clock) as _)
            .configure(|config| {
                config.disabled_admission.insert("ServiceAccount".into());
            })
            .build()
            .await
            .expect("a server")
            .as_user(UserInfo::admin());
        let deaf = Arc::new(AtomicBool::new(false));
        let hears_not = Arc::clone(&deaf);
        let service = tower::service_fn(move |request: http::Request<kubekit_runtime::Body>| {
            let refused = hears_not.load(Ordering::SeqCst)
                && request.method() == http::Method::PATCH
                && request.uri().path().ends_with("/status")
                && request.uri().path().contains("/pods/");
            let server = server.clone();
            async move {
                if refused {
                    return Err(std::io::Error::other("the connection was cut"));
                }
                server.oneshot(request).await.map_err(|never| match never {})
            }
        });
        let runtime = Simulated::new(simulated::Config::default(), Arc::clone(&clock) as _);
        let world = Self {
            client: Client::new(service),
            runtime,
            clock,
            deaf,
            shutdown: CancellationToken::new(),
            task: tokio::spawn(async {}),
        };
        world.with_agent().await
    }

    /// Starts an agent on what is there.
    async fn with_agent(mut self) -> Self {
        let mut config = Config::new("n1");
        config.addresses = vec!["192.0.2.1".into()];
        config.capacity = agent::machine::Capacity::of(4, 8 << 30);
        config.pod_cidr = Some("10.7.0.0/24".into());
        let environment = Environment { clock: Arc::clone(&self.clock) as _, ..Environment::system() };
        let runtime = Arc::new(self.runtime.clone());
        let agent = Agent::with(config, self.client.clone(), runtime, environment, None);
        self.shutdown = CancellationToken::new();
        let shutdown = self.shutdown.clone();
        self.task = tokio::spawn(async move { agent.run(shutdown).await.expect("the agent runs") });
        self
    }

    async fn restart_agent(mut self) -> Self {
        self.shutdown.cancel();
        (&mut self.task).await.expect("the agent has ended");
        self.with_agent().await
    }

    fn pods(&self) -> Api<Pod> {
        Api::namespaced(self.client.clone(), "default")
    }

    /// Makes the pod `p` with one container `a`; `spec` and `container` say what is special about them.
    async fn pod(&self, annotations: Value, spec: Value, container: Value) {
        let mut whole = json!({"name": "a", "image": "busybox:1"});
        merge(&mut whole, container);
        let mut pod_spec = json!({"nodeName": "n1", "containers": [whole]});
        merge(&mut pod_spec, spec);
        let prefixed: serde_json::Map<String, Value> = annotations
            .as_object()
            .into_iter()
            .flatten()
            .map(|(key, value)| (format!("simulated.kubekit.io/{key}"), value.clone()))
            .collect();
        let pod = json!({"metadata": {"name": "p", "annotations": prefixed}, "spec": pod_spec});
        self.pods().create(&serde_json::from_value(pod).expect("a pod")).await.expect("created");
    }

    async fn after(&self, seconds: f64) {
        tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
    }

    async fn found(&self) -> Option<Pod> {
        self.pods().get_opt("p").await.expect("readable")
    }

    /// The pod now, which is there.
    async fn now(&self) -> Pod {
        self.found().await.expect("the pod is there")
    }

    async fn delete(&self) {
        self.pods().delete("p", &DeleteParams::default()).await.expect("deleted");
    }

    /// What was told of the pod, by reason and message.
    async fn events(&self) -> Vec<(String, String)> {
        let events = Api::<Event>::namespaced(self.client.clone(), "default");
        let all = events.list(&ListParams::default()).await.expect("events").items;
        all.into_iter().map(|event| (event.reason.unwrap_or_default(), event.message.unwrap_or_default())).collect()
    }

    #[track_caller]
    fn told(events: &[(String, String)], reason: &str, message: &str) {
        assert!(events.iter().any(|(r, m)| r == reason && m == message), "{reason}: {message} is not in {events:#?}");
    }
}

fn merge(whole: &mut Value, part: Value) {
    for (key, value) in part.as_object().into_iter().flatten() {
        whole[key] = value.clone();
    }
}

fn phase(pod: &Pod) -> String {
    pod.status.as_ref().and_then(|status| status.phase.clone()).unwrap_or_default()
}

/// The status of a container by name, wherever it stands.
fn container(pod: &Pod, name: &str) -> ContainerStatus {
    let status = pod.status.clone().unwrap_or_default();
    let all = status.init_container_statuses.into_iter().chain(status.container_statuses).flatten();
    all.into_iter().find(|status| status.name == name).unwrap_or_default()
}

/// A container in short: `+` runs, `+!` is ready, a number has ended with it, a word waits for that reason; then its
/// restarts.
fn short(pod: &Pod, name: &str) -> String {
    let status = container(pod, name);
    let state = status.state.clone().unwrap_or_default();
    let text = match (state.running, state.terminated, state.waiting) {
        (Some(_), ..) if status.ready => "+!".to_owned(),
        (Some(_), ..) => "+".to_owned(),
        (_, Some(end), _) => end.exit_code.to_string(),
        (.., Some(waiting)) => waiting.reason.unwrap_or_default(),
        _ => "?".to_owned(),
    };
    format!("{text} {}", status.restart_count)
}

fn ready(pod: &Pod) -> PodCondition {
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.clone());
    conditions.into_iter().flatten().find(|condition| condition.type_ == "Ready").expect("Ready")
}

fn last_end(pod: &Pod, name: &str) -> ContainerStateTerminated {
    container(pod, name).last_state.and_then(|last| last.terminated).expect("it has ended before")
}

fn shell(script: &str) -> Value {
    json!({"command": ["sh", "-c", script]})
}

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
