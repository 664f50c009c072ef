//! What the query and the headers of a request ask for beside its subject, and what an answer's headers say.

use crate::harness::{Answer, CONFIG_MAPS, Harness, PODS, config_map, pod, request};
use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body::Frame;
use http_body_util::StreamBody;
use serde_json::{Value, json};
use std::convert::Infallible;
use std::time::Duration;
use tokio::time::Instant;
use tower::ServiceExt;

const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io";

/// After how long a request with this query is given up, whose body never ends.
#[track_caller]
fn check_timeout(query: &str, expected: Duration) -> impl Future<Output = ()> {
    let uri = format!("{CONFIG_MAPS}?{query}");
    async move {
        let h =
            Harness::with(|builder| builder.configure(|config| config.request_timeout = Duration::from_secs(60))).await;
        let body = StreamBody::new(futures::stream::pending::<Result<Frame<Bytes>, Infallible>>());
        let request = Request::post(&uri).body(body).unwrap();
        let began = Instant::now();
        let service = h.server.as_user(kubekit_server::identity::UserInfo::admin());
        let answer = service.oneshot(request).await.unwrap();
        assert_eq!(answer.status(), StatusCode::GATEWAY_TIMEOUT, "{uri}");
        assert_eq!(began.elapsed(), expected, "{uri}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_takes_no_longer_than_it_says() {
    check_timeout("", Duration::from_secs(60)).await;
    check_timeout("timeout=1500ms", Duration::from_millis(1500)).await;
    check_timeout("timeout=1m30s", Duration::from_secs(60)).await;
    for none in ["timeout=0", "timeout=0s", "timeout=-5s"] {
        check_timeout(none, Duration::from_secs(60)).await;
    }
    let h = Harness::new().await;
    h.get(&format!("{CONFIG_MAPS}?timeout=soon")).await.refused(
        400,
        "BadRequest",
        "invalid timeout specified in the request URL - time: invalid duration \"soon\"",
    );
    assert_eq!(h.get(&format!("{CONFIG_MAPS}?timeout=32s")).await.code, 200);
}

fn warnings(answer: &Answer) -> Vec<&str> {
    answer.headers.get_all("warning").iter().map(|value| value.to_str().unwrap()).collect()
}

#[tokio::test]
async fn who_uses_what_is_to_go_is_warned() {
    const ENDPOINTS: &str = "/api/v1/namespaces/default/endpoints";
    const TEXT: &str = "299 - \"v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice\"";
    let h = Harness::new().await;
    let made = h.post(ENDPOINTS, &json!({"metadata": {"name": "e"}})).await;
    assert_eq!((made.code, warnings(&made)), (201, vec![TEXT]), "{}", made.text);
    for uri in [ENDPOINTS.to_owned(), "/api/v1/endpoints".to_owned(), format!("{ENDPOINTS}/e")] {
        assert_eq!(warnings(&h.get(&uri).await), [TEXT], "{uri}");
        assert_eq!(warnings(&h.accept(&uri, TABLE).await), [TEXT], "{uri} as a Table");
    }
    let watch = h.open(request(Method::GET, &format!("{ENDPOINTS}?watch=1"), &[], "")).await;
    assert_eq!(watch.headers()["warning"], TEXT);
    assert_eq!(warnings(&h.delete(&format!("{ENDPOINTS}/e")).await), [TEXT]);
    let components = h.get("/api/v1/componentstatuses").await;
    assert_eq!(warnings(&components), ["299 - \"v1 ComponentStatus is deprecated in v1.19+\""]);
    assert!(warnings(&h.get(CONFIG_MAPS).await).is_empty());
}

#[tokio::test]
async fn warnings_fit_into_headers() {
    let h = Harness::new().await;
    let with_unknown = async |count: usize, length: usize| {
        let mut object = config_map("a");
        for i in 0..count {
            object[format!("x{i:02}{}", "y".repeat(length))] = json!(1);
        }
        h.post(&format!("{CONFIG_MAPS}?dryRun=All"), &object).await
    };
    let few = with_unknown(40, 50).await;
    assert_eq!(warnings(&few).len(), 40);
    let long = with_unknown(1, 5000).await;
    assert!(warnings(&long)[0].len() < 300, "what is too long alone is cut too");
    let many = with_unknown(90, 500).await;
    assert_eq!(many.code, 201);
    let told = warnings(&many);
    assert_eq!(told.len(), 16);
    assert!(told.iter().all(|text| text.len() < 300), "{told:?}");
}

#[tokio::test]
async fn a_table_has_of_its_objects_what_is_asked_for() {
    let h = Harness::new().await;
    h.made(PODS, pod("a")).await;
    for uri in [PODS.to_owned(), format!("{PODS}/a")] {
        let refused = h.accept(&format!("{uri}?includeObject=Some"), TABLE).await;
        let text = "Unable to convert to Table as requested: includeObject: Invalid value: \"Some\": must be 'Metadata', \
                    'Object', 'None', or empty";
        refused.refused(400, "BadRequest", text);
        assert_eq!(h.get(&format!("{uri}?includeObject=Some")).await.code, 200, "it is about Tables only");
        let default = h.accept(&format!("{uri}?includeObject="), TABLE).await.ok();
        assert_eq!(default["rows"][0]["object"]["kind"], "PartialObjectMetadata");
    }
}

#[tokio::test]
async fn what_a_dry_run_made_has_no_version() {
    let h = Harness::new().await;
    for accept in
        ["application/json", "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1", "application/yaml"]
    {
        let uri = format!("{CONFIG_MAPS}?dryRun=All");
        let headers = [("accept", accept), ("content-type", "application/json")];
        let made = h.send(request(Method::POST, &uri, &headers, config_map("a").to_string())).await;
        assert_eq!(made.code, 201);
        assert!(made.text.contains("creationTimestamp") && !made.text.contains("resourceVersion"), "{}", made.text);
    }
    let made = h.made(CONFIG_MAPS, config_map("a")).await;
    let changed = h.patch(&format!("{CONFIG_MAPS}/a?dryRun=All"), "merge", &json!({"data": {"a": "2"}})).await.ok();
    assert_eq!(changed["metadata"]["resourceVersion"], made["metadata"]["resourceVersion"]);
}

#[tokio::test]
async fn options_of_other_writes_are_passed_over() {
    let h = Harness::new().await;
    assert_eq!(h.post(&format!("{CONFIG_MAPS}?force=true"), &config_map("a")).await.code, 201);
    assert_eq!(h.put(&format!("{CONFIG_MAPS}/a?force=true"), &config_map("a")).await.code, 200);
    h.patch(&format!("{CONFIG_MAPS}/a?force=true"), "merge", &json!({})).await.refused(
        422,
        "Invalid",
        "PatchOptions.meta.k8s.io \"\" is invalid: force: Forbidden: may not be specified for non-apply patch",
    );
    h.patch(&format!("{CONFIG_MAPS}/a"), "apply", &config_map("a")).await.refused(
        422,
        "Invalid",
        "PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: Required value: is required for apply patch",
    );
}

#[tokio::test]
async fn an_apply_does_not_bring_back_what_went() {
    let h = Harness::new().await;
    let mut gone: Value = config_map("a");
    gone["metadata"]["uid"] = json!("u");
    h.patch(&format!("{CONFIG_MAPS}/a?fieldManager=me"), "apply", &gone).await.refused(
        409,
        "Conflict",
        "Operation cannot be fulfilled on configmaps \"a\": uid mismatch: the provided object specified uid u, and no \
         existing object was found",
    );
}
