use super::super::{Authorizer, Decision, Rbac};
use super::{delete, info, put_rbac, rule, store, user};
use crate::identity::UserInfo;
use kubekit_store::Store;
use serde_json::json;
use std::sync::Arc;

/// `expected` begins with `allow`, or is the reason for no opinion.
#[track_caller]
fn check(rbac: &Rbac, user: &UserInfo, request: &str, expected: &str) {
    let found = match rbac.authorize(user, &info(request)) {
        Decision::Allow(reason) => format!("allow: {reason}"),
        Decision::NoOpinion(reason) => reason,
        Decision::Deny(reason) => format!("deny: {reason}"),
    };
    assert_eq!(found, expected, "{} {request}", user.name);
}

async fn with_roles() -> (Arc<dyn Store>, Rbac) {
    let store = store();
    put_rbac(&store, "clusterroles", json!({"metadata": {"name": "reader"}, "rules": [rule("get,list", "", "pods")]}))
        .await;
    put_rbac(
        &store,
        "roles",
        json!({"metadata": {"name": "editor", "namespace": "a"}, "rules": [rule("create", "", "pods")]}),
    )
    .await;
    let rbac = Rbac::new(Arc::clone(&store));
    rbac.start().await.unwrap();
    (store, rbac)
}

#[tokio::test]
async fn cluster_bindings_hold_everywhere_and_role_bindings_in_their_namespace() {
    let (store, rbac) = with_roles().await;
    let alice = user("alice");
    check(&rbac, &alice, "GET /api/v1/pods", "");
    let reader = json!({"kind": "ClusterRole", "name": "reader"});
    put_rbac(&store, "rolebindings", json!({
        "metadata": {"name": "b", "namespace": "a"}, "roleRef": reader, "subjects": [{"kind": "User", "name": "alice"}],
    }))
    .await;
    let reason = r#"allow: RBAC: allowed by RoleBinding "b/a" of ClusterRole "reader" to User "alice""#;
    check(&rbac, &alice, "GET /api/v1/namespaces/a/pods", reason);
    check(&rbac, &alice, "GET /api/v1/namespaces/b/pods", "");
    check(&rbac, &alice, "GET /api/v1/pods", "");
    check(&rbac, &user("bob"), "GET /api/v1/namespaces/a/pods", "");
    put_rbac(&store, "clusterrolebindings", json!({
        "metadata": {"name": "all"}, "roleRef": reader, "subjects": [{"kind": "Group", "name": "system:authenticated"}],
    }))
    .await;
    let reason =
        r#"allow: RBAC: allowed by ClusterRoleBinding "all" of ClusterRole "reader" to Group "system:authenticated""#;
    check(&rbac, &user("bob"), "GET /api/v1/pods", reason);
    delete(&store, "rbac.authorization.k8s.io", "clusterrolebindings", "", "all").await;
    check(&rbac, &user("bob"), "GET /api/v1/pods", "");
}

#[tokio::test]
async fn a_changed_binding_forgets_its_old_subjects() {
    let (store, rbac) = with_roles().await;
    let binding = |name: &str| {
        json!({
            "metadata": {"name": "b", "namespace": "a"},
            "roleRef": {"kind": "Role", "name": "editor"},
            "subjects": [{"kind": "User", "name": name}],
        })
    };
    put_rbac(&store, "rolebindings", binding("alice")).await;
    put_rbac(&store, "rolebindings", binding("bob")).await;
    check(&rbac, &user("alice"), "POST /api/v1/namespaces/a/pods", "");
    let reason = r#"allow: RBAC: allowed by RoleBinding "b/a" of Role "editor" to User "bob""#;
    check(&rbac, &user("bob"), "POST /api/v1/namespaces/a/pods", reason);
}

#[tokio::test]
async fn service_accounts_are_users() {
    let (store, rbac) = with_roles().await;
    put_rbac(
        &store,
        "rolebindings",
        json!({
            "metadata": {"name": "b", "namespace": "a"},
            "roleRef": {"kind": "ClusterRole", "name": "reader"},
            "subjects": [{"kind": "ServiceAccount", "name": "robot", "namespace": "other"}],
        }),
    )
    .await;
    let reason = r#"allow: RBAC: allowed by RoleBinding "b/a" of ClusterRole "reader" to ServiceAccount "robot/other""#;
    check(&rbac, &user("system:serviceaccount:other:robot"), "GET /api/v1/namespaces/a/pods", reason);
    check(&rbac, &user("system:serviceaccount:a:robot"), "GET /api/v1/namespaces/a/pods", "");
}

#[tokio::test]
async fn a_missing_role_is_a_reason() {
    let (store, rbac) = with_roles().await;
    for (name, role) in [("b1", "gone"), ("b2", "lost")] {
        put_rbac(
            &store,
            "clusterrolebindings",
            json!({
                "metadata": {"name": name},
                "roleRef": {"kind": "ClusterRole", "name": role},
                "subjects": [{"kind": "User", "name": "alice"}],
            }),
        )
        .await;
    }
    let one = r#"clusterrole.rbac.authorization.k8s.io "gone" not found"#;
    let two = r#"clusterrole.rbac.authorization.k8s.io "lost" not found"#;
    check(&rbac, &user("alice"), "GET /api/v1/pods", &format!("RBAC: [{one}, {two}]"));
    delete(&store, "rbac.authorization.k8s.io", "clusterrolebindings", "", "b2").await;
    check(&rbac, &user("alice"), "GET /api/v1/pods", &format!("RBAC: {one}"));
}

#[tokio::test]
async fn aggregation_follows_labels_through_chains() {
    let (store, rbac) = with_roles().await;
    let aggregating = |name: &str, wanted: &str, label: &str| {
        json!({
            "metadata": {"name": name, "labels": {label: "true"}},
            "aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {wanted: "true"}}]},
            "rules": [],
        })
    };
    put_rbac(&store, "clusterroles", aggregating("outer", "to-outer", "x")).await;
    put_rbac(&store, "clusterroles", aggregating("inner", "to-inner", "to-outer")).await;
    put_rbac(
        &store,
        "clusterrolebindings",
        json!({
            "metadata": {"name": "b"},
            "roleRef": {"kind": "ClusterRole", "name": "outer"},
            "subjects": [{"kind": "User", "name": "alice"}],
        }),
    )
    .await;
    check(&rbac, &user("alice"), "GET /apis/example.com/v1/widgets", "");
    put_rbac(&store, "clusterroles", json!({
        "metadata": {"name": "part", "labels": {"to-inner": "true"}}, "rules": [rule("list", "example.com", "widgets")],
    }))
    .await;
    let reason = r#"allow: RBAC: allowed by ClusterRoleBinding "b" of ClusterRole "outer" to User "alice""#;
    check(&rbac, &user("alice"), "GET /apis/example.com/v1/widgets", reason);
    delete(&store, "rbac.authorization.k8s.io", "clusterroles", "", "part").await;
    check(&rbac, &user("alice"), "GET /apis/example.com/v1/widgets", "");
}

#[tokio::test]
async fn the_default_roles_let_components_work() {
    let store = store();
    for object in crate::bootstrap_roles::objects() {
        let text = object.stamped("u", "2026-01-01T00:00:00Z");
        let value = kubekit_store::Value { bytes: text.into(), splice: object.splice() };
        store.put(&object.key, kubekit_store::Precondition::Absent, value).await.unwrap();
    }
    let rbac = Rbac::new(store);
    rbac.start().await.unwrap();
    let allowed =
        |user: &str, request: &str| matches!(rbac.authorize(&super::user(user), &info(request)), Decision::Allow(_));
    for (user, request, expected) in [
        ("system:kube-scheduler", "POST /api/v1/namespaces/a/pods/p/binding", true),
        ("system:kube-scheduler", "POST /api/v1/namespaces/a/pods", false),
        ("system:kube-controller-manager", "GET /apis/apps/v1/deployments?watch=1", true),
        ("system:serviceaccount:kube-system:replicaset-controller", "POST /api/v1/namespaces/a/pods", true),
        ("system:serviceaccount:kube-system:replicaset-controller", "GET /api/v1/secrets", false),
        ("system:serviceaccount:kube-system:generic-garbage-collector", "DELETE /apis/x/v1/namespaces/a/y/z", true),
        ("system:kube-proxy", "GET /apis/discovery.k8s.io/v1/endpointslices?watch=1", true),
        ("alice", "POST /apis/authorization.k8s.io/v1/selfsubjectaccessreviews", true),
        ("alice", "GET /openapi/v3", true),
        ("alice", "GET /api/v1/pods", false),
    ] {
        assert_eq!(allowed(user, request), expected, "{user} {request}");
    }
}
