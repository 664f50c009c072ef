//! GpuShare: a node must have devices of an accepted model with enough free of each.

use crate::cluster::{Cluster, NodeInfo};
use crate::framework::{ClusterEvent, Depends, EventKind, Filter, Hint, PreFilter, Refusal};
use crate::model::{DEVICE_MILLI, Pod};

/// Refuses nodes whose devices do not serve the pod.
#[derive(Clone, Copy, Debug)]
pub struct GpuShare;

impl Filter for GpuShare {
    type State = ();

    fn name(&self) -> &'static str {
        "GpuShare"
    }

    fn pre_filter(&self, _cluster: &Cluster, pod: &Pod) -> PreFilter<()> {
        match pod.gpu.as_deref() {
            None => PreFilter::Skip,
            Some(request) if request.count == 0 || !(1..=DEVICE_MILLI).contains(&request.milli) => PreFilter::Refuse(
                Refusal::unresolvable(self.name(), "a GPU request must be for at least one device, 1 to 1000 of each"),
            ),
            Some(_) => PreFilter::Run(()),
        }
    }

    fn filter(&self, (): &(), pod: &Pod, node: &NodeInfo) -> Result<(), Refusal> {
        let Some(request) = pod.gpu.as_deref() else { return Ok(()) };
        if !request.accepts(&node.node().gpus.model) {
            return Err(Refusal::unresolvable(self.name(), "node(s) didn't have a requested GPU model"));
        }
        if node.gpu_free().len() < request.count {
            return Err(Refusal::unresolvable(self.name(), "Insufficient GPU devices"));
        }
        if request.fits(node.gpu_free()) {
            return Ok(());
        }
        Err(Refusal::unschedulable(self.name(), "Insufficient GPU devices"))
    }

    fn depends(&self, _pod: &Pod) -> Depends {
        Depends::Node
    }

    fn sees_pod_labels(&self) -> bool {
        false
    }

    fn hint(&self, event: &ClusterEvent, _pod: &Pod) -> Hint {
        match event.kind {
            EventKind::NodeAdd | EventKind::NodeAllocatable | EventKind::PodDelete => Hint::Queue,
            _ => Hint::Skip,
        }
    }
}
