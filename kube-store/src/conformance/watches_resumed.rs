//! Watches that resume, lag, and are told of progress.

use super::{Subject, delete, expect, next, put, requirement, short, watch, watch_of};
use crate::{Error, EventKind, Operator, Revision, WatchRequest};
use futures::future::join_all;
use futures::{FutureExt, StreamExt};

fn after(prefix: &str, revision: Revision) -> WatchRequest {
    WatchRequest { after: Some(revision), ..watch_of(prefix) }
}

/// Writes a history of puts and deletes, and gives its events.
async fn history(store: &Subject, length: usize) -> Vec<String> {
    let mut events = watch(store, watch_of("/p/")).await;
    let mut seen = Vec::new();
    for i in 0..length {
        let key = format!("/p/{}", i * 3 % 11);
        let exists = super::get(store, &key, crate::ReadAt::Latest).await.is_some();
        if exists && i % 3 == 0 {
            delete(store, &key).await;
        } else {
            put(store, &key, &i.to_string()).await;
        }
        // Revisions that are none of this watch's.
        put(store, "/q/other", "x").await;
        seen.push(short(&next(&mut events).await));
    }
    seen
}

fn revision_of(event: &str) -> Revision {
    event.rsplit('@').next().and_then(|digits| digits.parse().ok()).expect("an event has a revision")
}

pub(super) async fn resuming_after_each_event(store: Subject) {
    let start = store.revision().await.expect("revision");
    let events = history(&store, 30).await;
    expect(&mut watch(&store, after("/p/", start)).await, &events).await;
    for (i, event) in events.iter().enumerate() {
        expect(&mut watch(&store, after("/p/", revision_of(event))).await, &events[i + 1..]).await;
    }
}

pub(super) async fn resuming_sees_what_was_missed(store: Subject) {
    let first = put(&store, "/p/a", "one").await;
    // Far more than is read in one step.
    let mut expected = Vec::new();
    for i in 0..700 {
        let revision = put(&store, "/p/a", &i.to_string()).await;
        expected.push(format!("~ /p/a {i} @{revision}"));
    }
    let mut events = watch(&store, after("/p/", first)).await;
    expect(&mut events, &expected).await;
    let last = put(&store, "/p/a", "now").await;
    expect(&mut events, &[format!("~ /p/a now @{last}")]).await;
}

pub(super) async fn resuming_replays_transitions(store: Subject) {
    let start = store.revision().await.expect("revision");
    let a = put(&store, "/p/a", "color=red").await;
    let b = put(&store, "/p/a", "color=green").await;
    let c = put(&store, "/p/a", "color=red").await;
    let d = delete(&store, "/p/a").await;
    let selector = requirement("color", Operator::In, &["red"]);
    let mut events = watch(&store, WatchRequest { selector, ..after("/p/", start) }).await;
    let expected = [
        format!("+ /p/a color=red @{a}"),
        format!("- /p/a color=red @{b}"),
        format!("+ /p/a color=red @{c}"),
        format!("- /p/a color=red @{d}"),
    ];
    expect(&mut events, &expected).await;
}

pub(super) async fn the_future_cannot_be_watched(store: Subject) {
    let last = put(&store, "/p/a", "one").await;
    let error = store.watch(after("/p/", last + 1)).await.err().expect("not reached");
    assert!(matches!(error, Error::Future { requested, .. } if requested == last + 1), "{error}");
}

/// Reads until a progress event.
async fn progress(watch: &mut crate::Watch) -> Revision {
    loop {
        let event = next(watch).await;
        if event.kind == EventKind::Progress {
            assert!(event.entry.is_none());
            return event.revision;
        }
    }
}

pub(super) async fn progress_is_told(store: Subject) {
    let mut events = watch(&store, WatchRequest { progress: true, ..watch_of("/p/") }).await;
    assert!(events.next().now_or_never().is_none(), "nothing has happened");
    for _ in 0..3 {
        let last = put(&store, "/q/a", "x").await;
        while progress(&mut events).await < last {}
    }
}

pub(super) async fn progress_can_be_resumed_after(store: Subject) {
    let mut events = watch(&store, WatchRequest { progress: true, ..watch_of("/p/") }).await;
    assert!(events.next().now_or_never().is_none());
    put(&store, "/p/a", "one").await;
    let last = put(&store, "/q/a", "x").await;
    let mut seen = Vec::new();
    let told = loop {
        let event = next(&mut events).await;
        if event.kind == EventKind::Progress && event.revision >= last {
            break event.revision;
        }
        seen.push(event.kind);
    };
    assert!(seen.contains(&EventKind::Added), "progress never overtakes an event");
    drop(events);
    let b = put(&store, "/p/b", "two").await;
    expect(&mut watch(&store, after("/p/", told)).await, &[format!("+ /p/b two @{b}")]).await;
}

pub(super) async fn a_resumed_watch_is_told_where_it_stands(store: Subject) {
    let start = put(&store, "/p/a", "one").await;
    let mut last = start;
    for _ in 0..300 {
        last = put(&store, "/q/a", "x").await;
    }
    // Nothing will happen any more; but what has happened need not be looked at again by the next watch.
    let mut events = watch(&store, WatchRequest { progress: true, ..after("/p/", start) }).await;
    while progress(&mut events).await < last {}
}

pub(super) async fn progress_is_only_on_request(store: Subject) {
    let mut quiet = watch(&store, watch_of("/p/")).await;
    let mut told = watch(&store, WatchRequest { progress: true, ..watch_of("/p/") }).await;
    assert!(told.next().now_or_never().is_none());
    let last = put(&store, "/q/a", "x").await;
    while progress(&mut told).await < last {}
    let a = put(&store, "/p/a", "one").await;
    expect(&mut quiet, &[format!("+ /p/a one @{a}")]).await;
}

pub(super) async fn a_slow_watcher_misses_nothing(store: Subject) {
    const WRITES: u64 = 5000;
    let start = store.revision().await.expect("revision");
    let mut events = watch(&store, watch_of("/p/")).await;
    // It follows the present, then falls behind further than any buffer should be.
    assert!(events.next().now_or_never().is_none());
    for _ in 0..WRITES / 100 {
        join_all((0..100).map(async |i| put(&store, &format!("/p/{i}"), "x").await)).await;
    }
    for expected in 1..=WRITES {
        assert_eq!(next(&mut events).await.revision, start + expected);
    }
    let last = put(&store, "/p/0", "y").await;
    assert_eq!(next(&mut events).await.revision, last);
}

pub(super) async fn watches_can_come_and_go(store: Subject) {
    let mut kept = watch(&store, watch_of("/p/")).await;
    for i in 0..300 {
        let mut events = watch(&store, watch_of("/p/")).await;
        let revision = put(&store, "/p/a", &i.to_string()).await;
        assert_eq!(next(&mut events).await.revision, revision);
        let unread = watch(&store, WatchRequest { initial_state: true, ..watch_of("/p/") }).await;
        drop((events, unread));
        assert_eq!(next(&mut kept).await.revision, revision);
    }
}
