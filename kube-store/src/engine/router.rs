//! Finds the watchers that a change concerns, without asking those that it does not.
//!
//! Watchers are grouped by prefix. Within a group, a watcher whose selector names one value of one attribute waits
//! under that value; the others see every change of the group. The cost of a change is that of the prefixes which
//! match its key, and of the watchers found.

use super::watcher::Watcher;
use crate::index::history::Change;
use crate::{Operator, Revision, Selector};
use hashbrown::HashMap;
use std::collections::BTreeMap;
use std::sync::Arc;

/// All watchers that follow the present. Everything that is iterated over is ordered: one history, one order of wakes.
#[derive(Debug, Default)]
pub(crate) struct Router {
    groups: BTreeMap<Box<str>, Group>,
    progress: Watchers,
}

type Watchers = BTreeMap<u64, Arc<Watcher>>;

#[derive(Debug, Default)]
struct Group {
    every: Watchers,
    by_attribute: BTreeMap<Box<str>, HashMap<String, Watchers>>,
}

/// The requirement by which a watcher is found, if its selector has one that names one value.
fn route(selector: &Selector) -> Option<(&str, &str)> {
    selector.requirements.iter().find_map(|requirement| match requirement.values.as_slice() {
        [value] if requirement.operator == Operator::In => Some((&*requirement.name, &**value)),
        _ => None,
    })
}

impl Router {
    /// Adds a watcher.
    pub(crate) fn add(&mut self, watcher: &Arc<Watcher>) {
        let id = watcher.id;
        if watcher.progress {
            self.progress.insert(id, Arc::clone(watcher));
        }
        let group = match self.groups.get_mut(&*watcher.prefix) {
            Some(group) => group,
            None => self.groups.entry(watcher.prefix.clone()).or_default(),
        };
        let watchers = match route(&watcher.selector) {
            None => &mut group.every,
            Some((name, value)) => group.by_attribute.entry(name.into()).or_default().entry_ref(value).or_default(),
        };
        watchers.insert(id, Arc::clone(watcher));
    }

    /// Removes a watcher, and what was there for it alone.
    pub(crate) fn remove(&mut self, watcher: &Watcher) {
        self.progress.remove(&watcher.id);
        let Some(group) = self.groups.get_mut(&*watcher.prefix) else { return };
        match route(&watcher.selector) {
            None => {
                group.every.remove(&watcher.id);
            }
            Some((name, value)) => {
                if let Some(values) = group.by_attribute.get_mut(name) {
                    if let Some(watchers) = values.get_mut(value) {
                        watchers.remove(&watcher.id);
                        if watchers.is_empty() {
                            values.remove(value);
                        }
                    }
                    if values.is_empty() {
                        group.by_attribute.remove(name);
                    }
                }
            }
        }
        if group.every.is_empty() && group.by_attribute.is_empty() {
            self.groups.remove(&*watcher.prefix);
        }
    }

    /// Whether anybody wants to hear of progress.
    pub(crate) fn wants_progress(&self) -> bool {
        !self.progress.is_empty()
    }

    /// Tells those who want it that they have seen everything up to `revision`.
    pub(crate) fn progress(&self, revision: Revision) {
        for watcher in self.progress.values() {
            watcher.offer_progress(revision);
        }
    }

    /// Hands a change to every watcher that it concerns.
    pub(crate) fn dispatch(&self, change: &Change) {
        let key = &**change.key();
        let mut bound = key;
        // The prefixes of a key sort before it, longer ones later. The nearest group at or below `bound` either is a
        // prefix, or shares a shorter stem with the key, beyond which no prefix can be.
        while let Some((prefix, group)) =
            self.groups.range::<str, _>((std::ops::Bound::Unbounded, std::ops::Bound::Included(bound))).next_back()
        {
            let shared = shared_stem(prefix, key);
            if shared == prefix.len() {
                group.dispatch(change);
                let Some((last, _)) = key[..shared].char_indices().next_back() else { return };
                bound = &key[..last];
            } else {
                bound = &key[..shared];
            }
        }
    }

    /// Takes every watcher out.
    pub(crate) fn drain(&mut self) -> Vec<Arc<Watcher>> {
        self.progress.clear();
        let groups = std::mem::take(&mut self.groups);
        groups
            .into_values()
            .flat_map(|group| {
                let by_value = group.by_attribute.into_values().flat_map(HashMap::into_values);
                group.every.into_values().chain(by_value.flat_map(Watchers::into_values))
            })
            .collect()
    }
}

/// Bytes that two strings have in common at their start, cut back to whole characters.
fn shared_stem(a: &str, b: &str) -> usize {
    let mut shared = a.bytes().zip(b.bytes()).take_while(|(a, b)| a == b).count();
    while !b.is_char_boundary(shared) || !a.is_char_boundary(shared) {
        shared -= 1;
    }
    shared
}

impl Group {
    fn dispatch(&self, change: &Change) {
        for watcher in self.every.values() {
            watcher.offer(change);
        }
        for (name, values) in &self.by_attribute {
            let before = change.previous.as_ref().and_then(|entry| entry.attributes.get(name));
            let after = change.entry.as_ref().and_then(|entry| entry.attributes.get(name));
            let second = if before == after { None } else { before };
            for value in [after, second].into_iter().flatten() {
                for watcher in values.get(value).into_iter().flat_map(Watchers::values) {
                    watcher.offer(change);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
