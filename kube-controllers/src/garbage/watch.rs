//! One watch of metadata for every kind that can be listed, watched and deleted; kinds come and go.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::StreamExt as _;
use kubekit_core::environment::Random;
use kubekit_runtime::watcher::{Config, Event, watcher};
use kubekit_runtime::{Api, ApiResource, Client, Object as _, PartialObject};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::graph::{Graph, Work};
use crate::discovery;

/// How often new kinds are looked for. Source: `garbageCollector.Sync`.
const DISCOVERY_PERIOD: Duration = Duration::from_secs(30);

/// Events have no owners that matter, and are many.
fn is_watched(served: &discovery::Served) -> bool {
    served.supports(&["list", "watch", "delete"]) && served.resource.plural != "events"
}

/// The graph, the kinds that feed it, and who is told what must be looked at.
pub(super) struct Watches {
    pub(super) client: Client,
    pub(super) random: Arc<dyn Random>,
    pub(super) graph: Mutex<Graph>,
    /// Takes what must be looked at.
    pub(super) queue: Box<dyn Fn(Work) + Send + Sync>,
    kinds: Mutex<HashMap<ApiResource, Kind>>,
    /// Counts what changes whether all kinds were listed.
    progress: watch::Sender<u64>,
}

#[derive(Debug)]
struct Kind {
    stop: CancellationToken,
    listed: bool,
}

impl Watches {
    pub(super) fn new(client: Client, random: Arc<dyn Random>, queue: Box<dyn Fn(Work) + Send + Sync>) -> Self {
        Self {
            client,
            random,
            graph: Mutex::default(),
            queue,
            kinds: Mutex::default(),
            progress: watch::Sender::new(0),
        }
    }

    pub(super) fn graph(&self) -> MutexGuard<'_, Graph> {
        self.graph.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn kinds(&self) -> MutexGuard<'_, HashMap<ApiResource, Kind>> {
        self.kinds.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where a kind is served; none if it is not, or not that anybody knew of.
    pub(super) fn resource(&self, group: &str, kind: &str) -> Option<ApiResource> {
        self.kinds().keys().find(|r| r.group == group && r.kind == kind).cloned()
    }

    /// Returns when every kind was listed once.
    pub(super) async fn wait_listed(&self) {
        let mut progress = self.progress.subscribe();
        let listed = || {
            let kinds = self.kinds();
            !kinds.is_empty() && kinds.values().all(|kind| kind.listed)
        };
        // The sender lives as long as `self`.
        let _ = progress.wait_for(|_| listed()).await;
    }

    /// The kinds that were not listed yet: `cronjobs.batch`.
    pub(super) fn unlisted(&self) -> Vec<String> {
        let kinds = self.kinds();
        let unlisted = kinds.iter().filter(|(_, kind)| !kind.listed);
        let mut names: Vec<String> = unlisted.map(|(kind, _)| format!("{}.{}", kind.plural, kind.group)).collect();
        names.sort();
        names
    }

    /// Watches until `shutdown`.
    pub(super) async fn run(self: &Arc<Self>, shutdown: &CancellationToken) {
        let mut tasks = JoinSet::new();
        let mut failures: u32 = 0;
        while !shutdown.is_cancelled() {
            let pause = match discovery::discover(&self.client).await {
                Ok(discovered) => {
                    failures = 0;
                    self.follow(&discovered, &mut tasks, shutdown);
                    DISCOVERY_PERIOD
                }
                Err(error) => {
                    tracing::warn!(error = %error.chain(), "the kinds to collect could not be discovered");
                    failures += 1;
                    DISCOVERY_PERIOD.min(Duration::from_millis(100) * 2_u32.pow(failures.min(9)))
                }
            };
            let _ = tokio::time::timeout(pause, shutdown.cancelled()).await;
            while tasks.try_join_next().is_some() {}
        }
        while tasks.join_next().await.is_some() {}
    }

    /// Begins to watch kinds that are new, and stops watching those that are gone.
    fn follow(
        self: &Arc<Self>,
        discovered: &discovery::Discovered,
        tasks: &mut JoinSet<()>,
        shutdown: &CancellationToken,
    ) {
        let wanted: Vec<&discovery::Served> = discovered.kinds.iter().filter(|s| is_watched(s)).collect();
        let mut kinds = self.kinds();
        // Where a group's server does not answer, its kinds are unknown, not gone.
        if discovered.stale.is_empty() {
            kinds.retain(|resource, kind| {
                let stays = wanted.iter().any(|served| served.resource == *resource);
                if !stays {
                    kind.stop.cancel();
                }
                stays
            });
        }
        for served in wanted {
            if !kinds.contains_key(&served.resource) {
                let stop = shutdown.child_token();
                kinds.insert(served.resource.clone(), Kind { stop: stop.clone(), listed: false });
                let (watches, resource) = (Arc::clone(self), Arc::new(served.resource.clone()));
                tasks.spawn(async move { watches.watch(resource, stop).await });
            }
        }
        drop(kinds);
        self.progress.send_modify(|count| *count += 1);
    }

    async fn watch(&self, resource: Arc<ApiResource>, stop: CancellationToken) {
        let api = Api::<PartialObject>::of(self.client.clone(), ApiResource::clone(&resource));
        let mut events = Box::pin(watcher(api, Config::default(), Arc::clone(&self.random)));
        while let Some(Some(event)) = stop.run_until_cancelled(events.next()).await {
            let work = match event {
                Ok(Event::Restarted(objects)) => {
                    let work = self.graph().restarted(&resource, &objects);
                    self.mark_listed(&resource);
                    work
                }
                Ok(Event::Applied(object)) => self.graph().applied(&resource, &object),
                Ok(Event::Deleted(object)) => self.graph().deleted(object.uid()),
                Ok(Event::Watching) => continue,
                Err(error) => {
                    tracing::debug!(resource = %resource.plural, error = %error.chain(), "a watch failed");
                    continue;
                }
            };
            work.into_iter().for_each(&self.queue);
        }
        // What was seen of a kind that is gone is gone with it; its dependents are looked at.
        if !stop.is_cancelled() || !self.kinds().contains_key(&*resource) {
            self.graph().restarted(&resource, &[]).into_iter().for_each(&self.queue);
        }
    }

    fn mark_listed(&self, resource: &ApiResource) {
        if let Some(kind) = self.kinds().get_mut(resource) {
            kind.listed = true;
        }
        self.progress.send_modify(|count| *count += 1);
    }
}
