//! Errors of a pod's volumes.

use super::environment;
use crate::field::{Error, ErrorList, Path};
use crate::rules::access::{entries, get, int, is_true, list, text};
use crate::rules::resource_list::quantity;
use crate::rules::{format, persistent_volume_claim};
use serde_json::Value;
use smallvec::SmallVec;
use std::collections::{BTreeMap, BTreeSet};

/// The volumes of a pod that are valid, by name.
pub(super) type Volumes<'a> = BTreeMap<&'a str, &'a Value>;

/// Every source of a volume, in the order in which Kubernetes looks at them.
const SOURCES: [&str; 30] = [
    "emptyDir",
    "hostPath",
    "gitRepo",
    "gcePersistentDisk",
    "awsElasticBlockStore",
    "secret",
    "nfs",
    "iscsi",
    "glusterfs",
    "flocker",
    "persistentVolumeClaim",
    "rbd",
    "cinder",
    "cephfs",
    "quobyte",
    "downwardAPI",
    "fc",
    "flexVolume",
    "configMap",
    "azureFile",
    "vsphereVolume",
    "photonPersistentDisk",
    "portworxVolume",
    "azureDisk",
    "storageos",
    "projected",
    "scaleIO",
    "csi",
    "ephemeral",
    "image",
];

/// Every source of a projected volume.
const PROJECTIONS: [&str; 6] =
    ["secret", "configMap", "downwardAPI", "serviceAccountToken", "clusterTrustBundle", "podCertificate"];

const MODE_MAX: i64 = 0o777;
const MODE: &str = "must be a number between 0 and 0777 (octal), both inclusive";
/// A service account token lives at least ten minutes.
const TOKEN_SECONDS_MIN: i64 = 600;
const TOKEN_SECONDS_MAX: i64 = 1 << 32;

/// Checks the volumes of a spec; gives those that containers may mount.
pub(super) fn check<'a>(errors: &mut ErrorList, path: &Path, spec: &'a Value, metadata: Option<&Value>) -> Volumes<'a> {
    let mut volumes = Volumes::new();
    let pod_name = metadata.map_or("", |metadata| text(metadata, "name"));
    let made: BTreeSet<String> = list(spec, "volumes")
        .iter()
        .filter(|volume| !pod_name.is_empty() && get(volume, "ephemeral").is_some())
        .map(|volume| format!("{pod_name}-{}", text(volume, "name")))
        .collect();
    for (index, volume) in list(spec, "volumes").iter().enumerate() {
        let path = path.index(index);
        let before = errors.len();
        check_volume(errors, &path, volume, metadata);
        let name = text(volume, "name");
        if name.is_empty() {
            errors.push(Error::required(&path.child("name"), ""));
        } else {
            let messages = format::label(name);
            if !messages.is_empty() {
                format::invalid(errors, &path.child("name"), name, messages);
            }
        }
        if volumes.contains_key(name) {
            errors.push(Error::duplicate(&path.child("name"), &name.into()));
        }
        if errors.len() == before {
            volumes.insert(name, volume);
        }
        let claim = get(volume, "persistentVolumeClaim").map_or("", |claim| text(claim, "claimName"));
        if made.contains(claim) {
            let text = "must not reference a PVC that gets created for an ephemeral volume";
            let path = path.child("persistentVolumeClaim").child("claimName");
            errors.push(Error::invalid(&path, &claim.into(), text));
        }
    }
    volumes
}

fn check_volume(errors: &mut ErrorList, path: &Path, volume: &Value, metadata: Option<&Value>) {
    let mut sources = given(volume, &SOURCES).into_iter();
    let Some(source) = sources.next() else {
        errors.push(Error::required(path, "must specify a volume type"));
        return;
    };
    check_one_source(errors, path, source, &volume[source]);
    if source == "image" && metadata.is_some() && text(&volume["image"], "reference").is_empty() {
        errors.push(Error::required(&path.child("image").child("reference"), ""));
    }
    for other in sources {
        errors.push(Error::forbidden(&path.child(other), "may not specify more than 1 volume type"));
    }
}

/// Those of `kinds` that a volume or projection names, in their order. It has two fields, so that these are looked up
/// among the kinds and not all kinds in it.
fn given(source: &Value, kinds: &[&'static str]) -> SmallVec<[&'static str; 2]> {
    let named = source.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null());
    let mut places: SmallVec<[usize; 2]> =
        named.filter_map(|(name, _)| kinds.iter().position(|kind| kind == name)).collect();
    places.sort_unstable();
    places.into_iter().map(|place| kinds[place]).collect()
}

/// One source, under its name.
pub(in crate::rules) fn check_one_source(errors: &mut ErrorList, path: &Path, name: &str, source: &Value) {
    let path = path.child(name);
    for field in required_fields(name) {
        format::check_present(errors, &path, source, field);
    }
    match name {
        "emptyDir" => {
            if quantity(&source["sizeLimit"]).is_some_and(|limit| limit.is_negative()) {
                let text = "SizeLimit field must be a valid resource quantity";
                errors.push(Error::forbidden(&path.child("sizeLimit"), text));
            }
        }
        "hostPath" => check_host_path(errors, &path, source),
        "local" => format::check_no_backsteps(errors, &path.child("path"), text(source, "path")),
        "gitRepo" => format::check_descending(errors, &path.child("directory"), text(source, "directory")),
        "nfs" if !text(source, "path").starts_with('/') => {
            let value = &text(source, "path").into();
            errors.push(Error::invalid(&path.child("path"), value, "must be an absolute path"));
        }
        "secret" | "configMap" => {
            check_mode(errors, &path, source, "defaultMode");
            check_items(errors, &path, source);
        }
        "downwardAPI" => {
            check_mode(errors, &path, source, "defaultMode");
            // Kubernetes leaves the index out of these paths.
            list(source, "items").iter().for_each(|file| check_downward_file(errors, &path, file));
        }
        "projected" => check_projected(errors, &path, source),
        "ephemeral" => match get(source, "volumeClaimTemplate") {
            None => errors.push(Error::required(&path.child("volumeClaimTemplate"), "")),
            Some(template) => {
                let path = path.child("volumeClaimTemplate").child("spec");
                errors.extend(persistent_volume_claim::check_spec(&path, &template["spec"]));
            }
        },
        "image" => {
            format::check_required(errors, &path, source, "pullPolicy", &["Always", "IfNotPresent", "Never"]);
        }
        "csi" => check_csi(errors, &path, source),
        _ => check_network(errors, &path, name, source),
    }
}

/// The fields that a source cannot be without.
fn required_fields(source: &str) -> &'static [&'static str] {
    match source {
        "gitRepo" => &["repository"],
        "gcePersistentDisk" => &["pdName"],
        "awsElasticBlockStore" | "cinder" | "portworxVolume" => &["volumeID"],
        "secret" => &["secretName"],
        "configMap" => &["name"],
        "nfs" => &["server", "path"],
        "iscsi" => &["targetPortal", "iqn"],
        "glusterfs" => &["endpoints", "path"],
        "persistentVolumeClaim" => &["claimName"],
        "rbd" => &["image"],
        "quobyte" => &["registry", "volume"],
        "flexVolume" | "csi" => &["driver"],
        "azureFile" => &["secretName", "shareName"],
        "vsphereVolume" => &["volumePath"],
        "photonPersistentDisk" => &["pdID"],
        "azureDisk" => &["diskName", "diskURI"],
        "scaleIO" => &["gateway", "system", "volumeName"],
        "storageos" => &["volumeName"],
        "hostPath" | "local" => &["path"],
        _ => &[],
    }
}

fn check_host_path(errors: &mut ErrorList, path: &Path, source: &Value) {
    if text(source, "path").is_empty() {
        return;
    }
    format::check_no_backsteps(errors, &path.child("path"), text(source, "path"));
    let types = ["", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket"];
    format::check_optional(errors, path, source, "type", &types);
}

fn check_csi(errors: &mut ErrorList, path: &Path, source: &Value) {
    let driver = text(source, "driver");
    if driver.len() > 63 {
        errors.push(Error::too_long(&path.child("driver"), 63));
    }
    if !driver.is_empty() {
        format::check_subdomain(errors, &path.child("driver"), &driver.to_lowercase());
    }
    if let Some(secret) = get(source, "nodePublishSecretRef") {
        format::check_present(errors, &path.child("nodePublishSecretRef"), secret, "name");
    }
}

/// Sources that were drivers inside the kubelet once.
fn check_network(errors: &mut ErrorList, path: &Path, name: &str, source: &Value) {
    match name {
        "gcePersistentDisk" | "awsElasticBlockStore" => {
            if let Some(partition) = int(source, "partition").filter(|partition| !(0..=255).contains(partition)) {
                let text = "must be between 1 and 255, inclusive";
                errors.push(Error::invalid(&path.child("partition"), &partition.into(), text));
            }
        }
        "iscsi" => {
            let iqn = text(source, "iqn");
            if !iqn.is_empty() && !["iqn", "eui", "naa"].iter().any(|prefix| iqn.starts_with(prefix)) {
                let text = "must be valid format starting with iqn, eui, or naa";
                errors.push(Error::invalid(&path.child("iqn"), &iqn.into(), text));
            }
            format::check_range(errors, path, source, "lun", 0, 255);
            let chap = is_true(source, "chapAuthDiscovery") || is_true(source, "chapAuthSession");
            if chap && get(source, "secretRef").is_none() {
                errors.push(Error::required(&path.child("secretRef"), ""));
            }
        }
        "rbd" | "cephfs" if list(source, "monitors").is_empty() => {
            errors.push(Error::required(&path.child("monitors"), ""));
        }
        "fc" => check_fibre_channel(errors, path, source),
        "flocker" => match (text(source, "datasetName"), text(source, "datasetUUID")) {
            ("", "") => errors.push(Error::required(path, "one of datasetName and datasetUUID is required")),
            ("", _) | (_, "") => {}
            _ => {
                let text = "datasetName and datasetUUID can not be specified simultaneously";
                errors.push(Error::invalid(path, &"resource".into(), text));
            }
        },
        "flexVolume" => {
            for (option, _) in entries(source, "options") {
                let namespace = option.split_once('/').map_or(option.as_str(), |(namespace, _)| namespace);
                let namespace = format!(".{}", namespace.to_lowercase());
                if namespace.ends_with(".kubernetes.io") || namespace.ends_with(".k8s.io") {
                    let text = "kubernetes.io and k8s.io namespaces are reserved";
                    errors.push(Error::invalid(&path.child("options").key(option), &option.as_str().into(), text));
                }
            }
        }
        "azureDisk" => {
            format::check_optional(errors, path, source, "cachingMode", &["None", "ReadOnly", "ReadWrite"]);
            format::check_optional(errors, path, source, "kind", &["Dedicated", "Managed", "Shared"]);
        }
        _ => {}
    }
}

fn check_fibre_channel(errors: &mut ErrorList, path: &Path, source: &Value) {
    let (names, ids) = (list(source, "targetWWNs"), list(source, "wwids"));
    let field = path.child("targetWWNs");
    if names.is_empty() && ids.is_empty() {
        errors.push(Error::required(&field, "must specify either targetWWNs or wwids, but not both"));
    }
    if !names.is_empty() && !ids.is_empty() {
        let text = "targetWWNs and wwids can not be specified simultaneously";
        errors.push(Error::invalid(&field, &names.into(), text));
    }
    if !names.is_empty() {
        if get(source, "lun").is_none() {
            errors.push(Error::required(&path.child("lun"), "lun is required if targetWWNs is specified"));
        }
        format::check_range(errors, path, source, "lun", 0, 255);
    }
}

fn check_mode(errors: &mut ErrorList, path: &Path, object: &Value, field: &str) {
    if let Some(mode) = int(object, field).filter(|mode| !(0..=MODE_MAX).contains(mode)) {
        errors.push(Error::invalid(&path.child(field), &mode.into(), MODE));
    }
}

fn check_items(errors: &mut ErrorList, path: &Path, source: &Value) {
    for (index, item) in list(source, "items").iter().enumerate() {
        let path = path.child("items").index(index);
        format::check_present(errors, &path, item, "key");
        format::check_present(errors, &path, item, "path");
        format::check_not_reserved(errors, &path.child("path"), text(item, "path"));
        check_mode(errors, &path, item, "mode");
    }
}

fn check_downward_file(errors: &mut ErrorList, path: &Path, file: &Value) {
    format::check_present(errors, path, file, "path");
    format::check_not_reserved(errors, &path.child("path"), text(file, "path"));
    match (get(file, "fieldRef"), get(file, "resourceFieldRef")) {
        (Some(field), resource) => {
            environment::check_field(errors, &path.child("fieldRef"), field, &environment::VOLUME_FIELDS);
            if resource.is_some() {
                let text = "fieldRef and resourceFieldRef can not be specified simultaneously";
                errors.push(Error::invalid(path, &"resource".into(), text));
            }
        }
        (None, Some(resource)) => {
            environment::check_resource(errors, &path.child("resourceFieldRef"), resource, true);
        }
        (None, None) => errors.push(Error::required(path, "one of fieldRef and resourceFieldRef is required")),
    }
    check_mode(errors, path, file, "mode");
}

fn check_projected(errors: &mut ErrorList, path: &Path, projected: &Value) {
    check_mode(errors, path, projected, "defaultMode");
    let mut paths = BTreeSet::new();
    for (index, source) in list(projected, "sources").iter().enumerate() {
        let at = path.child("sources").index(index);
        let given = given(source, &PROJECTIONS);
        for kind in given.iter().copied() {
            let found = check_projection(errors, path, &at.child(kind), kind, &source[kind]);
            for (file, shown) in found {
                if !file.is_empty() && !paths.insert(file.to_owned()) {
                    errors.push(Error::invalid(path, &shown.into(), "conflicting duplicate paths"));
                }
            }
        }
        if given.len() > 1 {
            errors.push(Error::forbidden(&at, "may not specify more than 1 volume type per source"));
        }
    }
}

/// One projection; gives the files that it makes, each with what an error about it shows.
fn check_projection<'a>(
    errors: &mut ErrorList,
    volume: &Path,
    path: &Path,
    kind: &str,
    source: &'a Value,
) -> Vec<(&'a str, &'a str)> {
    let files = |shown: Option<&'a str>| -> Vec<(&'a str, &'a str)> {
        list(source, "items").iter().map(|item| (text(item, "path"), shown.unwrap_or(text(item, "path")))).collect()
    };
    match kind {
        "secret" | "configMap" => {
            format::check_present(errors, path, source, "name");
            check_items(errors, path, source);
            files(Some(text(source, "name")))
        }
        "downwardAPI" => {
            list(source, "items").iter().for_each(|file| check_downward_file(errors, path, file));
            files(None)
        }
        "serviceAccountToken" => {
            let seconds = int(source, "expirationSeconds").unwrap_or(0);
            let field = path.child("expirationSeconds");
            if seconds < TOKEN_SECONDS_MIN {
                let text = "may not specify a duration less than 10 minutes";
                errors.push(Error::invalid(&field, &seconds.into(), text));
            }
            if seconds > TOKEN_SECONDS_MAX {
                let text = "may not specify a duration larger than 2^32 seconds";
                errors.push(Error::invalid(&field, &seconds.into(), text));
            }
            match text(source, "path") {
                "" => errors.push(Error::required(&volume.child("path"), "")),
                file => format::check_not_reserved(errors, &volume.child("path"), file),
            }
            Vec::new()
        }
        "clusterTrustBundle" => {
            match (get(source, "name").is_some(), get(source, "signerName").is_some()) {
                (true, true) => {
                    errors.push(Error::invalid(path, source, "only one of name and signerName may be used"));
                }
                (false, false) => {
                    errors.push(Error::required(path, "either name or signerName must be specified"));
                }
                _ => {}
            }
            format::check_present(errors, path, source, "path");
            format::check_not_reserved(errors, &path.child("path"), text(source, "path"));
            vec![(text(source, "path"), text(source, "path"))]
        }
        _ => {
            let names = ["keyPath", "certificateChainPath", "credentialBundlePath"];
            names.into_iter().map(|name| (text(source, name), text(source, name))).collect()
        }
    }
}
