//! Preemption in which extenders have a say: the engine finds who could go, extenders choose among that, and the cheapest of
//! what they leave is cleared.

use super::{State, Step};
use crate::driver::extender::{SaidOfVictims, VictimsAnswer, VictimsQuestion};
use crate::framework::{FitError, Nomination, Victims};
use crate::queue::Requeue;
use crate::{Cluster, NodeInfo};
use std::sync::Arc;
use std::time::Duration;

impl State {
    /// No node takes a pod on which the decision began at this time. Where others could go for it, extenders are asked that
    /// have a say in that; else it is refused.
    pub(super) fn ask_or_refuse(
        &mut self,
        pod: Arc<crate::Pod>,
        error: Box<FitError>,
        began: Duration,
        now: Duration,
    ) -> Step {
        if error.nomination.is_some() && self.consulting.concerns_victims_of(&pod) {
            if self.consulting.busy {
                self.consulting.next = Some(pod);
                return Step::Wait;
            }
            let candidates = self.scheduler(&pod.uid).candidates(&self.cluster, &pod, &error);
            if !candidates.is_empty() {
                self.consulting.busy = true;
                let cluster = self.cluster.fork();
                return Step::ConsultOnVictims(Box::new(VictimsQuestion { pod, began, error, cluster, candidates }));
            }
        }
        self.decisions += 1;
        self.refuse(pod, error, now)
    }

    /// The extenders have answered. A node is cleared only if it is as it was when they were asked: who was to go may be gone
    /// without that, or may not be enough any more.
    pub(in crate::driver) fn consulted_on_victims(&mut self, answer: VictimsAnswer, now: Duration) {
        self.consulting.busy = false;
        let VictimsAnswer { pod, mut error, cluster, said, .. } = answer;
        // Gone, or bound by another scheduler.
        if !self.queue.contains(&pod.uid) {
            return;
        }
        let cheapest = match said {
            // Nobody is to be told of it.
            SaidOfVictims::Gone => return self.queue.requeue(&pod.uid, Requeue::Error, now),
            SaidOfVictims::Failed(reason) => Err(reason),
            SaidOfVictims::Candidates(candidates) => {
                let cheapest = candidates.into_iter().min_by_key(|(_, victims)| victims.cost);
                cheapest.ok_or_else(|| "no candidate node for preemption".to_owned())
            }
        };
        let step = match cheapest {
            Ok((node, victims)) => match self.nomination(&cluster, &node, &victims) {
                Some(nomination) => {
                    error.nomination = Some(nomination);
                    self.refuse(pod, error, now)
                }
                None => return self.queue.requeue(&pod.uid, Requeue::Error, now),
            },
            Err(reason) => {
                error.nomination = None;
                error.post_filter = Some(format!("preemption: {reason}"));
                // In Kubernetes too, a promise outlasts that.
                self.refuse_with(pod, error, true, now)
            }
        };
        self.decisions += 1;
        self.ready.push_back(step);
    }

    /// A node that is to be cleared, if the same pods are on it as before.
    fn nomination(&self, before: &Cluster, node: &str, victims: &Victims) -> Option<Nomination> {
        let (now, before) = (self.cluster.node(node)?, before.node(node)?);
        let find = |info: &NodeInfo, uid: &str| info.pods().iter().find(|pod| *pod.uid == *uid).cloned();
        let same = now.node() == before.node()
            && now.pods().len() == before.pods().len()
            && now.pods().iter().all(|pod| find(before, &pod.uid).is_some());
        let victims = || victims.pods.iter().filter_map(|victim| find(now, &victim.uid)).collect();
        same.then(|| Nomination { node: node.to_owned(), victims: victims() })
    }
}

#[cfg(test)]
mod tests;
