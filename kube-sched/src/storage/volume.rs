//! Volumes that exist.

use super::{AccessModes, Claim, ClaimRef};
use crate::inventory::Entry;
use crate::model::{Labels, NodeSelector};
use std::sync::Arc;

/// What serves a volume.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Source {
    /// A CSI driver, with its handle of the volume. In-tree volumes of migrated kinds are given as their driver's.
    Csi {
        /// The driver.
        driver: Arc<str>,
        /// What tells the volume from the driver's others.
        handle: Arc<str>,
    },
    /// Anything else: NFS, local disks, host paths.
    #[default]
    Other,
}

/// A PersistentVolume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Volume {
    /// Its name.
    pub name: Arc<str>,
    /// Its labels, among them those of zone and region.
    pub labels: Labels,
    /// Its storage class; empty for none.
    pub class: Arc<str>,
    /// Its size in bytes.
    pub capacity_bytes: i64,
    /// How it may be used.
    pub access_modes: AccessModes,
    /// Whether it is a raw block device.
    pub block: bool,
    /// The nodes that can reach it; all when absent.
    pub node_affinity: Option<NodeSelector>,
    /// The claim that it is promised or bound to.
    pub claim: Option<ClaimRef>,
    /// Whether it may be bound (phase `Available` or `Pending` and not being deleted).
    pub available: bool,
    /// What serves it.
    pub source: Source,
    /// The volume attributes class; empty for none.
    pub attributes_class: Arc<str>,
}

impl Volume {
    /// An available volume of a class that any node can reach.
    pub fn new(name: &str, class: &str, capacity_bytes: i64) -> Self {
        Self {
            name: name.into(),
            labels: Labels::default(),
            class: class.into(),
            capacity_bytes,
            access_modes: AccessModes::ONCE,
            block: false,
            node_affinity: None,
            claim: None,
            available: true,
            source: Source::Other,
            attributes_class: "".into(),
        }
    }

    /// Whether nodes with these labels and this name can reach it.
    pub fn reachable(&self, labels: &Labels, node: &str) -> bool {
        self.node_affinity.as_ref().is_none_or(|affinity| affinity.matches(labels, node))
    }

    /// Whether it is promised to this claim.
    pub fn promised_to(&self, claim: &Claim) -> bool {
        self.claim.as_ref().is_some_and(|to| {
            to.namespace == claim.namespace
                && to.name == claim.name
                && to.uid.as_ref().is_none_or(|uid| *uid == claim.uid)
        })
    }
}

impl Entry for Volume {
    fn namespace(&self) -> &Arc<str> {
        super::class::cluster_scope()
    }

    fn name(&self) -> Arc<str> {
        self.name.clone()
    }
}
