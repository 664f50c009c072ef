//! An API server in this process with a scheduler's driver on it, and one who creates and watches.

use super::objects::{Kind, Zones, node};
use anyhow::{Context, Result, bail};
use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::{
    Namespace, Node, PersistentVolume, PersistentVolumeClaim, Pod, Secret, ServiceAccount,
};
use k8s_openapi::api::scheduling::v1::PriorityClass;
use kubekit_runtime::environment::Environment;
use kubekit_runtime::watcher::{self, Event, watcher};
use kubekit_runtime::{Api, Client, DeleteParams};
use kubekit_sched::driver::{Config, Driver};
use kubekit_server::ApiServer;
use kubekit_server::identity::UserInfo;
use kubekit_store::Memory;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinHandle};
use tokio_util::sync::CancellationToken;

/// Requests under way at once, as many as the suite's clients have.
const IN_FLIGHT: usize = 16;

/// Bound pods by namespace and name.
type Bound = HashMap<String, HashSet<String>>;

pub(super) struct Rig {
    client: Client,
    bound: watch::Receiver<Bound>,
    nodes_seen: watch::Receiver<usize>,
    stop: CancellationToken,
    tasks: Vec<JoinHandle<()>>,
}

/// Objects that come and go, until dropped.
pub(super) struct Churn(AbortHandle);

impl Drop for Churn {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Rig {
    pub(super) async fn start() -> Result<Self> {
        let store = Memory::new(kubekit_server::extractor(), kubekit_store::Config::default());
        let server = ApiServer::builder(Arc::new(store)).build().await?;
        let stop = CancellationToken::new();
        let client = Client::new(server.as_user(UserInfo::admin()));
        let scheduler = Client::new(server.as_user(UserInfo::new("system:kube-scheduler", [""; 0])));
        let driver = Driver::new(scheduler, Config::default(), Environment::system());
        let (bound_sender, bound) = watch::channel(Bound::new());
        let (nodes_sender, nodes_seen) = watch::channel(0);
        let tasks = vec![
            tokio::spawn({
                let running = driver.run(stop.clone());
                async move { running.await.expect("there are no extenders") }
            }),
            tokio::spawn(watch_pods(client.clone(), bound_sender, stop.clone())),
            tokio::spawn(watch_nodes(client.clone(), nodes_sender, stop.clone())),
        ];
        let classes: Api<PriorityClass> = Api::all(client.clone());
        classes.create(&typed(json!({"metadata": {"name": "high"}, "value": 10}))?).await?;
        Ok(Self { client, bound, nodes_seen, stop, tasks })
    }

    pub(super) async fn create_nodes(&self, count: usize, zones: Zones) -> Result<()> {
        let nodes: Api<Node> = Api::all(self.client.clone());
        let create = |index| {
            let nodes = nodes.clone();
            async move {
                let (object, status) = node(index, zones);
                let mut made = nodes.create(&typed(object)?).await?;
                // A new node is tainted until it is ready; here nobody takes the taint away.
                if let Some(spec) = &mut made.spec {
                    spec.taints = None;
                }
                let mut made = nodes.replace(&made).await?;
                made.status = typed(status)?;
                nodes.replace_status(&made).await?;
                anyhow::Ok(())
            }
        };
        futures::stream::iter((0..count).map(create)).buffer_unordered(IN_FLIGHT).try_collect::<()>().await
    }

    /// Waits until a watcher has seen every node with what it has.
    pub(super) async fn await_nodes(&self, count: usize) -> Result<()> {
        let mut seen = self.nodes_seen.clone();
        let all = seen.wait_for(|seen| *seen >= count);
        tokio::time::timeout(super::TIMEOUT, all).await.context("waiting for nodes")?.context("the watch ended")?;
        Ok(())
    }

    pub(super) async fn create_namespace(&self, name: &str) -> Result<()> {
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        namespaces.create(&typed(json!({"metadata": {"name": name, "labels": {"team": "devops"}}}))?).await?;
        // What controllers would see to.
        let accounts: Api<ServiceAccount> = Api::namespaced(self.client.clone(), name);
        accounts.create(&typed(json!({"metadata": {"name": "default"}}))?).await?;
        let secrets: Api<Secret> = Api::namespaced(self.client.clone(), name);
        secrets.create(&typed(json!({"metadata": {"name": "secret"}}))?).await?;
        Ok(())
    }

    /// Volumes and claims for the pods that are measured: they are there before, as in the suite.
    pub(super) async fn prepare(&self, count: usize, kind: Kind) -> Result<()> {
        if kind.has_claim() { self.create_claims("measured", count, kind).await } else { Ok(()) }
    }

    pub(super) async fn create_pods(&self, namespace: &str, count: usize, kind: Kind) -> Result<()> {
        if kind.has_claim() && namespace != "measured" {
            self.create_claims(namespace, count, kind).await?;
        }
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), namespace);
        let create = |index: usize| {
            let pods = pods.clone();
            async move {
                pods.create(&typed(kind.pod(&format!("pod-{index}")))?).await?;
                anyhow::Ok(())
            }
        };
        futures::stream::iter((0..count).map(create)).buffer_unordered(IN_FLIGHT).try_collect::<()>().await
    }

    /// What a controller would do: volumes and claims, bound to each other.
    async fn create_claims(&self, namespace: &str, count: usize, kind: Kind) -> Result<()> {
        let volumes: Api<PersistentVolume> = Api::all(self.client.clone());
        let claims: Api<PersistentVolumeClaim> = Api::namespaced(self.client.clone(), namespace);
        let create = |index: usize| {
            let (volumes, claims) = (volumes.clone(), claims.clone());
            async move {
                let name = format!("pod-{index}");
                let mut claim = claims.create(&typed(Kind::claim(namespace, &name))?).await?;
                let mut object = kind.volume(namespace, &name);
                object["spec"]["claimRef"]["uid"] = json!(claim.metadata.uid);
                let mut volume = volumes.create(&typed(object)?).await?;
                volume.status = typed(json!({"phase": "Bound"}))?;
                volumes.replace_status(&volume).await?;
                claim.status =
                    typed(json!({"phase": "Bound", "accessModes": ["ReadWriteOnce"], "capacity": {"storage": "1Gi"}}))?;
                claims.replace_status(&claim).await?;
                anyhow::Ok(())
            }
        };
        futures::stream::iter((0..count).map(create)).buffer_unordered(IN_FLIGHT).try_collect::<()>().await
    }

    /// Waits until so many pods are bound in all.
    pub(super) async fn await_bound(&self, count: usize, timeout: Duration) -> Result<()> {
        self.await_count(count, timeout, |bound| bound.values().map(HashSet::len).sum()).await
    }

    /// Waits until so many pods of a namespace are bound.
    pub(super) async fn await_bound_in(&self, namespace: &str, count: usize, timeout: Duration) -> Result<()> {
        self.await_count(count, timeout, |bound| bound.get(namespace).map_or(0, HashSet::len)).await
    }

    async fn await_count(&self, count: usize, timeout: Duration, counted: impl Fn(&Bound) -> usize) -> Result<()> {
        let mut bound = self.bound.clone();
        let waiting = bound.wait_for(|bound| counted(bound) >= count);
        if let Ok(seen) = tokio::time::timeout(timeout, waiting).await {
            seen.context("the watch ended")?;
            return Ok(());
        }
        bail!("{} of {count} pods were bound after {} s", counted(&self.bound.borrow()), timeout.as_secs())
    }

    /// A node, and a pod too large for any, come and go as in the suite.
    pub(super) fn churn(&self) -> Churn {
        let nodes: Api<Node> = Api::all(self.client.clone());
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), "waiting");
        let task = tokio::spawn(async move {
            let mut interval = tokio::time::interval(Duration::from_secs(1));
            for turn in 0_usize.. {
                interval.tick().await;
                let name = format!("churn-{turn}");
                let object = json!({"metadata": {"name": name}});
                if let (Ok(node), Ok(pod)) = (typed(object), typed(Kind::Unschedulable.pod(&name))) {
                    let _ = tokio::join!(nodes.create(&node), pods.create(&pod));
                }
                if turn > 0 {
                    let before = format!("churn-{}", turn - 1);
                    let now = DeleteParams { grace_period_seconds: Some(0), ..DeleteParams::default() };
                    let _ = tokio::join!(nodes.delete(&before, &now), pods.delete(&before, &now));
                }
            }
        });
        Churn(task.abort_handle())
    }

    pub(super) async fn stop(self) {
        self.stop.cancel();
        for task in self.tasks {
            let _ = task.await;
        }
    }
}

async fn watch_pods(client: Client, bound: watch::Sender<Bound>, stop: CancellationToken) {
    let pods: Api<Pod> = Api::all(client.clone());
    let events = watcher(pods, watcher::Config::default(), Environment::system().random);
    let mut events = std::pin::pin!(events.take_until(stop.cancelled_owned()));
    while let Some(event) = events.next().await {
        match event {
            Ok(Event::Applied(pod)) => {
                // Victims of preemption end at once, where no node agent confirms it.
                if pod.metadata.deletion_timestamp.is_some() {
                    end(&client, &pod).await;
                }
                note(&bound, &pod);
            }
            Ok(Event::Restarted(all)) => all.iter().for_each(|pod| note(&bound, pod)),
            _ => {}
        }
    }
}

async fn end(client: &Client, pod: &Pod) {
    let namespace = pod.metadata.namespace.clone().unwrap_or_default();
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let now = DeleteParams { grace_period_seconds: Some(0), ..DeleteParams::default() };
    let _ = pods.delete(pod.metadata.name.as_deref().unwrap_or_default(), &now).await;
}

fn note(bound: &watch::Sender<Bound>, pod: &Pod) {
    if pod.spec.as_ref().is_some_and(|spec| spec.node_name.is_some()) {
        let namespace = pod.metadata.namespace.clone().unwrap_or_default();
        let name = pod.metadata.name.clone().unwrap_or_default();
        bound.send_if_modified(|bound| bound.entry(namespace).or_default().insert(name));
    }
}

async fn watch_nodes(client: Client, count: watch::Sender<usize>, stop: CancellationToken) {
    let nodes: Api<Node> = Api::all(client);
    let events = watcher(nodes, watcher::Config::default(), Environment::system().random);
    let mut events = std::pin::pin!(events.take_until(stop.cancelled_owned()));
    let mut known = HashSet::new();
    while let Some(event) = events.next().await {
        let all = match event {
            Ok(Event::Applied(node)) => vec![node],
            Ok(Event::Restarted(all)) => all,
            _ => continue,
        };
        let ready = |node: &Node| node.status.as_ref().is_some_and(|status| status.allocatable.is_some());
        known.extend(all.into_iter().filter(ready).filter_map(|node| node.metadata.name));
        count.send_replace(known.len());
    }
}

fn typed<T: DeserializeOwned>(value: Value) -> Result<T> {
    Ok(serde_json::from_value(value)?)
}
