//! Versions of objects that several informers hold are held once.
//!
//! The components of one process watch the same kinds under identities of their own: the controllers and the scheduler all
//! pods, every node agent its own. Each is told of a version by its own watch, and all but the first find that it is there.
//! A decoded pod is 8 KiB, so that this is most of what a control plane with simulated nodes holds.

use crate::object::{ApiResource, Object};
use parking_lot::Mutex;
use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Weak};

/// The newest versions of the objects of one API server that informers hold. Clones are the same; see
/// [`Client::with_interner`](crate::Client::with_interner).
#[derive(Clone, Default)]
pub struct Interner {
    /// An `Arc<Interned<K>>` each. One version of an object reads differently at each version of the API that serves it.
    kinds: Arc<Mutex<Kinds>>,
}

type Kinds = HashMap<(TypeId, ApiResource), Box<dyn Any + Send + Sync>>;

impl fmt::Debug for Interner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Interner").field("kinds", &self.kinds.lock().len()).finish()
    }
}

impl Interner {
    pub(crate) fn of<K: Object>(&self, resource: &ApiResource) -> Arc<Interned<K>> {
        let mut kinds = self.kinds.lock();
        let key = (TypeId::of::<K>(), resource.clone());
        let kind = kinds.entry(key).or_insert_with(|| Box::new(Arc::new(Interned::<K>::default())));
        Arc::clone(kind.downcast_ref().expect("the key names the type"))
    }
}

/// The versions of one type, as served at one place.
pub(crate) struct Interned<K>(Mutex<Versions<K>>);

struct Versions<K> {
    /// The newest that was seen of each object. One that nobody holds any more still takes the room of its outermost struct
    /// until it is replaced, forgotten or swept.
    by_uid: HashMap<Box<str>, Weak<K>>,
    /// How many make a sweep worthwhile.
    sweep_at: usize,
}

/// Fewer are not swept.
const SWEEP_MIN: usize = 64;

impl<K> Default for Interned<K> {
    fn default() -> Self {
        Self(Mutex::new(Versions { by_uid: HashMap::new(), sweep_at: SWEEP_MIN }))
    }
}

impl<K: Object> Interned<K> {
    /// This version as somebody holds it already, else this one.
    pub(crate) fn intern(&self, object: K) -> Arc<K> {
        if let Some(Held::Same(held)) = self.0.lock().held(&object) {
            return held;
        }
        // Without the lock, because it takes long.
        let object = Arc::new(slim(object));
        let mut versions = self.0.lock();
        match versions.held(&*object) {
            Some(Held::Same(held)) => held,
            // Who lags behind does not make the others' versions forgotten.
            Some(Held::Newer) => object,
            None => {
                versions.keep(&object);
                object
            }
        }
    }

    /// The object was deleted, or has left a selection: then others may go on with the version that they hold, which is
    /// shared with nobody else any more.
    pub(crate) fn forget(&self, uid: &str) {
        self.0.lock().by_uid.remove(uid);
    }
}

/// What is held of an object, if it is not an older version.
enum Held<K> {
    Same(Arc<K>),
    Newer,
}

impl<K: Object> Versions<K> {
    fn held(&self, object: &K) -> Option<Held<K>> {
        let held = self.by_uid.get(object.uid())?.upgrade()?;
        if held.resource_version() == object.resource_version() {
            return Some(Held::Same(held));
        }
        // KEP-5504: versions of one resource are numbers that can be compared.
        let number = |object: &K| object.resource_version().parse::<u64>().ok();
        (number(&held)? > number(object)?).then_some(Held::Newer)
    }

    fn keep(&mut self, object: &Arc<K>) {
        // What has no version has not come from a watch.
        if object.uid().is_empty() || object.resource_version().is_empty() {
            return;
        }
        if self.by_uid.len() >= self.sweep_at {
            self.by_uid.retain(|_, held| held.strong_count() > 0);
            self.sweep_at = (self.by_uid.len() * 2).max(SWEEP_MIN);
        }
        self.by_uid.insert(object.uid().into(), Arc::downgrade(object));
    }
}

/// Without what no reconciler reads, and in as little memory as it takes: decoding leaves lists of one or two with room for
/// four, which for a pod is more than the pod itself; a clone has no such room.
pub(crate) fn slim<K: Object>(mut object: K) -> K {
    object.meta_mut().managed_fields = None;
    object.clone()
}

#[cfg(test)]
mod tests;
