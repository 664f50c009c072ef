//! PreFilter and Filter: which nodes a pod may go to.

use super::{ClusterEvent, Depends, EventKind, Hint, Prospect, Refusal};
use crate::cluster::{Cluster, NodeInfo, NodeRow, NodeTable};
use crate::model::Pod;
use std::fmt::Debug;
use std::sync::Arc;

/// What [`Filter::pre_filter`] found before any node was looked at.
#[derive(Clone, Debug)]
pub enum PreFilter<S> {
    /// The plugin has no say about this pod.
    Skip,
    /// Look at every node with this state.
    Run(S),
    /// Look at these nodes only.
    Only(Vec<String>, S),
    /// Every node takes the pod as far as the plugin is concerned, but perhaps these; the others need not be looked at.
    AllBut(Vec<Arc<str>>, S),
    /// No node will do.
    Refuse(Refusal),
}

/// Decides which nodes a pod may go to. PreFilter and Filter are one trait, since they share the state.
pub trait Filter: Send + Sync + Debug + 'static {
    /// What is computed once per pod.
    type State: Clone + Send + Sync + Debug;

    /// The plugin's name, as in profiles and diagnoses.
    fn name(&self) -> &'static str;

    /// Called once per pod, before any node.
    fn pre_filter(&self, cluster: &Cluster, pod: &Pod) -> PreFilter<Self::State>;

    /// Whether the pod may go to the node.
    ///
    /// # Errors
    /// The refusal, when it may not.
    fn filter(&self, state: &Self::State, pod: &Pod, node: &NodeInfo) -> Result<(), Refusal>;

    /// What the answer for this pod depends on, besides the pod; the engine keeps answers accordingly.
    ///
    /// A plugin that declares anything but [`Depends::Anything`] promises that its [`Filter::pre_filter`] looks at the
    /// pod only.
    fn depends(&self, _pod: &Pod) -> Depends {
        Depends::Anything
    }

    /// Whether the answer depends on the pod's own labels. A plugin for which it does not, or only through the terms of
    /// spreading and of affinity between pods, says so, and pods that differ in other labels share answers.
    fn sees_pod_labels(&self) -> bool {
        true
    }

    /// The answer of [`Filter::filter`], for plugins to which the row tells all; `None` where it does not.
    fn filter_row(&self, _state: &Self::State, _pod: &Pod, _row: &NodeRow) -> Option<bool> {
        None
    }

    /// Preemption asks what would be if `other` were on `node`.
    fn add_pod(&self, _state: &mut Self::State, _pod: &Pod, _other: &Pod, _node: &NodeInfo, _cluster: &Cluster) {}

    /// Preemption asks what would be if `other` were not on `node`.
    fn remove_pod(&self, _state: &mut Self::State, _pod: &Pod, _other: &Pod, _node: &NodeInfo, _cluster: &Cluster) {}

    /// The kinds of events that may make pods schedulable that this plugin refused; of others it is not told.
    fn events_to_register(&self) -> &[EventKind] {
        EventKind::ALL
    }

    /// Whether an event of these kinds may make this pod schedulable (queueing hint, KEP-4247).
    fn hint(&self, _event: &ClusterEvent, _pod: &Pod) -> Hint {
        Hint::Queue
    }
}

/// A filter whose state type is erased.
pub(crate) trait DynFilter: Send + Sync + Debug {
    fn name(&self) -> &'static str;
    fn depends(&self, pod: &Pod) -> Depends;
    fn sees_pod_labels(&self) -> bool;
    fn start(self: Arc<Self>, cluster: &Cluster, pod: &Pod) -> Started;
    fn events_to_register(&self) -> &[EventKind];
    fn hint(&self, event: &ClusterEvent, pod: &Pod) -> Hint;
}

pub(crate) enum Started {
    Skip,
    Run(Box<dyn FilterCycle>),
    Only(Vec<String>, Box<dyn FilterCycle>),
    AllBut(Vec<Arc<str>>, Box<dyn FilterCycle>),
    Refuse(Refusal),
}

/// A filter at work on one pod.
pub(crate) trait FilterCycle: Send + Sync + Debug {
    fn name(&self) -> &'static str;
    fn filter(&self, pod: &Pod, node: &NodeInfo) -> Result<(), Refusal>;
    /// Leaves out those nodes that it refuses, of those that are not left out yet.
    fn keep(&self, pod: &Pod, table: &NodeTable, prospects: &mut [Prospect<'_>]);
    fn add_pod(&mut self, pod: &Pod, other: &Pod, node: &NodeInfo, cluster: &Cluster);
    fn remove_pod(&mut self, pod: &Pod, other: &Pod, node: &NodeInfo, cluster: &Cluster);
    fn fork(&self) -> Box<dyn FilterCycle>;
}

#[derive(Debug)]
struct Cycle<F: Filter> {
    plugin: Arc<F>,
    state: F::State,
}

impl<F: Filter> DynFilter for F {
    fn name(&self) -> &'static str {
        Filter::name(self)
    }

    fn depends(&self, pod: &Pod) -> Depends {
        Filter::depends(self, pod)
    }

    fn sees_pod_labels(&self) -> bool {
        Filter::sees_pod_labels(self)
    }

    fn start(self: Arc<Self>, cluster: &Cluster, pod: &Pod) -> Started {
        match self.pre_filter(cluster, pod) {
            PreFilter::Skip => Started::Skip,
            PreFilter::Run(state) => Started::Run(Box::new(Cycle { plugin: self, state })),
            PreFilter::Only(nodes, state) => Started::Only(nodes, Box::new(Cycle { plugin: self, state })),
            PreFilter::AllBut(nodes, state) => Started::AllBut(nodes, Box::new(Cycle { plugin: self, state })),
            PreFilter::Refuse(refusal) => Started::Refuse(refusal),
        }
    }

    fn events_to_register(&self) -> &[EventKind] {
        Filter::events_to_register(self)
    }

    fn hint(&self, event: &ClusterEvent, pod: &Pod) -> Hint {
        Filter::hint(self, event, pod)
    }
}

impl<F: Filter> FilterCycle for Cycle<F> {
    fn name(&self) -> &'static str {
        Filter::name(&*self.plugin)
    }

    fn filter(&self, pod: &Pod, node: &NodeInfo) -> Result<(), Refusal> {
        self.plugin.filter(&self.state, pod, node)
    }

    fn keep(&self, pod: &Pod, table: &NodeTable, prospects: &mut [Prospect<'_>]) {
        for prospect in prospects.iter_mut().filter(|prospect| prospect.verdict.is_some()) {
            // A node lies far from its row, and most plugins need the row alone.
            let by_row = self.plugin.filter_row(&self.state, pod, prospect.row);
            if !by_row.unwrap_or_else(|| self.filter(pod, table.info(prospect.position)).is_ok()) {
                prospect.verdict = None;
            }
        }
    }

    fn add_pod(&mut self, pod: &Pod, other: &Pod, node: &NodeInfo, cluster: &Cluster) {
        self.plugin.add_pod(&mut self.state, pod, other, node, cluster);
    }

    fn remove_pod(&mut self, pod: &Pod, other: &Pod, node: &NodeInfo, cluster: &Cluster) {
        self.plugin.remove_pod(&mut self.state, pod, other, node, cluster);
    }

    fn fork(&self) -> Box<dyn FilterCycle> {
        Box::new(Self { plugin: self.plugin.clone(), state: self.state.clone() })
    }
}
