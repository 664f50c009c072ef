//! What the driver knows: the cluster, the queue, and which pods it has assumed. Pure: objects and time come in, steps go out.

use super::Config;
use super::inventory::Update;
use crate::framework::{ClusterEvent, Code, Decided, EventKind, FitError, Refusal, WaitingPods};
use crate::inventory::Change;
use crate::queue::{Requeue, SchedulingQueue};
use crate::{Cluster, Scheduler, k8s};
use hashbrown::HashMap;
use k8s_openapi::api::core::v1::{Namespace, Node, Pod};
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

/// What is to be done about a pod.
#[derive(Debug)]
pub(super) enum Step {
    /// Bind it.
    Bind(Binding),
    /// It waits in Permit; there is nothing to do yet.
    Wait,
    /// Say why it cannot be placed, and clear the node that was found for it.
    Report { pod: Arc<crate::Pod>, error: Box<FitError> },
}

/// A pod that is to be bound.
#[derive(Clone, Debug)]
pub(super) struct Binding {
    pub(super) pod: Arc<crate::Pod>,
    pub(super) node: Arc<str>,
    /// What is to be carried out before.
    pub(super) changes: Vec<Change>,
    /// The number of the profile that decided.
    pub(super) profile: usize,
}

/// A pod that was decided on, as it was then.
#[derive(Debug)]
struct Assumed {
    pod: Arc<crate::Pod>,
    node: Arc<str>,
}

#[derive(Debug)]
pub(super) struct State {
    cluster: Cluster,
    queue: SchedulingQueue,
    /// One per profile; pods without a word in `chosen` are the first's.
    schedulers: Vec<Scheduler>,
    chosen: HashMap<Arc<str>, usize>,
    /// Pods that were decided on and whose binding the API server has not shown yet, with their nodes.
    assumed: HashMap<Arc<str>, Assumed>,
    /// Those of them that wait in Permit.
    waiting: WaitingPods,
    /// What became of those that waited, to be acted on.
    decided: VecDeque<Decided>,
    /// What the placements of these pods change besides; assumed until the API server shows the binding.
    changes: HashMap<Arc<str>, Vec<Change>>,
}

impl State {
    pub(super) fn new(config: &Config) -> Self {
        let profiles = std::iter::once(&config.profile).chain(&config.further_profiles);
        Self {
            cluster: Cluster::new(),
            queue: SchedulingQueue::new(config.profile.clone().with_filters_of(&config.further_profiles), config.queue),
            schedulers: profiles.map(|profile| Scheduler::new(profile.clone(), config.seed)).collect(),
            chosen: HashMap::new(),
            assumed: HashMap::new(),
            waiting: config.waiting_pods.clone(),
            decided: VecDeque::new(),
            changes: HashMap::new(),
        }
    }

    /// The number of the profile that a pod has chosen.
    fn profile(&self, pod: &str) -> usize {
        self.chosen.get(pod).copied().unwrap_or(0)
    }

    fn scheduler(&self, pod: &str) -> &Scheduler {
        &self.schedulers[self.profile(pod)]
    }

    pub(super) fn next_deadline(&self) -> Option<Duration> {
        self.queue.next_deadline().into_iter().chain(self.waiting.next_deadline()).min()
    }

    pub(super) fn pod_applied(&mut self, object: &Pod, now: Duration) {
        let ended = matches!(object.status.as_ref().and_then(|s| s.phase.as_deref()), Some("Succeeded" | "Failed"));
        if ended {
            self.pod_deleted(object, now);
            return;
        }
        let pod = k8s::pod(object);
        match pod.node.clone() {
            Some(node) => self.pod_is_on(pod, &node, now),
            None if pod.terminating => self.give_up(&pod.uid, now),
            // The binding under way will show; until then this is an older state of the pod, which counts if it fails.
            None if self.assumed.contains_key(&pod.uid) => {
                if self.queue.contains(&pod.uid) {
                    self.queue.add(pod);
                }
            }
            None => {
                let name = object.spec.as_ref().and_then(|spec| spec.scheduler_name.as_deref());
                let chosen = self.schedulers.iter().position(|known| Some(known.profile().name()) == name);
                let Some(chosen) = chosen else { return };
                if chosen > 0 {
                    self.chosen.insert(pod.uid.clone(), chosen);
                }
                self.cluster.nominate(pod.clone());
                self.queue.add(pod);
            }
        }
    }

    fn pod_is_on(&mut self, pod: crate::Pod, node: &str, now: Duration) {
        let uid = pod.uid.clone();
        self.queue.remove(&uid);
        self.cluster.withdraw_nomination(&uid);
        if self.assumed.get(&uid).is_some_and(|assumed| *assumed.node != *node) {
            // Another scheduler was faster.
            self.forget(&uid, now);
        }
        let assumed = self.assumed.remove(&uid).is_some();
        self.waiting.remove(&uid);
        self.chosen.remove(&uid);
        self.changes.remove(&uid);
        let before = self.cluster.location(&uid).map(str::to_owned);
        if before.as_deref().is_some_and(|before| before != node) {
            // It was deleted and made again behind a gap of the watch; pods do not move.
            self.cluster.remove_pod(&uid);
            self.notice(EventKind::PodDelete, before.as_deref().unwrap_or_default(), now);
        }
        self.cluster.track_pod(pod).expect("the pod is bound, and what was known of it elsewhere was removed");
        if before.is_none() {
            self.notice(EventKind::PodAdd, node, now);
        } else if !assumed {
            self.notice(EventKind::PodUpdate, node, now);
        }
    }

    pub(super) fn pod_deleted(&mut self, object: &Pod, now: Duration) {
        let Some(uid) = object.metadata.uid.as_deref() else { return };
        self.give_up(uid, now);
        self.cluster.withdraw_nomination(uid);
        if let Some(pod) = self.cluster.remove_pod(uid) {
            self.notice(EventKind::PodDelete, pod.node.as_deref().unwrap_or_default(), now);
        }
    }

    /// A pod is not to be placed any more.
    fn give_up(&mut self, uid: &str, now: Duration) {
        self.queue.remove(uid);
        if self.assumed.contains_key(uid) {
            self.forget(uid, now);
        }
        self.chosen.remove(uid);
    }

    pub(super) fn node_applied(&mut self, object: &Node, now: Duration) {
        let node = k8s::node(object);
        let name = node.name.clone();
        let kinds: Vec<EventKind> = match self.cluster.node(&name).map(crate::NodeInfo::node) {
            None => vec![EventKind::NodeAdd],
            // Heartbeats change nothing that scheduling sees.
            Some(old) if *old == node => return,
            Some(old) => [
                (old.allocatable != node.allocatable, EventKind::NodeAllocatable),
                (old.labels != node.labels, EventKind::NodeLabel),
                (old.taints != node.taints || old.unschedulable != node.unschedulable, EventKind::NodeTaint),
            ]
            .into_iter()
            .filter_map(|(changed, kind)| changed.then_some(kind))
            .collect(),
        };
        self.cluster.add_node(node);
        for kind in kinds {
            self.notice(kind, &name, now);
        }
    }

    pub(super) fn node_deleted(&mut self, object: &Node) {
        self.cluster.remove_node(object.metadata.name.as_deref().unwrap_or_default());
    }

    pub(super) fn namespace_applied(&mut self, object: &Namespace, now: Duration) {
        let name = object.metadata.name.as_deref().unwrap_or_default();
        let labels = k8s::labels(object.metadata.labels.as_ref());
        if self.cluster.namespaces().get(name) != Some(&labels) {
            self.cluster.set_namespace(name, labels);
            self.notice(EventKind::NamespaceLabel, "", now);
        }
    }

    pub(super) fn namespace_deleted(&mut self, object: &Namespace) {
        self.cluster.remove_namespace(object.metadata.name.as_deref().unwrap_or_default());
    }

    pub(super) fn inventory_changed(&mut self, update: Update, now: Duration) {
        let event = update(self.cluster.inventory_mut());
        // What a watch shows may be older than what was decided.
        for change in self.changes.values().flatten() {
            self.cluster.inventory_mut().apply(change);
        }
        if let Some(kind) = event {
            self.notice(kind, "", now);
        }
    }

    /// How many pods wait until what their placement changes has been carried out.
    pub(super) fn waiting_for_changes(&self) -> usize {
        self.changes.len()
    }

    /// Decides on the next pod; `None` when there is none to try now.
    pub(super) fn next_step(&mut self, now: Duration) -> Option<Step> {
        if self.decided.is_empty() {
            self.decided.extend(self.waiting.decided(now));
        }
        if let Some(Decided { pod, node, verdict }) = self.decided.pop_front() {
            // The pod may be gone, or elsewhere, since it was decided on.
            return Some(match verdict {
                _ if !self.assumed.get(&pod.uid).is_some_and(|assumed| Arc::ptr_eq(&assumed.pod, &pod)) => Step::Wait,
                Ok(()) => self.bind(pod, node, now),
                Err(refusal) => self.reject(pod, &node, refusal, now),
            });
        }
        let pod = self.queue.pop(now)?;
        match self.scheduler(&pod.uid).schedule(&self.cluster, &pod) {
            Ok(placement) => Some(self.place(pod, placement.node, now)),
            Err(error) => Some(self.refuse(pod, error, now)),
        }
    }

    /// Ready when a pod that waits in Permit was decided on.
    pub(super) fn poll_decided(&self, context: &mut Context<'_>) -> Poll<()> {
        self.waiting.poll_decided(context)
    }

    fn place(&mut self, pod: Arc<crate::Pod>, node: Arc<str>, now: Duration) -> Step {
        match self.assume(&pod, &node) {
            Ok(waits) if waits.is_empty() => self.bind(pod, node, now),
            Ok(waits) => {
                self.waiting.add(pod, node, &waits, now);
                Step::Wait
            }
            Err(refusal) => self.reject(pod, &node, refusal, now),
        }
    }

    /// Reserve, after which the pod counts on its node, and Permit: gives the plugins that it has to wait for.
    fn assume(&mut self, pod: &Arc<crate::Pod>, node: &Arc<str>) -> Result<Vec<(&'static str, Duration)>, Refusal> {
        let scheduler = &self.schedulers[self.profile(&pod.uid)];
        scheduler.reserve(&self.cluster, pod, node)?;
        let changes = scheduler
            .changes(&self.cluster, pod, node)
            .inspect_err(|_| scheduler.unreserve(&self.cluster, pod, node))?;
        let placed = scheduler.assume(&self.cluster, crate::Pod::clone(pod), node);
        self.cluster.withdraw_nomination(&pod.uid);
        changes.iter().for_each(|change| self.cluster.inventory_mut().apply(change));
        self.cluster.track_pod(placed).expect("a pod in the queue is on no node");
        if !changes.is_empty() {
            self.changes.insert(pod.uid.clone(), changes);
        }
        self.assumed.insert(pod.uid.clone(), Assumed { pod: pod.clone(), node: node.clone() });
        scheduler.permit(&self.cluster, pod, node)
    }

    /// The pod is permitted: what is left is to prepare the binding, and to bind.
    fn bind(&mut self, pod: Arc<crate::Pod>, node: Arc<str>, now: Duration) -> Step {
        if let Err(refusal) = self.scheduler(&pod.uid).pre_bind(&pod, &node) {
            let reason = format!("running PreBind plugin {:?}: {}", refusal.plugin, refusal.reasons.join(", "));
            let failed = Refusal { code: Code::Error, reasons: vec![reason.into()], ..refusal };
            return self.reject(pod, &node, failed, now);
        }
        let changes = self.changes.get(&pod.uid).cloned().unwrap_or_default();
        let profile = self.profile(&pod.uid);
        Step::Bind(Binding { pod, node, changes, profile })
    }

    /// A plugin did not agree to the place that was found: it is given back, and the pod waits.
    fn reject(&mut self, pod: Arc<crate::Pod>, node: &Arc<str>, refusal: Refusal, now: Duration) -> Step {
        let error = FitError { nodes: 1, refusals: vec![(node.clone(), refusal)], ..FitError::default() };
        self.forget(&pod.uid, now);
        let why = if error.is_error() { Requeue::Error } else { Requeue::Unschedulable(error.plugins()) };
        self.queue.requeue(&pod.uid, why, now);
        Step::Report { pod, error: Box::new(error) }
    }

    /// Gives back what an assumed pod has taken, if it has. That helps others, not the pod itself.
    fn forget(&mut self, uid: &str, now: Duration) {
        let Some(Assumed { pod, node }) = self.assumed.remove(uid) else { return };
        self.waiting.remove(uid);
        self.cluster.remove_pod(uid);
        for change in self.changes.remove(uid).unwrap_or_default() {
            self.cluster.inventory_mut().revert(&change);
        }
        self.scheduler(uid).unreserve(&self.cluster, &pod, &node);
        let event = ClusterEvent { kind: EventKind::PodDelete, node: node.to_string() };
        self.queue.notice_others(&event, uid, now);
    }

    fn refuse(&mut self, pod: Arc<crate::Pod>, error: Box<FitError>, now: Duration) -> Step {
        if let Some(nomination) = &error.nomination {
            let node = Some(nomination.node.as_str().into());
            self.cluster.nominate(crate::Pod { nominated_node: node, ..(*pod).clone() });
        }
        let why = if error.is_error() { Requeue::Error } else { Requeue::Unschedulable(refused_by(&error)) };
        self.queue.requeue(&pod.uid, why, now);
        Step::Report { pod, error }
    }

    /// The API server took the binding. The pod stays assumed until the watch shows it.
    pub(super) fn bound(&mut self, binding: &Binding) {
        self.schedulers[binding.profile].post_bind(&binding.pod, &binding.node);
        self.queue.remove(&binding.pod.uid);
    }

    /// The API server did not take the binding: the room is given back, and the pod tried again.
    pub(super) fn bind_failed(&mut self, pod: &Arc<crate::Pod>, now: Duration) {
        // The watch may have shown meanwhile what became of the pod.
        if self.assumed.get(&pod.uid).is_some_and(|assumed| Arc::ptr_eq(&assumed.pod, pod)) {
            self.forget(&pod.uid, now);
            self.queue.requeue(&pod.uid, Requeue::Error, now);
        }
    }

    fn notice(&mut self, kind: EventKind, node: &str, now: Duration) {
        self.queue.notice(&ClusterEvent { kind, node: node.to_owned() }, now);
    }
}

/// The plugins that refused; without nodes nothing refused, and a node that comes may help whatever it is like.
fn refused_by(error: &FitError) -> BTreeSet<&'static str> {
    let plugins = error.plugins();
    if plugins.is_empty() { BTreeSet::from(["NodeResourcesFit"]) } else { plugins }
}

#[cfg(test)]
mod tests;
