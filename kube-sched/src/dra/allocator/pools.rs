//! The newest edition of every pool of devices, and which devices are in use, whole or in shares.

use crate::dra::{Amount, Amounts, Device, DeviceResult, NodeScope, ResourceClaim, ResourceSlice};
use crate::inventory::Inventory;
use crate::model::Node;
use hashbrown::{Equivalent, HashMap};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// What tells a device from all others.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct DeviceId {
    driver: Arc<str>,
    pool: Arc<str>,
    device: Arc<str>,
}

/// The same, to look it up by.
#[derive(Hash)]
struct DeviceRef<'a> {
    driver: &'a str,
    pool: &'a str,
    device: &'a str,
}

impl Equivalent<DeviceId> for DeviceRef<'_> {
    fn equivalent(&self, id: &DeviceId) -> bool {
        *self.device == *id.device && *self.pool == *id.pool && *self.driver == *id.driver
    }
}

/// The slices of complete pools, and the devices that are in use.
#[derive(Clone, Debug, Default)]
pub struct Pools {
    published: Arc<Published>,
    /// The devices that are in use.
    in_use: Arc<HashMap<DeviceId, Use>>,
}

/// Who uses a device, and how much of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Use {
    /// How often it is somebody's alone.
    alone: u32,
    /// How often it is shared.
    shares: u32,
    /// What shares take of each capacity, and how many shares do.
    consumed: BTreeMap<String, (u32, Amount)>,
}

impl Use {
    fn add(&mut self, consumed: Option<&Amounts>) {
        let Some(consumed) = consumed else {
            self.alone += 1;
            return;
        };
        self.shares += 1;
        for (name, amount) in consumed {
            let (shares, total) = self.consumed.entry(name.clone()).or_default();
            (*shares, *total) = (*shares + 1, total.plus(*amount));
        }
    }

    fn remove(&mut self, consumed: Option<&Amounts>) {
        let Some(consumed) = consumed else {
            self.alone -= 1;
            return;
        };
        self.shares -= 1;
        for (name, amount) in consumed {
            if let Some((shares, total)) = self.consumed.get_mut(name) {
                (*shares, *total) = (*shares - 1, total.minus(*amount));
            }
        }
        self.consumed.retain(|_, (shares, _)| *shares > 0);
    }
}

/// What drivers have published.
#[derive(Debug, Default)]
struct Published {
    slices: Vec<Arc<ResourceSlice>>,
    /// Which of the slices are a node's own.
    of_node: HashMap<Arc<str>, Vec<usize>>,
    /// Which of the slices several nodes may reach.
    shared: Vec<usize>,
}

impl Pools {
    /// The pools of an inventory. A pool counts when every slice of its newest edition is there.
    pub fn new(inventory: &Inventory) -> Self {
        let mut pools = Self { published: Arc::new(Published::new(inventory)), in_use: Arc::default() };
        inventory.resource_claims.iter().for_each(|claim| pools.take(claim));
        pools
    }

    /// Counts the devices that a claim has.
    fn take(&mut self, claim: &ResourceClaim) {
        for (id, result) in devices(claim) {
            Arc::make_mut(&mut self.in_use).entry(id).or_default().add(result.consumed.as_ref());
        }
    }

    /// Gives back the devices that a claim had.
    fn give_back(&mut self, claim: &ResourceClaim) {
        for (id, result) in devices(claim) {
            let in_use = Arc::make_mut(&mut self.in_use);
            if let Some(used) = in_use.get_mut(&id) {
                used.remove(result.consumed.as_ref());
                if *used == Use::default() {
                    in_use.remove(&id);
                }
            }
        }
    }

    /// The devices that a node can reach, in the order of drivers, pools and slices.
    pub(super) fn on_node(&self, node: &Node) -> Vec<Candidate<'_>> {
        let Published { slices, of_node, shared } = &*self.published;
        let mut candidates = Vec::new();
        let own = of_node.get(&node.name).map_or(&[][..], Vec::as_slice);
        let mut reachable = [own, shared].concat();
        reachable.sort_unstable();
        for slice in reachable.into_iter().map(|index| &slices[index]) {
            candidates.reserve(slice.devices.len());
            for device in &slice.devices {
                let scope = device.scope.as_ref().filter(|_| slice.scope == NodeScope::PerDevice);
                if scope.unwrap_or(&slice.scope).contains(&node.labels, &node.name) {
                    let id = DeviceRef { driver: &slice.driver, pool: &slice.pool, device: &device.name };
                    candidates.push(Candidate { slice, device, used: self.in_use.get(&id), pools: self });
                }
            }
        }
        candidates
    }
}

/// The devices that a claim keeps from others.
fn devices(claim: &ResourceClaim) -> impl Iterator<Item = (DeviceId, &DeviceResult)> {
    let results = claim.allocation.iter().flat_map(|allocation| &allocation.results);
    results.filter(|result| !result.admin_access).map(|result| {
        let DeviceResult { driver, pool, device, .. } = result;
        (DeviceId { driver: driver.clone(), pool: pool.clone(), device: device.clone() }, result)
    })
}

/// The pools of an inventory as they were last asked for, which are brought up to date with what has changed since.
#[derive(Debug, Default)]
pub(crate) struct KnownPools(Mutex<Option<Known>>);

#[derive(Clone, Debug)]
struct Known {
    pools: Pools,
    /// The states of the tables that they were made of.
    slices: u64,
    claims: u64,
}

impl Clone for KnownPools {
    fn clone(&self) -> Self {
        Self(Mutex::new(self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()))
    }
}

impl KnownPools {
    /// The pools of an inventory, at the cost of what has changed.
    pub(crate) fn of(&self, inventory: &Inventory) -> Pools {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (slices, claims) = (inventory.resource_slices.state(), inventory.resource_claims.state());
        let pools = match known.take() {
            Some(known) if known.slices == slices => known.follow(inventory),
            _ => None,
        };
        let pools = pools.unwrap_or_else(|| Pools::new(inventory));
        *known = Some(Known { pools: pools.clone(), slices, claims });
        pools
    }
}

impl Known {
    fn follow(self, inventory: &Inventory) -> Option<Pools> {
        let Self { mut pools, claims, .. } = self;
        for (old, new) in inventory.resource_claims.since(claims)? {
            if let Some(old) = old {
                pools.give_back(old);
            }
            if let Some(new) = new {
                pools.take(new);
            }
        }
        Some(pools)
    }
}

impl Published {
    fn new(inventory: &Inventory) -> Self {
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
        let mut published = Self { slices, ..Self::default() };
        for (index, slice) in published.slices.iter().enumerate() {
            match &slice.scope {
                NodeScope::Node(node) => published.of_node.entry(node.clone()).or_default().push(index),
                _ => published.shared.push(index),
            }
        }
        published
    }
}

/// A device that a node can reach.
#[derive(Debug)]
pub(super) struct Candidate<'a> {
    pub(super) slice: &'a ResourceSlice,
    pub(super) device: &'a Arc<Device>,
    used: Option<&'a Use>,
    pools: &'a Pools,
}

impl Candidate<'_> {
    /// Whether anybody uses it.
    pub(super) fn in_use(&self) -> bool {
        self.used.is_some()
    }

    /// Whether it is somebody's alone.
    pub(super) fn taken(&self) -> bool {
        self.used.is_some_and(|used| used.alone > 0)
    }

    /// How much shares take of a capacity.
    pub(super) fn consumed(&self, name: &str) -> Amount {
        let consumed = self.used.and_then(|used| used.consumed.get(name));
        consumed.map_or(Amount::ZERO, |(_, amount)| *amount)
    }

    /// The nodes that can reach it.
    pub(super) fn scope(&self) -> &NodeScope {
        self.device.scope.as_ref().filter(|_| self.slice.scope == NodeScope::PerDevice).unwrap_or(&self.slice.scope)
    }

    /// How much there is of a counter of its pool.
    pub(super) fn counter(&self, set: &str, counter: &str) -> Option<i64> {
        let of_pool = |slice: &&Arc<ResourceSlice>| slice.driver == self.slice.driver && slice.pool == self.slice.pool;
        let mut sets = self.pools.published.slices.iter().filter(of_pool).flat_map(|slice| &slice.counters);
        sets.find(|found| found.name == set)?.counters.get(counter).copied()
    }
}

#[cfg(test)]
mod tests;
