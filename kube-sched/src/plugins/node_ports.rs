//! NodePorts: two pods cannot take one port of a host.

use crate::cluster::{Cluster, NodeInfo};
use crate::framework::{ClusterEvent, Depends, EventKind, Filter, Hint, PreFilter, Refusal};
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

    fn hint(&self, event: &ClusterEvent, _pod: &Pod) -> Hint {
        match event.kind {
            EventKind::NodeAdd | EventKind::PodDelete => Hint::Queue,
            _ => Hint::Skip,
        }
    }
}

#[cfg(test)]
mod tests;
