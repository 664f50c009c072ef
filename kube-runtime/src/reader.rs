//! Reading an informer's cache.

use crate::informer::Handle;
use crate::object::{Object, ObjectKey};
use std::fmt;
use std::sync::Arc;

/// A view of an informer's cache, always the newest state that has arrived. Objects are shared: to change one, clone it.
/// They have no `managedFields`, which often are half of an object and which no reconciler reads; an update that leaves
/// them out keeps them.
pub struct Reader<K: Object> {
    informer: Arc<Handle<K>>,
}

impl<K: Object> Clone for Reader<K> {
    fn clone(&self) -> Self {
        Self { informer: Arc::clone(&self.informer) }
    }
}

impl<K: Object> fmt::Debug for Reader<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader").field("len", &self.len()).finish_non_exhaustive()
    }
}

impl<K: Object> Reader<K> {
    pub(crate) fn new(informer: Arc<Handle<K>>) -> Self {
        Self { informer }
    }

    /// One object.
    pub fn get(&self, key: &ObjectKey) -> Option<Arc<K>> {
        self.informer.shared.read(|cache| cache.get(key))
    }

    /// Every object, in the order of their keys.
    pub fn list(&self) -> Vec<Arc<K>> {
        self.informer.shared.read(|cache| cache.iter().cloned().collect())
    }

    /// Every object of a namespace, in the order of their names.
    pub fn in_namespace(&self, namespace: &str) -> Vec<Arc<K>> {
        self.informer.shared.read(|cache| cache.in_namespace(namespace))
    }

    /// Every object that the index of this name files under `value`, in the order of their keys.
    ///
    /// # Panics
    ///
    /// If no index of this name was added.
    pub fn by_index(&self, index: &str, value: &str) -> Vec<Arc<K>> {
        self.informer.shared.read(|cache| cache.by_index(index, value))
    }

    /// How many objects there are.
    pub fn len(&self) -> usize {
        self.informer.shared.read(crate::informer::Cache::len)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
