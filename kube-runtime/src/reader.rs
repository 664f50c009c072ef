//! Reading an informer's cache.

use crate::object::{Object, ObjectKey};
use std::sync::Arc;

/// A view of an informer's cache, always the newest state that has arrived. Objects are shared: to change one, clone it.
#[derive(Clone, Debug)]
pub struct Reader<K> {
    marker: std::marker::PhantomData<fn() -> K>,
}

impl<K: Object> Reader<K> {
    /// One object.
    pub fn get(&self, key: &ObjectKey) -> Option<Arc<K>> {
        todo!("{key}")
    }

    /// Every object, in the order of their keys.
    pub fn list(&self) -> Vec<Arc<K>> {
        todo!()
    }

    /// Every object of a namespace, in the order of their names.
    pub fn in_namespace(&self, namespace: &str) -> Vec<Arc<K>> {
        todo!("{namespace}")
    }

    /// Every object that the index of this name files under `value`, in the order of their keys.
    ///
    /// # Panics
    ///
    /// If no index of this name was added.
    pub fn by_index(&self, index: &str, value: &str) -> Vec<Arc<K>> {
        todo!("{index} {value}")
    }

    /// How many objects there are.
    pub fn len(&self) -> usize {
        todo!()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
