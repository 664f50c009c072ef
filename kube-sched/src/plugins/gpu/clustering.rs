//! GpuClustering: pods of one class together, where a class is the number of devices, or a share of one (Gandiva, OSDI'18).
//!
//! 75 where the node has pods of this class only, 50 where it has them among others, 25 where it has no GPU pods, 0 where it
//! has only other classes; plus up to 25, the more of the node's GPUs is used. Pods without GPUs have no preference.

use super::{GPU_MILLI_MAX, Spare, truncated};
use crate::cluster::{Cluster, NodeInfo};
use crate::framework::{Depends, MAX_NODE_SCORE, Score};
use crate::model::{GpuRequest, Pod};
use std::collections::BTreeSet;

/// Prefers nodes with pods of the same class.
#[derive(Clone, Copy, Debug)]
pub struct GpuClustering;

/// 0 for a share, else the number of devices.
fn class(request: &GpuRequest) -> usize {
    if request.is_share() { 0 } else { request.count }
}

impl GpuClustering {
    fn rate(spare: &Spare, request: &GpuRequest, present: &BTreeSet<usize>) -> i64 {
        let most = truncated(GPU_MILLI_MAX);
        let fill = MAX_NODE_SCORE / 4 * (most - spare.gpu_milli()) / most;
        let quarters = match (present.contains(&class(request)), present.len()) {
            (true, 1) => 3,
            (true, _) => 2,
            (false, 0) => 1,
            (false, _) => 0,
        };
        fill + MAX_NODE_SCORE * quarters / 4
    }
}

impl Score for GpuClustering {
    type State = ();

    fn name(&self) -> &'static str {
        "GpuClustering"
    }

    fn pre_score(&self, _cluster: &Cluster, pod: &Pod, _feasible: &[&NodeInfo]) -> Option<()> {
        pod.gpu.as_ref().map(|_| ())
    }

    fn depends(&self, _pod: &Pod) -> Depends {
        Depends::Node
    }

    fn sees_pod_labels(&self) -> bool {
        false
    }

    fn score(&self, (): &(), pod: &Pod, node: &NodeInfo) -> i64 {
        let present = node.pods().iter().filter_map(|other| other.gpu.as_deref()).map(class).collect();
        pod.gpu.as_deref().map_or(0, |request| Self::rate(&Spare::of(node), request, &present))
    }
}
