//! The state that decisions are made on: nodes, the pods on them, and what namespaces are labelled with.
//!
//! Everything that grows with the cluster lies in pieces that forks share until one of them writes: nodes in chunks in the
//! order of their names ([`table`]), locations of pods in pieces of a hash map ([`shards`]). The [`journal`] says which nodes
//! changed, so that indexes follow.

mod info;
mod journal;
mod kinds;
mod nominations;
mod shards;
mod table;
mod volumes;

use crate::dra::{KnownPools, Pools};
use crate::inventory::Inventory;
use crate::model::{Labels, Node, Pod};
use hashbrown::HashMap;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub use info::{NodeInfo, NodeRow};
pub(crate) use journal::{Journal, divergence};
pub(crate) use kinds::HOSTNAME;
use kinds::Profiles;
use nominations::Nominations;
use shards::Shards;
use table::unique;
pub(crate) use table::{CHUNK, NodeTable, Position};
use volumes::Volumes;

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
///
/// [`Cluster::fork`] makes a copy that shares what neither of both changes.
#[derive(Debug, Default)]
pub struct Cluster {
    table: NodeTable,
    journal: Journal,
    profiles: Profiles,
    /// Changes with every change of a node's object.
    specs: u64,
    /// Changes with every change of a namespace.
    context: u64,
    locations: Shards<Arc<str>, Arc<str>>,
    homeless: Arc<HashMap<Arc<str>, Vec<Arc<Pod>>>>,
    namespaces: Arc<BTreeMap<String, Labels>>,
    nodes_with_terms: Arc<BTreeSet<Arc<str>>>,
    image_nodes: Arc<HashMap<String, usize>>,
    nominations: Arc<Nominations>,
    inventory: Inventory,
    volumes: Volumes,
    pools: KnownPools,
    /// How many requirements of terms of bound pods look at a label, by key.
    term_keys: Arc<HashMap<String, usize>>,
    /// Changes when a key is added to them.
    term_version: u64,
}

impl Clone for Cluster {
    fn clone(&self) -> Self {
        self.fork()
    }
}

/// The fork could not be committed: the cluster changed since, or is not the one that was forked. The fork comes back.
#[derive(Debug, thiserror::Error)]
#[error("the cluster has changed since it was forked; fork it anew and repeat what was done on the fork")]
pub struct CommitError(pub Box<Cluster>);

impl Cluster {
    /// No nodes, no pods.
    pub fn new() -> Self {
        Self::default()
    }

    /// A copy to try things on: cheap, independent, and to be forked in turn. Drop it, or [`Cluster::commit`] it.
    ///
    /// ```
    /// use kubekit_sched::{Cluster, Node, Pod, Profile, Resources, Scheduler};
    ///
    /// // How many machines of this kind do these ten tasks need?
    /// let (cluster, scheduler) = (Cluster::new(), Scheduler::new(Profile::default(), 1));
    /// let machine = |i: usize| Node::new(&format!("new-{i}"), Resources::new(4_000, 8 << 30, 110));
    /// let task = |i: usize| Pod::new(&format!("task-{i}")).request(Resources::new(1_500, 1 << 30, 0));
    /// let enough = |machines: usize| {
    ///     let mut what_if = cluster.fork();
    ///     (0..machines).for_each(|i| what_if.add_node(machine(i)));
    ///     (0..10).all(|i| match scheduler.schedule(&what_if, &task(i)) {
    ///         Ok(placement) => what_if.add_pod(task(i).on(placement.node)).is_ok(),
    ///         Err(_) => false,
    ///     })
    /// };
    /// assert_eq!((1..).find(|machines| enough(*machines)), Some(5));
    /// ```
    pub fn fork(&self) -> Self {
        Self {
            table: self.table.clone(),
            journal: self.journal.fork(),
            profiles: self.profiles.clone(),
            specs: self.specs,
            context: self.context,
            locations: self.locations.clone(),
            homeless: self.homeless.clone(),
            namespaces: self.namespaces.clone(),
            nodes_with_terms: self.nodes_with_terms.clone(),
            image_nodes: self.image_nodes.clone(),
            nominations: self.nominations.clone(),
            inventory: self.inventory.clone(),
            volumes: self.volumes.clone(),
            pools: self.pools.clone(),
            term_keys: self.term_keys.clone(),
            term_version: self.term_version,
        }
    }

    /// Takes over what was done on a fork of this cluster.
    ///
    /// # Errors
    /// When nodes or pods of this cluster changed since the fork was made; it comes back unharmed, and nothing changes.
    pub fn commit(&mut self, fork: Self) -> Result<(), CommitError> {
        if !self.journal.is_parent_of(&fork.journal) {
            return Err(CommitError(Box::new(fork)));
        }
        let Self { journal, .. } = std::mem::take(self);
        *self = fork;
        let adopted = std::mem::replace(&mut self.journal, journal);
        self.journal.adopt(adopted);
        Ok(())
    }

    /// Number of nodes.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether there are no nodes.
    pub fn is_empty(&self) -> bool {
        self.table.len() == 0
    }

    /// A node with its pods.
    pub fn node(&self, name: &str) -> Option<&NodeInfo> {
        self.table.find(name).map(|position| &**self.table.info(position))
    }

    /// All nodes, in the order of their names.
    pub fn nodes(&self) -> impl Iterator<Item = &NodeInfo> {
        self.table.iter()
    }

    /// The nodes with pods that say something about other pods.
    pub fn nodes_with_pod_terms(&self) -> impl Iterator<Item = &NodeInfo> {
        self.nodes_with_terms.iter().filter_map(|name| self.node(name))
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
        self.journal.push(NOWHERE, self.table.len());
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
        self.specs = unique();
        if self.profiles.len() > PROFILES_MAX + 4 * self.len() {
            self.renumber();
        }
        let (profile, spec) = (self.profiles.number(&node), stamp());
        self.count_images(&node);
        if let Some(position) = self.table.find(&name) {
            let old = self.table.change(position, |info, row| {
                (row.profile, row.spec) = (profile, spec);
                info.replace_node(node)
            });
            self.journal.push(position, self.table.len());
            self.forget_images(&old);
            return;
        }
        let position = self.table.insert(NodeInfo::new(node), profile, spec);
        self.journal.push(position, self.table.len());
        if self.homeless.contains_key(&name) {
            for pod in Arc::make_mut(&mut self.homeless).remove(&name).unwrap_or_default() {
                self.place(position, &name, pod);
            }
        }
    }

    /// Removes a node. Its pods wait, out of sight, for a node of this name or for their own removal.
    pub fn remove_node(&mut self, name: &str) -> bool {
        let Some(position) = self.table.find(name) else { return false };
        self.specs = unique();
        let node = self.table.info(position).shared_node().clone();
        self.volumes.set(&node.name, self.table.info(position).claims(), 0);
        let pods = self.table.change(position, |info, _| info.take_pods());
        pods.iter().for_each(|pod| self.forget_terms(pod));
        self.table.remove(position);
        self.journal.push(position, self.table.len());
        self.forget_images(&node);
        if self.nodes_with_terms.contains(name) {
            Arc::make_mut(&mut self.nodes_with_terms).remove(name);
        }
        if !pods.is_empty() {
            Arc::make_mut(&mut self.homeless).insert(node.name.clone(), pods);
        }
        true
    }

    /// Adds a bound pod, or replaces what is known of it. A pod that is shared already is not copied.
    ///
    /// # Errors
    /// When it is not bound, its node does not exist, or it is on another node.
    pub fn add_pod(&mut self, pod: impl Into<Arc<Pod>>) -> Result<(), ClusterError> {
        self.put(pod.into(), false)
    }

    /// Adds a bound pod whose node may come later, or replaces what is known of it.
    ///
    /// # Errors
    /// When it is not bound, or is on another node.
    pub fn track_pod(&mut self, pod: impl Into<Arc<Pod>>) -> Result<(), ClusterError> {
        self.put(pod.into(), true)
    }

    fn put(&mut self, pod: Arc<Pod>, may_wait: bool) -> Result<(), ClusterError> {
        let Some(node) = pod.node.clone() else { return Err(ClusterError::NotBound { uid: pod.uid.clone() }) };
        let position = self.table.find(&node);
        if position.is_none() && !may_wait {
            return Err(ClusterError::NoNode { node });
        }
        if let Some(there) = self.locations.insert(&pod.uid, &node) {
            if there != node {
                return Err(ClusterError::Elsewhere { uid: pod.uid.clone(), node: there });
            }
            self.remove_pod(&pod.uid);
            self.locations.insert(&pod.uid, &node);
        }
        match position {
            Some(position) => self.place(position, &node, pod),
            None => {
                self.journal.push(NOWHERE, self.table.len());
                Arc::make_mut(&mut self.homeless).entry(node).or_default().push(pod);
            }
        }
        Ok(())
    }

    /// Removes a pod; gives back what was known of it.
    pub fn remove_pod(&mut self, uid: &str) -> Option<Arc<Pod>> {
        let node = self.locations.remove(uid)?;
        if let Some(position) = self.table.find(&node) {
            let before = self.table.info(position).claims();
            let (pod, has_terms) = self.table.change(position, |info, _| (info.remove(uid), info.has_pod_terms()));
            self.volumes.set(&node, before, self.table.info(position).claims());
            self.journal.push(position, self.table.len());
            if !has_terms && self.nodes_with_terms.contains(&node) {
                Arc::make_mut(&mut self.nodes_with_terms).remove(&node);
            }
            pod.iter().for_each(|pod| self.forget_terms(pod));
            return pod;
        }
        self.journal.push(NOWHERE, self.table.len());
        let homeless = Arc::make_mut(&mut self.homeless);
        let waiting = homeless.get_mut(&node)?;
        let index = waiting.iter().position(|pod| &*pod.uid == uid)?;
        let pod = waiting.swap_remove(index);
        if waiting.is_empty() {
            homeless.remove(&node);
        }
        Some(pod)
    }

    /// Promises a pod the room that preemption clears for it on its nominated node; replaces an earlier promise.
    pub fn nominate(&mut self, pod: Pod) {
        self.withdraw_nomination(&pod.uid);
        if let Some(node) = pod.nominated_node.clone() {
            Arc::make_mut(&mut self.nominations).add(&node, Arc::new(pod));
            self.touch(&node);
        }
    }

    /// Takes a promise back.
    pub fn withdraw_nomination(&mut self, uid: &str) {
        if self.nominations.node_of(uid).is_some()
            && let Some(node) = Arc::make_mut(&mut self.nominations).remove(uid)
        {
            self.touch(&node);
        }
    }

    /// The pods that are promised room on a node.
    pub fn nominated(&self, node: &str) -> &[Arc<Pod>] {
        self.nominations.on(node)
    }

    /// The node on which a pod is promised room.
    pub fn nominated_node(&self, uid: &str) -> Option<&str> {
        self.nominations.node_of(uid).map(|name| &**name)
    }

    /// Sets the labels of a namespace, which namespace selectors look at.
    pub fn set_namespace(&mut self, name: &str, labels: Labels) {
        self.context = unique();
        self.journal.push(NOWHERE, self.table.len());
        Arc::make_mut(&mut self.namespaces).insert(name.to_owned(), labels);
    }

    /// Forgets a namespace.
    pub fn remove_namespace(&mut self, name: &str) {
        self.context = unique();
        self.journal.push(NOWHERE, self.table.len());
        Arc::make_mut(&mut self.namespaces).remove(name);
    }

    /// Number of pods on nodes, those included that wait for their node to come.
    #[cfg(feature = "driver")]
    pub(crate) fn pods_len(&self) -> usize {
        self.locations.len()
    }

    pub(crate) fn table(&self) -> &NodeTable {
        &self.table
    }

    pub(crate) fn journal(&self) -> &Journal {
        &self.journal
    }

    /// Two numbers: the first changes with the objects of nodes, the second with namespaces.
    pub(crate) fn versions(&self) -> (u64, u64) {
        (self.specs, self.context)
    }

    /// The nodes whose pods have at least so many claims of volumes, at least one.
    pub(crate) fn nodes_with_claims(&self, claims: usize) -> impl Iterator<Item = &Arc<str>> {
        self.volumes.at_least(claims)
    }

    /// The least number of volumes that a driver attaches to any node; `None` where it has no limit.
    pub(crate) fn least_volume_limit(&self, driver: &str) -> Option<i64> {
        self.volumes.least_limit(&self.inventory.csi_nodes, driver)
    }

    /// The pools of devices, and which of them are in use.
    pub(crate) fn pools(&self) -> Pools {
        self.pools.of(&self.inventory)
    }

    /// Whether a pod is promised room anywhere.
    pub(crate) fn has_nominations(&self) -> bool {
        !self.nominations.is_empty()
    }

    fn place(&mut self, position: Position, node: &Arc<str>, pod: Arc<Pod>) {
        if pod.has_pod_terms() {
            if !self.nodes_with_terms.contains(node) {
                Arc::make_mut(&mut self.nodes_with_terms).insert(node.clone());
            }
            let keys = Arc::make_mut(&mut self.term_keys);
            for key in pod.term_keys() {
                let count = keys.entry_ref(key).or_insert(0);
                *count += 1;
                if *count == 1 {
                    self.term_version = unique();
                }
            }
        }
        let before = self.table.info(position).claims();
        self.table.change(position, |info, _| info.add(pod));
        self.volumes.set(node, before, self.table.info(position).claims());
        self.journal.push(position, self.table.len());
    }

    fn forget_terms(&mut self, pod: &Pod) {
        if !pod.has_pod_terms() {
            return;
        }
        let keys = Arc::make_mut(&mut self.term_keys);
        for key in pod.term_keys() {
            if let Some(count) = keys.get_mut(key) {
                *count -= 1;
                if *count == 0 {
                    keys.remove(key);
                }
            }
        }
    }

    /// The label keys that terms of bound pods look at, and a number that changes when there are more.
    pub(crate) fn term_keys(&self) -> (impl Iterator<Item = &String>, u64) {
        (self.term_keys.keys(), self.term_version)
    }

    /// Something else about a node changed.
    fn touch(&mut self, node: &str) {
        let position = self.table.find(node).unwrap_or(NOWHERE);
        self.journal.push(position, self.table.len());
    }

    /// Numbers profiles anew, so that those of nodes that are long gone take no room.
    fn renumber(&mut self) {
        self.profiles = Profiles::default();
        let nodes: Vec<Arc<Node>> = self.nodes().map(|info| info.shared_node().clone()).collect();
        for node in nodes {
            let (profile, spec) = (self.profiles.number(&node), stamp());
            let position = self.table.find(&node.name).expect("it was just seen");
            self.table.change(position, |_, row| (row.profile, row.spec) = (profile, spec));
        }
        self.table.forget_positions();
    }

    fn count_images(&mut self, node: &Node) {
        if !node.images.is_empty() {
            let counts = Arc::make_mut(&mut self.image_nodes);
            for (image, _) in &node.images {
                *counts.entry_ref(image.as_str()).or_insert(0) += 1;
            }
        }
    }

    fn forget_images(&mut self, node: &Node) {
        if node.images.is_empty() {
            return;
        }
        let counts = Arc::make_mut(&mut self.image_nodes);
        for (image, _) in &node.images {
            if let Some(count) = counts.get_mut(image) {
                *count -= 1;
                if *count == 0 {
                    counts.remove(image);
                }
            }
        }
    }
}

/// Stands in the journal for a change that concerns no node that is there.
const NOWHERE: Position = Position::MAX;

/// So many kinds of nodes, and four a node, are numbered before those that are gone are forgotten.
const PROFILES_MAX: usize = 65_536;

/// Tells one state of a node's object from the ones before.
#[expect(clippy::cast_possible_truncation, reason = "it is compared with stamps of the same node only")]
fn stamp() -> u32 {
    unique() as u32
}

#[cfg(test)]
mod tests;
