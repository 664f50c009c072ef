//! Watches: where they begin, what they tell, how they end.

use crate::harness::{CONFIG_MAPS, Harness, config_map, request};
use http::Method;
use http_body_util::BodyExt;
use jiff::Timestamp;
use kubekit_core::environment::WallClock;
use kubekit_server::Body;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// The lines of a watch, as they come.
struct Lines {
    body: Body,
    ready: Vec<u8>,
}

impl Lines {
    async fn open(h: &Harness, uri: &str) -> Self {
        Self::accepting(h, uri, "application/json").await
    }

    async fn accepting(h: &Harness, uri: &str, accept: &str) -> Self {
        let response = h.open(request(Method::GET, uri, &[("accept", accept)], "")).await;
        assert_eq!(response.status(), 200);
        Self { body: response.into_body(), ready: Vec::new() }
    }

    async fn next(&mut self) -> Option<Value> {
        loop {
            if let Some(end) = self.ready.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.ready.drain(..=end).collect();
                return Some(serde_json::from_slice(&line).expect("a line is JSON"));
            }
            let frame = self.body.frame().await?.expect("no error");
            self.ready.extend_from_slice(&frame.into_data().expect("data"));
        }
    }

    async fn expect(&mut self, kind: &str, name: &str) -> Value {
        let event = self.next().await.expect("an event");
        assert_eq!(
            (event["type"].as_str(), event["object"]["metadata"]["name"].as_str()),
            (Some(kind), Some(name)),
            "{event}"
        );
        event["object"].clone()
    }
}

#[tokio::test(start_paused = true)]
async fn begins_with_what_is_there_and_goes_on() {
    let h = Harness::new().await;
    h.made(CONFIG_MAPS, config_map("a")).await;
    let mut lines = Lines::open(&h, &format!("{CONFIG_MAPS}?watch=true&timeoutSeconds=5")).await;
    lines.expect("ADDED", "a").await;
    let made = h.made(CONFIG_MAPS, config_map("b")).await;
    assert_eq!(lines.expect("ADDED", "b").await, made);
    let patched = h.patch(&format!("{CONFIG_MAPS}/b"), "merge", &json!({"data": {"x": "y"}})).await.ok();
    assert_eq!(lines.expect("MODIFIED", "b").await, patched);
    h.delete(&format!("{CONFIG_MAPS}/b")).await.ok();
    let last = lines.expect("DELETED", "b").await;
    let version = |o: &Value| o["metadata"]["resourceVersion"].as_str().unwrap().parse::<u64>().unwrap();
    assert!(version(&last) > version(&patched), "a deletion has a version of its own");
    assert_eq!(lines.next().await, None, "timeoutSeconds ends the watch");
}

#[tokio::test(start_paused = true)]
async fn resumes_after_a_version() {
    let h = Harness::new().await;
    let made = h.made(CONFIG_MAPS, config_map("a")).await;
    h.made(CONFIG_MAPS, config_map("b")).await;
    let version = made["metadata"]["resourceVersion"].as_str().unwrap();
    let mut lines = Lines::open(&h, &format!("{CONFIG_MAPS}?watch=1&resourceVersion={version}&timeoutSeconds=1")).await;
    lines.expect("ADDED", "b").await;
    assert_eq!(lines.next().await, None);
}

#[tokio::test(start_paused = true)]
async fn selectors_make_objects_come_and_go() {
    let h = Harness::new().await;
    let mut lines = Lines::open(&h, &format!("{CONFIG_MAPS}?watch=true&labelSelector=on%3Dyes&timeoutSeconds=9")).await;
    h.made(CONFIG_MAPS, config_map("a")).await;
    let uri = &format!("{CONFIG_MAPS}/a");
    h.patch(uri, "merge", &json!({"metadata": {"labels": {"on": "yes"}}})).await.ok();
    lines.expect("ADDED", "a").await;
    h.patch(uri, "merge", &json!({"metadata": {"labels": {"on": "no"}}})).await.ok();
    lines.expect("DELETED", "a").await;
}

#[tokio::test(start_paused = true)]
async fn one_object_is_watched_by_name() {
    let h = Harness::new().await;
    h.made(CONFIG_MAPS, config_map("a")).await;
    h.made(CONFIG_MAPS, config_map("b")).await;
    for uri in [
        format!("{CONFIG_MAPS}?watch=true&fieldSelector=metadata.name%3Db&timeoutSeconds=1"),
        "/api/v1/watch/namespaces/default/configmaps/b?timeoutSeconds=1".to_owned(),
    ] {
        let mut lines = Lines::open(&h, &uri).await;
        lines.expect("ADDED", "b").await;
        assert_eq!(lines.next().await, None, "{uri}");
    }
}

#[tokio::test(start_paused = true)]
async fn informers_of_client_go_get_initial_events_and_their_end() {
    let h = Harness::new().await;
    h.made(CONFIG_MAPS, config_map("a")).await;
    let query = "watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true";
    let mut lines = Lines::open(&h, &format!("{CONFIG_MAPS}?{query}&timeoutSeconds=5")).await;
    lines.expect("ADDED", "a").await;
    let end = lines.next().await.unwrap();
    assert_eq!(end["type"], "BOOKMARK");
    assert_eq!(end["object"]["kind"], "ConfigMap");
    assert_eq!(end["object"]["metadata"]["annotations"], json!({"k8s.io/initial-events-end": "true"}));
    let version: u64 = end["object"]["metadata"]["resourceVersion"].as_str().unwrap().parse().unwrap();
    assert_eq!(version, h.store.revision().await.unwrap());
    let refused = h.get(&format!("{CONFIG_MAPS}?watch=true&sendInitialEvents=true")).await;
    refused.refused(
        422,
        "Invalid",
        "ListOptions.meta.k8s.io \"\" is invalid: resourceVersionMatch: Forbidden: sendInitialEvents requires setting \
         resourceVersionMatch to NotOlderThan",
    );
}

#[tokio::test]
async fn bad_parameters_are_refused_before_the_stream() {
    let h = Harness::new().await;
    let list = |what: &str| format!("ListOptions.meta.k8s.io \"\" is invalid: {what}");
    let number = "strconv.ParseUint: parsing \"x\": invalid syntax";
    let rows = [
        ("resourceVersion=x", 422, list(&format!("resourceVersion: Invalid value: \"x\": {number}"))),
        ("timeoutSeconds=x", 400, "strconv.ParseInt: parsing \"x\": invalid syntax".to_owned()),
        (
            "resourceVersionMatch=NotOlderThan",
            422,
            list(
                "resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden for watch unless sendInitialEvents is \
                 provided",
            ),
        ),
        (
            "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&continue=x",
            422,
            list("resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden when continue is provided"),
        ),
        (
            "fieldSelector=data.a%3D1",
            400,
            "\"data.a\" is not a known field selector: only \"metadata.name\", \"metadata.namespace\"".to_owned(),
        ),
    ];
    for (query, code, message) in rows {
        let reason = if code == 422 { "Invalid" } else { "BadRequest" };
        h.get(&format!("{CONFIG_MAPS}?watch=true&{query}")).await.refused(code, reason, &message);
    }
    let text = format!("GetOptions.meta.k8s.io \"\" is invalid: resourceVersion: Invalid value: \"x\": {number}");
    h.get(&format!("{CONFIG_MAPS}/a?resourceVersion=x")).await.refused(422, "Invalid", &text);
    let yaml = h.accept(&format!("{CONFIG_MAPS}?watch=true"), "application/yaml").await;
    assert_eq!(yaml.code, 406, "{}", yaml.text);
}

#[tokio::test(start_paused = true)]
async fn history_that_is_gone_is_told_in_the_stream() {
    let h = Harness::new().await;
    let made = h.made(CONFIG_MAPS, config_map("a")).await;
    h.made(CONFIG_MAPS, config_map("b")).await;
    h.made(CONFIG_MAPS, config_map("c")).await;
    h.store.compact(h.store.revision().await.unwrap()).await.unwrap();
    let version = made["metadata"]["resourceVersion"].as_str().unwrap();
    let mut lines = Lines::open(&h, &format!("{CONFIG_MAPS}?watch=true&resourceVersion={version}")).await;
    let event = lines.next().await.unwrap();
    assert_eq!(event["type"], "ERROR");
    assert_eq!((&event["object"]["code"], &event["object"]["reason"]), (&json!(410), &json!("Expired")));
    assert_eq!(lines.next().await, None);
}

#[tokio::test(start_paused = true)]
async fn kubectl_watches_tables() {
    let h = Harness::new().await;
    h.made(CONFIG_MAPS, config_map("a")).await;
    let table = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";
    let mut lines = Lines::accepting(&h, &format!("{CONFIG_MAPS}?watch=true&timeoutSeconds=3"), table).await;
    let first = lines.next().await.unwrap();
    assert_eq!((&first["type"], &first["object"]["kind"]), (&json!("ADDED"), &json!("Table")));
    assert_eq!(first["object"]["rows"][0]["cells"][0], "a");
    assert!(first["object"]["columnDefinitions"].is_array());
    h.made(CONFIG_MAPS, config_map("b")).await;
    let second = lines.next().await.unwrap();
    assert_eq!(second["object"]["rows"][0]["object"]["kind"], "PartialObjectMetadata");
    assert!(second["object"]["columnDefinitions"].is_null(), "columns are told once");
}

/// A clock that is set by hand, in seconds since 1970.
#[derive(Debug)]
struct Hands(AtomicI64);

impl WallClock for Hands {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(self.0.load(Ordering::SeqCst)).unwrap()
    }
}

#[tokio::test(start_paused = true)]
async fn rows_are_as_old_as_their_events_and_not_as_the_watch() {
    let clock = Arc::new(Hands(AtomicI64::new(1_800_000_000)));
    let h = Harness::with(|builder| builder.clock(clock.clone())).await;
    h.made(CONFIG_MAPS, config_map("a")).await;
    let table = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";
    let mut lines = Lines::accepting(&h, &format!("{CONFIG_MAPS}?watch=true&timeoutSeconds=3"), table).await;
    assert_eq!(lines.next().await.unwrap()["object"]["rows"][0]["cells"], json!(["a", 1, "0s"]));
    clock.0.fetch_add(300, Ordering::SeqCst);
    h.made(CONFIG_MAPS, config_map("b")).await;
    assert_eq!(lines.next().await.unwrap()["object"]["rows"][0]["cells"], json!(["b", 1, "0s"]));
    h.patch(&format!("{CONFIG_MAPS}/a"), "merge", &json!({"data": {"x": "y"}})).await.ok();
    assert_eq!(lines.next().await.unwrap()["object"]["rows"][0]["cells"], json!(["a", 2, "5m"]));
}

#[tokio::test(start_paused = true)]
async fn the_garbage_collector_watches_metadata() {
    let h = Harness::new().await;
    h.made(CONFIG_MAPS, config_map("a")).await;
    let partial = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";
    let mut lines = Lines::accepting(&h, &format!("{CONFIG_MAPS}?watch=true&timeoutSeconds=3"), partial).await;
    let object = lines.expect("ADDED", "a").await;
    assert_eq!((&object["kind"], object.get("data")), (&json!("PartialObjectMetadata"), None));
}
