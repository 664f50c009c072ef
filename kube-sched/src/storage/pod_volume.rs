//! What a pod's volumes refer to.

use std::sync::Arc;

/// A volume of a pod that bears on where it may run.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum PodVolume {
    /// A PersistentVolumeClaim of its namespace.
    Claim {
        /// The claim's name.
        name: Arc<str>,
        /// Whether the claim is the pod's own (a generic ephemeral volume, KEP-1698).
        ephemeral: bool,
    },
    /// A disk of a cloud or network that the pod names itself.
    Disk(Disk),
}

/// What a disk is a disk of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DiskKind {
    /// A GCE persistent disk, by name.
    Gce,
    /// An AWS elastic block store volume, by id.
    Aws,
    /// An iSCSI target, by qualified name.
    Iscsi,
    /// A Ceph block device, by pool and image, at these monitors.
    Rbd,
}

/// A disk that a pod names itself.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Disk {
    /// What it is a disk of.
    pub kind: DiskKind,
    /// What tells it from others of its kind.
    pub id: String,
    /// Ceph's monitors; empty for other kinds.
    pub monitors: Vec<String>,
    /// Whether the pod only reads it.
    pub read_only: bool,
}

impl Disk {
    /// Whether two pods of one node cannot use both. Source: `isVolumeConflict` of kube-scheduler.
    pub fn conflicts(&self, other: &Self) -> bool {
        let same = self.kind == other.kind
            && self.id == other.id
            && (self.kind != DiskKind::Rbd || self.monitors.iter().any(|monitor| other.monitors.contains(monitor)));
        // An EBS volume is attached to one instance, and mounted once there, even for reading.
        same && (self.kind == DiskKind::Aws || !(self.read_only && other.read_only))
    }
}
