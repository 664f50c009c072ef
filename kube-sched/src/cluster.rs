//! The state that decisions are made on: nodes, the pods on them, and what namespaces are labelled with.

use crate::inventory::Inventory;
use crate::model::{HostPort, Labels, Node, Pod, Resources};
use hashbrown::HashMap;
use std::collections::{BTreeMap, BTreeSet};
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
    gpu_free: Vec<i64>,
}

impl NodeInfo {
    fn new(node: Arc<Node>) -> Self {
        Self {
            gpu_free: node.gpus.all_free(),
            node,
            pods: Vec::new(),
            requested: Resources::default(),
            assumed: Resources::default(),
            ports: Vec::new(),
            with_pod_terms: 0,
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

    pub(crate) fn add(&mut self, pod: Arc<Pod>) {
        self.requested.add(&pod.requests);
        self.requested.pods += 1;
        self.assumed.add(&pod.assumed);
        self.ports.extend(pod.host_ports.iter().cloned());
        self.with_pod_terms += usize::from(pod.has_pod_terms());
        self.settle_devices(&pod, -1);
        self.pods.push(pod);
    }

    pub(crate) fn remove(&mut self, uid: &str) -> Option<Arc<Pod>> {
        let index = self.pods.iter().position(|pod| &*pod.uid == uid)?;
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
        self.settle_devices(&pod, 1);
        Some(pod)
    }
}

/// Why the state could not be changed. Nothing was.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ClusterError {
    /// The pod names no node.
    #[error("pod {uid:?} is not bound to a node; only bound pods are part of the state")]
    NotBound {
        /// The pod.
        uid: Arc<str>,
    },
    /// A pod with this uid is already there, on another node.
    #[error("pod {uid:?} is already on node {node:?}; remove it first")]
    Elsewhere {
        /// The pod.
        uid: Arc<str>,
        /// Where it is.
        node: Arc<str>,
    },
    /// There is no such node.
    #[error("node {node:?} does not exist; add it first")]
    NoNode {
        /// The node.
        node: Arc<str>,
    },
}

/// Nodes and the pods on them. Iteration is in the order of node names, so that decisions repeat.
///
/// Pods may arrive before their node (an API server orders no watch against another): [`Cluster::add_pod`] then fails
/// with [`ClusterError::NoNode`], while [`Cluster::track_pod`] keeps them until the node comes.
#[derive(Clone, Debug, Default)]
pub struct Cluster {
    nodes: BTreeMap<Arc<str>, NodeInfo>,
    locations: HashMap<Arc<str>, Arc<str>>,
    homeless: HashMap<Arc<str>, Vec<Arc<Pod>>>,
    namespaces: BTreeMap<String, Labels>,
    nodes_with_terms: BTreeSet<Arc<str>>,
    image_nodes: HashMap<String, usize>,
    nominated: HashMap<Arc<str>, Vec<Arc<Pod>>>,
    inventory: Inventory,
}

impl Cluster {
    /// No nodes, no pods.
    pub fn new() -> Self {
        Self::default()
    }

    /// Number of nodes.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether there are no nodes.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// A node with its pods.
    pub fn node(&self, name: &str) -> Option<&NodeInfo> {
        self.nodes.get(name)
    }

    /// All nodes, in the order of their names.
    pub fn nodes(&self) -> impl Iterator<Item = &NodeInfo> {
        self.nodes.values()
    }

    /// The nodes with pods that say something about other pods.
    pub fn nodes_with_pod_terms(&self) -> impl Iterator<Item = &NodeInfo> {
        self.nodes_with_terms.iter().filter_map(|name| self.nodes.get(name))
    }

    /// On how many nodes an image is.
    pub fn nodes_with_image(&self, image: &str) -> usize {
        self.image_nodes.get(image).copied().unwrap_or(0)
    }

    /// Labels of namespaces, by name.
    pub fn namespaces(&self) -> &BTreeMap<String, Labels> {
        &self.namespaces
    }

    /// What decisions rest on besides nodes and pods.
    pub fn inventory(&self) -> &Inventory {
        &self.inventory
    }

    /// What decisions rest on besides nodes and pods, to change it.
    pub fn inventory_mut(&mut self) -> &mut Inventory {
        &mut self.inventory
    }

    /// The node that a pod is on.
    pub fn location(&self, uid: &str) -> Option<&str> {
        self.locations.get(uid).map(|name| &**name)
    }

    /// Adds a node, or replaces what is known of it; its pods stay.
    pub fn add_node(&mut self, node: Node) {
        let node = Arc::new(node);
        let name = node.name.clone();
        for (image, _) in &node.images {
            *self.image_nodes.entry_ref(image.as_str()).or_insert(0) += 1;
        }
        if let Some(info) = self.nodes.get_mut(&name) {
            let old = std::mem::replace(&mut info.node, node);
            if old.gpus != info.node.gpus {
                info.recount_devices();
            }
            self.forget_images(&old);
            return;
        }
        self.nodes.insert(name.clone(), NodeInfo::new(node));
        for pod in self.homeless.remove(&name).unwrap_or_default() {
            self.place(&name, pod);
        }
    }

    /// Removes a node. Its pods wait, out of sight, for a node of this name or for their own removal.
    pub fn remove_node(&mut self, name: &str) -> bool {
        let Some(info) = self.nodes.remove(name) else { return false };
        self.forget_images(&info.node);
        self.nodes_with_terms.remove(name);
        if !info.pods.is_empty() {
            self.homeless.insert(info.node.name.clone(), info.pods);
        }
        true
    }

    /// Adds a bound pod, or replaces what is known of it.
    ///
    /// # Errors
    /// When it is not bound, its node does not exist, or it is on another node.
    pub fn add_pod(&mut self, pod: Pod) -> Result<(), ClusterError> {
        match &pod.node {
            Some(node) if !self.nodes.contains_key(node) => Err(ClusterError::NoNode { node: node.clone() }),
            _ => self.track_pod(pod),
        }
    }

    /// Adds a bound pod whose node may come later, or replaces what is known of it.
    ///
    /// # Errors
    /// When it is not bound, or is on another node.
    pub fn track_pod(&mut self, pod: Pod) -> Result<(), ClusterError> {
        let Some(node) = pod.node.clone() else { return Err(ClusterError::NotBound { uid: pod.uid }) };
        if let Some(there) = self.locations.get(&pod.uid) {
            if *there != node {
                return Err(ClusterError::Elsewhere { uid: pod.uid, node: there.clone() });
            }
            self.remove_pod(&pod.uid);
        }
        let pod = Arc::new(pod);
        self.locations.insert(pod.uid.clone(), node.clone());
        if self.nodes.contains_key(&node) {
            self.place(&node, pod);
        } else {
            self.homeless.entry(node).or_default().push(pod);
        }
        Ok(())
    }

    /// Removes a pod; gives back what was known of it.
    pub fn remove_pod(&mut self, uid: &str) -> Option<Arc<Pod>> {
        let node = self.locations.remove(uid)?;
        if let Some(info) = self.nodes.get_mut(&node) {
            let pod = info.remove(uid);
            if !info.has_pod_terms() {
                self.nodes_with_terms.remove(&node);
            }
            return pod;
        }
        let waiting = self.homeless.get_mut(&node)?;
        let index = waiting.iter().position(|pod| &*pod.uid == uid)?;
        let pod = waiting.swap_remove(index);
        if waiting.is_empty() {
            self.homeless.remove(&node);
        }
        Some(pod)
    }

    /// Promises a pod the room that preemption clears for it on its nominated node; replaces an earlier promise.
    pub fn nominate(&mut self, pod: Pod) {
        self.withdraw_nomination(&pod.uid);
        if let Some(node) = pod.nominated_node.clone() {
            self.nominated.entry(node).or_default().push(Arc::new(pod));
        }
    }

    /// Takes a promise back.
    pub fn withdraw_nomination(&mut self, uid: &str) {
        self.nominated.retain(|_, pods| {
            pods.retain(|pod| &*pod.uid != uid);
            !pods.is_empty()
        });
    }

    /// The pods that are promised room on a node.
    pub fn nominated(&self, node: &str) -> &[Arc<Pod>] {
        self.nominated.get(node).map_or(&[], Vec::as_slice)
    }

    /// Sets the labels of a namespace, which namespace selectors look at.
    pub fn set_namespace(&mut self, name: &str, labels: Labels) {
        self.namespaces.insert(name.to_owned(), labels);
    }

    /// Forgets a namespace.
    pub fn remove_namespace(&mut self, name: &str) {
        self.namespaces.remove(name);
    }

    fn place(&mut self, node: &Arc<str>, pod: Arc<Pod>) {
        let info = self.nodes.get_mut(node).expect("callers have looked the node up");
        if pod.has_pod_terms() {
            self.nodes_with_terms.insert(node.clone());
        }
        info.add(pod);
    }

    fn forget_images(&mut self, node: &Node) {
        for (image, _) in &node.images {
            if let Some(count) = self.image_nodes.get_mut(image) {
                *count -= 1;
                if *count == 0 {
                    self.image_nodes.remove(image);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
