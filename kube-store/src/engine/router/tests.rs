//! Which watchers a change reaches.

use super::{Router, shared_stem};
use crate::engine::watcher::Watcher;
use crate::index::history::Change;
use crate::{Attributes, Entry, EventKind, Operator, Requirement, Selector, Value, WatchRequest};
use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Waker};
use tokio::time::Instant;

fn entry(key: &str, revision: u64, attributes: &[(&str, &str)]) -> Arc<Entry> {
    let value = Value { bytes: "".into(), splice: 0 };
    Arc::new(Entry::new(key.into(), value, revision, Attributes::new(attributes.iter().copied())))
}

fn change(previous: Option<Arc<Entry>>, entry: Option<Arc<Entry>>) -> Change {
    Change { revision: 9, previous, entry, at: Instant::now() }
}

fn watcher(id: u64, prefix: &str, requirement: Option<(&str, Operator, &[&str])>) -> Arc<Watcher> {
    let requirements = requirement.map(|(name, operator, values)| Requirement {
        name: name.to_owned(),
        operator,
        values: values.iter().map(|value| (*value).to_owned()).collect(),
    });
    let selector = Selector { requirements: requirements.into_iter().collect() };
    let request = WatchRequest { prefix: prefix.to_owned(), selector, ..WatchRequest::default() };
    Arc::new(Watcher::new(id, request, 8))
}

fn received(watcher: &Watcher) -> Vec<EventKind> {
    let mut events = VecDeque::new();
    watcher.poll(&mut events, &mut Context::from_waker(Waker::noop()));
    events.into_iter().map(|event| event.kind).collect()
}

#[track_caller]
fn check_prefixes(key: &str, prefixes: &[&str]) {
    let mut router = Router::default();
    let watchers: Vec<_> = (0..).zip(prefixes).map(|(id, prefix)| watcher(id, prefix, None)).collect();
    watchers.iter().for_each(|watcher| router.add(watcher));
    router.dispatch(&change(None, Some(entry(key, 9, &[]))));
    for watcher in &watchers {
        let expected = if key.starts_with(&*watcher.prefix) { 1 } else { 0 };
        assert_eq!(received(watcher).len(), expected, "{key:?} to {:?}", watcher.prefix);
        router.remove(watcher);
    }
    assert!(router.groups.is_empty());
}

#[test]
fn every_prefix_of_the_key_is_found_and_nothing_else() {
    check_prefixes("/pods/default/a", &[]);
    check_prefixes("/pods/default/a", &["", "/", "/pods/", "/pods/default/", "/pods/default/a"]);
    check_prefixes("/pods/default/a", &["/pods/a/", "/pods/default/aa", "/pods/e", "/nodes/", "/po", "/q", "a"]);
    check_prefixes("/pods/default/a", &["/pods/dee", "/pods/dd", "/pods/", "/pods", "/pods!", "", "/pods/default/a/"]);
    check_prefixes("/größe/ü", &["/gr", "/grö", "/größe/", "/größe/ö", "/grø", "/größe/ü"]);
    check_prefixes("ü", &["ö", "ü", "", "a"]);
}

#[test]
fn stems_end_between_characters() {
    for (a, b, expected) in [("", "a", 0), ("abc", "abd", 2), ("ö", "ü", 0), ("aö", "aü", 1), ("ab", "ab", 2)] {
        assert_eq!(shared_stem(a, b), expected, "{a} {b}");
    }
}

#[test]
fn a_watcher_of_one_value_hears_of_entering_changing_and_leaving() {
    let mut router = Router::default();
    let x = watcher(1, "/", Some(("node", Operator::In, &["x"])));
    let y = watcher(2, "/", Some(("node", Operator::In, &["y"])));
    let not_x = watcher(3, "/", Some(("node", Operator::NotIn, &["x"])));
    for watcher in [&x, &y, &not_x] {
        router.add(watcher);
    }
    let plain = entry("/a", 2, &[]);
    let on_x = entry("/a", 3, &[("node", "x")]);
    let on_y = entry("/a", 4, &[("node", "y")]);
    for (previous, next, to_x, to_y, to_others) in [
        (None, Some(&plain), None, None, Some(EventKind::Added)),
        (Some(&plain), Some(&on_x), Some(EventKind::Added), None, Some(EventKind::Deleted)),
        (Some(&on_x), Some(&on_x), Some(EventKind::Modified), None, None),
        (Some(&on_x), Some(&on_y), Some(EventKind::Deleted), Some(EventKind::Added), Some(EventKind::Added)),
        (Some(&on_y), None, None, Some(EventKind::Deleted), Some(EventKind::Deleted)),
    ] {
        router.dispatch(&change(previous.cloned(), next.cloned()));
        for (watcher, expected) in [(&x, to_x), (&y, to_y), (&not_x, to_others)] {
            assert_eq!(received(watcher), Vec::from_iter(expected), "watcher {}", watcher.id);
        }
    }
    for watcher in [&x, &y, &not_x] {
        router.remove(watcher);
    }
    assert!(router.groups.is_empty(), "nothing is left behind");
}

#[test]
fn draining_finds_every_watcher() {
    let mut router = Router::default();
    router.add(&watcher(1, "/a/", None));
    router.add(&watcher(2, "/a/", Some(("n", Operator::In, &["v"]))));
    router.add(&watcher(3, "/b/", Some(("n", Operator::Exists, &[]))));
    assert_eq!(router.drain().len(), 3);
    assert!(router.drain().is_empty());
}
