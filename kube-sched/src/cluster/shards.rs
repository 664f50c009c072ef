//! A hash map that forks share piece by piece.

use hashbrown::hash_table::Entry;
use hashbrown::{DefaultHashBuilder, HashTable};
use std::borrow::Borrow;
use std::fmt::Debug;
use std::hash::{BuildHasher, Hash};
use std::sync::Arc;

/// With more entries a piece, the map is cut into twice as many.
const ENTRIES_MAX: usize = 512;

/// One piece of a map.
type Piece<K, V> = Arc<HashTable<(K, V)>>;

/// A map whose clone is cheap and whose writes copy, where a clone lives, a piece of a few hundred entries.
#[derive(Clone, Debug)]
pub(crate) struct Shards<K, V> {
    shards: Arc<Vec<Piece<K, V>>>,
    hasher: DefaultHashBuilder,
    len: usize,
}

impl<K, V> Default for Shards<K, V> {
    fn default() -> Self {
        Self { shards: Arc::new(vec![Arc::default()]), hasher: DefaultHashBuilder::default(), len: 0 }
    }
}

/// The piece is chosen by bits that the table inside makes no use of: it takes the low ones and the seven highest.
fn shard(hash: u64, shards: usize) -> usize {
    (hash >> 24) as usize & (shards - 1)
}

impl<K, V> Shards<K, V> {
    #[cfg(feature = "driver")]
    pub(crate) fn len(&self) -> usize {
        self.len
    }
}

impl<K: Hash + Eq + Clone, V: Clone> Shards<K, V> {
    pub(crate) fn get<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        let hash = self.hasher.hash_one(key);
        let table = &self.shards[shard(hash, self.shards.len())];
        table.find(hash, |(other, _)| other.borrow() == key).map(|(_, value)| value)
    }

    /// Adds an entry, unless there is one under this key, which is then given back and stays.
    pub(crate) fn insert(&mut self, key: &K, value: &V) -> Option<V> {
        if self.len >= self.shards.len() * ENTRIES_MAX {
            self.grow();
        }
        let hash = self.hasher.hash_one(key);
        let shard = shard(hash, self.shards.len());
        let hasher = &self.hasher;
        let table = Arc::make_mut(&mut Arc::make_mut(&mut self.shards)[shard]);
        match table.entry(hash, |(other, _)| other == key, |(key, _)| hasher.hash_one(key)) {
            Entry::Occupied(entry) => Some(entry.get().1.clone()),
            Entry::Vacant(entry) => {
                entry.insert((key.clone(), value.clone()));
                self.len += 1;
                None
            }
        }
    }

    pub(crate) fn remove<Q: Hash + Eq + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        // A key that is absent must not make a copy.
        self.get(key)?;
        let hash = self.hasher.hash_one(key);
        let shard = shard(hash, self.shards.len());
        let table = Arc::make_mut(&mut Arc::make_mut(&mut self.shards)[shard]);
        let entry = table.find_entry(hash, |(other, _)| other.borrow() == key).ok()?;
        self.len -= 1;
        Some(entry.remove().0.1)
    }

    fn grow(&mut self) {
        let count = self.shards.len() * 2;
        let mut shards: Vec<HashTable<(K, V)>> = Vec::new();
        shards.resize_with(count, || HashTable::with_capacity(ENTRIES_MAX));
        for entry in self.shards.iter().flat_map(|table| table.iter()) {
            let hash = self.hasher.hash_one(&entry.0);
            shards[shard(hash, count)].insert_unique(hash, entry.clone(), |(key, _)| self.hasher.hash_one(key));
        }
        self.shards = Arc::new(shards.into_iter().map(Arc::new).collect());
    }
}

#[cfg(test)]
mod tests;
