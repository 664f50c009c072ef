//! A table of objects by namespace and name, cheap to clone.

use std::collections::BTreeMap;
use std::sync::Arc;

/// What a [`Table`] can hold.
pub trait Entry: Clone {
    /// The namespace; empty for kinds without one.
    fn namespace(&self) -> &Arc<str>;

    /// The name, unique in the namespace.
    fn name(&self) -> Arc<str>;
}

type Rows<T> = BTreeMap<Arc<str>, Arc<T>>;

/// Objects by namespace and name, in that order. Cloning shares all rows; a change copies those of one namespace.
#[derive(Clone, Debug)]
pub struct Table<T> {
    namespaces: Arc<BTreeMap<Arc<str>, Arc<Rows<T>>>>,
    changes: u64,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { namespaces: Arc::default(), changes: 0 }
    }
}

impl<T: Entry> Table<T> {
    /// The object of this name; the namespace is empty for kinds without one.
    pub fn get(&self, namespace: &str, name: &str) -> Option<&Arc<T>> {
        self.namespaces.get(namespace)?.get(name)
    }

    /// All objects, in the order of namespaces and names.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<T>> {
        self.namespaces.values().flat_map(|rows| rows.values())
    }

    /// The objects of a namespace, in the order of names.
    pub fn in_namespace(&self, namespace: &str) -> impl Iterator<Item = &Arc<T>> {
        self.namespaces.get(namespace).into_iter().flat_map(|rows| rows.values())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.namespaces.is_empty()
    }

    /// Adds an object, or replaces the one of its name.
    pub fn set(&mut self, object: T) {
        self.changes += 1;
        let rows = Arc::make_mut(&mut self.namespaces).entry(object.namespace().clone()).or_default();
        Arc::make_mut(rows).insert(object.name(), Arc::new(object));
    }

    /// Removes an object; gives it back.
    pub fn remove(&mut self, namespace: &str, name: &str) -> Option<Arc<T>> {
        self.get(namespace, name)?;
        self.changes += 1;
        let namespaces = Arc::make_mut(&mut self.namespaces);
        let rows = namespaces.get_mut(namespace)?;
        let removed = Arc::make_mut(rows).remove(name);
        if rows.is_empty() {
            namespaces.remove(namespace);
        }
        removed
    }

    /// Changes an object in place; `false` when there is none.
    pub fn update(&mut self, namespace: &str, name: &str, change: impl FnOnce(&mut T)) -> bool {
        let Some(object) = self.get(namespace, name) else { return false };
        let mut object = T::clone(object);
        change(&mut object);
        self.set(object);
        true
    }

    /// Whether the other is this table or a copy of it, and neither has changed since. `false` may be said of equal ones.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.namespaces, &other.namespaces)
    }

    /// How often the table was changed.
    pub fn changes(&self) -> u64 {
        self.changes
    }
}
