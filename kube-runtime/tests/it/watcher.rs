//! The watcher's shell: requests, waits, streams.

use crate::fake::{Fake, Fault};
use futures::{Stream, StreamExt as _};
use k8s_openapi::api::core::v1::ConfigMap;
use kubekit_runtime::environment::SeededRandom;
use kubekit_runtime::watcher::{Config, Event, watcher};
use kubekit_runtime::{Api, Error, Object as _};
use std::pin::Pin;
use std::sync::Arc;

type Events = Pin<Box<dyn Stream<Item = Result<Event<ConfigMap>, Error>> + Send>>;

fn watch(server: &Fake, config: Config) -> Events {
    Box::pin(watcher(Api::<ConfigMap>::all(server.client()), config, Arc::new(SeededRandom::new(1))))
}

async fn next(events: &mut Events) -> String {
    match events.next().await.expect("a watcher never ends") {
        Ok(Event::Restarted(objects)) => {
            format!("restarted {}", objects.iter().map(|object| object.name()).collect::<Vec<_>>().join(" "))
        }
        Ok(Event::Applied(object)) => format!("applied {}", object.name()),
        Ok(Event::Deleted(object)) => format!("deleted {}", object.name()),
        Ok(Event::Watching) => "watching".to_owned(),
        Err(error) => format!("error {error}"),
    }
}

#[track_caller]
fn check(server: &Fake, expected: &[&str]) {
    let requests: Vec<String> = server
        .requests()
        .into_iter()
        .map(|request| request.split("&timeoutSeconds").next().unwrap_or_default().replace("/api/v1/configmaps", ""))
        .collect();
    assert_eq!(requests, expected);
}

#[tokio::test(start_paused = true)]
async fn lists_by_pages_and_watches_from_there() {
    let server = Fake::default();
    for name in ["a", "b", "c"] {
        server.put_map("ns", name, "1");
    }
    let mut config = Config::default();
    config.page_size = 2;
    let mut events = watch(&server, config);
    assert_eq!(next(&mut events).await, "restarted a b c");
    assert_eq!(next(&mut events).await, "watching");
    check(
        &server,
        &["GET ?limit=2", "GET ?limit=2&continue=2", "GET ?watch=true&allowWatchBookmarks=true&resourceVersion=3"],
    );
    server.put_map("ns", "d", "1");
    server.remove_map("ns", "a");
    assert_eq!(next(&mut events).await, "applied d");
    assert_eq!(next(&mut events).await, "deleted a");
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_ends_goes_on_where_it_was() {
    let server = Fake::default();
    let mut events = watch(&server, Config::default());
    next(&mut events).await;
    next(&mut events).await;
    server.put_map("ns", "a", "1");
    assert_eq!(next(&mut events).await, "applied a");
    server.end_watches();
    server.put_map("ns", "b", "1");
    server.requests();
    assert_eq!(next(&mut events).await, "watching");
    assert_eq!(next(&mut events).await, "applied b");
    check(&server, &["GET ?watch=true&allowWatchBookmarks=true&resourceVersion=1"]);
}

#[tokio::test(start_paused = true)]
async fn a_history_that_is_gone_is_read_anew() {
    let server = Fake::default();
    server.put_map("ns", "a", "1");
    server.put_map("ns", "b", "1");
    let mut events = watch(&server, Config::default());
    assert_eq!(next(&mut events).await, "restarted a b");
    assert_eq!(next(&mut events).await, "watching");
    server.remove_map("ns", "a");
    assert_eq!(next(&mut events).await, "deleted a");
    server.compact();
    assert_eq!(next(&mut events).await, "restarted b");
    assert_eq!(next(&mut events).await, "watching");
    server.put_map("ns", "c", "1");
    assert_eq!(next(&mut events).await, "applied c");
}

#[tokio::test(start_paused = true)]
async fn failures_are_told_and_survived() {
    let server = Fake::default();
    server.fault(Fault::Status(403, "Forbidden", None));
    server.fault(Fault::Text(502, ""));
    let mut events = watch(&server, Config::default());
    assert_eq!(next(&mut events).await, "error commanded");
    assert_eq!(next(&mut events).await, "error the server answered with HTTP status 502 and no text");
    assert_eq!(next(&mut events).await, "restarted ");
}

#[tokio::test(start_paused = true)]
async fn an_object_that_cannot_be_read_does_not_hide_the_others() {
    let server = Fake::default();
    let mut events = watch(&server, Config::default());
    next(&mut events).await;
    next(&mut events).await;
    server.requests();
    let broken = serde_json::json!({"metadata": {"namespace": "ns", "name": "bad"}, "data": "no map"});
    server.put("/api/v1 configmaps", &broken);
    server.put_map("ns", "good", "1");
    assert_eq!(next(&mut events).await, "error watch /api/v1/configmaps: cannot decode the answer");
    assert_eq!(next(&mut events).await, "applied good");
    check(&server, &[]);
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_has_died_silently_is_given_up() {
    let server = Fake::default();
    let mut events = watch(&server, Config::default());
    next(&mut events).await;
    next(&mut events).await;
    // Nothing arrives; the clock runs on until the watch is overdue.
    let start = tokio::time::Instant::now();
    assert_eq!(next(&mut events).await, "watching");
    assert!((330..=630).contains(&start.elapsed().as_secs()), "{:?}", start.elapsed());
}
