//! GpuPacking: first devices that are shared already, then idle devices of a used node, then idle nodes.
//!
//! 100 minus a tenth of the free percentage of the shared devices taken (at least 50); 50 minus the number of idle devices
//! taken (at least 33); on an idle node 33 minus the number of its devices. Pods without GPUs have no preference.

use super::Spare;
use crate::cluster::{Cluster, NodeInfo};
use crate::framework::{Depends, MAX_NODE_SCORE, Score};
use crate::model::{DEVICE_MILLI, GpuRequest, Pod};

/// Prefers devices in use.
#[derive(Clone, Copy, Debug)]
pub struct GpuPacking;

impl GpuPacking {
    fn rate(spare: &Spare, request: &GpuRequest) -> i64 {
        let idle = spare.idle_devices();
        if idle == spare.devices.len() {
            let idle = i64::try_from(idle).unwrap_or(MAX_NODE_SCORE);
            return (MAX_NODE_SCORE / 3 - idle).max(idle.min(MAX_NODE_SCORE));
        }
        let Some(taken) = spare.tightest(request) else { return 0 };
        let idle_taken = taken.iter().filter(|i| spare.devices[**i] == DEVICE_MILLI).count();
        if idle_taken > 0 {
            return (MAX_NODE_SCORE / 2 - i64::try_from(idle_taken).unwrap_or(0)).max(MAX_NODE_SCORE / 3);
        }
        let free_percent: i64 = taken.iter().map(|i| spare.devices[*i] * 100 / DEVICE_MILLI).sum();
        (MAX_NODE_SCORE - free_percent / 10).max(MAX_NODE_SCORE / 2)
    }
}

impl Score for GpuPacking {
    type State = ();

    fn name(&self) -> &'static str {
        "GpuPacking"
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
        pod.gpu.as_deref().map_or(0, |request| Self::rate(&Spare::of(node), request))
    }
}
