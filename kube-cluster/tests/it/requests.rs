//! What the start of a pod costs: the requests of each component, counted. A guard of the cost that no clock disturbs.

use crate::{deployment, eventually};
use http::Request;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Node;
use kubekit_controllers::run_all;
use kubekit_node::agent::machine::Capacity;
use kubekit_node::runtime::simulated::{self, Simulated};
use kubekit_node::{Agent, agent};
use kubekit_runtime::environment::{Environment, SeededRandom, TokioClock};
use kubekit_runtime::{Api, Body, Client, ListParams};
use kubekit_sched::driver::{self, Driver};
use kubekit_server::identity::UserInfo;
use kubekit_server::{ApiServer, extractor, store_config};
use kubekit_store::Memory;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tower::ServiceBuilder;

const NODES: usize = 3;
const PODS: usize = 10;

/// How often each component asked for what, as `scheduler POST pods/binding`.
type Counts = BTreeMap<String, usize>;

/// The parts of a cluster, each with a client that counts.
struct Parts {
    server: ApiServer,
    counts: Arc<Mutex<Counts>>,
    environment: Environment,
    tasks: JoinSet<()>,
    shutdown: CancellationToken,
}

impl Parts {
    async fn new() -> Self {
        let clock = Arc::new(TokioClock::starting_at("2026-01-01T00:00:00Z".parse().unwrap()));
        let store = Arc::new(Memory::new(extractor(), store_config()));
        let server = ApiServer::builder(store).clock(Arc::clone(&clock) as _).build().await.unwrap();
        let environment = Environment { clock, random: Arc::new(SeededRandom::new(1)) };
        let (tasks, shutdown) = (JoinSet::new(), CancellationToken::new());
        Self { server, counts: Arc::default(), environment, tasks, shutdown }
    }

    fn start(&mut self) {
        let (server, counts) = (self.server.clone(), Arc::clone(&self.counts));
        let clients = move |_: &str| counting(&server, &counts, "controllers");
        let (environment, shutdown) = (self.environment.clone(), self.shutdown.clone());
        let mut config = kubekit_controllers::Config::default();
        // Pods wait for the certificates, whatever is in them.
        "certificates".clone_into(&mut config.root_ca);
        self.tasks.spawn(async move { run_all(config, &clients, environment, shutdown).await.unwrap() });
        let client = counting(&self.server, &self.counts, "scheduler");
        let driver = Driver::new(client, driver::Config::default(), self.environment.clone());
        let running = driver.run(self.shutdown.clone());
        self.tasks.spawn(async move { running.await.unwrap() });
        for number in 0..NODES {
            let node_name = format!("node-{number}");
            let runtime = simulated::Config { node_name: node_name.clone(), ..simulated::Config::default() };
            let runtime = Arc::new(Simulated::new(runtime, Arc::clone(&self.environment.clock)));
            let mut config = agent::Config::new(node_name);
            config.capacity = Capacity::of(8, 32 << 30);
            config.addresses = vec!["192.0.2.1".to_owned()];
            let client = counting(&self.server, &self.counts, "agents");
            let agent = Agent::with(config, client, runtime, self.environment.clone(), None);
            let shutdown = self.shutdown.clone();
            self.tasks.spawn(async move { agent.run(shutdown).await.unwrap() });
        }
    }

    fn client(&self) -> Client {
        Client::new(self.server.as_user(UserInfo::admin()))
    }
}

fn counting(server: &ApiServer, counts: &Arc<Mutex<Counts>>, who: &'static str) -> Client {
    let counts = Arc::clone(counts);
    let count = move |request: Request<Body>| {
        *counts.lock().entry(format!("{who} {} {}", request.method(), resource(request.uri().path()))).or_default() +=
            1;
        request
    };
    Client::new(ServiceBuilder::new().map_request(count).service(server.as_user(UserInfo::admin())))
}

/// `pods/binding` for `/api/v1/namespaces/default/pods/web/binding`.
fn resource(path: &str) -> String {
    let mut parts: Vec<&str> = path.split('/').skip(if path.starts_with("/api/") { 3 } else { 4 }).collect();
    if parts.len() > 2 && parts[0] == "namespaces" {
        parts.drain(..2);
    }
    let subresource = parts.get(2).map_or_else(String::new, |name| format!("/{name}"));
    format!("{}{subresource}", parts.first().unwrap_or(&""))
}

#[test]
fn paths_are_read() {
    assert_eq!(resource("/api/v1/namespaces/default/pods/web/binding"), "pods/binding");
    assert_eq!(resource("/api/v1/nodes/n/status"), "nodes/status");
    assert_eq!(resource("/apis/apps/v1/namespaces/default/deployments"), "deployments");
}

#[tokio::test(start_paused = true)]
async fn the_start_of_a_pod_costs_few_requests() {
    let mut parts = Parts::new().await;
    parts.start();
    let nodes = Api::<Node>::all(parts.client());
    eventually("the nodes are ready", async || {
        let items = nodes.list(&ListParams::default()).await.unwrap().items;
        let ready = items.iter().flat_map(|node| node.status.iter().flat_map(|s| s.conditions.iter().flatten()));
        ready.filter(|condition| condition.type_ == "Ready" && condition.status == "True").count() == NODES
    })
    .await;
    tokio::time::sleep(std::time::Duration::from_secs(60)).await;
    parts.counts.lock().clear();

    let deployments = Api::<Deployment>::namespaced(parts.client(), "default");
    deployments.create(&deployment("web", i32::try_from(PODS).unwrap())).await.unwrap();
    eventually("the pods run", async || {
        let status = deployments.get("web").await.unwrap().status.unwrap_or_default();
        status.available_replicas == i32::try_from(PODS).ok() && status.observed_generation == Some(1)
    })
    .await;
    tokio::time::sleep(std::time::Duration::from_secs(5)).await;

    let mut counts = parts.counts.lock().clone();
    // Nodes say that they live, whatever their pods do.
    counts.retain(|what, _| !what.contains(" leases") && !what.contains(" nodes"));
    for (what, at_most) in [
        ("controllers POST replicasets", 1),
        ("controllers POST pods", PODS),
        ("scheduler POST pods/binding", PODS),
        ("agents PATCH pods/status", PODS),
        // Whether the certificates are there that a pod's token is used with.
        ("agents GET configmaps", PODS),
        ("scheduler POST events", PODS),
        // Pulling, Pulled, Created, Started.
        ("agents POST events", 4 * PODS),
        // ScalingReplicaSet, and SuccessfulCreate of each pod, of which the tenth is combined with others.
        ("controllers POST events", 1 + PODS),
        // Each pass that sees another number of pods.
        ("controllers PUT replicasets/status", PODS),
        ("controllers PUT deployments/status", PODS),
    ] {
        let count = counts.remove(what).unwrap_or_default();
        assert!(count > 0 && count <= at_most, "{what}: {count}, not 1 to {at_most}");
    }
    assert!(counts.keys().all(|what| what.contains(" GET ")), "requests that nobody expects: {counts:?}");
    let gets: usize = counts.values().sum();
    assert!(gets <= PODS, "a start reads little but what is watched: {counts:?}");
    parts.shutdown.cancel();
    while parts.tasks.join_next().await.is_some() {}
}
