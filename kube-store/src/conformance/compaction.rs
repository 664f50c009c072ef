//! Compaction.

use super::{Subject, contents, delete, expect, get, keys, list, next, put, under, watch, watch_of};
use crate::{EMPTY_REVISION, Error, EventKind, ListRequest, Precondition, ReadAt, Result, Revision, WatchRequest};
use futures::StreamExt;
use futures::future::{join, join_all, join3};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

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

/// Everything but the present is forgotten every 100 ms, under 100 watchers that come back all the time, each after a pause
/// of its own: whoever finds its place gone takes the state anew, and all know the same in the end.
pub(super) async fn often_under_watchers_that_come_back(store: Subject) {
    const WATCHERS: u64 = 100;
    const WRITES: u64 = 400;
    const STEP: Duration = Duration::from_millis(5);
    let (told, ended) = tokio::sync::watch::channel(None);
    let write = async {
        for i in 0..WRITES {
            let key = format!("/p/{}", i * 7 % 31);
            if i % 5 == 4 {
                drop(store.delete(&key, Precondition::None).await.expect("delete"));
            } else {
                put(&store, &key, &i.to_string()).await;
            }
            tokio::time::sleep(STEP).await;
        }
        told.send_replace(Some(store.revision().await.expect("revision")));
    };
    let compact = async {
        while ended.borrow().is_none() {
            tokio::time::sleep(Duration::from_millis(100)).await;
            let revision = store.revision().await.expect("revision");
            match store.compact(revision).await {
                Ok(()) | Err(Error::Compacted { .. }) => {}
                Err(error) => panic!("{error}"),
            }
        }
    };
    let read = |number: u64| {
        let (store, ended) = (Arc::clone(&store), ended.clone());
        async move {
            let mut mirror = Mirror::default();
            while ended.borrow().is_none_or(|end| mirror.through < end) {
                mirror.follow(&store, 1 + number % 23, &ended).await;
                tokio::time::sleep(STEP * u32::try_from(number % 40).unwrap_or(0)).await;
            }
            mirror
        }
    };
    let ((), (), mirrors) = join3(write, compact, join_all((0..WATCHERS).map(read))).await;
    let expected: Vec<String> = contents(list(&store, under("/p/")).await);
    let mut relists = 0;
    for (number, mirror) in mirrors.into_iter().enumerate() {
        let got: Vec<String> = mirror.state.iter().map(|(key, text)| format!("{key} {text}")).collect();
        assert_eq!(got, expected, "watcher {number}");
        relists += mirror.relists;
    }
    assert!(relists > WATCHERS, "the history went past some of them: {relists}");
}

/// What a watcher knows.
#[derive(Default)]
struct Mirror {
    state: BTreeMap<String, String>,
    /// It knows everything up to here; 0 before it knows anything.
    through: Revision,
    relists: u64,
}

impl Mirror {
    /// Watches for so many events, or until the end was seen.
    async fn follow(&mut self, store: &Subject, events: u64, ended: &tokio::sync::watch::Receiver<Option<Revision>>) {
        let mut end = ended.clone();
        let resume = WatchRequest { after: Some(self.through), progress: true, ..watch_of("/p/") };
        let anew = WatchRequest { initial_state: true, progress: true, ..watch_of("/p/") };
        let opened = if self.through == 0 { store.watch(anew.clone()).await } else { store.watch(resume).await };
        let mut stream = match opened {
            Ok(stream) => stream,
            Err(Error::Compacted { .. }) => {
                (self.through, self.relists) = (0, self.relists + 1);
                store.watch(anew).await.expect("the present can always be watched")
            }
            Err(error) => panic!("{error}"),
        };
        if self.through == 0 {
            self.state.clear();
        }
        let mut left = events;
        while left > 0 && ended.borrow().is_none_or(|end| self.through < end) {
            let event = tokio::select! {
                biased;
                event = stream.next() => event.expect("a watch ends with an error"),
                // It may have seen everything before it was said that this was the end.
                Ok(()) = end.changed() => continue,
            };
            let event = match event {
                Ok(event) => event,
                Err(Error::Lagged { resume_after }) => return assert!(resume_after >= self.through),
                Err(error) => panic!("{error}"),
            };
            let initial = self.through == 0;
            match (event.kind, &event.entry) {
                (EventKind::Progress | EventKind::InitialEnd, _) => self.through = self.through.max(event.revision),
                (EventKind::Deleted, Some(entry)) => {
                    assert!(self.state.remove(&*entry.key).is_some(), "{} was not there", entry.key);
                }
                (_, Some(entry)) => {
                    let before = self.state.insert(entry.key.to_string(), super::text(entry).to_owned());
                    assert_eq!(before.is_none(), event.kind == EventKind::Added, "{}", entry.key);
                }
                (kind, None) => panic!("{kind:?} carries nothing"),
            }
            if !initial {
                assert!(event.revision >= self.through, "{} after {}", event.revision, self.through);
                self.through = event.revision;
                left -= 1;
            }
        }
    }
}
