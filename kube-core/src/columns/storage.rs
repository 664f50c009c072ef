//! Volumes, claims, storage classes and CSI.

use super::format::{self, NONE, UNSET, is_deleted, name, object_age, or};
use super::{AGE, NAME, Table, boolean, column, integer, wide};
use crate::rules::access::{at, boolean as flag, get, is_true, list, text, text_at, texts};
use serde_json::Value;

pub(super) fn table(kind: &str) -> Option<&'static Table> {
    Some(match kind {
        "PersistentVolume" => &VOLUME,
        "PersistentVolumeClaim" => &CLAIM,
        "StorageClass" => &STORAGE_CLASS,
        "VolumeAttributesClass" => &ATTRIBUTES_CLASS,
        "VolumeAttachment" => &ATTACHMENT,
        "CSINode" => &CSI_NODE,
        "CSIDriver" => &CSI_DRIVER,
        "CSIStorageCapacity" => &CAPACITY,
        _ => return None,
    })
}

fn access_modes(object: &Value) -> String {
    let given: Vec<&str> = texts(object, "accessModes").collect();
    let short: Vec<&str> =
        [("ReadWriteOnce", "RWO"), ("ReadOnlyMany", "ROX"), ("ReadWriteMany", "RWX"), ("ReadWriteOncePod", "RWOP")]
            .into_iter()
            .filter(|(mode, _)| given.contains(mode))
            .map(|(_, short)| short)
            .collect();
    short.join(",")
}

/// The class by the annotation from before there was a field, or by the field.
fn class(object: &Value) -> &str {
    match text_at(object, &["metadata", "annotations", "volume.beta.kubernetes.io/storage-class"]) {
        "" => text_at(object, &["spec", "storageClassName"]),
        class => class,
    }
}

fn phase(object: &Value) -> &str {
    if is_deleted(object) { "Terminating" } else { text_at(object, &["status", "phase"]) }
}

static VOLUME: Table = Table {
    columns: &[
        NAME,
        column("Capacity", "Size of the volume."),
        column("Access Modes", "How the volume may be mounted."),
        column("Reclaim Policy", "What happens to the volume once its claim is gone."),
        column("Status", "Whether the volume is available or bound."),
        column("Claim", "Claim that the volume is bound to."),
        column("StorageClass", "Storage class of the volume."),
        column("VolumeAttributesClass", "Attributes class of the volume."),
        column("Reason", "Why the volume is in its status."),
        AGE,
        wide("VolumeMode", "File system or block device."),
    ],
    cells: |object, now| {
        let spec = &object["spec"];
        let claim = get(spec, "claimRef")
            .map_or(String::new(), |claim| format!("{}/{}", text(claim, "namespace"), text(claim, "name")));
        vec![
            name(object),
            or(text_at(spec, &["capacity", "storage"]), "0").into(),
            access_modes(spec).into(),
            text(spec, "persistentVolumeReclaimPolicy").into(),
            phase(object).into(),
            claim.into(),
            class(object).into(),
            or(text(spec, "volumeAttributesClassName"), UNSET).into(),
            text_at(object, &["status", "reason"]).into(),
            object_age(object, now),
            or(text(spec, "volumeMode"), UNSET).into(),
        ]
    },
};

static CLAIM: Table = Table {
    columns: &[
        NAME,
        column("Status", "Whether the claim is pending or bound."),
        column("Volume", "Volume that the claim is bound to."),
        column("Capacity", "Size of the volume."),
        column("Access Modes", "How the volume may be mounted."),
        column("StorageClass", "Storage class of the claim."),
        column("VolumeAttributesClass", "Attributes class of the claim."),
        AGE,
        wide("VolumeMode", "File system or block device."),
    ],
    cells: |object, now| {
        let (spec, status) = (&object["spec"], &object["status"]);
        let bound = !text(spec, "volumeName").is_empty();
        let (capacity, modes) = if bound {
            (or(text_at(status, &["capacity", "storage"]), "0"), access_modes(status))
        } else {
            ("", String::new())
        };
        vec![
            name(object),
            phase(object).into(),
            text(spec, "volumeName").into(),
            capacity.into(),
            modes.into(),
            class(object).into(),
            or(text(spec, "volumeAttributesClassName"), UNSET).into(),
            object_age(object, now),
            or(text(spec, "volumeMode"), UNSET).into(),
        ]
    },
};

static STORAGE_CLASS: Table = Table {
    columns: &[
        NAME,
        column("Provisioner", "Who makes the volumes."),
        column("ReclaimPolicy", "What happens to a volume once its claim is gone."),
        column("VolumeBindingMode", "When a volume is made."),
        column("AllowVolumeExpansion", "Whether a volume may grow."),
        AGE,
    ],
    cells: |object, now| {
        let default =
            ["storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class"]
                .iter()
                .any(|annotation| text_at(object, &["metadata", "annotations", annotation]) == "true");
        let suffix = if default { " (default)" } else { "" };
        vec![
            format!("{}{suffix}", text_at(object, &["metadata", "name"])).into(),
            text(object, "provisioner").into(),
            or(text(object, "reclaimPolicy"), "Delete").into(),
            or(text(object, "volumeBindingMode"), "Immediate").into(),
            is_true(object, "allowVolumeExpansion").into(),
            object_age(object, now),
        ]
    },
};

static ATTRIBUTES_CLASS: Table = Table {
    columns: &[NAME, column("DriverName", "CSI driver that knows the attributes."), AGE],
    cells: |object, now| vec![name(object), text(object, "driverName").into(), object_age(object, now)],
};

static ATTACHMENT: Table = Table {
    columns: &[
        NAME,
        column("Attacher", "Driver that attaches the volume."),
        column("PV", "Volume that is attached."),
        column("Node", "Node that it is attached to."),
        boolean("Attached", "Whether it is attached."),
        AGE,
    ],
    cells: |object, now| {
        let spec = &object["spec"];
        vec![
            name(object),
            text(spec, "attacher").into(),
            text_at(spec, &["source", "persistentVolumeName"]).into(),
            text(spec, "nodeName").into(),
            is_true(&object["status"], "attached").into(),
            object_age(object, now),
        ]
    },
};

static CSI_NODE: Table = Table {
    columns: &[NAME, integer("Drivers", "How many CSI drivers the node has."), AGE],
    cells: |object, now| vec![name(object), list(&object["spec"], "drivers").len().into(), object_age(object, now)],
};

static CSI_DRIVER: Table = Table {
    columns: &[
        NAME,
        boolean("AttachRequired", "Whether volumes must be attached before they are mounted."),
        boolean("PodInfoOnMount", "Whether the driver is told which pod mounts."),
        boolean("StorageCapacity", "Whether the driver says how much room it has."),
        column("TokenRequests", "Audiences of the tokens that the driver is given."),
        boolean("RequiresRepublish", "Whether volumes are mounted again from time to time."),
        column("Modes", "Kinds of volumes that the driver has."),
        AGE,
    ],
    cells: |object, now| {
        let spec = &object["spec"];
        let modes: Vec<&str> = texts(spec, "volumeLifecycleModes").collect();
        let audiences: Vec<&str> =
            list(spec, "tokenRequests").iter().map(|request| text(request, "audience")).collect();
        let tokens = if at(spec, &["tokenRequests"]).is_none() { UNSET.to_owned() } else { audiences.join(",") };
        vec![
            name(object),
            flag(spec, "attachRequired").unwrap_or(true).into(),
            is_true(spec, "podInfoOnMount").into(),
            is_true(spec, "storageCapacity").into(),
            tokens.into(),
            is_true(spec, "requiresRepublish").into(),
            or(&modes.join(","), NONE).into(),
            object_age(object, now),
        ]
    },
};

static CAPACITY: Table = Table {
    columns: &[
        NAME,
        column("StorageClassName", "Storage class that the room is for."),
        column("Capacity", "How much room there is."),
    ],
    cells: |object, _| {
        vec![format::name(object), text(object, "storageClassName").into(), or(text(object, "capacity"), UNSET).into()]
    },
};
