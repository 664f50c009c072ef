use super::super::NodeRestriction;
use crate::admission::{Admission, AdmissionRequest, Operation};
use crate::identity::UserInfo;
use serde_json::{Value, json};

/// What node `n1` is told; empty where it may.
fn write(target: &str, operation: Operation, name: &str, object: Option<Value>, old: Option<Value>) -> String {
    let user = UserInfo::new("system:node:n1", ["system:nodes"]);
    let (resource, subresource) = target.split_once('/').unwrap_or((target, ""));
    let group = if resource == "leases" { "coordination.k8s.io" } else { "" };
    let mut object = object;
    let mut request = AdmissionRequest {
        user: &user,
        operation,
        resource: kubekit_core::catalog::find(group, "v1", resource).unwrap(),
        subresource,
        namespace: if resource == "leases" { "kube-node-lease" } else { "a" },
        name,
        object: object.as_mut(),
        old: old.as_ref(),
        dry_run: false,
    };
    NodeRestriction.admit(&mut request).map_or_else(|error| error.message, |()| String::new())
}

#[track_caller]
fn check_pod(operation: Operation, object: Option<Value>, old: Option<Value>, expected: &str) {
    let expected = if expected.is_empty() { String::new() } else { format!("pods \"p\" is forbidden: {expected}") };
    assert_eq!(write("pods", operation, "p", object, old), expected);
}

#[test]
fn only_mirror_pods_are_created() {
    let mirror = |extra: Value| {
        let mut pod = json!({
            "metadata": {"name": "p", "annotations": {"kubernetes.io/config.mirror": "x"}}, "spec": {"nodeName": "n1"},
        });
        pod["spec"].as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        Some(pod)
    };
    use Operation::Create;
    check_pod(Create, mirror(json!({})), None, "");
    let plain = json!({"metadata": {"name": "p"}, "spec": {"nodeName": "n1"}});
    let expected =
        "pod does not have \"kubernetes.io/config.mirror\" annotation, node \"n1\" can only create mirror pods";
    check_pod(Create, Some(plain), None, expected);
    let elsewhere = mirror(json!({"nodeName": "n2"}));
    check_pod(Create, elsewhere, None, "node \"n1\" can only create pods with spec.nodeName set to itself");
    let account = mirror(json!({"serviceAccountName": "robot"}));
    check_pod(Create, account, None, "node \"n1\" can not create pods that reference a service account");
    let from = |from: Value| json!({"initContainers": [{"env": [{"name": "E", "valueFrom": from}]}]});
    let volume = |volume: Value| json!({"volumes": [volume]});
    for (what, spec) in [
        ("secrets", volume(json!({"secret": {"secretName": "s"}}))),
        ("secrets", volume(json!({"csi": {"nodePublishSecretRef": {"name": "s"}}}))),
        ("secrets", volume(json!({"projected": {"sources": [{"secret": {"name": "s"}}]}}))),
        ("secrets", json!({"imagePullSecrets": [{"name": "s"}]})),
        ("secrets", json!({"containers": [{"envFrom": [{"secretRef": {"name": "s"}}]}]})),
        ("secrets", from(json!({"secretKeyRef": {"name": "s", "key": "k"}}))),
        ("configmaps", volume(json!({"configMap": {"name": "c"}}))),
        ("configmaps", from(json!({"configMapKeyRef": {"name": "c", "key": "k"}}))),
        ("persistentvolumeclaims", volume(json!({"persistentVolumeClaim": {"claimName": "c"}}))),
        ("resourceclaims", json!({"resourceClaims": [{"name": "gpu"}]})),
    ] {
        check_pod(Create, mirror(spec), None, &format!("node \"n1\" can not create pods that reference {what}"));
    }
}

#[test]
fn only_pods_bound_here_are_deleted_or_reported_on() {
    let pod = |node: &str| Some(json!({"metadata": {"name": "p"}, "spec": {"nodeName": node}}));
    check_pod(Operation::Delete, None, pod("n1"), "");
    let expected = "node \"n1\" can only delete pods with spec.nodeName set to itself";
    check_pod(Operation::Delete, None, pod("n2"), expected);
    assert_eq!(write("pods/status", Operation::Update, "p", pod("n1"), pod("n1")), "");
    assert_ne!(write("pods/status", Operation::Update, "p", pod("n2"), pod("n2")), "");
    let labelled = Some(json!({"metadata": {"name": "p", "labels": {"a": "b"}}, "spec": {"nodeName": "n1"}}));
    let error = write("pods/status", Operation::Update, "p", labelled, pod("n1"));
    assert_eq!(error, "pods \"p\" is forbidden: node \"n1\" cannot update labels through pod status");
}

#[track_caller]
fn check_node(name: &str, labels: Value, old_labels: Option<Value>, expected: &str) {
    let node = |labels: Value| json!({"metadata": {"name": name, "labels": labels}});
    let operation = if old_labels.is_some() { Operation::Update } else { Operation::Create };
    let expected = if expected.is_empty() { String::new() } else { format!("nodes {name:?} is forbidden: {expected}") };
    assert_eq!(write("nodes", operation, name, Some(node(labels)), old_labels.map(node)), expected);
}

#[test]
fn a_node_labels_itself_within_bounds() {
    check_node("n1", json!({"kubernetes.io/hostname": "n1", "example.com/a": "b", "plain": "c"}), None, "");
    check_node("n2", json!({}), None, "node \"n1\" is not allowed to modify node \"n2\"");
    let restricted = json!({"node-restriction.kubernetes.io/tenant": "a"});
    let expected = "is not allowed to set the following labels: node-restriction.kubernetes.io/tenant";
    check_node("n1", restricted.clone(), None, expected);
    check_node("n1", restricted.clone(), Some(restricted.clone()), "");
    let expected = "is not allowed to modify the following labels: node-restriction.kubernetes.io/tenant";
    check_node("n1", json!({}), Some(restricted), expected);
    let expected = "is not allowed to set the following labels: foo.kubernetes.io/a";
    check_node("n1", json!({"foo.kubernetes.io/a": "b"}), None, expected);
}

#[test]
fn taints_and_deletion_are_for_others() {
    let node = |taints: Value| json!({"metadata": {"name": "n1"}, "spec": {"taints": taints}});
    let error = write("nodes", Operation::Update, "n1", Some(node(json!([]))), Some(node(json!([{"key": "a"}]))));
    assert_eq!(error, "nodes \"n1\" is forbidden: node \"n1\" is not allowed to modify taints");
    assert_ne!(write("nodes", Operation::Delete, "n1", None, Some(node(json!([])))), "");
}

#[test]
fn leases_and_tokens() {
    assert_eq!(write("leases", Operation::Update, "n1", Some(json!({})), Some(json!({}))), "");
    assert_ne!(write("leases", Operation::Update, "n2", Some(json!({})), Some(json!({}))), "");
    let token = |reference: Value| {
        write(
            "serviceaccounts/token",
            Operation::Create,
            "robot",
            Some(json!({"spec": {"boundObjectRef": reference}})),
            None,
        )
    };
    assert_eq!(token(json!({"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "u"})), "");
    let refused = |detail: &str| format!("serviceaccounts \"robot\" is forbidden: node requested token {detail}");
    let nameless = json!({"apiVersion": "v1", "kind": "Pod", "name": "p"});
    assert_eq!(token(nameless), refused("with a pod binding without a uid"));
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "name": "p", "uid": "u"});
    for other in [Value::Null, secret, json!({"apiVersion": "v1", "kind": "Pod", "uid": "u"})] {
        assert_eq!(token(other), refused("not bound to a pod"));
    }
}

#[test]
fn people_are_not_nodes() {
    let user = UserInfo::admin();
    let mut object = json!({"metadata": {"name": "n2"}});
    let mut request = AdmissionRequest {
        user: &user,
        operation: Operation::Create,
        resource: kubekit_core::catalog::find("", "v1", "nodes").unwrap(),
        subresource: "",
        namespace: "",
        name: "n2",
        object: Some(&mut object),
        old: None,
        dry_run: false,
    };
    assert!(NodeRestriction.admit(&mut request).is_ok());
}
