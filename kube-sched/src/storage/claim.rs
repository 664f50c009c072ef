//! Claims: a pod's demand for a volume.

use crate::inventory::Entry;
use crate::model::Selector;
use std::sync::Arc;

/// A set of access modes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[expect(clippy::struct_excessive_bools, reason = "a set of four, named as the API names them")]
pub struct AccessModes {
    /// `ReadWriteOnce`.
    pub read_write_once: bool,
    /// `ReadOnlyMany`.
    pub read_only_many: bool,
    /// `ReadWriteMany`.
    pub read_write_many: bool,
    /// `ReadWriteOncePod` (KEP-2485).
    pub read_write_once_pod: bool,
}

impl AccessModes {
    /// `ReadWriteOnce` alone.
    pub const ONCE: Self =
        Self { read_write_once: true, read_only_many: false, read_write_many: false, read_write_once_pod: false };
    /// `ReadWriteOncePod` alone.
    pub const ONCE_POD: Self =
        Self { read_write_once: false, read_only_many: false, read_write_many: false, read_write_once_pod: true };

    /// Whether every mode of `other` is in this set.
    pub fn contains(self, other: Self) -> bool {
        (self.read_write_once || !other.read_write_once)
            && (self.read_only_many || !other.read_only_many)
            && (self.read_write_many || !other.read_write_many)
            && (self.read_write_once_pod || !other.read_write_once_pod)
    }
}

/// The claim that a volume is promised to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ClaimRef {
    /// The claim's namespace.
    pub namespace: Arc<str>,
    /// The claim's name.
    pub name: Arc<str>,
    /// The claim's uid; `None` where the volume waits for whatever claim of that name comes.
    pub uid: Option<Arc<str>>,
}

/// A PersistentVolumeClaim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Its namespace.
    pub namespace: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
    /// Its uid.
    pub uid: Arc<str>,
    /// The uid of the pod that it was made for, if any.
    pub owner: Option<Arc<str>>,
    /// Its storage class; empty for none.
    pub class: Arc<str>,
    /// The volume that it is bound to, or asks for by name.
    pub volume: Option<Arc<str>>,
    /// Whether the binding is complete (the annotation `pv.kubernetes.io/bind-completed`).
    pub bound: bool,
    /// Whether the volume that it was bound to is gone (phase `Lost`).
    pub lost: bool,
    /// Whether it is being deleted.
    pub deleting: bool,
    /// How much it asks for, in bytes.
    pub request_bytes: i64,
    /// How it is used.
    pub access_modes: AccessModes,
    /// Whether it asks for a raw block device.
    pub block: bool,
    /// What volumes it may be bound to; everything when absent.
    pub selector: Option<Selector>,
    /// The node that a volume is provisioned for.
    pub selected_node: Option<Arc<str>>,
    /// The volume attributes class; empty for none.
    pub attributes_class: Arc<str>,
}

impl Claim {
    /// An unbound claim of a class for a file system that is used by one node at a time; its uid is its name.
    pub fn new(namespace: &str, name: &str, class: &str, request_bytes: i64) -> Self {
        Self {
            namespace: namespace.into(),
            name: name.into(),
            uid: name.into(),
            owner: None,
            class: class.into(),
            volume: None,
            bound: false,
            lost: false,
            deleting: false,
            request_bytes,
            access_modes: AccessModes::ONCE,
            block: false,
            selector: None,
            selected_node: None,
            attributes_class: "".into(),
        }
    }

    /// Bound to a volume.
    #[must_use]
    pub fn bound_to(mut self, volume: &str) -> Self {
        self.volume = Some(volume.into());
        self.bound = true;
        self
    }
}

impl Entry for Claim {
    fn namespace(&self) -> &Arc<str> {
        &self.namespace
    }

    fn name(&self) -> Arc<str> {
        self.name.clone()
    }
}
