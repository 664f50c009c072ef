use super::super::{Authorizer, Decision, NodeAuthorizer};
use super::{info, put, store};
use crate::identity::UserInfo;
use serde_json::json;

async fn authorizer() -> NodeAuthorizer {
    let store = store();
    put(
        &store,
        "",
        "pods",
        json!({
            "metadata": {"name": "p", "namespace": "a"},
            "spec": {
                "nodeName": "n1",
                "serviceAccountName": "robot",
                "imagePullSecrets": [{"name": "pull"}],
                "containers": [{
                    "env": [{"valueFrom": {"secretKeyRef": {"name": "env"}}}],
                    "envFrom": [{"configMapRef": {"name": "all"}}],
                }],
                "volumes": [
                    {"secret": {"secretName": "files"}},
                    {"configMap": {"name": "files"}},
                    {"projected": {"sources": [{"configMap": {"name": "kube-root-ca.crt"}}]}},
                    {"persistentVolumeClaim": {"claimName": "claim"}},
                    {"name": "scratch", "ephemeral": {"volumeClaimTemplate": {}}},
                ],
            },
        }),
    )
    .await;
    put(
        &store,
        "",
        "pods",
        json!({
            "metadata": {"name": "mirror", "namespace": "a", "annotations": {"kubernetes.io/config.mirror": "x"}},
            "spec": {"nodeName": "n2", "volumes": [{"secret": {"secretName": "files"}}]},
        }),
    )
    .await;
    put(
        &store,
        "",
        "persistentvolumes",
        json!({
            "metadata": {"name": "volume"}, "spec": {
                "claimRef": {"namespace": "a", "name": "claim"},
                "csi": {
                    "nodeStageSecretRef": {"namespace": "storage", "name": "stage"},
                    "nodePublishSecretRef": {"namespace": "", "name": "publish"},
                    "controllerPublishSecretRef": {"namespace": "storage", "name": "controller"},
                },
            },
        }),
    )
    .await;
    NodeAuthorizer::new(store)
}

#[track_caller]
fn check(authorizer: &NodeAuthorizer, node: &str, request: &str, expected: bool) {
    let user = UserInfo::new(format!("system:node:{node}"), ["system:nodes"]);
    let decision = authorizer.authorize(&user, &info(request));
    assert_eq!(matches!(decision, Decision::Allow(_)), expected, "{node} {request}: {decision:?}");
}

#[tokio::test]
async fn what_pods_refer_to_can_be_read_by_their_node_only() {
    let authorizer = authorizer().await;
    for path in [
        "secrets/pull",
        "secrets/env",
        "secrets/files",
        "configmaps/all",
        "configmaps/files",
        "configmaps/kube-root-ca.crt",
        "persistentvolumeclaims/claim",
        // The claim of an ephemeral volume, and a secret of a volume whose namespace is the claim's.
        "persistentvolumeclaims/p-scratch",
        "secrets/publish",
    ] {
        check(&authorizer, "n1", &format!("GET /api/v1/namespaces/a/{path}"), true);
        check(&authorizer, "n2", &format!("GET /api/v1/namespaces/a/{path}"), false);
    }
    check(&authorizer, "n1", "GET /api/v1/persistentvolumes/volume", true);
    check(&authorizer, "n2", "GET /api/v1/persistentvolumes/volume", false);
    check(&authorizer, "n1", "GET /api/v1/namespaces/storage/secrets/stage", true);
    check(&authorizer, "n2", "GET /api/v1/namespaces/storage/secrets/stage", false);
    check(&authorizer, "n1", "GET /api/v1/namespaces/storage/secrets/controller", false);
    check(&authorizer, "n1", "GET /api/v1/namespaces/a/secrets/stage", false);
    check(&authorizer, "n1", "GET /api/v1/namespaces/a/secrets/other", false);
    check(&authorizer, "n1", "GET /api/v1/namespaces/b/secrets/files", false);
    check(&authorizer, "n1", "GET /api/v1/namespaces/a/secrets", false);
    check(&authorizer, "n1", "GET /api/v1/namespaces/a/secrets?watch=1&fieldSelector=metadata.name=files", true);
    check(&authorizer, "n1", "PUT /api/v1/namespaces/a/secrets/files", false);
    check(&authorizer, "n1", "POST /api/v1/namespaces/a/serviceaccounts/robot/token", true);
    check(&authorizer, "n2", "POST /api/v1/namespaces/a/serviceaccounts/robot/token", false);
}

#[tokio::test]
async fn a_node_handles_its_own_pods() {
    let authorizer = authorizer().await;
    for (request, own) in [
        ("GET /api/v1/namespaces/a/pods/p", true),
        ("POST /api/v1/namespaces/a/pods/p/eviction", true),
        ("PATCH /api/v1/namespaces/a/pods/p", false),
        ("POST /api/v1/namespaces/a/pods/p/binding", false),
    ] {
        check(&authorizer, "n1", request, own);
        check(&authorizer, "n2", request, false);
    }
    for request in ["PATCH /api/v1/namespaces/a/pods/gone/status", "DELETE /api/v1/namespaces/a/pods/gone"] {
        check(&authorizer, "n1", request, true);
    }
    check(&authorizer, "n1", "GET /api/v1/namespaces/a/pods/gone", false);
    check(&authorizer, "n1", "GET /api/v1/pods?watch=1&fieldSelector=spec.nodeName%3Dn1", true);
    check(&authorizer, "n1", "GET /api/v1/pods?fieldSelector=spec.nodeName%3Dn2", false);
    check(&authorizer, "n1", "GET /api/v1/pods", false);
    check(&authorizer, "n1", "POST /api/v1/namespaces/a/pods", true);
}

#[tokio::test]
async fn a_node_handles_its_own_node_and_lease() {
    let authorizer = authorizer().await;
    for (request, expected) in [
        ("POST /api/v1/nodes", true),
        ("GET /api/v1/nodes/n1", true),
        ("GET /api/v1/nodes/n2", false),
        ("GET /api/v1/nodes", false),
        ("GET /api/v1/nodes?watch=1&fieldSelector=metadata.name=n1", true),
        ("PATCH /api/v1/nodes/n1/status", true),
        ("PATCH /api/v1/nodes/n2/status", false),
        ("DELETE /api/v1/nodes/n1", false),
        ("POST /apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases", true),
        ("PUT /apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/n1", true),
        ("PUT /apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/n2", false),
        ("GET /apis/coordination.k8s.io/v1/namespaces/kube-system/leases/n1", false),
        ("GET /api/v1/services?watch=1", true),
        ("POST /api/v1/namespaces/a/events", true),
        ("GET /apis/apps/v1/deployments", false),
    ] {
        check(&authorizer, "n1", request, expected);
    }
}

#[tokio::test]
async fn others_are_none_of_its_business() {
    let authorizer = authorizer().await;
    let info = info("GET /api/v1/services");
    let no_opinion = Decision::NoOpinion(String::new());
    assert_eq!(authorizer.authorize(&super::user("system:node:n1"), &info), no_opinion, "not in the group");
    assert_eq!(authorizer.authorize(&UserInfo::new("alice", ["system:nodes"]), &info), no_opinion);
}
