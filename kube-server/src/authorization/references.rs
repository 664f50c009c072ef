//! What Pods and volumes refer to by name: what a node may read for them, and what a node may not name in Pods of its own.
//!
//! Source: `pkg/api/pod/util.go`, `pkg/api/persistentvolume/util.go`.

use serde_json::Value;
use std::borrow::Cow;

const CONTAINERS: [&str; 3] = ["initContainers", "containers", "ephemeralContainers"];
/// Volumes whose driver has its credentials in a `secretRef`.
const WITH_SECRET: [&str; 7] = ["cephfs", "cinder", "flexVolume", "rbd", "scaleIO", "iscsi", "storageos"];

/// The names of a kind's objects, in its own namespace, that a Pod refers to.
pub(crate) fn of_pod<'p>(pod: &'p Value, resource: &str) -> Vec<Cow<'p, str>> {
    let spec = &pod["spec"];
    let volumes = || items(&spec["volumes"]);
    match resource {
        "serviceaccounts" => text(&spec["serviceAccountName"]).collect(),
        "configmaps" => volumes()
            .flat_map(|volume| text(&volume["configMap"]["name"]))
            .chain(projected(spec, "configMap"))
            .chain(environment(spec, "configMapRef", "configMapKeyRef"))
            .collect(),
        "secrets" => items(&spec["imagePullSecrets"])
            .flat_map(|secret| text(&secret["name"]))
            .chain(volumes().flat_map(secrets_of_volume))
            .chain(projected(spec, "secret"))
            .chain(environment(spec, "secretRef", "secretKeyRef"))
            .collect(),
        "persistentvolumeclaims" => volumes().flat_map(|volume| claims_of_volume(pod, volume)).collect(),
        "resourceclaims" => items(&spec["resourceClaims"]).flat_map(|claim| text(&claim["name"])).collect(),
        _ => Vec::new(),
    }
}

/// Namespaces and names of the Secrets that a node needs to mount a PersistentVolume.
pub(super) fn of_persistent_volume(volume: &Value) -> Vec<(&str, &str)> {
    let spec = &volume["spec"];
    let drivers = WITH_SECRET.iter().map(|driver| &spec[*driver]["secretRef"]);
    let csi = ["nodePublishSecretRef", "nodeStageSecretRef", "nodeExpandSecretRef"].map(|field| &spec["csi"][field]);
    let references = drivers.chain(csi).map(|reference| (&reference["namespace"], &reference["name"]));
    let azure = (&spec["azureFile"]["secretNamespace"], &spec["azureFile"]["secretName"]);
    let named = references.chain([azure]).filter_map(|(namespace, name)| {
        // One that names no namespace is where the claim is.
        let namespace = namespace.as_str().filter(|text| !text.is_empty()).or(spec["claimRef"]["namespace"].as_str());
        Some((namespace?, name.as_str()?))
    });
    named.collect()
}

fn items(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

/// A name, where there is one.
fn text(value: &Value) -> impl Iterator<Item = Cow<'_, str>> {
    value.as_str().filter(|text| !text.is_empty()).map(Cow::Borrowed).into_iter()
}

fn projected<'p>(spec: &'p Value, source: &'p str) -> impl Iterator<Item = Cow<'p, str>> {
    let sources = items(&spec["volumes"]).flat_map(|volume| items(&volume["projected"]["sources"]));
    sources.flat_map(move |one| text(&one[source]["name"]))
}

fn environment<'p>(spec: &'p Value, whole: &'p str, key: &'p str) -> impl Iterator<Item = Cow<'p, str>> {
    let containers = CONTAINERS.iter().flat_map(|list| items(&spec[*list]));
    containers.flat_map(move |container| {
        let keys = items(&container["env"]).flat_map(move |env| text(&env["valueFrom"][key]["name"]));
        keys.chain(items(&container["envFrom"]).flat_map(move |from| text(&from[whole]["name"])))
    })
}

/// The Secrets that a volume shows as files, or that hold its driver's credentials.
fn secrets_of_volume(volume: &Value) -> impl Iterator<Item = Cow<'_, str>> {
    let files = [&volume["secret"]["secretName"], &volume["azureFile"]["secretName"]];
    let drivers = WITH_SECRET.iter().map(|driver| &volume[*driver]["secretRef"]["name"]);
    let csi = [&volume["csi"]["nodePublishSecretRef"]["name"]];
    files.into_iter().chain(drivers).chain(csi).flat_map(text)
}

/// The claim of a volume: that of an ephemeral one is called by the Pod and the volume.
fn claims_of_volume<'p>(pod: &'p Value, volume: &'p Value) -> impl Iterator<Item = Cow<'p, str>> {
    let own = volume["ephemeral"].is_object().then(|| {
        let name = |object: &Value| object["name"].as_str().unwrap_or_default().to_owned();
        Cow::Owned(format!("{}-{}", name(&pod["metadata"]), name(volume)))
    });
    text(&volume["persistentVolumeClaim"]["claimName"]).chain(own)
}
