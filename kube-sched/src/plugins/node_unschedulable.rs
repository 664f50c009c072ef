//! NodeUnschedulable: cordoned nodes take only pods that tolerate it.

use crate::cluster::{Cluster, NodeInfo};
use crate::framework::{Depends, EventKind, Filter, PreFilter, Refusal};
use crate::model::{Effect, Pod, Taint};

/// Refuses cordoned nodes.
#[derive(Clone, Copy, Debug)]
pub struct NodeUnschedulable;

impl Filter for NodeUnschedulable {
    type State = ();

    fn name(&self) -> &'static str {
        "NodeUnschedulable"
    }

    fn pre_filter(&self, _cluster: &Cluster, _pod: &Pod) -> PreFilter<()> {
        PreFilter::Run(())
    }

    fn filter(&self, (): &(), pod: &Pod, node: &NodeInfo) -> Result<(), Refusal> {
        if !node.node().unschedulable {
            return Ok(());
        }
        // A pod that tolerates the taint of a cordoned node tolerates the field as well.
        let taint = Taint::new("node.kubernetes.io/unschedulable", "", Effect::NoSchedule);
        if pod.tolerations.iter().any(|toleration| toleration.tolerates(&taint)) {
            return Ok(());
        }
        Err(Refusal::unresolvable(self.name(), "node(s) were unschedulable"))
    }

    fn depends(&self, _pod: &Pod) -> Depends {
        Depends::Profile
    }

    fn sees_pod_labels(&self) -> bool {
        false
    }

    fn events_to_register(&self) -> &[EventKind] {
        &[EventKind::NodeAdd, EventKind::NodeTaint]
    }
}

#[cfg(test)]
mod tests;
