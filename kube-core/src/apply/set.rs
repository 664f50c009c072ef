//! Sets of field paths, and their form in managedFields (`fieldsV1`).

use serde_json::{Map, Value};

/// A set of paths, as a tree of path elements. Elements are kept in the form that `fieldsV1` writes: `f:spec`,
/// `k:{"name":"web"}`, `v:"a"`. No subtree is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Set {
    /// Whether the path that ends here is in the set.
    pub(super) here: bool,
    /// Sorted by element. A list, because most of them are short and every write of an object builds some fifty.
    below: Vec<(String, Set)>,
}

impl Set {
    pub(super) fn leaf() -> Self {
        Self { here: true, below: Vec::new() }
    }

    pub(super) fn is_empty(&self) -> bool {
        !self.here && self.below.is_empty()
    }

    /// The elements below, in order, each with what is below it.
    pub(super) fn below(&self) -> &[(String, Self)] {
        &self.below
    }

    /// Whether nothing is below.
    pub(super) fn is_leaf(&self) -> bool {
        self.below.is_empty()
    }

    fn position(&self, element: &str) -> Result<usize, usize> {
        self.below.binary_search_by(|(other, _)| other.as_str().cmp(element))
    }

    /// What is below an element.
    pub(super) fn get(&self, element: &str) -> Option<&Self> {
        self.position(element).ok().map(|at| &self.below[at].1)
    }

    /// Adds a subtree, unless nothing is in it. Returns whether there was one already.
    pub(super) fn put(&mut self, element: String, set: Self) -> bool {
        if set.is_empty() {
            return false;
        }
        // Elements mostly come in order.
        if self.below.last().is_none_or(|(last, _)| *last < element) {
            self.below.push((element, set));
            return false;
        }
        match self.position(&element) {
            Ok(at) => {
                self.below[at].1 = set;
                true
            }
            Err(at) => {
                self.below.insert(at, (element, set));
                false
            }
        }
    }

    /// The set of these subtrees, none of them empty and all of them different.
    pub(super) fn of(mut below: Vec<(String, Self)>) -> Self {
        below.sort_by(|(a, _), (b, _)| a.cmp(b));
        Self { here: false, below }
    }

    /// Adds the paths of `other`. Returns whether any was new.
    pub(super) fn union(&mut self, other: &Self) -> bool {
        let mut new = other.here && !self.here;
        self.here |= other.here;
        if other.below.is_empty() {
            return new;
        }
        let mut mine = std::mem::take(&mut self.below).into_iter().peekable();
        let mut below = Vec::with_capacity(mine.len() + other.below.len());
        for (element, set) in &other.below {
            below.extend(std::iter::from_fn(|| mine.next_if(|(before, _)| before < element)));
            match mine.next_if(|(same, _)| same == element) {
                Some((element, mut both)) => {
                    new |= both.union(set);
                    below.push((element, both));
                }
                None => {
                    below.push((element.clone(), set.clone()));
                    new = true;
                }
            }
        }
        below.extend(mine);
        self.below = below;
        new
    }

    /// Drops the paths that are in `other`.
    pub(super) fn subtract(&mut self, other: &Self) {
        self.here &= !other.here;
        self.below.retain_mut(|(element, mine)| {
            if let Some(theirs) = other.get(element) {
                mine.subtract(theirs);
            }
            !mine.is_empty()
        });
    }

    /// The paths that are in both.
    pub(super) fn intersection(&self, other: &Self) -> Self {
        let mut both = Self { here: self.here && other.here, below: Vec::new() };
        for (element, set) in &self.below {
            if let Some(theirs) = other.get(element) {
                both.put(element.clone(), set.intersection(theirs));
            }
        }
        both
    }

    /// Whether a set in its JSON form has a path of this one, without reading it.
    pub(super) fn meets(&self, fields: &Value) -> bool {
        let Some(map) = fields.as_object() else { return false };
        (self.here && holds_itself(map))
            || self.below.iter().any(|(element, set)| map.get(element).is_some_and(|fields| set.meets(fields)))
    }

    /// Drops a field with everything below it.
    pub(super) fn remove_field(&mut self, path: &[&str]) {
        let [first, rest @ ..] = path else { return };
        let Ok(at) = self.position(&super::form::name_element(first)) else { return };
        self.below[at].1.remove_field(rest);
        if rest.is_empty() || self.below[at].1.is_empty() {
            self.below.remove(at);
        }
    }

    /// Drops a field, but not what is below it.
    pub(super) fn unmark_field(&mut self, name: &str) {
        let Ok(at) = self.position(&super::form::name_element(name)) else { return };
        self.below[at].1.here = false;
        if self.below[at].1.is_empty() {
            self.below.remove(at);
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

    /// Whether a set in its JSON form has every path of this one, without reading it.
    pub(super) fn is_within(&self, fields: &Value) -> bool {
        let Some(map) = fields.as_object() else { return false };
        (!self.here || holds_itself(map))
            && self.below.iter().all(|(element, set)| map.get(element).is_some_and(|fields| set.is_within(fields)))
    }

    /// The JSON form.
    pub(super) fn into_fields(self) -> Value {
        let marked = self.here && !self.below.is_empty();
        let dot = marked.then(|| (".".to_owned(), Value::Object(Map::new())));
        let below = self.below.into_iter().map(|(element, set)| (element, set.into_fields()));
        Value::Object(dot.into_iter().chain(below).collect())
    }

    /// Reads the JSON form; the root itself is never a member. `None` where it is not one.
    pub(super) fn from_fields(fields: &Value) -> Option<Self> {
        let mut set = Self::read(fields)?;
        set.here = false;
        Some(set)
    }

    fn read(fields: &Value) -> Option<Self> {
        let map = fields.as_object()?;
        let mut set = Self { here: holds_itself(map), below: Vec::with_capacity(map.len()) };
        for (element, fields) in map.iter().filter(|(element, _)| *element != ".") {
            set.put(canonical(element)?, Self::read(fields)?);
        }
        Some(set)
    }
}

/// Whether the path that ends at these fields is in the set.
fn holds_itself(fields: &Map<String, Value>) -> bool {
    fields.is_empty() || fields.contains_key(".")
}

/// The element with its JSON written as this crate writes it, so that equal elements are equal texts.
fn canonical(element: &str) -> Option<String> {
    match element.split_at_checked(2)? {
        (kind @ ("k:" | "v:"), json) => Some(format!("{kind}{}", serde_json::from_str::<Value>(json).ok()?)),
        ("f:" | "i:", _) => Some(element.to_owned()),
        _ => None,
    }
}

/// The element as people read it: `.spec`, `[name="web"]`.
pub(super) fn readable(element: &str) -> String {
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
