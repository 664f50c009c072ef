//! `/metrics`, as Prometheus reads it.

use crate::harness::{CONFIG_MAPS, Harness, config_map};
use kubekit_server::identity::UserInfo;
use serde_json::json;

/// The value of the one sample whose line has all of these in it.
#[track_caller]
fn value(text: &str, name: &str, labels: &[&str]) -> f64 {
    let of_name = text.lines().filter(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' '])));
    let found: Vec<&str> = of_name.filter(|line| labels.iter().all(|label| line.contains(label))).collect();
    let [line] = found.as_slice() else { panic!("{name} {labels:?}: {found:#?} in\n{text}") };
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

#[tokio::test]
async fn requests_are_counted_under_kubernetes_names() {
    let h = Harness::new().await;
    h.made(CONFIG_MAPS, config_map("a")).await;
    h.made(CONFIG_MAPS, config_map("b")).await;
    h.get(&format!("{CONFIG_MAPS}/a")).await.ok();
    h.get(&format!("{CONFIG_MAPS}/absent")).await;
    h.get(CONFIG_MAPS).await.ok();
    h.get("/api/v1/configmaps").await.ok();
    h.post(&format!("{CONFIG_MAPS}?dryRun=All"), &config_map("c")).await;
    h.patch(&format!("{CONFIG_MAPS}/a?fieldManager=m"), "apply", &config_map("a")).await;
    h.get("/apis/example.com/v1/things/1").await;
    h.get("/livez").await;
    let answer = h.get("/metrics").await;
    assert_eq!(answer.code, 200);
    assert_eq!(answer.headers["content-type"], "application/openmetrics-text; version=1.0.0; charset=utf-8");
    let text = &answer.text;
    let maps = r#"resource="configmaps""#;
    let total = |labels: &[&str]| value(text, "apiserver_request_total", labels);
    let posted = [maps, r#"verb="POST""#, r#"code="201""#, r#"scope="resource""#, r#"component="apiserver""#];
    assert_eq!(total(&[&posted[..], &[r#"dry_run="""#]].concat()), 2.0);
    assert_eq!(total(&[maps, r#"dry_run="All""#, r#"version="v1""#, r#"group="""#]), 1.0);
    assert_eq!(total(&[maps, r#"verb="GET""#, r#"code="200""#]), 1.0);
    assert_eq!(total(&[maps, r#"verb="GET""#, r#"code="404""#]), 1.0);
    assert_eq!(total(&[maps, r#"verb="LIST""#, r#"scope="namespace""#]), 1.0);
    assert_eq!(total(&[maps, r#"verb="LIST""#, r#"scope="cluster""#]), 1.0);
    assert_eq!(total(&[maps, r#"verb="APPLY""#]), 1.0);
    assert_eq!(total(&[r#"subresource="/livez""#]), 1.0);
    assert!(!text.contains("example.com"), "a client cannot make up labels");
    let seconds = "apiserver_request_duration_seconds";
    assert_eq!(value(text, &format!("{seconds}_count"), &[maps, r#"verb="GET""#]), 2.0);
    assert_eq!(value(text, &format!("{seconds}_bucket"), &[maps, r#"verb="GET""#, r#"le="60.0""#]), 2.0);
    assert_eq!(value(text, "apiserver_resource_objects", &[maps]), 2.0);
    assert_eq!(value(text, "apiserver_resource_objects", &[r#"resource="pods""#]), 0.0);
    assert_eq!(value(text, "kubernetes_build_info", &[r#"git_version="v1.36.0""#]), 1.0);
    assert_eq!(value(text, "apiserver_current_inflight_requests", &[r#"request_kind="mutating""#]), 0.0);
    assert!(text.ends_with("# EOF\n"));
}

#[tokio::test]
async fn monitoring_may_read_them_and_others_may_not() {
    let h = Harness::new().await;
    let monitor = UserInfo::new("prometheus", ["system:monitoring"]);
    assert_eq!(h.as_user(monitor).get("/metrics").await.code, 200);
    let refused = h.as_user(UserInfo::new("alice", ["people"])).get("/metrics").await;
    refused.refused(403, "Forbidden", "forbidden: User \"alice\" cannot get path \"/metrics\"");
    let written = h.post("/metrics", &json!({})).await;
    assert_eq!(written.code, 405);
}
