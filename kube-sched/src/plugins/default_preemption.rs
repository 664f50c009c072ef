//! DefaultPreemption: clears a node of less important pods.
//!
//! Per node that removing pods may mend: take away all pods of lower priority; if the pod then fits, reprieve from the
//! most important down. Choose the node by: lowest highest-priority victim; smallest sum of priorities; fewest victims;
//! latest start of the highest-priority victims; first in order of names.

use crate::cluster::NodeInfo;
use crate::framework::{Attempt, Nomination, PostFilter, histogram};
use crate::model::Pod;
use std::cmp::Reverse;
use std::sync::Arc;

/// Clears a node of less important pods.
#[derive(Clone, Copy, Debug)]
pub struct DefaultPreemption;

impl PostFilter for DefaultPreemption {
    fn name(&self) -> &'static str {
        "DefaultPreemption"
    }

    fn post_filter(&self, attempt: &Attempt<'_>) -> Result<Nomination, String> {
        let pod = attempt.pod();
        if !pod.may_preempt {
            return Err("not eligible due to preemptionPolicy=Never.".to_owned());
        }
        if waits_for_victims(attempt) {
            return Err("not eligible due to a terminating pod on the nominated node.".to_owned());
        }
        let mut candidates = Vec::new();
        let mut nodes = 0;
        for node in attempt.candidates() {
            nodes += 1;
            if let Some(victims) = victims(attempt, node) {
                candidates.push((node, victims));
            }
        }
        let best = candidates.into_iter().min_by_key(|(_, victims)| rank(victims));
        let Some((node, victims)) = best else { return Err(message(attempt.cluster().len(), nodes)) };
        Ok(Nomination { node: node.node().name.to_string(), victims })
    }
}

/// A pod that was promised a node waits for the pods there that are already on their way out.
fn waits_for_victims(attempt: &Attempt<'_>) -> bool {
    let pod = attempt.pod();
    let Some(node) = pod.nominated_node.as_ref().and_then(|name| attempt.cluster().node(name)) else { return false };
    node.pods().iter().any(|other| other.terminating && other.priority < pod.priority)
}

/// The pods to remove from a node, most important first; `None` when removing all of them does not help.
fn victims(attempt: &Attempt<'_>, node: &NodeInfo) -> Option<Vec<Arc<Pod>>> {
    let pod = attempt.pod();
    let mut lower: Vec<Arc<Pod>> = node.pods().iter().filter(|other| other.priority < pod.priority).cloned().collect();
    if lower.is_empty() {
        return None;
    }
    // Most important first: higher priority, then the longer running.
    lower.sort_by_key(|other| (Reverse(other.priority), other.started_seconds, other.uid.clone()));
    let mut what_if = attempt.what_if(attempt.cluster().node(&node.node().name)?);
    for other in &lower {
        what_if.remove(other);
    }
    if !what_if.fits() {
        return None;
    }
    lower.retain(|other| {
        what_if.add(other);
        let reprieved = what_if.fits();
        if !reprieved {
            what_if.remove(other);
        }
        !reprieved
    });
    Some(lower)
}

/// Smaller is better.
fn rank(victims: &[Arc<Pod>]) -> (i32, i64, usize, Reverse<i64>) {
    let highest = victims.first().map_or(i32::MIN, |pod| pod.priority);
    // Shifted so that many pods of negative priority do not look cheaper than few.
    let sum = victims.iter().map(|pod| i64::from(pod.priority) + i64::from(i32::MAX) + 1).sum();
    let start = victims.iter().filter(|pod| pod.priority == highest).map(|pod| pod.started_seconds).min();
    (highest, sum, victims.len(), Reverse(start.unwrap_or(i64::MAX)))
}

fn message(nodes: usize, candidates: usize) -> String {
    let no_victims = std::iter::repeat_n("No preemption victims found for incoming pod", candidates);
    let unhelpful = std::iter::repeat_n("Preemption is not helpful for scheduling", nodes - candidates);
    format!("preemption: 0/{nodes} nodes are available:{}", histogram(no_victims.chain(unhelpful)))
}
