//! Defaults of pods and pod templates. Source: `pkg/apis/core/v1/defaults.go` and the declared defaults of the types.

use crate::rules::access::{
    boolean, child_mut, default_nonzero, default_text, default_to, each_mut, get, int, is_true, made, set, text,
};
use serde_json::{Value, json};

/// Defaults of a pod: those of its spec, and those that a template does not get.
pub(in crate::rules) fn pod(object: &mut Value) {
    let Some(spec) = made(object, "spec") else { return };
    default_spec(spec);
    default_to(spec, "enableServiceLinks", true);
    for list in ["containers", "initContainers"] {
        each_mut(spec, list).for_each(requests_from_limits);
    }
    super::resources::default_pod_level(spec);
    if is_true(spec, "hostNetwork") {
        for list in ["containers", "initContainers"] {
            for container in each_mut(spec, list) {
                each_mut(container, "ports").for_each(host_port_from_container_port);
            }
        }
    }
}

/// Defaults of the pod template in a field of `owner`.
pub(in crate::rules) fn template(owner: &mut Value) {
    if let Some(spec) = child_mut(owner, "template").and_then(|template| made(template, "spec")) {
        default_spec(spec);
    }
}

/// Defaults of a pod spec, wherever it is.
pub(in crate::rules) fn default_spec(spec: &mut Value) {
    default_text(spec, "dnsPolicy", "ClusterFirst");
    default_text(spec, "restartPolicy", "Always");
    default_text(spec, "schedulerName", "default-scheduler");
    default_to(spec, "securityContext", json!({}));
    default_to(spec, "terminationGracePeriodSeconds", 30);
    service_account(spec);
    for list in ["containers", "initContainers", "ephemeralContainers"] {
        each_mut(spec, list).for_each(container);
    }
    each_mut(spec, "volumes").for_each(volume);
}

/// The deprecated `serviceAccount` mirrors `serviceAccountName`, which wins.
fn service_account(spec: &mut Value) {
    let name = match text(spec, "serviceAccountName") {
        "" => text(spec, "serviceAccount"),
        name => name,
    };
    if !name.is_empty() {
        let name = name.to_owned();
        set(spec, "serviceAccountName", name.as_str());
        set(spec, "serviceAccount", name);
    }
}

fn container(container: &mut Value) {
    if text(container, "imagePullPolicy").is_empty() {
        let policy = pull_policy(text(container, "image"));
        set(container, "imagePullPolicy", policy);
    }
    default_text(container, "terminationMessagePath", "/dev/termination-log");
    default_text(container, "terminationMessagePolicy", "File");
    default_to(container, "resources", json!({}));
    each_mut(container, "ports").for_each(|port| default_text(port, "protocol", "TCP"));
    for variable in each_mut(container, "env") {
        if let Some(source) = child_mut(variable, "valueFrom") {
            field_ref(source);
            if let Some(file) = child_mut(source, "fileKeyRef") {
                default_to(file, "optional", false);
            }
        }
    }
    for name in ["livenessProbe", "readinessProbe", "startupProbe"] {
        if let Some(probe) = child_mut(container, name) {
            default_probe(probe);
        }
    }
    if let Some(lifecycle) = child_mut(container, "lifecycle") {
        for hook in ["postStart", "preStop"] {
            if let Some(http) = child_mut(lifecycle, hook).and_then(|hook| child_mut(hook, "httpGet")) {
                http_get(http);
            }
        }
    }
    if let Some(security) = child_mut(container, "securityContext")
        && get(security, "procMount").is_some()
    {
        default_text(security, "procMount", "Default");
    }
}

/// `Always` where the image has no tag and no digest, or the tag `latest`.
fn pull_policy(image: &str) -> &'static str {
    let (name, digest) = image.split_once('@').map_or((image, false), |(name, _)| (name, true));
    let last = name.rsplit('/').next().unwrap_or(name);
    let latest = match last.split_once(':') {
        Some((_, tag)) => tag == "latest",
        None => !digest && !name.is_empty(),
    };
    if latest { "Always" } else { "IfNotPresent" }
}

fn default_probe(probe: &mut Value) {
    default_nonzero(probe, "timeoutSeconds", 1);
    default_nonzero(probe, "periodSeconds", 10);
    default_nonzero(probe, "successThreshold", 1);
    default_nonzero(probe, "failureThreshold", 3);
    if let Some(http) = child_mut(probe, "httpGet") {
        http_get(http);
    }
    if let Some(grpc) = child_mut(probe, "grpc") {
        default_to(grpc, "service", "");
    }
}

fn http_get(http: &mut Value) {
    default_text(http, "path", "/");
    default_text(http, "scheme", "HTTP");
}

fn field_ref(source: &mut Value) {
    if let Some(field) = child_mut(source, "fieldRef") {
        default_text(field, "apiVersion", "v1");
    }
    if let Some(resource) = child_mut(source, "resourceFieldRef") {
        default_to(resource, "divisor", "0");
    }
}

fn volume(volume: &mut Value) {
    // A volume with nothing but a name is an empty directory.
    if volume.as_object().is_some_and(|map| !map.iter().any(|(key, value)| key != "name" && !value.is_null())) {
        set(volume, "emptyDir", json!({}));
    }
    for source in ["secret", "configMap", "downwardAPI", "projected"] {
        if let Some(source) = child_mut(volume, source) {
            default_to(source, "defaultMode", 0o644);
        }
    }
    if let Some(api) = child_mut(volume, "downwardAPI") {
        each_mut(api, "items").for_each(field_ref);
    }
    if let Some(projected) = child_mut(volume, "projected") {
        for source in each_mut(projected, "sources") {
            if let Some(token) = child_mut(source, "serviceAccountToken") {
                default_to(token, "expirationSeconds", 3600);
            }
            if let Some(api) = child_mut(source, "downwardAPI") {
                each_mut(api, "items").for_each(field_ref);
            }
        }
    }
    if let Some(path) = child_mut(volume, "hostPath") {
        default_to(path, "type", "");
    }
    if let Some(image) = child_mut(volume, "image")
        && text(image, "pullPolicy").is_empty()
    {
        let policy = pull_policy(text(image, "reference"));
        set(image, "pullPolicy", policy);
    }
    if let Some(claim) = child_mut(volume, "ephemeral")
        .and_then(|e| child_mut(e, "volumeClaimTemplate"))
        .and_then(|template| made(template, "spec"))
    {
        default_text(claim, "volumeMode", "Filesystem");
    }
    network_volume(volume);
}

/// Sources that were drivers inside the kubelet once; their defaults are still those of the API.
fn network_volume(volume: &mut Value) {
    if let Some(iscsi) = child_mut(volume, "iscsi") {
        default_text(iscsi, "iscsiInterface", "default");
    }
    if let Some(rbd) = child_mut(volume, "rbd") {
        default_text(rbd, "pool", "rbd");
        default_text(rbd, "user", "admin");
        default_text(rbd, "keyring", "/etc/ceph/keyring");
    }
    if let Some(disk) = child_mut(volume, "azureDisk") {
        default_to(disk, "cachingMode", "ReadWrite");
        default_to(disk, "kind", "Shared");
        default_to(disk, "fsType", "ext4");
        if boolean(disk, "readOnly").is_none() {
            set(disk, "readOnly", false);
        }
    }
    if let Some(io) = child_mut(volume, "scaleIO") {
        default_text(io, "storageMode", "ThinProvisioned");
        default_text(io, "fsType", "xfs");
    }
}

fn requests_from_limits(container: &mut Value) {
    let Some(resources) = child_mut(container, "resources") else { return };
    let Some(limits) = resources.get("limits").and_then(Value::as_object).cloned() else { return };
    if let Some(requests) = made(resources, "requests") {
        for (name, limit) in limits {
            default_to(requests, &name, limit);
        }
    }
}

fn host_port_from_container_port(port: &mut Value) {
    if let Some(number) = int(port, "containerPort") {
        default_nonzero(port, "hostPort", number);
    }
}
