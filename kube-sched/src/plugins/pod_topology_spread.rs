//! PodTopologySpread: pods are spread evenly over domains (KEP-895, with KEP-3022 and KEP-3094).
//!
//! Filter (`DoNotSchedule`): matching pods in the node's domain, plus the pod itself if it matches, minus the least number
//! in any eligible domain, is at most `maxSkew`. Score (`ScheduleAnyway`): per constraint
//! count·ln(domains + 2) + (maxSkew − 1), summed and rounded; 100·(max + min − s)/max; nodes without the key get 0.

use super::taint_toleration::tolerated;
use crate::cluster::{Cluster, NodeInfo};
use crate::framework::{Filter, MAX_NODE_SCORE, PreFilter, Refusal, Score};
use crate::model::{Pod, SpreadConstraint, WhenUnsatisfiable};
use hashbrown::HashMap;

const REASON_SKEW: &str = "node(s) didn't match pod topology spread constraints";
const REASON_LABEL: &str = "node(s) didn't match pod topology spread constraints (missing required label)";
const HOSTNAME: &str = "kubernetes.io/hostname";

/// Spreads pods evenly over domains.
#[derive(Clone, Copy, Debug)]
pub struct PodTopologySpread;

/// Per hard constraint, the number of matching pods by domain.
#[derive(Clone, Debug)]
pub struct Domains(Vec<HashMap<String, i64>>);

impl Filter for PodTopologySpread {
    type State = Domains;

    fn name(&self) -> &'static str {
        "PodTopologySpread"
    }

    fn pre_filter(&self, cluster: &Cluster, pod: &Pod) -> PreFilter<Domains> {
        let hard: Vec<&SpreadConstraint> = constraints(pod, WhenUnsatisfiable::DoNotSchedule).collect();
        if hard.is_empty() {
            return PreFilter::Skip;
        }
        let mut counts = vec![HashMap::new(); hard.len()];
        for node in cluster.nodes().filter(|node| has_keys(node, &hard)) {
            for (constraint, counts) in hard.iter().zip(&mut counts) {
                if counts_node(constraint, pod, node) {
                    let domain = node.node().labels.get(&constraint.topology_key).unwrap_or_default();
                    *counts.entry_ref(domain).or_insert(0) += matching(constraint, pod, node);
                }
            }
        }
        PreFilter::Run(Domains(counts))
    }

    fn filter(&self, state: &Domains, pod: &Pod, node: &NodeInfo) -> Result<(), Refusal> {
        for (constraint, counts) in constraints(pod, WhenUnsatisfiable::DoNotSchedule).zip(&state.0) {
            let Some(domain) = node.node().labels.get(&constraint.topology_key) else {
                return Err(Refusal::unresolvable(Filter::name(self), REASON_LABEL));
            };
            let enough_domains = i64::try_from(counts.len()).unwrap_or(i64::MAX) >= constraint.min_domains;
            let least = if enough_domains { counts.values().copied().min().unwrap_or(0) } else { 0 };
            let own = i64::from(constraint.selector.matches(&pod.labels));
            if counts.get(domain).copied().unwrap_or(0) + own - least > constraint.max_skew {
                return Err(Refusal::unschedulable(Filter::name(self), REASON_SKEW));
            }
        }
        Ok(())
    }

    fn add_pod(&self, state: &mut Domains, pod: &Pod, other: &Pod, node: &NodeInfo, _cluster: &Cluster) {
        state.shift(pod, other, node, 1);
    }

    fn remove_pod(&self, state: &mut Domains, pod: &Pod, other: &Pod, node: &NodeInfo, _cluster: &Cluster) {
        state.shift(pod, other, node, -1);
    }
}

impl Domains {
    fn shift(&mut self, pod: &Pod, other: &Pod, node: &NodeInfo, by: i64) {
        let hard: Vec<&SpreadConstraint> = constraints(pod, WhenUnsatisfiable::DoNotSchedule).collect();
        if other.namespace != pod.namespace || !has_keys(node, &hard) {
            return;
        }
        for (constraint, counts) in hard.iter().zip(&mut self.0) {
            if constraint.selector.matches(&other.labels) && counts_node(constraint, pod, node) {
                let domain = node.node().labels.get(&constraint.topology_key).unwrap_or_default();
                *counts.entry_ref(domain).or_insert(0) += by;
            }
        }
    }
}

fn constraints(pod: &Pod, when: WhenUnsatisfiable) -> impl Iterator<Item = &SpreadConstraint> {
    pod.spread.iter().filter(move |constraint| constraint.when_unsatisfiable == when)
}

/// Only nodes with the keys of all constraints take part in any.
fn has_keys(node: &NodeInfo, constraints: &[&SpreadConstraint]) -> bool {
    constraints.iter().all(|constraint| node.node().labels.contains(&constraint.topology_key))
}

fn counts_node(constraint: &SpreadConstraint, pod: &Pod, node: &NodeInfo) -> bool {
    (!constraint.honor_affinity || pod.accepts_node(&node.node().labels, &node.node().name))
        && (!constraint.honor_taints || tolerated(pod, node))
}

/// Matching pods of the pod's namespace on a node; those that are being deleted do not count.
fn matching(constraint: &SpreadConstraint, pod: &Pod, node: &NodeInfo) -> i64 {
    let counts = |other: &&std::sync::Arc<Pod>| {
        !other.terminating && other.namespace == pod.namespace && constraint.selector.matches(&other.labels)
    };
    i64::try_from(node.pods().iter().filter(counts).count()).unwrap_or(i64::MAX)
}

/// Per soft constraint, its weight and the number of matching pods by domain of a feasible node.
#[derive(Debug)]
pub struct SoftDomains(Vec<(f64, HashMap<String, i64>)>);

impl Score for PodTopologySpread {
    type State = SoftDomains;

    fn name(&self) -> &'static str {
        "PodTopologySpread"
    }

    #[expect(clippy::cast_precision_loss, reason = "counts of domains are far below 2^52")]
    fn pre_score(&self, cluster: &Cluster, pod: &Pod, feasible: &[&NodeInfo]) -> Option<SoftDomains> {
        let soft: Vec<&SpreadConstraint> = constraints(pod, WhenUnsatisfiable::ScheduleAnyway).collect();
        if soft.is_empty() {
            return None;
        }
        let scored: Vec<_> = feasible.iter().filter(|node| has_keys(node, &soft)).collect();
        let mut state: Vec<(f64, HashMap<String, i64>)> = Vec::with_capacity(soft.len());
        for constraint in &soft {
            let mut counts = HashMap::new();
            if constraint.topology_key != HOSTNAME {
                for node in &scored {
                    counts.entry_ref(node.node().labels.get(&constraint.topology_key).unwrap_or_default()).or_insert(0);
                }
            }
            let domains = if constraint.topology_key == HOSTNAME { scored.len() } else { counts.len() };
            state.push((((domains + 2) as f64).ln(), counts));
        }
        for node in cluster.nodes().filter(|node| has_keys(node, &soft)) {
            for (constraint, (_, counts)) in soft.iter().zip(&mut state) {
                let domain = node.node().labels.get(&constraint.topology_key).unwrap_or_default();
                if let Some(count) = counts.get_mut(domain)
                    && counts_node(constraint, pod, node)
                {
                    *count += matching(constraint, pod, node);
                }
            }
        }
        Some(SoftDomains(state))
    }

    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        reason = "the rule is stated in doubles, rounded"
    )]
    fn score(&self, state: &SoftDomains, pod: &Pod, node: &NodeInfo) -> i64 {
        let mut sum = 0.0;
        for (constraint, (weight, counts)) in constraints(pod, WhenUnsatisfiable::ScheduleAnyway).zip(&state.0) {
            let Some(domain) = node.node().labels.get(&constraint.topology_key) else { return UNSCORED };
            let count = if constraint.topology_key == HOSTNAME {
                matching(constraint, pod, node)
            } else {
                counts.get(domain).copied().unwrap_or(0)
            };
            sum += count as f64 * weight + (constraint.max_skew - 1) as f64;
        }
        sum.round() as i64
    }

    fn normalize(&self, _state: &SoftDomains, _nodes: &[&NodeInfo], scores: &mut [i64]) {
        let scored = || scores.iter().copied().filter(|score| *score != UNSCORED);
        let (min, max) = (scored().min().unwrap_or(0), scored().max().unwrap_or(0));
        for score in scores.iter_mut() {
            *score = match *score {
                UNSCORED => 0,
                _ if max == 0 => MAX_NODE_SCORE,
                raw => MAX_NODE_SCORE * (max + min - raw) / max,
            };
        }
    }
}

/// Marks nodes that lack a topology key.
const UNSCORED: i64 = -1;
