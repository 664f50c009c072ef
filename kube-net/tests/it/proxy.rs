//! A proxy on a real API server in the same process. The clock is paused: time passes when everybody waits.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use k8s_openapi::api::core::v1::{Node, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kubekit_net::applier::{ApplyError, Recorded};
use kubekit_net::{Applier, Config, Proxy, Simulated};
use kubekit_runtime::{Api, Client, DeleteParams, Patch, PatchParams};
use kubekit_server::identity::UserInfo;
use kubekit_server::{ApiServer, extractor};
use kubekit_store::Memory;
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Refuses as often as it is told to, and records the rest.
#[derive(Debug, Default)]
struct Faulty {
    refusals: AtomicUsize,
    recorded: Recorded,
}

#[async_trait]
impl Applier for Faulty {
    async fn apply(&self, transaction: &str) -> Result<(), ApplyError> {
        if self.refusals.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok() {
            return Err(ApplyError::Refused { program: "nft".into(), message: "busy".into() });
        }
        self.recorded.apply(transaction).await
    }
}

struct Fixture {
    client: Client,
    applier: Arc<Faulty>,
    shutdown: CancellationToken,
    task: JoinHandle<()>,
}

impl Fixture {
    /// A proxy on a server with the Service `web` and one endpoint; its first rules are there.
    async fn start() -> Self {
        let store = Arc::new(Memory::new(extractor(), Default::default()));
        let server = ApiServer::builder(store).build().await.unwrap();
        let client = Client::new(server.as_user(UserInfo::admin()));
        let (applier, shutdown) = (Arc::new(Faulty::default()), CancellationToken::new());
        let fixture = Self { client, applier, shutdown, task: tokio::spawn(async {}) };
        fixture.service("web", "10.96.1.10").await;
        fixture.slice(&["10.244.0.2"]).await;
        fixture.proxied().await
    }

    async fn proxied(mut self) -> Self {
        let proxy =
            Proxy::new(self.client.clone(), Config::new("here"), Arc::new(Simulated), Arc::clone(&self.applier) as _);
        let shutdown = self.shutdown.clone();
        self.task = tokio::spawn(async move { proxy.run(shutdown).await });
        self.settle().await;
        self
    }

    /// Gives what is on its way the time to arrive: more than the proxy gathers for, less than it waits after a failure.
    async fn settle(&self) {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }

    async fn service(&self, name: &str, ip: &str) {
        let service = json!({"metadata": {"name": name}, "spec": {"clusterIP": ip, "ports": [{"port": 80}]}});
        let api = Api::<Service>::namespaced(self.client.clone(), "default");
        api.create(&serde_json::from_value(service).unwrap()).await.unwrap();
    }

    /// Makes the endpoints of `web` these.
    async fn slice(&self, addresses: &[&str]) {
        self.endpoints(addresses.iter().map(|address| json!({"addresses": [address]})).collect()).await;
    }

    async fn endpoints(&self, endpoints: Vec<Value>) {
        let slice = json!({
            "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
            "metadata": {"name": "web-1", "labels": {"kubernetes.io/service-name": "web"}},
            "addressType": "IPv4", "endpoints": endpoints, "ports": [{"name": "", "port": 8080, "protocol": "TCP"}],
        });
        let api = Api::<EndpointSlice>::namespaced(self.client.clone(), "default");
        let params = PatchParams { field_manager: "test".into(), ..PatchParams::default() };
        api.patch("web-1", &params, &Patch::Apply(slice)).await.unwrap();
    }

    fn transactions(&self) -> Vec<String> {
        self.applier.recorded.transactions()
    }
}

const WHOLE: &str = "clear\n+ 10.96.1.10 tcp 80 > 10.244.0.2:8080\n";

#[tokio::test(start_paused = true)]
async fn a_burst_of_changes_is_one_transaction_with_what_differs() {
    let fixture = Fixture::start().await;
    let own: Vec<String> = fixture.transactions();
    assert_eq!(own.len(), 1, "{own:?}");
    assert!(own[0].contains(&WHOLE["clear\n".len()..]), "{own:?}");
    fixture.slice(&["10.244.0.2", "10.244.0.3"]).await;
    fixture.slice(&["10.244.0.3"]).await;
    fixture.service("api", "10.96.1.11").await;
    fixture.settle().await;
    let all = fixture.transactions();
    let expected = "- 10.96.1.10 tcp 80\n+ 10.96.1.10 tcp 80 > 10.244.0.3:8080\n+ 10.96.1.11 tcp 80 > \n";
    assert_eq!(all[1..], [expected]);
}

#[tokio::test(start_paused = true)]
async fn what_changes_no_rule_is_no_transaction() {
    let fixture = Fixture::start().await;
    let services = Api::<Service>::namespaced(fixture.client.clone(), "default");
    let touched = Patch::Merge(json!({"metadata": {"annotations": {"a": "b"}}}));
    services.patch("web", &PatchParams::default(), &touched).await.unwrap();
    fixture.slice(&["10.244.0.2"]).await;
    fixture.settle().await;
    assert_eq!(fixture.transactions().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_zone_of_the_node_says_whose_endpoints_get_traffic() {
    let fixture = Fixture::start().await;
    let hinted = |ip: &str, zone: &str| json!({"addresses": [ip], "hints": {"forZones": [{"name": zone}]}});
    fixture.endpoints(vec![hinted("10.244.0.2", "a"), hinted("10.244.0.3", "b")]).await;
    let nodes = Api::<Node>::all(fixture.client.clone());
    let node = json!({"metadata": {"name": "here", "labels": {"topology.kubernetes.io/zone": "b"}}});
    nodes.create(&serde_json::from_value(node).unwrap()).await.unwrap();
    fixture.settle().await;
    assert!(fixture.transactions().last().unwrap().ends_with("+ 10.96.1.10 tcp 80 > 10.244.0.3:8080\n"));
    let moved = Patch::Merge(json!({"metadata": {"labels": {"topology.kubernetes.io/zone": "a"}}}));
    nodes.patch("here", &PatchParams::default(), &moved).await.unwrap();
    fixture.settle().await;
    let all = fixture.transactions();
    assert!(all.last().unwrap().ends_with("+ 10.96.1.10 tcp 80 > 10.244.0.2:8080\n"), "{all:?}");
}

#[tokio::test(start_paused = true)]
async fn after_a_failure_everything_is_replaced() {
    let fixture = Fixture::start().await;
    fixture.applier.refusals.store(2, Ordering::SeqCst);
    let services = Api::<Service>::namespaced(fixture.client.clone(), "default");
    services.delete("web", &DeleteParams::default()).await.unwrap();
    fixture.settle().await;
    assert_eq!(fixture.transactions().len(), 1, "it was refused");
    tokio::time::sleep(Duration::from_secs(5)).await;
    let all = fixture.transactions();
    assert_eq!(all.len(), 2, "{all:?}");
    // What the kernel has after a failure is not known.
    assert!(all[1].starts_with("clear\n") && !all[1].contains("10.96.1.10 "), "{all:?}");
}

#[tokio::test(start_paused = true)]
async fn every_hour_the_rules_are_replaced_whatever_others_did_to_them() {
    let fixture = Fixture::start().await;
    tokio::time::sleep(Duration::from_secs(3_601)).await;
    let all = fixture.transactions();
    assert_eq!(all.len(), 2, "{all:?}");
    assert_eq!(all[0], all[1]);
}

#[tokio::test(start_paused = true)]
async fn rules_stay_when_the_proxy_ends_and_go_when_they_are_cleaned_up() {
    let fixture = Fixture::start().await;
    fixture.shutdown.cancel();
    fixture.task.await.unwrap();
    assert_eq!(fixture.applier.recorded.transactions().len(), 1);
    let applier = Arc::clone(&fixture.applier);
    let proxy = Proxy::new(fixture.client, Config::new("here"), Arc::new(Simulated), applier);
    proxy.clean_up().await.unwrap();
    assert_eq!(fixture.applier.recorded.transactions()[1..], ["clear\n"]);
}
