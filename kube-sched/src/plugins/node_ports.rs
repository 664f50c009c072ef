//! NodePorts: two pods cannot take one port of a host.

use crate::cluster::{Cluster, NodeInfo};
use crate::framework::{Depends, EventKind, Filter, PreFilter, Refusal};
use crate::model::Pod;

/// Refuses nodes on which a host port of the pod is taken.
#[derive(Clone, Copy, Debug)]
pub struct NodePorts;

impl Filter for NodePorts {
    type State = ();

    fn name(&self) -> &'static str {
        "NodePorts"
    }

    fn pre_filter(&self, _cluster: &Cluster, pod: &Pod) -> PreFilter<()> {
        if pod.host_ports.is_empty() { PreFilter::Skip } else { PreFilter::Run(()) }
    }

    fn filter(&self, (): &(), pod: &Pod, node: &NodeInfo) -> Result<(), Refusal> {
        if pod.host_ports.iter().any(|port| node.host_ports().iter().any(|taken| taken.conflicts(port))) {
            return Err(Refusal::unschedulable(
                self.name(),
                "node(s) didn't have free ports for the requested pod ports",
            ));
        }
        Ok(())
    }

    fn depends(&self, _pod: &Pod) -> Depends {
        Depends::Node
    }

    fn sees_pod_labels(&self) -> bool {
        false
    }

    fn events_to_register(&self) -> &[EventKind] {
        &[EventKind::NodeAdd, EventKind::PodDelete]
    }
}

#[cfg(test)]
mod tests;
