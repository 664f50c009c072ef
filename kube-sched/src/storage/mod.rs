//! Volumes, as scheduling sees them: claims, volumes, classes, and what drivers say of nodes.

mod claim;
mod class;
mod csi;
mod pod_volume;
mod volume;

pub use claim::{AccessModes, Claim, ClaimRef};
pub use class::StorageClass;
pub use csi::{Attachment, Capacity, CsiDriver, CsiNode};
pub use pod_volume::{Disk, DiskKind, PodVolume};
pub use volume::{Source, Volume};
