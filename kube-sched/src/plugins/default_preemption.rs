//! DefaultPreemption: clears a node of less important pods.
//!
//! The nodes that removing pods may mend are tried, as the framework's dry run says ([`Candidate::dry_run`]), and the
//! cheapest is chosen ([`Cost`](crate::framework::Cost)): fewest violated budgets; lowest highest-priority victim; smallest
//! sum of priorities; fewest victims; latest start of the highest-priority victims; first. At most a tenth of the nodes and
//! at least 100 are candidates, from an offset that the seed decides. Source: kube-scheduler's `defaultpreemption`.

use crate::cluster::Cluster;
use crate::framework::{Attempt, Candidate, Code, Failures, Nomination, PostFilter, Refusals, Victims, histogram};
use crate::model::Pod;
use std::sync::Arc;

/// Clears a node of less important pods.
#[derive(Clone, Copy, Debug)]
pub struct DefaultPreemption {
    /// The share of the nodes that are tried, in percent: at least so many candidates are found before the search ends.
    pub min_candidate_nodes_percentage: usize,
    /// The least number of nodes that are tried.
    pub min_candidate_nodes_absolute: usize,
    /// Decides at which node the search begins.
    pub seed: u64,
}

impl Default for DefaultPreemption {
    fn default() -> Self {
        Self { min_candidate_nodes_percentage: 10, min_candidate_nodes_absolute: 100, seed: 0 }
    }
}

impl PostFilter for DefaultPreemption {
    fn name(&self) -> &'static str {
        "DefaultPreemption"
    }

    fn post_filter(&self, attempt: &Attempt<'_>) -> Result<Nomination, String> {
        eligible(attempt)?;
        let mut failures = attempt.known_failures();
        let candidates = self.find(attempt, &mut failures);
        // Of equals the first.
        let best = candidates.iter().min_by_key(|(_, victims)| victims.cost);
        let (candidate, victims) = best.ok_or_else(|| message(attempt.cluster().len(), &failures))?;
        Ok(Nomination { node: candidate.node().node().name.to_string(), victims: victims.pods.clone() })
    }

    fn candidates(&self, attempt: &Attempt<'_>) -> Vec<(Arc<str>, Arc<Victims>)> {
        if eligible(attempt).is_err() {
            return Vec::new();
        }
        let found = self.find(attempt, &mut Failures::default());
        found.into_iter().map(|(candidate, victims)| (candidate.node().node().name.clone(), victims)).collect()
    }
}

impl DefaultPreemption {
    /// The nodes among which one is chosen, in the order in which they were found, and what would have to go from each.
    fn find<'a>(&self, attempt: &'a Attempt<'a>, failures: &mut Failures) -> Vec<(Candidate<'a>, Arc<Victims>)> {
        let nodes = attempt.candidates_len();
        let wanted =
            (nodes * self.min_candidate_nodes_percentage / 100).max(self.min_candidate_nodes_absolute).min(nodes);
        let mut found = Vec::with_capacity(wanted);
        let mut without_violation = false;
        for candidate in attempt.candidates_from(self.offset(&attempt.pod().uid, nodes)) {
            match candidate.dry_run() {
                Ok(victims) => {
                    without_violation |= victims.cost.violations == 0;
                    found.push((candidate, victims));
                    // As long as every candidate violates a budget the search goes on.
                    if without_violation && found.len() >= wanted {
                        break;
                    }
                }
                Err(reasons) => *failures.entry(reasons).or_default() += 1,
            }
        }
        found
    }

    /// Where the search begins: a hash, so that the same attempt begins at the same node.
    fn offset(&self, uid: &str, nodes: usize) -> usize {
        // A search that covers all nodes anyway begins with the first, which makes ties repeatable.
        if nodes <= self.min_candidate_nodes_absolute {
            return 0;
        }
        let hash = uid.bytes().fold(0xcbf2_9ce4_8422_2325_u64 ^ self.seed, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        usize::try_from((hash ^ (hash >> 32)) & 0xffff_ffff).unwrap_or(0) % nodes
    }
}

/// Whether others may go for the pod now, or why not.
fn eligible(attempt: &Attempt<'_>) -> Result<(), String> {
    if !attempt.pod().may_preempt {
        return Err("preemption: not eligible due to preemptionPolicy=Never.".to_owned());
    }
    if waits_for_victims(attempt.cluster(), attempt.pod(), attempt.refusals()) {
        return Err("preemption: not eligible due to a terminating pod on the nominated node.".to_owned());
    }
    Ok(())
}

/// A pod that was promised a node waits for the pods there that preemption is removing, unless the node cannot take it.
pub(crate) fn waits_for_victims(cluster: &Cluster, pod: &Pod, refusals: &Refusals) -> bool {
    let Some(node) = pod.nominated_node.as_ref().and_then(|name| cluster.node(name)) else { return false };
    let refusal = refusals.get(&node.node().name);
    let hopeless = refusal.is_some_and(|refusal| refusal.code == Code::Unresolvable);
    !hopeless && node.pods().iter().any(|other| other.terminating && other.preempted && other.priority < pod.priority)
}

/// `preemption: 0/3 nodes are available: 1 Insufficient cpu, 2 Preemption is not helpful for scheduling.`
fn message(nodes: usize, failures: &Failures) -> String {
    let unhelpful = nodes - failures.values().sum::<usize>();
    let reasons = failures.iter().flat_map(|(reasons, nodes)| reasons.iter().map(|reason| (&**reason, *nodes)));
    let all = reasons.chain([("Preemption is not helpful for scheduling", unhelpful)]);
    format!("preemption: 0/{nodes} nodes are available:{}", histogram(all))
}

#[cfg(test)]
mod tests;
