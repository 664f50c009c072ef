//! The nodes of a cluster: an agent each, which the API server reaches in memory.

use crate::cluster::named;
use crate::error::{Error, Result};
use crate::supervisor::Supervisor;
use crate::{address, identity};
use k8s_openapi::api::core::v1::Service;
use kubekit_core::meta::syntax::dns1123_subdomain;
use kubekit_node::agent::machine::Capacity;
use kubekit_node::agent::{self, Agent};
use kubekit_node::runtime::ContainerRuntime;
use kubekit_node::server::NodeServer;
use kubekit_runtime::environment::Environment;
use kubekit_runtime::{Client, Informer, Informers, Interner};
use kubekit_server::ApiServer;
use kubekit_server::node::InMemory;
use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;
use tokio::io::DuplexStream;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// What a simulated node has: a middling cloud machine, so that the nodes of every run are the same.
const SIMULATED_CORES: u32 = 8;
const SIMULATED_MEMORY_BYTES: i64 = 32 << 30;

/// A node that is to be.
#[derive(Debug)]
pub(crate) struct NodeSpec {
    pub(crate) name: String,
    runtime: Arc<dyn ContainerRuntime>,
    /// What its agent keeps on disk; none for a simulated node.
    directory: Option<PathBuf>,
}

impl NodeSpec {
    pub(crate) fn simulated(name: String, runtime: Arc<dyn ContainerRuntime>) -> Self {
        Self { name, runtime, directory: None }
    }

    pub(crate) fn real(name: String, runtime: Arc<dyn ContainerRuntime>, directory: PathBuf) -> Self {
        Self { name, runtime, directory: Some(directory) }
    }

    fn config(&self) -> agent::Config {
        let mut config = agent::Config::new(self.name.as_str());
        match &self.directory {
            Some(directory) => {
                config.root_directory.clone_from(directory);
                config.addresses = vec![address::primary().to_string()];
            }
            None => {
                config.capacity = Capacity::of(SIMULATED_CORES, SIMULATED_MEMORY_BYTES);
                config.addresses = vec!["127.0.0.1".to_owned()];
            }
        }
        config
    }
}

/// Whether each node can register itself, and is not taken for another.
pub(crate) fn check(nodes: &[NodeSpec]) -> Result<()> {
    let mut names = HashSet::new();
    for NodeSpec { name, .. } in nodes {
        let mut problems = dns1123_subdomain(name);
        if !names.insert(name) {
            problems.push("there are two nodes of this name".to_owned());
        }
        if let Some(detail) = problems.into_iter().next() {
            return Err(Error::Node { node: name.clone(), detail });
        }
    }
    Ok(())
}

/// The name of the nth simulated node. The same at every start, so that a cluster on disk finds its nodes again.
pub(crate) fn name(number: usize) -> String {
    format!("node-{number}")
}

/// The nodes of a cluster, and which of their agents run.
#[derive(Debug, Default)]
pub(crate) struct Nodes {
    specs: BTreeMap<String, Arc<NodeSpec>>,
    running: BTreeMap<String, Running>,
    shared: Option<Shared>,
}

/// What the agents have in common.
#[derive(Debug)]
struct Shared {
    server: ApiServer,
    connector: Arc<InMemory>,
    environment: Environment,
    interner: Interner,
    /// One watch on Services, which every agent may read, instead of one for each.
    services: Informer<Service>,
}

/// An agent that runs.
#[derive(Debug)]
struct Running {
    stop: CancellationToken,
    ended: CancellationToken,
}

impl Nodes {
    pub(crate) fn new(
        specs: Vec<NodeSpec>,
        components: &mut Supervisor,
        server: &ApiServer,
        connector: Arc<InMemory>,
        environment: &Environment,
        interner: &Interner,
    ) -> Self {
        let Some(first) = specs.first() else { return Self::default() };
        let reader = client(server, &first.name, interner);
        let informers = Informers::with_environment(reader, environment.clone());
        let services = informers.informer();
        components.start("informers of the nodes", move |shutdown| async move { informers.run(shutdown).await });
        let (server, environment, interner) = (server.clone(), environment.clone(), interner.clone());
        Self {
            specs: specs.into_iter().map(|spec| (spec.name.clone(), Arc::new(spec))).collect(),
            running: BTreeMap::new(),
            shared: Some(Shared { server, connector, environment, interner, services }),
        }
    }

    pub(crate) fn start_all(&mut self, components: &mut Supervisor) {
        let names: Vec<String> = self.specs.keys().cloned().collect();
        for name in names {
            self.start(&name, components);
        }
    }

    /// Starts an agent, unless it runs.
    pub(crate) fn start(&mut self, name: &str, components: &mut Supervisor) {
        let (Some(spec), Some(shared)) = (self.specs.get(name), &self.shared) else { return };
        if self.running.contains_key(name) {
            return;
        }
        let client = client(&shared.server, name, &shared.interner);
        let (runtime, environment) = (Arc::clone(&spec.runtime), shared.environment.clone());
        let (handle, agent) = Agent::with(spec.config(), client, runtime, environment, Some(&shared.services)).start();
        let access = NodeServer::default();
        access.add(handle);
        let connections = shared.connector.register(name);
        let ended = CancellationToken::new();
        let end = ended.clone().drop_guard();
        let stop = components.start_fallible(format!("agent of {name}"), move |shutdown| async move {
            let _end = end;
            let (outcome, ()) = tokio::join!(agent.run(shutdown.clone()), give_access(access, connections, shutdown));
            outcome
        });
        self.running.insert(name.to_owned(), Running { stop, ended });
    }

    /// Stops an agent, if it runs, and waits for its end.
    pub(crate) async fn stop(&mut self, name: &str) {
        if let Some(agent) = self.running.remove(name) {
            agent.stop.cancel();
            agent.ended.cancelled().await;
        }
    }
}

/// A client that acts as the agent of this node.
fn client(server: &ApiServer, node: &str, interner: &Interner) -> Client {
    named(Client::new(server.as_user(identity::node(node))).with_interner(interner.clone()), "kubelet")
}

/// Serves the connections by which the API server reaches the containers of a node.
async fn give_access(server: NodeServer, mut connections: mpsc::Receiver<DuplexStream>, shutdown: CancellationToken) {
    let mut serving = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            () = shutdown.cancelled() => break,
            Some(_) = serving.join_next() => {}
            Some(stream) = connections.recv() => {
                let server = server.clone();
                serving.spawn(async move { server.serve_connection(stream).await });
            }
        }
    }
    serving.shutdown().await;
}
