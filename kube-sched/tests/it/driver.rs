//! The driver against a real API server in the same process.

use k8s_openapi::api::core::v1::{Node, Pod};
use kubekit_runtime::environment::Environment;
use kubekit_runtime::{Api, Client, DeleteParams, ListParams};
use kubekit_sched::driver::{Config, Driver, Metrics};
use kubekit_server::ApiServer;
use kubekit_server::identity::UserInfo;
use kubekit_store::Memory;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub(crate) struct Rig {
    server: ApiServer,
    stop: CancellationToken,
    drivers: Vec<JoinHandle<()>>,
    metrics: Vec<Metrics>,
}

impl Rig {
    pub(crate) async fn new(drivers: usize) -> Self {
        Self::with(vec![Config::default(); drivers]).await
    }

    /// A server with one driver for each configuration.
    pub(crate) async fn with(configs: Vec<Config>) -> Self {
        let store = Memory::new(kubekit_server::extractor(), kubekit_store::Config::default());
        let server = ApiServer::builder(Arc::new(store)).build().await.expect("a server over an empty store");
        let mut rig = Self { server, stop: CancellationToken::new(), drivers: Vec::new(), metrics: Vec::new() };
        for config in configs {
            rig.start_driver(config);
        }
        rig
    }

    pub(crate) fn start_driver(&mut self, config: Config) {
        let client = Client::new(self.server.as_user(UserInfo::new("system:kube-scheduler", [""; 0])));
        let driver = Driver::new(client, config, Environment::system());
        self.metrics.push(driver.metrics());
        let running = driver.run(self.stop.clone());
        self.drivers.push(tokio::spawn(async move { running.await.expect("extenders can be set up") }));
    }

    async fn stop_drivers(&mut self) {
        std::mem::take(&mut self.stop).cancel();
        for driver in self.drivers.drain(..) {
            driver.await.expect("a driver ends without a panic");
        }
    }

    pub(crate) fn admin(&self) -> Client {
        Client::new(self.server.as_user(UserInfo::admin()))
    }

    pub(crate) fn pods(&self) -> Api<Pod> {
        Api::namespaced(self.admin(), "default")
    }

    pub(crate) async fn add_node(&self, name: &str, cpu: &str) {
        let nodes: Api<Node> = Api::all(self.admin());
        let mut node = nodes.create(&parse(json!({"metadata": {"name": name}}))).await.expect("a node");
        // A new node is tainted until it is ready; here nobody takes the taint away.
        node.spec = None;
        nodes.replace(&node).await.expect("no taints");
        self.set_cpu(name, cpu).await;
    }

    async fn set_cpu(&self, name: &str, cpu: &str) {
        let nodes: Api<Node> = Api::all(self.admin());
        let mut node = nodes.get(name).await.expect("a node");
        node.status = parse(json!({"allocatable": {"cpu": cpu, "memory": "8Gi", "pods": "110"}}));
        node.metadata.resource_version = None;
        nodes.replace_status(&node).await.expect("a status");
    }

    pub(crate) async fn add_pod(&self, name: &str, cpu: &str, priority: Option<i32>) {
        let pod = json!({"metadata": {"name": name}, "spec": {"containers": [
            {"name": "c", "image": "i", "resources": {"requests": {"cpu": cpu}}}]}});
        let mut pod: Pod = parse(pod);
        if priority.is_some() {
            let spec = pod.spec.as_mut().expect("it has one");
            spec.priority_class_name = Some("system-node-critical".to_owned());
        }
        self.pods().create(&pod).await.expect("a pod");
    }

    pub(crate) async fn list(&self) -> Vec<Pod> {
        self.pods().list(&ListParams::default()).await.expect("a list").items
    }

    /// Waits until every pod is as `done` says; gives the pods.
    pub(crate) async fn until(&self, what: &str, done: impl Fn(&[Pod]) -> bool) -> Vec<Pod> {
        let wait = async {
            loop {
                let pods = self.list().await;
                if done(&pods) {
                    return pods;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), wait).await.unwrap_or_else(|_| panic!("did not happen: {what}"))
    }

    /// What the first driver measures.
    pub(crate) fn metrics(&self) -> String {
        self.metrics[0].text()
    }

    pub(crate) async fn finish(mut self) {
        self.stop_drivers().await;
    }
}

/// Waits until something is so that no object shows.
pub(crate) async fn until(what: &str, is_so: impl Fn() -> bool) {
    let wait = async {
        while !is_so() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), wait).await.unwrap_or_else(|_| panic!("did not happen: {what}"));
}

pub(crate) fn parse<T: serde::de::DeserializeOwned>(json: Value) -> T {
    serde_json::from_value(json).expect("the test's object")
}

pub(crate) fn node_of(pod: &Pod) -> Option<&str> {
    pod.spec.as_ref()?.node_name.as_deref()
}

pub(crate) fn condition(pod: &Pod) -> Option<(&str, &str, &str)> {
    let condition = pod.status.as_ref()?.conditions.as_ref()?.iter().find(|c| c.type_ == "PodScheduled")?;
    Some((
        &condition.status,
        condition.reason.as_deref().unwrap_or_default(),
        condition.message.as_deref().unwrap_or_default(),
    ))
}

#[tokio::test]
async fn pods_are_bound_and_those_that_fit_nowhere_say_why() {
    let rig = Rig::new(1).await;
    rig.add_node("a", "2").await;
    rig.add_node("b", "2").await;
    for i in 0..4 {
        rig.add_pod(&format!("fits-{i}"), "1", None).await;
    }
    let pods = rig.until("four pods are bound", |pods| pods.iter().filter_map(node_of).count() == 4).await;
    let on_a = pods.iter().filter(|pod| node_of(pod) == Some("a")).count();
    assert_eq!(on_a, 2, "they are spread");
    rig.add_pod("late", "1", None).await;
    let pods = rig
        .until("the fifth says why not", |pods| pods.iter().any(|pod| condition(pod).is_some_and(|c| c.0 == "False")))
        .await;
    let late = pods.iter().find(|pod| pod.metadata.name.as_deref() == Some("late")).expect("it is there");
    let (_, reason, message) = condition(late).expect("it says why");
    assert_eq!(reason, "Unschedulable");
    assert!(message.starts_with("0/2 nodes are available: 2 Insufficient cpu."), "{message}");
    rig.add_node("c", "2").await;
    rig.until("a new node takes it", |pods| pods.iter().all(|pod| node_of(pod).is_some())).await;
    rig.finish().await;
}

#[tokio::test]
async fn two_drivers_never_bind_one_pod_twice() {
    let rig = Rig::new(2).await;
    for i in 0..5 {
        rig.add_node(&format!("n{i}"), "8").await;
    }
    for i in 0..20 {
        rig.add_pod(&format!("p{i}"), "1", None).await;
    }
    rig.until("all are bound", |pods| pods.len() == 20 && pods.iter().all(|pod| node_of(pod).is_some())).await;
    // Both tried; the API server took each binding once. Room is plenty: two drivers may overcommit a node between them.
    until("twenty bindings are counted", || scheduled(&rig) >= 20).await;
    let metrics = rig.metrics.clone();
    rig.finish().await;
    assert_eq!(metrics.iter().map(scheduled_by).sum::<usize>(), 20);
}

/// How many pods a driver has bound, by its own account.
fn scheduled_by(metrics: &Metrics) -> usize {
    let name = "scheduler_schedule_attempts_total{result=\"scheduled\",profile=\"default-scheduler\"} ";
    metrics.text().lines().find_map(|line| line.strip_prefix(name)?.parse().ok()).unwrap_or(0)
}

fn scheduled(rig: &Rig) -> usize {
    rig.metrics.iter().map(scheduled_by).sum()
}

#[tokio::test]
async fn a_driver_that_starts_again_knows_what_runs() {
    let mut rig = Rig::new(1).await;
    rig.add_node("a", "2").await;
    rig.add_pod("before", "1", None).await;
    rig.until("it is bound", |pods| pods.iter().all(|pod| node_of(pod) == Some("a"))).await;
    rig.stop_drivers().await;
    rig.add_pod("large", "2", None).await;
    rig.add_pod("small", "1", None).await;
    rig.start_driver(Config::default());
    let named = |pods: &[Pod], name: &str| pods.iter().position(|pod| pod.metadata.name.as_deref() == Some(name));
    let pods = rig
        .until("the small one is bound, and the large one says why not", |pods| {
            let at = |name| named(pods, name).map(|i| &pods[i]);
            at("small").and_then(node_of).is_some() && at("large").and_then(condition).is_some()
        })
        .await;
    let large = &pods[named(&pods, "large").expect("it is there")];
    assert_eq!(node_of(large), None);
    assert!(condition(large).expect("it says why").2.starts_with("0/1 nodes are available: 1 Insufficient cpu."));
    rig.finish().await;
}

#[tokio::test]
async fn metrics_tell_what_waits_and_what_was_done() {
    let rig = Rig::new(1).await;
    rig.add_node("a", "1").await;
    rig.add_pod("fits", "1", None).await;
    rig.until("it is bound", |pods| pods.iter().all(|pod| node_of(pod).is_some())).await;
    rig.add_pod("waits", "1", None).await;
    rig.until("it says why", |pods| pods.iter().any(|pod| condition(pod).is_some_and(|c| c.0 == "False"))).await;
    let expected = [
        "scheduler_schedule_attempts_total{result=\"scheduled\",profile=\"default-scheduler\"} 1",
        "scheduler_pending_pods{queue=\"unschedulable\"} 1",
        "scheduler_pending_pods{queue=\"active\"} 0",
        "scheduler_cache_size{type=\"nodes\"} 1",
        "scheduler_cache_size{type=\"pods\"} 1",
        "scheduler_pod_scheduling_sli_duration_seconds_count{attempts=\"1\"} 1",
        "scheduler_preemption_attempts_total 1",
    ];
    let told = async {
        loop {
            let text = rig.metrics[0].text();
            if expected.iter().all(|line| text.lines().any(|known| known == *line)) {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    let in_time = tokio::time::timeout(Duration::from_secs(60), told).await;
    assert!(in_time.is_ok(), "{}", rig.metrics[0].text());
    rig.finish().await;
}

#[tokio::test]
async fn an_important_pod_takes_the_place_of_a_lesser_one() {
    let rig = Rig::new(1).await;
    rig.add_node("a", "1").await;
    rig.add_pod("lesser", "1", None).await;
    rig.until("the lesser is bound", |pods| pods.iter().all(|pod| node_of(pod).is_some())).await;
    rig.add_pod("greater", "1", Some(1)).await;
    rig.until("the lesser is being deleted", |pods| {
        pods.iter()
            .all(|pod| pod.metadata.name.as_deref() != Some("lesser") || pod.metadata.deletion_timestamp.is_some())
    })
    .await;
    // Nobody runs the pod here, so that nobody else confirms its end.
    let now = DeleteParams { grace_period_seconds: Some(0), ..DeleteParams::default() };
    let _ = rig.pods().delete("lesser", &now).await;
    rig.until("the greater is bound", |pods| {
        pods.iter().any(|pod| pod.metadata.name.as_deref() == Some("greater") && node_of(pod) == Some("a"))
    })
    .await;
    rig.finish().await;
}

#[tokio::test]
async fn a_node_that_a_pod_does_not_fit_on_any_more_is_promised_to_it_no_more() {
    let rig = Rig::new(1).await;
    rig.add_node("a", "1").await;
    rig.add_pod("lesser", "1", None).await;
    rig.until("the lesser is bound", |pods| pods.iter().all(|pod| node_of(pod).is_some())).await;
    rig.add_pod("greater", "1", Some(1)).await;
    let promised = |pods: &[Pod]| pods.iter().any(|pod| nominated(pod) == Some("a"));
    rig.until("the node is promised", promised).await;
    rig.set_cpu("a", "500m").await;
    rig.until("and is promised no more", |pods| !promised(pods)).await;
    rig.finish().await;
}

pub(crate) fn nominated(pod: &Pod) -> Option<&str> {
    pod.status.as_ref()?.nominated_node_name.as_deref()
}
