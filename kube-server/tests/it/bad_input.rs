//! Input that makes no sense: an error that says so, never a failure of the server, and nothing is changed.

use crate::harness::{CONFIG_MAPS, Harness, PODS, config_map, deployment, pod};
use http::Method;
use kubekit_core::catalog::{self, Resource};
use serde_json::{Value, json};

/// Values where an object, a map or a list belongs.
fn oddities() -> Vec<Value> {
    vec![
        json!(null),
        json!(5),
        json!("x"),
        json!([]),
        json!([null]),
        json!({}),
        json!({"": {}}),
        json!(true),
        json!(1e300),
    ]
}

/// The collections of all kinds that are stored.
fn collections() -> Vec<String> {
    let stored = catalog::builtin().iter().filter(|kind| kind.has_verb("create") && kind.has_verb("list"));
    let uri = |kind: &Resource| {
        let group = if kind.group.is_empty() { "/api" } else { "/apis" };
        let namespace = if kind.is_namespaced() { "/namespaces/default" } else { "" };
        format!("{group}/{}{namespace}/{}", kind.api_version(), kind.plural)
    };
    stored.map(uri).collect()
}

#[track_caller]
fn must_be_refused(code: u16, what: &str, text: &str) {
    assert!((400..500).contains(&code), "{what} gave {code}: {text}");
}

#[tokio::test]
async fn odd_bodies_are_refused() {
    let h = Harness::new().await;
    let before = h.store.revision().await.unwrap();
    for uri in collections() {
        for odd in oddities() {
            let answer = h.post(&uri, &odd).await;
            must_be_refused(answer.code, &format!("POST {uri} {odd}"), &answer.text);
            let answer = h.post(&uri, &json!({"metadata": odd})).await;
            must_be_refused(answer.code, &format!("POST {uri} metadata {odd}"), &answer.text);
        }
    }
    assert_eq!(h.store.revision().await.unwrap(), before);
}

#[tokio::test]
async fn odd_fields_never_break_the_server() {
    let h = Harness::new().await;
    for uri in collections() {
        for field in ["spec", "status", "data", "rules", "value", "target"] {
            for odd in oddities() {
                let body = json!({"metadata": {"name": "odd"}, field: odd});
                let answer = h.post(&format!("{uri}?dryRun=All"), &body).await;
                assert!(answer.code < 500, "POST {uri} {body}: {}", answer.text);
            }
        }
    }
}

#[tokio::test]
async fn odd_patches_never_break_the_server() {
    let h = Harness::new().await;
    h.made(CONFIG_MAPS, config_map("a")).await;
    h.made(PODS, pod("p")).await;
    h.made("/apis/apps/v1/namespaces/default/deployments", deployment("d")).await;
    let objects = [
        format!("{CONFIG_MAPS}/a"),
        format!("{PODS}/p"),
        format!("{PODS}/p/status"),
        format!("{PODS}/p/ephemeralcontainers"),
        format!("{PODS}/p/resize"),
        "/apis/apps/v1/namespaces/default/deployments/d".to_owned(),
        "/apis/apps/v1/namespaces/default/deployments/d/scale".to_owned(),
        "/apis/apps/v1/namespaces/default/deployments/d/status".to_owned(),
    ];
    for uri in objects {
        for kind in ["json", "merge", "strategic", "apply"] {
            for odd in oddities() {
                for field in ["", "metadata", "spec", "status"] {
                    let body = match (field, kind) {
                        ("", _) => odd.clone(),
                        (field, "json") => json!([{"op": "replace", "path": format!("/{field}"), "value": odd}]),
                        (field, _) => json!({field: odd}),
                    };
                    let uri = format!("{uri}?dryRun=All{}", if kind == "apply" { "&fieldManager=me" } else { "" });
                    let answer = h.patch(&uri, kind, &body).await;
                    assert!(answer.code < 500, "{kind} {uri} {body}: {}", answer.text);
                }
            }
        }
    }
}

#[tokio::test]
async fn odd_actions_are_refused() {
    let h = Harness::new().await;
    h.made(PODS, pod("p")).await;
    for action in ["binding", "eviction"] {
        for odd in oddities() {
            let answer = h.post(&format!("{PODS}/p/{action}?dryRun=All"), &json!({"metadata": odd})).await;
            assert!(answer.code < 500, "{action} {odd}: {}", answer.text);
        }
    }
    for odd in oddities() {
        let answer = h.delete_with(&format!("{PODS}/p?dryRun=All"), &json!({"preconditions": odd})).await;
        assert!(answer.code < 500, "{odd}: {}", answer.text);
    }
    let answer = h.delete_with(&format!("{PODS}/p"), &json!({"propagationPolicy": "Sideways"})).await;
    assert_eq!(answer.code, 422, "{}", answer.text);
    let answer = h.delete_with(&format!("{PODS}/p"), &json!({"kind": "Pod"})).await;
    assert_eq!(answer.code, 400, "{}", answer.text);
}

#[tokio::test]
async fn odd_queries_never_break_the_server() {
    let h = Harness::new().await;
    for query in [
        "limit=-1",
        "limit=99999999999999999999",
        "continue=%00",
        "continue=e30",
        "resourceVersion=x",
        "resourceVersion=-1",
        "resourceVersion=18446744073709551616",
        "labelSelector=%FF%FE",
        "labelSelector=in+in+in",
        "labelSelector=a+in+(",
        "fieldSelector==",
        "fieldSelector=metadata.name",
        "resourceVersionMatch=Sometimes&resourceVersion=1",
        "timeoutSeconds=x&watch=true",
        "fieldValidation=Maybe",
        "unknown=1&pretty=perhaps",
    ] {
        let answer = h.get(&format!("{CONFIG_MAPS}?{query}")).await;
        assert!(answer.code < 500, "{query}: {}", answer.text);
    }
    for uri in
        ["/api/v1/namespaces/%2F/pods", "/api//v1/pods", "/api/v1/namespaces//pods", "//", "/api/v1/pods/a/b/c/d"]
    {
        let answer = h.get(uri).await;
        assert!(answer.code < 500, "{uri}: {}", answer.text);
    }
    let answer = h.call(Method::OPTIONS, CONFIG_MAPS, "", "").await;
    assert!(answer.code < 500, "{}", answer.text);
}

/// So many objects, one within another.
fn nested(levels: usize) -> Value {
    (1..levels).fold(json!({}), |within, _| json!({"a": within}))
}

const REVISIONS: &str = "/apis/apps/v1/namespaces/default/controllerrevisions";

fn revision(name: &str, levels: usize) -> Value {
    let metadata = json!({"name": name, "namespace": "default"});
    json!({"apiVersion": "apps/v1", "kind": "ControllerRevision", "metadata": metadata, "revision": 1, "data": nested(levels)})
}

/// Readers take 127 levels: what is stored must be read back by all of them, also within a list or an event.
async fn must_be_readable(h: &Harness, collection: &str, name: &str) {
    let uri = format!("{collection}/{name}");
    assert!(h.get(collection).await.body["items"].is_array(), "{name} within a list");
    let stored = h.get(&uri).await.ok();
    assert_eq!(stored["metadata"]["name"], name);
    let labelled = h.patch(&uri, "merge", &json!({"metadata": {"labels": {"a": "b"}}})).await.ok();
    h.put(&uri, &labelled).await.ok();
    let partial = h.accept(&uri, "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1").await;
    assert_eq!(partial.body["kind"], "PartialObjectMetadata", "{}", partial.text);
    h.delete(&uri).await.ok();
}

#[tokio::test]
async fn nothing_is_stored_that_nests_too_deep_to_be_read() {
    let h = Harness::new().await;
    for (levels, code) in [(50, 201), (99, 201), (100, 400), (126, 400)] {
        let name = format!("r{levels}");
        let text = revision(&name, levels).to_string();
        assert_eq!(h.call(Method::POST, REVISIONS, "application/json", text).await.code, code, "{levels} levels");
        let protobuf = kubekit_core::protobuf::encode(&revision(&format!("p{levels}"), levels)).unwrap();
        let made = h.call(Method::POST, REVISIONS, "application/vnd.kubernetes.protobuf", protobuf).await;
        assert_eq!(made.code, code, "{levels} levels in protobuf: {}", made.text);
        if code == 201 {
            must_be_readable(&h, REVISIONS, &name).await;
            must_be_readable(&h, REVISIONS, &format!("p{levels}")).await;
        }
    }
    h.made(REVISIONS, revision("r", 60)).await;
    let deepen = json!([{"op": "copy", "from": "/data", "path": format!("/data{}", "/a".repeat(45))}]);
    let refused = h.patch(&format!("{REVISIONS}/r"), "json", &deepen).await;
    assert_eq!(refused.code, 422, "{}", refused.text);
    must_be_readable(&h, REVISIONS, "r").await;
}

#[tokio::test]
async fn a_record_of_ownership_is_readable_whatever_it_tells_of() {
    const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    let h = Harness::new().await;
    let schema =
        (0..47).fold(json!({"type": "object"}), |within, _| json!({"type": "object", "properties": {"a": within}}));
    let definition = json!({"metadata": {"name": "things.example.com"}, "spec": {
        "group": "example.com", "scope": "Namespaced",
        "names": {"plural": "things", "singular": "thing", "kind": "Thing", "listKind": "ThingList"},
        "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": schema}}]}});
    h.made(DEFINITIONS, definition).await;
    must_be_readable(&h, DEFINITIONS, "things.example.com").await;
}

#[tokio::test]
async fn protobuf_brings_nothing_past_the_schema() {
    let h = Harness::new().await;
    let mut body = b"k8s\0".to_vec();
    let mut field = |number: u8, bytes: &[u8]| {
        body.extend([number << 3 | 2, u8::try_from(bytes.len()).unwrap()]);
        body.extend_from_slice(bytes);
    };
    field(1, b"\x0a\x02v1\x12\x09ConfigMap");
    field(2, br#"{"metadata":{"name":"a"},"data":5}"#);
    field(4, b"application/json");
    let answer = h.call(Method::POST, CONFIG_MAPS, "application/vnd.kubernetes.protobuf", body).await;
    must_be_refused(answer.code, "JSON within protobuf", &answer.text);
    assert_eq!(h.get(CONFIG_MAPS).await.ok()["items"], json!([]));
}
