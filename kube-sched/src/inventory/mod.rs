//! What decisions rest on besides nodes and pods: disruption budgets, services and workloads, pod groups, storage, devices.
//!
//! A [`crate::Cluster`] has one [`Inventory`]. Each kind is a [`Table`]; cloning shares all of them, and a change copies
//! only what it touches, so that a fork of a cluster costs nothing for it. Plugins that read a table have no say about pods
//! that do not refer to it.

mod budget;
mod change;
mod group;
mod service;
mod table;

pub use budget::DisruptionBudget;
pub use change::Change;
pub use group::PodGroup;
pub use service::{Owner, Service, Workload};
pub use table::{Entry, Table};

use crate::model::{Pod, Requirement, Selector};
use crate::{dra, storage};

/// What decisions rest on besides nodes and pods.
#[derive(Clone, Debug, Default)]
pub struct Inventory {
    /// PodDisruptionBudgets, which preemption respects where it can.
    pub budgets: Table<DisruptionBudget>,
    /// Services, whose pods are spread by default.
    pub services: Table<Service>,
    /// ReplicationControllers, ReplicaSets and StatefulSets, whose pods are spread by default.
    pub workloads: Table<Workload>,
    /// Groups of pods that are scheduled together.
    pub groups: Table<PodGroup>,
    /// PersistentVolumeClaims.
    pub claims: Table<storage::Claim>,
    /// PersistentVolumes.
    pub volumes: Table<storage::Volume>,
    /// StorageClasses.
    pub storage_classes: Table<storage::StorageClass>,
    /// CSINodes.
    pub csi_nodes: Table<storage::CsiNode>,
    /// CSIDrivers.
    pub csi_drivers: Table<storage::CsiDriver>,
    /// CSIStorageCapacities.
    pub capacities: Table<storage::Capacity>,
    /// VolumeAttachments, with their node in the place of a namespace.
    pub attachments: Table<storage::Attachment>,
    /// ResourceClaims.
    pub resource_claims: Table<dra::ResourceClaim>,
    /// ResourceSlices.
    pub resource_slices: Table<dra::ResourceSlice>,
    /// DeviceClasses.
    pub device_classes: Table<dra::DeviceClass>,
}

impl Inventory {
    /// Grows with every change of any table: what was computed from an inventory holds while this stays the same.
    pub fn generation(&self) -> u64 {
        self.budgets.changes()
            + self.services.changes()
            + self.workloads.changes()
            + self.groups.changes()
            + self.claims.changes()
            + self.volumes.changes()
            + self.storage_classes.changes()
            + self.csi_nodes.changes()
            + self.csi_drivers.changes()
            + self.capacities.changes()
            + self.attachments.changes()
            + self.resource_claims.changes()
            + self.resource_slices.changes()
            + self.device_classes.changes()
    }

    /// What selects pods like this one: the selectors of its services and of the workload that owns it, all at once; without
    /// requirements where it has neither. Source: `DefaultSelector` of kube-scheduler.
    pub fn default_selector(&self, pod: &Pod) -> Selector {
        let mut requirements: Vec<Requirement> = Vec::new();
        for service in self.services.in_namespace(&pod.namespace) {
            if let Selector::All(selected) = &service.selector
                && service.selector.matches(&pod.labels)
            {
                requirements.extend(selected.iter().filter(|r| !requirements.contains(r)).cloned().collect::<Vec<_>>());
            }
        }
        let workload = pod.owner.as_ref().and_then(|owner| self.workloads.get(&pod.namespace, &owner.key()));
        if let Some(Selector::All(selected)) = workload.map(|workload| &workload.selector) {
            requirements.extend(selected.iter().filter(|r| !requirements.contains(r)).cloned().collect::<Vec<_>>());
        }
        Selector::All(requirements)
    }
}

#[cfg(test)]
mod tests;
