//! An agent on a real API server in the same process.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::{SinkExt, StreamExt};
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::TokioIo;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{ConfigMap, Event, Node, Pod};
use kubekit_node::runtime::simulated::{self, Simulated};
use kubekit_node::runtime::{ContainerRuntime, Filter};
use kubekit_node::{Agent, AgentHandle, Config, NodeServer, agent};
use kubekit_runtime::environment::SystemClock;
use kubekit_runtime::{Api, Client, DeleteParams, ListParams, Patch, PatchParams};
use kubekit_server::identity::UserInfo;
use kubekit_server::{ApiServer, extractor};
use kubekit_store::Memory;
use serde_json::json;
use tokio::io::DuplexStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

/// A client of an API server, who may do everything.
pub(crate) async fn client() -> Client {
    Client::new(server().await.as_user(UserInfo::admin()))
}

async fn server() -> ApiServer {
    let store = Arc::new(Memory::new(extractor(), Default::default()));
    ApiServer::builder(store)
        .configure(|config| {
            config.disabled_admission.insert("ServiceAccount".into());
        })
        .build()
        .await
        .expect("a server")
}

/// A node with a running agent.
pub(crate) struct Fixture {
    pub(crate) client: Client,
    pub(crate) runtime: Arc<dyn ContainerRuntime>,
    pub(crate) handle: AgentHandle,
    pub(crate) config: Config,
    shutdown: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

impl Fixture {
    pub(crate) async fn start(client: Client, runtime: Arc<dyn ContainerRuntime>, config: Config) -> Self {
        let shutdown = CancellationToken::new();
        let agent = Agent::new(config.clone(), client.clone(), Arc::clone(&runtime));
        let (handle, running) = agent.start();
        let stop = shutdown.clone();
        let task = tokio::spawn(async move { running.run(stop).await.expect("the agent runs") });
        Self { client, runtime, handle, config, shutdown, task }
    }

    pub(crate) async fn simulated() -> Self {
        Self::with_client(client().await).await
    }

    async fn with_client(client: Client) -> Self {
        let mut config = config();
        config.pod_cidr = Some("10.7.0.0/24".into());
        Self::start(client, Arc::new(runtime()), config).await
    }

    /// Stops the agent; what runs keeps running.
    pub(crate) async fn stop(self) -> (Client, Arc<dyn ContainerRuntime>, Config) {
        self.shutdown.cancel();
        self.task.await.expect("the agent has ended");
        (self.client, self.runtime, self.config)
    }

    pub(crate) fn pods(&self) -> Api<Pod> {
        Api::namespaced(self.client.clone(), "default")
    }

    pub(crate) async fn create(&self, name: &str, spec: serde_json::Value) -> Pod {
        self.annotated(name, json!({}), spec).await
    }

    async fn annotated(&self, name: &str, annotations: serde_json::Value, mut spec: serde_json::Value) -> Pod {
        spec["nodeName"] = json!(self.config.node_name);
        let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "annotations": annotations}, "spec": spec});
        self.pods().create(&serde_json::from_value(pod).expect("a pod")).await.expect("created")
    }

    /// Waits until the pod is as wanted.
    pub(crate) async fn until(&self, name: &str, what: &str, wanted: impl Fn(&Pod) -> bool) -> Pod {
        let mut last = None;
        for _ in 0..1_200 {
            last = self.pods().get_opt(name).await.expect("readable");
            if let Some(pod) = last.as_ref().filter(|pod| wanted(pod)) {
                return pod.clone();
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!(
            "pod {name} is not {what}: {}",
            serde_json::to_string_pretty(&last.and_then(|p| p.status)).expect("json")
        );
    }

    pub(crate) async fn until_gone(&self, name: &str) {
        for _ in 0..1_200 {
            if self.pods().get_opt(name).await.expect("readable").is_none() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("pod {name} is still there");
    }

    pub(crate) async fn reasons(&self, name: &str) -> Vec<String> {
        let events = Api::<Event>::namespaced(self.client.clone(), "default");
        let all = events.list(&ListParams::default()).await.expect("events").items;
        let own = all.into_iter().filter(|event| event.involved_object.name.as_deref() == Some(name));
        own.filter_map(|event| event.reason).collect()
    }
}

fn runtime() -> Simulated {
    Simulated::new(simulated::Config::default(), Arc::new(SystemClock))
}

/// A node without a range of addresses.
fn config() -> Config {
    let mut config = Config::new("n1");
    config.addresses = vec!["192.0.2.1".into()];
    config.capacity = agent::machine::Capacity::of(4, 8 << 30);
    config
}

/// Whether the node's lease is renewed within 35 s; the node controller gives up a node after 50.
async fn renews(client: &Client) -> bool {
    let leases = Api::<Lease>::namespaced(client.clone(), "kube-node-lease");
    let version = async || leases.get("n1").await.expect("the lease").metadata.resource_version;
    let before = version().await;
    tokio::time::sleep(Duration::from_secs(35)).await;
    version().await != before
}

fn phase(pod: &Pod) -> &str {
    pod.status.as_ref().and_then(|status| status.phase.as_deref()).unwrap_or_default()
}

pub(crate) fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_ref());
    conditions.into_iter().flatten().any(|condition| condition.type_ == "Ready" && condition.status == "True")
}

pub(crate) fn first(pod: &Pod) -> k8s_openapi::api::core::v1::ContainerStatus {
    let statuses = pod.status.as_ref().and_then(|status| status.container_statuses.as_ref());
    statuses.and_then(|statuses| statuses.first()).cloned().unwrap_or_default()
}

pub(crate) fn waiting(pod: &Pod) -> String {
    first(pod).state.and_then(|state| state.waiting).and_then(|waiting| waiting.reason).unwrap_or_default()
}

fn container(more: serde_json::Value) -> serde_json::Value {
    let mut container = json!({"name": "a", "image": "busybox:1"});
    for (key, value) in more.as_object().into_iter().flatten() {
        container[key] = value.clone();
    }
    json!({"containers": [container], "terminationGracePeriodSeconds": 2})
}

#[tokio::test(flavor = "multi_thread")]
async fn the_node_is_registered_and_alive() {
    let fixture = Fixture::simulated().await;
    let nodes = Api::<Node>::all(fixture.client.clone());
    let leases = Api::<Lease>::namespaced(fixture.client.clone(), "kube-node-lease");
    for _ in 0..400 {
        let node = nodes.get_opt("n1").await.expect("readable");
        let lease = leases.get_opt("n1").await.expect("readable");
        if let (Some(node), Some(lease)) = (node, lease) {
            let status = node.status.expect("a status");
            let ready = status.conditions.expect("conditions").into_iter().find(|c| c.type_ == "Ready").expect("Ready");
            assert_eq!((ready.status.as_str(), ready.reason.as_deref()), ("True", Some("KubeletReady")));
            assert_eq!(status.capacity.expect("capacity")["cpu"].0, "4");
            assert_eq!(status.daemon_endpoints.expect("endpoints").kubelet_endpoint.expect("one").port, 10_250);
            assert_eq!(node.metadata.labels.expect("labels")["kubernetes.io/hostname"], "n1");
            let spec = lease.spec.expect("a spec");
            assert_eq!((spec.holder_identity.as_deref(), spec.lease_duration_seconds), (Some("n1"), Some(40)));
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("the node was not registered");
}

#[tokio::test(start_paused = true)]
async fn requests_that_hang_do_not_keep_the_lease_from_being_renewed() {
    let (server, hanging) = (server().await.as_user(UserInfo::admin()), Arc::new(AtomicBool::new(false)));
    let hangs = Arc::clone(&hanging);
    let service = tower::service_fn(move |request: http::Request<kubekit_runtime::Body>| {
        let (server, hangs) =
            (server.clone(), hangs.load(Ordering::SeqCst) && request.uri().path().contains("/nodes/"));
        async move {
            if hangs {
                std::future::pending::<()>().await;
            }
            server.oneshot(request).await
        }
    });
    let fixture = Fixture::with_client(Client::new(service)).await;
    tokio::time::sleep(Duration::from_secs(15)).await;
    hanging.store(true, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_secs(25)).await;
    assert!(renews(&fixture.client).await);
}

#[tokio::test(start_paused = true)]
async fn a_runtime_that_hangs_does_not_keep_the_lease_from_being_renewed() {
    let runtime = runtime();
    let fixture = Fixture::start(client().await, Arc::new(runtime.clone()), config()).await;
    tokio::time::sleep(Duration::from_secs(15)).await;
    runtime.set_hanging(true);
    // From now on, the runtime is to be told of the range.
    let patch = Patch::Merge(json!({"spec": {"podCIDR": "10.7.0.0/24", "podCIDRs": ["10.7.0.0/24"]}}));
    let nodes = Api::<Node>::all(fixture.client.clone());
    nodes.patch("n1", &PatchParams::default(), &patch).await.expect("a range");
    tokio::time::sleep(Duration::from_secs(25)).await;
    assert!(renews(&fixture.client).await);
}

#[tokio::test(start_paused = true)]
async fn a_pod_whose_worker_has_panicked_gets_another() {
    let (server, panics) = (server().await.as_user(UserInfo::admin()), Arc::new(AtomicBool::new(true)));
    let panicking = Arc::clone(&panics);
    let service = tower::service_fn(move |request: http::Request<kubekit_runtime::Body>| {
        let (server, panics) = (server.clone(), Arc::clone(&panicking));
        async move {
            let is_report = request.uri().path().ends_with("/pods/unlucky/status");
            assert!(!(is_report && panics.swap(false, Ordering::SeqCst)), "as a mistake in a worker would");
            server.oneshot(request).await
        }
    });
    let fixture = Fixture::with_client(Client::new(service)).await;
    fixture.create("unlucky", container(json!({}))).await;
    fixture.until("unlucky", "to run all the same", is_ready).await;
    assert!(!panics.load(Ordering::SeqCst), "its first report made the worker panic");
    assert_eq!(
        fixture.runtime.list_sandboxes(&Filter::default()).await.expect("a list").len(),
        1,
        "taken up, not made again"
    );
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_runs_and_goes() {
    let fixture = Fixture::simulated().await;
    fixture.create("web", container(json!({}))).await;
    let pod = fixture.until("web", "ready", is_ready).await;
    assert_eq!(phase(&pod), "Running");
    let status = pod.status.as_ref().expect("a status");
    assert_eq!((status.pod_ip.as_deref(), status.host_ip.as_deref()), (Some("10.7.0.2"), Some("192.0.2.1")));
    assert!(first(&pod).container_id.expect("an id").starts_with("simulated://"));
    fixture.pods().delete("web", &DeleteParams::default()).await.expect("deleted");
    fixture.until_gone("web").await;
    assert!(fixture.runtime.list_sandboxes(&Filter::default()).await.expect("a list").is_empty());
    assert!(fixture.runtime.list_containers(&Filter::default()).await.expect("a list").is_empty());
    for wanted in ["Pulled", "Created", "Started", "Killing"] {
        let mut reasons = Vec::new();
        for _ in 0..200 {
            reasons = fixture.reasons("web").await;
            if reasons.iter().any(|reason| reason == wanted) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        assert!(reasons.iter().any(|reason| reason == wanted), "{wanted} is not among {reasons:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_end_and_crashes_back_off() {
    let fixture = Fixture::simulated().await;
    let mut once = container(json!({"command": ["sh", "-c", "echo done; exit 0"]}));
    once["restartPolicy"] = json!("Never");
    fixture.create("once", once).await;
    fixture.create("crash", container(json!({"command": ["false"]}))).await;
    fixture.until("once", "succeeded", |pod| phase(pod) == "Succeeded").await;
    let pod = fixture.until("crash", "in a crash loop", |pod| waiting(pod) == "CrashLoopBackOff").await;
    assert_eq!(phase(&pod), "Running");
    let seen = first(&pod);
    assert_eq!(seen.restart_count, 1);
    let waiting = seen.state.and_then(|state| state.waiting).and_then(|waiting| waiting.message).expect("a message");
    assert!(waiting.starts_with("back-off 10s restarting failed container=a pod=crash_default("), "{waiting}");
    assert_eq!(seen.last_state.and_then(|state| state.terminated).expect("an end").exit_code, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_config_map_blocks_until_it_is_there() {
    let fixture = Fixture::simulated().await;
    let env = json!([{"name": "X", "valueFrom": {"configMapKeyRef": {"name": "cm", "key": "x"}}}]);
    fixture.create("waits", container(json!({"env": env}))).await;
    let pod = fixture.until("waits", "blocked", |pod| waiting(pod) == "CreateContainerConfigError").await;
    let message = first(&pod).state.and_then(|state| state.waiting).and_then(|waiting| waiting.message);
    assert_eq!(message.as_deref(), Some("configmap \"cm\" not found"));
    let object = json!({"metadata": {"name": "cm"}, "data": {"x": "1"}});
    let config_maps = Api::<ConfigMap>::namespaced(fixture.client.clone(), "default");
    config_maps.create(&serde_json::from_value(object).expect("a ConfigMap")).await.expect("created");
    fixture.until("waits", "ready", is_ready).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn probes_decide_readiness_and_life() {
    let fixture = Fixture::simulated().await;
    let probe = json!({"httpGet": {"port": 80}, "periodSeconds": 1, "failureThreshold": 1});
    let annotations =
        json!({"simulated.kubekit.io/readiness": "ok-after=1s", "simulated.kubekit.io/liveness": "fail-after=3s"});
    let spec = container(json!({"readinessProbe": probe, "livenessProbe": probe}));
    fixture.annotated("probed", annotations, spec).await;
    fixture.until("probed", "running and not ready", |pod| phase(pod) == "Running" && !is_ready(pod)).await;
    let pod = fixture.until("probed", "ready", is_ready).await;
    let ready = pod.status.and_then(|status| status.conditions).into_iter().flatten().find(|c| c.type_ == "Ready");
    assert_eq!(ready.and_then(|ready| ready.reason), None, "why it was not ready is told no longer");
    fixture.until("probed", "restarted", |pod| first(pod).restart_count == 1).await;
}

/// As the node controller does to the pods of a node that was silent for less time than they tolerate.
#[tokio::test(flavor = "multi_thread")]
async fn a_pod_that_was_marked_as_not_ready_is_ready_again() {
    let fixture = Fixture::simulated().await;
    fixture.create("web", container(json!({}))).await;
    let pod = fixture.until("web", "ready", is_ready).await;
    // At once, so that the agent sees this without having seen what it wrote itself; then once more.
    for _ in 0..2 {
        let unready = json!({"status": {"conditions": [{"type": "Ready", "status": "False"}]}});
        let marked = fixture.pods().patch_status("web", &PatchParams::default(), &Patch::Strategic(unready)).await;
        let marked = marked.expect("marked");
        assert!(!is_ready(&marked) && marked.metadata.uid == pod.metadata.uid);
        let again = fixture.until("web", "ready again", is_ready).await;
        assert_eq!(first(&again).restart_count, 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_agent_adopts_what_runs_and_ends_what_is_orphaned() {
    let fixture = Fixture::simulated().await;
    fixture.create("stays", container(json!({}))).await;
    fixture.create("goes", container(json!({}))).await;
    let before = first(&fixture.until("stays", "ready", is_ready).await);
    fixture.until("goes", "ready", is_ready).await;
    let (client, runtime, config) = fixture.stop().await;
    let pods = Api::<Pod>::namespaced(client.clone(), "default");
    pods.delete("goes", &DeleteParams::default().grace_period_seconds(0)).await.expect("deleted by force");
    assert_eq!(
        runtime.list_sandboxes(&Filter::default()).await.expect("a list").len(),
        2,
        "containers outlive the agent"
    );
    let fixture = Fixture::start(client, runtime, config).await;
    for _ in 0..400 {
        if fixture.runtime.list_sandboxes(&Filter::default()).await.expect("a list").len() == 1 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    assert_eq!(fixture.runtime.list_sandboxes(&Filter::default()).await.expect("a list").len(), 1);
    let after = first(&fixture.until("stays", "ready", is_ready).await);
    assert_eq!((after.container_id, after.restart_count), (before.container_id, 0));
}

/// The answer of the node's server to a request of this method, over a connection in memory.
pub(crate) async fn answer(server: &NodeServer, method: &str, path: &str) -> http::Response<hyper::body::Incoming> {
    let (ours, theirs) = tokio::io::duplex(65_536);
    let server = server.clone();
    tokio::spawn(async move { server.serve_connection(theirs).await });
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(ours)).await.expect("a connection");
    tokio::spawn(connection);
    let request = http::Request::builder().method(method).uri(path).header("Host", "node");
    let request = request.body(Empty::<bytes::Bytes>::new()).expect("a request");
    sender.send_request(request).await.expect("an answer")
}

/// What the node's server has at a path.
pub(crate) async fn get(server: &NodeServer, path: &str) -> (u16, String) {
    let answer = answer(server, "GET", path).await;
    let status = answer.status().as_u16();
    let body = answer.into_body().collect().await.expect("a body").to_bytes();
    (status, String::from_utf8_lossy(&body).into_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_and_commands_through_the_nodes_server() {
    let fixture = Fixture::simulated().await;
    let server = NodeServer::default();
    server.add(fixture.handle.clone());
    let command = json!(["sh", "-c", "echo one; echo two >&2; sleep 3600"]);
    fixture.create("talks", container(json!({"command": command}))).await;
    fixture.until("talks", "ready", is_ready).await;
    assert_eq!(get(&server, "/healthz").await, (200, "ok".into()));
    assert_eq!(get(&server, "/containerLogs/default/talks/a").await, (200, "one\ntwo\n".into()));
    assert_eq!(get(&server, "/containerLogs/default/talks/a?tailLines=1").await, (200, "two\n".into()));
    assert_eq!(get(&server, "/containerLogs/default/absent/a").await.0, 404);
    assert_eq!(get(&server, "/exec/default/talks/a?command=ls&output=1").await.0, 400, "no upgrade was asked for");

    let mut socket = cat(&server).await;
    socket.send(Message::Binary(b"\x00hello".to_vec().into())).await.expect("sent");
    socket.send(Message::Binary(vec![255, 0].into())).await.expect("sent");
    let mut seen = Vec::new();
    while let Some(Ok(message)) = socket.next().await {
        if let Message::Binary(data) = message {
            seen.push((data[0], String::from_utf8_lossy(&data[1..]).into_owned()));
        }
    }
    assert_eq!(seen[0], (1, "hello".into()));
    assert_eq!(seen[1].0, 3);
    assert!(seen[1].1.contains("\"Success\""), "{}", seen[1].1);

    let mut socket = cat(&server).await;
    socket.send(Message::Binary(b"\x00hello".to_vec().into())).await.expect("sent");
    assert!(matches!(socket.next().await, Some(Ok(Message::Binary(_)))));
    drop(server);
    assert!(!matches!(socket.next().await, Some(Ok(_))), "a conversation ends with the server");
}

/// Begins a conversation with `cat` in the pod `talks`.
async fn cat(server: &NodeServer) -> WebSocketStream<DuplexStream> {
    let (ours, theirs) = tokio::io::duplex(65_536);
    let serving = server.clone();
    tokio::spawn(async move { serving.serve_connection(theirs).await });
    let uri = "ws://node/exec/default/talks/a?command=cat&input=1&output=1";
    let mut request = uri.into_client_request().expect("a request");
    request.headers_mut().insert("Sec-WebSocket-Protocol", "v5.channel.k8s.io".parse().expect("a header"));
    tokio_tungstenite::client_async(request, ours).await.expect("an upgrade").0
}
