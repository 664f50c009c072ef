//! Queries and bodies as they go over the wire.

use super::*;

#[track_caller]
fn check(fill: impl FnOnce(&mut Query), expected: &str) {
    let mut query = Query::default();
    fill(&mut query);
    assert_eq!(query.append_to("/p".to_owned()), expected);
}

#[test]
fn queries() {
    check(|q| ListParams::default().query(q), "/p");
    check(
        |q| ListParams::default().labels("a in (b, c)").limit(500).query(q),
        "/p?labelSelector=a%20in%20%28b%2C%20c%29&limit=500",
    );
    check(|q| ListParams::default().fields("spec.nodeName=n~1").query(q), "/p?fieldSelector=spec.nodeName%3Dn~1");
    check(
        |q| WatchParams { resource_version: "7".into(), timeout_seconds: 300, ..Default::default() }.query(q),
        "/p?watch=true&allowWatchBookmarks=true&resourceVersion=7&timeoutSeconds=300",
    );
    check(|q| PatchParams::apply("me").force().query(q), "/p?fieldManager=me&force=true");
    check(|q| WriteParams { dry_run: true, ..Default::default() }.query(q), "/p?dryRun=All");
}

#[test]
fn delete_options() {
    let body = DeleteParams::foreground().uid("u").resource_version("7").grace_period_seconds(0).body();
    assert_eq!(
        body,
        serde_json::json!({
            "apiVersion": "v1", "kind": "DeleteOptions", "gracePeriodSeconds": 0, "propagationPolicy": "Foreground",
            "preconditions": {"uid": "u", "resourceVersion": "7"},
        })
    );
}
