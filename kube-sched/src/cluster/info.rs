//! A node with the pods on it, and the row of it that hot plugins read.

use crate::model::{HostPort, Node, Pod, ResourceName, Resources};
use std::sync::Arc;

/// A node with the pods on it and what they use.
#[derive(Clone, Debug)]
pub struct NodeInfo {
    node: Arc<Node>,
    pods: Vec<Arc<Pod>>,
    requested: Resources,
    assumed: Resources,
    ports: Vec<HostPort>,
    with_pod_terms: usize,
    claims: usize,
    gpu_free: Vec<i64>,
}

impl NodeInfo {
    pub(crate) fn new(node: Arc<Node>) -> Self {
        Self {
            gpu_free: node.gpus.all_free(),
            node,
            pods: Vec::new(),
            requested: Resources::default(),
            assumed: Resources::default(),
            ports: Vec::new(),
            with_pod_terms: 0,
            claims: 0,
        }
    }

    /// The node.
    pub fn node(&self) -> &Node {
        &self.node
    }

    /// The pods on it.
    pub fn pods(&self) -> &[Arc<Pod>] {
        &self.pods
    }

    /// The sum of what its pods request; `pods` is their number.
    pub fn requested(&self) -> &Resources {
        &self.requested
    }

    /// The sum of what scoring takes its pods to use.
    pub fn assumed(&self) -> &Resources {
        &self.assumed
    }

    /// The host ports that its pods take.
    pub fn host_ports(&self) -> &[HostPort] {
        &self.ports
    }

    /// Whether a pod on it says anything about other pods.
    pub fn has_pod_terms(&self) -> bool {
        self.with_pod_terms > 0
    }

    /// How many claims of volumes its pods have.
    pub(crate) fn claims(&self) -> usize {
        self.claims
    }

    /// What is free of each of its GPU devices, in thousandths.
    pub fn gpu_free(&self) -> &[i64] {
        &self.gpu_free
    }

    /// Gives a pod its devices (`sign` −1), or takes them back (1).
    fn settle_devices(&mut self, pod: &Pod, sign: i64) {
        let Some(request) = &pod.gpu else { return };
        for device in &pod.gpu_devices {
            if let Some(free) = self.gpu_free.get_mut(*device) {
                *free += sign * request.milli;
            }
        }
    }

    /// The node was changed: its devices may be others.
    fn recount_devices(&mut self) {
        self.gpu_free = self.node.gpus.all_free();
        for pod in self.pods.clone() {
            self.settle_devices(&pod, -1);
        }
    }

    pub(crate) fn shared_node(&self) -> &Arc<Node> {
        &self.node
    }

    pub(crate) fn replace_node(&mut self, node: Arc<Node>) -> Arc<Node> {
        let old = std::mem::replace(&mut self.node, node);
        if old.gpus != self.node.gpus {
            self.recount_devices();
        }
        old
    }

    pub(crate) fn take_pods(&mut self) -> Vec<Arc<Pod>> {
        let node = self.node.clone();
        std::mem::replace(self, Self::new(node)).pods
    }

    pub(crate) fn add(&mut self, pod: Arc<Pod>) {
        self.requested.add(&pod.requests);
        self.requested.pods += 1;
        self.assumed.add(&pod.assumed);
        self.ports.extend(pod.host_ports.iter().cloned());
        self.with_pod_terms += usize::from(pod.has_pod_terms());
        self.claims += pod.claims().count();
        self.settle_devices(&pod, -1);
        self.pods.push(pod);
    }

    pub(crate) fn remove(&mut self, uid: &str) -> Option<Arc<Pod>> {
        // A binding that failed is one of the last.
        let index = self.pods.iter().rposition(|pod| &*pod.uid == uid)?;
        let pod = self.pods.remove(index);
        self.requested.subtract(&pod.requests);
        self.requested.pods -= 1;
        self.assumed.subtract(&pod.assumed);
        for port in &pod.host_ports {
            if let Some(i) = self.ports.iter().position(|p| p == port) {
                self.ports.swap_remove(i);
            }
        }
        self.with_pod_terms -= usize::from(pod.has_pod_terms());
        self.claims -= pod.claims().count();
        self.settle_devices(&pod, 1);
        Some(pod)
    }
}

/// What hot plugins read of a node, in one line of a processor's cache: a bind changes one row, and a look at all nodes
/// reads rows one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(align(64))]
#[non_exhaustive]
pub struct NodeRow {
    /// CPU that pods may use, in thousandths of a core.
    pub allocatable_cpu_milli: i64,
    /// Memory that pods may use, in bytes.
    pub allocatable_memory_bytes: i64,
    /// CPU that the node's pods request.
    pub requested_cpu_milli: i64,
    /// Memory that the node's pods request.
    pub requested_memory_bytes: i64,
    /// CPU that scoring takes the node's pods to use.
    pub assumed_cpu_milli: i64,
    /// Memory that scoring takes the node's pods to use.
    pub assumed_memory_bytes: i64,
    /// Number of pods on the node.
    pub pods: i32,
    /// Number of pods that it may have, saturated.
    pub pods_max: i32,
    /// The node's kind: nodes with equal labels (but for the host name), taints and cordon share it.
    pub(crate) profile: u32,
    /// Changes with every change of the node's object.
    pub(crate) spec: u32,
}

/// The profile of a node that was removed.
pub(crate) const GONE: u32 = u32::MAX;

impl NodeRow {
    /// The row of a node whose kind does not matter.
    pub fn of(info: &NodeInfo) -> Self {
        let mut row = Self { profile: 0, ..Self::gone() };
        row.read(info);
        row
    }

    /// How much of a resource scoring takes the pods to use, and how much there is; `None` where the row does not tell.
    #[inline]
    pub fn assumed_of(&self, resource: &ResourceName) -> Option<(i64, i64)> {
        match resource {
            ResourceName::Cpu => Some((self.assumed_cpu_milli, self.allocatable_cpu_milli)),
            ResourceName::Memory => Some((self.assumed_memory_bytes, self.allocatable_memory_bytes)),
            _ => None,
        }
    }

    /// How much of a resource the pods request, and how much there is; `None` where the row does not tell.
    #[inline]
    pub fn requested_of(&self, resource: &ResourceName) -> Option<(i64, i64)> {
        match resource {
            ResourceName::Cpu => Some((self.requested_cpu_milli, self.allocatable_cpu_milli)),
            ResourceName::Memory => Some((self.requested_memory_bytes, self.allocatable_memory_bytes)),
            _ => None,
        }
    }

    /// The row of a node that is not there.
    pub(crate) fn gone() -> Self {
        Self {
            allocatable_cpu_milli: 0,
            allocatable_memory_bytes: 0,
            requested_cpu_milli: 0,
            requested_memory_bytes: 0,
            assumed_cpu_milli: 0,
            assumed_memory_bytes: 0,
            pods: 0,
            pods_max: 0,
            profile: GONE,
            spec: 0,
        }
    }

    pub(crate) fn is_gone(&self) -> bool {
        self.profile == GONE
    }

    /// Takes over the amounts.
    pub(crate) fn read(&mut self, info: &NodeInfo) {
        let all = &info.node.allocatable;
        self.allocatable_cpu_milli = all.cpu_milli;
        self.allocatable_memory_bytes = all.memory_bytes;
        self.requested_cpu_milli = info.requested.cpu_milli;
        self.requested_memory_bytes = info.requested.memory_bytes;
        self.assumed_cpu_milli = info.assumed.cpu_milli;
        self.assumed_memory_bytes = info.assumed.memory_bytes;
        self.pods = i32::try_from(info.requested.pods).unwrap_or(i32::MAX);
        self.pods_max = i32::try_from(all.pods).unwrap_or(if all.pods < 0 { i32::MIN } else { i32::MAX });
    }
}
