//! What an API server is made of, and how it is put together.

use crate::admission::Admission;
use crate::authentication::{Authenticator, ServiceAccountTokens, Union};
use crate::authorization::{Authorizer, CertificateAuthorization, Escalation, NodeAuthorizer, NodeRestriction, Rbac};
use crate::bootstrap;
use crate::node::NodeConnector;
use crate::registry::{Plugins, Registry};
use crate::server::{Access, ApiServer, Server, ServiceAccounts};
use crate::tokens::Issuer;
use ipnet::IpNet;
use kubekit_core::alloc::ip;
use kubekit_core::environment::{Random, WallClock};
use kubekit_core::status::ApiError;
use kubekit_store::Store;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

/// The settings of an API server; the defaults are those of kube-apiserver.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// Ranges of cluster IPs; the family of the first is the default family. One, or one of each family.
    pub service_cidrs: Vec<IpNet>,
    /// Range of node ports, both ends included.
    pub node_ports: RangeInclusive<u16>,
    /// How long Events are kept.
    pub event_ttl: Duration,
    /// How long a request may take; watches and streams are exempt.
    pub request_timeout: Duration,
    /// The largest request body that is read, in bytes.
    pub body_bytes_max: usize,
    /// Requests that change something and are served at the same time.
    pub mutating_in_flight_max: usize,
    /// Requests that change nothing and are served at the same time; watches and streams are exempt.
    pub read_only_in_flight_max: usize,
    /// Requests of each of the two sorts that wait for their turn; further ones are refused with 429. A priority level of
    /// kube-apiserver has 64 queues of 50.
    pub queued_max: usize,
    /// How long history is kept for watches and pages of lists.
    pub history: Duration,
    /// Whether requests without credentials are served as `system:anonymous`, as far as authorization lets them.
    pub anonymous: bool,
    /// Built-in admission plugins that are switched off, by the names of kube-apiserver's
    /// `--disable-admission-plugins`: `ServiceAccount` where no controller creates service accounts.
    pub disabled_admission: BTreeSet<String>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            service_cidrs: vec!["10.96.0.0/12".parse().expect("a valid network")],
            node_ports: 30000..=32767,
            event_ttl: Duration::from_secs(3600),
            request_timeout: Duration::from_secs(60),
            body_bytes_max: 3 * 1024 * 1024,
            mutating_in_flight_max: 200,
            read_only_in_flight_max: 400,
            queued_max: 64 * 50,
            history: Duration::from_secs(300),
            anonymous: false,
            disabled_admission: BTreeSet::new(),
        }
    }
}

impl Config {
    /// The address of the Service through which Pods reach the API server: the first of the first range. `None` where that
    /// range is none.
    pub fn own_service_ip(&self) -> Option<IpAddr> {
        let range = self.service_cidrs.first()?;
        ip::Allocator::new(*range).ok().map(|range| range.first())
    }
}

/// Puts an [`ApiServer`] together.
#[derive(Debug)]
#[must_use]
pub struct Builder {
    store: Arc<dyn Store>,
    config: Config,
    authenticators: Vec<Arc<dyn Authenticator>>,
    authorizers: Vec<Arc<dyn Authorizer>>,
    admission: Vec<Arc<dyn Admission>>,
    connector: Option<Arc<dyn NodeConnector>>,
    issuer: Option<Arc<Issuer>>,
    clock: Arc<dyn WallClock>,
    random: Arc<dyn Random>,
}

impl Builder {
    pub(crate) fn new(store: Arc<dyn Store>) -> Self {
        Self {
            store,
            config: Config::default(),
            authenticators: Vec::new(),
            authorizers: Vec::new(),
            admission: Vec::new(),
            connector: None,
            issuer: None,
            clock: Arc::new(crate::environment::SystemClock),
            random: Arc::new(crate::environment::SystemRandom),
        }
    }

    /// Replaces all settings.
    pub fn config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// Changes settings in place.
    pub fn configure(mut self, change: impl FnOnce(&mut Config)) -> Self {
        change(&mut self.config);
        self
    }

    /// Adds an authenticator; they are asked in order, and the first that finds a user wins.
    pub fn authenticator(mut self, authenticator: Arc<dyn Authenticator>) -> Self {
        self.authenticators.push(authenticator);
        self
    }

    /// Adds an authorizer before those for nodes and RBAC; they are asked in order, and the first opinion wins.
    pub fn authorizer(mut self, authorizer: Arc<dyn Authorizer>) -> Self {
        self.authorizers.push(authorizer);
        self
    }

    /// Adds an admission plugin after those built in.
    pub fn admission(mut self, plugin: Arc<dyn Admission>) -> Self {
        self.admission.push(plugin);
        self
    }

    /// How node agents are reached; without one, logs, exec, attach and port-forward answer 503.
    pub fn connector(mut self, connector: Arc<dyn NodeConnector>) -> Self {
        self.connector = Some(connector);
        self
    }

    /// Who issues service account tokens, and whose tokens are accepted; without one, neither is.
    pub fn token_issuer(mut self, issuer: Arc<Issuer>) -> Self {
        self.issuer = Some(issuer);
        self
    }

    /// The wall clock; by default that of the system.
    pub fn clock(mut self, clock: Arc<dyn WallClock>) -> Self {
        self.clock = clock;
        self
    }

    /// Randomness for uids and generated names; by default that of the system.
    pub fn random(mut self, random: Arc<dyn Random>) -> Self {
        self.random = random;
        self
    }

    /// Writes the objects that every cluster has where they are absent, rebuilds what is allocated from what is stored,
    /// and gives the server.
    ///
    /// # Errors
    /// When the store fails, or a setting cannot be.
    pub async fn build(self) -> Result<ApiServer, ApiError> {
        let access = self.access();
        let built_in: Vec<Arc<dyn Admission>> = vec![
            Arc::new(NodeRestriction),
            Arc::new(CertificateAuthorization::new(Arc::clone(&access.rbac))),
            Arc::new(Escalation::new(Arc::clone(&access.rbac))),
        ];
        let plugins = Plugins { built_in, foreign: self.admission };
        let registry = Registry::new(self.store, self.clock, self.random, &self.config, plugins)?;
        let server = Arc::new(Server::new(self.config, registry, access, self.connector));
        bootstrap::run(&server).await?;
        server.rbac.start().await.map_err(ApiError::internal)?;
        Ok(ApiServer::of(server))
    }

    fn access(&self) -> Access {
        let service_accounts = self.issuer.as_ref().map(|issuer| ServiceAccounts {
            issuer: Arc::clone(issuer),
            tokens: Arc::new(ServiceAccountTokens::new(
                Arc::clone(issuer),
                Arc::clone(&self.store),
                Arc::clone(&self.clock),
            )),
        });
        let tokens = service_accounts.as_ref().map(|accounts| Arc::clone(&accounts.tokens) as Arc<dyn Authenticator>);
        let rbac = Arc::new(Rbac::new(Arc::clone(&self.store)));
        let mut authorizers = self.authorizers.clone();
        authorizers.push(Arc::new(NodeAuthorizer::new(Arc::clone(&self.store))));
        authorizers.push(Arc::clone(&rbac) as Arc<dyn Authorizer>);
        let authenticators = Union::new(self.authenticators.iter().cloned().chain(tokens));
        Access { authenticators, authorizers, rbac, service_accounts }
    }
}
