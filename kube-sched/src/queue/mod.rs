//! The scheduling queue: active, back-off and unschedulable pods. Pure: time comes in with every call.
//!
//! Active pods wait in the order of the profile's QueueSort, then of age. A pod that could not be placed waits until an event
//! that, by the hints of the plugins that refused it, may help; then out its back-off (1 s, doubling, at most 10 s); then it
//! is active again. Pods that waited 5 minutes are tried whatever plugins say. Source: kube-scheduler's scheduling queue.

mod rank;

use crate::framework::{ClusterEvent, EventKind, Hint, Profile};
use crate::model::Pod;
use hashbrown::HashMap;
use rank::Ranked;
use std::collections::{BTreeSet, BinaryHeap};
use std::sync::Arc;
use std::time::Duration;

/// Bounds of back-off and waiting. The defaults are kube-scheduler's.
#[derive(Clone, Copy, Debug)]
pub struct QueueConfig {
    /// The first back-off.
    pub backoff_initial: Duration,
    /// The longest back-off.
    pub backoff_max: Duration,
    /// After this long an unschedulable pod is tried again whatever plugins say.
    pub unschedulable_max: Duration,
}

impl Default for QueueConfig {
    fn default() -> Self {
        Self {
            backoff_initial: Duration::from_secs(1),
            backoff_max: Duration::from_secs(10),
            unschedulable_max: Duration::from_secs(300),
        }
    }
}

/// How many pods wait where. Those that are being tried wait nowhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueCounts {
    /// To be tried as soon as their turn comes.
    pub active: usize,
    /// Waiting out their back-off.
    pub backoff: usize,
    /// Waiting for an event that may help them.
    pub unschedulable: usize,
    /// Held back by a PreEnqueue plugin.
    pub gated: usize,
}

/// Why a pod that was tried goes back into the queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Requeue {
    /// These plugins refused it: it waits for an event that may help.
    Unschedulable(BTreeSet<&'static str>),
    /// Something failed (a binding, a plugin): it is tried again after its back-off.
    Error,
}

#[derive(Clone, Debug)]
enum Place {
    /// A PreEnqueue plugin holds it back.
    Gated,
    Active,
    Backoff {
        until: Duration,
    },
    Unschedulable {
        refused_by: BTreeSet<&'static str>,
        since: Duration,
    },
    /// It is being tried; `events` came meanwhile, and may help if it fails.
    InFlight {
        events: Vec<ClusterEvent>,
    },
}

#[derive(Clone, Debug)]
struct Item {
    pod: Arc<Pod>,
    attempts: u32,
    sequence: u64,
    place: Place,
}

/// How many events are kept for a pod that is being tried; with more it is simply tried again.
const IN_FLIGHT_EVENTS_MAX: usize = 32;

/// The scheduling queue. Pods are told apart by uid.
#[derive(Debug)]
pub struct SchedulingQueue {
    profile: Profile,
    config: QueueConfig,
    items: HashMap<Arc<str>, Item>,
    /// May hold outdated entries: one counts only while its pod is active under the same sequence number.
    active: BinaryHeap<Ranked>,
    backoff: BTreeSet<(Duration, Arc<str>)>,
    unschedulable: BTreeSet<(Duration, Arc<str>)>,
    in_flight: BTreeSet<Arc<str>>,
    gated: BTreeSet<Arc<str>>,
    next_sequence: u64,
}

impl SchedulingQueue {
    /// An empty queue, ordered and gated by this profile's plugins.
    pub fn new(profile: Profile, config: QueueConfig) -> Self {
        Self {
            profile,
            config,
            items: HashMap::new(),
            active: BinaryHeap::new(),
            backoff: BTreeSet::new(),
            unschedulable: BTreeSet::new(),
            in_flight: BTreeSet::new(),
            gated: BTreeSet::new(),
            next_sequence: 0,
        }
    }

    /// Number of pods in the queue, those being tried included.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether no pod is in the queue.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Adds a pending pod, or takes notice of its change, which may make it schedulable.
    pub fn add(&mut self, pod: Pod) {
        let pod = Arc::new(pod);
        let uid = pod.uid.clone();
        let Some(item) = self.items.get_mut(&uid) else {
            self.items.insert(uid.clone(), Item { pod, attempts: 0, sequence: 0, place: Place::Gated });
            self.activate(&uid);
            return;
        };
        let same = PendingView::of(&item.pod) == PendingView::of(&pod);
        item.pod = pod;
        match &mut item.place {
            Place::Gated => self.activate(&uid),
            Place::Unschedulable { .. } if !same => {
                self.leave(&uid);
                self.activate(&uid);
            }
            // Its rank may have changed with its priority.
            Place::Active if !same => self.activate(&uid),
            Place::InFlight { events } if !same => {
                events.push(ClusterEvent { kind: EventKind::Flush, node: String::new() });
            }
            _ => {}
        }
    }

    /// Forgets a pod: it was deleted, or bound.
    pub fn remove(&mut self, uid: &str) {
        self.leave(uid);
        self.items.remove(uid);
    }

    /// The pod to try next. It stays in the queue as being tried until [`Self::requeue`] or [`Self::remove`].
    pub fn pop(&mut self, now: Duration) -> Option<Arc<Pod>> {
        self.tick(now);
        while let Some(ranked) = self.active.pop() {
            let Some(item) = self.items.get_mut(&ranked.pod.uid) else { continue };
            if matches!(item.place, Place::Active) && item.sequence == ranked.sequence {
                item.place = Place::InFlight { events: Vec::new() };
                item.attempts += 1;
                self.in_flight.insert(item.pod.uid.clone());
                return Some(item.pod.clone());
            }
        }
        None
    }

    /// This pod, to be tried now, wherever it waits; `None` where it is not in the queue, is held back by a PreEnqueue
    /// plugin, or is being tried. It stays in the queue as after [`Self::pop`].
    pub fn take(&mut self, uid: &str) -> Option<Arc<Pod>> {
        if matches!(self.items.get(uid)?.place, Place::Gated | Place::InFlight { .. }) {
            return None;
        }
        self.leave(uid);
        let item = self.items.get_mut(uid)?;
        item.place = Place::InFlight { events: Vec::new() };
        item.attempts += 1;
        self.in_flight.insert(item.pod.uid.clone());
        Some(item.pod.clone())
    }

    /// Whether a pod is in the queue, being tried included.
    pub fn contains(&self, uid: &str) -> bool {
        self.items.contains_key(uid)
    }

    /// How often a pod of the queue has been tried.
    pub fn attempts(&self, uid: &str) -> u32 {
        self.items.get(uid).map_or(0, |item| item.attempts)
    }

    /// How many pods wait where.
    pub fn counts(&self) -> QueueCounts {
        let (backoff, unschedulable, gated) = (self.backoff.len(), self.unschedulable.len(), self.gated.len());
        let active = self.items.len() - backoff - unschedulable - gated - self.in_flight.len();
        QueueCounts { active, backoff, unschedulable, gated }
    }

    /// Puts a pod back that was tried in vain.
    pub fn requeue(&mut self, uid: &str, why: Requeue, now: Duration) {
        self.in_flight.remove(uid);
        let Some(item) = self.items.get_mut(uid) else { return };
        let Place::InFlight { events } = std::mem::replace(&mut item.place, Place::Gated) else { return };
        let uid = item.pod.uid.clone();
        let helped = match &why {
            Requeue::Error => true,
            Requeue::Unschedulable(refused_by) => {
                events.len() > IN_FLIGHT_EVENTS_MAX
                    || events.iter().any(|event| may_help(&self.profile, refused_by, event, &item.pod))
            }
        };
        match why {
            Requeue::Unschedulable(refused_by) if !helped => {
                item.place = Place::Unschedulable { refused_by, since: now };
                self.unschedulable.insert((now, uid));
            }
            _ => self.back_off(&uid, now),
        }
    }

    /// Tells the queue what happened: pods that it may help leave the unschedulable ones.
    pub fn notice(&mut self, event: &ClusterEvent, now: Duration) {
        self.notice_others(event, "", now);
    }

    /// Tells all pods but one what happened: that one gave up its own place, which helps others only.
    pub fn notice_others(&mut self, event: &ClusterEvent, but: &str, now: Duration) {
        for uid in self.in_flight.iter().filter(|uid| ***uid != *but) {
            if let Some(Item { place: Place::InFlight { events }, .. }) = self.items.get_mut(uid)
                && events.len() <= IN_FLIGHT_EVENTS_MAX
            {
                events.push(event.clone());
            }
        }
        let helped: Vec<Arc<str>> = self
            .unschedulable
            .iter()
            .filter(|(_, uid)| match self.items.get(uid) {
                Some(Item { pod, place: Place::Unschedulable { refused_by, .. }, .. }) => {
                    **uid != *but && may_help(&self.profile, refused_by, event, pod)
                }
                _ => false,
            })
            .map(|(_, uid)| uid.clone())
            .collect();
        for uid in helped {
            self.leave(&uid);
            self.back_off(&uid, now);
        }
    }

    /// When [`Self::pop`] may next have a pod that it has not now; `None` when only an event can bring one.
    pub fn next_deadline(&self) -> Option<Duration> {
        let backoff = self.backoff.first().map(|(until, _)| *until);
        let flush = self.unschedulable.first().map(|(since, _)| *since + self.config.unschedulable_max);
        backoff.into_iter().chain(flush).min()
    }

    /// Moves pods whose time has come.
    fn tick(&mut self, now: Duration) {
        while let Some((until, uid)) = self.backoff.first().cloned() {
            if until > now {
                break;
            }
            self.leave(&uid);
            self.activate(&uid);
        }
        while let Some((since, uid)) = self.unschedulable.first().cloned() {
            if since + self.config.unschedulable_max > now {
                break;
            }
            self.leave(&uid);
            self.activate(&uid);
        }
    }

    /// Lets a pod into the active queue, unless a plugin holds it back.
    fn activate(&mut self, uid: &str) {
        let Some(item) = self.items.get_mut(uid) else { return };
        if self.profile.pre_enqueue.iter().any(|plugin| plugin.pre_enqueue(&item.pod).is_err()) {
            item.place = Place::Gated;
            self.gated.insert(item.pod.uid.clone());
            return;
        }
        self.gated.remove(uid);
        self.next_sequence += 1;
        item.sequence = self.next_sequence;
        item.place = Place::Active;
        self.active.push(Ranked {
            sort: self.profile.queue_sort.clone(),
            pod: item.pod.clone(),
            sequence: item.sequence,
        });
    }

    /// Lets a pod wait out its back-off, counted from its last attempt's end.
    fn back_off(&mut self, uid: &Arc<str>, now: Duration) {
        let Some(item) = self.items.get_mut(uid) else { return };
        let doublings = item.attempts.saturating_sub(1).min(16);
        let wait = self.config.backoff_initial.saturating_mul(1 << doublings).min(self.config.backoff_max);
        let until = now + wait;
        item.place = Place::Backoff { until };
        self.backoff.insert((until, uid.clone()));
    }

    /// Takes a pod out of the index of the place where it is.
    fn leave(&mut self, uid: &str) {
        let Some(item) = self.items.get(uid) else { return };
        match &item.place {
            Place::Backoff { until } => {
                self.backoff.remove(&(*until, item.pod.uid.clone()));
            }
            Place::Unschedulable { since, .. } => {
                self.unschedulable.remove(&(*since, item.pod.uid.clone()));
            }
            Place::InFlight { .. } => {
                self.in_flight.remove(uid);
            }
            Place::Gated => {
                self.gated.remove(uid);
            }
            Place::Active => {}
        }
    }
}

/// Whether an event may help a pod that these plugins refused. Any may help where a plugin without hints did: one that is
/// no filter (Reserve, Permit, an extender).
fn may_help(profile: &Profile, refused_by: &BTreeSet<&'static str>, event: &ClusterEvent, pod: &Pod) -> bool {
    event.kind == EventKind::Flush
        || refused_by.iter().any(|name| match profile.filters.iter().find(|plugin| plugin.name() == *name) {
            Some(plugin) => plugin.hint(event, pod) == Hint::Queue,
            None => true,
        })
}

/// What of a pending pod bears on whether it can be placed; the driver's own notes on it (a nomination) do not.
#[derive(PartialEq)]
struct PendingView(Pod);

impl PendingView {
    fn of(pod: &Pod) -> Self {
        Self(Pod { nominated_node: None, ..pod.clone() })
    }
}

#[cfg(test)]
mod tests;
