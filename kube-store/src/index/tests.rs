//! The index: versions, graves, compaction, secondary indexes.

use super::Index;
use super::history::Change;
use crate::{Attributes, Entry, Error, Operator, ReadAt, Requirement, Revision, Selector, Value};
use std::sync::{Arc, Weak};
use tokio::time::Instant;

fn index() -> Index {
    Index::new(1, &["node".to_owned()])
}

fn put_with(index: &mut Index, key: &str, node: Option<&str>) -> Revision {
    let revision = index.revision() + 1;
    let previous = index.current(key).cloned();
    let value = Value { bytes: format!("{key}@{revision}").into(), splice: 0 };
    let attributes = Attributes::new(node.map(|node| ("node", node)));
    let entry = Some(Arc::new(Entry::new(key.into(), value, revision, attributes)));
    index.apply(Change { revision, previous, entry, at: Instant::now() });
    revision
}

fn put(index: &mut Index, key: &str) -> Revision {
    put_with(index, key, None)
}

fn delete(index: &mut Index, key: &str) -> Revision {
    let revision = index.revision() + 1;
    let previous = index.current(key).cloned();
    index.apply(Change { revision, previous, entry: None, at: Instant::now() });
    revision
}

fn compact(index: &mut Index, revision: Revision) {
    while index.compact_step(revision).is_some() {}
}

fn keys(index: &Index, at: ReadAt, selector: &Selector) -> Vec<String> {
    let snapshot = index.snapshot(at, selector).unwrap();
    let entries = snapshot.walk("", None).filter(|entry| selector.matches(&entry.attributes));
    entries.map(|entry| String::from_utf8(entry.value.bytes.to_vec()).unwrap()).collect()
}

#[track_caller]
fn check(index: &Index, at: Revision, expected: &[&str]) {
    assert_eq!(keys(index, ReadAt::Exactly(at), &Selector::default()), expected, "list at {at}");
    for key in ["a", "b"] {
        let got = index.get(key, ReadAt::Exactly(at)).unwrap();
        let got = got.map(|entry| String::from_utf8(entry.value.bytes.to_vec()).unwrap());
        let expected = expected.iter().find(|value| value.starts_with(key)).map(|value| (*value).to_owned());
        assert_eq!(got, expected, "get of {key} at {at}");
    }
}

fn on_node(node: &str) -> Selector {
    let requirement = Requirement { name: "node".to_owned(), operator: Operator::In, values: vec![node.to_owned()] };
    Selector { requirements: vec![requirement] }
}

#[test]
fn every_revision_reads_as_it_was() {
    let mut index = index();
    put(&mut index, "a"); // 2
    put(&mut index, "b"); // 3
    put(&mut index, "a"); // 4
    delete(&mut index, "a"); // 5
    put(&mut index, "b"); // 6
    put(&mut index, "a"); // 7: born again on its grave
    delete(&mut index, "b"); // 8
    for (at, expected) in [
        (1, &[][..]),
        (2, &["a@2"]),
        (3, &["a@2", "b@3"]),
        (4, &["a@4", "b@3"]),
        (5, &["b@3"]),
        (6, &["b@6"]),
        (7, &["a@7", "b@6"]),
        (8, &["a@7"]),
    ] {
        check(&index, at, expected);
    }
}

#[test]
fn compaction_keeps_its_revision_and_later_ones() {
    for floor in 1..=8 {
        let mut index = index();
        put(&mut index, "a"); // 2
        delete(&mut index, "a"); // 3
        put(&mut index, "a"); // 4
        put(&mut index, "b"); // 5
        put(&mut index, "a"); // 6
        delete(&mut index, "b"); // 7
        delete(&mut index, "a"); // 8
        compact(&mut index, floor);
        let states: [&[&str]; 8] = [&[], &["a@2"], &[], &["a@4"], &["a@4", "b@5"], &["a@6", "b@5"], &["a@6"], &[]];
        for (at, expected) in (1..).zip(states) {
            if at >= floor {
                check(&index, at, expected);
            } else {
                let error = index.get("a", ReadAt::Exactly(at)).unwrap_err();
                assert!(matches!(error, Error::Compacted { requested, oldest } if (requested, oldest) == (at, floor)));
            }
        }
    }
}

#[test]
fn compaction_frees_what_nothing_can_read() {
    let mut index = index();
    let mut versions: Vec<Weak<Entry>> = Vec::new();
    for _ in 0..5 {
        put(&mut index, "a");
        versions.push(Arc::downgrade(index.current("a").unwrap()));
    }
    put(&mut index, "b");
    versions.push(Arc::downgrade(index.current("b").unwrap()));
    delete(&mut index, "b");
    assert!(versions.iter().all(|version| version.strong_count() > 0));
    let last = index.revision();
    compact(&mut index, last);
    let alive: Vec<_> = versions.iter().map(|version| version.strong_count() > 0).collect();
    assert_eq!(alive, [false, false, false, false, true, false]);
    assert!(index.graves.is_empty());
}

#[test]
fn a_long_chain_is_dropped_without_recursion() {
    let mut index = index();
    for _ in 0..200_000 {
        put(&mut index, "a");
    }
    drop(index);
}

#[test]
fn an_attribute_index_follows_every_change() {
    let mut index = index();
    put_with(&mut index, "a", Some("x")); // 2
    put_with(&mut index, "b", Some("x")); // 3
    assert_eq!(keys(&index, ReadAt::Latest, &on_node("x")), ["a@2", "b@3"]);
    put_with(&mut index, "a", Some("y")); // 4
    assert_eq!(keys(&index, ReadAt::Latest, &on_node("x")), ["b@3"]);
    assert_eq!(keys(&index, ReadAt::Latest, &on_node("y")), ["a@4"]);
    put_with(&mut index, "a", Some("y")); // 5
    assert_eq!(keys(&index, ReadAt::Latest, &on_node("y")), ["a@5"]);
    put_with(&mut index, "a", None); // 6
    delete(&mut index, "b"); // 7
    assert!(keys(&index, ReadAt::Latest, &on_node("x")).is_empty());
    assert!(keys(&index, ReadAt::Latest, &on_node("y")).is_empty());
    assert_eq!(keys(&index, ReadAt::Exactly(3), &on_node("x")), ["a@2", "b@3"], "older revisions are scanned");
    let candidates = index.secondary.candidates(&on_node("x")).unwrap();
    assert_eq!(candidates.len(), 0);
}

#[test]
fn only_one_value_on_a_configured_name_uses_an_index() {
    let mut index = index();
    put_with(&mut index, "a", Some("x"));
    let mut selector = on_node("x");
    assert!(index.secondary.candidates(&selector).is_some());
    selector.requirements[0].values.push("y".to_owned());
    assert!(index.secondary.candidates(&selector).is_none());
    selector.requirements[0] =
        Requirement { name: "zone".to_owned(), operator: Operator::In, values: vec!["x".to_owned()] };
    assert!(index.secondary.candidates(&selector).is_none());
    selector.requirements[0] =
        Requirement { name: "node".to_owned(), operator: Operator::NotIn, values: vec!["x".to_owned()] };
    assert!(index.secondary.candidates(&selector).is_none());
}

#[test]
fn history_is_bounded_by_each_bound() {
    let value = "a@100".len() + "a".len();
    for (bounds, kept) in [
        (crate::History::unbounded(), 50),
        (crate::History::unbounded().revisions(10), 10),
        (crate::History::unbounded().value_bytes(20 * value), 20),
        (crate::History::unbounded().age(std::time::Duration::ZERO), 0),
    ] {
        let mut index = Index::new(100, &[]);
        for _ in 0..50 {
            put(&mut index, "a");
        }
        while index.trim_step(&bounds, Instant::now()).is_some() {}
        assert_eq!(index.revision() - index.floor(), kept, "{bounds:?}");
    }
}
