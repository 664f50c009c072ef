use super::*;
use std::collections::BTreeSet;

fn decoded() -> Vec<(&'static str, Value)> {
    objects()
        .iter()
        .map(|o| (o.key.as_str(), serde_json::from_str(&o.stamped("u", "2026-01-01T00:00:00Z")).expect("JSON")))
        .collect()
}

#[track_caller]
fn find(key: &str) -> Value {
    decoded().into_iter().find(|(k, _)| *k == key).unwrap_or_else(|| panic!("{key}")).1
}

#[test]
fn each_object_is_whole_and_at_its_key() {
    let mut keys = BTreeSet::new();
    for (key, object) in decoded() {
        assert!(keys.insert(key), "{key} twice");
        let metadata = &object["metadata"];
        let plural = match object["kind"].as_str().unwrap() {
            "ClusterRole" => "clusterroles",
            "ClusterRoleBinding" => "clusterrolebindings",
            "Role" => "roles",
            "RoleBinding" => "rolebindings",
            other => panic!("{other}"),
        };
        let namespace = metadata["namespace"].as_str().unwrap_or_default();
        assert_eq!(key, keys::object_key(GROUP, plural, namespace, metadata["name"].as_str().unwrap()));
        assert_eq!((metadata["uid"].as_str(), metadata["annotations"][AUTOUPDATE].as_str()), (Some("u"), Some("true")));
        assert_eq!(object["apiVersion"], "rbac.authorization.k8s.io/v1");
    }
}

#[test]
fn every_binding_names_a_role_that_is_there() {
    let all = decoded();
    for (key, object) in &all {
        let Some(role) = object["roleRef"]["name"].as_str() else { continue };
        let namespace = object["metadata"]["namespace"].as_str().unwrap_or_default();
        let plural = if object["roleRef"]["kind"] == "Role" { "roles" } else { "clusterroles" };
        let namespace = if plural == "roles" { namespace } else { "" };
        let wanted = keys::object_key(GROUP, plural, namespace, role);
        assert!(all.iter().any(|(k, _)| *k == wanted), "{key} binds {wanted}");
    }
}

#[test]
fn rules_are_spelled_out() {
    let role = find("/rbac.authorization.k8s.io/clusterroles/system:controller:disruption-controller");
    let rules = role["rules"].as_array().unwrap();
    assert!(rules.contains(&json!({"apiGroups": ["*"], "resources": ["*/scale"], "verbs": ["get"]})));
    assert!(rules.contains(
        &json!({"apiGroups": [""], "resources": ["replicationcontrollers"], "verbs": ["get", "list", "watch"]})
    ));
    let role = find("/rbac.authorization.k8s.io/clusterroles/cluster-admin");
    assert_eq!(role["rules"][1], json!({"nonResourceURLs": ["*"], "verbs": ["*"]}));
    let binding = find("/rbac.authorization.k8s.io/clusterrolebindings/system:controller:node-controller");
    assert_eq!(
        binding["subjects"],
        json!([{"kind": "ServiceAccount", "name": "node-controller", "namespace": "kube-system"}])
    );
}

#[test]
fn aggregating_roles_come_aggregated() {
    let count = |name: &str| {
        find(&format!("/rbac.authorization.k8s.io/clusterroles/{name}"))["rules"].as_array().unwrap().len()
    };
    let (admin, edit, view) = ("system:aggregate-to-admin", "system:aggregate-to-edit", "system:aggregate-to-view");
    assert_eq!(count("view"), count(view));
    assert_eq!(count("edit"), count(view) + count(edit));
    assert_eq!(count("admin"), count(view) + count(edit) + count(admin));
    let edit = find("/rbac.authorization.k8s.io/clusterroles/edit");
    assert_eq!(edit["metadata"]["labels"]["rbac.authorization.k8s.io/aggregate-to-admin"], "true");
    let selector = &edit["aggregationRule"]["clusterRoleSelectors"][0]["matchLabels"];
    assert_eq!(selector, &json!({"rbac.authorization.k8s.io/aggregate-to-edit": "true"}));
}

#[test]
fn the_splice_is_the_start_of_metadata() {
    let text = objects()[0].stamped("u", "t");
    let (head, tail) = text.split_at(objects()[0].splice() as usize);
    assert!(head.ends_with(r#""metadata":{"#) && tail.starts_with(r#""uid":"u""#));
}

/// Changes a default role or binding, and holds what reconciliation makes of it against `expected`.
#[track_caller]
fn check_reconciled(key: &str, change: impl FnOnce(&mut Value), expected: impl FnOnce(&mut Value)) {
    let wanted = find(key);
    let mut existing = wanted.clone();
    change(&mut existing);
    let mut restored = existing.clone();
    expected(&mut restored);
    assert_eq!(reconcile(&wanted, &existing), (restored != existing).then_some(restored), "{key}");
}

#[test]
fn what_is_missing_comes_back_and_what_people_added_stays() {
    let dns = "/rbac.authorization.k8s.io/clusterroles/system:kube-dns";
    let own = json!({"verbs": ["get"], "apiGroups": [""], "resources": ["secrets"]});
    check_reconciled(dns, |_| {}, |_| {});
    check_reconciled(
        dns,
        |role| role["rules"] = json!([own]),
        |role| {
            role["rules"] = json!([
                own,
                {"verbs": ["list", "watch"], "apiGroups": [""], "resources": ["endpoints"]},
                {"verbs": ["list", "watch"], "apiGroups": [""], "resources": ["services"]},
                {"verbs": ["get", "list", "watch"], "apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"]},
            ]);
        },
    );
    check_reconciled(
        dns,
        |role| role["metadata"]["labels"] = json!({"a": "b"}),
        |role| {
            role["metadata"]["labels"]["kubernetes.io/bootstrapping"] = json!("rbac-defaults");
        },
    );
    let guarded = |role: &mut Value| {
        role["metadata"]["annotations"][AUTOUPDATE] = json!("false");
        role["rules"] = json!([]);
    };
    check_reconciled(dns, guarded, |_| {});
    let binding = "/rbac.authorization.k8s.io/clusterrolebindings/system:basic-user";
    check_reconciled(
        binding,
        |binding| binding["subjects"] = Value::Null,
        |binding| {
            binding["subjects"] = json!([{"apiGroup": GROUP, "kind": "Group", "name": "system:authenticated"}]);
        },
    );
    let edit = "/rbac.authorization.k8s.io/clusterroles/edit";
    check_reconciled(edit, |role| role["rules"] = json!([]), |_| {});
}

#[test]
fn what_lacks_nothing_is_not_written_again() {
    for (key, object) in decoded() {
        assert_eq!(reconcile(&object, &object), None, "{key}");
    }
}
