//! What a cluster is made of.

use crate::cluster::Cluster;
use crate::encryption::EncryptionAtRest;
use crate::error::Result;
use crate::nodes::{self, NodeSpec};
use crate::storage::Storage;
use kubekit_node::runtime::ContainerRuntime;
use kubekit_node::runtime::simulated::{self, Simulated};
use kubekit_runtime::environment::Environment;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

/// What a cluster is made of. The default is a control plane in memory, without nodes and without a socket.
#[derive(Debug)]
#[must_use]
pub struct Builder {
    pub(crate) storage: Storage,
    pub(crate) encryption: EncryptionAtRest,
    pub(crate) listen: Option<SocketAddr>,
    pub(crate) server: kubekit_server::Config,
    pub(crate) controllers: Option<kubekit_controllers::Config>,
    pub(crate) scheduler: Option<kubekit_sched::driver::Config>,
    pub(crate) nodes: Vec<NodeSpec>,
    pub(crate) nftables: bool,
    pub(crate) environment: Environment,
}

impl Builder {
    pub(crate) fn new() -> Self {
        Self {
            storage: Storage::Memory,
            encryption: EncryptionAtRest::default(),
            listen: None,
            server: kubekit_server::Config::default(),
            controllers: Some(kubekit_controllers::Config::default()),
            scheduler: Some(kubekit_sched::driver::Config::default()),
            nodes: Vec::new(),
            nftables: false,
            environment: Environment::system(),
        }
    }

    /// Where objects and certificates are kept; in memory unless told.
    pub fn storage(mut self, storage: Storage) -> Self {
        self.storage = storage;
        self
    }

    /// What is encrypted before it is stored: what `encryption-config.yaml` in the data directory says, unless told.
    pub fn encryption(mut self, encryption: EncryptionAtRest) -> Self {
        self.encryption = encryption;
        self
    }

    /// Serves `kubectl` and others over TLS on this address; port 0 picks one.
    pub fn listen(mut self, address: SocketAddr) -> Self {
        self.listen = Some(address);
        self
    }

    /// Changes the settings of the API server.
    pub fn configure_server(mut self, change: impl FnOnce(&mut kubekit_server::Config)) -> Self {
        change(&mut self.server);
        self
    }

    /// Changes the settings of the controllers.
    pub fn configure_controllers(mut self, change: impl FnOnce(&mut kubekit_controllers::Config)) -> Self {
        if let Some(config) = &mut self.controllers {
            change(config);
        }
        self
    }

    /// Changes the settings of the scheduler.
    pub fn configure_scheduler(mut self, change: impl FnOnce(&mut kubekit_sched::driver::Config)) -> Self {
        if let Some(config) = &mut self.scheduler {
            change(config);
        }
        self
    }

    /// Without the built-in controllers: a Deployment makes no pods, and nothing is collected.
    pub fn without_controllers(mut self) -> Self {
        self.controllers = None;
        self
    }

    /// Without the scheduler: pods stay pending until somebody binds them.
    pub fn without_scheduler(mut self) -> Self {
        self.scheduler = None;
        self
    }

    /// Adds this many simulated nodes (`node-1`, …), on which pods run that are nothing but a state.
    pub fn simulated_nodes(mut self, count: usize) -> Self {
        for _ in 0..count {
            let name = nodes::name(self.nodes.len() + 1);
            let config = simulated::Config { node_name: name.clone(), ..simulated::Config::default() };
            let runtime = Simulated::new(config, Arc::clone(&self.environment.clock));
            self.nodes.push(NodeSpec::simulated(name, Arc::new(runtime)));
        }
        self
    }

    /// Adds a node of this machine, whose containers `runtime` runs; `directory` has what its agent keeps.
    pub fn node(
        mut self,
        name: impl Into<String>,
        runtime: Arc<dyn ContainerRuntime>,
        directory: impl Into<PathBuf>,
    ) -> Self {
        self.nodes.push(NodeSpec::real(name.into(), runtime, directory.into()));
        self
    }

    /// Turns Services into nftables rules of this machine, which takes the right to change its network.
    pub fn nftables(mut self) -> Self {
        self.nftables = true;
        self
    }

    /// Wall time and randomness; the system's unless told. Before [`Builder::simulated_nodes`], which use the clock.
    pub fn environment(mut self, environment: Environment) -> Self {
        self.environment = environment;
        self
    }

    /// Starts the cluster; returns when its API server answers. Nodes register themselves a moment later.
    ///
    /// # Errors
    ///
    /// See [`Error`](crate::Error): the directory is in use or damaged, the address is not to be had, and so on.
    pub async fn start(self) -> Result<Cluster> {
        Cluster::start(self).await
    }
}
