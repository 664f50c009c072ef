//! Create, get and update: what they answer, and what they answer to what is wrong.

use crate::harness::{CONFIG_MAPS, Harness, config_map, pod, request};
use http::{Method, StatusCode};
use serde_json::json;

#[tokio::test]
async fn creates_gets_and_deletes() {
    let h = Harness::new().await;
    let made = h.post(CONFIG_MAPS, &config_map("a")).await.is(StatusCode::CREATED);
    assert_eq!(made["metadata"]["namespace"], "default");
    assert!(made["metadata"]["uid"].as_str().is_some_and(|uid| uid.len() == 36));
    assert!(made["metadata"]["resourceVersion"].as_str().is_some_and(|v| v.parse::<u64>().unwrap() > 0));
    assert!(made["metadata"]["creationTimestamp"].as_str().is_some_and(|t| t.ends_with('Z') && t.len() == 20));
    let got = h.get(&format!("{CONFIG_MAPS}/a")).await;
    assert!(got.text.starts_with(r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"#), "{}", got.text);
    assert_eq!(got.ok(), made);
    let gone = h.delete(&format!("{CONFIG_MAPS}/a")).await.ok();
    let uid = &made["metadata"]["uid"];
    assert_eq!(
        gone,
        json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success",
            "details": {"name": "a", "kind": "configmaps", "uid": uid}})
    );
    h.get(&format!("{CONFIG_MAPS}/a")).await.refused(404, "NotFound", "configmaps \"a\" not found");
}

#[tokio::test]
async fn refuses_what_kubernetes_refuses() {
    let h = Harness::new().await;
    h.made(CONFIG_MAPS, config_map("a")).await;
    h.post(CONFIG_MAPS, &config_map("a")).await.refused(409, "AlreadyExists", "configmaps \"a\" already exists");
    let mut elsewhere = config_map("b");
    elsewhere["metadata"]["namespace"] = json!("other");
    h.post(CONFIG_MAPS, &elsewhere).await.refused(
        400,
        "BadRequest",
        "the namespace of the provided object does not match the namespace sent on the request",
    );
    h.put(&format!("{CONFIG_MAPS}/z"), &config_map("a")).await.refused(
        400,
        "BadRequest",
        "the name of the object (a) does not match the name on the URL (z)",
    );
    h.put(&format!("{CONFIG_MAPS}/z"), &config_map("z")).await.refused(404, "NotFound", "configmaps \"z\" not found");
    h.post("/api/v1/namespaces/none/configmaps", &config_map("a")).await.refused(
        404,
        "NotFound",
        "namespaces \"none\" not found",
    );
    let mut versioned = config_map("v");
    versioned["metadata"]["resourceVersion"] = json!("5");
    let text = "resourceVersion should not be set on objects to be created";
    h.post(CONFIG_MAPS, &versioned).await.refused(500, "InternalError", text);
    versioned["metadata"]["resourceVersion"] = json!("0");
    h.made(CONFIG_MAPS, versioned).await;
    let answer = h.post(CONFIG_MAPS, &config_map("A_b")).await;
    assert_eq!(answer.code, 422, "{}", answer.text);
    assert_eq!(answer.body["details"]["causes"][0]["field"], "metadata.name");
    let nameless = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {}});
    h.post(CONFIG_MAPS, &nameless).await.refused(
        422,
        "Invalid",
        "ConfigMap \"\" is invalid: metadata.name: Required value: name or generateName is required",
    );
}

#[tokio::test]
async fn refuses_bodies_of_other_kinds() {
    let h = Harness::new().await;
    let answer = h.post(CONFIG_MAPS, &json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}})).await;
    assert_eq!((answer.code, &answer.body["reason"]), (400, &json!("BadRequest")), "{}", answer.text);
    let answer =
        h.post(CONFIG_MAPS, &json!({"apiVersion": "v2", "kind": "ConfigMap", "metadata": {"name": "a"}})).await;
    answer.refused(400, "BadRequest", "the API version in the data (v2) does not match the expected API version (v1)");
    for (content_type, body) in [
        ("application/json", "{"),
        ("application/json", "[]"),
        ("application/json", ""),
        ("application/yaml", "a: [b"),
        ("application/vnd.kubernetes.protobuf", "{}"),
    ] {
        let answer = h.call(Method::POST, CONFIG_MAPS, content_type, body).await;
        assert_eq!(answer.code, 400, "{content_type} {body:?}: {}", answer.text);
    }
    let answer = h.call(Method::POST, CONFIG_MAPS, "text/plain", "{}").await;
    assert_eq!(answer.code, 415);
    let deep = format!("{{\"data\":{}{}}}", "[".repeat(20_000), "]".repeat(20_000));
    assert_eq!(h.call(Method::POST, CONFIG_MAPS, "application/json", deep).await.code, 400);
    let long = format!("{{\"data\":{{\"a\":\"{}\"}}}}", "x".repeat(4 << 20));
    h.call(Method::POST, CONFIG_MAPS, "application/json", long).await.refused(
        413,
        "RequestEntityTooLarge",
        "Request entity too large: limit is 3145728",
    );
}

#[tokio::test]
async fn a_kind_may_be_left_out_and_bodies_may_be_yaml() {
    let h = Harness::new().await;
    let made = h.made(CONFIG_MAPS, json!({"metadata": {"name": "bare"}})).await;
    assert_eq!((&made["apiVersion"], &made["kind"]), (&json!("v1"), &json!("ConfigMap")));
    let yaml = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: yaml\ndata:\n  a: b\n";
    let answer = h.call(Method::POST, CONFIG_MAPS, "application/yaml", yaml).await;
    assert_eq!((answer.code, &answer.body["data"]["a"]), (201, &json!("b")), "{}", answer.text);
    let answer = h.send(request(Method::POST, CONFIG_MAPS, &[], r#"{"metadata":{"name":"untyped"}}"#)).await;
    assert_eq!(answer.code, 201, "{}", answer.text);
}

#[tokio::test]
async fn generates_names() {
    let h = Harness::new().await;
    let made = h.made(CONFIG_MAPS, json!({"metadata": {"generateName": "web-"}})).await;
    let name = made["metadata"]["name"].as_str().unwrap();
    assert!(name.starts_with("web-") && name.len() == 9, "{name}");
}

/// Randomness that has run out.
#[derive(Debug)]
struct Same;

impl kubekit_core::environment::Random for Same {
    fn next_u64(&self) -> u64 {
        7
    }
}

#[tokio::test]
async fn names_that_cannot_be_generated_may_be_tried_again() {
    let h = Harness::with(|builder| builder.random(std::sync::Arc::new(Same))).await;
    let generated = json!({"metadata": {"generateName": "web-"}});
    let name = h.made(CONFIG_MAPS, generated.clone()).await["metadata"]["name"].as_str().unwrap().to_owned();
    let again = h.post(CONFIG_MAPS, &generated).await;
    let text =
        format!("configmaps {name:?} already exists, the server was not able to generate a unique name for the object");
    again.refused(409, "AlreadyExists", &text);
    assert_eq!(
        (&again.body["details"]["retryAfterSeconds"], &again.headers["retry-after"]),
        (&json!(1), &"1".parse().unwrap())
    );
}

#[tokio::test]
async fn a_dry_run_changes_nothing() {
    let h = Harness::new().await;
    let before = h.store.revision().await.unwrap();
    let made = h.post(&format!("{CONFIG_MAPS}?dryRun=All"), &config_map("a")).await.is(StatusCode::CREATED);
    assert!(made["metadata"]["uid"].is_string());
    assert_eq!(h.store.revision().await.unwrap(), before);
    assert_eq!(h.get(&format!("{CONFIG_MAPS}/a")).await.code, 404);
    h.post(&format!("{CONFIG_MAPS}?dryRun=Some"), &config_map("a")).await.refused(
        422,
        "Invalid",
        "CreateOptions.meta.k8s.io \"\" is invalid: dryRun: Unsupported value: [\"Some\"]: supported values: \"All\"",
    );
}

#[tokio::test]
async fn updates_are_optimistic() {
    let h = Harness::new().await;
    let uri = &format!("{CONFIG_MAPS}/a");
    let made = h.made(CONFIG_MAPS, config_map("a")).await;
    let mut new = made.clone();
    new["data"]["a"] = json!("2");
    let second = h.put(uri, &new).await.ok();
    assert_ne!(second["metadata"]["resourceVersion"], made["metadata"]["resourceVersion"]);
    assert_eq!(second["metadata"]["uid"], made["metadata"]["uid"]);
    h.put(uri, &new).await.refused(
        409,
        "Conflict",
        "Operation cannot be fulfilled on configmaps \"a\": the object has been modified; please apply your changes to \
         the latest version and try again",
    );
    // Without a version the update is unconditional; what is the same again is not written.
    let mut free = config_map("a");
    free["data"]["a"] = json!("3");
    let third = h.put(uri, &free).await.ok();
    let fourth = h.put(uri, &free).await.ok();
    assert_eq!(third["metadata"]["resourceVersion"], fourth["metadata"]["resourceVersion"]);
    let mut other = free.clone();
    other["metadata"]["uid"] = json!("11111111-2222-3333-4444-555555555555");
    let answer = h.put(uri, &other).await;
    assert_eq!(answer.code, 409, "{}", answer.text);
    assert!(answer.body["message"].as_str().unwrap().contains("Precondition failed: UID in precondition"));
}

#[tokio::test]
async fn some_kinds_are_created_by_an_update() {
    let h = Harness::new().await;
    let lease = json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "l"},
        "spec": {"holderIdentity": "me"}});
    let uri = "/apis/coordination.k8s.io/v1/namespaces/default/leases/l";
    assert_eq!(h.put(uri, &lease).await.code, 201);
    h.put(uri, &lease).await.refused(
        422,
        "Invalid",
        "Lease.coordination.k8s.io \"l\" is invalid: metadata.resourceVersion: Invalid value: 0x0: must be specified for \
         an update",
    );
}

#[tokio::test]
async fn unknown_fields_are_dropped_told_or_refused() {
    let h = Harness::new().await;
    let mut object = config_map("a");
    object["spec"] = json!({"x": 1});
    let ignored = h.post(&format!("{CONFIG_MAPS}?fieldValidation=Ignore&dryRun=All"), &object).await;
    assert!(ignored.headers.get("warning").is_none() && ignored.body.get("spec").is_none());
    let warned = h.post(&format!("{CONFIG_MAPS}?dryRun=All"), &object).await;
    assert_eq!(warned.code, 201);
    assert_eq!(warned.headers["warning"], r#"299 - "unknown field \"spec\"""#);
    let refused = h.post(&format!("{CONFIG_MAPS}?fieldValidation=Strict"), &object).await;
    assert_eq!(refused.code, 400, "{}", refused.text);
    assert!(refused.body["message"].as_str().unwrap().contains("strict decoding error: unknown field \"spec\""));
    let twice = r#"{"metadata":{"name":"a"},"data":{"a":"1","a":"2"}}"#;
    let refused = h.call(Method::POST, &format!("{CONFIG_MAPS}?fieldValidation=Strict"), "", twice).await;
    assert!(refused.body["message"].as_str().unwrap().contains("duplicate field"), "{}", refused.text);
}

#[tokio::test]
async fn paths_that_name_nothing() {
    let h = Harness::new().await;
    let apart =
        ["/nothing", "/apis/nothing", "/apis/nothing/v1", "/apis/nothing/v1/things", "/apis/nothing/v1/things/a/b"];
    for uri in apart.into_iter().chain(["/apis/nothing/v1/things?watch=true", "/api2/v1/pods"]) {
        let answer = h.get(uri).await;
        assert_eq!((answer.code, answer.text.as_str()), (404, "404 page not found\n"), "{uri}");
        assert_eq!(answer.headers["content-type"], "text/plain; charset=utf-8", "{uri}");
    }
    let posted = h.post("/apis/nothing/v1/things", &json!({})).await;
    assert_eq!((posted.code, posted.text.as_str()), (404, "404 page not found\n"));
    for uri in ["/api/v1/nothings", "/api/v2", "/api/v2/pods", "/apis/apps/v9", "/apis/apps/v9/deployments"] {
        h.get(uri).await.refused(404, "NotFound", "the server could not find the requested resource");
    }
    let not_allowed = "the server does not allow this method on the requested resource";
    h.post("/api/v1/pods", &pod("a")).await.refused(405, "MethodNotAllowed", not_allowed);
    h.delete("/api/v1/namespaces").await.refused(405, "MethodNotAllowed", not_allowed);
    for uri in ["/api/v1/namespaces/default/pods/a/log", "/api/v1/namespaces/default/pods/a/exec?stdout=1&command=x"] {
        h.delete(uri).await.refused(405, "MethodNotAllowed", not_allowed);
        h.put(uri, &json!({})).await.refused(405, "MethodNotAllowed", not_allowed);
    }
    h.post("/api/v1/namespaces/default/pods/a/log", &json!({})).await.refused(405, "MethodNotAllowed", not_allowed);
    assert_eq!(h.get("/api/v1/namespaces/default/").await.code, 200);
}

#[tokio::test]
async fn every_stored_kind_takes_all_its_verbs() {
    let h = Harness::new().await;
    for resource in kubekit_core::catalog::builtin() {
        if !resource.has_verb("list") {
            continue;
        }
        let version =
            if resource.group.is_empty() { "/api/v1".to_owned() } else { format!("/apis/{}", resource.api_version()) };
        let namespace = if resource.is_namespaced() { "/namespaces/default" } else { "" };
        let uri = format!("{version}{namespace}/{}", resource.plural);
        let list = h.get(&uri).await;
        assert_eq!(list.code, 200, "{uri}: {}", list.text);
        assert_eq!(list.body["kind"], format!("{}List", resource.kind), "{uri}");
        let absent = h.get(&format!("{uri}/absent")).await;
        assert_eq!(absent.code, 404, "{uri}: {}", absent.text);
    }
}
