//! What the driver knows: the cluster, the queue, and which pods it has assumed. Pure: objects and time come in, steps go out.

use super::Config;
use super::inventory::Update;
use crate::framework::{ClusterEvent, EventKind, FitError, PermitDecision, Refusal};
use crate::inventory::Change;
use crate::queue::{Requeue, SchedulingQueue};
use crate::{Cluster, Scheduler, k8s};
use hashbrown::HashMap;
use k8s_openapi::api::core::v1::{Namespace, Node, Pod};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// What is to be done about a pod.
#[derive(Debug)]
pub(super) enum Step {
    /// Bind it.
    Bind { pod: Arc<crate::Pod>, node: String, changes: Vec<Change> },
    /// Say why it cannot be placed, and clear the node that was found for it.
    Report { pod: Arc<crate::Pod>, error: Box<FitError> },
}

#[derive(Debug)]
pub(super) struct State {
    cluster: Cluster,
    queue: SchedulingQueue,
    /// One per profile; pods without a word in `chosen` are the first's.
    schedulers: Vec<Scheduler>,
    chosen: HashMap<Arc<str>, usize>,
    /// Pods that were decided on and whose binding the API server has not shown yet, with their nodes.
    assumed: HashMap<Arc<str>, String>,
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
            changes: HashMap::new(),
        }
    }

    /// The scheduler that a pod has chosen.
    fn scheduler(&self, pod: &str) -> &Scheduler {
        &self.schedulers[self.chosen.get(pod).copied().unwrap_or(0)]
    }

    pub(super) fn next_deadline(&self) -> Option<Duration> {
        self.queue.next_deadline()
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
            None if pod.terminating => self.queue.remove(&pod.uid),
            // The binding under way will show; until then this is an older state of the pod.
            None if self.assumed.contains_key(&pod.uid) => {}
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
        let assumed = self.assumed.remove(&uid).is_some();
        self.chosen.remove(&uid);
        self.changes.remove(&uid);
        let before = self.cluster.location(&uid).map(str::to_owned);
        if before.as_deref().is_some_and(|before| before != node) {
            // Another scheduler was faster.
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
        self.queue.remove(uid);
        self.cluster.withdraw_nomination(uid);
        self.assumed.remove(uid);
        self.chosen.remove(uid);
        self.take_back(uid);
        if let Some(pod) = self.cluster.remove_pod(uid) {
            self.notice(EventKind::PodDelete, pod.node.as_deref().unwrap_or_default(), now);
        }
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

    fn take_back(&mut self, uid: &str) {
        for change in self.changes.remove(uid).unwrap_or_default() {
            self.cluster.inventory_mut().revert(&change);
        }
    }

    /// Decides on the next pod; `None` when there is none to try now.
    pub(super) fn next_step(&mut self, now: Duration) -> Option<Step> {
        let pod = self.queue.pop(now)?;
        match self.scheduler(&pod.uid).schedule(&self.cluster, &pod) {
            Ok(placement) => Some(self.assume(pod, placement.node.to_string(), now)),
            Err(error) => Some(self.refuse(pod, error, now)),
        }
    }

    fn assume(&mut self, pod: Arc<crate::Pod>, node: String, now: Duration) -> Step {
        let agreed = self
            .scheduler(&pod.uid)
            .reserve(&self.cluster, &pod, &node)
            .and_then(|decision| match decision {
                PermitDecision::Allow => Ok(()),
                // Nothing could wake the pod before its time: it is tried again instead.
                PermitDecision::Wait(_) => {
                    self.scheduler(&pod.uid).unreserve(&self.cluster, &pod, &node);
                    Err(Refusal::unschedulable("Permit", "pod waits for permission"))
                }
                PermitDecision::Deny(refusal) => Err(refusal),
            })
            .and_then(|()| self.scheduler(&pod.uid).pre_bind(&pod, &node))
            .and_then(|()| self.scheduler(&pod.uid).changes(&self.cluster, &pod, &node));
        let changes = match agreed {
            Ok(changes) => changes,
            Err(refusal) => {
                let error = FitError { nodes: self.cluster.len(), pre_filter: Some(refusal), ..FitError::default() };
                self.queue.requeue(&pod.uid, Requeue::Error, now);
                return Step::Report { pod, error: Box::new(error) };
            }
        };
        if !changes.is_empty() {
            changes.iter().for_each(|change| self.cluster.inventory_mut().apply(change));
            self.changes.insert(pod.uid.clone(), changes.clone());
        }
        self.assumed.insert(pod.uid.clone(), node.clone());
        self.cluster.withdraw_nomination(&pod.uid);
        let placed = crate::Pod { node: Some(node.as_str().into()), ..(*pod).clone() };
        self.cluster.track_pod(placed).expect("a pod in the queue is on no node");
        Step::Bind { pod, node, changes }
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
    pub(super) fn bound(&mut self, pod: &crate::Pod, node: &str) {
        self.scheduler(&pod.uid).post_bind(pod, node);
        self.queue.remove(&pod.uid);
    }

    /// The API server did not take the binding: the room is given back, and the pod tried again.
    pub(super) fn bind_failed(&mut self, pod: &crate::Pod, node: &str, now: Duration) {
        if self.assumed.remove(&pod.uid).is_none() {
            // The watch has shown meanwhile what became of the pod.
            return;
        }
        self.cluster.remove_pod(&pod.uid);
        self.take_back(&pod.uid);
        self.scheduler(&pod.uid).unreserve(&self.cluster, pod, node);
        self.queue.requeue(&pod.uid, Requeue::Error, now);
        self.notice(EventKind::PodDelete, node, now);
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
