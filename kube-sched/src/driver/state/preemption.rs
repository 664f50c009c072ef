//! Preemption in which extenders have a say: the engine finds who could go, extenders choose among that, and the cheapest of
//! what they leave is cleared.

use super::{State, Step};
use crate::driver::extender::{NAME, SaidOfVictims, VictimsAnswer, VictimsQuestion};
use crate::framework::{FitError, Nomination, Victims};
use crate::{Cluster, NodeInfo};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

impl State {
    /// No node takes a pod. Where others could go for it, extenders are asked that have a say in that; else it is refused.
    pub(super) fn ask_or_refuse(&mut self, pod: Arc<crate::Pod>, error: Box<FitError>, now: Duration) -> Step {
        if error.nomination.is_some() && self.consulting.concerns_victims_of(&pod) {
            if self.consulting.busy {
                self.consulting.next = Some(pod);
                return Step::Wait;
            }
            let candidates = self.scheduler(&pod.uid).candidates(&self.cluster, &pod, &error);
            if !candidates.is_empty() {
                self.consulting.busy = true;
                let cluster = self.cluster.fork();
                let question = VictimsQuestion { pod, began: now, error, cluster, candidates };
                return Step::ConsultOnVictims(Box::new(question));
            }
        }
        self.decisions += 1;
        self.refuse(pod, error, now)
    }

    /// The extenders have answered who is to go for a pod.
    pub(in crate::driver) fn consulted_on_victims(&mut self, answer: VictimsAnswer, now: Duration) {
        self.consulting.busy = false;
        let (uid, began) = (answer.pod.uid.clone(), answer.began);
        if let Some(step) = self.clear(answer, now) {
            self.ready_since_asked(&uid, began, step);
        }
    }

    /// A node is cleared only if it is as it was when the extenders were asked, and no other takes the pod by now: who was to
    /// go may be gone without that, or may not be enough, or need not go any more.
    fn clear(&mut self, answer: VictimsAnswer, now: Duration) -> Option<Step> {
        let VictimsAnswer { pod, mut error, cluster, said, .. } = answer;
        // Gone, or bound by another scheduler.
        if !self.queue.contains(&pod.uid) {
            return None;
        }
        let cheapest = match said {
            SaidOfVictims::Candidates(candidates) => {
                let cheapest = candidates.into_iter().min_by_key(|(_, victims)| victims.cost);
                cheapest.ok_or_else(|| "no candidate node for preemption".to_owned())
            }
            SaidOfVictims::Failed(reason) => Err(reason),
            SaidOfVictims::Gone => return self.try_again(&pod.uid, now),
        };
        match cheapest {
            Ok((node, victims)) => {
                let nomination = self.nomination(&pod.uid, &cluster, &node, &victims);
                let Some(nomination) = nomination.filter(|_| !self.has_room(&pod, &error)) else {
                    return self.try_again(&pod.uid, now);
                };
                error.nomination = Some(nomination);
                self.decisions += 1;
                Some(self.refuse(pod, error, now))
            }
            Err(reason) => {
                error.nomination = None;
                error.post_filter = Some(format!("preemption: {reason}"));
                self.decisions += 1;
                // In Kubernetes too, a promise outlasts that.
                Some(self.refuse_with(pod, error, true, now))
            }
        }
    }

    /// Whether a node takes a pod that none did. What an extender has refused, it would refuse again.
    fn has_room(&self, pod: &crate::Pod, error: &FitError) -> bool {
        let found = self.scheduler(&pod.uid).schedule(&self.cluster, pod);
        let refusal = |node: &str| error.refusals.get(node);
        found.is_ok_and(|placement| refusal(&placement.node).is_none_or(|refusal| refusal.plugin != NAME))
    }

    /// A node that is to be cleared for a pod, if it is as it `was`: with the same pods, and promised to the same others.
    fn nomination(&self, uid: &str, was: &Cluster, node: &str, victims: &Victims) -> Option<Nomination> {
        let promised = |cluster: &Cluster| -> BTreeSet<Arc<str>> {
            let others = cluster.nominated(node).iter().filter(|other| *other.uid != *uid);
            others.map(|other| other.uid.clone()).collect()
        };
        let (now, before) = (self.cluster.node(node)?, was.node(node)?);
        let find = |info: &NodeInfo, uid: &str| info.pods().iter().find(|pod| *pod.uid == *uid).cloned();
        let same = now.node() == before.node()
            && now.pods().len() == before.pods().len()
            && now.pods().iter().all(|pod| find(before, &pod.uid).is_some())
            && promised(&self.cluster) == promised(was);
        let victims = || victims.pods.iter().filter_map(|victim| find(now, &victim.uid)).collect();
        same.then(|| Nomination { node: node.to_owned(), victims: victims() })
    }
}

#[cfg(test)]
mod tests;
