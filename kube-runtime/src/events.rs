//! Events: what happened to an object, for people to read.
//!
//! [`Recorder`] takes them from anywhere without waiting; [`EventWriter`] sends them. Repetition is dealt with as by
//! client-go's `tools/record`: see `correlator`.

mod correlator;
mod lru;

use crate::api::Api;
use crate::client::Client;
use crate::environment::Environment;
use crate::error::Error;
use crate::object::Object as _;
use crate::params::PatchParams;
use crate::patch::Patch;
use correlator::{Correlator, Decision, Identity, Occurrence};
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use k8s_openapi::api::core::v1::{Event, EventSource, ObjectReference};
use kubekit_core::environment::WallClock;
use serde::de::IgnoredAny;
use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// How many events may wait to be sent. client-go's `maxQueuedEvents`.
const QUEUE_MAX: usize = 1000;

/// How many events are on their way at a time, all of different things.
const IN_FLIGHT_MAX: usize = 16;

/// How often an event is sent while no answer comes, and how long between. client-go's `maxTriesPerEvent` and
/// `defaultSleepDuration`.
const TRIES_MAX: u32 = 12;
const TRY_AGAIN_AFTER: Duration = Duration::from_secs(10);

/// Whether an event is a matter of course.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EventType {
    /// It is.
    Normal,
    /// It is not.
    Warning,
}

impl EventType {
    /// As the API writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Normal => "Normal",
            Self::Warning => "Warning",
        }
    }
}

/// Records events. Never blocks: when more wait than the queue holds, further ones are dropped and counted. Clones share
/// the queue.
#[derive(Clone)]
pub struct Recorder {
    /// Boxed, because a queue has room for 32 from the start, and a simulation a queue for each of its nodes.
    queue: mpsc::Sender<Box<Occurrence>>,
    clock: Arc<dyn WallClock>,
    dropped: Arc<AtomicU64>,
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder").field("dropped", &self.dropped()).finish_non_exhaustive()
    }
}

impl Recorder {
    /// A recorder for a component (`kubelet`) on a host (empty if it does not matter), and the writer that sends what it
    /// records.
    pub fn new(
        client: Client,
        component: impl Into<String>,
        host: impl Into<String>,
        environment: Environment,
    ) -> (Self, EventWriter) {
        let (sender, receiver) = mpsc::channel(QUEUE_MAX);
        let clock = Arc::clone(&environment.clock);
        let source = EventSource {
            component: Some(component.into()).filter(|text| !text.is_empty()),
            host: Some(host.into()).filter(|text| !text.is_empty()),
        };
        let writer = EventWriter {
            queue: receiver,
            api: Api::all(client),
            correlator: Correlator::new(source, Arc::clone(&environment.random)),
        };
        (Self { queue: sender, clock, dropped: Arc::default() }, writer)
    }

    /// Records that something happened to `object`. `reason` is a CamelCase word, `message` a sentence.
    pub fn event(&self, object: &ObjectReference, kind: EventType, reason: &str, message: impl Into<String>) {
        let occurrence = Box::new(Occurrence {
            object: object.clone(),
            kind,
            reason: reason.to_owned(),
            message: message.into(),
            at: self.clock.now(),
        });
        if self.queue.try_send(occurrence).is_err() {
            let dropped = self.dropped.fetch_add(1, Ordering::Relaxed) + 1;
            if dropped.is_power_of_two() {
                tracing::warn!(reason, dropped, "events are dropped: they come faster than they are sent");
            }
        }
    }

    /// How many events were dropped because the queue was full.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

/// Sends what a [`Recorder`] records: repeated events become one with a count, similar ones are combined, and an object
/// that has too many is held back, as by client-go's event correlator.
#[derive(Debug)]
pub struct EventWriter {
    queue: mpsc::Receiver<Box<Occurrence>>,
    api: Api<Event>,
    correlator: Correlator,
}

impl EventWriter {
    /// Sends until `shutdown` or until every recorder is dropped.
    pub async fn run(self, shutdown: CancellationToken) {
        let Self { mut queue, api, mut correlator } = self;
        let mut sending = FuturesUnordered::new();
        let mut keys = HashSet::new();
        // What is counted together with something that is on its way, and so must wait for it.
        let mut next: Option<(Box<Occurrence>, Identity)> = None;
        loop {
            let blocked = next.as_ref().is_some_and(|(_, identity)| keys.contains(&identity.key));
            if !blocked && let Some((occurrence, identity)) = next.take() {
                keys.insert(identity.key);
                let (api, decision) = (&api, correlator.decide(*occurrence, identity));
                // On the heap: there are as many writers as nodes, and most have nothing to send.
                sending.push(Box::pin(async move { (identity, write(api, decision).await) }));
            }
            tokio::select! {
                biased;
                () = shutdown.cancelled() => return,
                Some((identity, written)) = sending.next() => {
                    keys.remove(&identity.key);
                    if written {
                        correlator.written(identity);
                    }
                }
                occurrence = queue.recv(), if next.is_none() && sending.len() < IN_FLIGHT_MAX => {
                    let Some(occurrence) = occurrence else { break };
                    let identity = correlator.identify(&occurrence);
                    next = Some((occurrence, identity));
                }
            }
        }
        tokio::select! {
            biased;
            () = shutdown.cancelled() => {}
            () = sending.for_each(|_| async {}) => {}
        }
    }
}

/// Sends one event, again where no answer comes. Whether the server has it.
async fn write(api: &Api<Event>, decision: Decision) -> bool {
    for attempt in 1..=TRIES_MAX {
        let sent = match &decision {
            Decision::HoldBack => return false,
            Decision::Create(event) => create(api, event).await,
            Decision::Count(event) => count(api, event).await,
        };
        match sent {
            Ok(()) => return true,
            // Only what got no answer may go better the next time.
            Err(error) if error.status().is_none() && attempt < TRIES_MAX => {
                tracing::debug!(error = %error.chain(), "cannot send an event; trying again");
                tokio::time::sleep(TRY_AGAIN_AFTER).await;
            }
            // Only the answer was lost, when it was sent before.
            Err(error) if error.is_already_exists() => return true,
            Err(error) if error.is_namespace_terminating() => return false,
            Err(error) => {
                tracing::warn!(error = %error.chain(), "an event was not recorded");
                return false;
            }
        }
    }
    false
}

/// The answer says nothing that is not known.
async fn create(api: &Api<Event>, event: &Event) -> Result<(), Error> {
    api.create_as::<IgnoredAny>(event).await.map(drop)
}

async fn count(api: &Api<Event>, event: &Event) -> Result<(), Error> {
    let patch = Patch::Strategic(correlator::count_patch(event));
    let api = api.within(event.namespace());
    match api.patch_subresource::<_, IgnoredAny>(event.name(), "", &PatchParams::default(), &patch).await {
        // It has been deleted since, by its time to live.
        Err(error) if error.is_not_found() => create(&api, event).await,
        counted => counted.map(drop),
    }
}
