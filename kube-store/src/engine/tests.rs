//! What a watch leaves behind, what closing does, and that the fan-out and lists ask only whom they must.

use super::Engine;
use super::expiry::Expiry;
use crate::index::Index;
use crate::{
    Attributes, Config, Error, Event, EventKind, Extractor, ListRequest, Op, Operator, Precondition, Requirement,
    Result, Selector, Txn, Value, Watch, WatchRequest,
};
use futures::{FutureExt, StreamExt};
use std::sync::Arc;

fn engine(config: Config) -> Arc<Engine> {
    let index = Index::new(1, &config.indexed);
    Arc::new(Engine::new(index, Expiry::default(), Extractor::none(), config))
}

fn put(engine: &Engine, key: &str, node: &str) {
    let value = Value { bytes: "x".into(), splice: 0 };
    let attributes = Some(Attributes::new([("node", node)]));
    let op = Op::Put { value, attributes, ttl_seconds: None };
    let txn = Txn { key: key.to_owned(), precondition: Precondition::None, op };
    engine.commit(engine.prepare(txn).unwrap()).unwrap();
}

fn on(node: &str) -> Selector {
    let values = vec![node.to_owned()];
    Selector { requirements: vec![Requirement { name: "node".to_owned(), operator: Operator::In, values }] }
}

fn watch(engine: &Arc<Engine>, selector: Selector) -> Watch {
    engine.watch(WatchRequest { prefix: "/p/".to_owned(), selector, ..WatchRequest::default() }).unwrap()
}

fn ready(watch: &mut Watch) -> Option<Result<Event>> {
    watch.next().now_or_never().flatten()
}

#[test]
fn a_dropped_watch_leaves_nothing() {
    let engine = engine(Config::default());
    let mut watches: Vec<_> = (0..50).map(|i| watch(&engine, on(&format!("n{}", i % 7)))).collect();
    watches.push(watch(&engine, Selector::default()));
    for events in &mut watches {
        assert!(ready(events).is_none());
    }
    put(&engine, "/p/a", "n1");
    let (watchers, engines) = (engine.writer.lock().router.drain(), Arc::strong_count(&engine));
    assert_eq!((watchers.len(), engines), (51, 52));
    watchers.iter().for_each(|watcher| engine.writer.lock().router.add(watcher));
    let weak: Vec<_> = watchers.iter().map(Arc::downgrade).collect();
    drop((watchers, watches));
    assert!(engine.writer.lock().router.drain().is_empty());
    assert!(weak.iter().all(|watcher| watcher.strong_count() == 0));
    assert_eq!(Arc::strong_count(&engine), 1);
}

#[test]
fn a_watch_that_is_behind_the_history_is_told_where_to_resume() {
    let engine = engine(Config::default().watch_buffer(2));
    let mut events = watch(&engine, Selector::default());
    assert!(ready(&mut events).is_none());
    for i in 0..10 {
        put(&engine, &format!("/p/{i}"), "n");
    }
    engine.compact(11).unwrap();
    for expected in [2, 3] {
        assert_eq!(ready(&mut events).unwrap().unwrap().revision, expected, "what was queued still comes");
    }
    let error = ready(&mut events).unwrap().unwrap_err();
    assert!(matches!(error, Error::Lagged { resume_after: 3 }), "{error}");
    assert!(ready(&mut events).is_none(), "an error is the last item");
}

#[test]
fn closing_ends_watches_after_their_last_event() {
    let engine = engine(Config::default());
    let mut following = watch(&engine, Selector::default());
    assert!(ready(&mut following).is_none());
    let mut unread = watch(&engine, Selector::default());
    put(&engine, "/p/a", "n");
    engine.close();
    assert_eq!(ready(&mut following).unwrap().unwrap().kind, EventKind::Added);
    for events in [&mut following, &mut unread] {
        assert!(matches!(ready(events), Some(Err(Error::Closed))));
    }
    assert!(matches!(engine.watch(WatchRequest::default()), Err(Error::Closed)));
    assert!(matches!(engine.turn().err(), Some(Error::Closed)));
}

#[test]
fn a_list_by_an_indexed_attribute_visits_what_matches() {
    let engine = engine(Config::default().indexed("node"));
    for i in 0..1000 {
        put(&engine, &format!("/p/{i}"), &format!("n{}", i % 100));
    }
    let snapshot = engine.index.read().snapshot(crate::ReadAt::Latest, &on("n7")).unwrap();
    assert_eq!(snapshot.count("", None), 10);
    let request = ListRequest { selector: on("n7"), limit: 4, ..ListRequest::default() };
    let listing = engine.list(request).unwrap();
    assert!(listing.remaining.is_some());
    assert_eq!(listing.entries.count(), 4);
}

#[test]
fn a_write_forgets_at_most_a_little_history() {
    let bounds = crate::History::unbounded().revisions(10);
    let engine = engine(Config::default().history(bounds));
    for i in 0..100 {
        put(&engine, &format!("/p/{}", i % 5), "n");
        let index = engine.index.read();
        assert!(index.revision() - index.floor() <= 10);
    }
}
