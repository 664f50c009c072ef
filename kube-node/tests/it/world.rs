//! A node with an agent on a simulated runtime, and an API server, in one process. All clocks go with `tokio::time`, which is
//! paused: what takes minutes takes no time, and happens at the same moment in every run.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use k8s_openapi::api::core::v1::{ContainerStateTerminated, ContainerStatus, Event, Pod, PodCondition};
use kubekit_node::runtime::ContainerRuntime;
use kubekit_node::runtime::simulated::{self, Simulated};
use kubekit_node::{Agent, Config, agent};
use kubekit_runtime::environment::{Environment, TokioClock};
use kubekit_runtime::{Api, Client, DeleteParams, ListParams};
use kubekit_server::identity::UserInfo;
use kubekit_server::{ApiServer, extractor};
use kubekit_store::Memory;
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use crate::on_disk::OnDisk;

/// A node whose pods live in virtual time.
pub(crate) struct World {
    pub(crate) client: Client,
    pub(crate) runtime: Simulated,
    /// Where the files are, if containers see any.
    disk: Option<tempfile::TempDir>,
    clock: Arc<TokioClock>,
    /// While it is set, the API server takes no status of a pod.
    pub(crate) deaf: Arc<AtomicBool>,
    pub(crate) shutdown: CancellationToken,
    task: JoinHandle<()>,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with_services_after(Duration::ZERO).await
    }

    /// One whose containers see files of the node.
    pub(crate) async fn on_disk() -> Self {
        let mut world = Self::without_agent(Duration::ZERO).await;
        world.disk = Some(tempfile::tempdir().expect("a directory"));
        world.with_agent().await
    }

    /// The node's directory for its pods.
    pub(crate) fn root(&self) -> &Path {
        self.disk.as_ref().expect("a world on disk").path()
    }

    /// One whose API server takes so long for its first list of Services.
    pub(crate) async fn with_services_after(wait: Duration) -> Self {
        Self::without_agent(wait).await.with_agent().await
    }

    async fn without_agent(services_after: Duration) -> Self {
        let services_at = tokio::time::Instant::now() + services_after;
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
            let late = request.uri().path() == "/api/v1/services";
            let server = server.clone();
            async move {
                if late {
                    tokio::time::sleep_until(services_at).await;
                }
                if refused {
                    return Err(std::io::Error::other("the connection was cut"));
                }
                server.oneshot(request).await.map_err(|never| match never {})
            }
        });
        let runtime = Simulated::new(simulated::Config::default(), Arc::clone(&clock) as _);
        Self {
            client: Client::new(service),
            disk: None,
            runtime,
            clock,
            deaf,
            shutdown: CancellationToken::new(),
            task: tokio::spawn(async {}),
        }
    }

    /// Starts an agent on what is there.
    pub(crate) async fn with_agent(mut self) -> Self {
        let mut config = Config::new("n1");
        config.addresses = vec!["192.0.2.1".into()];
        config.capacity = agent::machine::Capacity::of(4, 8 << 30);
        config.pod_cidr = Some("10.7.0.0/24".into());
        let environment = Environment { clock: Arc::clone(&self.clock) as _, ..Environment::system() };
        let mut runtime: Arc<dyn ContainerRuntime> = Arc::new(self.runtime.clone());
        if let Some(disk) = &self.disk {
            runtime = Arc::new(OnDisk(self.runtime.clone()));
            config.root_directory = disk.path().to_owned();
            config.log_directory = disk.path().join("logs");
        }
        let agent = Agent::with(config, self.client.clone(), runtime, environment, None);
        self.shutdown = CancellationToken::new();
        let shutdown = self.shutdown.clone();
        self.task = tokio::spawn(async move { agent.run(shutdown).await.expect("the agent runs") });
        self
    }

    pub(crate) async fn restart_agent(mut self) -> Self {
        self.stop_agent().await;
        self.with_agent().await
    }

    pub(crate) async fn stop_agent(&mut self) {
        self.shutdown.cancel();
        (&mut self.task).await.expect("the agent has ended");
    }

    pub(crate) fn pods(&self) -> Api<Pod> {
        Api::namespaced(self.client.clone(), "default")
    }

    /// Makes the pod `p` with one container `a`; `spec` and `container` say what is special about them.
    pub(crate) async fn pod(&self, annotations: Value, spec: Value, container: Value) {
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

    pub(crate) async fn after(&self, seconds: f64) {
        tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
    }

    pub(crate) async fn found(&self) -> Option<Pod> {
        self.pods().get_opt("p").await.expect("readable")
    }

    /// The pod now, which is there.
    pub(crate) async fn now(&self) -> Pod {
        self.found().await.expect("the pod is there")
    }

    pub(crate) async fn delete(&self) {
        self.pods().delete("p", &DeleteParams::default()).await.expect("deleted");
    }

    /// What was told of the pod, by reason and message.
    pub(crate) async fn events(&self) -> Vec<(String, String)> {
        let events = Api::<Event>::namespaced(self.client.clone(), "default");
        let all = events.list(&ListParams::default()).await.expect("events").items;
        all.into_iter().map(|event| (event.reason.unwrap_or_default(), event.message.unwrap_or_default())).collect()
    }

    #[track_caller]
    pub(crate) fn told(events: &[(String, String)], reason: &str, message: &str) {
        assert!(events.iter().any(|(r, m)| r == reason && m == message), "{reason}: {message} is not in {events:#?}");
    }
}

pub(crate) fn merge(whole: &mut Value, part: Value) {
    for (key, value) in part.as_object().into_iter().flatten() {
        whole[key] = value.clone();
    }
}

pub(crate) fn phase(pod: &Pod) -> String {
    pod.status.as_ref().and_then(|status| status.phase.clone()).unwrap_or_default()
}

/// The status of a container by name, wherever it stands.
pub(crate) fn container(pod: &Pod, name: &str) -> ContainerStatus {
    let status = pod.status.clone().unwrap_or_default();
    let all = status.init_container_statuses.into_iter().chain(status.container_statuses).flatten();
    all.into_iter().find(|status| status.name == name).unwrap_or_default()
}

/// A container in short: `+` runs, `+!` is ready, a number has ended with it, a word waits for that reason; then its
/// restarts.
pub(crate) fn short(pod: &Pod, name: &str) -> String {
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

pub(crate) fn ready(pod: &Pod) -> PodCondition {
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.clone());
    conditions.into_iter().flatten().find(|condition| condition.type_ == "Ready").expect("Ready")
}

pub(crate) fn last_end(pod: &Pod, name: &str) -> ContainerStateTerminated {
    container(pod, name).last_state.and_then(|last| last.terminated).expect("it has ended before")
}

pub(crate) fn shell(script: &str) -> Value {
    json!({"command": ["sh", "-c", script]})
}
