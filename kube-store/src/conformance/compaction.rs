//! Compaction.

use super::{Subject, contents, delete, expect, get, keys, list, next, put, under, watch, watch_of};
use crate::{EMPTY_REVISION, Error, ListRequest, ReadAt, Result, WatchRequest};
use futures::future::{join, join_all};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

#[track_caller]
fn compacted<T>(result: Result<T>, requested: u64, oldest: u64) {
    match result.err() {
        Some(Error::Compacted { requested: r, oldest: o }) => assert_eq!((r, o), (requested, oldest)),
        other => panic!("{requested} must have been compacted, but {other:?}"),
    }
}

pub(super) async fn older_revisions_are_gone(store: Subject) {
    put(&store, "/p/a", "one").await;
    let second = put(&store, "/p/a", "two").await;
    put(&store, "/p/b", "three").await;
    store.compact(second).await.expect("compact");
    for at in EMPTY_REVISION..second {
        compacted(store.get("/p/a", ReadAt::Exactly(at)).await, at, second);
        compacted(store.list(ListRequest { at: ReadAt::Exactly(at), ..under("") }).await, at, second);
    }
}

pub(super) async fn the_revision_itself_is_kept(store: Subject) {
    put(&store, "/p/a", "one").await;
    put(&store, "/p/b", "one").await;
    delete(&store, "/p/b").await;
    let kept = put(&store, "/p/a", "two").await;
    put(&store, "/p/a", "three").await;
    put(&store, "/p/b", "back").await;
    delete(&store, "/p/a").await;
    store.compact(kept).await.expect("compact");
    let at = ReadAt::Exactly(kept);
    assert_eq!(get(&store, "/p/a", at).await.as_deref(), Some("two"));
    assert_eq!(get(&store, "/p/b", at).await, None);
    assert_eq!(contents(list(&store, ListRequest { at, ..under("/p/") }).await), ["/p/a two"]);
}

pub(super) async fn watches_below_are_refused(store: Subject) {
    put(&store, "/p/a", "one").await;
    let second = put(&store, "/p/a", "two").await;
    let third = put(&store, "/p/a", "three").await;
    store.compact(second).await.expect("compact");
    let after = |revision| WatchRequest { after: Some(revision), ..watch_of("/p/") };
    compacted(store.watch(after(second - 1)).await, second - 1, second);
    expect(&mut watch(&store, after(second)).await, &[format!("~ /p/a three @{third}")]).await;
    // The initial state needs no history, however old the bound.
    let request = WatchRequest { initial_state: true, ..after(EMPTY_REVISION) };
    expect(&mut watch(&store, request).await, &[format!("+ /p/a three @{third}"), format!("end @{third}")]).await;
}

pub(super) async fn the_present_is_never_lost(store: Subject) {
    for i in 0..50 {
        put(&store, &format!("/p/{}", i % 10), &i.to_string()).await;
    }
    let last = delete(&store, "/p/5").await;
    store.compact(last).await.expect("compact");
    assert_eq!(store.revision().await.expect("revision"), last);
    let expected: Vec<_> = (40..50).filter(|i| *i != 45).map(|i| format!("/p/{} {i}", i % 10)).collect();
    assert_eq!(contents(list(&store, under("/p/")).await), expected);
    assert_eq!(put(&store, "/p/5", "new").await, last + 1);
}

pub(super) async fn running_watches_go_on(store: Subject) {
    let mut events = watch(&store, watch_of("/p/")).await;
    let mut last = put(&store, "/p/a", "x").await;
    assert_eq!(next(&mut events).await.revision, last);
    for _ in 0..20 {
        store.compact(last).await.expect("compact");
        last = put(&store, "/p/a", "x").await;
        assert_eq!(next(&mut events).await.revision, last);
    }
}

pub(super) async fn a_page_of_the_past_fails_clearly(store: Subject) {
    for i in 0..10 {
        put(&store, &format!("/p/{i}"), "x").await;
    }
    let first = list(&store, ListRequest { limit: 4, ..under("/p/") }).await;
    let at = ReadAt::Exactly(first.revision);
    let after = keys(first).pop();
    let last = put(&store, "/p/3", "y").await;
    store.compact(last).await.expect("compact");
    compacted(store.list(ListRequest { limit: 4, after, at, ..under("/p/") }).await, last - 1, last);
}

pub(super) async fn compaction_takes_known_revisions_only(store: Subject) {
    let first = put(&store, "/p/a", "x").await;
    let last = put(&store, "/p/a", "y").await;
    let error = store.compact(last + 1).await.expect_err("not reached");
    assert!(matches!(error, Error::Future { .. }), "{error}");
    store.compact(last).await.expect("compact");
    compacted(store.compact(first).await, first, last);
}

/// Watchers that end and resume all the time, while the history is compacted up to where the slowest of them is.
pub(super) async fn watches_under_churn_miss_nothing(store: Subject) {
    const WRITES: u64 = 600;
    const WATCHERS: u64 = 12;
    let start = store.revision().await.expect("revision");
    let done = AtomicBool::new(false);
    let write = async {
        for i in 0..WRITES {
            put(&store, &format!("/p/{}", i % 9), &i.to_string()).await;
            if i % 7 == 0 {
                tokio::task::yield_now().await;
            }
        }
        done.store(true, Ordering::Relaxed);
    };
    let positions: Vec<_> = (0..WATCHERS).map(|_| std::sync::atomic::AtomicU64::new(start)).collect();
    let compact = async {
        while !done.load(Ordering::Relaxed) {
            let slowest = positions.iter().map(|position| position.load(Ordering::Relaxed)).min().unwrap_or(start);
            match store.compact(slowest).await {
                Ok(()) | Err(Error::Compacted { .. }) => {}
                Err(error) => panic!("{error}"),
            }
            tokio::task::yield_now().await;
        }
    };
    let read = |number: u64| {
        let (store, position) = (Arc::clone(&store), &positions[usize::try_from(number).unwrap_or(0)]);
        async move {
            let mut at = start;
            while at < start + WRITES {
                let mut events = watch(&store, WatchRequest { after: Some(at), ..watch_of("/p/") }).await;
                for _ in 0..5 + number * 3 {
                    if at == start + WRITES {
                        break;
                    }
                    let event = next(&mut events).await;
                    assert_eq!(event.revision, at + 1, "watcher {number}");
                    at = event.revision;
                    position.store(at, Ordering::Relaxed);
                }
            }
        }
    };
    join(join(write, compact), join_all((0..WATCHERS).map(read))).await;
}
