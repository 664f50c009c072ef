//! Which nodes may be near the most volumes that a driver attaches to them.
//!
//! Few nodes are, so that whoever asks about limits need not look at the others: a node has at most as many volumes attached
//! as its pods have claims, and as attachments name it.

use crate::inventory::Table;
use crate::storage::CsiNode;
use hashbrown::HashMap;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

/// Claims by node, and the least limit of each driver.
#[derive(Clone, Debug, Default)]
pub(super) struct Volumes {
    /// The nodes whose pods have claims, by how many.
    nodes: Arc<BTreeSet<(usize, Arc<str>)>>,
    limits: Limits,
}

impl Volumes {
    /// Says how many claims the pods of a node have now.
    pub(super) fn set(&mut self, node: &Arc<str>, before: usize, now: usize) {
        if before == now {
            return;
        }
        let nodes = Arc::make_mut(&mut self.nodes);
        nodes.remove(&(before, node.clone()));
        if now > 0 {
            nodes.insert((now, node.clone()));
        }
    }

    /// The nodes whose pods have at least so many claims.
    pub(super) fn at_least(&self, claims: usize) -> impl Iterator<Item = &Arc<str>> {
        self.nodes.range((claims, Arc::from(""))..).map(|(_, node)| node)
    }

    /// The least number of volumes that a driver attaches to any node; `None` where it has no limit.
    pub(super) fn least_limit(&self, csi_nodes: &Table<CsiNode>, driver: &str) -> Option<i64> {
        self.limits.of(csi_nodes).get(driver).copied()
    }
}

/// The least limit of each driver, computed anew when what drivers say of nodes has changed.
#[derive(Debug, Default)]
struct Limits(Mutex<Option<(u64, LeastLimits)>>);

type LeastLimits = Arc<HashMap<Arc<str>, i64>>;

impl Clone for Limits {
    fn clone(&self) -> Self {
        Self(Mutex::new(self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()))
    }
}

impl Limits {
    fn of(&self, csi_nodes: &Table<CsiNode>) -> LeastLimits {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, limits)) = known.as_ref().filter(|(state, _)| *state == csi_nodes.state()) {
            return limits.clone();
        }
        let mut limits: HashMap<Arc<str>, i64> = HashMap::new();
        for (driver, limit) in csi_nodes.iter().flat_map(|node| &node.drivers) {
            if let Some(limit) = limit {
                limits.entry_ref(driver).and_modify(|least| *least = (*least).min(*limit)).or_insert(*limit);
            }
        }
        let limits = Arc::new(limits);
        *known = Some((csi_nodes.state(), limits.clone()));
        limits
    }
}

#[cfg(test)]
mod tests;
