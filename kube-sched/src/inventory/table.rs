//! A table of objects by namespace and name, cheap to clone.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

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
    /// A number that no table with other objects has.
    state: u64,
    /// The last changes, oldest first.
    recent: Arc<VecDeque<Edit<T>>>,
}

/// One change: an object in the place of another.
#[derive(Clone, Debug)]
struct Edit<T> {
    /// The state before it.
    before: u64,
    old: Option<Arc<T>>,
    new: Option<Arc<T>>,
}

/// What was, and what is in its place.
type Changed<'a, T> = (Option<&'a Arc<T>>, Option<&'a Arc<T>>);

/// So many changes are remembered, for those who follow: a few turns of a scheduler's.
const RECENT_MAX: usize = 256;

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { namespaces: Arc::default(), changes: 0, state: 0, recent: Arc::default() }
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
        let object = Arc::new(object);
        let rows = Arc::make_mut(&mut self.namespaces).entry(object.namespace().clone()).or_default();
        let old = Arc::make_mut(rows).insert(object.name(), object.clone());
        self.note(old, Some(object));
    }

    /// Removes an object; gives it back.
    pub fn remove(&mut self, namespace: &str, name: &str) -> Option<Arc<T>> {
        self.get(namespace, name)?;
        let namespaces = Arc::make_mut(&mut self.namespaces);
        let rows = namespaces.get_mut(namespace)?;
        let removed = Arc::make_mut(rows).remove(name);
        if rows.is_empty() {
            namespaces.remove(namespace);
        }
        self.note(removed.clone(), None);
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

    fn note(&mut self, old: Option<Arc<T>>, new: Option<Arc<T>>) {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        self.changes += 1;
        let recent = Arc::make_mut(&mut self.recent);
        if recent.len() >= RECENT_MAX {
            recent.pop_front();
        }
        recent.push_back(Edit { before: self.state, old, new });
        self.state = NEXT.fetch_add(1, Ordering::Relaxed);
    }

    /// The namespaces that have objects, in order, and how many each has.
    pub(crate) fn namespaces(&self) -> impl Iterator<Item = (&Arc<str>, usize)> {
        self.namespaces.iter().map(|(namespace, rows)| (namespace, rows.len()))
    }

    /// A number that stands for the objects in the table: two tables that give the same have the same.
    pub(crate) fn state(&self) -> u64 {
        self.state
    }

    /// What has changed since the table was in a state, oldest first: what was, and what is in its place. `None` when that is
    /// no longer known.
    pub(crate) fn since(&self, state: u64) -> Option<impl Iterator<Item = Changed<'_, T>>> {
        let edits = self.recent.len();
        let from =
            if state == self.state { edits } else { self.recent.iter().rposition(|edit| edit.before == state)? };
        Some(self.recent.range(from..).map(|edit| (edit.old.as_ref(), edit.new.as_ref())))
    }

    /// How often the table was changed.
    pub fn changes(&self) -> u64 {
        self.changes
    }
}
