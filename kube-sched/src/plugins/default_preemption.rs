//! DefaultPreemption: clears a node of less important pods.
//!
//! Per node that removing pods may mend: take away all pods of lower priority; if the pod then fits, reprieve from the most
//! important down, those whose disruption budget would be violated first. Choose the node by: fewest violated budgets;
//! lowest highest-priority victim; smallest sum of priorities; fewest victims; latest start of the highest-priority
//! victims; first. At most a tenth of the nodes and at least 100 are candidates, from an offset that the seed decides.
//! Source: kube-scheduler's `defaultpreemption` and `preemption`.

use crate::cluster::{Cluster, NodeInfo};
use crate::framework::{Attempt, Code, Nomination, PostFilter, Reason, histogram};
use crate::inventory::DisruptionBudget;
use crate::model::Pod;
use std::cmp::Reverse;
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

/// What would have to go from a node.
struct Candidate<'a> {
    node: &'a NodeInfo,
    /// Most important first.
    victims: Vec<Arc<Pod>>,
    violations: usize,
}

impl PostFilter for DefaultPreemption {
    fn name(&self) -> &'static str {
        "DefaultPreemption"
    }

    fn post_filter(&self, attempt: &Attempt<'_>) -> Result<Nomination, String> {
        if !attempt.pod().may_preempt {
            return Err("preemption: not eligible due to preemptionPolicy=Never.".to_owned());
        }
        if waits_for_victims(attempt) {
            return Err("preemption: not eligible due to a terminating pod on the nominated node.".to_owned());
        }
        let (candidates, refusals) = self.dry_run(attempt);
        let Some(best) = candidates.into_iter().min_by_key(rank) else {
            return Err(message(attempt.cluster().len(), &refusals));
        };
        Ok(Nomination { node: best.node.node().name.to_string(), victims: best.victims })
    }
}

impl DefaultPreemption {
    /// Candidates in the order in which they were found, and why the other nodes are none.
    fn dry_run<'a>(&self, attempt: &Attempt<'a>) -> (Vec<Candidate<'a>>, Vec<Vec<Reason>>) {
        let nodes: Vec<&NodeInfo> = attempt.candidates().collect();
        let wanted = (nodes.len() * self.min_candidate_nodes_percentage / 100)
            .max(self.min_candidate_nodes_absolute)
            .min(nodes.len());
        let (before, from) = nodes.split_at(self.offset(&attempt.pod().uid, nodes.len()));
        let mut candidates: Vec<Candidate<'a>> = Vec::new();
        let mut refusals = Vec::new();
        let mut without_violation = false;
        for node in from.iter().chain(before) {
            match victims(attempt, node) {
                Ok(candidate) => {
                    without_violation |= candidate.violations == 0;
                    candidates.push(candidate);
                    // As long as every candidate violates a budget the search goes on.
                    if without_violation && candidates.len() >= wanted {
                        break;
                    }
                }
                Err(reasons) => refusals.push(reasons),
            }
        }
        (candidates, refusals)
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

/// A pod that was promised a node waits for the pods there that preemption is removing, unless the node cannot take it.
fn waits_for_victims(attempt: &Attempt<'_>) -> bool {
    let pod = attempt.pod();
    let Some(node) = pod.nominated_node.as_ref().and_then(|name| attempt.cluster().node(name)) else { return false };
    let hopeless = attempt
        .refusals()
        .iter()
        .any(|(name, refusal)| *name == node.node().name && refusal.code == Code::Unresolvable);
    !hopeless && node.pods().iter().any(|other| other.terminating && other.preempted && other.priority < pod.priority)
}

/// What to remove from a node.
///
/// # Errors
/// The reasons why removing pods does not help.
fn victims<'a>(attempt: &Attempt<'a>, node: &'a NodeInfo) -> Result<Candidate<'a>, Vec<Reason>> {
    const NO_VICTIMS: &str = "No preemption victims found for incoming pod";
    let pod = attempt.pod();
    let mut lower: Vec<Arc<Pod>> = node.pods().iter().filter(|other| other.priority < pod.priority).cloned().collect();
    if lower.is_empty() {
        return Err(vec![NO_VICTIMS.into()]);
    }
    lower.sort_by_key(|other| (Reverse(other.priority), other.started_seconds, other.uid.clone()));
    let mut what_if = attempt.what_if(node);
    for other in &lower {
        what_if.remove(other);
    }
    what_if.check().map_err(|refusal| refusal.reasons)?;
    let violating = violating(&lower, attempt.cluster());
    let mut reprieve = |other: &Arc<Pod>| {
        what_if.add(other);
        let fits = what_if.fits();
        if !fits {
            what_if.remove(other);
        }
        fits
    };
    let mut stays = vec![false; lower.len()];
    for pass in [true, false] {
        for (index, other) in lower.iter().enumerate().filter(|(index, _)| violating[*index] == pass) {
            stays[index] = reprieve(other);
        }
    }
    let violations = (0..lower.len()).filter(|&index| violating[index] && !stays[index]).count();
    let mut stays = stays.into_iter();
    lower.retain(|_| stays.next() != Some(true));
    if lower.is_empty() {
        // The node fits as it is: what refused it was not on this node.
        return Err(vec![NO_VICTIMS.into()]);
    }
    Ok(Candidate { node, victims: lower, violations })
}

/// For each pod, most important first, whether a budget has nothing left for it when those before it have taken from it.
fn violating(pods: &[Arc<Pod>], cluster: &Cluster) -> Vec<bool> {
    let mut budgets: Vec<(&Arc<DisruptionBudget>, i64)> =
        cluster.inventory().budgets.iter().map(|budget| (budget, budget.disruptions_allowed)).collect();
    let violates = |pod: &Arc<Pod>| {
        let mut violated = false;
        for (budget, left) in &mut budgets {
            if budget.protects(&pod.namespace, &pod.name, &pod.labels) {
                *left = left.saturating_sub(1);
                violated |= *left < 0;
            }
        }
        violated
    };
    pods.iter().map(violates).collect()
}

/// Smaller is better.
fn rank(candidate: &Candidate<'_>) -> (usize, i32, i64, usize, Reverse<i64>) {
    let victims = &candidate.victims;
    let highest = victims.first().map_or(i32::MIN, |pod| pod.priority);
    // Shifted so that many pods of negative priority do not look cheaper than few.
    let sum = victims.iter().map(|pod| i64::from(pod.priority) + i64::from(i32::MAX) + 1).sum();
    let start = victims.iter().filter(|pod| pod.priority == highest).map(|pod| pod.started_seconds).min();
    (candidate.violations, highest, sum, victims.len(), Reverse(start.unwrap_or(i64::MAX)))
}

/// `preemption: 0/3 nodes are available: 1 Insufficient cpu, 2 Preemption is not helpful for scheduling.`
fn message(nodes: usize, refusals: &[Vec<Reason>]) -> String {
    let unhelpful = std::iter::repeat_n("Preemption is not helpful for scheduling", nodes - refusals.len());
    let reasons = refusals.iter().flatten().map(|reason| &**reason).chain(unhelpful);
    format!("preemption: 0/{nodes} nodes are available:{}", histogram(reasons))
}

#[cfg(test)]
mod tests;
