//! PreScore, Score and NormalizeScore: which of the feasible nodes is best.

use crate::cluster::{Cluster, NodeInfo};
use crate::model::Pod;
use std::fmt::Debug;

/// The best score that a plugin gives a node, after normalisation; the worst is 0.
pub const MAX_NODE_SCORE: i64 = 100;

/// Ranks the feasible nodes. PreScore, Score and NormalizeScore are one trait, since they share the state.
pub trait Score: Send + Sync + Debug + 'static {
    /// What is computed once per pod.
    type State: Send + Sync + Debug;

    /// The plugin's name, as in profiles and diagnoses.
    fn name(&self) -> &'static str;

    /// Called once per pod with the feasible nodes. `None`: the plugin has no say about this pod.
    fn pre_score(&self, cluster: &Cluster, pod: &Pod, feasible: &[&NodeInfo]) -> Option<Self::State>;

    /// The node's raw score; 0 to [`MAX_NODE_SCORE`] unless [`Score::normalize`] brings it there.
    fn score(&self, state: &Self::State, pod: &Pod, node: &NodeInfo) -> i64;

    /// Brings the raw scores of all feasible nodes, in their order, to 0 to [`MAX_NODE_SCORE`].
    fn normalize(&self, _state: &Self::State, _nodes: &[&NodeInfo], _scores: &mut [i64]) {}
}

/// A score whose state type is erased.
pub(crate) trait DynScore: Send + Sync + Debug {
    fn name(&self) -> &'static str;
    /// Normalised scores of the feasible nodes, in their order; `false` when the plugin has no say.
    fn run(&self, cluster: &Cluster, pod: &Pod, feasible: &[&NodeInfo], scores: &mut Vec<i64>) -> bool;
}

impl<S: Score> DynScore for S {
    fn name(&self) -> &'static str {
        Score::name(self)
    }

    fn run(&self, cluster: &Cluster, pod: &Pod, feasible: &[&NodeInfo], scores: &mut Vec<i64>) -> bool {
        let Some(state) = self.pre_score(cluster, pod, feasible) else { return false };
        scores.clear();
        scores.extend(feasible.iter().map(|node| self.score(&state, pod, node)));
        self.normalize(&state, feasible, scores);
        true
    }
}

/// Scales scores so that the largest is [`MAX_NODE_SCORE`]; with `reverse` the smallest is best.
/// Source: `DefaultNormalizeScore` of kube-scheduler.
pub(crate) fn normalize_by_max(scores: &mut [i64], reverse: bool) {
    let max = scores.iter().copied().max().unwrap_or(0);
    for score in scores.iter_mut() {
        let scaled = if max == 0 { 0 } else { MAX_NODE_SCORE.saturating_mul(*score) / max };
        *score = if reverse { MAX_NODE_SCORE - scaled } else { scaled };
    }
}
