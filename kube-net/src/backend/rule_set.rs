//! A rule set as data: chains with their rules, and maps or sets with their elements.

use std::collections::{BTreeMap, BTreeSet};

/// Rules, before they are text. What a chain's rules and a map's elements look like is the backend's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RuleSet {
    /// Rules by chain.
    pub chains: BTreeMap<String, Vec<String>>,
    /// Definitions of sets that belong to a chain's rules, by name.
    pub sets: BTreeMap<String, String>,
    /// Elements by map or set: key to value; the value is empty in a set.
    pub elements: BTreeMap<String, BTreeMap<String, String>>,
}

impl RuleSet {
    /// Adds a chain.
    pub fn chain(&mut self, name: impl Into<String>, rules: Vec<String>) {
        self.chains.insert(name.into(), rules);
    }

    /// Adds an element to a map or set.
    pub fn element(&mut self, map: &str, key: String, value: String) {
        self.elements.entry(map.to_owned()).or_default().insert(key, value);
    }

    /// Number of rules and elements.
    pub fn len(&self) -> usize {
        self.chains.values().map(Vec::len).sum::<usize>() + self.elements.values().map(BTreeMap::len).sum::<usize>()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.chains.is_empty() && self.elements.is_empty()
    }

    /// Chains that are new or different in `self`.
    pub(crate) fn changed_chains<'a>(&'a self, old: &'a Self) -> impl Iterator<Item = (&'a String, &'a Vec<String>)> {
        self.chains.iter().filter(|(name, rules)| old.chains.get(*name) != Some(*rules))
    }

    /// Chains of `self` that `new` has no more.
    pub(crate) fn gone_chains<'a>(&'a self, new: &'a Self) -> impl Iterator<Item = &'a String> {
        self.chains.keys().filter(|name| !new.chains.contains_key(*name))
    }

    /// Elements of `self` that `other` has not, or with another value: map, key, value.
    pub(crate) fn elements_beyond<'a>(&'a self, other: &'a Self) -> BTreeSet<(&'a str, &'a str, &'a str)> {
        let mut found = BTreeSet::new();
        for (map, elements) in &self.elements {
            let there = other.elements.get(map);
            for (key, value) in elements {
                if there.and_then(|elements| elements.get(key)) != Some(value) {
                    found.insert((map.as_str(), key.as_str(), value.as_str()));
                }
            }
        }
        found
    }
}
