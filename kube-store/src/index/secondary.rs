//! Indexes on single attributes: for each value of a configured name, the keys whose current version has it.
//!
//! They hold keys and not versions, so that a write that changes no indexed attribute, as most do, leaves them alone.

use super::tree::Tree;
use crate::{Entry, Operator, Selector};
use hashbrown::HashMap;
use std::sync::Arc;

/// All configured indexes.
#[derive(Debug, Default)]
pub(crate) struct Secondary(Vec<AttributeIndex>);

#[derive(Debug)]
struct AttributeIndex {
    name: Box<str>,
    by_value: HashMap<String, Tree<Arc<str>>>,
}

impl Secondary {
    /// Empty indexes on these names.
    pub(crate) fn new(names: &[String]) -> Self {
        Self(names.iter().map(|name| AttributeIndex { name: (**name).into(), by_value: HashMap::new() }).collect())
    }

    /// Follows the change of a key from `previous` to `entry`.
    pub(crate) fn update(&mut self, previous: Option<&Arc<Entry>>, entry: Option<&Arc<Entry>>) {
        if let (Some(previous), Some(entry)) = (previous, entry)
            && previous.attributes == entry.attributes
        {
            // One comparison of memory, where each index would search for its attribute in both.
            return;
        }
        for index in &mut self.0 {
            let before = previous.and_then(|e| e.attributes.get(&index.name));
            let after = entry.and_then(|e| e.attributes.get(&index.name));
            if before == after {
                continue;
            }
            if let (Some(value), Some(previous)) = (before, previous) {
                index.remove(value, &previous.key);
            }
            if let (Some(value), Some(entry)) = (after, entry) {
                index.by_value.entry_ref(value).or_default().insert(&entry.key, Arc::clone(&entry.key));
            }
        }
    }

    /// The keys among which everything is that matches `selector`; `None` where no index can tell.
    pub(crate) fn candidates(&self, selector: &Selector) -> Option<Tree<Arc<str>>> {
        selector.requirements.iter().find_map(|requirement| {
            let [value] = requirement.values.as_slice() else { return None };
            if requirement.operator != Operator::In {
                return None;
            }
            let index = self.0.iter().find(|index| *index.name == *requirement.name)?;
            Some(index.by_value.get(value.as_str()).cloned().unwrap_or_default())
        })
    }
}

impl AttributeIndex {
    fn remove(&mut self, value: &str, key: &str) {
        if let Some(tree) = self.by_value.get_mut(value) {
            tree.remove(key);
            if tree.is_empty() {
                self.by_value.remove(value);
            }
        }
    }
}
