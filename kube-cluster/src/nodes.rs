//! The nodes of a cluster: an agent each, which the API server reaches in memory.

use crate::identity;
use crate::supervisor::Supervisor;
use k8s_openapi::api::core::v1::Service;
use kubekit_node::agent::machine::Capacity;
use kubekit_node::agent::{self, Agent};
use kubekit_node::runtime::ContainerRuntime;
use kubekit_runtime::environment::Environment;
use kubekit_runtime::{Client, Informer, Informers};
use kubekit_server::ApiServer;
use kubekit_server::node::InMemory;
use std::path::PathBuf;
use std::sync::Arc;

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
        config.addresses = vec!["127.0.0.1".to_owned()];
        match &self.directory {
            Some(directory) => config.root_directory.clone_from(directory),
            None => config.capacity = Capacity::of(SIMULATED_CORES, SIMULATED_MEMORY_BYTES),
        }
        config
    }
}

/// The name of the nth simulated node. The same at every start, so that a cluster on disk finds its nodes again.
pub(crate) fn name(number: usize) -> String {
    format!("node-{number}")
}

/// Starts agents. Those of one process share a watch on Services, which all of them may read.
pub(crate) fn start(
    components: &mut Supervisor,
    server: &ApiServer,
    connector: &InMemory,
    environment: &Environment,
    nodes: Vec<NodeSpec>,
) {
    let Some(first) = nodes.first() else { return };
    let reader = Client::new(server.as_user(identity::node(&first.name)));
    let informers = Informers::with_environment(reader, environment.clone());
    let services: Informer<Service> = informers.informer();
    components.start("informers of the nodes", move |shutdown| async move { informers.run(shutdown).await });
    for node in nodes {
        start_one(components, server, connector, environment, &services, node);
    }
}

fn start_one(
    components: &mut Supervisor,
    server: &ApiServer,
    connector: &InMemory,
    environment: &Environment,
    services: &Informer<Service>,
    node: NodeSpec,
) {
    let client = Client::new(server.as_user(identity::node(&node.name)));
    let agent = Agent::with(node.config(), client, Arc::clone(&node.runtime), environment.clone(), Some(services));
    let (handle, agent) = agent.start();
    let _ = (handle, connector);
    components.start_fallible(format!("agent of {}", node.name), move |shutdown| agent.run(shutdown));
}
