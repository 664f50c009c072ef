//! The objects of an informer and their indexes. Ordered, so that one seed gives one history.

use crate::change::Change;
use crate::object::{Object, ObjectKey};
use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::Arc;

#[derive(Debug)]
pub(crate) struct Cache<K> {
    objects: BTreeMap<ObjectKey, Arc<K>>,
    indexes: HashMap<&'static str, Index<K>>,
}

#[derive(Debug)]
struct Index<K> {
    values: fn(&K) -> Vec<String>,
    filed: HashMap<String, BTreeMap<ObjectKey, Arc<K>>>,
}

impl<K: Object> Index<K> {
    fn insert(&mut self, key: &ObjectKey, object: &Arc<K>) {
        for value in (self.values)(object) {
            self.filed.entry(value).or_default().insert(key.clone(), Arc::clone(object));
        }
    }

    /// Most changes of an object leave it where it is filed.
    fn replace(&mut self, key: &ObjectKey, old: &K, new: &Arc<K>) {
        let values = (self.values)(new);
        if values != (self.values)(old) {
            self.remove(key, old);
            return self.insert(key, new);
        }
        for value in values {
            if let Some(filed) = self.filed.get_mut(&value).and_then(|objects| objects.get_mut(key)) {
                filed.clone_from(new);
            }
        }
    }

    fn remove(&mut self, key: &ObjectKey, object: &K) {
        for value in (self.values)(object) {
            if let Some(objects) = self.filed.get_mut(&value) {
                objects.remove(key);
                if objects.is_empty() {
                    self.filed.remove(&value);
                }
            }
        }
    }
}

impl<K: Object> Cache<K> {
    pub(crate) fn new() -> Self {
        Self { objects: BTreeMap::new(), indexes: HashMap::new() }
    }

    pub(crate) fn get(&self, key: &ObjectKey) -> Option<Arc<K>> {
        self.objects.get(key).cloned()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<K>> {
        self.objects.values()
    }

    pub(crate) fn len(&self) -> usize {
        self.objects.len()
    }

    pub(crate) fn in_namespace(&self, namespace: &str) -> Vec<Arc<K>> {
        let first = ObjectKey::new(namespace, "");
        self.objects
            .range((Bound::Included(first), Bound::Unbounded))
            .take_while(|(key, _)| key.namespace == namespace)
            .map(|(_, object)| Arc::clone(object))
            .collect()
    }

    pub(crate) fn by_index(&self, index: &str, value: &str) -> Vec<Arc<K>> {
        let Some(index) = self.indexes.get(index) else { panic!("no index {index:?} was added to this informer") };
        index.filed.get(value).map(|objects| objects.values().cloned().collect()).unwrap_or_default()
    }

    pub(crate) fn add_index(&mut self, name: &'static str, values: fn(&K) -> Vec<String>) {
        if self.indexes.contains_key(name) {
            return;
        }
        let mut index = Index { values, filed: HashMap::new() };
        for (key, object) in &self.objects {
            index.insert(key, object);
        }
        self.indexes.insert(name, index);
    }

    /// An object was created or changed. Nothing happens if this very version is known. A new object of a known name is a
    /// deletion and a creation.
    pub(crate) fn apply(&mut self, new: Arc<K>, changed: &mut impl FnMut(Change<K>)) {
        let key = new.key();
        let old = self.objects.insert(key.clone(), Arc::clone(&new));
        if let Some(old) = &old
            && old.uid() == new.uid()
            && !new.resource_version().is_empty()
            && old.resource_version() == new.resource_version()
        {
            // Readers who compare pointers see that nothing changed.
            self.objects.insert(key, Arc::clone(old));
            return;
        }
        for index in self.indexes.values_mut() {
            match &old {
                Some(old) => index.replace(&key, old, &new),
                None => index.insert(&key, &new),
            }
        }
        match old {
            Some(old) if old.uid() != new.uid() => {
                changed(Change::Deleted(old));
                changed(Change::Applied { old: None, new });
            }
            old => changed(Change::Applied { old, new }),
        }
    }

    /// An object was deleted; `last` is its last state.
    pub(crate) fn delete(&mut self, last: K, changed: &mut impl FnMut(Change<K>)) {
        let key = last.key();
        if self.remove(&key).is_some() {
            changed(Change::Deleted(Arc::new(last)));
        }
    }

    /// These are all objects that there are.
    pub(crate) fn replace(&mut self, objects: Vec<Arc<K>>, changed: &mut impl FnMut(Change<K>)) {
        let present: std::collections::HashSet<ObjectKey> = objects.iter().map(|object| object.key()).collect();
        let gone: Vec<ObjectKey> = self.objects.keys().filter(|key| !present.contains(key)).cloned().collect();
        for key in gone {
            if let Some(object) = self.remove(&key) {
                changed(Change::Deleted(object));
            }
        }
        for object in objects {
            self.apply(object, changed);
        }
    }

    fn remove(&mut self, key: &ObjectKey) -> Option<Arc<K>> {
        let object = self.objects.remove(key)?;
        for index in self.indexes.values_mut() {
            index.remove(key, &object);
        }
        Some(object)
    }
}

#[cfg(test)]
mod tests;
