//! Manifests as people write them, of most kinds: taken without a word, and changed by nothing that changes nothing.

use crate::harness::Harness;
use http::Method;
use kubekit_core::catalog::{self, Resource};
use serde_json::{Value, json};

const MANIFESTS: &str = include_str!("manifests.yaml");

/// What a manifest says at its top level.
fn field<'a>(manifest: &'a str, name: &str) -> &'a str {
    manifest.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).unwrap()
}

fn resource(manifest: &str) -> &'static Resource {
    let (version, kind) = (field(manifest, "apiVersion"), field(manifest, "kind"));
    let found = catalog::builtin().iter().find(|resource| resource.api_version() == version && resource.kind == kind);
    found.unwrap_or_else(|| panic!("no {version} {kind}"))
}

/// A change that people make of an object of this kind, as a merge patch.
fn change_of(kind: &str) -> Option<Value> {
    let change = match kind {
        "StatefulSet" => {
            json!({"spec": {"replicas": 3, "persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Delete"}}})
        }
        "DaemonSet" => json!({"spec": {"template": {"spec": {"nodeSelector": {"a": "b"}}}}}),
        "CronJob" => json!({"spec": {"schedule": "0 3 * * 1-5", "suspend": true}}),
        "Job" => json!({"spec": {"suspend": true, "activeDeadlineSeconds": 60}}),
        "Ingress" => {
            json!({"spec": {"tls": null, "defaultBackend": {"service": {"name": "s", "port": {"number": 1}}}}})
        }
        "NetworkPolicy" => json!({"spec": {"egress": [{}]}}),
        "PodDisruptionBudget" => json!({"spec": {"maxUnavailable": null, "minAvailable": "50%"}}),
        "HorizontalPodAutoscaler" => json!({"spec": {"minReplicas": 2, "maxReplicas": 20, "behavior": null}}),
        "PersistentVolume" => {
            json!({"spec": {"persistentVolumeReclaimPolicy": "Delete", "capacity": {"storage": "6Gi"}}})
        }
        "StorageClass" => json!({"allowVolumeExpansion": false}),
        "CSIDriver" => json!({"spec": {"tokenRequests": null, "requiresRepublish": false}}),
        "ValidatingWebhookConfiguration" => json!({"webhooks": []}),
        "ValidatingAdmissionPolicy" => json!({"spec": {"failurePolicy": "Ignore"}}),
        "ValidatingAdmissionPolicyBinding" => json!({"spec": {"validationActions": ["Warn", "Audit"]}}),
        "CustomResourceDefinition" => json!({"spec": {"names": {"categories": ["all"]}}}),
        "APIService" => json!({"spec": {"versionPriority": 50}}),
        "ResourceQuota" => json!({"spec": {"hard": {"pods": "20"}}}),
        "LimitRange" => json!({"spec": {"limits": []}}),
        "ServiceAccount" => json!({"automountServiceAccountToken": false}),
        "ReplicationController" => json!({"spec": {"replicas": 4, "selector": {"app": "n1"}}}),
        "Lease" => json!({"spec": {"holderIdentity": "b", "renewTime": "2026-01-01T00:00:10.000000Z"}}),
        "EndpointSlice" => json!({"endpoints": [{"addresses": ["10.1.2.4"]}], "ports": []}),
        "FlowSchema" => json!({"spec": {"matchingPrecedence": 900}}),
        "PriorityLevelConfiguration" => json!({"spec": {"limited": {"nominalConcurrencyShares": 10}}}),
        "Node" => json!({"spec": {"unschedulable": true, "taints": [{"key": "a", "effect": "NoExecute"}]}}),
        "PodTemplate" => json!({"template": {"spec": {"restartPolicy": "Never"}}}),
        "Pod" => json!({"spec": {"activeDeadlineSeconds": 50}, "metadata": {"annotations": {"a": "b"}}}),
        "DeviceClass" => json!({"spec": {"selectors": []}}),
        "CSIStorageCapacity" => json!({"capacity": "20Gi"}),
        _ => return None,
    };
    Some(change)
}

async fn check(h: &Harness, manifest: &str) {
    let resource = resource(manifest);
    let kind = resource.kind;
    let group = if resource.group.is_empty() { "/api" } else { "/apis" };
    let namespace = if resource.is_namespaced() { "/namespaces/default" } else { "" };
    let all = format!("{group}/{}{namespace}/{}", resource.api_version(), resource.plural);
    let strict = format!("{all}?fieldValidation=Strict");
    let made = h.call(Method::POST, &strict, "application/yaml", manifest.to_owned()).await;
    assert_eq!(made.code, 201, "{kind}: {}", made.text);
    assert_eq!(made.headers.get("warning"), None, "{kind}");
    let uri = &format!("{all}/{}", made.body["metadata"]["name"].as_str().unwrap());
    let version = &made.body["metadata"]["resourceVersion"];
    let same = h.put(uri, &made.body).await.ok();
    assert_eq!(&same["metadata"]["resourceVersion"], version, "{kind} is what it was");
    let apply = format!("{uri}?fieldManager=me&force=true&fieldValidation=Strict");
    let applied = h.call(Method::PATCH, &apply, "application/apply-patch+yaml", manifest.to_owned()).await;
    assert_eq!(applied.code, 200, "{kind}: {}", applied.text);
    let rest = |object: &Value| {
        let mut object = object.clone();
        object["metadata"] = json!(null);
        object
    };
    assert_eq!(rest(&applied.body), rest(&made.body), "{kind} is what it was");
    let labels = json!({"metadata": {"labels": {"x": "y"}}});
    assert_eq!(h.patch(uri, "strategic", &labels).await.ok()["metadata"]["labels"]["x"], "y", "{kind}");
    if let Some(change) = change_of(kind) {
        let changed = h.patch(uri, "merge", &change).await;
        assert_eq!(changed.code, 200, "{kind}: {}", changed.text);
    }
    let protobuf = h.accept(uri, "application/vnd.kubernetes.protobuf").await;
    assert!(protobuf.text.starts_with("k8s\0"), "{kind}: {}", protobuf.text);
    assert_eq!(h.delete(uri).await.code, 200, "{kind}");
}

#[tokio::test]
async fn what_people_write_is_taken() {
    let h = Harness::new().await;
    for manifest in MANIFESTS.split("\n---\n") {
        check(&h, manifest).await;
    }
}
