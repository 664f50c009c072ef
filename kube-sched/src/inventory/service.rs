//! Services and workloads: what says which pods are alike.

use super::Entry;
use crate::model::Selector;
use std::sync::Arc;

/// A Service with a selector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// Its namespace.
    pub namespace: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
    /// Its pods.
    pub selector: Selector,
}

impl Entry for Service {
    fn namespace(&self) -> &Arc<str> {
        &self.namespace
    }

    fn name(&self) -> Arc<str> {
        self.name.clone()
    }
}

/// The controller of a pod (`ownerReferences` with `controller: true`).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Owner {
    /// `ReplicaSet`, `StatefulSet`, `ReplicationController` or any other kind.
    pub kind: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
}

impl Owner {
    /// The name under which a [`Workload`] is found.
    pub fn key(&self) -> String {
        format!("{}/{}", self.kind, self.name)
    }
}

/// A ReplicationController, ReplicaSet or StatefulSet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workload {
    /// Its namespace.
    pub namespace: Arc<str>,
    /// Its kind and name.
    pub owner: Owner,
    /// Its pods.
    pub selector: Selector,
}

impl Entry for Workload {
    fn namespace(&self) -> &Arc<str> {
        &self.namespace
    }

    fn name(&self) -> Arc<str> {
        self.owner.key().into()
    }
}
