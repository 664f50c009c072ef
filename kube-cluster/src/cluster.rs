//! A running cluster.

use crate::builder::Builder;
use crate::encryption::{EncryptionAtRest, Watched};
use crate::error::{Error, Result};
use crate::gate::Gate;
use crate::nodes::{self, Nodes};
use crate::storage::Storage;
use crate::supervisor::Supervisor;
use crate::{address, identity, kubeconfig};
use kubekit_controllers::SHARED_INFORMERS;
use kubekit_net::{applier, backend};
use kubekit_runtime::environment::Environment;
use kubekit_runtime::{Client, Interner};
use kubekit_sched::driver::Driver;
use kubekit_server::ApiServer;
use kubekit_server::authentication::ClientCertificates;
use kubekit_server::identity::UserInfo;
use kubekit_server::node::{InMemory, NodeConnector, OverTls};
use kubekit_server::pki::{self, Pki, ServingNames, Subject};
use kubekit_server::serve::{Transport, serve};
use kubekit_server::tokens::Issuer;
use kubekit_store::Store;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// How long components get to end, and then the API server, which gives requests a second: both together, a cluster stops
/// within two seconds.
const COMPONENTS_STOP_WITHIN: Duration = Duration::from_millis(700);
const SERVER_STOPS_WITHIN: Duration = Duration::from_millis(1200);

/// The domain of the names of Services.
const CLUSTER_DOMAIN: &str = "cluster.local";

/// The range of all pods' addresses, and the number of nodes that it has room for: each gets 256 addresses.
const POD_CIDR: &str = "10.244.0.0/16";
const POD_CIDR_NODES: usize = 256;
/// The range that clusters of more nodes get instead, with room for 4,096; it has the other one within it.
const LARGE_POD_CIDR: &str = "10.240.0.0/12";

/// A running cluster. Dropping it ends it at once; [`Cluster::stop`] ends it in order.
#[derive(Debug)]
pub struct Cluster {
    server: ApiServer,
    gate: Gate,
    pki: Pki,
    address: Option<SocketAddr>,
    environment: Environment,
    /// What the caches of several components have in common is held once.
    interner: Interner,
    /// Clients of the API server: stopped first.
    components: Supervisor,
    /// The API server: stopped last.
    serving: Supervisor,
    nodes: Nodes,
    scheduler_metrics: Option<kubekit_sched::driver::Metrics>,
}

impl Cluster {
    /// Begins to make one.
    pub fn builder() -> Builder {
        Builder::new()
    }

    /// A control plane in memory (API server, controllers, scheduler), for a unit test.
    ///
    /// # Errors
    ///
    /// None that is to be expected: nothing outside of the process is touched.
    pub async fn in_memory() -> Result<Self> {
        Self::builder().start().await
    }

    pub(crate) async fn start(builder: Builder) -> Result<Self> {
        let Builder {
            storage,
            encryption,
            listen,
            mut server,
            mut controllers,
            scheduler,
            nodes,
            nftables,
            environment,
        } = builder;
        nodes::check(&nodes)?;
        if let Some(config) = &mut controllers {
            make_room(config, nodes.len());
            check_ranges(&server, config)?;
        }
        // First, because it is what fails most often, and nothing has been written then.
        let listener = bind(listen).await?;
        let address = listener.as_ref().and_then(|listener| listener.local_addr().ok());
        let (store, encryption) = open_store(&storage, encryption, &environment).await?;
        if storage.compacts_itself() {
            // Where several servers share a store, one of them forgets history for all.
            server.history = Duration::MAX;
        }
        let pki = storage.certificates(&serving_names(&server, address), environment.clock.now())?;
        let connector = Arc::new(InMemory::default());
        // Without nodes here, agents are processes of their own, or there are none.
        let agents: Arc<dyn NodeConnector> =
            if nodes.is_empty() && address.is_some() { remote_agents(&pki)? } else { Arc::clone(&connector) as _ };
        let server = build_server(store, server, &pki, agents, &environment).await?;

        let serving = start_serving(&server, &pki, listener, encryption)?;
        if let Some(address) = address {
            let address = SocketAddr::new(address::advertised(address.ip()), address.port());
            server.publish_address(address).await.map_err(|error| Error::Server(Box::new(error)))?;
        }

        let components = Supervisor::new();
        let mut cluster = Self {
            gate: Gate::new(server.clone()),
            server,
            pki,
            address,
            environment,
            interner: Interner::default(),
            components,
            serving,
            nodes: Nodes::default(),
            scheduler_metrics: None,
        };
        if let Some(config) = controllers {
            cluster.start_controllers(config);
        }
        if let Some(config) = scheduler {
            cluster.start_scheduler(config);
        }
        if nftables {
            cluster.start_proxy(nodes.first().map_or_else(String::new, |node| node.name.clone()));
        }
        let Self { components, server, environment, interner, .. } = &mut cluster;
        cluster.nodes = Nodes::new(nodes, components, server, connector, environment, interner);
        cluster.nodes.start_all(&mut cluster.components);
        Ok(cluster)
    }

    fn start_controllers(&mut self, mut config: kubekit_controllers::Config) {
        if config.root_ca.is_empty() {
            self.pki.authority.certificate().clone_into(&mut config.root_ca);
        }
        let (server, environment) = (self.server.clone(), self.environment.clone());
        let interner = self.interner.clone();
        self.components.start_fallible("controllers", move |shutdown| async move {
            let clients = move |name: &str| {
                let user =
                    if name == SHARED_INFORMERS { identity::controller_manager() } else { identity::controller(name) };
                let client = Client::new(server.as_user(user)).with_interner(interner.clone());
                named(client, "kube-controller-manager")
            };
            kubekit_controllers::run_all(config, &clients, environment, shutdown).await
        });
    }

    fn start_scheduler(&mut self, config: kubekit_sched::driver::Config) {
        let client = named(self.client_as(identity::scheduler()), "kube-scheduler");
        let driver = Driver::new(client, config, self.environment.clone());
        self.scheduler_metrics = Some(driver.metrics());
        self.components.start_fallible("scheduler", move |shutdown| driver.run(shutdown));
    }

    fn start_proxy(&mut self, node: String) {
        let proxy = kubekit_net::Proxy::new(
            named(self.client_as(identity::proxy()), "kube-proxy"),
            kubekit_net::Config::new(node),
            Arc::new(backend::Nftables::new(false, POD_CIDR.parse().ok())),
            Arc::new(applier::Nft::default()),
        );
        self.components.start("service proxy", move |shutdown| async move { proxy.run(shutdown).await });
    }

    /// A client that acts as the administrator.
    pub fn client(&self) -> Client {
        self.client_as(identity::administrator())
    }

    /// A client that acts as this user, who may do what RBAC lets them.
    pub fn client_as(&self, user: UserInfo) -> Client {
        Client::new(self.gate.as_user(user)).with_interner(self.interner.clone())
    }

    /// The API server, a `tower::Service`: also for clients of kube-rs, by [`ApiServer::as_user`]. Who holds it, or a
    /// client made of it, keeps the store open after the cluster has stopped.
    pub fn api_server(&self) -> &ApiServer {
        &self.server
    }

    /// What the scheduler has done, under kube-scheduler's names; none without a scheduler.
    pub fn scheduler_metrics(&self) -> Option<&kubekit_sched::driver::Metrics> {
        self.scheduler_metrics.as_ref()
    }

    /// Where the API server listens; none without [`Builder::listen`].
    pub fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    /// `https://127.0.0.1:6443`; none without [`Builder::listen`].
    pub fn url(&self) -> Option<String> {
        self.address.map(|address| format!("https://{}", SocketAddr::new(address::local(address.ip()), address.port())))
    }

    /// The certificates.
    pub fn pki(&self) -> &Pki {
        &self.pki
    }

    /// Wall time and randomness.
    pub fn environment(&self) -> &Environment {
        &self.environment
    }

    /// A kubeconfig by which this subject reaches the cluster.
    ///
    /// # Errors
    ///
    /// If the cluster does not listen.
    pub fn kubeconfig(&self, subject: &Subject) -> Result<pki::Kubeconfig> {
        let url = self.url().ok_or(Error::NotListening)?;
        self.pki.kubeconfig(subject, &url, self.environment.clock.now()).map_err(Error::Certificates)
    }

    /// Writes a kubeconfig for the administrator, unless the file is somebody else's.
    ///
    /// # Errors
    ///
    /// If the cluster does not listen; as [`kubeconfig::write`].
    pub fn write_kubeconfig(&self, path: &Path) -> Result<()> {
        kubeconfig::write(path, &self.kubeconfig(&Subject::administrator())?)
    }

    /// Stops the agent of a node, as if its machine had lost its network: its containers run on, and after a while its
    /// pods are replaced elsewhere. Returns when the agent has ended; does nothing if it does not run.
    pub async fn stop_node(&mut self, name: &str) {
        self.nodes.stop(name).await;
    }

    /// Starts the agent of a node again; does nothing if it runs, or if there is no such node.
    pub fn start_node(&mut self, name: &str) {
        self.nodes.start(name, &mut self.components);
    }

    /// Returns when an essential part has ended, which is an error; the cluster should be stopped then.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub async fn failed(&mut self) -> Error {
        tokio::select! {
            error = self.components.ended() => error,
            error = self.serving.ended() => error,
        }
    }

    /// Runs until `shutdown`, then stops in order.
    ///
    /// # Errors
    ///
    /// If an essential part ended before; as [`Cluster::stop`].
    pub async fn run(mut self, shutdown: CancellationToken) -> Result<()> {
        let failure = tokio::select! {
            biased;
            () = shutdown.cancelled() => None,
            error = self.failed() => Some(error),
        };
        let stopped = self.stop().await;
        failure.map_or(stopped, Err)
    }

    /// Stops in order and within two seconds: first those who use the API server, then the server. Requests of clients
    /// that are still held fail from then on, and the store is closed.
    ///
    /// # Errors
    ///
    /// Which parts did not end in time and were cut off.
    pub async fn stop(mut self) -> Result<()> {
        let components = self.components.stop(COMPONENTS_STOP_WITHIN).await;
        let serving = self.serving.stop(SERVER_STOPS_WITHIN).await;
        self.gate.close();
        components.and(serving)
    }
}

/// A client under the name of its component, which `managedFields` and logs show.
pub(crate) fn named(client: Client, component: &'static str) -> Client {
    client.with_user_agent(component).expect("a component's name is a valid header value")
}

/// Gives the pods of more nodes than the default range has room for a larger one, unless another was asked for.
fn make_room(config: &mut kubekit_controllers::Config, nodes: usize) {
    let default = kubekit_controllers::Config::default().node_ipam;
    if nodes > POD_CIDR_NODES
        && let (Some(ranges), Some(default)) = (&mut config.node_ipam, default)
        && ranges.cluster_cidrs == default.cluster_cidrs
    {
        ranges.cluster_cidrs = vec![LARGE_POD_CIDR.parse().expect("a valid network")];
    }
}

/// Services and Pods may share no address.
fn check_ranges(server: &kubekit_server::Config, controllers: &kubekit_controllers::Config) -> Result<()> {
    let pods = controllers.node_ipam.iter().flat_map(|ranges| &ranges.cluster_cidrs);
    let ranges: Vec<_> = server.service_cidrs.iter().chain(pods).copied().collect();
    kubekit_core::alloc::cidr::disjoint(&ranges).map_err(Error::Ranges)
}

async fn bind(listen: Option<SocketAddr>) -> Result<Option<TcpListener>> {
    let Some(address) = listen else { return Ok(None) };
    TcpListener::bind(address).await.map(Some).map_err(|source| Error::Listen { address, source })
}

/// The store, and what encrypts it at rest.
async fn open_store(
    storage: &Storage,
    encryption: EncryptionAtRest,
    environment: &Environment,
) -> Result<(Arc<dyn Store>, Option<Watched>)> {
    storage.prepare()?;
    let watched = encryption.open(storage.directory())?;
    if let Some(watched) = &watched {
        watched.prepare().await?;
    }
    let rules = watched.as_ref().map(Watched::encryption).unwrap_or_default();
    Ok((storage.open(&environment.clock, rules).await?, watched))
}

/// What runs before all components and ends after them: the API server, its listener, and the change of keys.
fn start_serving(
    server: &ApiServer,
    pki: &Pki,
    listener: Option<TcpListener>,
    encryption: Option<Watched>,
) -> Result<Supervisor> {
    let mut serving = Supervisor::new();
    if let Some(watched) = encryption {
        serving.start("encryption configuration", move |shutdown| watched.follow(shutdown));
    }
    let maintained = server.clone();
    serving.start("API server", move |shutdown| async move { maintained.run(shutdown).await });
    if let Some(listener) = listener {
        let transport =
            Transport::tls(&pki.serving, pki.authority.certificate()).map_err(|error| Error::Tls(error.to_string()))?;
        let served = server.clone();
        serving.start_fallible("listener", move |shutdown| serve(listener, transport, served, shutdown));
    }
    Ok(serving)
}

fn remote_agents(pki: &Pki) -> Result<Arc<dyn NodeConnector>> {
    let agents = OverTls::new(pki.authority.certificate(), &pki.kubelet_client);
    Ok(Arc::new(agents.map_err(|error| Error::Tls(error.to_string()))?))
}

async fn build_server(
    store: Arc<dyn Store>,
    config: kubekit_server::Config,
    pki: &Pki,
    connector: Arc<dyn NodeConnector>,
    environment: &Environment,
) -> Result<ApiServer> {
    let issuer = Issuer::new(format!("https://kubernetes.default.svc.{CLUSTER_DOMAIN}"), &pki.token_key)
        .map_err(Error::Tokens)?;
    let certificates = ClientCertificates::new(pki.authority.certificate(), Arc::clone(&environment.clock));
    ApiServer::builder(store)
        .config(config)
        .authenticator(Arc::new(certificates.map_err(Error::Certificates)?))
        .token_issuer(Arc::new(issuer))
        .connector(connector)
        .clock(Arc::clone(&environment.clock))
        .random(Arc::clone(&environment.random))
        .build()
        .await
        .map_err(|error| Error::Server(Box::new(error)))
}

/// What the server's certificate must name.
fn serving_names(config: &kubekit_server::Config, address: Option<SocketAddr>) -> ServingNames {
    ServingNames {
        service_ip: config.own_service_ip().unwrap_or_else(|| ServingNames::default().service_ip),
        cluster_domain: CLUSTER_DOMAIN.to_owned(),
        addresses: address.map(|address| address::advertised(address.ip())).into_iter().collect(),
        names: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(nodes: usize, given: Option<&str>, expected: &str) {
        let mut config = kubekit_controllers::Config::default();
        if let (Some(ranges), Some(given)) = (&mut config.node_ipam, given) {
            ranges.cluster_cidrs = vec![given.parse().unwrap()];
        }
        make_room(&mut config, nodes);
        let ranges: Vec<String> = config.node_ipam.unwrap().cluster_cidrs.iter().map(ToString::to_string).collect();
        assert_eq!(ranges, [expected]);
    }

    #[test]
    fn many_nodes_get_a_range_with_room_for_them() {
        check(3, None, "10.244.0.0/16");
        check(256, None, "10.244.0.0/16");
        check(257, None, "10.240.0.0/12");
        check(1_000, Some("10.0.0.0/15"), "10.0.0.0/15");
    }

    #[test]
    fn ranges_that_overlap_are_refused() {
        let mut server = kubekit_server::Config::default();
        let controllers = kubekit_controllers::Config::default();
        check_ranges(&server, &controllers).unwrap();
        server.service_cidrs = vec!["10.244.128.0/24".parse().unwrap()];
        let error = check_ranges(&server, &controllers).unwrap_err();
        let source = std::error::Error::source(&error).map(ToString::to_string);
        assert_eq!(source.as_deref(), Some("CIDR 10.244.128.0/24 overlaps CIDR 10.244.0.0/16"));
    }
}
