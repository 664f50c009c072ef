//! The search for devices that satisfy claims on a node.
//!
//! Requests are satisfied one after the other, each with the first devices that match, are free or have capacity left, are
//! tolerated, meet the constraints and leave counters enough; where a later request then finds none, the search goes
//! back. What is found is all or nothing. Source: KEP-4381, KEP-4815 (counters), KEP-4816 (alternatives), KEP-5055
//! (taints), KEP-5075 (devices that are shared).

mod pools;

use super::capacity::consumed;
use super::{
    Allocation, Amount, Amounts, Constraint, ConstraintRule, DeviceAmount, DeviceRequest, DeviceResult, ExactRequest,
    ResourceClaim,
};
use crate::inventory::Inventory;
use crate::model::{Effect, Node, NodeSelector, NodeSelectorTerm, Operator, Requirement};
use pools::Candidate;
pub(crate) use pools::KnownPools;
pub use pools::Pools;
use std::sync::Arc;

/// How many devices a claim may be given. Source: `AllocationResultsMaxSize`.
const RESULTS_MAX: usize = 32;
/// How many devices are tried before the search gives up: enough for any request that a person writes, and short enough not to
/// hold up all scheduling. Kubernetes gives up after ten seconds.
const STEPS_MAX: usize = 1_000_000;

/// Why a search failed, other than for want of devices.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AllocationError {
    /// A condition could not be evaluated.
    #[error("claim {claim}, request {request}: {reason}")]
    Selector {
        /// The claim.
        claim: Arc<str>,
        /// The request.
        request: Arc<str>,
        /// Why.
        reason: String,
    },
    /// A constraint is of a kind that is not known.
    #[error("claim {claim}, constraint #{index}: empty constraint (unsupported constraint type?)")]
    Constraint {
        /// The claim.
        claim: Arc<str>,
        /// Its number.
        index: usize,
    },
    /// There are too many ways to try.
    #[error("gave up the search for devices after {STEPS_MAX} steps")]
    TooLong,
}

/// Finds devices for all claims on a node; `None` when there are not enough.
///
/// # Errors
/// When a condition cannot be evaluated, a constraint is not known, or the search takes too long.
pub fn allocate(
    inventory: &Inventory,
    pools: &Pools,
    claims: &[Arc<ResourceClaim>],
    node: &Node,
) -> Result<Option<Vec<Allocation>>, AllocationError> {
    let mut search = Search::new(inventory, pools, claims, node)?;
    if !search.request(0, 0)? {
        return Ok(None);
    }
    Ok(Some((0..claims.len()).map(|claim| search.allocation(claim, node)).collect()))
}

/// Whether there are devices for all claims on a node: [`allocate`] without saying which.
///
/// # Errors
/// As [`allocate`].
pub(crate) fn can_allocate(
    inventory: &Inventory,
    pools: &Pools,
    claims: &[Arc<ResourceClaim>],
    node: &Node,
) -> Result<bool, AllocationError> {
    Search::new(inventory, pools, claims, node)?.request(0, 0)
}

/// A device given to a request.
struct Pick {
    claim: usize,
    request: Arc<str>,
    device: usize,
    admin_access: bool,
    /// What is taken of it, where others may share it.
    consumed: Option<Arc<Amounts>>,
}

/// A device that meets the conditions of a request.
struct Matching {
    device: usize,
    /// What would be taken of it, where others may share it.
    consumed: Option<Arc<Amounts>>,
}

struct Search<'a> {
    inventory: &'a Inventory,
    claims: &'a [Arc<ResourceClaim>],
    devices: Vec<Candidate<'a>>,
    picks: Vec<Pick>,
    steps: usize,
}

/// A request that is being satisfied.
struct Current<'s> {
    claim: usize,
    request: usize,
    exact: &'s ExactRequest,
    name: Arc<str>,
    matching: &'s [Matching],
    all: bool,
}

impl<'a> Search<'a> {
    fn new(
        inventory: &'a Inventory,
        pools: &'a Pools,
        claims: &'a [Arc<ResourceClaim>],
        node: &Node,
    ) -> Result<Self, AllocationError> {
        for claim in claims {
            if let Some(index) = claim.constraints.iter().position(|known| known.rule == ConstraintRule::Unknown) {
                return Err(AllocationError::Constraint { claim: claim.name.clone(), index });
            }
        }
        Ok(Self { inventory, claims, devices: pools.on_node(node), picks: Vec::new(), steps: 0 })
    }

    /// Satisfies a claim's requests from one on, then the later claims.
    fn request(&mut self, claim: usize, request: usize) -> Result<bool, AllocationError> {
        let claims = self.claims;
        let Some(wanted) = claims.get(claim) else { return Ok(true) };
        let Some(DeviceRequest { name, alternatives }) = wanted.requests.get(request) else {
            return self.request(claim + 1, 0);
        };
        for exact in alternatives {
            let full: Arc<str> =
                if exact.name.is_empty() { name.clone() } else { format!("{name}/{}", exact.name).into() };
            let matching = self.matching(wanted, &full, exact)?;
            let (count, all) = match exact.amount {
                DeviceAmount::Exactly(count) => (count, false),
                DeviceAmount::All => (matching.len(), true),
            };
            let given = self.picks.iter().filter(|pick| pick.claim == claim).count();
            if (all && count == 0) || count > matching.len() || given.saturating_add(count) > RESULTS_MAX {
                continue;
            }
            let current = Current { claim, request, exact, name: full, matching: &matching, all };
            if self.pick(&current, 0, count)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Gives a request `count` more devices out of its matching ones from one on.
    fn pick(&mut self, current: &Current<'_>, from: usize, count: usize) -> Result<bool, AllocationError> {
        if count == 0 {
            return self.request(current.claim, current.request + 1);
        }
        for (offset, matching) in current.matching.iter().enumerate().skip(from) {
            self.steps += 1;
            if self.steps > STEPS_MAX {
                return Err(AllocationError::TooLong);
            }
            if self.may_have(current, matching) {
                let (claim, admin_access) = (current.claim, current.exact.admin_access);
                let Matching { device, consumed } = matching;
                let (request, consumed) = (current.name.clone(), consumed.clone());
                self.picks.push(Pick { claim, request, device: *device, admin_access, consumed });
                if self.pick(current, offset + 1, count - 1)? {
                    return Ok(true);
                }
                self.picks.pop();
            }
            // All means all: one that cannot be had cannot be left out.
            if current.all {
                return Ok(false);
            }
        }
        Ok(false)
    }

    /// The devices that meet the conditions of a request and of its class, and have what it asks for, if not free.
    fn matching(
        &self,
        claim: &ResourceClaim,
        request: &Arc<str>,
        exact: &ExactRequest,
    ) -> Result<Vec<Matching>, AllocationError> {
        let Some(class) = self.inventory.device_classes.get("", &exact.class) else { return Ok(Vec::new()) };
        let mut matching = Vec::new();
        'devices: for (index, candidate) in self.devices.iter().enumerate() {
            for selector in class.selectors.iter().chain(&exact.selectors) {
                match selector.matches(&candidate.slice.driver, candidate.device) {
                    Ok(true) => {}
                    Ok(false) => continue 'devices,
                    Err(reason) => {
                        let (claim, request) = (claim.name.clone(), request.clone());
                        return Err(AllocationError::Selector { claim, request, reason });
                    }
                }
            }
            let (driver, shared) = (&candidate.slice.driver, candidate.device.shared);
            // What a device of one's own has is of no account, unless it is asked for.
            let taken = if shared || !exact.capacity.is_empty() {
                let Some(taken) = consumed(driver, candidate.device, &exact.capacity) else { continue };
                shared.then(|| Arc::new(taken))
            } else {
                None
            };
            matching.push(Matching { device: index, consumed: taken });
        }
        Ok(matching)
    }

    fn may_have(&self, current: &Current<'_>, matching: &Matching) -> bool {
        let device = matching.device;
        let candidate = &self.devices[device];
        let free = !candidate.taken()
            && match &matching.consumed {
                Some(consumed) => self.capacity_suffices(device, consumed),
                None => !candidate.in_use() && !self.is_picked(device),
            };
        // One request does not get one device twice, even to look at.
        let twice = self
            .picks
            .iter()
            .any(|pick| pick.device == device && pick.claim == current.claim && pick.request == current.name);
        (current.exact.admin_access || free)
            && !twice
            && candidate.device.taints.iter().all(|taint| {
                taint.effect == Effect::PreferNoSchedule
                    || current.exact.tolerations.iter().any(|toleration| toleration.tolerates(taint))
            })
            && self.claims[current.claim].constraints.iter().all(|constraint| self.agrees(constraint, current, device))
            && (current.exact.admin_access || self.counters_suffice(device))
    }

    /// Whether a device is given to a request already, other than to look at.
    fn is_picked(&self, device: usize) -> bool {
        self.picks.iter().any(|pick| pick.device == device && !pick.admin_access)
    }

    /// Whether a device that is shared has so much left, beside what is in use and what is picked.
    fn capacity_suffices(&self, device: usize, consumed: &Amounts) -> bool {
        let candidate = &self.devices[device];
        let picked = |name: &str| {
            let picks = self.picks.iter().filter(|pick| pick.device == device && !pick.admin_access);
            let amounts = picks.filter_map(|pick| pick.consumed.as_ref()?.get(name).copied());
            amounts.fold(Amount::ZERO, Amount::plus)
        };
        consumed.iter().all(|(name, amount)| {
            let used = candidate.consumed(name).plus(picked(name));
            candidate.device.capacity.get(name).is_some_and(|capacity| used.plus(*amount) <= capacity.value)
        })
    }

    /// Whether a device meets a constraint beside those given under it so far.
    fn agrees(&self, constraint: &Constraint, current: &Current<'_>, device: usize) -> bool {
        if !constraint.covers(&current.name) {
            return true;
        }
        let (attribute, same) = match &constraint.rule {
            ConstraintRule::Match(attribute) => (attribute, true),
            ConstraintRule::Distinct(attribute) => (attribute, false),
            ConstraintRule::Unknown => return false,
        };
        let value = |device: usize| self.devices[device].device.attributes.get(&**attribute);
        let Some(wanted) = value(device) else { return false };
        self.picks
            .iter()
            .filter(|pick| pick.claim == current.claim && constraint.covers(&pick.request))
            .all(|pick| (value(pick.device) == Some(wanted)) == same)
    }

    /// Whether the counters of its pool suffice for a device, beside those in use and those picked.
    fn counters_suffice(&self, device: usize) -> bool {
        let candidate = &self.devices[device];
        // What is shared takes of counters once.
        if candidate.in_use() || self.is_picked(device) {
            return true;
        }
        let same_pool = |other: &Candidate<'_>| {
            other.slice.driver == candidate.slice.driver && other.slice.pool == candidate.slice.pool
        };
        candidate.device.consumes.iter().all(|(set, counter, amount)| {
            let taken = |other: &Candidate<'_>| -> i64 {
                let same = other.device.consumes.iter().filter(|(s, c, _)| s == set && c == counter);
                same.map(|(_, _, amount)| *amount).sum()
            };
            let used: i64 = self
                .devices
                .iter()
                .enumerate()
                .filter(|(index, other)| same_pool(other) && (other.in_use() || self.is_picked(*index)))
                .map(|(_, other)| taken(other))
                .sum();
            candidate.counter(set, counter).is_some_and(|total| used.saturating_add(*amount) <= total)
        })
    }

    fn allocation(&self, claim: usize, node: &Node) -> Allocation {
        let picks = || self.picks.iter().filter(|pick| pick.claim == claim);
        let results = picks().map(|pick| {
            let candidate = &self.devices[pick.device];
            DeviceResult {
                request: pick.request.clone(),
                driver: candidate.slice.driver.clone(),
                pool: candidate.slice.pool.clone(),
                device: candidate.device.name.clone(),
                admin_access: pick.admin_access,
                consumed: pick.consumed.as_deref().cloned(),
            }
        });
        Allocation { results: results.collect(), nodes: nodes(picks().map(|pick| &self.devices[pick.device]), node) }
    }
}

impl Constraint {
    /// A constraint on a request holds for each of its alternatives.
    fn covers(&self, request: &str) -> bool {
        self.requests.is_empty()
            || self.requests.iter().any(|name| **name == *request || request.split('/').next() == Some(name))
    }
}

/// The nodes that can reach all of the devices: this node where one is its own.
fn nodes<'a>(devices: impl Iterator<Item = &'a Candidate<'a>>, node: &Node) -> Option<NodeSelector> {
    let mut selected: Option<NodeSelector> = None;
    for candidate in devices {
        match candidate.scope() {
            super::NodeScope::Node(_) => {
                let name = Requirement::new("metadata.name", Operator::In, [&*node.name]);
                return Some(NodeSelector(vec![NodeSelectorTerm { labels: Vec::new(), names: vec![name] }]));
            }
            super::NodeScope::Selected(selector) => match &mut selected {
                None => selected = Some(selector.clone()),
                Some(both) if both == selector => {}
                Some(both) => *both = both.and(selector),
            },
            super::NodeScope::All | super::NodeScope::PerDevice => {}
        }
    }
    selected
}

#[cfg(test)]
mod tests;
