//! A hash map that forks share piece by piece.

use hashbrown::hash_table::Entry as Place;
use hashbrown::{DefaultHashBuilder, HashTable};
use std::borrow::Borrow;
use std::fmt::Debug;
use std::hash::{BuildHasher, Hash};
use std::sync::Arc;

/// With more entries a piece on average, one more piece is made. Pieces have up to twice as many, which the tables' usual
/// size of 1024 places holds.
const ENTRIES_MEAN: usize = 384;

/// An entry knows its hash: keys lie all over the memory, and moving entries must not wait for it.
#[derive(Clone, Debug)]
struct Entry<K, V> {
    hash: u64,
    key: K,
    value: V,
}

/// One piece of a map.
type Piece<K, V> = Arc<HashTable<Entry<K, V>>>;

/// A map whose clone is cheap and whose writes copy, where a clone lives, a piece of a few hundred entries. It grows by
/// parting one piece at a time (linear hashing, Litwin 1980), so that no insertion waits for all entries to move.
#[derive(Clone, Debug)]
pub(crate) struct Shards<K, V> {
    pieces: Arc<Vec<Piece<K, V>>>,
    hasher: DefaultHashBuilder,
    len: usize,
}

impl<K, V> Default for Shards<K, V> {
    fn default() -> Self {
        Self { pieces: Arc::new(vec![Arc::default()]), hasher: DefaultHashBuilder::default(), len: 0 }
    }
}

/// The piece of a hash among so many. It is chosen by bits that the table inside makes no use of: that takes the low ones
/// and the seven highest.
fn piece(hash: u64, pieces: usize) -> usize {
    let mask = pieces.next_power_of_two() - 1;
    let number = (hash >> 24) as usize & mask;
    // Of pieces that are not there yet, entries are still in the one that will be parted.
    if number < pieces { number } else { number & (mask >> 1) }
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
        let table = &self.pieces[piece(hash, self.pieces.len())];
        table.find(hash, |other| other.hash == hash && other.key.borrow() == key).map(|entry| &entry.value)
    }

    /// Adds an entry, unless there is one under this key, which is then given back and stays.
    pub(crate) fn insert(&mut self, key: &K, value: &V) -> Option<V> {
        let hash = self.hasher.hash_one(key);
        let pieces = Arc::make_mut(&mut self.pieces);
        if self.len >= pieces.len() * ENTRIES_MEAN {
            part(pieces);
        }
        let number = piece(hash, pieces.len());
        let table = Arc::make_mut(&mut pieces[number]);
        match table.entry(hash, |other| other.hash == hash && other.key == *key, |entry| entry.hash) {
            Place::Occupied(entry) => Some(entry.get().value.clone()),
            Place::Vacant(entry) => {
                entry.insert(Entry { hash, key: key.clone(), value: value.clone() });
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
        let pieces = Arc::make_mut(&mut self.pieces);
        let number = piece(hash, pieces.len());
        let table = Arc::make_mut(&mut pieces[number]);
        let entry = table.find_entry(hash, |other| other.hash == hash && other.key.borrow() == key).ok()?;
        self.len -= 1;
        Some(entry.remove().0.value)
    }
}

/// Makes one more piece of what is its share of another.
fn part<K: Clone, V: Clone>(pieces: &mut Vec<Piece<K, V>>) {
    let number = pieces.len();
    let from = number - (1 << number.ilog2());
    let old = Arc::make_mut(&mut pieces[from]);
    let mut new = HashTable::with_capacity(old.len() / 2);
    for entry in old.extract_if(|entry| piece(entry.hash, number + 1) == number) {
        new.insert_unique(entry.hash, entry, |entry| entry.hash);
    }
    pieces.push(Arc::new(new));
}

#[cfg(test)]
mod tests;
