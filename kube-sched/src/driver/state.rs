//! What the driver knows: the cluster, the queue, and which pods it has assumed. Pure: objects and time come in, steps go out.

mod consultation;
mod gang_decision;
mod gangs;
mod preemption;

pub(super) use gang_decision::{GangBinding, GroupStatus};

use super::Config;
use super::extender::{Question, VictimsQuestion};
use super::inventory::Update;
use super::metrics::Tried;
use crate::framework::{ClusterEvent, Code, Decided, EventKind, FitError, Refusal, WaitingPods};
use crate::inventory::Change;
use crate::plugins::waits_for_victims;
use crate::queue::{QueueCounts, Requeue, SchedulingQueue};
use crate::{Cluster, Scheduler, k8s};
use consultation::Consulting;
use gangs::Gangs;
use hashbrown::HashMap;
use k8s_openapi::api::core::v1::{Namespace, Node, Pod};
use k8s_openapi::api::scheduling::v1alpha2::PodGroup;
use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

/// What is to be done about a pod.
#[derive(Debug)]
pub(super) enum Step {
    /// Bind it.
    Bind(Binding),
    /// Bind a gang: nobody is bound before all can be.
    BindGang(GangBinding),
    /// Say what became of a group of pods.
    Group(GroupStatus),
    /// Ask extenders about a pod.
    Consult(Question),
    /// Ask extenders who is to go for a pod.
    ConsultOnVictims(Box<VictimsQuestion>),
    /// There is nothing to do yet: the pod waits in Permit, or for its group.
    Wait,
    /// Say why it cannot be placed, and clear the node that was found for it.
    Report {
        pod: Arc<crate::Pod>,
        error: Box<FitError>,
        /// Whether a node that it was promised before is promised to it no more.
        withdrawn: bool,
        profile: usize,
        tried: Tried,
    },
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
    pub(super) tried: Tried,
}

/// A pod that was decided on, as it was then.
#[derive(Debug)]
struct Assumed {
    pod: Arc<crate::Pod>,
    node: Arc<str>,
    /// When the attempt began.
    since: Duration,
}

#[derive(Debug)]
pub(super) struct State {
    cluster: Cluster,
    queue: SchedulingQueue,
    /// One per profile; pods without a word in `chosen` are the first's.
    schedulers: Vec<Scheduler>,
    chosen: HashMap<Arc<str>, usize>,
    /// Since when pods without a place may be tried.
    ready_since: HashMap<Arc<str>, Duration>,
    /// Pods that were decided on and whose binding the API server has not shown yet, with their nodes.
    assumed: HashMap<Arc<str>, Assumed>,
    /// Those of them that wait in Permit.
    waiting: WaitingPods,
    /// What became of those that waited, to be acted on.
    decided: VecDeque<Decided>,
    /// Pods of groups, unless groups are nothing special.
    gangs: Option<Gangs>,
    /// Steps that a decision on several pods has left.
    ready: VecDeque<Step>,
    /// Extenders, and the pod that they are asked about.
    consulting: Consulting,
    /// What the placements of these pods change besides; assumed until the API server shows the binding.
    changes: HashMap<Arc<str>, Vec<Change>>,
    decisions: u64,
}

impl State {
    pub(super) fn new(config: &Config) -> Self {
        let profiles = std::iter::once(&config.profile).chain(&config.further_profiles);
        Self {
            cluster: Cluster::new(),
            queue: SchedulingQueue::new(config.profile.clone().with_filters_of(&config.further_profiles), config.queue),
            schedulers: profiles.map(|profile| Scheduler::new(profile.clone(), config.seed)).collect(),
            chosen: HashMap::new(),
            ready_since: HashMap::new(),
            assumed: HashMap::new(),
            waiting: config.waiting_pods.clone(),
            decided: VecDeque::new(),
            gangs: config.gang_scheduling.then(Gangs::default),
            ready: VecDeque::new(),
            consulting: Consulting::new(config.extenders.clone()),
            changes: HashMap::new(),
            decisions: 0,
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
        // While extenders are asked, no time of the queue's makes a difference.
        let queue = self.queue.next_deadline().filter(|_| !self.consulting.is_blocked());
        queue.into_iter().chain(self.waiting.next_deadline()).min()
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
            None if pod.terminating => {
                self.give_up(&pod.uid, now);
                self.withdraw(&pod.uid, now);
            }
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
                self.enqueue(pod, now);
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
        self.dissolve_gang(&uid, now);
        let assumed = self.assumed.remove(&uid).is_some();
        self.waiting.remove(&uid);
        self.chosen.remove(&uid);
        self.ready_since.remove(&uid);
        self.changes.remove(&uid);
        let before = self.cluster.location(&uid).map(str::to_owned);
        if before.as_deref().is_some_and(|before| before != node) {
            // It was deleted and made again behind a gap of the watch; pods do not move.
            self.cluster.remove_pod(&uid);
            self.notice(EventKind::PodDelete, before.as_deref().unwrap_or_default(), now);
        }
        // A binding that shows, or a change of status: nothing that indexes and waiting pods need hear of.
        if before.is_some() && self.knows(&pod, node) {
            return;
        }
        self.group_placed(&pod);
        let group = gangs::key(&pod);
        self.cluster.track_pod(pod).expect("the pod is bound, and what was known of it elsewhere was removed");
        group.iter().for_each(|key| self.release(key, now));
        if before.is_none() {
            self.notice(EventKind::PodAdd, node, now);
        } else if !assumed {
            self.notice(EventKind::PodUpdate, node, now);
        }
    }

    /// Whether a pod on a node is known there as it is.
    fn knows(&self, pod: &crate::Pod, node: &str) -> bool {
        // A binding that shows is one of the last: the newest pods of a node are the last.
        let mut pods = self.cluster.node(node).into_iter().flat_map(crate::NodeInfo::pods).rev();
        pods.find(|known| known.uid == pod.uid).is_some_and(|known| {
            // What it was given on the node, only the decision knows.
            let given = (known.gpu_devices.clone(), known.nominated_node.clone());
            crate::Pod { gpu_devices: given.0, nominated_node: given.1, ..pod.clone() } == **known
        })
    }

    pub(super) fn pod_deleted(&mut self, object: &Pod, now: Duration) {
        let Some(uid) = object.metadata.uid.as_deref() else { return };
        self.give_up(uid, now);
        self.withdraw(uid, now);
        if let Some(pod) = self.cluster.remove_pod(uid) {
            self.notice(EventKind::PodDelete, pod.node.as_deref().unwrap_or_default(), now);
        }
    }

    /// A pod is not to be placed any more.
    fn give_up(&mut self, uid: &str, now: Duration) {
        self.queue.remove(uid);
        self.dissolve_gang(uid, now);
        if self.assumed.contains_key(uid) {
            self.forget(uid, now);
        }
        if let Some(gangs) = &mut self.gangs {
            gangs.leave(uid);
        }
        self.chosen.remove(uid);
        self.ready_since.remove(uid);
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

    pub(super) fn group_applied(&mut self, object: &PodGroup, now: Duration) {
        let group = k8s::pod_group(object);
        let key = (group.namespace.clone(), group.name.clone());
        if self.cluster.inventory().groups.get(&key.0, &key.1).is_none_or(|known| **known != group) {
            self.cluster.inventory_mut().groups.set(group);
            self.release(&key, now);
        }
    }

    pub(super) fn group_deleted(&mut self, object: &PodGroup) {
        let group = k8s::pod_group(object);
        self.cluster.inventory_mut().groups.remove(&group.namespace, &group.name);
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

    /// How many pods wait where; those that their groups hold back are gated.
    pub(super) fn counts(&self) -> QueueCounts {
        let counts = self.queue.counts();
        QueueCounts { gated: counts.gated + self.gangs.as_ref().map_or(0, Gangs::held), ..counts }
    }

    /// Number of nodes, of pods on them, and of pods that are assumed on them.
    pub(super) fn sizes(&self) -> (usize, usize, usize) {
        (self.cluster.len(), self.cluster.pods_len(), self.assumed.len())
    }

    /// What an attempt that begins, or began, at this time is measured by.
    fn tried(&self, uid: &str, started: Duration) -> Tried {
        let since = self.ready_since.get(uid).copied().unwrap_or(started);
        Tried { since, started, attempts: self.queue.attempts(uid) }
    }

    /// A refused pod keeps what it was promised only where that was found anew, or it `waits` for it.
    fn report(&mut self, pod: Arc<crate::Pod>, error: Box<FitError>, waits: bool, now: Duration) -> Step {
        let withdrawn = error.nomination.is_none() && !waits && self.withdraw(&pod.uid, now);
        let (profile, tried) = (self.profile(&pod.uid), self.tried(&pod.uid, now));
        Step::Report { pod, error, withdrawn, profile, tried }
    }

    /// Whether what a refused pod was promised still stands: preemption is removing pods for it, or it preempts nobody, and
    /// others promised it. Source: the results of `Evaluator.Preempt` of kube-scheduler that leave `nominatedNodeName`.
    fn waits(&self, pod: &crate::Pod, error: &FitError) -> bool {
        !pod.may_preempt || self.waits_for_victims(pod, error)
    }

    fn waits_for_victims(&self, pod: &crate::Pod, error: &FitError) -> bool {
        waits_for_victims(&self.cluster, pod, &error.refusals)
    }

    /// A pod is promised room no more, which helps others. Gives whether it was promised any.
    fn withdraw(&mut self, uid: &str, now: Duration) -> bool {
        let Some(node) = self.cluster.nominated_node(uid).map(str::to_owned) else { return false };
        self.cluster.withdraw_nomination(uid);
        self.queue.notice_others(&ClusterEvent { kind: EventKind::PodDelete, node }, uid, now);
        true
    }

    /// How many decisions were made, on a pod or a gang; one that extenders have a say in is made when they have answered.
    pub(super) fn decisions(&self) -> u64 {
        self.decisions
    }

    /// Decides on the next pod; `None` when there is none to try now.
    pub(super) fn next_step(&mut self, now: Duration) -> Option<Step> {
        if let Some(step) = self.ready.pop_front() {
            return Some(step);
        }
        if self.decided.is_empty() {
            self.decided.extend(self.waiting.decided(now));
        }
        if let Some(decided) = self.decided.pop_front() {
            return Some(self.act_on(decided, now));
        }
        if let Some(step) = self.consult_next(now) {
            return Some(step);
        }
        if self.consulting.is_blocked() {
            return None;
        }
        let pod = self.queue.pop(now)?;
        Some(match gangs::key(&pod) {
            Some(key) => self.decide_on_group(pod, key, now),
            None => self.decide(pod, now),
        })
    }

    fn decide(&mut self, pod: Arc<crate::Pod>, now: Duration) -> Step {
        if self.consulting.concerns(&pod) {
            return self.consult(pod, now);
        }
        self.decide_alone(pod, now)
    }

    fn decide_alone(&mut self, pod: Arc<crate::Pod>, now: Duration) -> Step {
        match self.scheduler(&pod.uid).schedule(&self.cluster, &pod) {
            Ok(placement) => {
                self.decisions += 1;
                self.place(pod, placement.node, now)
            }
            Err(error) => self.ask_or_refuse(pod, error, now),
        }
    }

    /// A pod that waited in Permit was decided on.
    fn act_on(&mut self, Decided { pod, node, verdict }: Decided, now: Duration) -> Step {
        // The pod may be gone, or elsewhere, since.
        if !self.is_assumed(&pod) {
            return Step::Wait;
        }
        let gang = self.gangs.as_ref().and_then(|gangs| gangs.forming(&pod.uid).cloned());
        match (gang, verdict) {
            (None, Ok(())) => self.bind(pod, node, now),
            (None, Err(refusal)) => self.reject(pod, &node, refusal, now),
            (Some(key), Ok(())) => match self.gangs.as_mut().and_then(|gangs| gangs.permit(&key, &pod.uid)) {
                Some(forming) => self.bind_gang(key, forming, now),
                None => Step::Wait,
            },
            (Some(key), Err(refusal)) => match self.gangs.as_mut().and_then(|gangs| gangs.dissolve(&key)) {
                Some(forming) => self.reject_gang(key, forming, &pod.uid, refusal, now),
                None => Step::Wait,
            },
        }
    }

    /// Whether a pod is assumed by this decision on it, and not by a later one.
    fn is_assumed(&self, pod: &Arc<crate::Pod>) -> bool {
        self.assumed.get(&pod.uid).is_some_and(|assumed| Arc::ptr_eq(&assumed.pod, pod))
    }

    /// Ready when a pod that waits in Permit was decided on.
    pub(super) fn poll_decided(&self, context: &mut Context<'_>) -> Poll<()> {
        self.waiting.poll_decided(context)
    }

    fn place(&mut self, pod: Arc<crate::Pod>, node: Arc<str>, now: Duration) -> Step {
        match self.assume(&pod, &node, now) {
            Ok(waits) if waits.is_empty() => self.bind(pod, node, now),
            Ok(waits) => {
                self.waiting.add(pod, node, &waits, now);
                Step::Wait
            }
            Err(refusal) => self.reject(pod, &node, refusal, now),
        }
    }

    /// Reserve, after which the pod counts on its node, and Permit: gives the plugins that it has to wait for.
    fn assume(
        &mut self,
        pod: &Arc<crate::Pod>,
        node: &Arc<str>,
        now: Duration,
    ) -> Result<Vec<(&'static str, Duration)>, Refusal> {
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
        self.assumed.insert(pod.uid.clone(), Assumed { pod: pod.clone(), node: node.clone(), since: now });
        self.group_placed(pod);
        self.scheduler(&pod.uid).permit(&self.cluster, pod, node)
    }

    /// The pod is permitted: what is left is to prepare the binding, and to bind.
    fn bind(&mut self, pod: Arc<crate::Pod>, node: Arc<str>, now: Duration) -> Step {
        match self.binding(&pod, &node) {
            Ok(binding) => Step::Bind(binding),
            Err(failed) => self.reject(pod, &node, failed, now),
        }
    }

    /// PreBind, and then what is to be done to bind an assumed pod.
    fn binding(&self, pod: &Arc<crate::Pod>, node: &Arc<str>) -> Result<Binding, Refusal> {
        if let Err(refusal) = self.scheduler(&pod.uid).pre_bind(pod, node) {
            let reason = format!("running PreBind plugin {:?}: {}", refusal.plugin, refusal.reasons.join(", "));
            return Err(Refusal { code: Code::Error, reasons: vec![reason.into()], ..refusal });
        }
        let changes = self.changes.get(&pod.uid).cloned().unwrap_or_default();
        let since = self.assumed.get(&pod.uid).map_or(Duration::ZERO, |assumed| assumed.since);
        let (profile, tried) = (self.profile(&pod.uid), self.tried(&pod.uid, since));
        Ok(Binding { pod: pod.clone(), node: node.clone(), changes, profile, tried })
    }

    /// A plugin did not agree to the place that was found: it is given back, and the pod waits.
    fn reject(&mut self, pod: Arc<crate::Pod>, node: &Arc<str>, refusal: Refusal, now: Duration) -> Step {
        let error =
            FitError { nodes: 1, refusals: [(node.clone(), refusal)].into_iter().collect(), ..FitError::default() };
        self.forget(&pod.uid, now);
        let why = if error.is_error() { Requeue::Error } else { Requeue::Unschedulable(error.plugins()) };
        self.queue.requeue(&pod.uid, why, now);
        self.report(pod, Box::new(error), false, now)
    }

    /// Gives back what an assumed pod has taken, if it has. That helps others, not the pod itself.
    fn forget(&mut self, uid: &str, now: Duration) {
        let Some(Assumed { pod, node, .. }) = self.assumed.remove(uid) else { return };
        self.waiting.remove(uid);
        self.cluster.remove_pod(uid);
        for change in self.changes.remove(uid).unwrap_or_default() {
            self.cluster.inventory_mut().revert(&change);
        }
        if let Some(gangs) = &mut self.gangs {
            gangs.displace(uid);
        }
        self.scheduler(uid).unreserve(&self.cluster, &pod, &node);
        let event = ClusterEvent { kind: EventKind::PodDelete, node: node.to_string() };
        self.queue.notice_others(&event, uid, now);
    }

    fn refuse(&mut self, pod: Arc<crate::Pod>, error: Box<FitError>, now: Duration) -> Step {
        let waits = self.waits(&pod, &error);
        self.refuse_with(pod, error, waits, now)
    }

    /// As [`Self::refuse`], where it is known whether the pod `waits` for what it was promised before.
    fn refuse_with(&mut self, pod: Arc<crate::Pod>, error: Box<FitError>, waits: bool, now: Duration) -> Step {
        if let Some(nomination) = &error.nomination {
            let node = Some(nomination.node.as_str().into());
            self.cluster.nominate(crate::Pod { nominated_node: node, ..(*pod).clone() });
        }
        let why = if error.is_error() { Requeue::Error } else { Requeue::Unschedulable(error.plugins()) };
        self.queue.requeue(&pod.uid, why, now);
        self.report(pod, error, waits, now)
    }

    /// The API server took the binding. The pod stays assumed until the watch shows it.
    pub(super) fn bound(&mut self, binding: &Binding) {
        self.schedulers[binding.profile].post_bind(&binding.pod, &binding.node);
        self.queue.remove(&binding.pod.uid);
    }

    /// The API server did not take the binding: the room is given back, and the pod tried again.
    pub(super) fn bind_failed(&mut self, pod: &Arc<crate::Pod>, now: Duration) {
        // The watch may have shown meanwhile what became of the pod.
        if self.is_assumed(pod) {
            self.forget(&pod.uid, now);
            self.queue.requeue(&pod.uid, Requeue::Error, now);
        }
    }

    fn notice(&mut self, kind: EventKind, node: &str, now: Duration) {
        self.queue.notice(&ClusterEvent { kind, node: node.to_owned() }, now);
    }
}

#[cfg(test)]
mod tests;
