//! A kind as a request names it, and as it is stored: where one kind is served in several versions, those differ.

use super::conversion;
use crate::keys;
use kubekit_core::catalog::{self, Resource};
use serde_json::Value;

/// A served kind and its storage form.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kind {
    /// In the version of the request.
    pub(crate) served: &'static Resource,
    /// In the version of storage.
    pub(crate) storage: &'static Resource,
}

impl Kind {
    /// The kind with this plural.
    pub(crate) fn find(group: &str, version: &str, plural: &str) -> Option<Self> {
        catalog::find(group, version, plural).map(Self::of)
    }

    /// The kind of a resource of the catalog.
    pub(crate) fn of(served: &'static Resource) -> Self {
        let (group, version) = served.storage;
        let storage = if (group, version) == (served.group, served.version) {
            served
        } else {
            catalog::find(group, version, served.plural).unwrap_or(served)
        };
        Self { served, storage }
    }

    /// The key of an object.
    pub(crate) fn key(&self, namespace: &str, name: &str) -> String {
        keys::object_key(self.storage.group, self.storage.plural, namespace, name)
    }

    /// The prefix of the objects of a namespace, or of all where it is empty.
    pub(crate) fn prefix(&self, namespace: &str) -> String {
        if namespace.is_empty() {
            keys::resource_prefix(self.storage.group, self.storage.plural)
        } else {
            keys::namespace_prefix(self.storage.group, self.storage.plural, namespace)
        }
    }

    /// The prefix of what a list or watch can select: where it names one object, that object's key, so that nothing else is
    /// looked at. (Keys that continue this one are left to the selector.)
    pub(crate) fn narrowest_prefix(&self, namespace: &str, name: &str) -> String {
        let one = !name.is_empty() && (!namespace.is_empty() || !self.served.is_namespaced());
        if one { self.key(namespace, name) } else { self.prefix(namespace) }
    }

    /// Whether the served form differs from the stored one.
    pub(crate) fn is_converted(&self) -> bool {
        !std::ptr::eq(self.served, self.storage)
    }

    /// The stored form as it is served.
    pub(crate) fn to_served(self, object: Value) -> Value {
        if self.is_converted() { conversion::convert(object, self.storage, self.served) } else { object }
    }

    /// The served form as it is stored.
    pub(crate) fn to_storage(self, object: Value) -> Value {
        if self.is_converted() { conversion::convert(object, self.served, self.storage) } else { object }
    }

    /// Whether this is the kind with this storage group and plural.
    pub(crate) fn is(&self, group: &str, plural: &str) -> bool {
        self.storage.group == group && self.storage.plural == plural
    }
}
