//! Sets of field paths, and their form in managedFields (`fieldsV1`).

use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// A set of paths, as a tree of path elements. Elements are kept in the form that `fieldsV1` writes: `f:spec`,
/// `k:{"name":"web"}`, `v:"a"`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Set {
    /// Whether the path that ends here is in the set.
    pub(super) here: bool,
    pub(super) below: BTreeMap<String, Set>,
}

impl Set {
    pub(super) fn leaf() -> Self {
        Self { here: true, below: BTreeMap::new() }
    }

    pub(super) fn is_empty(&self) -> bool {
        !self.here && self.below.values().all(Self::is_empty)
    }

    /// Adds a subtree, unless nothing is in it.
    pub(super) fn put(&mut self, element: String, set: Self) {
        if !set.is_empty() {
            self.below.insert(element, set);
        }
    }

    pub(super) fn union(&mut self, other: &Self) {
        self.here |= other.here;
        for (element, set) in &other.below {
            self.below.entry(element.clone()).or_default().union(set);
        }
    }

    /// Drops the paths that are in `other`.
    pub(super) fn subtract(&mut self, other: &Self) {
        self.here &= !other.here;
        for (element, set) in &other.below {
            if let Some(mine) = self.below.get_mut(element) {
                mine.subtract(set);
                if mine.is_empty() {
                    self.below.remove(element);
                }
            }
        }
    }

    /// The paths that are in both.
    pub(super) fn intersection(&self, other: &Self) -> Self {
        let mut both = Self { here: self.here && other.here, below: BTreeMap::new() };
        for (element, set) in &self.below {
            if let Some(theirs) = other.below.get(element) {
                both.put(element.clone(), set.intersection(theirs));
            }
        }
        both
    }

    /// Drops a field with everything below it.
    pub(super) fn remove_field(&mut self, path: &[&str]) {
        let [first, rest @ ..] = path else { return };
        let element = super::form::name_element(first);
        if rest.is_empty() {
            self.below.remove(&element);
        } else if let Some(below) = self.below.get_mut(&element) {
            below.remove_field(rest);
            if below.is_empty() {
                self.below.remove(&element);
            }
        }
    }

    /// Drops a field, but not what is below it.
    pub(super) fn unmark_field(&mut self, name: &str) {
        let element = super::form::name_element(name);
        if let Some(below) = self.below.get_mut(&element) {
            below.here = false;
            if below.is_empty() {
                self.below.remove(&element);
            }
        }
    }

    /// Every path as people read it: `.spec.containers[name="web"].image`.
    pub(super) fn paths(&self) -> Vec<String> {
        let mut paths = Vec::new();
        self.collect(&mut String::new(), &mut paths);
        paths
    }

    fn collect(&self, path: &mut String, into: &mut Vec<String>) {
        if self.here {
            into.push(path.clone());
        }
        for (element, set) in &self.below {
            let length = path.len();
            path.push_str(&readable(element));
            set.collect(path, into);
            path.truncate(length);
        }
    }

    /// The JSON form.
    pub(super) fn to_fields(&self) -> Value {
        let mut map = Map::new();
        if self.here && !self.below.is_empty() {
            map.insert(".".to_owned(), Value::Object(Map::new()));
        }
        for (element, set) in &self.below {
            map.insert(element.clone(), set.to_fields());
        }
        Value::Object(map)
    }

    /// Reads the JSON form; the root itself is never a member. `None` where it is not one.
    pub(super) fn from_fields(fields: &Value) -> Option<Self> {
        let mut set = Self::read(fields)?;
        set.here = false;
        Some(set)
    }

    fn read(fields: &Value) -> Option<Self> {
        let map = fields.as_object()?;
        let mut set = Self { here: map.is_empty() || map.contains_key("."), below: BTreeMap::new() };
        for (element, fields) in map.iter().filter(|(element, _)| *element != ".") {
            set.below.insert(canonical(element)?, Self::read(fields)?);
        }
        Some(set)
    }
}

/// The element with its JSON written as this crate writes it, so that equal elements are equal texts.
fn canonical(element: &str) -> Option<String> {
    match element.split_at_checked(2)? {
        (kind @ ("k:" | "v:"), json) => Some(format!("{kind}{}", serde_json::from_str::<Value>(json).ok()?)),
        ("f:" | "i:", _) => Some(element.to_owned()),
        _ => None,
    }
}

fn readable(element: &str) -> String {
    match element.split_at_checked(2) {
        Some(("f:", name)) => format!(".{name}"),
        Some(("v:", value)) => format!("[={value}]"),
        Some(("k:", keys)) => {
            let keys: Map<String, Value> = serde_json::from_str(keys).unwrap_or_default();
            let keys: Vec<String> = keys.iter().map(|(key, value)| format!("{key}={value}")).collect();
            format!("[{}]", keys.join(","))
        }
        Some(("i:", index)) => format!("[{index}]"),
        _ => element.to_owned(),
    }
}
