//! A map that forgets what was used the longest ago.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

#[derive(Debug)]
pub(super) struct Lru<K, V> {
    entries: HashMap<K, (u64, V)>,
    by_use: BTreeMap<u64, K>,
    uses: u64,
    len_max: usize,
}

impl<K: Copy + Eq + Hash, V> Lru<K, V> {
    pub(super) fn new(len_max: usize) -> Self {
        Self { entries: HashMap::new(), by_use: BTreeMap::new(), uses: 0, len_max }
    }

    /// The value of `key`, made by `make` if there is none.
    pub(super) fn entry(&mut self, key: K, make: impl FnOnce() -> V) -> &mut V {
        self.uses += 1;
        let uses = self.uses;
        match self.entries.get(&key) {
            Some((used, _)) => drop(self.by_use.remove(used)),
            None if self.entries.len() >= self.len_max => {
                if let Some((_, oldest)) = self.by_use.pop_first() {
                    self.entries.remove(&oldest);
                }
            }
            None => {}
        }
        self.by_use.insert(uses, key);
        let entry = self.entries.entry(key).or_insert_with(|| (uses, make()));
        entry.0 = uses;
        &mut entry.1
    }
}

#[cfg(test)]
mod tests {
    //! What is forgotten.

    use super::*;

    #[test]
    fn the_least_recently_used_goes_first() {
        let mut lru = Lru::new(2);
        *lru.entry("a", || 0) = 1;
        *lru.entry("b", || 0) = 2;
        assert_eq!(*lru.entry("a", || 0), 1);
        *lru.entry("c", || 0) = 3;
        assert_eq!((*lru.entry("a", || 0), *lru.entry("c", || 0)), (1, 3));
        assert_eq!(*lru.entry("b", || 0), 0);
        assert_eq!((lru.entries.len(), lru.by_use.len()), (2, 2));
    }
}
