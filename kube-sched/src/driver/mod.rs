//! Connects the engine to an API server: watches pods and nodes, decides, binds, and says why a pod cannot be placed.
//!
//! One task owns the state and decides; bindings and other writes are in flight beside it, at most
//! [`Config::writes_in_flight_max`] at a time. A pod counts on its node from the decision on (it is *assumed*), so that
//! the next decision sees it; a binding that fails gives the room back. Two drivers at once never bind one pod twice: the
//! API server refuses the second binding. Start reading at [`Driver::run`]; the loop is in `work`, what the driver knows
//! and decides in `state`.

mod devices;
mod extender;
mod inventory;
mod metrics;
mod state;
mod volumes;
mod work;
mod write;
mod write_gang;
mod writes;

use crate::extender::Extender;
use crate::framework::{Profile, WaitingPods};
use crate::queue::QueueConfig;
use devices::DeviceWriter;
use extender::{Extenders, HttpExtender};
use futures::{Stream, StreamExt};
use http::Method;
use inventory::{Update, Watches};
use k8s_openapi::api::core::v1::{Namespace, Node, Pod};
use k8s_openapi::api::scheduling::v1alpha2::PodGroup;
use kubekit_runtime::client::empty_request;
use kubekit_runtime::environment::Environment;
use kubekit_runtime::{Change, Client, Error, Informer, Informers, Recorder};
pub use metrics::Metrics;
use serde::de::IgnoredAny;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use volumes::VolumeWriter;
use work::Work;
use write::{Known, Writer};

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
    /// Whether pods of a PodGroup are scheduled as a gang (KEP-4671; `GangScheduling` and `GenericWorkload` in Kubernetes).
    /// With an API server that serves no PodGroups, pods are placed one by one whatever this says.
    pub gang_scheduling: bool,
    /// Who is asked besides the plugins, over HTTP.
    pub extenders: Vec<Extender>,
    /// How many writes may be under way, those apart that wait for volumes or devices.
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
            gang_scheduling: true,
            extenders: Vec::new(),
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
            extenders: file.extenders,
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
    metrics: Metrics,
}

/// How long after a failure the API server is asked again what it serves.
const ASK_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// The informers of everything that decisions rest on.
struct Watched {
    pods: Informer<Pod>,
    nodes: Informer<Node>,
    namespaces: Informer<Namespace>,
    /// None where they are nothing special.
    groups: Option<Informer<PodGroup>>,
    watches: Watches,
}

impl Watched {
    fn new(informers: &Informers, gangs: bool) -> Self {
        Self {
            pods: informers.informer(),
            nodes: informers.informer(),
            namespaces: informers.informer(),
            groups: gangs.then(|| informers.informer()),
            watches: Watches::new(informers),
        }
    }

    async fn wait_synced(&self) {
        self.pods.wait_synced().await;
        self.nodes.wait_synced().await;
        self.namespaces.wait_synced().await;
        if let Some(groups) = &self.groups {
            groups.wait_synced().await;
        }
        self.watches.wait_synced().await;
    }

    fn changes(&self) -> impl Stream<Item = Observed> + use<> {
        let groups = match &self.groups {
            Some(groups) => groups.subscribe().map(Observed::Group).boxed(),
            None => futures::stream::pending().boxed(),
        };
        let rare = futures::stream::select_all([
            self.nodes.subscribe().map(Observed::Node).boxed(),
            self.namespaces.subscribe().map(Observed::Namespace).boxed(),
            groups,
            self.watches.subscribe().map(Observed::Inventory).boxed(),
        ]);
        futures::stream::select(self.pods.subscribe().map(Observed::Pod), rare)
    }
}

/// Something that a watch has shown.
enum Observed {
    Pod(Change<Pod>),
    Node(Change<Node>),
    Namespace(Change<Namespace>),
    Group(Change<PodGroup>),
    Inventory(Update),
}

impl Driver {
    /// A driver that acts as this client's user, `system:kube-scheduler` as a rule.
    pub fn new(client: Client, config: Config, environment: Environment) -> Self {
        Self { client, config, environment, metrics: Metrics::default() }
    }

    /// What it has done, also while it runs.
    pub fn metrics(&self) -> Metrics {
        self.metrics.clone()
    }

    /// Schedules until `shutdown`; returns when every write under way has ended.
    ///
    /// # Errors
    /// At once, if the URL of an extender is none, or a certificate of it cannot be read: scheduling as if it were not there
    /// would be wrong.
    pub async fn run(self, shutdown: CancellationToken) -> Result<(), Error> {
        let extenders = self.config.extenders.iter().cloned().map(HttpExtender::new).collect::<Result<_, _>>()?;
        let Some(gangs) = self.schedules_gangs(&shutdown).await else { return Ok(()) };
        let informers = Informers::with_environment(self.client.clone(), self.environment.clone());
        let watched = Watched::new(&informers, gangs);
        let (recorder, events) =
            Recorder::new(self.client.clone(), self.config.profile.name(), String::new(), self.environment.clone());
        // Events of the last decisions are sent after the deciding has ended.
        let background = CancellationToken::new();
        let work = async {
            Box::pin(self.work(watched, recorder, extenders, &shutdown)).await;
            background.cancel();
        };
        tokio::join!(work, informers.run(background.clone()), events.run(background.clone()));
        Ok(())
    }

    /// Whether pods of groups are scheduled together: it is asked for, and the API server serves groups. `None` at the end.
    async fn schedules_gangs(&self, shutdown: &CancellationToken) -> Option<bool> {
        if !self.config.gang_scheduling {
            return Some(false);
        }
        loop {
            let path = "/apis/scheduling.k8s.io/v1alpha2";
            let request = empty_request(Method::GET, path, "application/json").expect("the path is one");
            let asked = tokio::select! {
                () = shutdown.cancelled() => return None,
                asked = self.client.request::<IgnoredAny>(request) => asked,
            };
            match asked {
                Ok(_) => return Some(true),
                // Who may not ask may not watch them either.
                Err(error) if error.is_not_found() || error.is_forbidden() => return Some(false),
                Err(error) => tracing::debug!(error = %error.chain(), "asking for pod groups failed; trying again"),
            }
            tokio::select! {
                () = shutdown.cancelled() => return None,
                () = tokio::time::sleep(ASK_AGAIN_AFTER) => {}
            }
        }
    }

    async fn work(
        &self,
        watched: Watched,
        recorder: Recorder,
        extenders: Arc<[HttpExtender]>,
        shutdown: &CancellationToken,
    ) {
        let changes = pin!(watched.changes());
        tokio::select! {
            () = shutdown.cancelled() => return,
            // A decision on half of the pods would overcommit nodes.
            () = watched.wait_synced() => {}
        }
        let extenders = Extenders::new(extenders, watched.pods.reader(), watched.nodes.reader());
        let writer = self.writer(&watched, recorder, extenders);
        let config = Config { gang_scheduling: watched.groups.is_some(), ..self.config.clone() };
        Work::new(&config, writer, self.metrics.clone()).run(changes, shutdown).await;
    }

    fn writer(&self, watched: &Watched, recorder: Recorder, extenders: Extenders) -> Writer {
        let Watched { pods, groups, watches, .. } = watched;
        let client = &self.client;
        let timeout = self.config.volume_bind_timeout;
        let volumes = VolumeWriter::new(client.clone(), watches.claims(), watches.volumes(), timeout);
        let random = self.environment.random.clone();
        let devices = DeviceWriter::new(client.clone(), watches.resource_claims(), watches.device_classes(), random);
        let known = Known { pods: pods.reader(), groups: groups.as_ref().map(Informer::reader) };
        Writer::new(client.clone(), recorder, self.environment.clone(), known, extenders, (volumes, devices))
    }
}
