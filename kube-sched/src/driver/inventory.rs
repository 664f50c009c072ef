//! Watches of what placements rest on besides nodes and pods, as updates of the engine's inventory.

use crate::framework::EventKind;
use crate::inventory::{Entry, Inventory, Table};
use crate::k8s;
use futures::stream::BoxStream;
use futures::{Stream, StreamExt};
use k8s_openapi::api::apps::v1::{ReplicaSet, StatefulSet};
use k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeClaim, ReplicationController, Service};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::api::resource::v1::{DeviceClass, ResourceClaim, ResourceSlice};
use k8s_openapi::api::storage::v1::{CSIDriver, CSINode, CSIStorageCapacity, StorageClass, VolumeAttachment};
use kubekit_runtime::{Change, Informer, Informers, Reader, TypedObject};

/// A change of the inventory; gives what to tell the queue, if anything that scheduling sees has changed.
pub(super) type Update = Box<dyn FnOnce(&mut Inventory) -> Option<EventKind> + Send>;

/// The informers of the inventory's kinds.
#[derive(Debug)]
pub(super) struct Watches {
    budgets: Informer<PodDisruptionBudget>,
    services: Informer<Service>,
    controllers: Informer<ReplicationController>,
    replica_sets: Informer<ReplicaSet>,
    stateful_sets: Informer<StatefulSet>,
    claims: Informer<PersistentVolumeClaim>,
    volumes: Informer<PersistentVolume>,
    classes: Informer<StorageClass>,
    csi_nodes: Informer<CSINode>,
    csi_drivers: Informer<CSIDriver>,
    capacities: Informer<CSIStorageCapacity>,
    attachments: Informer<VolumeAttachment>,
    resource_claims: Informer<ResourceClaim>,
    resource_slices: Informer<ResourceSlice>,
    device_classes: Informer<DeviceClass>,
}

impl Watches {
    pub(super) fn new(informers: &Informers) -> Self {
        Self {
            budgets: informers.informer(),
            services: informers.informer(),
            controllers: informers.informer(),
            replica_sets: informers.informer(),
            stateful_sets: informers.informer(),
            claims: informers.informer(),
            volumes: informers.informer(),
            classes: informers.informer(),
            csi_nodes: informers.informer(),
            csi_drivers: informers.informer(),
            capacities: informers.informer(),
            attachments: informers.informer(),
            resource_claims: informers.informer(),
            resource_slices: informers.informer(),
            device_classes: informers.informer(),
        }
    }

    /// What is known of claims.
    pub(super) fn claims(&self) -> Reader<PersistentVolumeClaim> {
        self.claims.reader()
    }

    /// What is known of claims on devices.
    pub(super) fn resource_claims(&self) -> Reader<ResourceClaim> {
        self.resource_claims.reader()
    }

    /// What is known of device classes.
    pub(super) fn device_classes(&self) -> Reader<DeviceClass> {
        self.device_classes.reader()
    }

    /// What is known of volumes.
    pub(super) fn volumes(&self) -> Reader<PersistentVolume> {
        self.volumes.reader()
    }

    /// Waits until every kind has been listed once.
    pub(super) async fn wait_synced(&self) {
        self.budgets.wait_synced().await;
        self.services.wait_synced().await;
        self.controllers.wait_synced().await;
        self.replica_sets.wait_synced().await;
        self.stateful_sets.wait_synced().await;
        self.claims.wait_synced().await;
        self.volumes.wait_synced().await;
        self.classes.wait_synced().await;
        self.csi_nodes.wait_synced().await;
        self.csi_drivers.wait_synced().await;
        self.capacities.wait_synced().await;
        self.attachments.wait_synced().await;
        self.resource_claims.wait_synced().await;
        self.resource_slices.wait_synced().await;
        self.device_classes.wait_synced().await;
    }

    /// The changes of every kind.
    pub(super) fn subscribe(&self) -> impl Stream<Item = Update> + use<> {
        // Budgets and workloads change where a pod is put, not whether there is a place for it.
        let quiet = None;
        let storage = Some(EventKind::Storage);
        let devices = Some(EventKind::Devices);
        futures::stream::select_all([
            updates(&self.budgets, |o| Some(k8s::budget(o)), |i| &mut i.budgets, quiet),
            updates(&self.services, |o| Some(k8s::service(o)), |i| &mut i.services, quiet),
            updates(&self.controllers, |o| Some(k8s::replication_controller(o)), |i| &mut i.workloads, quiet),
            updates(&self.replica_sets, |o| Some(k8s::replica_set(o)), |i| &mut i.workloads, quiet),
            updates(&self.stateful_sets, |o| Some(k8s::stateful_set(o)), |i| &mut i.workloads, quiet),
            updates(&self.claims, |o| Some(k8s::claim(o)), |i| &mut i.claims, storage),
            updates(&self.volumes, |o| Some(k8s::volume(o)), |i| &mut i.volumes, storage),
            updates(&self.classes, |o| Some(k8s::storage_class(o)), |i| &mut i.storage_classes, storage),
            updates(&self.csi_nodes, |o| Some(k8s::csi_node(o)), |i| &mut i.csi_nodes, storage),
            updates(&self.csi_drivers, |o| Some(k8s::csi_driver(o)), |i| &mut i.csi_drivers, storage),
            updates(&self.capacities, |o| Some(k8s::storage_capacity(o)), |i| &mut i.capacities, storage),
            updates(&self.attachments, k8s::volume_attachment, |i| &mut i.attachments, storage),
            updates(&self.resource_claims, |o| Some(k8s::resource_claim(o)), |i| &mut i.resource_claims, devices),
            updates(&self.resource_slices, |o| Some(k8s::resource_slice(o)), |i| &mut i.resource_slices, devices),
            updates(&self.device_classes, |o| Some(k8s::device_class(o)), |i| &mut i.device_classes, devices),
        ])
    }
}

/// The changes of one kind.
fn updates<K: TypedObject, T: Entry + PartialEq + Send + 'static>(
    informer: &Informer<K>,
    convert: fn(&K) -> Option<T>,
    table: fn(&mut Inventory) -> &mut Table<T>,
    event: Option<EventKind>,
) -> BoxStream<'static, Update> {
    let update = move |change: Change<K>| -> Update {
        Box::new(move |inventory| {
            let (object, gone) = match &change {
                Change::Applied { new, .. } => (convert(new)?, false),
                Change::Deleted(object) => (convert(object)?, true),
            };
            let table = table(inventory);
            if gone {
                table.remove(object.namespace(), &object.name())?;
            } else if table.get(object.namespace(), &object.name()).is_some_and(|known| **known == object) {
                return None;
            } else {
                table.set(object);
            }
            event
        })
    };
    informer.subscribe().map(update).boxed()
}
