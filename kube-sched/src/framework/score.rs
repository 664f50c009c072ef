//! PreScore, Score and NormalizeScore: which of the feasible nodes is best.

use super::{Depends, Prospect};
use crate::cluster::{Cluster, NodeInfo, NodeRow, NodeTable};
use crate::model::Pod;
use std::fmt::Debug;
use std::sync::Arc;

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

    /// What the raw score for this pod depends on, besides the pod; the engine keeps scores accordingly.
    ///
    /// A plugin that declares anything but [`Depends::Anything`] promises that [`Score::pre_score`] looks at the feasible
    /// nodes at most to find out that its score would be the same for all of them, and, unless it declares
    /// [`Depends::NodeSpecs`], not at the cluster. With [`Depends::Profile`] it may normalise, by a function of the set of
    /// raw scores that occur; with the others the raw score must be final.
    fn depends(&self, _pod: &Pod) -> Depends {
        Depends::Anything
    }

    /// Whether the answer depends on the pod's own labels. A plugin for which it does not, or only through the terms of
    /// spreading and of affinity between pods, says so, and pods that differ in other labels share answers.
    fn sees_pod_labels(&self) -> bool {
        true
    }

    /// How good the nodes of one domain are with a group of pods on them that is to be in one domain, 0 to
    /// [`MAX_NODE_SCORE`]; `None` where the plugin has no say about that. Source: PlacementScore (KEP-5732).
    fn score_placement(&self, _nodes: &[&NodeInfo]) -> Option<i64> {
        None
    }

    /// The answer of [`Score::score`], for plugins to which the row tells all; `None` where it does not.
    fn score_row(&self, _state: &Self::State, _pod: &Pod, _row: &NodeRow) -> Option<i64> {
        None
    }
}

/// A score whose state type is erased.
pub(crate) trait DynScore: Send + Sync + Debug {
    fn name(&self) -> &'static str;
    fn depends(&self, pod: &Pod) -> Depends;
    fn sees_pod_labels(&self) -> bool;
    fn score_placement(&self, nodes: &[&NodeInfo]) -> Option<i64>;
    /// `None` when the plugin has no say.
    fn start(self: Arc<Self>, cluster: &Cluster, pod: &Pod, feasible: &[&NodeInfo]) -> Option<Box<dyn ScoreCycle>>;
}

/// A score at work on one pod.
pub(crate) trait ScoreCycle: Send + Sync + Debug {
    fn score(&self, pod: &Pod, node: &NodeInfo) -> i64;
    /// Adds its weighted scores, which are final, to those of the nodes that can take the pod.
    fn add(&self, pod: &Pod, weight: i16, table: &NodeTable, prospects: &mut [Prospect<'_>]);
    fn normalize(&self, nodes: &[&NodeInfo], scores: &mut [i64]);
}

#[derive(Debug)]
struct Cycle<S: Score> {
    plugin: Arc<S>,
    state: S::State,
}

impl<S: Score> DynScore for S {
    fn name(&self) -> &'static str {
        Score::name(self)
    }

    fn depends(&self, pod: &Pod) -> Depends {
        Score::depends(self, pod)
    }

    fn sees_pod_labels(&self) -> bool {
        Score::sees_pod_labels(self)
    }

    fn score_placement(&self, nodes: &[&NodeInfo]) -> Option<i64> {
        Score::score_placement(self, nodes)
    }

    fn start(self: Arc<Self>, cluster: &Cluster, pod: &Pod, feasible: &[&NodeInfo]) -> Option<Box<dyn ScoreCycle>> {
        let state = self.pre_score(cluster, pod, feasible)?;
        Some(Box::new(Cycle { plugin: self, state }))
    }
}

impl<S: Score> ScoreCycle for Cycle<S> {
    fn score(&self, pod: &Pod, node: &NodeInfo) -> i64 {
        self.plugin.score(&self.state, pod, node)
    }

    fn add(&self, pod: &Pod, weight: i16, table: &NodeTable, prospects: &mut [Prospect<'_>]) {
        for prospect in prospects {
            let Some((_, total)) = &mut prospect.verdict else { continue };
            // A node lies far from its row, and most plugins need the row alone.
            let by_row = self.plugin.score_row(&self.state, pod, prospect.row);
            let raw = by_row.unwrap_or_else(|| self.score(pod, table.info(prospect.position)));
            let score = i16::try_from(raw.clamp(0, MAX_NODE_SCORE)).expect("it was just bounded");
            *total += score * weight;
        }
    }

    fn normalize(&self, nodes: &[&NodeInfo], scores: &mut [i64]) {
        self.plugin.normalize(&self.state, nodes, scores);
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
