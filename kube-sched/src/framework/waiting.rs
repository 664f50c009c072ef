//! Pods that wait in Permit, and the handle by which they are allowed or rejected from outside.
//!
//! Whoever drives the engine puts pods in ([`WaitingPods::add`]) and asks what became of them ([`WaitingPods::decided`]); a
//! plugin, or anything else that holds a clone, looks at them ([`WaitingPods::iter`]) and decides ([`WaitingPod::allow`],
//! [`WaitingPod::reject`]). No clock: time comes in with every call. Source: `WaitingPod` and `Handle` of kube-scheduler's
//! framework.

use super::Refusal;
use crate::model::Pod;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// The longest that a Permit plugin may ask a pod to wait. Source: `maxTimeout` of kube-scheduler's framework.
pub const PERMIT_WAIT_MAX: Duration = Duration::from_secs(15 * 60);

/// The pods that wait in Permit. Clones are handles of the same pods.
#[derive(Clone, Debug, Default)]
pub struct WaitingPods(Arc<Mutex<Shared>>);

/// A pod that waits in Permit: assumed on its node, and not to be bound before all plugins that asked it to wait have
/// allowed it. A handle to one that waits no more does nothing.
#[derive(Clone, Debug)]
pub struct WaitingPod {
    all: WaitingPods,
    pod: Arc<Pod>,
    node: Arc<str>,
    number: u64,
}

/// What became of a pod that waited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decided {
    /// The pod.
    pub pod: Arc<Pod>,
    /// The node that it is assumed on.
    pub node: Arc<str>,
    /// Nothing where it is allowed, else why not.
    pub verdict: Result<(), Refusal>,
}

#[derive(Debug, Default)]
struct Shared {
    /// By uid.
    pods: BTreeMap<Arc<str>, Entry>,
    deadlines: BTreeSet<(Duration, Arc<str>, &'static str)>,
    decided: Vec<Decided>,
    waker: Option<Waker>,
    next_number: u64,
}

#[derive(Debug)]
struct Entry {
    pod: Arc<Pod>,
    node: Arc<str>,
    /// Tells one wait of a pod from the next.
    number: u64,
    pending: BTreeMap<&'static str, Wait>,
}

#[derive(Clone, Copy, Debug)]
struct Wait {
    at_most: Duration,
    until: Duration,
}

impl WaitingPods {
    /// The pods that wait, in the order of their uids.
    pub fn iter(&self) -> impl Iterator<Item = WaitingPod> + use<> {
        let shared = self.lock();
        let pods: Vec<WaitingPod> = shared.pods.values().map(|entry| self.handle(entry)).collect();
        pods.into_iter()
    }

    /// The pod with this uid, if it waits.
    pub fn get(&self, uid: &str) -> Option<WaitingPod> {
        self.lock().pods.get(uid).map(|entry| self.handle(entry))
    }

    /// Number of pods that wait.
    pub fn len(&self) -> usize {
        self.lock().pods.len()
    }

    /// Whether no pod waits.
    pub fn is_empty(&self) -> bool {
        self.lock().pods.is_empty()
    }

    /// A pod begins to wait for these plugins, each at most so long.
    pub fn add(&self, pod: Arc<Pod>, node: Arc<str>, plugins: &[(&'static str, Duration)], now: Duration) {
        let uid = pod.uid.clone();
        self.remove(&uid);
        let mut shared = self.lock();
        let wait = |at_most| Wait { at_most, until: now + at_most };
        let pending: BTreeMap<_, _> = plugins.iter().map(|(plugin, at_most)| (*plugin, wait(*at_most))).collect();
        shared.deadlines.extend(pending.iter().map(|(plugin, wait)| (wait.until, uid.clone(), *plugin)));
        shared.next_number += 1;
        let number = shared.next_number;
        shared.pods.insert(uid, Entry { pod, node, number, pending });
    }

    /// A pod waits no more: it is gone, and nobody need hear of it. Whether it waited.
    pub fn remove(&self, uid: &str) -> bool {
        self.lock().take(uid).is_some()
    }

    /// What was decided since the last call, and those whose time is up: they are rejected.
    pub fn decided(&self, now: Duration) -> Vec<Decided> {
        let mut shared = self.lock();
        while let Some((until, uid, plugin)) = shared.deadlines.first().cloned().filter(|(until, ..)| *until <= now) {
            let Some(entry) = shared.take(&uid) else {
                shared.deadlines.remove(&(until, uid, plugin));
                continue;
            };
            let at_most = entry.pending.get(plugin).map_or(Duration::ZERO, |wait| wait.at_most);
            let waited = told(at_most);
            let reason = format!("rejected due to timeout after waiting {waited} at plugin {plugin}");
            let verdict = Err(Refusal::unschedulable(plugin, reason));
            shared.decided.push(Decided { pod: entry.pod, node: entry.node, verdict });
        }
        std::mem::take(&mut shared.decided)
    }

    /// When the time of the next pod is up.
    pub fn next_deadline(&self) -> Option<Duration> {
        self.lock().deadlines.first().map(|(until, ..)| *until)
    }

    /// Ready when something was decided from outside that [`WaitingPods::decided`] has not given yet. One task may poll.
    pub fn poll_decided(&self, context: &mut Context<'_>) -> Poll<()> {
        let mut shared = self.lock();
        if shared.decided.is_empty() {
            shared.waker = Some(context.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(())
    }

    fn handle(&self, entry: &Entry) -> WaitingPod {
        let (pod, node) = (entry.pod.clone(), entry.node.clone());
        WaitingPod { all: self.clone(), pod, node, number: entry.number }
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        // Nothing in here is left half changed by a panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl WaitingPod {
    /// The pod.
    pub fn pod(&self) -> &Arc<Pod> {
        &self.pod
    }

    /// The node that it is assumed on.
    pub fn node(&self) -> &str {
        &self.node
    }

    /// The plugins that have not allowed it yet, in the order of their names.
    pub fn pending_plugins(&self) -> Vec<&'static str> {
        self.with(|entry| entry.pending.keys().copied().collect()).unwrap_or_default()
    }

    /// A plugin allows it; when the last one does, it is bound.
    pub fn allow(&self, plugin: &str) {
        let mut shared = self.all.lock();
        let uid = &self.pod.uid;
        let Some(entry) = shared.pods.get_mut(uid).filter(|entry| entry.number == self.number) else { return };
        let Some((name, wait)) = entry.pending.remove_entry(plugin) else { return };
        let last = entry.pending.is_empty();
        shared.deadlines.remove(&(wait.until, uid.clone(), name));
        if last {
            shared.decide(uid, Ok(()));
        }
    }

    /// A plugin rejects it: it gives its place up and goes back to the queue.
    pub fn reject(&self, plugin: &'static str, message: &str) {
        let mut shared = self.all.lock();
        if shared.pods.get(&self.pod.uid).is_some_and(|entry| entry.number == self.number) {
            shared.decide(&self.pod.uid, Err(Refusal::unschedulable(plugin, message.to_owned())));
        }
    }

    fn with<T>(&self, look: impl FnOnce(&Entry) -> T) -> Option<T> {
        let shared = self.all.lock();
        shared.pods.get(&self.pod.uid).filter(|entry| entry.number == self.number).map(look)
    }
}

impl Shared {
    fn take(&mut self, uid: &str) -> Option<Entry> {
        let entry = self.pods.remove(uid)?;
        for (plugin, wait) in &entry.pending {
            self.deadlines.remove(&(wait.until, entry.pod.uid.clone(), *plugin));
        }
        Some(entry)
    }

    fn decide(&mut self, uid: &str, verdict: Result<(), Refusal>) {
        let Some(Entry { pod, node, .. }) = self.take(uid) else { return };
        self.decided.push(Decided { pod, node, verdict });
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

/// A duration as Go prints it: `1h0m30s`, `1.5s`, `250ms`.
fn told(duration: Duration) -> String {
    if duration < Duration::from_secs(1) {
        return match duration.as_nanos() {
            0 => "0s".to_owned(),
            nanos @ 1..1_000 => format!("{nanos}ns"),
            nanos @ 1_000..1_000_000 => format!("{}µs", decimal(nanos, 1_000)),
            nanos => format!("{}ms", decimal(nanos, 1_000_000)),
        };
    }
    let (minutes, seconds) = (duration.as_secs() / 60, duration.as_nanos() % 60_000_000_000);
    let seconds = decimal(seconds, 1_000_000_000);
    match (minutes / 60, minutes % 60) {
        (0, 0) => format!("{seconds}s"),
        (0, minutes) => format!("{minutes}m{seconds}s"),
        (hours, minutes) => format!("{hours}h{minutes}m{seconds}s"),
    }
}

/// A quotient with as many decimals as it needs.
fn decimal(value: u128, unit: u128) -> String {
    let (whole, rest) = (value / unit, value % unit);
    if rest == 0 {
        return whole.to_string();
    }
    let digits = unit.ilog10() as usize;
    let fraction = format!("{rest:0digits$}");
    format!("{whole}.{}", fraction.trim_end_matches('0'))
}

#[cfg(test)]
mod tests;
