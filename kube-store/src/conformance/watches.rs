//! Watches from the present on.

use super::{Subject, delete, expect, keys, list, next, put, requirement, short, under, value, watch, watch_of};
use crate::{Error, EventKind, Operator, Precondition, ReadAt, WatchRequest};
use futures::future::{join, join_all};
use std::sync::Arc;

fn selected(prefix: &str, name: &str, operator: Operator, values: &[&str]) -> WatchRequest {
    WatchRequest { selector: requirement(name, operator, values), ..watch_of(prefix) }
}

fn from_the_start(prefix: &str) -> WatchRequest {
    WatchRequest { initial_state: true, ..watch_of(prefix) }
}

pub(super) async fn events_follow_writes(store: Subject) {
    let mut events = watch(&store, watch_of("/p/")).await;
    for i in 0..300 {
        let revision = put(&store, &format!("/p/{}", i % 10), &i.to_string()).await;
        let kind = if i < 10 { "+" } else { "~" };
        assert_eq!(short(&next(&mut events).await), format!("{kind} /p/{} {i} @{revision}", i % 10));
    }
}

pub(super) async fn a_watch_starts_at_the_present(store: Subject) {
    put(&store, "/p/a", "old").await;
    let mut events = watch(&store, watch_of("/p/")).await;
    // It need not be read to have begun.
    let first = put(&store, "/p/b", "new").await;
    let second = put(&store, "/p/a", "new").await;
    expect(&mut events, &[format!("+ /p/b new @{first}"), format!("~ /p/a new @{second}")]).await;
}

pub(super) async fn each_kind_of_change_has_its_kind(store: Subject) {
    let mut events = watch(&store, watch_of("/p/")).await;
    let a = put(&store, "/p/a", "one").await;
    let b = put(&store, "/p/a", "two").await;
    let c = delete(&store, "/p/a").await;
    let d = put(&store, "/p/a", "three").await;
    let expected = [
        format!("+ /p/a one @{a}"),
        format!("~ /p/a two @{b}"),
        format!("- /p/a two @{c}"),
        format!("+ /p/a three @{d}"),
    ];
    expect(&mut events, &expected).await;
}

pub(super) async fn a_delete_carries_the_last_version(store: Subject) {
    put(&store, "/p/a", "one").await;
    let last = put(&store, "/p/a", "two").await;
    let mut events = watch(&store, watch_of("/p/")).await;
    let gone = delete(&store, "/p/a").await;
    let event = next(&mut events).await;
    assert_eq!((event.kind, event.revision), (EventKind::Deleted, gone));
    assert_eq!(event.entry.expect("the version that was deleted").revision, last);
}

pub(super) async fn only_the_prefix_is_watched(store: Subject) {
    let mut all = watch(&store, watch_of("")).await;
    let mut pods = watch(&store, watch_of("/pods/")).await;
    let mut one = watch(&store, watch_of("/pods/a")).await;
    let mut revisions = Vec::new();
    for key in ["/pods", "/pods/", "/pods/b", "/podsx", "/nodes/a", "/pods/a", "/pods/ab", "/q"] {
        revisions.push((key, put(&store, key, "x").await));
    }
    for (events, prefix) in [(&mut all, ""), (&mut pods, "/pods/"), (&mut one, "/pods/a")] {
        for (key, revision) in revisions.iter().filter(|(key, _)| key.starts_with(prefix)) {
            assert_eq!(short(&next(events).await), format!("+ {key} x @{revision}"));
        }
    }
}

pub(super) async fn a_selector_watches_its_set(store: Subject) {
    let mut red = watch(&store, selected("/p/", "color", Operator::In, &["red"])).await;
    let mut painted = watch(&store, selected("/p/", "color", Operator::Exists, &[])).await;
    let mut not_red = watch(&store, selected("/p/", "color", Operator::NotIn, &["red"])).await;
    let a = put(&store, "/p/a", "color=green").await;
    let b = put(&store, "/p/a", "color=red").await;
    let c = put(&store, "/p/a", "color=red;size=l").await;
    let d = put(&store, "/p/a", "size=l").await;
    let e = delete(&store, "/p/a").await;
    expect(
        &mut red,
        &[
            format!("+ /p/a color=red @{b}"),
            format!("~ /p/a color=red;size=l @{c}"),
            format!("- /p/a color=red;size=l @{d}"),
        ],
    )
    .await;
    expect(
        &mut painted,
        &[
            format!("+ /p/a color=green @{a}"),
            format!("~ /p/a color=red @{b}"),
            format!("~ /p/a color=red;size=l @{c}"),
            format!("- /p/a color=red;size=l @{d}"),
        ],
    )
    .await;
    expect(
        &mut not_red,
        &[
            format!("+ /p/a color=green @{a}"),
            format!("- /p/a color=green @{b}"),
            format!("+ /p/a size=l @{d}"),
            format!("- /p/a size=l @{e}"),
        ],
    )
    .await;
}

pub(super) async fn leaving_the_set_carries_the_last_match(store: Subject) {
    let matching = put(&store, "/p/a", "color=red").await;
    let mut red = watch(&store, selected("/p/", "color", Operator::In, &["red"])).await;
    let left = put(&store, "/p/a", "color=green").await;
    delete(&store, "/p/a").await;
    let event = next(&mut red).await;
    assert_eq!((event.kind, event.revision), (EventKind::Deleted, left));
    assert_eq!(event.entry.expect("the version that matched").revision, matching);
    let back = put(&store, "/p/a", "color=red").await;
    expect(&mut red, &[format!("+ /p/a color=red @{back}")]).await;
}

pub(super) async fn many_watchers_of_one_value(store: Subject) {
    const NODES: usize = 50;
    let mut watches = Vec::new();
    for node in 0..NODES {
        let request = selected("/p/", "node", Operator::In, &[&format!("n{node}")]);
        watches.push(watch(&store, request).await);
    }
    let mut expected = vec![Vec::new(); NODES];
    for pod in 0..200 {
        let key = format!("/p/{}", pod % 40);
        let (from, to) = ((pod + NODES - 40) % NODES, pod % NODES);
        let text = format!("node=n{to};pod={pod}");
        let before = super::get(&store, &key, ReadAt::Latest).await;
        let revision = put(&store, &key, &text).await;
        if let Some(before) = before {
            expected[from].push(format!("- {key} {before} @{revision}"));
        }
        expected[to].push(format!("+ {key} {text} @{revision}"));
    }
    for (events, expected) in watches.iter_mut().zip(&expected) {
        expect(events, expected).await;
    }
}

pub(super) async fn initial_state_then_changes(store: Subject) {
    let b = put(&store, "/p/b", "one").await;
    let a = put(&store, "/p/a", "one").await;
    put(&store, "/p/c", "one").await;
    delete(&store, "/p/c").await;
    let other = put(&store, "/q/a", "one").await;
    let mut events = watch(&store, from_the_start("/p/")).await;
    let later = put(&store, "/p/b", "two").await;
    let expected = [
        format!("+ /p/a one @{a}"),
        format!("+ /p/b one @{b}"),
        format!("end @{other}"),
        format!("~ /p/b two @{later}"),
    ];
    expect(&mut events, &expected).await;
}

pub(super) async fn initial_state_is_selected(store: Subject) {
    put(&store, "/p/a", "color=red").await;
    let b = put(&store, "/p/b", "color=green").await;
    let request = WatchRequest { initial_state: true, ..selected("/p/", "color", Operator::In, &["green"]) };
    let mut events = watch(&store, request).await;
    let left = put(&store, "/p/b", "color=red").await;
    let expected = [format!("+ /p/b color=green @{b}"), format!("end @{b}"), format!("- /p/b color=green @{left}")];
    expect(&mut events, &expected).await;
}

pub(super) async fn an_empty_initial_state_ends_too(store: Subject) {
    let revision = store.revision().await.expect("revision");
    let mut events = watch(&store, from_the_start("/p/")).await;
    let a = put(&store, "/p/a", "one").await;
    expect(&mut events, &[format!("end @{revision}"), format!("+ /p/a one @{a}")]).await;
}

pub(super) async fn initial_state_of_the_future_fails(store: Subject) {
    let revision = put(&store, "/p/a", "one").await;
    let fresh = WatchRequest { after: Some(revision), ..from_the_start("/p/") };
    expect(&mut watch(&store, fresh.clone()).await, &[format!("+ /p/a one @{revision}")]).await;
    let error = store.watch(WatchRequest { after: Some(revision + 1), ..fresh }).await.err().expect("not reached");
    assert!(matches!(error, Error::Future { .. }), "{error}");
}

pub(super) async fn refused_writes_are_no_events(store: Subject) {
    put(&store, "/p/a", "one").await;
    let mut events = watch(&store, watch_of("/p/")).await;
    store.put("/p/a", Precondition::Absent, value("two")).await.expect("put");
    store.delete("/p/b", Precondition::None).await.expect("delete");
    let last = put(&store, "/p/c", "three").await;
    expect(&mut events, &[format!("+ /p/c three @{last}")]).await;
}

pub(super) async fn every_watcher_sees_the_same_order(store: Subject) {
    let mut watches = Vec::new();
    for _ in 0..20 {
        watches.push(watch(&store, watch_of("/p/")).await);
    }
    let mut expected = Vec::new();
    for i in 0..100 {
        let key = format!("/p/{}", i % 7);
        let revision = put(&store, &key, "x").await;
        expected.push(format!("{} {key} x @{revision}", if i < 7 { "+" } else { "~" }));
    }
    for events in &mut watches {
        expect(events, &expected).await;
    }
}

pub(super) async fn concurrent_writers_are_seen_in_order(store: Subject) {
    const WRITERS: usize = 8;
    const WRITES: usize = 50;
    let start = store.revision().await.expect("revision");
    let mut events = watch(&store, watch_of("/p/")).await;
    let write = |writer: usize| {
        let store = Arc::clone(&store);
        async move {
            for i in 0..WRITES {
                put(&store, &format!("/p/{writer}"), &i.to_string()).await;
            }
        }
    };
    let read = async {
        let mut last = [None; WRITERS];
        for expected in 1..=(WRITERS * WRITES) as u64 {
            let event = next(&mut events).await;
            assert_eq!(event.revision, start + expected, "no event is left out, and none comes twice");
            let entry = event.entry.expect("a put");
            assert_eq!(entry.revision, event.revision);
            let writer: usize = entry.key["/p/".len()..].parse().expect("a number");
            let write: usize = super::text(&entry).parse().expect("a number");
            assert_eq!(last[writer].map_or(0, |last: usize| last + 1), write);
            last[writer] = Some(write);
        }
    };
    join(join_all((0..WRITERS).map(write)), read).await;
}

pub(super) async fn versions_are_shared(store: Subject) {
    let mut first = watch(&store, watch_of("/p/")).await;
    let mut second = watch(&store, watch_of("")).await;
    put(&store, "/p/a", "one").await;
    let a = next(&mut first).await.entry.expect("a put");
    let b = next(&mut second).await.entry.expect("a put");
    let c = list(&store, under("/p/")).await.entries.next().expect("present");
    assert!(Arc::ptr_eq(&a, &b) && Arc::ptr_eq(&b, &c), "what is derived for one reader is there for all");
    assert_eq!(keys(list(&store, under("/p/")).await), ["/p/a"]);
}
