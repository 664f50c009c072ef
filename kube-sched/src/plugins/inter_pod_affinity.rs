//! InterPodAffinity: pods attract and repel pods of their domain.
//!
//! Filter: no existing pod's required anti-affinity is broken; every required affinity term has a matching pod in the
//! domain (or the pod is the first of its kind and matches its own terms); no required anti-affinity term has one.
//! Score: per topology pair the weights of matching preferred terms, of the pod and of existing pods, and the hard weight
//! for existing pods' required affinity; 100·(raw − min)/(max − min). Source: kube-scheduler's `interpodaffinity`.

use crate::cluster::{Cluster, NodeInfo};
use crate::framework::{Depends, DomainRule, EventKind, Filter, MAX_NODE_SCORE, PreFilter, Refusal, Score};
use crate::model::{Labels, Pod, PodAffinityTerm};
use hashbrown::HashMap;
use std::collections::BTreeMap;

const REASON_AFFINITY: &str = "node(s) didn't match pod affinity rules";
const REASON_ANTI_AFFINITY: &str = "node(s) didn't match pod anti-affinity rules";
const REASON_EXISTING: &str = "node(s) didn't satisfy existing pods anti-affinity rules";

/// Attracts and repels pods.
#[derive(Clone, Copy, Debug)]
pub struct InterPodAffinity {
    /// The weight that a required affinity term of an existing pod has in scores, 0 to 100; Kubernetes' default is 1.
    pub hard_pod_affinity_weight: i64,
    /// Whether preferences of existing pods have no say about pods without preferences.
    pub ignore_preferred_terms_of_existing_pods: bool,
}

impl Default for InterPodAffinity {
    fn default() -> Self {
        Self { hard_pod_affinity_weight: 1, ignore_preferred_terms_of_existing_pods: false }
    }
}

/// Numbers of pods by topology key and value.
type Counts = HashMap<(String, String), i64>;
pub(crate) type Namespaces = BTreeMap<String, Labels>;

/// Where existing pods forbid the pod, and where its own terms match.
#[derive(Clone, Debug, Default)]
pub struct Terms {
    existing_anti: Counts,
    affinity: Counts,
    anti_affinity: Counts,
    /// Whether the pod matches all of its own affinity terms.
    attracts_itself: bool,
}

impl Terms {
    fn shift(&mut self, pod: &Pod, other: &Pod, node: &NodeInfo, namespaces: &Namespaces, by: i64) {
        let domain = |key: &str| Some((key.to_owned(), node.node().labels.get(key)?.to_owned()));
        for term in other.anti_affinity.iter().filter(|term| matches(term, pod, namespaces)) {
            if let Some(pair) = domain(&term.topology_key) {
                *self.existing_anti.entry(pair).or_insert(0) += by;
            }
        }
        // A pod counts for affinity only where it matches all terms.
        if !pod.affinity.is_empty() && pod.affinity.iter().all(|term| matches(term, other, namespaces)) {
            for pair in pod.affinity.iter().filter_map(|term| domain(&term.topology_key)) {
                *self.affinity.entry(pair).or_insert(0) += by;
            }
        }
        for term in pod.anti_affinity.iter().filter(|term| matches(term, other, namespaces)) {
            if let Some(pair) = domain(&term.topology_key) {
                *self.anti_affinity.entry(pair).or_insert(0) += by;
            }
        }
    }

    fn any(counts: &Counts, key: &str, value: &str) -> bool {
        counts.get(&(key.to_owned(), value.to_owned())).is_some_and(|count| *count > 0)
    }
}

pub(crate) fn matches(term: &PodAffinityTerm, pod: &Pod, namespaces: &Namespaces) -> bool {
    term.selector.matches(&pod.labels) && term.namespaces.contains(&pod.namespace, namespaces)
}

/// Whether the pod matches all of its own affinity terms.
pub(crate) fn attracts_itself(cluster: &Cluster, pod: &Pod) -> bool {
    pod.affinity.iter().all(|term| matches(term, pod, cluster.namespaces()))
}

impl Filter for InterPodAffinity {
    type State = Terms;

    fn name(&self) -> &'static str {
        "InterPodAffinity"
    }

    fn pre_filter(&self, cluster: &Cluster, pod: &Pod) -> PreFilter<Terms> {
        let attracts_itself = attracts_itself(cluster, pod);
        let mut terms = Terms { attracts_itself, ..Terms::default() };
        let has_required = !(pod.affinity.is_empty() && pod.anti_affinity.is_empty());
        if has_required {
            for node in cluster.nodes() {
                for other in node.pods() {
                    terms.shift(pod, other, node, cluster.namespaces(), 1);
                }
            }
        } else {
            for node in cluster.nodes_with_pod_terms() {
                for other in node.pods().iter().filter(|other| !other.anti_affinity.is_empty()) {
                    terms.shift(pod, other, node, cluster.namespaces(), 1);
                }
            }
            if terms.existing_anti.is_empty() {
                return PreFilter::Skip;
            }
        }
        PreFilter::Run(terms)
    }

    fn filter(&self, state: &Terms, pod: &Pod, node: &NodeInfo) -> Result<(), Refusal> {
        let labels = &node.node().labels;
        let lacks = |term: &PodAffinityTerm| {
            labels.get(&term.topology_key).is_none_or(|value| !Terms::any(&state.affinity, &term.topology_key, value))
        };
        if pod.affinity.iter().any(lacks) {
            // The first pod of a group that attracts itself may go anywhere that has the keys.
            let has_keys = pod.affinity.iter().all(|term| labels.contains(&term.topology_key));
            let nobody = state.affinity.values().all(|count| *count <= 0);
            if !(has_keys && nobody && state.attracts_itself) {
                return Err(Refusal::unresolvable(Filter::name(self), REASON_AFFINITY));
            }
        }
        let meets = |term: &PodAffinityTerm| {
            labels
                .get(&term.topology_key)
                .is_some_and(|value| Terms::any(&state.anti_affinity, &term.topology_key, value))
        };
        if pod.anti_affinity.iter().any(meets) {
            return Err(Refusal::unschedulable(Filter::name(self), REASON_ANTI_AFFINITY));
        }
        let forbidden = !state.existing_anti.is_empty()
            && labels.iter().any(|(key, value)| Terms::any(&state.existing_anti, key, value));
        if forbidden {
            return Err(Refusal::unschedulable(Filter::name(self), REASON_EXISTING));
        }
        Ok(())
    }

    fn depends(&self, _pod: &Pod) -> Depends {
        Depends::Domains(DomainRule::PodAffinity {
            hard_weight: self.hard_pod_affinity_weight,
            ignore_preferred: self.ignore_preferred_terms_of_existing_pods,
        })
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
            EventKind::NamespaceLabel,
        ]
    }

    fn add_pod(&self, state: &mut Terms, pod: &Pod, other: &Pod, node: &NodeInfo, cluster: &Cluster) {
        state.shift(pod, other, node, cluster.namespaces(), 1);
    }

    fn remove_pod(&self, state: &mut Terms, pod: &Pod, other: &Pod, node: &NodeInfo, cluster: &Cluster) {
        state.shift(pod, other, node, cluster.namespaces(), -1);
    }
}

impl Score for InterPodAffinity {
    /// Weight by topology pair.
    type State = HashMap<(String, String), i64>;

    fn name(&self) -> &'static str {
        "InterPodAffinity"
    }

    fn depends(&self, _pod: &Pod) -> Depends {
        Depends::Domains(DomainRule::PodAffinity {
            hard_weight: self.hard_pod_affinity_weight,
            ignore_preferred: self.ignore_preferred_terms_of_existing_pods,
        })
    }

    fn sees_pod_labels(&self) -> bool {
        false
    }

    fn pre_score(&self, cluster: &Cluster, pod: &Pod, _feasible: &[&NodeInfo]) -> Option<Self::State> {
        let mut weights = HashMap::new();
        if self.ignore_preferred_terms_of_existing_pods && pod.preferred_pods.is_empty() {
            return None;
        }
        if pod.preferred_pods.is_empty() {
            for node in cluster.nodes_with_pod_terms() {
                for other in node.pods().iter().filter(|other| other.has_pod_terms()) {
                    self.weigh(&mut weights, pod, other, node, cluster.namespaces());
                }
            }
        } else {
            for node in cluster.nodes() {
                for other in node.pods() {
                    self.weigh(&mut weights, pod, other, node, cluster.namespaces());
                }
            }
        }
        (!weights.is_empty()).then_some(weights)
    }

    fn score(&self, state: &Self::State, _pod: &Pod, node: &NodeInfo) -> i64 {
        let pair = |(key, value): (&str, &str)| state.get(&(key.to_owned(), value.to_owned())).copied();
        node.node().labels.iter().filter_map(pair).fold(0, i64::saturating_add)
    }

    fn normalize(&self, _state: &Self::State, _nodes: &[&NodeInfo], scores: &mut [i64]) {
        normalize(scores);
    }
}

/// Turns sums of weights into scores: 100·(raw − min)/(max − min).
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "the rule is stated in doubles, truncated; integers would differ by one here and there"
)]
pub(crate) fn normalize(scores: &mut [i64]) {
    let (min, max) = (scores.iter().copied().min().unwrap_or(0), scores.iter().copied().max().unwrap_or(0));
    let range = max.saturating_sub(min);
    for score in scores.iter_mut() {
        let above = score.saturating_sub(min);
        *score = if range > 0 { (MAX_NODE_SCORE as f64 * (above as f64 / range as f64)) as i64 } else { 0 };
    }
}

impl InterPodAffinity {
    fn weigh(
        &self,
        weights: &mut HashMap<(String, String), i64>,
        pod: &Pod,
        other: &Pod,
        node: &NodeInfo,
        namespaces: &Namespaces,
    ) {
        let mut add = |key: &str, weight: i64| {
            if weight != 0
                && let Some(value) = node.node().labels.get(key)
            {
                let sum = weights.entry((key.to_owned(), value.to_owned())).or_insert(0);
                *sum = i64::saturating_add(*sum, weight);
            }
        };
        for wish in pod.preferred_pods.iter().filter(|wish| matches(&wish.term, other, namespaces)) {
            add(&wish.term.topology_key, wish.weight);
        }
        for wish in other.preferred_pods.iter().filter(|wish| matches(&wish.term, pod, namespaces)) {
            add(&wish.term.topology_key, wish.weight);
        }
        for term in other.affinity.iter().filter(|term| matches(term, pod, namespaces)) {
            add(&term.topology_key, self.hard_pod_affinity_weight);
        }
    }
}

#[cfg(test)]
mod tests;
