//! The newest edition of every pool of devices, and which devices are in use.

use crate::dra::{Device, NodeScope, ResourceSlice};
use crate::inventory::Inventory;
use crate::model::Node;
use hashbrown::{HashMap, HashSet};
use std::sync::Arc;

/// Driver, pool and device.
type DeviceId = (Arc<str>, Arc<str>, Arc<str>);

/// The slices of complete pools, and the devices that are in use.
#[derive(Clone, Debug, Default)]
pub struct Pools {
    slices: Vec<Arc<ResourceSlice>>,
    /// Which of the slices are a node's own.
    of_node: HashMap<Arc<str>, Vec<usize>>,
    /// Which of the slices several nodes may reach.
    shared: Vec<usize>,
    in_use: Arc<HashSet<DeviceId>>,
}

impl Pools {
    /// The pools of an inventory. A pool counts when every slice of its newest edition is there.
    pub fn new(inventory: &Inventory) -> Self {
        let mut newest: HashMap<(&str, &str), (i64, usize)> = HashMap::new();
        for slice in inventory.resource_slices.iter() {
            let (generation, count) = newest.entry((&slice.driver, &slice.pool)).or_insert((i64::MIN, 0));
            if slice.generation > *generation {
                (*generation, *count) = (slice.generation, 0);
            }
            *count += usize::from(slice.generation == *generation);
        }
        let complete = |slice: &&Arc<ResourceSlice>| {
            newest.get(&(&*slice.driver, &*slice.pool)) == Some(&(slice.generation, slice.slices_in_pool))
        };
        let mut slices: Vec<_> = inventory.resource_slices.iter().filter(complete).cloned().collect();
        slices.sort_by(|a, b| (&a.driver, &a.pool, &a.name).cmp(&(&b.driver, &b.pool, &b.name)));
        let results = inventory
            .resource_claims
            .iter()
            .filter_map(|claim| claim.allocation.as_ref())
            .flat_map(|allocation| &allocation.results)
            .filter(|result| !result.admin_access)
            .map(|result| (result.driver.clone(), result.pool.clone(), result.device.clone()));
        let mut pools = Self { in_use: Arc::new(results.collect()), ..Self::default() };
        for (index, slice) in slices.iter().enumerate() {
            match &slice.scope {
                NodeScope::Node(node) => pools.of_node.entry(node.clone()).or_default().push(index),
                _ => pools.shared.push(index),
            }
        }
        Self { slices, ..pools }
    }

    /// The devices that a node can reach, in the order of drivers, pools and slices.
    pub(super) fn on_node(&self, node: &Node) -> Vec<Candidate<'_>> {
        let mut candidates = Vec::new();
        let own = self.of_node.get(&node.name).map_or(&[][..], Vec::as_slice);
        let mut reachable = [own, &self.shared].concat();
        reachable.sort_unstable();
        for slice in reachable.into_iter().map(|index| &self.slices[index]) {
            for device in &slice.devices {
                let scope = device.scope.as_ref().filter(|_| slice.scope == NodeScope::PerDevice);
                if scope.unwrap_or(&slice.scope).contains(&node.labels, &node.name) {
                    let key = (slice.driver.clone(), slice.pool.clone(), device.name.clone());
                    candidates.push(Candidate { slice, device, in_use: self.in_use.contains(&key), pools: self });
                }
            }
        }
        candidates
    }
}

/// A device that a node can reach.
#[derive(Debug)]
pub(super) struct Candidate<'a> {
    pub(super) slice: &'a ResourceSlice,
    pub(super) device: &'a Arc<Device>,
    pub(super) in_use: bool,
    pools: &'a Pools,
}

impl Candidate<'_> {
    /// The nodes that can reach it.
    pub(super) fn scope(&self) -> &NodeScope {
        self.device.scope.as_ref().filter(|_| self.slice.scope == NodeScope::PerDevice).unwrap_or(&self.slice.scope)
    }

    /// How much there is of a counter of its pool.
    pub(super) fn counter(&self, set: &str, counter: &str) -> Option<i64> {
        let of_pool = |slice: &&Arc<ResourceSlice>| slice.driver == self.slice.driver && slice.pool == self.slice.pool;
        let mut sets = self.pools.slices.iter().filter(of_pool).flat_map(|slice| &slice.counters);
        sets.find(|found| found.name == set)?.counters.get(counter).copied()
    }
}
