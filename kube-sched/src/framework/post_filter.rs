//! PostFilter: what to do for a pod that no node can take.

use super::{Candidate, Code, DryRuns, Failures, FilterCycle, Refusal, Refusals, Victims};
use crate::cluster::{Cluster, NodeInfo, Position};
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

    /// The nodes that could be cleared for the pod, with what would have to go from each: what extenders choose among
    /// before one is nominated. Where there are none, the nomination stands as it is.
    fn candidates(&self, _attempt: &Attempt<'_>) -> Vec<(Arc<str>, Arc<Victims>)> {
        Vec::new()
    }
}

/// A pod that found no node, with all that is known of why.
#[derive(Clone, Copy)]
pub struct Attempt<'a> {
    pub(crate) cluster: &'a Cluster,
    pub(crate) pod: &'a Pod,
    pub(crate) cycles: &'a [Box<dyn FilterCycle>],
    pub(crate) refusals: &'a Refusals,
    /// What dry runs of pods of its class have found, where that is kept.
    pub(crate) kept: Option<&'a DryRuns>,
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
    pub fn refusals(&self) -> &'a Refusals {
        self.refusals
    }

    /// The number of nodes that failed in a way that removing pods may mend.
    pub fn candidates_len(&self) -> usize {
        self.refusals.answers().filter(|(refusal, _)| is_mendable(refusal)).map(|(_, nodes)| nodes).sum()
    }

    /// These nodes in the order of names, from the `first`-th on, and then those before it; but for those of
    /// [`Self::known_failures`].
    #[expect(clippy::missing_panics_doc, reason = "positions have 32 bits")]
    pub fn candidates_from(&'a self, first: usize) -> impl Iterator<Item = Candidate<'a>> {
        let positions = || self.refusals.positions(is_mendable);
        let failed = self.kept.map(DryRuns::failed).unwrap_or_default();
        let all = positions().skip(first).chain(positions().take(first));
        all.filter(move |at| !failed.contains(*at))
            .map(|at| Candidate { attempt: self, position: Position::try_from(at).expect("positions have 32 bits") })
    }

    /// Why clearing a node does not help, of those of these nodes for which that was found out before, for a pod like this.
    pub fn known_failures(&self) -> Failures {
        self.kept.map(DryRuns::failures).unwrap_or_default()
    }

    /// What would be on one node, if some of its pods were gone.
    pub fn what_if(&self, node: &'a NodeInfo) -> WhatIf<'a> {
        WhatIf {
            cluster: self.cluster,
            pod: self.pod,
            cycles: self.cycles.iter().map(|cycle| cycle.fork()).collect(),
            node: node.clone(),
        }
    }
}

fn is_mendable(refusal: &Refusal) -> bool {
    refusal.code == Code::Unschedulable
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
        crate::oracle::run_filters(self.cluster, &self.cycles, self.pod, &self.node, Some(&self.pod.uid))
    }
}
