//! Forms of an answer: Table, metadata, YAML, protobuf, indented, compressed.

use crate::harness::{CONFIG_MAPS, Harness, PODS, config_map, pod, request};
use http::{Method, StatusCode};
use serde_json::json;
use std::io::Read;

const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";

#[tokio::test]
async fn kubectl_gets_tables() {
    let h = Harness::new().await;
    h.made(PODS, pod("a")).await;
    let list = h.accept(PODS, TABLE).await;
    assert_eq!((&list.body["kind"], &list.body["apiVersion"]), (&json!("Table"), &json!("meta.k8s.io/v1")));
    assert_eq!(list.body["columnDefinitions"][0]["name"], "Name");
    let row = &list.body["rows"][0];
    assert_eq!(row["cells"][0], "a");
    assert_eq!(row["object"]["kind"], "PartialObjectMetadata");
    assert_eq!(row["object"]["metadata"]["name"], "a");
    let cells = row["cells"].as_array().unwrap().len();
    assert_eq!(cells, list.body["columnDefinitions"].as_array().unwrap().len());
    let whole = h.accept(&format!("{PODS}?includeObject=Object"), TABLE).await;
    assert_eq!(whole.body["rows"][0]["object"]["spec"]["containers"][0]["name"], "c");
    let none = h.accept(&format!("{PODS}?includeObject=None"), TABLE).await;
    assert!(none.body["rows"][0].get("object").is_none());
    let one = h.accept(&format!("{PODS}/a"), TABLE).await;
    assert_eq!((&one.body["kind"], &one.body["rows"][0]["cells"][0]), (&json!("Table"), &json!("a")));
}

#[tokio::test]
async fn kube_rs_gets_metadata() {
    let h = Harness::new().await;
    h.made(CONFIG_MAPS, config_map("a")).await;
    let one =
        h.accept(&format!("{CONFIG_MAPS}/a"), "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1").await;
    assert_eq!((&one.body["kind"], one.body.get("data")), (&json!("PartialObjectMetadata"), None));
    let accept = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";
    let list = h.accept(CONFIG_MAPS, accept).await;
    assert_eq!(list.body["kind"], "PartialObjectMetadataList");
    assert_eq!(list.body["items"][0]["metadata"]["name"], "a");
}

#[tokio::test]
async fn yaml_protobuf_and_what_cannot_be() {
    let h = Harness::new().await;
    h.made(CONFIG_MAPS, config_map("a")).await;
    let uri = &format!("{CONFIG_MAPS}/a");
    let yaml = h.accept(uri, "application/yaml").await;
    assert_eq!(yaml.headers["content-type"], "application/yaml");
    assert!(yaml.text.contains("kind: ConfigMap"), "{}", yaml.text);
    let protobuf = h.accept(uri, "application/vnd.kubernetes.protobuf").await;
    assert_eq!(protobuf.headers["content-type"], "application/vnd.kubernetes.protobuf");
    assert!(protobuf.text.starts_with("k8s\0"));
    let either = h.accept(uri, "application/vnd.kubernetes.protobuf,application/json").await;
    assert_eq!(either.headers["content-type"], "application/json");
    h.accept(uri, "text/html").await.refused(
        406,
        "NotAcceptable",
        "only the following media types are accepted: application/json, application/yaml, \
         application/vnd.kubernetes.protobuf",
    );
    assert_eq!(h.accept(uri, "text/html, */*;q=0.8").await.code, 200);
}

#[tokio::test]
async fn people_get_indented_json() {
    let h = Harness::new().await;
    let ns = "/api/v1/namespaces/default";
    for (headers, query, pretty) in [
        (vec![("user-agent", "curl/8.0")], "", true),
        (vec![("user-agent", "Mozilla/5.0 (X11)")], "", true),
        (vec![("user-agent", "kubectl/v1.33")], "", false),
        (vec![("user-agent", "curl/8.0")], "?pretty=false", false),
        (vec![], "?pretty=true", true),
    ] {
        let answer = h.send(request(Method::GET, &format!("{ns}{query}"), &headers, "")).await;
        assert_eq!(answer.text.contains("\n  \"kind\""), pretty, "{headers:?} {query}");
    }
}

#[tokio::test]
async fn large_answers_are_compressed_when_asked() {
    let h = Harness::new().await;
    for i in 0..4 {
        let mut big = config_map(&format!("big{i}"));
        big["data"]["a"] = json!("x".repeat(60_000));
        h.post(CONFIG_MAPS, &big).await.is(StatusCode::CREATED);
    }
    let plain = h.get(CONFIG_MAPS).await;
    assert!(plain.headers.get("content-encoding").is_none());
    let response = h.open(request(Method::GET, CONFIG_MAPS, &[("accept-encoding", "gzip")], "")).await;
    assert_eq!(response.headers()["content-encoding"], "gzip");
    let bytes = http_body_util::BodyExt::collect(response.into_body()).await.unwrap().to_bytes();
    assert!(bytes.len() < 10_000);
    let mut text = String::new();
    flate2::read::GzDecoder::new(&bytes[..]).read_to_string(&mut text).unwrap();
    assert_eq!(text, plain.text);
    let small = h.send(request(Method::GET, "/api/v1/nodes", &[("accept-encoding", "gzip")], "")).await;
    assert!(small.headers.get("content-encoding").is_none());
}

#[tokio::test]
async fn kubectl_sends_protobuf() {
    let h = Harness::new().await;
    let body = kubekit_core::protobuf::encode(&config_map("pb")).expect("encodes");
    let answer = h.call(Method::POST, CONFIG_MAPS, "application/vnd.kubernetes.protobuf", body).await;
    assert_eq!((answer.code, &answer.body["data"]["a"]), (201, &json!("1")), "{}", answer.text);
}
