use super::*;
use http::Method;

/// `expected`: verb group/version namespace resource name subresource tail, `-` for empty.
#[track_caller]
fn check(method: Method, target: &str, expected: &str) {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let info = RequestInfo::parse(&method, path, query);
    let dash = |text: &str| if text.is_empty() { "-".to_owned() } else { text.to_owned() };
    let found = if info.is_resource {
        format!(
            "{} {}/{} {} {} {} {} {}",
            dash(&info.verb),
            info.group,
            info.version,
            dash(&info.namespace),
            dash(&info.resource),
            dash(&info.name),
            dash(&info.subresource),
            dash(&info.tail),
        )
    } else {
        format!("{} {}", info.verb, info.path)
    };
    assert_eq!(found, expected, "{method} {target}");
}

#[test]
fn verbs_follow_method_and_name() {
    check(Method::GET, "/api/v1/pods", "list /v1 - pods - - -");
    check(Method::HEAD, "/api/v1/nodes/a", "get /v1 - nodes a - -");
    check(Method::GET, "/api/v1/namespaces/a/pods", "list /v1 a pods - - -");
    check(Method::GET, "/api/v1/namespaces/a/pods/b", "get /v1 a pods b - -");
    check(Method::POST, "/api/v1/namespaces/a/pods", "create /v1 a pods - - -");
    check(Method::PUT, "/api/v1/namespaces/a/pods/b", "update /v1 a pods b - -");
    check(Method::PATCH, "/apis/apps/v1/namespaces/a/deployments/b", "patch apps/v1 a deployments b - -");
    check(Method::DELETE, "/api/v1/namespaces/a/pods/b", "delete /v1 a pods b - -");
    check(Method::DELETE, "/api/v1/namespaces/a/pods", "deletecollection /v1 a pods - - -");
    check(Method::OPTIONS, "/api/v1/pods", "- /v1 - pods - - -");
}

#[test]
fn watch_is_a_parameter_or_a_legacy_path() {
    check(Method::GET, "/api/v1/pods?watch=true", "watch /v1 - pods - - -");
    check(Method::GET, "/api/v1/pods?watch=1&resourceVersion=3", "watch /v1 - pods - - -");
    check(Method::GET, "/api/v1/pods?watch", "watch /v1 - pods - - -");
    check(Method::GET, "/api/v1/pods?watch=false", "list /v1 - pods - - -");
    check(Method::GET, "/api/v1/pods?watch=0", "list /v1 - pods - - -");
    check(Method::GET, "/api/v1/nodes/a?watch=true", "get /v1 - nodes a - -");
    check(Method::GET, "/api/v1/watch/pods", "watch /v1 - pods - - -");
    check(Method::GET, "/api/v1/watch/namespaces/a/pods/b", "watch /v1 a pods b - -");
    check(Method::GET, "/apis/apps/v1/watch/deployments", "watch apps/v1 - deployments - - -");
    check(Method::GET, "/api/v1/watch/namespaces", "watch /v1 - namespaces - - -");
    check(Method::GET, "/api/v1/watch", "get /api/v1/watch");
}

#[test]
fn requests_about_a_namespace_are_made_in_it() {
    check(Method::GET, "/api/v1/namespaces", "list /v1 - namespaces - - -");
    check(Method::POST, "/api/v1/namespaces", "create /v1 - namespaces - - -");
    check(Method::GET, "/api/v1/namespaces/a", "get /v1 a namespaces a - -");
    check(Method::PUT, "/api/v1/namespaces/a/finalize", "update /v1 a namespaces a finalize -");
    check(Method::PATCH, "/api/v1/namespaces/a/status", "patch /v1 a namespaces a status -");
    check(Method::DELETE, "/api/v1/namespaces/a", "delete /v1 a namespaces a - -");
}

#[test]
fn subresources_and_what_follows_them() {
    check(Method::GET, "/api/v1/namespaces/a/pods/b/log?follow=true", "get /v1 a pods b log -");
    check(Method::POST, "/api/v1/namespaces/a/pods/b/exec", "create /v1 a pods b exec -");
    check(Method::PUT, "/apis/apps/v1/namespaces/a/deployments/b/scale", "update apps/v1 a deployments b scale -");
    check(Method::GET, "/api/v1/nodes/n/proxy/metrics/cadvisor", "get /v1 - nodes n proxy metrics/cadvisor");
    check(Method::GET, "/api/v1/proxy/nodes/n/metrics", "proxy /v1 - nodes n - metrics");
    check(Method::GET, "/api/v1/proxy", "get /api/v1/proxy");
}

#[test]
fn a_selected_name_is_the_name() {
    check(Method::GET, "/api/v1/pods?fieldSelector=metadata.name%3Dx", "list /v1 - pods x - -");
    check(Method::GET, "/api/v1/pods?watch=1&fieldSelector=metadata.name==x", "watch /v1 - pods x - -");
    check(Method::GET, "/api/v1/pods?fieldSelector=spec.nodeName=n,metadata.name=x", "list /v1 - pods x - -");
    check(Method::GET, "/api/v1/pods?fieldSelector=metadata.name!=x", "list /v1 - pods - - -");
    check(Method::GET, "/api/v1/pods?fieldSelector=metadata.name=a%2Fb", "list /v1 - pods - - -");
    check(Method::GET, "/api/v1/pods?fieldSelector=metadata.name=..", "list /v1 - pods - - -");
    check(Method::DELETE, "/api/v1/pods?fieldSelector=metadata.name=x", "deletecollection /v1 - pods - - -");
}

#[test]
fn other_paths_are_not_resources() {
    check(Method::GET, "/", "get /");
    check(Method::GET, "/healthz", "get /healthz");
    check(Method::GET, "/api", "get /api");
    check(Method::GET, "/api/v1", "get /api/v1");
    check(Method::GET, "/api/v1/", "get /api/v1/");
    check(Method::GET, "/apis/apps/v1", "get /apis/apps/v1");
    check(Method::GET, "/apis/apps", "get /apis/apps");
    check(Method::POST, "/openapi/v3/api/v1", "post /openapi/v3/api/v1");
    check(Method::GET, "/other/v1/pods/x", "get /other/v1/pods/x");
}

#[test]
fn slashes_and_escapes() {
    check(Method::GET, "/api/v1/pods/", "list /v1 - pods - - -");
    check(
        Method::GET,
        "/apis/rbac.authorization.k8s.io/v1/clusterroles/system%3Anode",
        "get rbac.authorization.k8s.io/v1 - clusterroles system:node - -",
    );
    check(Method::GET, "/version/", "get /version/");
}
