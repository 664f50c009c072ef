//! Amounts by domain of one topology key: what nodes contribute, and the sum of each domain.

use crate::cluster::{Cluster, NodeInfo, Position};
use hashbrown::HashMap;
use std::sync::Arc;

/// Marks, in a domain's number, a node that lacks the key; it is then the number of the empty value.
const MISSING: u32 = 1 << 31;

#[derive(Clone, Copy, Debug, Default)]
struct Place {
    domain: u32,
    /// Whether the node's domain is one because of it.
    eligible: bool,
    amount: i64,
}

/// Amounts of one kind by domain.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) key: Arc<str>,
    numbers: HashMap<Arc<str>, u32>,
    places: Vec<Place>,
    sums: Vec<i64>,
    /// By domain, the number of eligible nodes.
    eligible: Vec<u32>,
    /// Number of domains whose sum is not 0.
    filled: usize,
}

impl Slot {
    /// A slot in which nobody contributes anything.
    pub(super) fn new(key: &str, cluster: &Cluster) -> Self {
        let mut slot = Self {
            key: key.into(),
            numbers: HashMap::new(),
            places: vec![Place { domain: MISSING, ..Place::default() }; cluster.table().positions()],
            sums: Vec::new(),
            eligible: Vec::new(),
            filled: 0,
        };
        slot.number("");
        slot
    }

    /// The same, with the domains of all nodes known.
    pub(super) fn with_domains(key: &str, cluster: &Cluster) -> Self {
        let mut slot = Self::new(key, cluster);
        for position in positions(cluster) {
            if cluster.table().row(position).is_some_and(|row| !row.is_gone()) {
                slot.set(position as usize, Some(cluster.table().info(position)), 0, false);
            }
        }
        slot
    }

    fn number(&mut self, value: &str) -> u32 {
        if let Some(number) = self.numbers.get(value) {
            return *number;
        }
        let number = u32::try_from(self.sums.len()).ok().filter(|number| *number < MISSING);
        let number = number.expect("there are fewer than 2^31 domains");
        self.numbers.insert(value.into(), number);
        self.sums.push(0);
        self.eligible.push(0);
        number
    }

    /// Says what a node contributes now, `None` when it is gone.
    pub(super) fn set(&mut self, position: usize, node: Option<&NodeInfo>, amount: i64, eligible: bool) {
        let value = node.and_then(|node| node.node().labels.get(&self.key));
        let domain = value.map_or(MISSING, |value| self.number(value));
        let old = std::mem::replace(&mut self.places[position], Place { domain, eligible, amount });
        if old.amount != 0 {
            self.add(old.domain, -old.amount);
        }
        if amount != 0 {
            self.add(domain, amount);
        }
        if old.eligible {
            self.eligible[(old.domain & !MISSING) as usize] -= 1;
        }
        if eligible {
            self.eligible[(domain & !MISSING) as usize] += 1;
        }
    }

    fn add(&mut self, domain: u32, amount: i64) {
        let sum = &mut self.sums[(domain & !MISSING) as usize];
        self.filled -= usize::from(*sum != 0);
        *sum = sum.saturating_add(amount);
        self.filled += usize::from(*sum != 0);
    }

    /// Roughly how much memory it takes, in bytes.
    pub(super) fn bytes(&self) -> usize {
        size_of_val(&self.places[..]) + size_of_val(&self.sums[..])
    }

    /// Whether all sums are 0.
    pub(super) fn is_empty(&self) -> bool {
        self.filled == 0
    }

    /// The sum of the domain that a node is in; `None` when it lacks the key.
    pub(super) fn sum(&self, position: usize) -> Option<i64> {
        let domain = self.places[position].domain;
        (domain & MISSING == 0).then(|| self.sums[domain as usize])
    }

    /// What the node itself contributes.
    pub(super) fn amount(&self, position: usize) -> i64 {
        self.places[position].amount
    }

    /// The number of the domain that a node is in, that of the empty value where it lacks the key; and how many there are.
    pub(super) fn domain(&self, position: usize) -> usize {
        (self.places[position].domain & !MISSING) as usize
    }

    /// The number of values seen.
    pub(super) fn domains(&self) -> usize {
        self.sums.len()
    }

    /// The number of eligible domains, and the least sum among them.
    pub(super) fn least(&self) -> (usize, i64) {
        let eligible = || self.eligible.iter().zip(&self.sums).filter(|(nodes, _)| **nodes > 0).map(|(_, sum)| *sum);
        (eligible().count(), eligible().min().unwrap_or(0))
    }
}

/// All positions, for those that look at each.
pub(super) fn positions(cluster: &Cluster) -> impl Iterator<Item = Position> {
    (0..cluster.table().positions()).map(|at| Position::try_from(at).expect("positions have 32 bits"))
}
