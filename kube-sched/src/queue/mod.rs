//! The scheduling queue: active, back-off and unschedulable pods. Pure: time comes in with every call.
//!
//! Active pods wait in the order of the profile's QueueSort, then of age. A pod that could not be placed waits until an event
//! that, by the hints of the plugins that refused it, may help; then out its back-off (1 s, doubling, at most 10 s); then it
//! is active again. Pods that waited 5 minutes are tried whatever plugins say. Source: kube-scheduler's scheduling queue.

mod rank;
mod recent;
mod waiting;

use crate::framework::{ClusterEvent, Profile};
use crate::model::Pod;
use hashbrown::HashMap;
use rank::Ranked;
use recent::RecentEvents;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::sync::Arc;
use std::time::Duration;
use waiting::{Turn, Waiting, may_help};

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

/// Why a pod that was tried goes back into the queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Requeue {
    /// These plugins refused it: it waits for an event that may help.
    Unschedulable(BTreeSet<&'static str>),
    /// Something failed (a binding, a plugin): it is tried again after its back-off.
    Error,
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

#[derive(Clone, Debug)]
enum Place {
    /// On its way from one place to the next.
    Nowhere,
    /// A PreEnqueue plugin holds it back.
    Gated,
    Active,
    Backoff(Turn),
    Unschedulable {
        /// The plugins that refused it, as a number.
        group: usize,
        turn: Turn,
    },
    /// It is being tried.
    InFlight {
        /// Names the events that came since.
        since: u64,
        /// Whether the pod itself was changed meanwhile.
        changed: bool,
    },
}

#[derive(Clone, Debug)]
struct Item {
    pod: Arc<Pod>,
    attempts: u32,
    /// When its last attempt ended.
    tried: Duration,
    sequence: u64,
    place: Place,
}

/// The scheduling queue. Pods are told apart by uid.
///
/// A million pods may wait: to add, hand out or put back a pod costs the logarithm of their number, and an event costs as
/// much as there are pods that a plugin has registered it for.
#[derive(Debug)]
pub struct SchedulingQueue {
    profile: Profile,
    config: QueueConfig,
    items: HashMap<Arc<str>, Item>,
    /// May hold outdated entries: one counts only while its pod is active under the same sequence number.
    active: BinaryHeap<Ranked>,
    backoff: BTreeMap<Turn, Arc<Pod>>,
    unschedulable: Waiting,
    recent: RecentEvents,
    counts: QueueCounts,
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
            backoff: BTreeMap::new(),
            unschedulable: Waiting::default(),
            recent: RecentEvents::default(),
            counts: QueueCounts::default(),
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
    pub fn add(&mut self, pod: impl Into<Arc<Pod>>) {
        let mut pod = pod.into();
        let Some(item) = self.items.get_mut(&pod.uid) else {
            let uid = pod.uid.clone();
            let item = Item { pod, attempts: 0, tried: Duration::ZERO, sequence: 0, place: Place::Nowhere };
            self.items.insert(uid.clone(), item);
            self.activate(&uid);
            return;
        };
        // A nomination is the driver's own note on the pod, and bears not on whether it can be placed.
        let same = if pod.nominated_node == item.pod.nominated_node {
            *item.pod == *pod
        } else {
            let nominated =
                std::mem::replace(&mut Arc::make_mut(&mut pod).nominated_node, item.pod.nominated_node.clone());
            let same = *item.pod == *pod;
            Arc::make_mut(&mut pod).nominated_node = nominated;
            same
        };
        item.pod = pod;
        let uid = item.pod.uid.clone();
        match &mut item.place {
            Place::Gated => {
                self.leave(&uid);
                self.activate(&uid);
            }
            Place::Unschedulable { .. } if !same => {
                self.leave(&uid);
                self.activate(&uid);
            }
            // Its rank may have changed with its priority.
            Place::Active if !same => {
                self.leave(&uid);
                self.activate(&uid);
            }
            Place::InFlight { changed, .. } if !same => *changed = true,
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
            let Some(item) = self.items.get(&ranked.pod.uid) else { continue };
            if matches!(item.place, Place::Active) && item.sequence == ranked.sequence {
                return Some(self.begin(&ranked.pod.uid));
            }
        }
        None
    }

    fn begin(&mut self, uid: &str) -> Arc<Pod> {
        self.leave(uid);
        let item = self.items.get_mut(uid).expect("who calls has found it");
        item.place = Place::InFlight { since: self.recent.begin(), changed: false };
        item.attempts += 1;
        item.pod.clone()
    }

    /// This pod, to be tried now, wherever it waits; `None` where it is not in the queue, is held back by a PreEnqueue
    /// plugin, or is being tried. It stays in the queue as after [`Self::pop`].
    pub fn take(&mut self, uid: &str) -> Option<Arc<Pod>> {
        if matches!(self.items.get(uid)?.place, Place::Gated | Place::InFlight { .. }) {
            return None;
        }
        Some(self.begin(uid))
    }

    /// Whether a PreEnqueue plugin holds a pod of the queue back.
    pub fn is_gated(&self, uid: &str) -> bool {
        self.items.get(uid).is_some_and(|item| matches!(item.place, Place::Gated))
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
        self.counts
    }

    /// Puts a pod back that was tried in vain.
    pub fn requeue(&mut self, uid: &str, why: Requeue, now: Duration) {
        let Some(item) = self.items.get_mut(uid) else { return };
        let Place::InFlight { since, changed } = item.place else { return };
        item.tried = now;
        let (uid, pod) = (item.pod.uid.clone(), item.pod.clone());
        let helped = match &why {
            Requeue::Error => true,
            Requeue::Unschedulable(refused_by) => {
                let mut missed = self.recent.since(since, &uid);
                changed
                    || missed
                        .as_mut()
                        .is_none_or(|events| events.any(|event| may_help(&self.profile, refused_by, event, &pod)))
            }
        };
        self.leave(&uid);
        match why {
            Requeue::Unschedulable(refused_by) if !helped => {
                let turn = self.turn(now);
                let group = self.unschedulable.insert(&self.profile, refused_by, turn, pod);
                self.counts.unschedulable += 1;
                self.put(&uid, Place::Unschedulable { group, turn });
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
        self.recent.push(event, but);
        let helped = self.unschedulable.helped(event);
        for pod in helped.into_iter().filter(|pod| *pod.uid != *but) {
            self.leave(&pod.uid);
            self.back_off(&pod.uid, now);
        }
    }

    /// When [`Self::pop`] may next have a pod that it has not now; `None` when only an event can bring one.
    pub fn next_deadline(&self) -> Option<Duration> {
        let backoff = self.backoff.first_key_value().map(|((until, _), _)| *until);
        let flush = self.unschedulable.oldest().map(|(since, _)| since + self.config.unschedulable_max);
        backoff.into_iter().chain(flush).min()
    }

    /// Moves pods whose time has come.
    fn tick(&mut self, now: Duration) {
        while let Some(((until, _), pod)) = self.backoff.first_key_value()
            && *until <= now
        {
            let uid = pod.uid.clone();
            self.leave(&uid);
            self.activate(&uid);
        }
        while let Some((since, pod)) = self.unschedulable.oldest()
            && since + self.config.unschedulable_max <= now
        {
            let uid = pod.uid.clone();
            self.leave(&uid);
            self.activate(&uid);
        }
    }

    /// Lets a pod into the active queue, unless a plugin holds it back.
    fn activate(&mut self, uid: &str) {
        let sequence = self.turn(Duration::ZERO).1;
        let Some(item) = self.items.get_mut(uid) else { return };
        if self.profile.pre_enqueue.iter().any(|plugin| plugin.pre_enqueue(&item.pod).is_err()) {
            item.place = Place::Gated;
            self.counts.gated += 1;
            return;
        }
        item.sequence = sequence;
        item.place = Place::Active;
        self.counts.active += 1;
        self.active.push(Ranked::new(&self.profile.queue_sort, item.pod.clone(), sequence));
    }

    /// Lets a pod wait out its back-off, counted from its last attempt's end; it may be over.
    fn back_off(&mut self, uid: &str, now: Duration) {
        let Some(item) = self.items.get(uid) else { return };
        let doublings = item.attempts.saturating_sub(1).min(16);
        let wait = self.config.backoff_initial.saturating_mul(1 << doublings).min(self.config.backoff_max);
        let (until, pod) = (item.tried + wait, item.pod.clone());
        if until <= now {
            self.activate(uid);
            return;
        }
        let turn = self.turn(until);
        self.backoff.insert(turn, pod);
        self.counts.backoff += 1;
        self.put(uid, Place::Backoff(turn));
    }

    /// The next number, with a time.
    fn turn(&mut self, time: Duration) -> Turn {
        self.next_sequence += 1;
        (time, self.next_sequence)
    }

    fn put(&mut self, uid: &str, place: Place) {
        if let Some(item) = self.items.get_mut(uid) {
            item.place = place;
        }
    }

    /// Takes a pod out of the index of the place where it is.
    fn leave(&mut self, uid: &str) {
        let Some(item) = self.items.get_mut(uid) else { return };
        match std::mem::replace(&mut item.place, Place::Nowhere) {
            Place::Backoff(turn) => {
                self.backoff.remove(&turn);
                self.counts.backoff -= 1;
            }
            Place::Unschedulable { group, turn } => {
                self.unschedulable.remove(group, turn);
                self.counts.unschedulable -= 1;
            }
            Place::InFlight { .. } => self.recent.end(),
            Place::Active => self.counts.active -= 1,
            Place::Gated => self.counts.gated -= 1,
            Place::Nowhere => {}
        }
    }
}

#[cfg(test)]
mod tests;
