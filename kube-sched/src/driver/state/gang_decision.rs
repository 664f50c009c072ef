//! Decisions on gangs: all pods of a group at once, placed together or not at all.

use super::gangs::{self, Forming, GroupKey};
use super::{Binding, State, Step};
use crate::framework::{Code, FitError, Refusal};
use crate::inventory::PodGroup;
use crate::plugins::{Domain, Gang, GangError, GangScheduling};
use crate::queue::Requeue;
use hashbrown::HashMap;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// What is told of a group as a whole, as its condition `PodGroupScheduled`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::driver) struct GroupStatus {
    pub(in crate::driver) key: GroupKey,
    pub(in crate::driver) scheduled: bool,
    /// `Scheduled`, `Unschedulable`, `SchedulerError`.
    pub(in crate::driver) reason: &'static str,
    pub(in crate::driver) message: String,
}

/// A gang that is to be bound.
#[derive(Clone, Debug)]
pub(in crate::driver) struct GangBinding {
    pub(in crate::driver) key: GroupKey,
    pub(in crate::driver) members: Vec<Binding>,
}

/// What refusals of groups are told under. It is no filter, so that the queue takes any event for one that may help.
const GANG_SCHEDULING: &str = "GangScheduling";

/// The filter that waits for new nodes and for labels. Where a profile is without it, any event may help.
const NODE_AFFINITY: &str = "NodeAffinity";

type Failed = Vec<(Arc<crate::Pod>, Box<FitError>)>;

impl State {
    /// Lets a pod into the queue, unless its group holds it back.
    pub(super) fn enqueue(&mut self, pod: crate::Pod, now: Duration) {
        let (Some(gangs), Some(key)) = (&mut self.gangs, gangs::key(&pod)) else { return self.add(pod, now) };
        if let Some(pod) = gangs.pend(&key, pod) {
            self.add(pod, now);
        }
        self.release(&key, now);
    }

    /// What holds a pod back is no time of the scheduler's: it is measured from when nothing does any more. Source:
    /// `InitialAttemptTimestamp` of kube-scheduler.
    fn add(&mut self, pod: crate::Pod, now: Duration) {
        let uid = pod.uid.clone();
        self.queue.add(pod);
        if !self.queue.is_gated(&uid) {
            self.ready_since.entry(uid).or_insert(now);
        }
    }

    /// Lets the pods of a group into the queue that need be held back no longer.
    pub(super) fn release(&mut self, key: &GroupKey, now: Duration) {
        let Some(gangs) = &mut self.gangs else { return };
        for pod in gangs.release(key, self.cluster.inventory()) {
            self.add(pod, now);
        }
    }

    /// A pod of a group has a place.
    pub(super) fn group_placed(&mut self, pod: &crate::Pod) {
        if let (Some(gangs), Some(key)) = (&mut self.gangs, gangs::key(pod)) {
            gangs.place(&key, &pod.uid);
        }
    }

    /// Decides on a pod of a group, and where the group is a gang, on all of its pods in the queue.
    pub(super) fn decide_on_group(&mut self, pod: Arc<crate::Pod>, key: GroupKey, now: Duration) -> Step {
        let Some(gangs) = &mut self.gangs else { return self.decide(pod, now) };
        let inventory = self.cluster.inventory();
        if GangScheduling.pre_enqueue(inventory, &pod, gangs.known(&key)).is_err() {
            // The group has gone since, or too many of its pods have.
            self.queue.remove(&pod.uid);
            gangs.hold(&key, crate::Pod::clone(&pod));
            return Step::Wait;
        }
        let Some(group) = inventory.groups.get(&key.0, &key.1).filter(|group| group.is_placed_together()).cloned()
        else {
            return self.decide(pod, now);
        };
        let others: Vec<_> = gangs.queued(&key).into_iter().filter(|uid| *uid != pod.uid).collect();
        let pods: Vec<Arc<crate::Pod>> =
            std::iter::once(pod).chain(others.iter().filter_map(|uid| self.queue.take(uid))).collect();
        if let Some(refusal) = self.of_several_profiles(&pods) {
            let failed = refused(&pods, &refusal);
            return self.refuse_gang(key, pods, failed, "", now);
        }
        self.decisions += 1;
        match self.find_places(&group, &key, &pods) {
            Ok(gang) => self.assume_gang(key, pods, gang, now),
            Err(error) => {
                let reason = error.to_string();
                let failed = match error {
                    GangError::TooFew { failed, .. } => failed,
                    GangError::NoDomain { domains } => {
                        return self.refuse_in_domains(key, pods, domains, &reason, now);
                    }
                    GangError::Domain(reason) => refused(&pods, &failure(reason)),
                    GangError::NeedsPreemption { nominated, failed } => {
                        return self.nominate_gang(key, nominated, failed, &reason, now);
                    }
                    GangError::Refused { pod, refusal } => {
                        refused(pods.iter().filter(|known| known.name == pod), &refusal)
                    }
                    GangError::Placed(source) => refused(&pods, &failure(source.to_string())),
                };
                self.refuse_gang(key, pods, failed, &reason, now)
            }
        }
    }

    /// Places for a group beside what has one.
    fn find_places(&self, group: &PodGroup, key: &GroupKey, pods: &[Arc<crate::Pod>]) -> Result<Gang, GangError> {
        let scheduler = self.scheduler(&pods[0].uid);
        let min_count = group.min_count.unwrap_or(1);
        let placed = self.gangs.iter().flat_map(|gangs| gangs.placed(key));
        match &group.topology_key {
            None => GangScheduling.place(scheduler, &self.cluster, pods, min_count, placed.count()),
            Some(topology) => {
                let nodes: Vec<&str> = placed.filter_map(|uid| self.cluster.location(uid)).collect();
                GangScheduling.place_in_domain(scheduler, &self.cluster, pods, min_count, topology, &nodes)
            }
        }
    }

    /// One profile decides on a gang.
    fn of_several_profiles(&self, pods: &[Arc<crate::Pod>]) -> Option<Refusal> {
        let first = self.profile(&pods[0].uid);
        let other = pods.iter().map(|pod| self.profile(&pod.uid)).find(|profile| *profile != first)?;
        let name = |profile: usize| self.schedulers[profile].profile().name();
        let (first, other) = (name(first), name(other));
        let text = "all pods in a single pod group should have the same .spec.schedulerName set";
        Some(failure(format!("{text}, got: {first:?} and {other:?}")))
    }

    /// Gives every pod of a gang its place, and holds it until all are permitted.
    fn assume_gang(&mut self, key: GroupKey, pods: Vec<Arc<crate::Pod>>, gang: Gang, now: Duration) -> Step {
        let Gang { members, left, .. } = gang;
        let mut forming = Forming::default();
        for member in members {
            let (pod, node) = (member.pod, member.placement.node);
            match self.assume(&pod, &node, now) {
                Ok(waits) => {
                    if !waits.is_empty() {
                        self.waiting.add(pod.clone(), node.clone(), &waits, now);
                        forming.waiting.insert(pod.uid.clone());
                    }
                    forming.members.push((pod, node));
                }
                Err(refusal) => {
                    self.forget(&pod.uid, now);
                    forming.members.iter().for_each(|(other, _)| self.forget(&other.uid, now));
                    let refusals = [(node, refusal)].into_iter().collect();
                    let error = FitError { nodes: 1, refusals, ..FitError::default() };
                    let reason = format!("pod {:?} of the pod group was refused its place", pod.name);
                    return self.refuse_gang(key, pods, vec![(pod, Box::new(error))], &reason, now);
                }
            }
        }
        for (pod, error) in left {
            let (waits, failed) = (self.waits(&pod, &error), [(pod.clone(), error)]);
            self.queue.requeue(&pod.uid, self.why(&key, &failed), now);
            let [(_, error)] = failed;
            let step = self.report(pod, error, waits, now);
            self.ready.push_back(step);
        }
        if forming.members.is_empty() {
            // Enough of it run already, and those that are left find no places: of the group there is nothing to say.
            return Step::Wait;
        }
        match self.gangs.as_mut().and_then(|gangs| gangs.form(&key, forming)) {
            Some(forming) => self.bind_gang(key, forming, now),
            None => Step::Wait,
        }
    }

    /// All are permitted: what is left is to prepare the bindings, and to bind.
    pub(super) fn bind_gang(&mut self, key: GroupKey, forming: Forming, now: Duration) -> Step {
        let mut members = Vec::with_capacity(forming.members.len());
        let mut failed = None;
        for (pod, node) in &forming.members {
            match self.binding(pod, node) {
                Ok(binding) => members.push(binding),
                Err(refusal) => failed = Some((pod.uid.clone(), refusal)),
            }
        }
        match failed {
            None => Step::BindGang(GangBinding { key, members }),
            Some((uid, refusal)) => self.reject_gang(key, forming, &uid, refusal, now),
        }
    }

    /// A plugin did not agree to the place of one pod: all give theirs back.
    pub(super) fn reject_gang(
        &mut self,
        key: GroupKey,
        forming: Forming,
        uid: &str,
        refusal: Refusal,
        now: Duration,
    ) -> Step {
        let mut failed = Failed::new();
        let mut reason = String::new();
        for (pod, node) in &forming.members {
            self.forget(&pod.uid, now);
            if *pod.uid == *uid {
                reason = format!("pod {:?} of the pod group was refused its place", pod.name);
                let refusals = [(node.clone(), refusal.clone())].into_iter().collect();
                failed.push((pod.clone(), Box::new(FitError { nodes: 1, refusals, ..FitError::default() })));
            }
        }
        let pods = forming.members.into_iter().map(|(pod, _)| pod).collect();
        self.refuse_gang(key, pods, failed, &reason, now)
    }

    /// A pod that has its place as part of a gang, and is not bound yet, goes: the others give theirs back.
    pub(super) fn dissolve_gang(&mut self, uid: &str, now: Duration) {
        let Some(gangs) = &mut self.gangs else { return };
        let Some(forming) = gangs.forming(uid).cloned().and_then(|key| gangs.dissolve(&key)) else { return };
        for (pod, _) in forming.members.iter().filter(|(pod, _)| *pod.uid != *uid) {
            self.forget(&pod.uid, now);
            self.queue.requeue(&pod.uid, Requeue::Error, now);
        }
    }

    /// The pods of a gang have places once others have gone: those are kept for them.
    fn nominate_gang(&mut self, key: GroupKey, nominated: Failed, failed: Failed, reason: &str, now: Duration) -> Step {
        let mut pods = Vec::with_capacity(nominated.len() + failed.len());
        let mut errors = failed;
        for (pod, error) in nominated {
            if let Some(nomination) = &error.nomination {
                let node = Some(nomination.node.as_str().into());
                self.cluster.nominate(crate::Pod { nominated_node: node, ..crate::Pod::clone(&pod) });
            }
            errors.push((pod, error));
        }
        pods.extend(errors.iter().map(|(pod, _)| pod.clone()));
        self.refuse_gang(key, pods, errors, reason, now)
    }

    /// A gang fits into no domain. One domain's reasons are told, as in Kubernetes; what helps in any of them helps, and so
    /// may a node that comes into one.
    fn refuse_in_domains(
        &mut self,
        key: GroupKey,
        pods: Vec<Arc<crate::Pod>>,
        domains: Vec<Domain>,
        reason: &str,
        now: Duration,
    ) -> Step {
        let fixed = self.gangs.iter().any(|gangs| gangs.placed(&key).next().is_some());
        let failed: Vec<Failed> = domains.into_iter().filter_map(|domain| refused_in(domain, &pods)).collect();
        let why = match why(failed.iter().flatten()) {
            // Pods with a place decide on the domain, and if those go every domain is open: any event may help then.
            Requeue::Unschedulable(mut plugins) => {
                plugins.insert(if fixed || failed.is_empty() { GANG_SCHEDULING } else { NODE_AFFINITY });
                Requeue::Unschedulable(plugins)
            }
            error => error,
        };
        self.refuse_gang_until(why, key, pods, failed.into_iter().next().unwrap_or_default(), reason, now)
    }

    /// None of these pods gets a place: some for a reason of their own, the others for the gang's.
    fn refuse_gang(
        &mut self,
        key: GroupKey,
        pods: Vec<Arc<crate::Pod>>,
        failed: Failed,
        reason: &str,
        now: Duration,
    ) -> Step {
        let why = self.why(&key, &failed);
        self.refuse_gang_until(why, key, pods, failed, reason, now)
    }

    /// What pods of a group wait for of which some failed.
    fn why(&self, key: &GroupKey, failed: &[(Arc<crate::Pod>, Box<FitError>)]) -> Requeue {
        let group = self.cluster.inventory().groups.get(&key.0, &key.1);
        match why(failed) {
            // What helps in another domain, no plugin says: whatever happens may.
            Requeue::Unschedulable(mut plugins) if group.is_some_and(|group| group.topology_key.is_some()) => {
                plugins.insert(GANG_SCHEDULING);
                Requeue::Unschedulable(plugins)
            }
            why => why,
        }
    }

    fn refuse_gang_until(
        &mut self,
        why: Requeue,
        key: GroupKey,
        pods: Vec<Arc<crate::Pod>>,
        failed: Failed,
        reason: &str,
        now: Duration,
    ) -> Step {
        let failure = failed.iter().find(|(_, error)| error.is_error()).map(|(_, error)| error.to_string());
        // As long as others go for one, the rest of the gang need their places.
        let preempting = failed.iter().any(|(pod, error)| self.waits_for_victims(pod, error));
        let mut failed: HashMap<Arc<str>, Box<FitError>> =
            failed.into_iter().map(|(pod, error)| (pod.uid.clone(), error)).collect();
        for pod in pods {
            let of_group = || Box::new(FitError { group: Some(reason.to_owned()), ..FitError::default() });
            let own = failed.remove(&pod.uid);
            // One that would fit waits for the others, not for what it was promised.
            let refused = own.as_ref().is_some_and(|error| !error.is_error());
            let waits = preempting || (!pod.may_preempt && refused);
            let error = own.unwrap_or_else(of_group);
            self.queue.requeue(&pod.uid, why.clone(), now);
            let step = self.report(pod, error, waits, now);
            self.ready.push_back(step);
        }
        let reported = if failure.is_some() { "SchedulerError" } else { "Unschedulable" };
        let message = failure.unwrap_or_else(|| reason.to_owned());
        Step::Group(GroupStatus { key, scheduled: false, reason: reported, message })
    }
}

fn refused<'a>(pods: impl IntoIterator<Item = &'a Arc<crate::Pod>>, refusal: &Refusal) -> Failed {
    let error = |pod: &Arc<crate::Pod>| {
        (pod.clone(), Box::new(FitError { pre_filter: Some(refusal.clone()), ..FitError::default() }))
    };
    pods.into_iter().map(error).collect()
}

/// Why pods found no places in a domain.
fn refused_in(domain: Domain, pods: &[Arc<crate::Pod>]) -> Option<Failed> {
    match domain.verdict {
        Err(GangError::TooFew { failed, .. }) => Some(failed),
        Err(GangError::Refused { pod, refusal }) => {
            Some(refused(pods.iter().filter(|known| known.name == pod), &refusal))
        }
        _ => None,
    }
}

/// What helps the pods that failed helps all; the first that is tried again takes the others along.
fn why<'a>(failed: impl IntoIterator<Item = &'a (Arc<crate::Pod>, Box<FitError>)>) -> Requeue {
    let mut plugins = BTreeSet::new();
    for (_, error) in failed {
        if error.is_error() {
            return Requeue::Error;
        }
        plugins.extend(error.plugins());
    }
    Requeue::Unschedulable(plugins)
}

fn failure(reason: String) -> Refusal {
    Refusal { plugin: GANG_SCHEDULING, code: Code::Error, reasons: vec![reason.into()] }
}

#[cfg(test)]
mod tests;
