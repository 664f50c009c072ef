//! What CSI drivers say: where they run, how many volumes a node takes, how much can be provisioned where.

use super::class::cluster_scope;
use crate::inventory::Entry;
use crate::model::Selector;
use std::sync::Arc;

/// A CSINode: the drivers on a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CsiNode {
    /// The node's name.
    pub name: Arc<str>,
    /// Each driver with the number of volumes that it can attach to the node, if that is limited.
    pub drivers: Vec<(Arc<str>, Option<i64>)>,
}

/// A CSIDriver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CsiDriver {
    /// Its name.
    pub name: Arc<str>,
    /// Whether it publishes capacities, which scheduling then respects (KEP-1472).
    pub storage_capacity: bool,
}

/// A CSIStorageCapacity: how much of a class can be provisioned in a part of the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capacity {
    /// Its namespace.
    pub namespace: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
    /// The storage class.
    pub class: Arc<str>,
    /// The nodes that it speaks of; none when absent.
    pub topology: Selector,
    /// What is left, in bytes.
    pub capacity_bytes: Option<i64>,
    /// The largest volume, in bytes.
    pub maximum_volume_bytes: Option<i64>,
}

/// A VolumeAttachment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attachment {
    /// Its name.
    pub name: Arc<str>,
    /// The driver.
    pub attacher: Arc<str>,
    /// The node.
    pub node: Arc<str>,
    /// The PersistentVolume.
    pub volume: Arc<str>,
}

macro_rules! cluster_scoped {
    ($($kind:ty),*) => {$(
        impl Entry for $kind {
            fn namespace(&self) -> &Arc<str> {
                cluster_scope()
            }

            fn name(&self) -> Arc<str> {
                self.name.clone()
            }
        }
    )*};
}

cluster_scoped!(CsiNode, CsiDriver);

/// Attachments are kept by node, where they are looked for.
impl Entry for Attachment {
    fn namespace(&self) -> &Arc<str> {
        &self.node
    }

    fn name(&self) -> Arc<str> {
        self.name.clone()
    }
}

impl Entry for Capacity {
    fn namespace(&self) -> &Arc<str> {
        &self.namespace
    }

    fn name(&self) -> Arc<str> {
        self.name.clone()
    }
}
