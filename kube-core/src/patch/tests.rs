use super::*;
use crate::schema::{self, Type};
use proptest::prelude::*;
use serde_json::json;

fn kind(group: &str, kind: &str) -> &'static Type {
    schema::of_kind(group, "v1", kind).expect("a built-in kind")
}

#[track_caller]
fn check_merge(target: Value, patch: Value, expected: Value) {
    let mut merged = target;
    merge(&mut merged, patch);
    assert_eq!(merged, expected);
}

#[test]
fn merge_patches_follow_rfc_7386() {
    check_merge(json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"}));
    check_merge(json!({"a": "b"}), json!({"b": "c"}), json!({"a": "b", "b": "c"}));
    check_merge(json!({"a": "b", "b": "c"}), json!({"a": null}), json!({"b": "c"}));
    check_merge(json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"}));
    check_merge(json!({"a": {"b": "c"}}), json!({"a": {"b": "d", "c": null}}), json!({"a": {"b": "d"}}));
    check_merge(json!({"a": [{"b": "c"}]}), json!({"a": [1]}), json!({"a": [1]}));
    check_merge(json!(["a", "b"]), json!({"a": "b"}), json!({"a": "b"}));
    check_merge(json!({"e": null}), json!({"a": 1}), json!({"e": null, "a": 1}));
    check_merge(json!({}), json!({"a": {"bb": {"ccc": null}}}), json!({"a": {"bb": {}}}));
}

#[track_caller]
fn check_json(target: Value, patch: Value, expected: Result<Value, (u16, &str)>) {
    let found = json(&target, &patch);
    match (found, expected) {
        (Ok(found), Ok(expected)) => assert_eq!(found, expected),
        (Err(error), Err((code, text))) => {
            assert_eq!(error.code(), code, "{error:?}");
            let cause = error.details.causes.first().map_or(error.message.as_str(), |c| c.message.as_str());
            assert!(cause.contains(text), "{error:?}");
        }
        (found, expected) => panic!("{found:?} instead of {expected:?}"),
    }
}

#[test]
fn json_patches_apply_or_say_why() {
    let target = json!({"spec": {"a": 1, "l": [1, 2]}, "metadata": {"annotations": {"x/y": "z"}}});
    check_json(
        target.clone(),
        json!([{"op": "test", "path": "/spec/a", "value": 1}, {"op": "replace", "path": "/spec/a", "value": 2},
            {"op": "add", "path": "/spec/l/-", "value": 3}, {"op": "remove", "path": "/metadata/annotations/x~1y"},
            {"op": "copy", "from": "/spec/a", "path": "/spec/b"}, {"op": "move", "from": "/spec/b", "path": "/c"},
            {"op": "test", "path": "/nothing", "value": null}]),
        Ok(json!({"spec": {"a": 2, "l": [1, 2, 3]}, "metadata": {"annotations": {}}, "c": 2})),
    );
    for (patch, code, text) in [
        (json!([{"op": "test", "path": "/spec/a", "value": 2}]), 422, "testing value /spec/a failed: test failed"),
        (
            json!([{"op": "remove", "path": "/spec/x"}]),
            422,
            "remove operation does not apply: doc is missing path: \"/spec/x\"",
        ),
        (
            json!([{"op": "add", "path": "/x/y", "value": 1}]),
            422,
            "add operation does not apply: doc is missing path: \"/x/y\"",
        ),
        (json!([{"op": "replace", "path": "/x", "value": 1}]), 422, "replace operation does not apply"),
        (
            json!([{"op": "copy", "from": "/x", "path": "/y"}]),
            422,
            "copy operation does not apply: doc is missing from path: /x",
        ),
        (json!({"op": "add"}), 400, "error decoding patch"),
        (json!([{"op": "jump", "path": "/"}]), 400, "error decoding patch"),
        (json!([{"op": "add", "path": "no slash", "value": 1}]), 400, "error decoding patch"),
        (Value::Array(vec![json!({"op": "test", "path": "/spec/a", "value": 1}); 10_001]), 413, "is 10000, got 10001"),
    ] {
        check_json(target.clone(), patch, Err((code, text)));
    }
}

#[test]
fn copies_cannot_blow_an_object_up() {
    let mut patch = vec![json!({"op": "add", "path": "/a", "value": ["x".repeat(1000)]})];
    patch.extend((0..40).map(|_| json!({"op": "copy", "from": "/a", "path": "/a/-"})));
    check_json(json!({}), Value::Array(patch), Err((422, "exceeding the limit")));
}

#[test]
fn patches_cannot_nest_without_bound() {
    let doubled = vec![json!({"op": "copy", "from": "/a", "path": "/a/b"}); 1];
    check_json(json!({"a": {}}), Value::Array(doubled), Ok(json!({"a": {"b": {}}})));
    let path = |levels: usize| "/a".repeat(levels);
    let deeper = (1..200).map(|levels| json!({"op": "add", "path": path(levels), "value": {}})).collect();
    check_json(json!({}), Value::Array(deeper), Err((422, "nest deeper than 100 levels")));
}

#[track_caller]
fn check(target: Value, patch: Value, expected: Value) {
    let found = strategic(target, patch.clone(), kind("apps", "Deployment")).unwrap_or_else(|e| panic!("{patch}: {e}"));
    assert_eq!(found, expected, "{patch}");
}

/// A pod spec within a deployment.
fn pod(spec: Value) -> Value {
    json!({"spec": {"template": {"spec": spec}}})
}

#[track_caller]
fn check_pod(target: Value, patch: Value, expected: Value) {
    check(pod(target), pod(patch), pod(expected));
}

#[test]
fn lists_merge_by_key() {
    check_pod(
        json!({"containers": [{"name": "a", "image": "1"}, {"name": "b", "image": "1"}]}),
        json!({"containers": [{"name": "b", "image": "2"}]}),
        json!({"containers": [{"name": "a", "image": "1"}, {"name": "b", "image": "2"}]}),
    );
    check_pod(
        json!({"containers": [{"name": "a", "image": "1"}]}),
        json!({"containers": [{"name": "new", "image": "2", "args": null}]}),
        json!({"containers": [{"name": "new", "image": "2"}, {"name": "a", "image": "1"}]}),
    );
    check_pod(
        json!({"containers": [{"name": "a", "env": [{"name": "X", "value": "1"}, {"name": "Y", "value": "2"}], "args": ["1", "2"]}]}),
        json!({"containers": [{"name": "a", "env": [{"name": "Y", "value": "3"}], "args": ["3"]}]}),
        json!({"containers": [{"name": "a", "env": [{"name": "X", "value": "1"}, {"name": "Y", "value": "3"}], "args": ["3"]}]}),
    );
    check_pod(
        json!({"tolerations": [{"key": "a"}]}),
        json!({"tolerations": [{"key": "b"}]}),
        json!({"tolerations": [{"key": "b"}]}),
    );
    check(
        json!({"metadata": {"finalizers": ["a/b", "c/d"]}}),
        json!({"metadata": {"finalizers": ["e/f"]}}),
        json!({"metadata": {"finalizers": ["e/f", "a/b", "c/d"]}}),
    );
}

/// Many elements, in the order that suits a search least.
#[test]
fn long_lists_are_merged() {
    let finalizers =
        |numbers: std::ops::Range<usize>| -> Vec<String> { numbers.map(|n| format!("a/{n:06}")).collect() };
    let containers = |numbers: std::ops::Range<usize>| -> Vec<Value> {
        numbers.rev().map(|n| json!({"name": format!("a{n:06}")})).collect()
    };
    let kind = kind("apps", "Deployment");
    let target = json!({"metadata": {"finalizers": finalizers(0..20_000)}});
    let patch = json!({"metadata": {"finalizers": finalizers(10_000..30_000)}});
    let merged = strategic(target.clone(), patch, kind).unwrap();
    assert_eq!(merged["metadata"]["finalizers"].as_array().map(Vec::len), Some(30_000));
    let patch = json!({"metadata": {"$deleteFromPrimitiveList/finalizers": finalizers(10_000..30_000)}});
    let rest = strategic(target, patch, kind).unwrap();
    assert_eq!(rest["metadata"]["finalizers"].as_array().map(Vec::len), Some(10_000));
    let (target, patch) =
        (pod(json!({"containers": containers(0..5_000)})), pod(json!({"containers": containers(2_500..7_500)})));
    let merged = strategic(target, patch, kind).unwrap();
    assert_eq!(merged["spec"]["template"]["spec"]["containers"].as_array().map(Vec::len), Some(7_500));
}

#[test]
fn directives() {
    check_pod(
        json!({"containers": [{"name": "a"}, {"name": "b"}]}),
        json!({"containers": [{"name": "a", "$patch": "delete"}]}),
        json!({"containers": [{"name": "b"}]}),
    );
    check_pod(
        json!({"containers": [{"name": "a"}, {"name": "b"}]}),
        json!({"containers": [{"$patch": "replace"}, {"name": "c"}]}),
        json!({"containers": [{"name": "c"}]}),
    );
    check_pod(
        json!({"securityContext": {"runAsUser": 1}}),
        json!({"securityContext": {"$patch": "replace", "runAsGroup": 2}}),
        json!({"securityContext": {"runAsGroup": 2}}),
    );
    check_pod(
        json!({"securityContext": {"runAsUser": 1}}),
        json!({"securityContext": {"$patch": "delete"}}),
        json!({"securityContext": {}}),
    );
    check(
        json!({"metadata": {"finalizers": ["a/b", "c/d", "e/f"]}}),
        json!({"metadata": {"$deleteFromPrimitiveList/finalizers": ["c/d"]}}),
        json!({"metadata": {"finalizers": ["a/b", "e/f"]}}),
    );
    check(
        json!({"spec": {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}}}),
        json!({"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}}),
        json!({"spec": {"strategy": {"type": "Recreate"}}}),
    );
    check_pod(
        json!({"volumes": [{"name": "v", "emptyDir": {}}]}),
        json!({"volumes": [{"name": "v", "$retainKeys": ["name", "hostPath"], "hostPath": {"path": "/x"}}]}),
        json!({"volumes": [{"name": "v", "hostPath": {"path": "/x"}}]}),
    );
    check_pod(
        json!({"containers": [{"name": "a"}, {"name": "b"}, {"name": "c"}]}),
        json!({"$setElementOrder/containers": [{"name": "c"}, {"name": "a"}, {"name": "d"}], "containers": [{"name": "d"}, {"name": "b", "$patch": "delete"}]}),
        json!({"containers": [{"name": "c"}, {"name": "a"}, {"name": "d"}]}),
    );
    check_pod(
        json!({"containers": [{"name": "a"}, {"name": "server"}, {"name": "b"}]}),
        json!({"$setElementOrder/containers": [{"name": "b"}, {"name": "a"}]}),
        json!({"containers": [{"name": "server"}, {"name": "b"}, {"name": "a"}]}),
    );
    check_pod(json!({}), json!({"$setElementOrder/containers": [{"name": "b"}]}), json!({}));
}

/// What `kubectl` sends and expects to find.
#[test]
fn what_kubectl_sends() {
    // kubectl set image
    check_pod(
        json!({"containers": [{"name": "a", "image": "1", "env": [{"name": "X", "value": "1"}]}, {"name": "b", "image": "1"}]}),
        json!({"$setElementOrder/containers": [{"name": "a"}, {"name": "b"}], "containers": [{"name": "a", "image": "2"}]}),
        json!({"containers": [{"name": "a", "image": "2", "env": [{"name": "X", "value": "1"}]}, {"name": "b", "image": "1"}]}),
    );
    // kubectl set env A- B=2
    check_pod(
        json!({"containers": [{"name": "a", "env": [{"name": "A", "value": "1"}, {"name": "C", "value": "3"}]}]}),
        json!({"containers": [{"name": "a", "$setElementOrder/env": [{"name": "C"}, {"name": "B"}],
                               "env": [{"name": "B", "value": "2"}, {"name": "A", "$patch": "delete"}]}]}),
        json!({"containers": [{"name": "a", "env": [{"name": "C", "value": "3"}, {"name": "B", "value": "2"}]}]}),
    );
    // kubectl label x- y=2, kubectl annotate
    check(
        json!({"metadata": {"labels": {"x": "1"}, "annotations": {"a": "b"}}}),
        json!({"metadata": {"labels": {"x": null, "y": "2"}, "annotations": {"c": "d"}}}),
        json!({"metadata": {"labels": {"y": "2"}, "annotations": {"a": "b", "c": "d"}}}),
    );
    // A variable gets its value from elsewhere: the two are of one struct, and the old one has to be told to go.
    check_pod(
        json!({"containers": [{"name": "a", "env": [{"name": "A", "value": "1"}]}]}),
        json!({"containers": [{"name": "a", "env": [{"name": "A", "value": null, "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]}]}),
        json!({"containers": [{"name": "a", "env": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]}]}),
    );
    // Ports go by their numbers, mounts by their paths, secrets for images by their names.
    check_pod(
        json!({"containers": [{"name": "a", "ports": [{"containerPort": 80, "name": "http"}],
                               "volumeMounts": [{"mountPath": "/a", "name": "v"}]}],
               "imagePullSecrets": [{"name": "s"}], "hostAliases": [{"ip": "10.0.0.1", "hostnames": ["a"]}]}),
        json!({"containers": [{"name": "a", "ports": [{"containerPort": 80, "name": "web"}],
                               "volumeMounts": [{"mountPath": "/a", "readOnly": true}]}],
               "imagePullSecrets": [{"name": "t"}], "hostAliases": [{"ip": "10.0.0.1", "hostnames": ["b"]}]}),
        json!({"containers": [{"name": "a", "ports": [{"containerPort": 80, "name": "web"}],
                               "volumeMounts": [{"mountPath": "/a", "name": "v", "readOnly": true}]}],
               "imagePullSecrets": [{"name": "t"}, {"name": "s"}], "hostAliases": [{"ip": "10.0.0.1", "hostnames": ["b"]}]}),
    );
    // Conditions of a status go by their types.
    let node = strategic(
        json!({"status": {"conditions": [{"type": "Ready", "status": "True"}, {"type": "DiskPressure", "status": "False"}],
                          "addresses": [{"type": "InternalIP", "address": "10.0.0.1"}]}}),
        json!({"status": {"conditions": [{"type": "Ready", "status": "Unknown"}]}}),
        kind("", "Node"),
    );
    assert_eq!(
        node.unwrap()["status"]["conditions"],
        json!([{"type": "Ready", "status": "Unknown"}, {"type": "DiskPressure", "status": "False"}])
    );
    // Taints have no key to merge by.
    let taints = strategic(
        json!({"spec": {"taints": [{"key": "a", "effect": "NoSchedule"}]}}),
        json!({"spec": {"taints": [{"key": "b", "effect": "NoExecute"}]}}),
        kind("", "Node"),
    );
    assert_eq!(taints.unwrap()["spec"]["taints"], json!([{"key": "b", "effect": "NoExecute"}]));
    // Accounts' secrets and bindings' subjects.
    let account = strategic(
        json!({"imagePullSecrets": [{"name": "a"}], "secrets": [{"name": "x"}]}),
        json!({"imagePullSecrets": [{"name": "b"}], "secrets": [{"name": "y"}]}),
        kind("", "ServiceAccount"),
    );
    assert_eq!(
        account.unwrap(),
        json!({"imagePullSecrets": [{"name": "b"}], "secrets": [{"name": "y"}, {"name": "x"}]})
    );
    let binding = strategic(
        json!({"subjects": [{"kind": "User", "name": "a"}]}),
        json!({"subjects": [{"kind": "User", "name": "b"}]}),
        kind("rbac.authorization.k8s.io", "RoleBinding"),
    );
    assert_eq!(binding.unwrap()["subjects"], json!([{"kind": "User", "name": "b"}]));
}

#[test]
fn nulls_and_missing_parts() {
    check(
        json!({"spec": {"replicas": 1, "paused": true}}),
        json!({"spec": {"paused": null}}),
        json!({"spec": {"replicas": 1}}),
    );
    check(
        json!({}),
        json!({"spec": {"template": {"metadata": {"annotations": {"a": "b", "c": null}}}}}),
        json!({"spec": {"template": {"metadata": {"annotations": {"a": "b"}}}}}),
    );
    check(
        json!({"spec": {"selector": {"matchLabels": {"a": "1"}}}}),
        json!({"spec": {"selector": {"matchLabels": {"b": "2"}}}}),
        json!({"spec": {"selector": {"matchLabels": {"a": "1", "b": "2"}}}}),
    );
    let budget = strategic(
        json!({"spec": {"selector": {"matchLabels": {"a": "1"}}}}),
        json!({"spec": {"selector": {"matchLabels": {"b": "2"}}}}),
        kind("policy", "PodDisruptionBudget"),
    );
    assert_eq!(budget.unwrap(), json!({"spec": {"selector": {"matchLabels": {"b": "2"}}}}), "its strategy is replace");
    let service = strategic(
        json!({"spec": {"ports": [{"port": 80, "protocol": "TCP", "name": "a"}]}}),
        json!({"spec": {"ports": [{"port": 80, "targetPort": 8080}]}}),
        kind("", "Service"),
    );
    assert_eq!(
        service.unwrap(),
        json!({"spec": {"ports": [{"port": 80, "protocol": "TCP", "name": "a", "targetPort": 8080}]}})
    );
}

#[test]
fn malformed_strategic_patches_are_refused() {
    for (patch, text) in [
        (json!([]), "not an object"),
        (json!({"spec": {"$patch": "jump"}}), "unknown patch type: jump"),
        (pod(json!({"containers": [{"image": "x"}]})), "does not contain declared merge key: name"),
        (json!({"spec": {"strategy": {"$retainKeys": ["type"], "rollingUpdate": {}}}}), "$retainKeys"),
    ] {
        let target = json!({"spec": {"strategy": {}, "template": {"spec": {"containers": [{"name": "a"}]}}}});
        let error = strategic(target, patch, kind("apps", "Deployment")).unwrap_err();
        assert_eq!(error.code(), 400);
        assert!(error.message.contains(text), "{error}");
    }
}

proptest! {
    #[test]
    fn any_patch_applies_or_fails(target in object(), patch in object()) {
        let _ = strategic(target.clone(), patch.clone(), kind("", "Pod"));
        let mut merged = target.clone();
        merge(&mut merged, patch.clone());
        let _ = json(&target, &patch);
    }

    #[test]
    fn an_empty_patch_changes_nothing(target in object()) {
        prop_assert_eq!(strategic(target.clone(), json!({}), kind("", "Pod")).unwrap(), target);
    }
}

fn object() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        "[a-c]|delete|replace".prop_map(Value::from)
    ];
    let names = "metadata|spec|containers|name|finalizers|env|\\$patch|\\$retainKeys|\\$setElementOrder/containers|\\$deleteFromPrimitiveList/finalizers";
    leaf.prop_recursive(6, 64, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(names, inner, 0..5).prop_map(|m| Value::Object(m.into_iter().collect())),
        ]
    })
    .prop_filter("an object", Value::is_object)
}
