//! The service proxy: watches Services and EndpointSlices, and keeps the rules of this node right.

use crate::applier::Applier;
use crate::backend::{ProxyBackend, RuleSet};
use crate::health::HealthServers;
use crate::state::ServiceMap;
use futures::{FutureExt, StreamExt};
use k8s_openapi::api::core::v1::{Node, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kubekit_runtime::{Change, Client, Informer, Informers, WatchScope};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How a proxy works.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// The name of this node, which tells local endpoints, and the zone whose endpoints are preferred.
    pub node_name: String,
    /// Whether this proxy is for IPv6; a dual-stack node runs one for each family.
    pub ipv6: bool,
    /// Changes are gathered this long, so that a burst becomes one transaction.
    pub sync_period_min: Duration,
    /// After this long all rules are replaced, whatever others did to them.
    pub full_sync_period: Duration,
    /// After a failure it is tried again this much later.
    pub retry_period: Duration,
}

impl Config {
    /// With kube-proxy's periods, but for the shorter gathering.
    pub fn new(node_name: impl Into<String>) -> Self {
        Self {
            node_name: node_name.into(),
            ipv6: false,
            sync_period_min: Duration::from_millis(50),
            full_sync_period: Duration::from_secs(3600),
            retry_period: Duration::from_secs(2),
        }
    }
}

/// A service proxy.
#[derive(Debug)]
pub struct Proxy {
    client: Client,
    config: Config,
    backend: Arc<dyn ProxyBackend>,
    applier: Arc<dyn Applier>,
}

enum Observed {
    Service(Change<Service>),
    Slice(Change<EndpointSlice>),
    Node(Change<Node>),
}

/// What is watched.
struct Sources {
    services: Informer<Service>,
    slices: Informer<EndpointSlice>,
    node: Informer<Node>,
}

impl Proxy {
    /// A proxy that acts as this client's user, `system:kube-proxy` as a rule.
    pub fn new(client: Client, config: Config, backend: Arc<dyn ProxyBackend>, applier: Arc<dyn Applier>) -> Self {
        Self { client, config, backend, applier }
    }

    /// Keeps the rules right until `shutdown`. They stay when it ends, so that connections survive a restart; see
    /// [`Proxy::clean_up`].
    pub async fn run(&self, shutdown: CancellationToken) {
        let informers = Informers::new(self.client.clone());
        let sources = Sources {
            services: informers.informer(),
            slices: informers.informer(),
            node: informers.informer_with(WatchScope::fields(format!("metadata.name={}", self.config.node_name))),
        };
        let background = CancellationToken::new();
        let work = async {
            self.work(&sources, &shutdown).await;
            background.cancel();
        };
        tokio::join!(work, informers.run(background.clone()));
    }

    /// Takes every rule away.
    ///
    /// # Errors
    /// See [`Applier::apply`].
    pub async fn clean_up(&self) -> Result<(), crate::applier::ApplyError> {
        self.applier.apply(&self.backend.remove()).await
    }

    async fn work(&self, sources: &Sources, shutdown: &CancellationToken) {
        let Sources { services, slices, node } = sources;
        let mut changes = std::pin::pin!(futures::stream::select(
            futures::stream::select(
                services.subscribe().map(Observed::Service),
                slices.subscribe().map(Observed::Slice)
            ),
            node.subscribe().map(Observed::Node)
        ));
        tokio::select! {
            () = shutdown.cancelled() => return,
            // Rules from half of the endpoints would refuse connections that the rules before served.
            () = async { services.wait_synced().await; slices.wait_synced().await; node.wait_synced().await; } => {}
        }
        let mut map = ServiceMap::new(self.config.node_name.clone());
        let mut applied: Option<RuleSet> = None;
        let mut health = HealthServers::new(if self.config.ipv6 {
            Ipv6Addr::UNSPECIFIED.into()
        } else {
            Ipv4Addr::UNSPECIFIED.into()
        });
        let mut next_sync = Some(Instant::now());
        let mut next_full_sync = Instant::now() + self.config.full_sync_period;
        loop {
            tokio::select! {
                biased;
                () = shutdown.cancelled() => return,
                change = changes.next() => {
                    let Some(change) = change else { return };
                    let mut changed = observe(&mut map, &change);
                    while let Some(Some(change)) = changes.next().now_or_never() {
                        changed |= observe(&mut map, &change);
                    }
                    if changed && next_sync.is_none() {
                        next_sync = Some(Instant::now() + self.config.sync_period_min);
                    }
                }
                () = sleep_until(next_sync) => {
                    let synced = self.sync(&map, &mut applied).await;
                    health.update(map.health_checks(self.config.ipv6), synced.is_ok()).await;
                    next_sync = synced.err().map(|()| Instant::now() + self.config.retry_period);
                }
                () = tokio::time::sleep_until(next_full_sync) => {
                    applied = None;
                    next_sync = Some(Instant::now());
                    next_full_sync = Instant::now() + self.config.full_sync_period;
                }
            }
        }
    }

    /// Brings the rules up to date. After a failure what is applied is not known, and the next try replaces all.
    async fn sync(&self, map: &ServiceMap, applied: &mut Option<RuleSet>) -> Result<(), ()> {
        let rules = self.backend.render(&map.ports(self.config.ipv6));
        let transaction = match applied.take() {
            Some(old) => self.backend.difference(&old, &rules),
            None => self.backend.replace(&rules),
        };
        if !transaction.is_empty() {
            if let Err(error) = self.applier.apply(&transaction).await {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "applying service rules failed; trying again"
                );
                return Err(());
            }
            tracing::debug!(rules = rules.len(), bytes = transaction.len(), "applied service rules");
        }
        *applied = Some(rules);
        Ok(())
    }
}

async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

/// Takes in a change; gives whether it can change rules.
fn observe(map: &mut ServiceMap, change: &Observed) -> bool {
    match change {
        Observed::Service(Change::Applied { new, .. }) => map.service_applied(new),
        Observed::Service(Change::Deleted(service)) => map.service_deleted(service),
        Observed::Slice(Change::Applied { new, .. }) => map.slice_applied(new),
        Observed::Slice(Change::Deleted(slice)) => map.slice_deleted(slice),
        Observed::Node(Change::Applied { new, .. }) => map.node_applied(new),
        // It is registered again, or the proxy goes with it; until then the zone is what it was.
        Observed::Node(Change::Deleted(_)) => false,
    }
}
