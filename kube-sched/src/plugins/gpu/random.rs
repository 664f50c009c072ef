//! GpuRandom: any feasible node, by a hash of the seed and the pod.

use crate::cluster::{Cluster, NodeInfo};
use crate::framework::{MAX_NODE_SCORE, Score};
use crate::model::Pod;
use std::sync::Arc;

/// Prefers one feasible node, drawn uniformly.
#[derive(Clone, Copy, Debug)]
pub struct GpuRandom {
    /// Decides which.
    pub seed: u64,
}

impl Score for GpuRandom {
    /// The name of the node that was drawn.
    type State = Arc<str>;

    fn name(&self) -> &'static str {
        "GpuRandom"
    }

    fn pre_score(&self, _cluster: &Cluster, pod: &Pod, feasible: &[&NodeInfo]) -> Option<Self::State> {
        let index = draw(self.seed, &pod.uid, feasible.len())?;
        Some(feasible[index].node().name.clone())
    }

    fn score(&self, drawn: &Self::State, _pod: &Pod, node: &NodeInfo) -> i64 {
        if *drawn == node.node().name { MAX_NODE_SCORE } else { 0 }
    }
}

/// A number below `bound` from the seed and the pod, uniform over pods; `None` when nothing can be drawn.
pub(super) fn draw(seed: u64, uid: &str, bound: usize) -> Option<usize> {
    let start = mix(seed);
    let hash = uid.bytes().fold(start, |hash, byte| mix(hash ^ u64::from(byte)));
    let scaled = (u128::from(hash) * u128::try_from(bound).ok()?) >> 64;
    usize::try_from(scaled).ok().filter(|index| *index < bound)
}

/// The finaliser of SplitMix64 (Steele, Lea, Flood, 2014): every bit of the input moves every bit of the output.
fn mix(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
