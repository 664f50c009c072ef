//! LimitRanges: what they fill in, and what they bound.

use crate::harness::{Harness, PODS, pod};
use serde_json::{Value, json};

const RANGES: &str = "/api/v1/namespaces/default/limitranges";
const CLAIMS: &str = "/api/v1/namespaces/default/persistentvolumeclaims";

/// A server with a range of these limits.
async fn with_range(limits: Value) -> Harness {
    let h = Harness::new().await;
    h.made(RANGES, json!({"metadata": {"name": "l"}, "spec": {"limits": limits}})).await;
    h
}

#[tokio::test]
async fn limit_ranges_fill_in_and_bound() {
    let h = Harness::new().await;
    h.made(
        "/api/v1/namespaces/default/limitranges",
        json!({"metadata": {"name": "l"}, "spec": {"limits": [
        {"type": "Container", "default": {"cpu": "1"}, "defaultRequest": {"cpu": "500m"}, "max": {"cpu": "2"}}]}}),
    )
    .await;
    let made = h.made(PODS, pod("a")).await;
    assert_eq!(
        made["metadata"]["annotations"]["kubernetes.io/limit-ranger"],
        "LimitRanger plugin set: cpu request for container c; cpu limit for container c"
    );
    assert_eq!(
        made["spec"]["containers"][0]["resources"],
        json!({"limits": {"cpu": "1"}, "requests": {"cpu": "500m"}})
    );
    let mut big = pod("b");
    big["spec"]["containers"][0]["resources"] = json!({"limits": {"cpu": "3"}, "requests": {"cpu": "1"}});
    h.post(PODS, &big).await.refused(
        403,
        "Forbidden",
        "pods \"b\" is forbidden: maximum cpu usage per Container is 2, but limit is 3",
    );
}

#[tokio::test]
async fn the_first_range_that_is_broken_is_told() {
    let h = with_range(json!([{"type": "Container", "max": {"cpu": "2"}}])).await;
    h.made(RANGES, json!({"metadata": {"name": "m"}, "spec": {"limits": [{"type": "Pod", "max": {"cpu": "1"}}]}}))
        .await;
    let mut big = pod("a");
    big["spec"]["containers"][0]["resources"] = json!({"limits": {"cpu": "3"}});
    let refused = h.post(PODS, &big).await;
    refused.refused(403, "Forbidden", "pods \"a\" is forbidden: maximum cpu usage per Container is 2, but limit is 3");
    big["spec"]["containers"][0]["resources"] = json!({"limits": {"cpu": "2"}});
    let refused = h.post(PODS, &big).await;
    refused.refused(403, "Forbidden", "pods \"a\" is forbidden: maximum cpu usage per Pod is 1, but limit is 2");
}

#[tokio::test]
async fn a_resize_stays_within_the_bounds() {
    let h = Harness::new().await;
    let mut bound = pod("a");
    bound["spec"]["containers"][0]["resources"] =
        json!({"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"cpu": "1", "memory": "1Gi"}});
    h.made(PODS, bound).await;
    let limits = json!([{"type": "Container", "max": {"cpu": "2", "memory": "512Mi"}}]);
    h.made(RANGES, json!({"metadata": {"name": "l"}, "spec": {"limits": limits}})).await;
    let resize = async |cpu: &str, memory: &str| {
        let amounts = json!({"cpu": cpu, "memory": memory});
        let resources = json!({"requests": amounts, "limits": amounts});
        let change = json!({"spec": {"containers": [{"name": "c", "resources": resources}]}});
        h.patch(&format!("{PODS}/a/resize"), "strategic", &change).await
    };
    resize("3", "1Gi").await.refused(
        403,
        "Forbidden",
        "pods \"a\" is forbidden: maximum cpu usage per Container is 2, but limit is 3",
    );
    let grown = resize("2", "1Gi").await.ok();
    assert_eq!(grown["spec"]["containers"][0]["resources"]["limits"]["cpu"], "2", "what it had may stay");
    assert_eq!(resize("2", "2Gi").await.code, 403);
    let label = h.patch(&format!("{PODS}/a"), "merge", &json!({"metadata": {"labels": {"a": "b"}}})).await;
    assert_eq!(label.code, 200, "{}", label.text);
}

#[tokio::test]
async fn claims_are_bounded_by_what_they_request() {
    let h = with_range(json!([
        {"type": "PersistentVolumeClaim", "min": {"storage": "1Gi"}, "max": {"storage": "2Gi"}},
        {"type": "Pod", "max": {"cpu": "1"}}]))
    .await;
    let claim = |size: &str| {
        json!({"metadata": {"name": "c"}, "spec": {"accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": size}}}})
    };
    h.post(CLAIMS, &claim("3Gi")).await.refused(
        403,
        "Forbidden",
        "persistentvolumeclaims \"c\" is forbidden: maximum storage usage per PersistentVolumeClaim is 2Gi, but request is \
         3Gi",
    );
    h.post(CLAIMS, &claim("1Mi")).await.refused(
        403,
        "Forbidden",
        "persistentvolumeclaims \"c\" is forbidden: minimum storage usage per PersistentVolumeClaim is 1Gi, but request is \
         1Mi",
    );
    h.made(CLAIMS, claim("1Gi")).await;
    let uri = &format!("{CLAIMS}/c");
    let status = json!({"status": {"phase": "Bound", "capacity": {"storage": "1Gi"}}});
    h.patch(&format!("{uri}/status"), "merge", &status).await.ok();
    let grow = |size: &str| json!({"spec": {"resources": {"requests": {"storage": size}}}});
    assert_eq!(h.patch(uri, "merge", &grow("5Gi")).await.code, 403);
    assert_eq!(h.patch(uri, "merge", &grow("2Gi")).await.code, 200);
}
