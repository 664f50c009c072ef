//! Pods that are promised room on a node that was cleared for them.

use crate::model::Pod;
use hashbrown::HashMap;
use std::sync::Arc;

/// Promises, by node and by pod.
#[derive(Clone, Debug, Default)]
pub(crate) struct Nominations {
    by_node: HashMap<Arc<str>, Vec<Arc<Pod>>>,
    nodes: HashMap<Arc<str>, Arc<str>>,
}

impl Nominations {
    pub(crate) fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    pub(crate) fn add(&mut self, node: &Arc<str>, pod: Arc<Pod>) {
        self.nodes.insert(pod.uid.clone(), node.clone());
        self.by_node.entry(node.clone()).or_default().push(pod);
    }

    /// Takes a promise back; gives the node that it was for.
    pub(crate) fn remove(&mut self, uid: &str) -> Option<Arc<str>> {
        let node = self.nodes.remove(uid)?;
        if let Some(pods) = self.by_node.get_mut(&node) {
            pods.retain(|pod| &*pod.uid != uid);
            if pods.is_empty() {
                self.by_node.remove(&node);
            }
        }
        Some(node)
    }

    pub(crate) fn on(&self, node: &str) -> &[Arc<Pod>] {
        self.by_node.get(node).map_or(&[], Vec::as_slice)
    }

    pub(crate) fn node_of(&self, uid: &str) -> Option<&Arc<str>> {
        self.nodes.get(uid)
    }
}
