//! An API server in this process with a scheduler's driver on it, and one who creates and watches.

use super::objects::{Kind, Zones, device_claim, device_class, node};
use super::seen::Seen;
use anyhow::{Context, Result, bail};
use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::{
    Namespace, Node, PersistentVolume, PersistentVolumeClaim, Secret, Service, ServiceAccount,
};
use k8s_openapi::api::resource::v1::{DeviceClass, ResourceClaim, ResourceClaimTemplate, ResourceSlice};
use k8s_openapi::api::scheduling::v1::PriorityClass;
use k8s_openapi::api::storage::v1::CSINode;
use kubekit_runtime::environment::Environment;
use kubekit_runtime::watcher::{self, Event, watcher};
use kubekit_runtime::{Api, Client, DeleteParams, Kubeconfig, Object, Patch, PatchParams};
use kubekit_sched::driver::{Config, Driver};
use kubekit_server::ApiServer;
use kubekit_server::authentication::ClientCertificates;
use kubekit_server::identity::UserInfo;
use kubekit_server::pki::{Pki, ServingNames, Subject};
use kubekit_store::Memory;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;

/// Requests under way at once, as many as the suite's clients have.
const IN_FLIGHT: usize = 16;

/// Bound pods by namespace and name.
type Bound = HashMap<String, HashSet<String>>;

/// How clients reach the API server.
#[derive(Clone, Copy, Debug)]
pub(super) enum Transport {
    /// By calls in this process.
    InProcess,
    /// Over TLS sockets, with client certificates.
    Tls,
}

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
    pub(super) async fn start(transport: Transport) -> Result<Self> {
        let stop = CancellationToken::new();
        let (client, scheduler, served) = match transport {
            Transport::InProcess => {
                let server = ApiServer::builder(Arc::new(store())).build().await?;
                let scheduler = UserInfo::new("system:kube-scheduler", [""; 0]);
                (Client::new(server.as_user(UserInfo::admin())), Client::new(server.as_user(scheduler)), None)
            }
            Transport::Tls => {
                let (client, scheduler, task) = serve_tls(stop.clone()).await?;
                (client, scheduler, Some(task))
            }
        };
        let driver = Driver::new(scheduler, Config::default(), Environment::system());
        let (bound_sender, bound) = watch::channel(Bound::new());
        let (nodes_sender, nodes_seen) = watch::channel(0);
        let mut tasks = vec![
            tokio::spawn({
                let running = driver.run(stop.clone());
                async move { running.await.expect("there are no extenders") }
            }),
            tokio::spawn(watch_pods(client.clone(), bound_sender, stop.clone())),
            tokio::spawn(watch_nodes(client.clone(), nodes_sender, stop.clone())),
        ];
        tasks.extend(served);
        let classes: Api<PriorityClass> = Api::all(client.clone());
        classes.create(&typed(json!({"metadata": {"name": "high"}, "value": 10}))?).await?;
        let classes: Api<DeviceClass> = Api::all(client.clone());
        classes.create(&typed(device_class())?).await?;
        Ok(Self { client, bound, nodes_seen, stop, tasks })
    }

    /// Nodes, with the devices and drivers of volumes that pods of a kind need.
    pub(super) async fn create_nodes(&self, count: usize, zones: Zones, kind: Kind) -> Result<()> {
        let nodes: Api<Node> = Api::all(self.client.clone());
        let slices: Api<ResourceSlice> = Api::all(self.client.clone());
        let drivers: Api<CSINode> = Api::all(self.client.clone());
        let create = |index| {
            let (nodes, slices, drivers) = (nodes.clone(), slices.clone(), drivers.clone());
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
                let name = made.metadata.name.as_deref().unwrap_or_default();
                if let Some(devices) = kind.devices(name) {
                    slices.create(&typed(devices)?).await?;
                }
                if let Some(volumes) = kind.volume_drivers(name) {
                    drivers.create(&typed(volumes)?).await?;
                }
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

    /// A namespace, if it is not there yet, with what pods of a kind need.
    pub(super) async fn create_namespace(&self, name: &str, kind: Kind) -> Result<()> {
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        match namespaces.create(&typed(json!({"metadata": {"name": name, "labels": {"team": "devops"}}}))?).await {
            // Another kind of pods was here before.
            Err(error) if error.is_already_exists() => {}
            made => {
                made?;
                // What controllers would see to.
                let accounts: Api<ServiceAccount> = Api::namespaced(self.client.clone(), name);
                accounts.create(&typed(json!({"metadata": {"name": "default"}}))?).await?;
                let secrets: Api<Secret> = Api::namespaced(self.client.clone(), name);
                secrets.create(&typed(json!({"metadata": {"name": "secret"}}))?).await?;
            }
        }
        if let Some(service) = kind.service() {
            let services: Api<Service> = Api::namespaced(self.client.clone(), name);
            services.create(&typed(service)?).await?;
        }
        if let Some(template) = kind.claim_template() {
            let templates: Api<ResourceClaimTemplate> = Api::namespaced(self.client.clone(), name);
            templates.create(&typed(template)?).await?;
        }
        Ok(())
    }

    /// Volumes and claims for the pods that are measured: they are there before, as in the suite.
    pub(super) async fn prepare(&self, count: usize, kind: Kind) -> Result<()> {
        if kind.has_claim() { self.create_claims("measured", "pod", count, kind).await } else { Ok(()) }
    }

    /// Pods of these names, with a number behind.
    pub(super) async fn create_pods(&self, namespace: &str, name: &str, count: usize, kind: Kind) -> Result<()> {
        if kind.has_claim() && namespace != "measured" {
            self.create_claims(namespace, name, count, kind).await?;
        }
        let pods: Api<Seen> = Api::namespaced(self.client.clone(), namespace);
        let create = |index: usize| {
            let pods = pods.clone();
            async move {
                pods.create(&Seen::new(kind.pod(&format!("{name}-{index}")))).await?;
                anyhow::Ok(())
            }
        };
        futures::stream::iter((0..count).map(create)).buffer_unordered(IN_FLIGHT).try_collect::<()>().await
    }

    /// What a controller would do: volumes and claims, bound to each other.
    async fn create_claims(&self, namespace: &str, name: &str, count: usize, kind: Kind) -> Result<()> {
        let volumes: Api<PersistentVolume> = Api::all(self.client.clone());
        let claims: Api<PersistentVolumeClaim> = Api::namespaced(self.client.clone(), namespace);
        let create = |index: usize| {
            let (volumes, claims) = (volumes.clone(), claims.clone());
            async move {
                let name = format!("{name}-{index}");
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
        let pods: Api<Seen> = Api::namespaced(self.client.clone(), "waiting");
        let task = tokio::spawn(async move {
            let mut interval = tokio::time::interval(Duration::from_secs(1));
            for turn in 0_usize.. {
                interval.tick().await;
                let name = format!("churn-{turn}");
                let object = json!({"metadata": {"name": name}});
                let pod = Seen::new(Kind::Unschedulable.pod(&name));
                if let Ok(node) = typed(object) {
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

fn store() -> Memory {
    Memory::new(kubekit_server::extractor(), kubekit_server::store_config())
}

/// Serves over TLS until `stop`; gives an administrator's client, the scheduler's, and the task.
async fn serve_tls(stop: CancellationToken) -> Result<(Client, Client, JoinHandle<()>)> {
    let now = jiff::Timestamp::now();
    let pki = Pki::generate(&ServingNames::default(), now)?;
    let authority = pki.authority.certificate();
    let certificates = ClientCertificates::new(authority, Environment::system().clock)?;
    let server = ApiServer::builder(Arc::new(store())).authenticator(Arc::new(certificates)).build().await?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("https://{}", listener.local_addr()?);
    let dir = tempfile::tempdir()?;
    let client = |subject: &Subject, name: &str| -> Result<Client> {
        let path = dir.path().join(name);
        pki.kubeconfig(subject, &url, now)?.write(&path)?;
        Ok(Client::from_kubeconfig(&Kubeconfig::from_file(&path)?)?)
    };
    let (admin, scheduler) = (client(&Subject::administrator(), "admin")?, client(&Subject::scheduler(), "scheduler")?);
    let transport = kubekit_server::serve::Transport::tls(&pki.serving, authority)?;
    let task = tokio::spawn(async move {
        // A server that fails is noticed by everybody who waits for it.
        let _ = kubekit_server::serve::serve(listener, transport, server, stop).await;
    });
    Ok((admin, scheduler, task))
}

async fn watch_pods(client: Client, bound: watch::Sender<Bound>, stop: CancellationToken) {
    let pods: Api<Seen> = Api::all(client.clone());
    let events = watcher(pods, watcher::Config::default(), Environment::system().random);
    let mut events = std::pin::pin!(events.take_until(stop.cancelled_owned()));
    let mut claims = JoinSet::new();
    while let Some(event) = events.next().await {
        match event {
            Ok(Event::Applied(pod)) => {
                if pod.lacks_claim() {
                    claims.spawn(make_claim(client.clone(), pod));
                    while claims.try_join_next().is_some() {}
                    continue;
                }
                note(&bound, &pod);
            }
            Ok(Event::Restarted(all)) => all.iter().for_each(|pod| note(&bound, pod)),
            _ => {}
        }
    }
}

/// What the claim controller does: makes the claim, and says so in the pod.
async fn make_claim(client: Client, pod: Seen) -> Result<()> {
    let claims: Api<ResourceClaim> = Api::namespaced(client.clone(), pod.namespace());
    let claim = claims.create(&typed(device_claim(pod.name(), pod.uid()))?).await?;
    let pods: Api<Seen> = Api::namespaced(client, pod.namespace());
    let made = json!([{"name": "resource", "resourceClaimName": claim.metadata.name}]);
    let patch = Patch::Merge(json!({"status": {"resourceClaimStatuses": made}}));
    pods.patch_status(pod.name(), &PatchParams::default(), &patch).await?;
    Ok(())
}

fn note(bound: &watch::Sender<Bound>, pod: &Seen) {
    if pod.is_bound() {
        let (namespace, name) = (pod.namespace().to_owned(), pod.name().to_owned());
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
