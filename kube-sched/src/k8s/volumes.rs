//! What a Pod's volumes refer to, and storage objects, as scheduling sees them.

use super::affinity::{node_selector, selector};
use super::labels;
use crate::inventory::Owner;
use crate::model::{NodeSelector, NodeSelectorTerm, Operator, Requirement};
use crate::storage::{
    AccessModes, Attachment, Capacity, Claim, ClaimRef, CsiDriver, CsiNode, Disk, DiskKind, PodVolume, Source,
    StorageClass, Volume,
};
use k8s_openapi::api::core::v1 as api;
use k8s_openapi::api::storage::v1 as storage;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use std::sync::Arc;

const BIND_COMPLETED: &str = "pv.kubernetes.io/bind-completed";
const SELECTED_NODE: &str = "volume.kubernetes.io/selected-node";
const CLASS: &str = "volume.beta.kubernetes.io/storage-class";

fn text(value: Option<&String>) -> Arc<str> {
    value.map_or("", String::as_str).into()
}

fn bytes(quantity: Option<&Quantity>) -> Option<i64> {
    quantity?.0.parse::<kubekit_core::quantity::Quantity>().ok().map(|quantity| quantity.value())
}

fn annotation<'a>(metadata: &'a ObjectMeta, key: &str) -> Option<&'a String> {
    metadata.annotations.as_ref()?.get(key)
}

/// What a Pod's volumes refer to.
pub(super) fn pod_volumes(object: &api::Pod) -> Vec<PodVolume> {
    let pod = object.metadata.name.as_deref().unwrap_or_default();
    let volumes = object.spec.iter().flat_map(|spec| spec.volumes.iter().flatten());
    volumes.filter_map(|volume| pod_volume(pod, volume)).collect()
}

fn pod_volume(pod: &str, volume: &api::Volume) -> Option<PodVolume> {
    let disk = |kind, id: String, read_only: Option<bool>| {
        PodVolume::Disk(Disk { kind, id, monitors: Vec::new(), read_only: read_only == Some(true) })
    };
    if let Some(claim) = &volume.persistent_volume_claim {
        return Some(PodVolume::Claim { name: claim.claim_name.as_str().into(), ephemeral: false });
    }
    if volume.ephemeral.is_some() {
        return Some(PodVolume::Claim { name: format!("{pod}-{}", volume.name).into(), ephemeral: true });
    }
    if let Some(gce) = &volume.gce_persistent_disk {
        return Some(disk(DiskKind::Gce, gce.pd_name.clone(), gce.read_only));
    }
    if let Some(aws) = &volume.aws_elastic_block_store {
        return Some(disk(DiskKind::Aws, aws.volume_id.clone(), aws.read_only));
    }
    if let Some(iscsi) = &volume.iscsi {
        return Some(disk(DiskKind::Iscsi, iscsi.iqn.clone(), iscsi.read_only));
    }
    let rbd = volume.rbd.as_ref()?;
    Some(PodVolume::Disk(Disk {
        kind: DiskKind::Rbd,
        id: format!("{}/{}", rbd.pool.as_deref().unwrap_or("rbd"), rbd.image),
        monitors: rbd.monitors.clone(),
        read_only: rbd.read_only == Some(true),
    }))
}

fn access_modes(modes: Option<&Vec<String>>) -> AccessModes {
    let has = |mode: &str| modes.is_some_and(|modes| modes.iter().any(|m| m == mode));
    AccessModes {
        read_write_once: has("ReadWriteOnce"),
        read_only_many: has("ReadOnlyMany"),
        read_write_many: has("ReadWriteMany"),
        read_write_once_pod: has("ReadWriteOncePod"),
    }
}

/// What scheduling sees of a PersistentVolumeClaim.
pub fn claim(object: &api::PersistentVolumeClaim) -> Claim {
    let metadata = &object.metadata;
    let spec = object.spec.as_ref();
    let requests = spec.and_then(|s| s.resources.as_ref()).and_then(|r| r.requests.as_ref());
    Claim {
        namespace: text(metadata.namespace.as_ref()),
        name: text(metadata.name.as_ref()),
        uid: text(metadata.uid.as_ref()),
        owner: controller_uid(metadata),
        class: text(annotation(metadata, CLASS).or(spec.and_then(|s| s.storage_class_name.as_ref()))),
        volume: spec.and_then(|s| s.volume_name.as_ref()).filter(|v| !v.is_empty()).map(|v| v.as_str().into()),
        bound: annotation(metadata, BIND_COMPLETED).is_some(),
        lost: object.status.as_ref().and_then(|s| s.phase.as_deref()) == Some("Lost"),
        deleting: metadata.deletion_timestamp.is_some(),
        request_bytes: bytes(requests.and_then(|r| r.get("storage"))).unwrap_or(0),
        access_modes: access_modes(spec.and_then(|s| s.access_modes.as_ref())),
        block: spec.and_then(|s| s.volume_mode.as_deref()) == Some("Block"),
        selector: spec.and_then(|s| s.selector.as_ref()).map(|labels| selector(Some(labels))),
        selected_node: annotation(metadata, SELECTED_NODE).map(|node| node.as_str().into()),
        attributes_class: text(spec.and_then(|s| s.volume_attributes_class_name.as_ref())),
    }
}

/// What scheduling sees of a PersistentVolume.
pub fn volume(object: &api::PersistentVolume) -> Volume {
    static NO_SPEC: std::sync::LazyLock<api::PersistentVolumeSpec> =
        std::sync::LazyLock::new(api::PersistentVolumeSpec::default);
    let metadata = &object.metadata;
    let spec = object.spec.as_ref().unwrap_or(&NO_SPEC);
    let phase = object.status.as_ref().and_then(|status| status.phase.as_deref());
    let deleting = metadata.deletion_timestamp.is_some();
    Volume {
        name: text(metadata.name.as_ref()),
        labels: labels(metadata.labels.as_ref()),
        class: text(annotation(metadata, CLASS).or(spec.storage_class_name.as_ref())),
        capacity_bytes: bytes(spec.capacity.as_ref().and_then(|c| c.get("storage"))).unwrap_or(0),
        access_modes: access_modes(spec.access_modes.as_ref()),
        block: spec.volume_mode.as_deref() == Some("Block"),
        node_affinity: spec.node_affinity.as_ref().and_then(|a| a.required.as_ref()).map(node_selector),
        claim: spec.claim_ref.as_ref().map(|claim| ClaimRef {
            namespace: text(claim.namespace.as_ref()),
            name: text(claim.name.as_ref()),
            uid: claim.uid.as_deref().filter(|uid| !uid.is_empty()).map(Into::into),
        }),
        available: !deleting && matches!(phase, None | Some("" | "Available" | "Pending")),
        source: source(spec),
        attributes_class: text(spec.volume_attributes_class_name.as_ref()),
    }
}

/// Volumes of migrated in-tree kinds are their CSI drivers' (KEP-625).
fn source(spec: &api::PersistentVolumeSpec) -> Source {
    let of = |driver: &str, handle: &str| Source::Csi { driver: driver.into(), handle: handle.into() };
    if let Some(csi) = &spec.csi {
        return of(&csi.driver, &csi.volume_handle);
    }
    if let Some(aws) = &spec.aws_elastic_block_store {
        return of("ebs.csi.aws.com", &aws.volume_id);
    }
    if let Some(gce) = &spec.gce_persistent_disk {
        return of("pd.csi.storage.gke.io", &gce.pd_name);
    }
    if let Some(azure) = &spec.azure_disk {
        return of("disk.csi.azure.com", &azure.disk_uri);
    }
    if let Some(cinder) = &spec.cinder {
        return of("cinder.csi.openstack.org", &cinder.volume_id);
    }
    if let Some(vsphere) = &spec.vsphere_volume {
        return of("csi.vsphere.vmware.com", &vsphere.volume_path);
    }
    Source::Other
}

/// What scheduling sees of a StorageClass.
pub fn storage_class(object: &storage::StorageClass) -> StorageClass {
    let terms = object.allowed_topologies.iter().flatten().map(|term| NodeSelectorTerm {
        labels: term
            .match_label_expressions
            .iter()
            .flatten()
            .map(|r| Requirement::new(&r.key, Operator::In, r.values.iter().map(String::as_str)))
            .collect(),
        names: Vec::new(),
    });
    StorageClass {
        name: text(object.metadata.name.as_ref()),
        provisioner: object.provisioner.as_str().into(),
        wait_for_first_consumer: object.volume_binding_mode.as_deref() == Some("WaitForFirstConsumer"),
        allowed_topologies: NodeSelector(terms.collect()),
    }
}

/// What scheduling sees of a CSINode.
pub fn csi_node(object: &storage::CSINode) -> CsiNode {
    let limit = |driver: &storage::CSINodeDriver| driver.allocatable.as_ref()?.count.map(i64::from);
    CsiNode {
        name: text(object.metadata.name.as_ref()),
        drivers: object.spec.drivers.iter().map(|driver| (driver.name.as_str().into(), limit(driver))).collect(),
    }
}

/// What scheduling sees of a CSIDriver.
pub fn csi_driver(object: &storage::CSIDriver) -> CsiDriver {
    CsiDriver {
        name: text(object.metadata.name.as_ref()),
        storage_capacity: object.spec.storage_capacity == Some(true),
    }
}

/// What scheduling sees of a CSIStorageCapacity.
pub fn storage_capacity(object: &storage::CSIStorageCapacity) -> Capacity {
    Capacity {
        namespace: text(object.metadata.namespace.as_ref()),
        name: text(object.metadata.name.as_ref()),
        class: object.storage_class_name.as_str().into(),
        topology: selector(object.node_topology.as_ref()),
        capacity_bytes: bytes(object.capacity.as_ref()),
        maximum_volume_bytes: bytes(object.maximum_volume_size.as_ref()),
    }
}

/// What scheduling sees of a VolumeAttachment; `None` for one of an inline volume.
pub fn volume_attachment(object: &storage::VolumeAttachment) -> Option<Attachment> {
    Some(Attachment {
        name: text(object.metadata.name.as_ref()),
        attacher: object.spec.attacher.as_str().into(),
        node: object.spec.node_name.as_str().into(),
        volume: object.spec.source.persistent_volume_name.as_deref()?.into(),
    })
}

/// The uid of an object's controller.
pub(super) fn controller_uid(metadata: &ObjectMeta) -> Option<Arc<str>> {
    let controller = metadata.owner_references.iter().flatten().find(|owner| owner.controller == Some(true))?;
    Some(controller.uid.as_str().into())
}

/// The controller of an object.
pub(super) fn owner(metadata: &ObjectMeta) -> Option<Owner> {
    let controller = metadata.owner_references.iter().flatten().find(|owner| owner.controller == Some(true))?;
    Some(Owner { kind: controller.kind.as_str().into(), name: controller.name.as_str().into() })
}
