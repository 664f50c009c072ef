//! GangScheduling: pods of a group are placed together or not at all (KEP-4671).
//!
//! A pod of a gang waits until as many of its pods are known as the group's `minCount`. Then they are placed one after the
//! other on a fork of the cluster, in the order of the queue; where fewer than `minCount` find a place, none takes it. Where
//! enough would find one if less important pods went, that is told, and nobody is placed before they have gone.
//! Source: kube-scheduler's `gangscheduling` and its cycle for pod groups.

mod topology;

pub use topology::Domain;

use crate::cluster::{Cluster, ClusterError, CommitError};
use crate::framework::{FitError, Nomination, Refusal};
use crate::inventory::{Change, Inventory};
use crate::model::Pod;
use crate::scheduler::{Placement, Scheduler};
use std::sync::Arc;

const NAME: &str = "GangScheduling";

/// What is told of a gang for which others have to go.
const PREEMPTING: &str = "pod group is waiting for preemption to complete";

/// Places pods of a group together or not at all.
#[derive(Clone, Copy, Debug)]
pub struct GangScheduling;

/// A pod of a gang that found its place.
#[derive(Clone, Debug)]
pub struct Member {
    /// The pod.
    pub pod: Arc<Pod>,
    /// Where it goes.
    pub placement: Placement,
    /// What else its placement changes.
    pub changes: Vec<Change>,
}

/// A gang that found its places.
#[derive(Debug)]
pub struct Gang {
    /// The pods that are placed; at least as many as the group needs.
    pub members: Vec<Member>,
    /// Pods beyond the least number that found none, and why.
    pub left: Vec<(Arc<Pod>, Box<FitError>)>,
    /// The domain that all are in, where the group has a topology constraint.
    pub domain: Option<Arc<str>>,
    /// All domains that were tried, in the order of their names.
    pub domains: Vec<Domain>,
    fork: Cluster,
}

impl Gang {
    /// Puts the members and their changes into the cluster that they were placed on.
    ///
    /// # Errors
    /// When the cluster changed meanwhile; nothing is done.
    pub fn commit(self, cluster: &mut Cluster) -> Result<Vec<Member>, CommitError> {
        cluster.commit(self.fork)?;
        Ok(self.members)
    }
}

/// Why a gang was not placed. Nothing was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GangError {
    /// Too few of its pods found a place.
    #[error("minCount ({min_count}) cannot be satisfied: {scheduled} scheduled, {remaining} remaining")]
    TooFew {
        /// How many the group needs.
        min_count: usize,
        /// How many found a place.
        scheduled: usize,
        /// How many had not been tried yet.
        remaining: usize,
        /// Those that found none, and why.
        failed: Vec<(Arc<Pod>, Box<FitError>)>,
    },
    /// Enough of its pods find a place once others have gone.
    #[error("{}", PREEMPTING)]
    NeedsPreemption {
        /// Where each goes and which pods have to go for it, none where there is room now; and that it cannot go there yet.
        nominated: Vec<(Arc<Pod>, Box<FitError>)>,
        /// Pods beyond the least number that found no place, and why.
        failed: Vec<(Arc<Pod>, Box<FitError>)>,
    },
    /// It fits into no domain that its topology constraint allows.
    #[error("{}", topology::no_domain(domains))]
    NoDomain {
        /// Those that were tried, in the order of their names.
        domains: Vec<Domain>,
    },
    /// It cannot be said which domains its topology constraint allows.
    #[error("{0}")]
    Domain(String),
    /// A plugin found a placement impossible after all.
    #[error("pod {pod:?} cannot be placed: {}", refusal.reasons.join(", "))]
    Refused {
        /// The pod.
        pod: Arc<str>,
        /// Why.
        refusal: Refusal,
    },
    /// A pod is part of the cluster already, on another node.
    #[error("a pod of the gang is placed already")]
    Placed(#[source] ClusterError),
}

impl GangScheduling {
    /// Whether a pod may be tried, when `known` pods of its group are known, waiting or placed (PreEnqueue).
    ///
    /// # Errors
    /// The refusal that holds it back: its group is not known, or has too few pods.
    pub fn pre_enqueue(self, inventory: &Inventory, pod: &Pod, known: usize) -> Result<(), Refusal> {
        let Some(name) = &pod.group else { return Ok(()) };
        let Some(group) = inventory.groups.get(&pod.namespace, name) else {
            let waiting = format!("waiting for pod's pod group {name:?} to appear in scheduling queue");
            return Err(Refusal::unresolvable(NAME, waiting));
        };
        if group.min_count.is_some_and(|min_count| known < min_count) {
            let waiting = "waiting for minCount pods from a gang to appear in scheduling queue";
            return Err(Refusal::unresolvable(NAME, waiting));
        }
        Ok(())
    }

    /// Places a gang of which `placed` pods are on nodes already.
    ///
    /// # Errors
    /// When fewer than `min_count` pods would run, or a plugin does not agree in the end.
    pub fn place(
        self,
        scheduler: &Scheduler,
        cluster: &Cluster,
        pods: &[Arc<Pod>],
        min_count: usize,
        placed: usize,
    ) -> Result<Gang, GangError> {
        self.try_place(scheduler, cluster, pods, min_count, placed, None)
    }

    /// On all nodes, or, where nobody goes for the gang, on those of these names.
    fn try_place(
        self,
        scheduler: &Scheduler,
        cluster: &Cluster,
        pods: &[Arc<Pod>],
        min_count: usize,
        placed: usize,
        within: Option<&[Arc<str>]>,
    ) -> Result<Gang, GangError> {
        let mut pods: Vec<&Arc<Pod>> = pods.iter().collect();
        let order = &scheduler.profile().queue_sort;
        pods.sort_by(|a, b| order.compare(a, b));
        let mut gang = Gang::new(cluster);
        // Pods for which others have to go, with those; they count as placed for the pods after them.
        let mut preempting = Vec::new();
        for (index, pod) in pods.iter().enumerate() {
            let found = match within {
                None => scheduler.schedule(&gang.fork, pod),
                Some(nodes) => scheduler.schedule_within(&gang.fork, pod, nodes),
            };
            match found {
                Ok(placement) => gang.add(scheduler, pod, placement)?,
                Err(error) => match &error.nomination {
                    Some(nomination) => {
                        gang.add_nominated(scheduler, pod, nomination)?;
                        preempting.push(((*pod).clone(), error));
                    }
                    None => gang.left.push(((*pod).clone(), error)),
                },
            }
            let scheduled = placed + gang.members.len() + preempting.len();
            let remaining = pods.len() - index - 1;
            if scheduled + remaining < min_count {
                return Err(GangError::TooFew { min_count, scheduled, remaining, failed: gang.left });
            }
        }
        let scheduled = placed + gang.members.len() + preempting.len();
        if scheduled < min_count {
            return Err(GangError::TooFew { min_count, scheduled, remaining: 0, failed: gang.left });
        }
        if !preempting.is_empty() {
            return Err(gang.waits_for(preempting));
        }
        Ok(gang)
    }
}

impl Gang {
    fn new(cluster: &Cluster) -> Self {
        Self { members: Vec::new(), left: Vec::new(), domain: None, domains: Vec::new(), fork: cluster.fork() }
    }

    fn add(&mut self, scheduler: &Scheduler, pod: &Arc<Pod>, placement: Placement) -> Result<(), GangError> {
        let changes = scheduler
            .changes(&self.fork, pod, &placement.node)
            .map_err(|refusal| GangError::Refused { pod: pod.name.clone(), refusal })?;
        changes.iter().for_each(|change| self.fork.inventory_mut().apply(change));
        self.occupy(scheduler, pod, &placement.node)?;
        self.members.push(Member { pod: pod.clone(), placement, changes });
        Ok(())
    }

    /// A pod as if those that have to go for it had gone.
    fn add_nominated(
        &mut self,
        scheduler: &Scheduler,
        pod: &Arc<Pod>,
        nomination: &Nomination,
    ) -> Result<(), GangError> {
        for victim in &nomination.victims {
            self.fork.remove_pod(&victim.uid);
        }
        self.occupy(scheduler, pod, &nomination.node)
    }

    fn occupy(&mut self, scheduler: &Scheduler, pod: &Arc<Pod>, node: &str) -> Result<(), GangError> {
        // What it was promised before must not count beside what it takes.
        self.fork.withdraw_nomination(&pod.uid);
        let on_node = scheduler.assume(&self.fork, Pod::clone(pod), node);
        self.fork.add_pod(on_node).map_err(GangError::Placed)
    }

    fn waits_for(self, preempting: Vec<(Arc<Pod>, Box<FitError>)>) -> GangError {
        let keep = |member: Member| {
            let nomination = Nomination { node: member.placement.node.to_string(), victims: Vec::new() };
            (member.pod, Box::new(FitError { nomination: Some(nomination), ..FitError::default() }))
        };
        let mut nominated: Vec<_> = self.members.into_iter().map(keep).chain(preempting).collect();
        nominated.iter_mut().for_each(|(_, error)| error.group = Some(PREEMPTING.to_owned()));
        GangError::NeedsPreemption { nominated, failed: self.left }
    }
}

#[cfg(test)]
mod tests;
