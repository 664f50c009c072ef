//! ImageLocality: nodes that hold the pod's images start it sooner.
//!
//! Score: the sum over the images of containers, init containers and image volumes of size·(nodes that hold it / nodes),
//! clamped to 23 MiB and 1000 MiB per image, and linear between them. Source: kube-scheduler's `imagelocality`.

use crate::cluster::{Cluster, NodeInfo};
use crate::framework::{Depends, MAX_NODE_SCORE, Score};
use crate::model::Pod;

const MIN_BYTES: i64 = 23 << 20;
const MAX_BYTES_PER_IMAGE: i64 = 1000 << 20;

/// Prefers nodes that hold the pod's images.
#[derive(Clone, Copy, Debug)]
pub struct ImageLocality;

impl Score for ImageLocality {
    /// Per image of the pod, the share of nodes that hold it.
    type State = Vec<(String, f64)>;

    fn name(&self) -> &'static str {
        "ImageLocality"
    }

    fn depends(&self, pod: &Pod) -> Depends {
        if pod.images.is_empty() { Depends::Profile } else { Depends::NodeSpecs }
    }

    fn sees_pod_labels(&self) -> bool {
        false
    }

    #[expect(clippy::cast_precision_loss, reason = "counts of nodes are far below 2^52")]
    fn pre_score(&self, cluster: &Cluster, pod: &Pod, _feasible: &[&NodeInfo]) -> Option<Self::State> {
        let nodes = cluster.len() as f64;
        let held: Vec<(String, f64)> = pod
            .images
            .iter()
            .map(|image| (image.clone(), cluster.nodes_with_image(image) as f64 / nodes))
            .filter(|(_, share)| *share > 0.0)
            .collect();
        (!held.is_empty()).then_some(held)
    }

    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        reason = "the rule is stated in doubles, truncated"
    )]
    fn score(&self, state: &Self::State, pod: &Pod, node: &NodeInfo) -> i64 {
        let scaled = |(image, share): &(String, f64)| {
            let (_, bytes) = node.node().images.iter().find(|(name, _)| name == image)?;
            Some((*bytes as f64 * share) as i64)
        };
        let sum = state.iter().filter_map(scaled).fold(0, i64::saturating_add);
        let max = MAX_BYTES_PER_IMAGE * i64::from(pod.containers.max(1));
        MAX_NODE_SCORE * (sum.clamp(MIN_BYTES, max) - MIN_BYTES) / (max - MIN_BYTES)
    }
}

#[cfg(test)]
mod tests;
