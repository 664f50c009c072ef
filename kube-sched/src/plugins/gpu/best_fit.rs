//! GpuBestFit: the less CPU and GPU remains on the node with the pod, the better.
//!
//! 100·(1 − (0.5·cpu remaining + 0.5·gpu remaining)), each as a share of the largest node, truncated, then stretched so
//! that the worst feasible node gets 0 and the best 100.

use super::{CPU_MILLI_MAX, GPU_MILLI_MAX, Spare, amount, spare::cpu_of, truncated};
use crate::cluster::{Cluster, NodeInfo};
use crate::framework::{MAX_NODE_SCORE, Score};
use crate::model::{GpuRequest, Pod};

/// Prefers nodes on which least remains.
#[derive(Clone, Copy, Debug)]
pub struct GpuBestFit;

impl GpuBestFit {
    fn rate(spare: &Spare, cpu_milli: i64, gpu_milli: i64) -> i64 {
        let cpu = amount(spare.cpu_milli - cpu_milli) / CPU_MILLI_MAX * 0.5;
        let gpu = amount(spare.gpu_milli() - gpu_milli) / GPU_MILLI_MAX * 0.5;
        truncated((1.0 - (cpu + gpu)) * 100.0)
    }
}

impl Score for GpuBestFit {
    type State = ();

    fn name(&self) -> &'static str {
        "GpuBestFit"
    }

    fn pre_score(&self, _cluster: &Cluster, _pod: &Pod, _feasible: &[&NodeInfo]) -> Option<()> {
        Some(())
    }

    fn score(&self, (): &(), pod: &Pod, node: &NodeInfo) -> i64 {
        let gpu_milli = pod.gpu.as_deref().map_or(0, GpuRequest::total_milli);
        Self::rate(&Spare::of(node), cpu_of(pod), gpu_milli)
    }

    fn normalize(&self, (): &(), _nodes: &[&NodeInfo], scores: &mut [i64]) {
        let least = scores.iter().copied().min().unwrap_or(0);
        let range = scores.iter().copied().max().unwrap_or(0) - least;
        for score in scores.iter_mut() {
            *score = if range == 0 { 0 } else { (*score - least) * MAX_NODE_SCORE / range };
        }
    }
}
