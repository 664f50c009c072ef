//! The agent of one node: registers it, keeps it alive in the API server's eyes, and gives each of its pods a worker.

mod heartbeat;
pub mod machine;
pub mod node;
mod objects;
mod pods;
pub(crate) mod shared;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::{Pod, Service, Taint};
use kubekit_runtime::environment::Environment;
use kubekit_runtime::events::EventWriter;
use kubekit_runtime::{Client, Informer, Informers, Recorder, WatchScope};
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use crate::logs::rotation;
use crate::pod::configuration::NodeDefaults;
use crate::runtime::ContainerRuntime;
use machine::Capacity;
use shared::Shared;

/// The Kubernetes version that the agent reports.
pub const KUBELET_VERSION: &str = "v1.36.0";

/// How an agent is set up.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// The Node's name.
    pub node_name: String,
    /// The node's addresses; the first is the one pods and people use. Empty: the API server cannot reach the node.
    pub addresses: Vec<String>,
    /// Labels beside the usual ones.
    pub labels: BTreeMap<String, String>,
    /// Taints that the Node is registered with.
    pub taints: Vec<Taint>,
    /// What the node has. Zero CPU: the machine's own.
    pub capacity: Capacity,
    /// The port of the agent's server, as the API server reaches it.
    pub port: u16,
    /// Where pods' volumes are.
    pub root_directory: PathBuf,
    /// Where logs are, as collectors expect: `/var/log/pods`.
    pub log_directory: PathBuf,
    /// Addresses of the cluster's name servers.
    pub cluster_dns: Vec<String>,
    /// The cluster's domain.
    pub cluster_domain: String,
    /// The range of pods' addresses; none waits for the one that the cluster gives to the Node.
    pub pod_cidr: Option<String>,
    /// The provider's name for this machine.
    pub provider_id: Option<String>,
    /// How long a lease holds; it is renewed four times in that time.
    pub lease_duration: Duration,
    /// How often the node's state is looked at.
    pub status_interval: Duration,
    /// How often it is reported although nothing has changed.
    pub report_interval: Duration,
    /// How often a pod is looked at although nothing has happened.
    pub resync: Duration,
    /// How often ConfigMaps, Secrets and tokens in volumes are brought up to date.
    pub volume_refresh: Duration,
    /// How long the logs of containers may grow.
    pub container_logs: rotation::Limits,
    /// Whether containers find Services in their environment; it takes a watch on Services.
    pub service_variables: bool,
}

impl Config {
    /// The usual settings for a node of this name.
    #[must_use]
    pub fn new(node_name: impl Into<String>) -> Self {
        Self {
            node_name: node_name.into(),
            addresses: Vec::new(),
            labels: BTreeMap::new(),
            taints: Vec::new(),
            capacity: Capacity::default(),
            port: 10_250,
            root_directory: "/var/lib/kubekit/node".into(),
            log_directory: "/var/log/pods".into(),
            cluster_dns: Vec::new(),
            cluster_domain: "cluster.local".into(),
            pod_cidr: None,
            provider_id: None,
            lease_duration: Duration::from_secs(40),
            status_interval: Duration::from_secs(10),
            report_interval: Duration::from_secs(5 * 60),
            resync: Duration::from_secs(10 * 60),
            volume_refresh: Duration::from_secs(60),
            container_logs: rotation::Limits::default(),
            service_variables: true,
        }
    }
}

/// Why an agent has stopped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The container runtime does not answer.
    #[error("the container runtime does not answer")]
    Runtime(#[source] crate::runtime::Error),
    /// The configured pod CIDR cannot be used.
    #[error("cannot use the pod CIDR {cidr:?}")]
    PodCidr {
        /// The range.
        cidr: String,
        /// Why not.
        #[source]
        source: crate::runtime::Error,
    },
}

/// The agent of one node.
#[derive(Debug)]
pub struct Agent {
    shared: Shared,
    events: EventWriter,
    own: Informers,
    pods: Informer<Pod>,
}

/// A view of a running agent, for the server that gives access to its containers.
#[derive(Clone, Debug)]
pub struct AgentHandle(pub(crate) Arc<Shared>);

impl AgentHandle {
    /// The name of the agent's node.
    #[must_use]
    pub fn node_name(&self) -> &str {
        &self.0.config.node_name
    }
}

impl Agent {
    /// An agent that speaks for its node with `client` and runs pods by `runtime`.
    #[must_use]
    pub fn new(config: Config, client: Client, runtime: Arc<dyn ContainerRuntime>) -> Self {
        Self::with(config, client, runtime, Environment::system(), None)
    }

    /// As [`Agent::new`], with time and randomness from outside, and a view of Services that agents of one process share.
    #[must_use]
    pub fn with(
        mut config: Config,
        client: Client,
        runtime: Arc<dyn ContainerRuntime>,
        environment: Environment,
        services: Option<&Informer<Service>>,
    ) -> Self {
        if config.capacity.cpu_millis == 0 {
            config.capacity = machine::capacity(&config.root_directory);
        }
        let own = Informers::with_environment(client.clone(), environment.clone());
        let services = match services {
            Some(shared) => Some(shared.clone()),
            None if config.service_variables => Some(own.informer::<Service>()),
            None => None,
        };
        let selector = format!("spec.nodeName={}", config.node_name);
        let pods = own.informer_with::<Pod>(WatchScope { field_selector: selector, ..WatchScope::default() });
        let (recorder, events) =
            Recorder::new(client.clone(), "kubelet", config.node_name.clone(), environment.clone());
        let defaults = NodeDefaults {
            cluster_dns: config.cluster_dns.clone(),
            cluster_domain: config.cluster_domain.clone(),
            host_dns: if runtime.uses_host_files() { machine::host_dns() } else { Default::default() },
            log_root: config.log_directory.to_string_lossy().into_owned(),
            memory_capacity_bytes: u64::try_from(config.capacity.memory_bytes).unwrap_or(0),
        };
        let shared = Shared {
            objects: objects::Objects::new(client.clone()),
            config,
            client,
            runtime,
            runtime_name: Mutex::new(String::from("containerd")),
            environment,
            recorder,
            services,
            defaults,
            pods: Mutex::default(),
        };
        Self { shared, events, own, pods }
    }

    /// Prepares the agent to run, and gives a view of it for a server.
    #[must_use]
    pub fn start(self) -> (AgentHandle, RunningAgent) {
        let shared = Arc::new(self.shared);
        let handle = AgentHandle(Arc::clone(&shared));
        (handle, RunningAgent { shared, events: self.events, own: self.own, pods: self.pods })
    }

    /// Runs until `shutdown`; containers keep running after it.
    ///
    /// # Errors
    /// When the container runtime does not answer at the start.
    pub async fn run(self, shutdown: CancellationToken) -> Result<(), Error> {
        self.start().1.run(shutdown).await
    }
}

/// An agent whose view has been given away; see [`Agent::start`].
#[derive(Debug)]
pub struct RunningAgent {
    shared: Arc<Shared>,
    events: EventWriter,
    own: Informers,
    pods: Informer<Pod>,
}

impl RunningAgent {
    /// Runs until `shutdown`; containers keep running after it.
    ///
    /// # Errors
    /// When the container runtime does not answer at the start.
    pub async fn run(self, shutdown: CancellationToken) -> Result<(), Error> {
        let Self { shared, events, own, pods } = self;
        let version = shared.runtime.version().await.map_err(Error::Runtime)?;
        shared.runtime_name.lock().clone_from(&version.name);
        if let Some(cidr) = &shared.config.pod_cidr {
            let set = shared.runtime.set_pod_cidr(cidr).await;
            set.map_err(|source| Error::PodCidr { cidr: cidr.clone(), source })?;
        }
        // Each made on the heap and not moved there when it is first waited for: this future would keep room for all of them.
        let beating = Box::pin(heartbeat::Heart::new(Arc::clone(&shared), version).run(shutdown.clone()));
        let watching = Box::pin(own.run(shutdown.clone()));
        let serving = Box::pin(pods::run(Arc::clone(&shared), pods, shutdown.clone()));
        let rotating = Box::pin(rotate_logs(&shared, shutdown));
        // Events are written to the end, so that what happened last is told too.
        let writing = CancellationToken::new();
        let work = async {
            futures::join!(beating, watching, serving, rotating);
            writing.cancel();
        };
        futures::join!(work, Box::pin(events.run(writing.clone())));
        Ok(())
    }
}

/// Keeps log files short, where the runtime writes any.
async fn rotate_logs(shared: &Shared, shutdown: CancellationToken) {
    if shared.runtime.uses_host_files() {
        rotation::run(&*shared.runtime, shared.config.container_logs, || shared.now(), shutdown).await;
    }
}
