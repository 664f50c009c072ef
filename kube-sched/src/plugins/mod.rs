//! Kubernetes' default plugins, one file each.
//!
//! Every file has the same shape: the plugin, its state, its extension points, and the source of its rule. Reasons are
//! kube-scheduler's words.

mod default_preemption;
mod dynamic_resources;
mod gang_scheduling;
pub mod gpu;
mod image_locality;
pub(crate) mod inter_pod_affinity;
mod node_affinity;
mod node_name;
mod node_ports;
mod node_resources_balanced;
mod node_resources_fit;
mod node_unschedulable;
mod node_volume_limits;
pub(crate) mod pod_topology_spread;
mod priority_sort;
mod scheduling_gates;
mod taint_toleration;
mod volume_binding;
mod volume_restrictions;
mod volume_zone;

pub use default_preemption::DefaultPreemption;
#[cfg(feature = "driver")]
pub(crate) use default_preemption::waits_for_victims;
pub use dynamic_resources::DynamicResources;
pub use gang_scheduling::{Domain, Gang, GangError, GangScheduling, Member};
pub use image_locality::ImageLocality;
pub use inter_pod_affinity::InterPodAffinity;
pub use node_affinity::NodeAffinity;
pub use node_name::NodeName;
pub use node_ports::NodePorts;
pub use node_resources_balanced::NodeResourcesBalancedAllocation;
pub use node_resources_fit::{NodeResourcesFit, ScoringStrategy, ShapePoint};
pub use node_unschedulable::NodeUnschedulable;
pub use node_volume_limits::NodeVolumeLimits;
pub use pod_topology_spread::{DefaultConstraints, PodTopologySpread};
pub use priority_sort::PrioritySort;
pub use scheduling_gates::SchedulingGates;
pub use taint_toleration::TaintToleration;
pub use volume_binding::VolumeBinding;
pub use volume_restrictions::VolumeRestrictions;
pub use volume_zone::VolumeZone;

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
