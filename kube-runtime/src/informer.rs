//! One kind in one scope, kept up to date by one watch, for any number of readers and subscribers.

use crate::change::Changes;
use crate::object::Object;
use crate::reader::Reader;

/// A shared cache of one kind in one scope. Clones share it; the watch ends when the last clone, [`Reader`] and
/// [`Changes`] of it are dropped.
#[derive(Clone, Debug)]
pub struct Informer<K> {
    marker: std::marker::PhantomData<fn() -> K>,
}

impl<K: Object> Informer<K> {
    /// Reads the cache.
    pub fn reader(&self) -> Reader<K> {
        todo!()
    }

    /// Adds an index: `values` says under what an object is filed. A name that exists already keeps its function, so that
    /// those who share an informer can each ask for the same index.
    pub fn add_index(&self, name: &'static str, values: fn(&K) -> Vec<String>) {
        let _ = values;
        todo!("{name}")
    }

    /// Every change from now on, after everything present.
    pub fn subscribe(&self) -> Changes<K> {
        todo!()
    }

    /// Returns when the first list has arrived: `false` if the informer stopped before.
    pub async fn wait_synced(&self) -> bool {
        todo!()
    }

    /// Whether the first list has arrived.
    pub fn is_synced(&self) -> bool {
        todo!()
    }

    /// Why the last list or watch failed, while it fails.
    pub fn failure(&self) -> Option<String> {
        todo!()
    }
}
