//! Time to live.

use super::{Subject, delete, expect, get, keys, list, next, put, put_for, under, watch, watch_of};
use crate::{EventKind, ReadAt};
use futures::future::join_all;
use std::time::Duration;
use tokio::time::{Instant, sleep};

pub(super) async fn a_lifetime_ends_in_a_delete(store: Subject) {
    let mut events = watch(&store, watch_of("/p/")).await;
    let born = put_for(&store, "/p/a", "one", 1).await;
    expect(&mut events, &[format!("+ /p/a one @{born}"), format!("- /p/a one @{}", born + 1)]).await;
    assert_eq!(get(&store, "/p/a", ReadAt::Latest).await, None);
    assert_eq!(get(&store, "/p/a", ReadAt::Exactly(born)).await.as_deref(), Some("one"));
    assert_eq!(store.revision().await.expect("revision"), born + 1);
}

pub(super) async fn not_before_its_time(store: Subject) {
    let mut events = watch(&store, watch_of("/p/")).await;
    let start = Instant::now();
    put_for(&store, "/p/a", "one", 2).await;
    assert_eq!(next(&mut events).await.kind, EventKind::Added);
    assert_eq!(next(&mut events).await.kind, EventKind::Deleted);
    assert!(start.elapsed() >= Duration::from_secs(2), "{:?}", start.elapsed());
}

pub(super) async fn a_later_write_ends_a_lifetime(store: Subject) {
    put_for(&store, "/p/a", "one", 1).await;
    put(&store, "/p/a", "two").await;
    sleep(Duration::from_millis(2500)).await;
    assert_eq!(get(&store, "/p/a", ReadAt::Latest).await.as_deref(), Some("two"));
}

pub(super) async fn a_lifetime_can_be_renewed(store: Subject) {
    let mut events = watch(&store, watch_of("/p/")).await;
    put_for(&store, "/p/a", "one", 1).await;
    let start = Instant::now();
    put_for(&store, "/p/a", "two", 3).await;
    next(&mut events).await;
    assert_eq!(next(&mut events).await.kind, EventKind::Modified);
    assert_eq!(next(&mut events).await.kind, EventKind::Deleted);
    assert!(start.elapsed() >= Duration::from_secs(3), "{:?}", start.elapsed());
}

pub(super) async fn deleting_ends_a_lifetime(store: Subject) {
    put_for(&store, "/p/a", "one", 1).await;
    delete(&store, "/p/a").await;
    let again = put(&store, "/p/a", "two").await;
    sleep(Duration::from_millis(2500)).await;
    assert_eq!(store.revision().await.expect("revision"), again, "the former life ends nothing");
}

pub(super) async fn many_lifetimes_end(store: Subject) {
    join_all((0..600).map(async |i| put_for(&store, &format!("/p/{i}"), "x", 1 + i % 2).await)).await;
    put(&store, "/p/kept", "x").await;
    let deadline = Instant::now() + super::PATIENCE;
    loop {
        let left = keys(list(&store, under("/p/")).await);
        if left == ["/p/kept"] {
            break;
        }
        assert!(Instant::now() < deadline, "{} are left", left.len());
        sleep(Duration::from_millis(100)).await;
    }
}
