//! PersistentVolume. Source: `pkg/apis/core/v1/defaults.go`, `pkg/apis/core/validation`.

use super::access::{at, child_mut, default_text, default_to, entries, get, list, made, set, text, text_at};
use super::pod::{affinity, volumes, warnings as pod_warnings};
use super::{Rules, format, persistent_volume_claim, resource_list};
use crate::field::{Error, ErrorList, Path};
use serde_json::{Value, json};

/// Rules of PersistentVolumes.
#[derive(Debug)]
pub struct PersistentVolume;

const MOUNT_OPTIONS: &str = "volume.beta.kubernetes.io/mount-options";

/// The fields of a volume's spec that name its source.
const SOURCES: [&str; 22] = [
    "hostPath",
    "gcePersistentDisk",
    "awsElasticBlockStore",
    "glusterfs",
    "flocker",
    "nfs",
    "rbd",
    "quobyte",
    "cephfs",
    "iscsi",
    "cinder",
    "fc",
    "flexVolume",
    "azureFile",
    "vsphereVolume",
    "photonPersistentDisk",
    "portworxVolume",
    "azureDisk",
    "scaleIO",
    "local",
    "storageos",
    "csi",
];

impl Rules for PersistentVolume {
    fn default(&self, object: &mut Value) {
        let Some(spec) = made(object, "spec") else { return };
        default_text(spec, "persistentVolumeReclaimPolicy", "Retain");
        default_text(spec, "volumeMode", "Filesystem");
        if let Some(path) = child_mut(spec, "hostPath") {
            default_to(path, "type", "");
        }
        if let Some(iscsi) = child_mut(spec, "iscsi") {
            default_text(iscsi, "iscsiInterface", "default");
        }
    }

    fn prepare_create(&self, object: &mut Value) {
        set(object, "status", json!({"phase": "Pending"}));
    }

    fn validate(&self, object: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let path = Path::new("spec");
        let spec = &object["spec"];
        if list(spec, "accessModes").is_empty() {
            errors.push(Error::required(&path.child("accessModes"), ""));
        }
        persistent_volume_claim::check_access_modes(&mut errors, &path, spec);
        if get(spec, "capacity").is_none_or(|capacity| entries(spec, "capacity").next().is_none() || capacity.is_null())
        {
            errors.push(Error::required(&path.child("capacity"), ""));
        }
        if entries(spec, "capacity").next().is_some() && get(&spec["capacity"], "storage").is_none()
            || entries(spec, "capacity").count() > 1
        {
            errors.push(Error::not_supported(&path.child("capacity"), &spec["capacity"], &["storage"]));
        }
        for (name, value) in entries(spec, "capacity") {
            persistent_volume_claim::check_positive(&mut errors, &path.child("capacity").key(name), value);
            resource_list::check_quantity(&mut errors, &path.child("capacity").key(name), name, value);
        }
        let policies = ["Delete", "Recycle", "Retain"];
        if !text(spec, "persistentVolumeReclaimPolicy").is_empty() {
            format::check_supported(&mut errors, &path, spec, "persistentVolumeReclaimPolicy", &policies);
        }
        check_source(&mut errors, &path, spec);
        if let Some(node) = get(spec, "nodeAffinity") {
            check_node_affinity(&mut errors, &path.child("nodeAffinity"), node);
        }
        if !text(spec, "storageClassName").is_empty() {
            format::check_subdomain(&mut errors, &path.child("storageClassName"), text(spec, "storageClassName"));
        }
        format::check_optional(&mut errors, &path, spec, "volumeMode", &["Block", "Filesystem"]);
        errors
    }

    fn validate_update(&self, new: &Value, old: &Value) -> ErrorList {
        let mut errors = self.validate(new);
        let path = Path::new("spec");
        let source =
            |object: &Value| SOURCES.iter().find_map(|source| Some((*source, get(&object["spec"], source)?.clone())));
        if source(new) != source(old) {
            errors.push(Error::forbidden(
                &path.child("persistentvolumesource"),
                "spec.persistentvolumesource is immutable after creation",
            ));
        }
        format::check_immutable(&mut errors, &path, &new["spec"], &old["spec"], "volumeMode");
        if get(&old["spec"], "nodeAffinity").is_some()
            && get(&old["spec"], "nodeAffinity") != get(&new["spec"], "nodeAffinity")
        {
            errors.push(Error::invalid(
                &path.child("nodeAffinity"),
                &new["spec"]["nodeAffinity"],
                "field is immutable, except for updating from beta label to GA",
            ));
        }
        errors
    }

    fn warnings(&self, object: &Value) -> Vec<String> {
        let spec = &object["spec"];
        let mut warnings: Vec<String> = persistent_volume_claim::warning_of_class(object).into_iter().collect();
        if at(object, &["metadata", "annotations", MOUNT_OPTIONS]).is_some() {
            warnings.push(format!(
                "metadata.annotations[{MOUNT_OPTIONS}]: deprecated since v1.31; use \"mountOptions\" attribute instead"
            ));
        }
        if text(spec, "persistentVolumeReclaimPolicy") == "Recycle" {
            warnings.push("spec.persistentVolumeReclaimPolicy: The Recycle reclaim policy is deprecated. Instead, the recommended approach is to use dynamic provisioning.".to_owned());
        }
        let terms = at(spec, &["nodeAffinity", "required"]).map_or(&[][..], |node| list(node, "nodeSelectorTerms"));
        for (index, term) in terms.iter().enumerate() {
            let path = format!("spec.nodeAffinity.required.nodeSelectorTerms[{index}]");
            pod_warnings::warn_of_term(&mut warnings, &path, term);
        }
        warnings
    }

    fn has_status(&self) -> bool {
        true
    }

    fn has_generation(&self) -> bool {
        false
    }

    fn selectable_fields(&self, object: &Value) -> Vec<(&'static str, String)> {
        vec![("name", text_at(object, &["metadata", "name"]).to_owned())]
    }

    fn selectable_field_names(&self) -> &'static [&'static str] {
        &["name"]
    }
}

/// What a volume of a driver has beyond the inline volume of a pod.
fn check_csi(errors: &mut ErrorList, path: &Path, csi: &Value) {
    format::check_present(errors, path, csi, "volumeHandle");
    for field in
        ["controllerPublishSecretRef", "nodePublishSecretRef", "controllerExpandSecretRef", "nodeExpandSecretRef"]
    {
        if let Some(secret) = get(csi, field) {
            format::check_present(errors, &path.child(field), secret, "name");
            format::check_present(errors, &path.child(field), secret, "namespace");
        }
    }
}

/// Which nodes can reach the volume.
fn check_node_affinity(errors: &mut ErrorList, path: &Path, node: &Value) {
    let path = path.child("required");
    match get(node, "required") {
        None => errors.push(Error::required(&path, "must specify required node constraints")),
        Some(required) => affinity::check_node_selector(errors, &path, required),
    }
}

fn check_source(errors: &mut ErrorList, path: &Path, spec: &Value) {
    let mut sources = SOURCES.iter().filter(|source| get(spec, source).is_some());
    match sources.next() {
        None => errors.push(Error::required(path, "must specify a volume type")),
        Some(first) => {
            volumes::check_one_source(errors, path, first, &spec[*first]);
            if *first == "csi" {
                check_csi(errors, &path.child("csi"), &spec["csi"]);
            }
            if *first == "local" && get(spec, "nodeAffinity").is_none() {
                errors.push(Error::required(&path.child("nodeAffinity"), "Local volume requires node affinity"));
            }
        }
    }
    for source in sources {
        errors.push(Error::forbidden(&path.child(source), "may not specify more than 1 volume type"));
    }
    let reclaim = text(spec, "persistentVolumeReclaimPolicy");
    if text_at(spec, &["hostPath", "path"]) == "/" && reclaim == "Recycle" {
        errors.push(Error::forbidden(
            &path.child("persistentVolumeReclaimPolicy"),
            "may not be 'recycle' for a hostPath mount of '/'",
        ));
    }
}
