//! NodeName: a pod that names its node goes nowhere else.

use crate::cluster::{Cluster, NodeInfo};
use crate::framework::{Depends, EventKind, Filter, PreFilter, Refusal};
use crate::model::Pod;

/// Refuses every node but the one that the pod names.
#[derive(Clone, Copy, Debug)]
pub struct NodeName;

impl Filter for NodeName {
    type State = ();

    fn name(&self) -> &'static str {
        "NodeName"
    }

    fn pre_filter(&self, _cluster: &Cluster, pod: &Pod) -> PreFilter<()> {
        if pod.node.is_none() { PreFilter::Skip } else { PreFilter::Run(()) }
    }

    fn filter(&self, (): &(), pod: &Pod, node: &NodeInfo) -> Result<(), Refusal> {
        if pod.node.as_ref().is_none_or(|name| *name == node.node().name) {
            return Ok(());
        }
        Err(Refusal::unresolvable(self.name(), "node(s) didn't match the requested node name"))
    }

    fn depends(&self, _pod: &Pod) -> Depends {
        Depends::Spec
    }

    fn sees_pod_labels(&self) -> bool {
        false
    }

    fn events_to_register(&self) -> &[EventKind] {
        &[EventKind::NodeAdd]
    }
}

#[cfg(test)]
mod tests;
