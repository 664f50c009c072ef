//! PodTopologySpread: pods are spread evenly over domains (KEP-895, with KEP-1258, KEP-3022 and KEP-3094).
//!
//! Filter (`DoNotSchedule`): matching pods in the node's domain, plus the pod itself if it matches, minus the least number
//! in any eligible domain, is at most `maxSkew`. Score (`ScheduleAnyway`): per constraint
//! count·ln(domains + 2) + (maxSkew − 1), summed and rounded; 100·(max + min − s)/max; nodes without the key get 0. A pod
//! without constraints has those of the profile, if a service or workload says which pods are like it. Source:
//! kube-scheduler's `podtopologyspread`.

use super::taint_toleration::tolerated;
use crate::cluster::{Cluster, NodeInfo};
use crate::framework::{Depends, DomainRule, EventKind, Filter, MAX_NODE_SCORE, PreFilter, Refusal, Score};
use crate::model::{Pod, Selector, SpreadConstraint, WhenUnsatisfiable};
use hashbrown::HashMap;
use std::sync::Arc;

const REASON_SKEW: &str = "node(s) didn't match pod topology spread constraints";
const REASON_LABEL: &str = "node(s) didn't match pod topology spread constraints (missing required label)";
const HOSTNAME: &str = "kubernetes.io/hostname";
const ZONE: &str = "topology.kubernetes.io/zone";

/// The constraints of pods that have none of their own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum DefaultConstraints {
    /// Kubernetes': by host with a skew of 3, by zone with a skew of 5, as far as nodes have the keys.
    #[default]
    System,
    /// These; their selectors do not matter. An empty list switches default spreading off.
    List(Vec<SpreadConstraint>),
}

/// Spreads pods evenly over domains.
#[derive(Clone, Debug, Default)]
pub struct PodTopologySpread {
    /// The constraints of pods that have none of their own.
    pub defaults: DefaultConstraints,
}

type Constraints = Arc<[SpreadConstraint]>;

impl PodTopologySpread {
    /// The constraints that a pod has of one kind, its own or the profile's.
    pub(crate) fn constraints(&self, cluster: &Cluster, pod: &Pod, when: WhenUnsatisfiable) -> Constraints {
        let of_kind = |list: &[SpreadConstraint]| -> Vec<SpreadConstraint> {
            list.iter().filter(|constraint| constraint.when_unsatisfiable == when).cloned().collect()
        };
        if !pod.spread.is_empty() {
            return of_kind(&pod.spread).into();
        }
        let mut defaults = match &self.defaults {
            DefaultConstraints::List(list) => of_kind(list),
            DefaultConstraints::System if when == WhenUnsatisfiable::DoNotSchedule => Vec::new(),
            DefaultConstraints::System => {
                let soft = |skew, key| SpreadConstraint::new(skew, key, when, Selector::Nothing);
                vec![soft(3, HOSTNAME), soft(5, ZONE)]
            }
        };
        if !defaults.is_empty() {
            let alike = cluster.inventory().default_selector(pod);
            if selects_everything(&alike) {
                return Arc::default();
            }
            defaults.iter_mut().for_each(|constraint| constraint.selector = alike.clone());
        }
        defaults.into()
    }
}

impl PodTopologySpread {
    /// Whether nodes that lack a key are left out when nodes are scored: with the system's defaults, nodes without a zone
    /// are still spread over by host.
    pub(crate) fn needs_all_keys(&self, pod: &Pod) -> bool {
        !pod.spread.is_empty() || self.defaults != DefaultConstraints::System
    }
}

/// Hard constraints, and the number of matching pods by domain for each.
#[derive(Clone, Debug)]
pub struct Domains {
    constraints: Constraints,
    counts: Vec<HashMap<String, i64>>,
}

impl Filter for PodTopologySpread {
    type State = Domains;

    fn name(&self) -> &'static str {
        "PodTopologySpread"
    }

    fn pre_filter(&self, cluster: &Cluster, pod: &Pod) -> PreFilter<Domains> {
        let constraints = self.constraints(cluster, pod, WhenUnsatisfiable::DoNotSchedule);
        if constraints.is_empty() {
            return PreFilter::Skip;
        }
        let mut counts = vec![HashMap::new(); constraints.len()];
        for node in cluster.nodes().filter(|node| has_keys(node, &constraints)) {
            for (constraint, counts) in constraints.iter().zip(&mut counts) {
                if counts_node(constraint, pod, node) {
                    let domain = node.node().labels.get(&constraint.topology_key).unwrap_or_default();
                    *counts.entry_ref(domain).or_insert(0) += matching(constraint, pod, node);
                }
            }
        }
        PreFilter::Run(Domains { constraints, counts })
    }

    fn filter(&self, state: &Domains, pod: &Pod, node: &NodeInfo) -> Result<(), Refusal> {
        for (constraint, counts) in state.constraints.iter().zip(&state.counts) {
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

    fn depends(&self, _pod: &Pod) -> Depends {
        Depends::Domains(DomainRule::Spread(self.defaults.clone()))
    }

    fn sees_pod_labels(&self) -> bool {
        false
    }

    fn events_to_register(&self) -> &[EventKind] {
        &[
            EventKind::PodAdd,
            EventKind::PodUpdate,
            EventKind::PodDelete,
            EventKind::NodeAdd,
            EventKind::NodeLabel,
            EventKind::NodeTaint,
        ]
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
        if other.namespace != pod.namespace || !has_keys(node, &self.constraints) {
            return;
        }
        for (constraint, counts) in self.constraints.iter().zip(&mut self.counts) {
            if constraint.selector.matches(&other.labels) && counts_node(constraint, pod, node) {
                let domain = node.node().labels.get(&constraint.topology_key).unwrap_or_default();
                *counts.entry_ref(domain).or_insert(0) += by;
            }
        }
    }
}

/// Only nodes with the keys of all constraints take part in any.
pub(crate) fn has_keys(node: &NodeInfo, constraints: &[SpreadConstraint]) -> bool {
    constraints.iter().all(|constraint| node.node().labels.contains(&constraint.topology_key))
}

pub(crate) fn counts_node(constraint: &SpreadConstraint, pod: &Pod, node: &NodeInfo) -> bool {
    (!constraint.honor_affinity || pod.accepts_node(&node.node().labels, &node.node().name))
        && (!constraint.honor_taints || tolerated(pod, node))
}

/// A selector without requirements.
fn selects_everything(selector: &Selector) -> bool {
    matches!(selector, Selector::All(requirements) if requirements.is_empty())
}

/// Matching pods of the pod's namespace on a node; those that are being deleted do not count, and to a selector without
/// requirements none does, as in kube-scheduler.
pub(crate) fn matching(constraint: &SpreadConstraint, pod: &Pod, node: &NodeInfo) -> i64 {
    if selects_everything(&constraint.selector) {
        return 0;
    }
    let counts = |other: &&Arc<Pod>| {
        !other.terminating && other.namespace == pod.namespace && constraint.selector.matches(&other.labels)
    };
    i64::try_from(node.pods().iter().filter(counts).count()).unwrap_or(i64::MAX)
}

/// Soft constraints, and for each its weight and the number of matching pods by domain of a feasible node.
#[derive(Debug)]
pub struct SoftDomains {
    constraints: Constraints,
    /// Whether nodes that lack a key are left out altogether.
    all_keys: bool,
    domains: Vec<(f64, HashMap<String, i64>)>,
}

impl Score for PodTopologySpread {
    type State = SoftDomains;

    fn name(&self) -> &'static str {
        "PodTopologySpread"
    }

    fn depends(&self, _pod: &Pod) -> Depends {
        Depends::Domains(DomainRule::Spread(self.defaults.clone()))
    }

    fn sees_pod_labels(&self) -> bool {
        false
    }

    #[expect(clippy::cast_precision_loss, reason = "counts of domains are far below 2^52")]
    fn pre_score(&self, cluster: &Cluster, pod: &Pod, feasible: &[&NodeInfo]) -> Option<SoftDomains> {
        let constraints = self.constraints(cluster, pod, WhenUnsatisfiable::ScheduleAnyway);
        if constraints.is_empty() {
            return None;
        }
        let all_keys = self.needs_all_keys(pod);
        let takes_part = |node: &NodeInfo| !all_keys || has_keys(node, &constraints);
        let scored: Vec<_> = feasible.iter().filter(|node| takes_part(node)).collect();
        let mut domains: Vec<(f64, HashMap<String, i64>)> = Vec::with_capacity(constraints.len());
        for constraint in constraints.iter() {
            let mut counts = HashMap::new();
            if constraint.topology_key != HOSTNAME {
                for node in &scored {
                    counts.entry_ref(node.node().labels.get(&constraint.topology_key).unwrap_or_default()).or_insert(0);
                }
            }
            let size = if constraint.topology_key == HOSTNAME { scored.len() } else { counts.len() };
            domains.push((((size + 2) as f64).ln(), counts));
        }
        for node in cluster.nodes().filter(|node| takes_part(node)) {
            for (constraint, (_, counts)) in constraints.iter().zip(&mut domains) {
                let domain = node.node().labels.get(&constraint.topology_key).unwrap_or_default();
                if let Some(count) = counts.get_mut(domain)
                    && counts_node(constraint, pod, node)
                {
                    *count += matching(constraint, pod, node);
                }
            }
        }
        Some(SoftDomains { constraints, all_keys, domains })
    }

    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        reason = "the rule is stated in doubles, rounded"
    )]
    fn score(&self, state: &SoftDomains, pod: &Pod, node: &NodeInfo) -> i64 {
        let mut sum = 0.0;
        for (constraint, (weight, counts)) in state.constraints.iter().zip(&state.domains) {
            let Some(domain) = node.node().labels.get(&constraint.topology_key) else {
                if state.all_keys {
                    return UNSCORED;
                }
                continue;
            };
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
        normalize(scores);
    }
}

/// Turns skews into scores: 100·(max + min − s)/max.
pub(crate) fn normalize(scores: &mut [i64]) {
    let scored = || scores.iter().copied().filter(|score| *score != UNSCORED);
    let (min, max) = (scored().min().unwrap_or(0), scored().max().unwrap_or(0));
    for score in scores.iter_mut() {
        *score = match *score {
            UNSCORED => 0,
            _ if max == 0 => MAX_NODE_SCORE,
            raw => MAX_NODE_SCORE.saturating_mul(max + min - raw) / max,
        };
    }
}

/// Marks nodes that lack a topology key.
pub(crate) const UNSCORED: i64 = -1;

#[cfg(test)]
mod tests;
