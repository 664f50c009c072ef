//! Decisions in which extenders have a say: the engine's part before they are asked, and after.

use super::{Binding, State, Step};
use crate::driver::extender::{Answer, NAME, Question, Said};
use crate::extender::Extender;
use crate::framework::{Code, FitError, Refusal};
use crate::queue::Requeue;
use std::cmp::Reverse;
use std::sync::Arc;
use std::time::Duration;

/// Extenders, and the pod that they are asked about.
#[derive(Debug)]
pub(super) struct Consulting {
    extenders: Vec<Extender>,
    /// A question is out.
    pub(super) busy: bool,
    /// The pod that is to be asked about next.
    pub(super) next: Option<Arc<crate::Pod>>,
}

impl Consulting {
    pub(super) fn new(extenders: Vec<Extender>) -> Self {
        Self { extenders, busy: false, next: None }
    }

    /// Whether an extender has a say about where a pod goes.
    pub(super) fn concerns(&self, pod: &crate::Pod) -> bool {
        let asked = |extender: &&Extender| !extender.filter_verb.is_empty() || !extender.prioritize_verb.is_empty();
        self.extenders.iter().filter(asked).any(|extender| extender.is_interested(pod))
    }

    /// Whether an extender has a say about who goes for a pod.
    pub(super) fn concerns_victims_of(&self, pod: &crate::Pod) -> bool {
        self.extenders.iter().any(|extender| extender.has_say_on_victims(pod))
    }

    /// Whether no decision is to be made before the extenders have answered: one after the other, as in Kubernetes.
    pub(super) fn is_blocked(&self) -> bool {
        self.busy && self.next.is_some()
    }
}

impl State {
    /// Asks about the pod that waited for its turn, if it has come.
    pub(super) fn consult_next(&mut self, now: Duration) -> Option<Step> {
        let pod = self.consulting.next.take_if(|_| !self.consulting.busy)?;
        // It may have gone, or changed, since.
        Some(if self.queue.contains(&pod.uid) { self.decide(pod, now) } else { Step::Wait })
    }

    /// What the engine says of every node goes out as a question, unless no node can take the pod anyway.
    pub(super) fn consult(&mut self, pod: Arc<crate::Pod>, now: Duration) -> Step {
        if self.consulting.busy {
            self.consulting.next = Some(pod);
            return Step::Wait;
        }
        let explanation = self.scheduler(&pod.uid).explain(&self.cluster, &pod);
        let (mut feasible, mut refusals) = (Vec::new(), Vec::new());
        for node in explanation.nodes {
            match node.refusal {
                None => feasible.push((node.node, node.total)),
                Some(refusal) => refusals.push((node.node, refusal)),
            }
        }
        if explanation.pre_filter.is_some() || feasible.is_empty() {
            return self.decide_alone(pod, now);
        }
        self.consulting.busy = true;
        Step::Consult(Question { pod, began: now, feasible, refusals })
    }

    /// The extenders have answered about a pod.
    pub(in crate::driver) fn consulted(&mut self, answer: Answer, now: Duration) {
        self.consulting.busy = false;
        let (uid, began) = (answer.pod.uid.clone(), answer.began);
        if let Some(step) = self.follow(answer, now) {
            self.ready_since_asked(&uid, began, step);
        }
    }

    /// What came of an attempt in which extenders had a say: it began before they were asked.
    pub(super) fn ready_since_asked(&mut self, uid: &str, began: Duration, mut step: Step) {
        if let Some(assumed) = self.assumed.get_mut(uid) {
            assumed.since = began;
        }
        let measured = self.tried(uid, began);
        match &mut step {
            Step::Bind(Binding { tried, .. }) | Step::Report { tried, .. } => *tried = measured,
            Step::ConsultOnVictims(question) => question.began = began,
            _ => {}
        }
        self.ready.push_back(step);
    }

    /// The best node that takes the pod as things are now is its place.
    fn follow(&mut self, answer: Answer, now: Duration) -> Option<Step> {
        let Answer { pod, said, refusals, .. } = answer;
        // Gone, or bound by another scheduler.
        if !self.queue.contains(&pod.uid) {
            return None;
        }
        let nodes_known = self.cluster.len();
        let place = match said {
            Said::Nodes(nodes) if nodes.is_empty() => {
                let refusals = refusals.into_iter().collect();
                let mut error = FitError { nodes: nodes_known, refusals, ..FitError::default() };
                self.scheduler(&pod.uid).post_filter_for(&self.cluster, &pod, &mut error);
                return Some(self.ask_or_refuse(pod, Box::new(error), now));
            }
            Said::Nodes(nodes) => {
                let scheduler = self.scheduler(&pod.uid);
                let takes = |node: &Arc<str>| scheduler.fits(&self.cluster, &pod, node).is_ok();
                ranked(scheduler.tie(&pod), nodes).into_iter().find(takes)
            }
            Said::Gone => None,
            Said::Failed(reason) => {
                let failure = Refusal { plugin: NAME, code: Code::Error, reasons: vec![reason.into()] };
                let error = FitError { nodes: nodes_known, pre_filter: Some(failure), ..FitError::default() };
                self.decisions += 1;
                return Some(self.refuse(pod, Box::new(error), now));
            }
        };
        // All of them may be taken by now.
        let Some(node) = place else { return self.try_again(&pod.uid, now) };
        self.decisions += 1;
        Some(self.place(pod, node, now))
    }

    /// What extenders said is of no use any more, of which nobody is to be told: they are asked again.
    pub(super) fn try_again(&mut self, uid: &str, now: Duration) -> Option<Step> {
        self.queue.requeue(uid, Requeue::Error, now);
        None
    }
}

/// The best first; of equals the one that is chosen by lot, then the others in the order of their names.
fn ranked(lot: u64, mut nodes: Vec<(Arc<str>, i64)>) -> Vec<Arc<str>> {
    nodes.sort_by(|(a, x), (b, y)| (Reverse(x), a).cmp(&(Reverse(y), b)));
    let best = nodes.first().map(|(_, total)| *total);
    let tied = nodes.iter().take_while(|(_, total)| Some(*total) == best).count();
    let chosen = crate::scheduler::nth(lot, tied.max(1));
    if chosen < tied {
        nodes[..=chosen].rotate_right(1);
    }
    nodes.into_iter().map(|(node, _)| node).collect()
}

#[cfg(test)]
mod tests;
