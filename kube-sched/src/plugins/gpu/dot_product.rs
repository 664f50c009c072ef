//! DotProduct: the less a node's free amounts align with what the pod wants, the better (Tetris, SIGCOMM'14, turned round
//! by the FGD study so that small remainders are used first).
//!
//! 100·(1 − (cpu free·cpu wanted + gpu free·gpu wanted)/2), each amount as a share of the largest node.

use super::{CPU_MILLI_MAX, GPU_MILLI_MAX, Spare, amount, spare::cpu_of, truncated};
use crate::cluster::{Cluster, NodeInfo};
use crate::framework::{Depends, Score};
use crate::model::{GpuRequest, Pod};

/// Prefers nodes whose free amounts align least with the pod's.
#[derive(Clone, Copy, Debug)]
pub struct DotProduct;

impl DotProduct {
    fn rate(spare: &Spare, cpu_milli: i64, gpu_milli: i64) -> i64 {
        let cpu = amount(spare.cpu_milli) / CPU_MILLI_MAX * (amount(cpu_milli) / CPU_MILLI_MAX);
        let gpu = amount(spare.gpu_milli()) / GPU_MILLI_MAX * (amount(gpu_milli) / GPU_MILLI_MAX);
        truncated(100.0 * (1.0 - f64::midpoint(cpu, gpu)))
    }
}

impl Score for DotProduct {
    type State = ();

    fn name(&self) -> &'static str {
        "DotProduct"
    }

    fn pre_score(&self, _cluster: &Cluster, _pod: &Pod, _feasible: &[&NodeInfo]) -> Option<()> {
        Some(())
    }

    fn depends(&self, _pod: &Pod) -> Depends {
        Depends::Node
    }

    fn sees_pod_labels(&self) -> bool {
        false
    }

    fn score(&self, (): &(), pod: &Pod, node: &NodeInfo) -> i64 {
        let gpu_milli = pod.gpu.as_deref().map_or(0, GpuRequest::total_milli);
        Self::rate(&Spare::of(node), cpu_of(pod), gpu_milli)
    }
}
