//! Storage classes.

use crate::inventory::Entry;
use crate::model::NodeSelector;
use std::sync::{Arc, LazyLock};

/// The namespace of what has none.
pub(super) fn cluster_scope() -> &'static Arc<str> {
    static NONE: LazyLock<Arc<str>> = LazyLock::new(|| "".into());
    &NONE
}

/// A StorageClass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorageClass {
    /// Its name.
    pub name: Arc<str>,
    /// What provisions its volumes; `kubernetes.io/no-provisioner` does not.
    pub provisioner: Arc<str>,
    /// Whether binding waits until a pod needs the volume (`volumeBindingMode: WaitForFirstConsumer`).
    pub wait_for_first_consumer: bool,
    /// Where volumes can be provisioned; everywhere when empty.
    pub allowed_topologies: NodeSelector,
}

impl StorageClass {
    /// The provisioner of classes whose volumes are made by hand.
    pub const NO_PROVISIONER: &str = "kubernetes.io/no-provisioner";

    /// A class that waits for the first consumer.
    pub fn waiting(name: &str, provisioner: &str) -> Self {
        Self {
            name: name.into(),
            provisioner: provisioner.into(),
            wait_for_first_consumer: true,
            allowed_topologies: NodeSelector::default(),
        }
    }
}

impl Entry for StorageClass {
    fn namespace(&self) -> &Arc<str> {
        cluster_scope()
    }

    fn name(&self) -> Arc<str> {
        self.name.clone()
    }
}
