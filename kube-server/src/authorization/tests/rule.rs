use super::super::Rule;
use super::info;
use serde_json::{Value, json};

fn rule(value: Value) -> Rule {
    serde_json::from_value(value).unwrap()
}

#[track_caller]
fn check(value: Value, request: &str, expected: bool) {
    assert_eq!(rule(value.clone()).allows(&info(request)), expected, "{value} {request}");
}

#[test]
fn what_a_rule_allows() {
    let pods = json!({"verbs": ["get", "list"], "apiGroups": [""], "resources": ["pods", "pods/log"]});
    check(pods.clone(), "GET /api/v1/namespaces/a/pods/p", true);
    check(pods.clone(), "GET /api/v1/pods", true);
    check(pods.clone(), "GET /api/v1/namespaces/a/pods/p/log", true);
    check(pods.clone(), "GET /api/v1/namespaces/a/pods/p/status", false);
    check(pods.clone(), "DELETE /api/v1/namespaces/a/pods/p", false);
    check(pods, "GET /apis/other/v1/namespaces/a/pods/p", false);
    let all = json!({"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]});
    check(all.clone(), "PUT /apis/apps/v1/namespaces/a/deployments/d/scale", true);
    check(all, "GET /healthz", false);
    let scale = json!({"verbs": ["get"], "apiGroups": ["*"], "resources": ["*/scale"]});
    check(scale.clone(), "GET /apis/apps/v1/namespaces/a/deployments/d/scale", true);
    check(scale.clone(), "GET /apis/apps/v1/namespaces/a/deployments/d/status", false);
    check(scale, "GET /apis/apps/v1/namespaces/a/deployments/d", false);
    check(
        json!({"verbs": ["get"], "apiGroups": [""], "resources": ["pods/*"]}),
        "GET /api/v1/namespaces/a/pods/p/log",
        false,
    );
}

#[test]
fn names_and_paths() {
    let named = json!({"verbs": ["get", "list", "create"], "apiGroups": [""], "resources": ["configmaps"], "resourceNames": ["c"]});
    check(named.clone(), "GET /api/v1/namespaces/a/configmaps/c", true);
    check(named.clone(), "GET /api/v1/namespaces/a/configmaps/d", false);
    check(named.clone(), "GET /api/v1/namespaces/a/configmaps", false);
    check(named.clone(), "GET /api/v1/namespaces/a/configmaps?fieldSelector=metadata.name%3Dc", true);
    check(named, "POST /api/v1/namespaces/a/configmaps", false);
    let paths = json!({"verbs": ["get"], "nonResourceURLs": ["/healthz", "/apis/*"]});
    check(paths.clone(), "GET /healthz", true);
    check(paths.clone(), "GET /healthz/ping", false);
    check(paths.clone(), "GET /apis/apps", true);
    check(paths.clone(), "GET /apis", false);
    check(paths, "POST /healthz", false);
    check(json!({"verbs": ["get"], "nonResourceURLs": ["*"]}), "GET /metrics", true);
    check(json!({"verbs": ["get"], "apiGroups": null, "resources": null}), "GET /api/v1/pods", false);
}

#[track_caller]
fn check_missing(held: Value, wanted: Value, expected: &[&str]) {
    let missing = Rule::missing(
        &serde_json::from_value::<Vec<Rule>>(held).unwrap(),
        &serde_json::from_value::<Vec<Rule>>(wanted).unwrap(),
    );
    assert_eq!(missing.iter().map(ToString::to_string).collect::<Vec<_>>(), expected);
}

#[test]
fn what_is_missing() {
    let read = json!({"verbs": ["get", "list"], "apiGroups": [""], "resources": ["pods"]});
    let one = json!({"verbs": ["get"], "apiGroups": [""], "resources": ["pods"], "resourceNames": ["p"]});
    check_missing(json!([read]), json!([read]), &[]);
    check_missing(json!([read]), json!([one]), &[]);
    check_missing(json!([one]), json!([read]), &[r#"{APIGroups:[""], Resources:["pods"], Verbs:["get" "list"]}"#]);
    check_missing(
        json!([]),
        json!([one]),
        &[r#"{APIGroups:[""], Resources:["pods"], ResourceNames:["p"], Verbs:["get"]}"#],
    );
    check_missing(
        json!([read]),
        json!([{"verbs": ["list", "delete"], "apiGroups": [""], "resources": ["pods", "secrets"]}]),
        &[
            r#"{APIGroups:[""], Resources:["secrets"], Verbs:["list" "delete"]}"#,
            r#"{APIGroups:[""], Resources:["pods"], Verbs:["delete"]}"#,
        ],
    );
    let all = json!({"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]});
    check_missing(json!([all]), json!([read, one, all]), &[]);
    check_missing(json!([read]), json!([all]), &[r#"{APIGroups:["*"], Resources:["*"], Verbs:["*"]}"#]);
    let paths = |list: &[&str]| json!([{"verbs": ["get"], "nonResourceURLs": list}]);
    check_missing(paths(&["/a/*"]), paths(&["/a/b", "/a/*"]), &[]);
    check_missing(paths(&["/a/b"]), paths(&["/a/*"]), &[r#"{NonResourceURLs:["/a/*"], Verbs:["get"]}"#]);
    let scale = json!({"verbs": ["get"], "apiGroups": ["*"], "resources": ["*/scale"]});
    let deployments = json!({"verbs": ["get"], "apiGroups": ["apps"], "resources": ["deployments/scale"]});
    check_missing(json!([scale]), json!([deployments]), &[]);
}
