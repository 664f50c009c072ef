//! PostFilter: what to do for a pod that no node can take.

use super::{Code, FilterCycle, Refusal};
use crate::cluster::{Cluster, NodeInfo};
use crate::model::Pod;
use std::fmt::{self, Debug};
use std::sync::Arc;

/// A node that is to be cleared for a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nomination {
    /// The node.
    pub node: String,
    /// The pods to remove from it, most important first.
    pub victims: Vec<Arc<Pod>>,
}

/// Tries to make room for a pod.
pub trait PostFilter: Send + Sync + Debug {
    /// The plugin's name.
    fn name(&self) -> &'static str;

    /// A nomination, or why there is none, for people.
    ///
    /// # Errors
    /// The message, when nothing can be done.
    fn post_filter(&self, attempt: &Attempt<'_>) -> Result<Nomination, String>;
}

/// A pod that found no node, with all that is known of why.
pub struct Attempt<'a> {
    pub(crate) cluster: &'a Cluster,
    pub(crate) pod: &'a Pod,
    pub(crate) cycles: Vec<Box<dyn FilterCycle>>,
    pub(crate) refusals: &'a [(Arc<str>, Refusal)],
}

impl Debug for Attempt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attempt").field("pod", &self.pod.name).finish_non_exhaustive()
    }
}

impl<'a> Attempt<'a> {
    /// The state that the attempt was made on.
    pub fn cluster(&self) -> &'a Cluster {
        self.cluster
    }

    /// The pod.
    pub fn pod(&self) -> &'a Pod {
        self.pod
    }

    /// Why each node refused the pod.
    pub fn refusals(&self) -> &'a [(Arc<str>, Refusal)] {
        self.refusals
    }

    /// The nodes that failed in a way that removing pods may mend.
    pub fn candidates(&self) -> impl Iterator<Item = &'a NodeInfo> {
        self.refusals
            .iter()
            .filter(|(_, refusal)| refusal.code == Code::Unschedulable)
            .filter_map(|(name, _)| self.cluster.node(name))
    }

    /// What would be on one node, if some of its pods were gone.
    pub fn what_if(&self, node: &'a NodeInfo) -> WhatIf<'_> {
        WhatIf {
            cluster: self.cluster,
            pod: self.pod,
            cycles: self.cycles.iter().map(|cycle| cycle.fork()).collect(),
            node: node.clone(),
        }
    }
}

/// One node with some of its pods taken away in thought.
pub struct WhatIf<'a> {
    cluster: &'a Cluster,
    pod: &'a Pod,
    cycles: Vec<Box<dyn FilterCycle>>,
    node: NodeInfo,
}

impl Debug for WhatIf<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WhatIf")
            .field("pod", &self.pod.name)
            .field("node", &self.node.node().name)
            .finish_non_exhaustive()
    }
}

impl WhatIf<'_> {
    /// Takes a pod away.
    pub fn remove(&mut self, other: &Pod) {
        if self.node.remove(&other.uid).is_some() {
            for cycle in &mut self.cycles {
                cycle.remove_pod(self.pod, other, &self.node, self.cluster);
            }
        }
    }

    /// Puts a pod back.
    pub fn add(&mut self, other: &Arc<Pod>) {
        self.node.add(other.clone());
        for cycle in &mut self.cycles {
            cycle.add_pod(self.pod, other, &self.node, self.cluster);
        }
    }

    /// Whether the pod would fit, also with the pods that were promised room there and are at least as important.
    pub fn fits(&self) -> bool {
        self.check().is_ok()
    }

    /// Why the pod would not fit.
    ///
    /// # Errors
    /// The refusal of the first filter that does not agree.
    pub fn check(&self) -> Result<(), Refusal> {
        crate::oracle::run_filters(self.cluster, &self.cycles, self.pod, &self.node)
    }
}
