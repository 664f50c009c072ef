//! ServiceAccount: every Pod runs as a service account, and is given its token.
//!
//! Source: `plugin/pkg/admission/serviceaccount/admission.go`.

use super::{AdmissionRequest, Operation, append};
use crate::authorization::references;
use crate::registry::attributes::ADMISSION;
use crate::registry::{Registry, encode};
use kubekit_core::names;
use kubekit_core::status::ApiError;
use serde_json::{Map, Value, json};
use std::sync::LazyLock;
use std::time::Duration;

/// Where containers find token, CA and namespace.
const MOUNT_PATH: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// How long a token lives. The odd seven seconds are Kubernetes': they tell a token of this plugin from others.
const TOKEN_SECONDS: u32 = 3607;

/// How often, and after how long, the `default` account of a new namespace is looked for: its controller makes it a
/// moment after the namespace.
const ATTEMPTS: usize = 20;
const ATTEMPT_INTERVAL: Duration = Duration::from_millis(50);

pub(super) async fn admit(registry: &Registry, request: &mut AdmissionRequest<'_>) -> Result<(), ApiError> {
    if request.operation != Operation::Create {
        return Ok(());
    }
    let Some(pod) = &request.object else { return Ok(()) };
    if pod["metadata"]["annotations"].get("kubernetes.io/config.mirror").is_some() {
        return mirror(request);
    }
    // Where it has no specification, validation says so.
    let Some(spec) = request.spec_mut() else { return Ok(()) };
    let name = match spec.get("serviceAccountName").and_then(Value::as_str) {
        None | Some("") => "default".to_owned(),
        Some(name) => name.to_owned(),
    };
    for field in ["serviceAccountName", "serviceAccount"] {
        spec.insert(field.to_owned(), Value::String(name.clone()));
    }
    let account = find(registry, request, &name).await?;
    let Some(spec) = request.spec_mut() else { return Ok(()) };
    let automount = spec
        .get("automountServiceAccountToken")
        .and_then(Value::as_bool)
        .or_else(|| account["automountServiceAccountToken"].as_bool())
        .unwrap_or(true);
    if automount {
        mount(registry, spec);
    }
    let secrets = spec.get("imagePullSecrets").and_then(Value::as_array);
    let has_secrets = secrets.is_some_and(|secrets| !secrets.is_empty());
    if let (false, Some(secrets)) = (has_secrets, account.get("imagePullSecrets")) {
        spec.insert("imagePullSecrets".to_owned(), secrets.clone());
    }
    Ok(())
}

/// Pods that a node agent runs from files may not name what lives in the API.
fn mirror(request: &AdmissionRequest<'_>) -> Result<(), ApiError> {
    let Some(pod) = request.object.as_deref() else { return Ok(()) };
    for (resource, what) in [("serviceaccounts", "service accounts"), ("secrets", "secrets")] {
        if !references::of_pod(pod, resource).is_empty() {
            return Err(request.forbidden(&format!("a mirror pod may not reference {what}")));
        }
    }
    let volumes = pod["spec"]["volumes"].as_array().into_iter().flatten();
    let mut sources = volumes.filter_map(|volume| volume["projected"]["sources"].as_array()).flatten();
    if sources.any(|source| source["serviceAccountToken"].is_object()) {
        return Err(request.forbidden("a mirror pod may not use ServiceAccountToken volume projections"));
    }
    Ok(())
}

/// Whether an account says something about the Pods that run as it.
pub(super) fn concerns_pods(account: &Value) -> bool {
    ["automountServiceAccountToken", "imagePullSecrets"].iter().any(|field| account.get(*field).is_some())
}

/// The account of this name; null where it says nothing about its Pods.
async fn find(registry: &Registry, request: &AdmissionRequest<'_>, name: &str) -> Result<Value, ApiError> {
    let namespace = request.namespace;
    let attempts = if name == "default" { ATTEMPTS } else { 1 };
    for attempt in 0..attempts {
        if attempt > 0 {
            tokio::time::sleep(ATTEMPT_INTERVAL).await;
        }
        if let Some(entry) = registry.object("", "serviceaccounts", namespace, name).await? {
            let silent = entry.attributes.get(ADMISSION).is_none();
            return Ok(if silent { Value::Null } else { encode::decode(&entry) });
        }
    }
    let detail = format!("error looking up service account {namespace}/{name}: serviceaccount {name:?} not found");
    Err(request.forbidden(&detail))
}

/// Mounts the token into every container that has nothing mounted there.
fn mount(registry: &Registry, spec: &mut Map<String, Value>) {
    let volumes = spec.get("volumes").and_then(Value::as_array).into_iter().flatten();
    let existing = volumes
        .filter_map(|volume| volume["name"].as_str())
        .find(|name| name.starts_with("kube-api-access-"))
        .map(str::to_owned);
    let has_volume = existing.is_some();
    let volume = existing.unwrap_or_else(|| names::generate("kube-api-access-", &*registry.random));
    let mut mounted = false;
    for list in ["initContainers", "containers"] {
        let containers = spec.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten();
        for container in containers.filter_map(Value::as_object_mut) {
            let mut mounts = container.get("volumeMounts").and_then(Value::as_array).into_iter().flatten();
            if mounts.any(|mount| mount["mountPath"] == MOUNT_PATH) {
                continue;
            }
            append(container, "volumeMounts", vec![token_mount(&volume)]);
            mounted = true;
        }
    }
    if mounted && !has_volume {
        append(spec, "volumes", vec![token_volume(&volume)]);
    }
}

fn token_mount(volume: &str) -> Value {
    static MOUNT: LazyLock<Value> = LazyLock::new(|| json!({"name": null, "readOnly": true, "mountPath": MOUNT_PATH}));
    named(&MOUNT, volume)
}

fn token_volume(name: &str) -> Value {
    static VOLUME: LazyLock<Value> = LazyLock::new(|| {
        json!({"name": null, "projected": {"defaultMode": 420, "sources": [
            {"serviceAccountToken": {"expirationSeconds": TOKEN_SECONDS, "path": "token"}},
            {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
            {"downwardAPI": {"items": [
                {"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}]}},
        ]}})
    });
    named(&VOLUME, name)
}

/// A copy of a value that is the same for every Pod, under a name: much cheaper than making it anew.
fn named(value: &Value, name: &str) -> Value {
    let mut named = value.clone();
    if let Some(place) = named.get_mut("name") {
        *place = Value::String(name.to_owned());
    }
    named
}
