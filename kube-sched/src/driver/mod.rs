//! Connects the engine to an API server: watches pods and nodes, decides, binds, and says why a pod cannot be placed.
//!
//! One task owns the state and decides; bindings and other writes are in flight beside it, at most
//! [`Config::writes_in_flight_max`] at a time. A pod counts on its node from the decision on (it is *assumed*), so that
//! the next decision sees it; a binding that fails gives the room back. Two drivers at once never bind one pod twice: the
//! API server refuses the second binding. Start reading at [`Driver::run`]; what the driver knows is in `state`.

mod devices;
mod inventory;
mod state;
mod volumes;
mod write;

use crate::framework::{Profile, WaitingPods};
use crate::queue::QueueConfig;
use devices::DeviceWriter;
use futures::{FutureExt, Stream, StreamExt};
use inventory::{Update, Watches};
use k8s_openapi::api::core::v1::{Namespace, Node, Pod};
use kubekit_runtime::environment::Environment;
use kubekit_runtime::{Change, Client, Informer, Informers, Recorder};
use state::{State, Step};
use std::future::poll_fn;
use std::pin::pin;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use volumes::VolumeWriter;
use write::{Writer, Written};

/// How a driver works.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// The plugins. Pods choose the driver by the profile's name (`spec.schedulerName`).
    pub profile: Profile,
    /// Further profiles, under names of their own. All share the cluster's state, and the queue of the first.
    pub further_profiles: Vec<Profile>,
    /// How long volumes may take to be bound before a pod is tried again.
    pub volume_bind_timeout: Duration,
    /// Decides ties.
    pub seed: u64,
    /// Bounds of back-off and waiting.
    pub queue: QueueConfig,
    /// How many writes may be under way.
    pub writes_in_flight_max: usize,
    /// Where pods that wait in Permit are looked at, allowed and rejected from outside: by the plugin that made them wait,
    /// or by whoever else has a clone.
    pub waiting_pods: WaitingPods,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            profile: Profile::default(),
            further_profiles: Vec::new(),
            volume_bind_timeout: Duration::from_secs(600),
            seed: 0,
            queue: QueueConfig::default(),
            writes_in_flight_max: 128,
            waiting_pods: WaitingPods::default(),
        }
    }
}

#[cfg(feature = "config")]
impl From<crate::config::SchedulerConfiguration> for Config {
    /// The driver that a configuration file describes.
    fn from(file: crate::config::SchedulerConfiguration) -> Self {
        let mut profiles = file.profiles.into_iter();
        Self {
            profile: profiles.next().unwrap_or_default(),
            further_profiles: profiles.collect(),
            volume_bind_timeout: file.volume_bind_timeout,
            queue: file.queue,
            ..Self::default()
        }
    }
}

/// A scheduler for an API server.
#[derive(Debug)]
pub struct Driver {
    client: Client,
    config: Config,
    environment: Environment,
}

/// How many changes are taken in, and how many decisions made, before the other gets its turn.
const CHANGES_PER_TURN: usize = 1024;
const DECISIONS_PER_TURN: usize = 64;

/// The informers of everything that decisions rest on.
struct Watched {
    pods: Informer<Pod>,
    nodes: Informer<Node>,
    namespaces: Informer<Namespace>,
    watches: Watches,
}

impl Watched {
    fn changes(&self) -> impl Stream<Item = Observed> + use<> {
        futures::stream::select(
            self.pods.subscribe().map(Observed::Pod),
            futures::stream::select(
                futures::stream::select(
                    self.nodes.subscribe().map(Observed::Node),
                    self.namespaces.subscribe().map(Observed::Namespace),
                ),
                self.watches.subscribe().map(Observed::Inventory),
            ),
        )
    }
}

enum Observed {
    Pod(Change<Pod>),
    Node(Change<Node>),
    Namespace(Change<Namespace>),
    Inventory(Update),
}

impl Driver {
    /// A driver that acts as this client's user, `system:kube-scheduler` as a rule.
    pub fn new(client: Client, config: Config, environment: Environment) -> Self {
        Self { client, config, environment }
    }

    /// Schedules until `shutdown`; returns when every write under way has ended.
    pub async fn run(self, shutdown: CancellationToken) {
        let informers = Informers::with_environment(self.client.clone(), self.environment.clone());
        let pods = informers.informer::<Pod>();
        let nodes = informers.informer::<Node>();
        let namespaces = informers.informer::<Namespace>();
        let watches = Watches::new(&informers);
        let (recorder, events) =
            Recorder::new(self.client.clone(), self.config.profile.name(), String::new(), self.environment.clone());
        // Events of the last decisions are sent after the deciding has ended.
        let background = CancellationToken::new();
        let work = async {
            Box::pin(self.work(Watched { pods, nodes, namespaces, watches }, recorder, &shutdown)).await;
            background.cancel();
        };
        tokio::join!(work, informers.run(background.clone()), events.run(background.clone()));
    }

    async fn work(&self, watched: Watched, recorder: Recorder, shutdown: &CancellationToken) {
        let Watched { pods, nodes, namespaces, watches } = &watched;
        let mut changes = pin!(watched.changes());
        tokio::select! {
            () = shutdown.cancelled() => return,
            // A decision on half of the pods would overcommit nodes.
            () = async {
                pods.wait_synced().await;
                nodes.wait_synced().await;
                namespaces.wait_synced().await;
                watches.wait_synced().await;
            } => {}
        }
        let start = Instant::now();
        let mut state = State::new(&self.config);
        let volumes = VolumeWriter::new(
            self.client.clone(),
            watches.claims(),
            watches.volumes(),
            self.config.volume_bind_timeout,
        );
        let devices = DeviceWriter::new(self.client.clone(), watches.resource_claims(), watches.device_classes());
        let writer =
            Writer::new(self.client.clone(), recorder, self.environment.clone(), pods.reader(), volumes, devices);
        let mut writes = JoinSet::new();
        while observe_ready(&mut state, &mut changes, usize::MAX, start).is_some_and(|taken| taken > 0) {}
        loop {
            if observe_ready(&mut state, &mut changes, CHANGES_PER_TURN, start).is_none() {
                break;
            }
            while let Some(written) = writes.try_join_next() {
                finish(&mut state, written, start.elapsed());
            }
            if self.decide(&mut state, &writer, &mut writes, start) > 0 {
                tokio::task::yield_now().await;
                if shutdown.is_cancelled() {
                    break;
                }
                continue;
            }
            let room = self.has_room(&state, &writes);
            let deadline = state.next_deadline().filter(|_| room);
            tokio::select! {
                biased;
                () = shutdown.cancelled() => break,
                change = changes.next() => match change {
                    Some(change) => observe(&mut state, change, start.elapsed()),
                    None => break,
                },
                Some(written) = writes.join_next() => finish(&mut state, written, start.elapsed()),
                () = poll_fn(|context| state.poll_decided(context)), if room => {}
                () = sleep_until(start, deadline) => {}
            }
        }
        // Bindings that were sent are waited for: an abandoned one would be neither bound nor reported.
        while writes.join_next().await.is_some() {}
    }

    /// Whether another write may begin. Pods whose volumes are being made ready wait for minutes, and hold nobody up.
    fn has_room(&self, state: &State, writes: &JoinSet<Written>) -> bool {
        writes.len() < self.config.writes_in_flight_max.saturating_add(state.waiting_for_changes())
    }

    /// Makes decisions while there are pods to try and room for writes; gives their number.
    fn decide(&self, state: &mut State, writer: &Writer, writes: &mut JoinSet<Written>, start: Instant) -> usize {
        let mut decisions = 0;
        while decisions < DECISIONS_PER_TURN && self.has_room(state, writes) {
            let Some(step) = state.next_step(start.elapsed()) else { break };
            decisions += 1;
            match step {
                Step::Bind(binding) => {
                    writes.spawn(writer.clone().bind(binding));
                }
                Step::Wait => {}
                Step::Report { pod, error } => {
                    writes.spawn(writer.clone().report(pod, error));
                }
            }
        }
        decisions
    }
}

async fn sleep_until(start: Instant, deadline: Option<Duration>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(start + deadline).await,
        None => std::future::pending().await,
    }
}

/// Takes in the changes that are there; `None` when the informers have stopped.
fn observe_ready(
    state: &mut State,
    changes: &mut (impl Stream<Item = Observed> + Unpin),
    max: usize,
    start: Instant,
) -> Option<usize> {
    let mut taken = 0;
    while taken < max {
        match changes.next().now_or_never() {
            Some(Some(change)) => observe(state, change, start.elapsed()),
            Some(None) => return None,
            None => break,
        }
        taken += 1;
    }
    Some(taken)
}

fn observe(state: &mut State, change: Observed, now: Duration) {
    match change {
        Observed::Pod(Change::Applied { new, .. }) => state.pod_applied(&new, now),
        Observed::Pod(Change::Deleted(pod)) => state.pod_deleted(&pod, now),
        Observed::Node(Change::Applied { new, .. }) => state.node_applied(&new, now),
        Observed::Node(Change::Deleted(node)) => state.node_deleted(&node),
        Observed::Namespace(Change::Applied { new, .. }) => state.namespace_applied(&new, now),
        Observed::Namespace(Change::Deleted(namespace)) => state.namespace_deleted(&namespace),
        Observed::Inventory(update) => state.inventory_changed(update, now),
    }
}

fn finish(state: &mut State, written: Result<Written, tokio::task::JoinError>, now: Duration) {
    match written {
        Ok(Written::Bound(binding)) => state.bound(&binding),
        Ok(Written::BindFailed(binding)) => state.bind_failed(&binding.pod, now),
        Ok(Written::Reported) => {}
        Err(error) => tracing::error!(%error, "a write of the scheduler ended abnormally"),
    }
}
