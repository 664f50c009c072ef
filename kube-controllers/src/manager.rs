//! All controllers in one process.

use std::sync::Arc;

use k8s_openapi::api::apps::v1::ReplicaSet;
use k8s_openapi::api::core::v1::ReplicationController;
use kubekit_runtime::environment::Environment;
use kubekit_runtime::{Client, Informers};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::context::Context;
use crate::{
    deployment, endpoints, endpointslice, garbage, namespace, nodeipam, nodelifecycle, podgc, replicaset, rootca,
    serviceaccount,
};

/// The settings of all controllers. The defaults are kube-controller-manager's.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// The certificates, in PEM, by which pods verify the API server. Empty publishes none.
    pub root_ca: String,
    /// The most endpoints of an EndpointSlice, 1 to 1000: 100.
    pub endpoints_per_slice_max: usize,
    /// When nodes are given up.
    pub node_lifecycle: nodelifecycle::Config,
    /// The ranges of pod addresses that nodes get; none leaves it to somebody else.
    pub node_ipam: Option<nodeipam::Config>,
    /// When pods are collected.
    pub pod_gc: podgc::Config,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            root_ca: String::new(),
            endpoints_per_slice_max: 100,
            node_lifecycle: nodelifecycle::Config::default(),
            node_ipam: Some(nodeipam::Config::default()),
            pod_gc: podgc::Config::default(),
        }
    }
}

/// Where controllers get their clients: a function from a controller's name to the client that acts for it.
pub type Clients = dyn Fn(&str) -> Client + Send + Sync;

/// The name for which the client of the shared informers is asked: it reads for all controllers, and never writes.
pub const SHARED_INFORMERS: &str = "shared-informers";

/// Runs every controller until `shutdown`; returns when all have ended.
///
/// `clients` is asked for a client for [`SHARED_INFORMERS`], which needs to list and watch everything, and for one by the
/// name of each controller: `deployment-controller` and so on, the names of the service accounts in `kube-system` under
/// which the default roles of RBAC (`system:controller:…`) let each do what it must and no more. A function that gives
/// clones of one client runs all under one identity.
///
/// # Errors
///
/// If the settings cannot be; then nothing was started.
///
/// # Panics
///
/// If a controller does.
pub async fn run_all(
    config: Config,
    clients: &Clients,
    environment: Environment,
    shutdown: CancellationToken,
) -> Result<(), Error> {
    let ranges = config.node_ipam.as_ref().map(nodeipam::decide::Ranges::new).transpose()?;
    let informers = Informers::with_environment(clients(SHARED_INFORMERS), environment.clone());
    let mut manager = Manager { informers, clients, environment, shutdown: shutdown.clone(), tasks: JoinSet::new() };
    manager.start_workloads();
    manager.start_services(&config);
    manager.start_namespaces(&config);
    manager.start_nodes(config, ranges);
    let Manager { informers, mut tasks, .. } = manager;
    let watching = informers.run(shutdown);
    let ended = async {
        while let Some(result) = tasks.join_next().await {
            result.expect("a controller panicked");
        }
    };
    tokio::join!(watching, ended);
    Ok(())
}

/// Why the controllers could not be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The cluster's range cannot be divided into ranges of nodes.
    #[error("the ranges of pod addresses cannot be given to nodes: {0}")]
    NodeIpam(#[from] kubekit_core::alloc::cidr::Error),
}

struct Manager<'a> {
    informers: Informers,
    clients: &'a Clients,
    environment: Environment,
    shutdown: CancellationToken,
    tasks: JoinSet<()>,
}

impl Manager<'_> {
    /// Starts a controller, and the writer of its events.
    fn start<F>(&mut self, name: &str, run: impl FnOnce(Context, CancellationToken) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let client = (self.clients)(name);
        let (informers, environment) = (self.informers.clone(), self.environment.clone());
        let (context, writer) = Context::new(client, informers, event_source(name), environment);
        self.tasks.spawn(writer.run(self.shutdown.clone()));
        self.tasks.spawn(run(context, self.shutdown.clone()));
    }

    fn start_workloads(&mut self) {
        self.start("replicaset-controller", replicaset::run::<ReplicaSet>);
        self.start("replication-controller", replicaset::run::<ReplicationController>);
        self.start("deployment-controller", deployment::run);
    }

    fn start_services(&mut self, config: &Config) {
        let max = config.endpoints_per_slice_max;
        self.start("endpointslice-controller", move |context, shutdown| endpointslice::run(context, max, shutdown));
        self.start("endpoint-controller", endpoints::run);
    }

    fn start_namespaces(&mut self, config: &Config) {
        self.start("namespace-controller", namespace::run);
        self.start("service-account-controller", serviceaccount::run);
        self.start("generic-garbage-collector", garbage::run);
        if !config.root_ca.is_empty() {
            let ca = config.root_ca.clone();
            self.start("root-ca-cert-publisher", move |context, shutdown| rootca::run(context, ca, shutdown));
        }
    }

    fn start_nodes(&mut self, config: Config, ranges: Option<nodeipam::decide::Ranges>) {
        if let Some(ranges) = ranges {
            self.start("node-controller", move |context, shutdown| nodeipam::run(context, ranges, shutdown));
        }
        let Config { node_lifecycle, pod_gc, .. } = config;
        self.start("node-controller", move |context, shutdown| nodelifecycle::run(context, node_lifecycle, shutdown));
        // Evicts under the same identity, as kube-controller-manager does.
        self.start("node-controller", nodelifecycle::run_taint_eviction);
        self.start("pod-garbage-collector", move |context, shutdown| podgc::run(context, pod_gc, shutdown));
    }
}

/// The name under which a controller's events appear, which is not everywhere that of its service account.
fn event_source(name: &str) -> &str {
    match name {
        "endpointslice-controller" => "endpoint-slice-controller",
        "generic-garbage-collector" => "garbage-collector-controller",
        name => name,
    }
}

/// Every controller under one identity: the client that [`run_all`] asks for is always this one.
pub fn one_client(client: Client) -> Arc<Clients> {
    Arc::new(move |_| client.clone())
}
