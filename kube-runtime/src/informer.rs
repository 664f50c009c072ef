//! One kind in one scope, kept up to date by one watch, for any number of readers and subscribers.

mod cache;
mod shared;

pub(crate) use cache::Cache;
pub(crate) use shared::Shared;

use crate::change::Changes;
use crate::object::Object;
use crate::reader::Reader;
use std::fmt;
use std::sync::Arc;
use tokio_util::sync::DropGuard;

/// A shared cache of one kind in one scope. Clones share it; the watch ends when the last clone, [`Reader`] and
/// [`Changes`] of it are dropped.
pub struct Informer<K: Object> {
    handle: Arc<Handle<K>>,
}

/// What those who use an informer hold together; when it is dropped, the watch ends.
pub(crate) struct Handle<K: Object> {
    pub(crate) shared: Arc<Shared<K>>,
    _stop: DropGuard,
}

impl<K: Object> Handle<K> {
    pub(crate) fn new(shared: Arc<Shared<K>>, stop: DropGuard) -> Self {
        Self { shared, _stop: stop }
    }
}

impl<K: Object> Clone for Informer<K> {
    fn clone(&self) -> Self {
        Self { handle: Arc::clone(&self.handle) }
    }
}

impl<K: Object> fmt::Debug for Informer<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Informer")
            .field("resource", &self.handle.shared.resource.plural)
            .field("synced", &self.is_synced())
            .finish_non_exhaustive()
    }
}

impl<K: Object> Informer<K> {
    pub(crate) fn new(handle: Arc<Handle<K>>) -> Self {
        Self { handle }
    }

    /// Reads the cache.
    pub fn reader(&self) -> Reader<K> {
        Reader::new(Arc::clone(&self.handle))
    }

    /// Adds an index: `values` says under what an object is filed. A name that exists already keeps its function, so that
    /// those who share an informer can each ask for the same index.
    pub fn add_index(&self, name: &'static str, values: fn(&K) -> Vec<String>) {
        self.handle.shared.write(|cache| cache.add_index(name, values));
    }

    /// Every change from now on, after everything present.
    pub fn subscribe(&self) -> Changes<K> {
        Changes::new(self.handle.shared.subscribe(), Arc::clone(&self.handle))
    }

    /// Returns when the first list has arrived: `false` if the informer stopped before.
    pub async fn wait_synced(&self) -> bool {
        self.handle.shared.wait_synced().await
    }

    /// Whether the first list has arrived.
    pub fn is_synced(&self) -> bool {
        self.handle.shared.is_synced()
    }

    /// Why the last list or watch failed, while it fails: what to show when [`Informer::wait_synced`] takes long.
    pub fn failure(&self) -> Option<String> {
        self.handle.shared.failure()
    }
}
