use super::super::{Escalation, Rbac};
use super::{put_rbac, rule, store};
use crate::admission::{Admission, AdmissionRequest, Operation};
use crate::identity::UserInfo;
use serde_json::{Value, json};
use std::sync::Arc;

async fn escalation(rules: Value) -> Escalation {
    let store = store();
    put_rbac(&store, "clusterroles", json!({"metadata": {"name": "held"}, "rules": rules})).await;
    put_rbac(&store, "clusterroles", json!({"metadata": {"name": "secrets"}, "rules": [rule("get", "", "secrets")]}))
        .await;
    put_rbac(
        &store,
        "clusterrolebindings",
        json!({
            "metadata": {"name": "b"},
            "roleRef": {"kind": "ClusterRole", "name": "held"},
            "subjects": [{"kind": "User", "name": "alice"}],
        }),
    )
    .await;
    let rbac = Arc::new(Rbac::new(store));
    rbac.start().await.unwrap();
    Escalation::new(rbac)
}

/// The error of alice's writing `object`; empty where it is allowed.
fn write(escalation: &Escalation, plural: &str, object: &Value, old: Option<&Value>) -> String {
    let user = UserInfo::new("alice", ["dev"]);
    let mut object = object.clone();
    let mut request = AdmissionRequest {
        user: &user,
        operation: if old.is_some() { Operation::Update } else { Operation::Create },
        resource: kubekit_core::catalog::find("rbac.authorization.k8s.io", "v1", plural).unwrap(),
        subresource: "",
        namespace: if plural.starts_with("cluster") { "" } else { "a" },
        name: "new",
        object: Some(&mut object),
        old,
        dry_run: false,
    };
    escalation.admit(&mut request).map_or_else(|error| error.message, |()| String::new())
}

fn role(rules: Value) -> Value {
    json!({"metadata": {"name": "new", "namespace": "a"}, "rules": rules})
}

fn binding(role: &str) -> Value {
    json!({
        "metadata": {"name": "new", "namespace": "a"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
        "subjects": [{"kind": "User", "name": "mallory"}],
    })
}

#[tokio::test]
async fn nobody_grants_more_than_they_have() {
    let escalation = escalation(json!([rule("get,list", "", "pods")])).await;
    assert_eq!(write(&escalation, "roles", &role(json!([rule("get", "", "pods")])), None), "");
    assert_eq!(
        write(&escalation, "roles", &role(json!([rule("get,delete", "", "pods,secrets")])), None),
        "roles.rbac.authorization.k8s.io \"new\" is forbidden: user \"alice\" (groups=[\"dev\" \"system:authenticated\"]) \
         is attempting to grant RBAC permissions not currently held:\n\
         {APIGroups:[\"\"], Resources:[\"pods\"], Verbs:[\"delete\"]}\n\
         {APIGroups:[\"\"], Resources:[\"secrets\"], Verbs:[\"get\" \"delete\"]}"
    );
    assert_eq!(write(&escalation, "rolebindings", &binding("held"), None), "");
    let error = write(&escalation, "rolebindings", &binding("secrets"), None);
    assert!(
        error.starts_with("rolebindings.rbac.authorization.k8s.io \"new\" is forbidden: user \"alice\""),
        "{error}"
    );
    assert_eq!(
        write(&escalation, "rolebindings", &binding("nowhere"), None),
        "clusterrole.rbac.authorization.k8s.io \"nowhere\" not found"
    );
}

#[tokio::test]
async fn escalate_and_bind_are_permissions() {
    let escalation = escalation(json!([
        rule("escalate", "rbac.authorization.k8s.io", "roles"),
        {"verbs": ["bind"], "apiGroups": ["rbac.authorization.k8s.io"], "resources": ["clusterroles"], "resourceNames": ["secrets"]},
    ]))
    .await;
    assert_eq!(write(&escalation, "roles", &role(json!([rule("*", "*", "*")])), None), "");
    assert_ne!(write(&escalation, "clusterroles", &role(json!([rule("*", "*", "*")])), None), "");
    assert_eq!(write(&escalation, "rolebindings", &binding("secrets"), None), "");
}

#[tokio::test]
async fn bookkeeping_on_a_role_beyond_reach_is_allowed() {
    let escalation = escalation(json!([])).await;
    let old = role(json!([rule("*", "*", "*")]));
    let mut new = old.clone();
    new["metadata"]["finalizers"] = json!([]);
    assert_eq!(write(&escalation, "roles", &new, Some(&old)), "");
    new["metadata"]["labels"] = json!({"a": "b"});
    assert_ne!(write(&escalation, "roles", &new, Some(&old)), "");
}

#[tokio::test]
async fn aggregation_needs_everything() {
    let mut new = json!({"metadata": {"name": "new"}, "aggregationRule": {"clusterRoleSelectors": []}});
    let some = escalation(json!([rule("get", "", "pods")])).await;
    assert_eq!(
        write(&some, "clusterroles", &new, None),
        "clusterroles.rbac.authorization.k8s.io \"new\" is forbidden: must have cluster-admin privileges to use an aggregationRule"
    );
    let all = escalation(json!([rule("*", "*", "*")])).await;
    assert_eq!(write(&all, "clusterroles", &new, None), "");
    let old = new.clone();
    new["metadata"]["labels"] = json!({"a": "b"});
    assert_eq!(write(&some, "clusterroles", &new, Some(&old)), "", "the rule was there before");
}
