//! Transactions.

use super::{Subject, delete, get, keys, list, put, text, under, value};
use crate::{Attributes, EMPTY_REVISION, ListRequest, Op, Operator, Precondition, ReadAt, Revision, Txn, TxnOutcome};
use futures::future::join_all;

/// What was refused, as `text@revision` of what is there.
#[track_caller]
fn refused(outcome: TxnOutcome) -> Option<String> {
    match outcome {
        TxnOutcome::Refused { current } => current.map(|entry| format!("{}@{}", text(&entry), entry.revision)),
        TxnOutcome::Committed { .. } => panic!("must be refused, but {outcome:?}"),
    }
}

#[track_caller]
fn committed(outcome: TxnOutcome) -> (Revision, Option<String>, Option<String>) {
    match outcome {
        TxnOutcome::Refused { .. } => panic!("must be committed, but {outcome:?}"),
        TxnOutcome::Committed { revision, entry, previous } => {
            let show = |entry: std::sync::Arc<crate::Entry>| format!("{}@{}", text(&entry), entry.revision);
            (revision, entry.map(show), previous.map(show))
        }
    }
}

pub(super) async fn an_empty_store_is_at_its_first_revision(store: Subject) {
    assert_eq!(store.revision().await.expect("revision"), EMPTY_REVISION);
    assert!(keys(list(&store, under("")).await).is_empty());
    assert_eq!(get(&store, "a", ReadAt::Latest).await, None);
}

pub(super) async fn a_put_is_read_back(store: Subject) {
    let outcome = store.put("a", Precondition::None, value("one")).await.expect("put");
    let at = EMPTY_REVISION + 1;
    assert_eq!(committed(outcome), (at, Some(format!("one@{at}")), None));
    let entry = store.get("a", ReadAt::Latest).await.expect("get").expect("present");
    assert_eq!((&*entry.key, text(&entry), entry.revision), ("a", "one", at));
}

pub(super) async fn each_commit_is_one_revision(store: Subject) {
    for expected in EMPTY_REVISION + 1..EMPTY_REVISION + 20 {
        let revision = if expected % 3 == 0 { delete(&store, "a").await } else { put(&store, "a", "x").await };
        assert_eq!(revision, expected);
        assert_eq!(store.revision().await.expect("revision"), expected);
    }
}

pub(super) async fn absent_refuses_what_exists(store: Subject) {
    let first = committed(store.put("a", Precondition::Absent, value("one")).await.expect("put")).0;
    let outcome = store.put("a", Precondition::Absent, value("two")).await.expect("put");
    assert_eq!(refused(outcome), Some(format!("one@{first}")));
    assert_eq!(get(&store, "a", ReadAt::Latest).await.as_deref(), Some("one"));
    let outcome = store.delete("a", Precondition::Absent).await.expect("delete");
    assert_eq!(refused(outcome), Some(format!("one@{first}")));
}

pub(super) async fn a_revision_must_be_the_current_one(store: Subject) {
    let first = put(&store, "a", "one").await;
    let outcome = store.put("a", Precondition::Revision(first), value("two")).await.expect("put");
    let second = first + 1;
    assert_eq!(committed(outcome), (second, Some(format!("two@{second}")), Some(format!("one@{first}"))));
    for stale in [first, second + 1] {
        let outcome = store.put("a", Precondition::Revision(stale), value("three")).await.expect("put");
        assert_eq!(refused(outcome), Some(format!("two@{second}")));
        let outcome = store.delete("a", Precondition::Revision(stale)).await.expect("delete");
        assert_eq!(refused(outcome), Some(format!("two@{second}")));
    }
    let outcome = store.put("b", Precondition::Revision(second), value("x")).await.expect("put");
    assert_eq!(refused(outcome), None, "an absent key has no revision");
}

pub(super) async fn a_refusal_uses_no_revision(store: Subject) {
    let first = put(&store, "a", "one").await;
    refused(store.put("a", Precondition::Absent, value("two")).await.expect("put"));
    refused(store.delete("b", Precondition::None).await.expect("delete"));
    assert_eq!(store.revision().await.expect("revision"), first);
    assert_eq!(put(&store, "b", "x").await, first + 1);
}

pub(super) async fn a_delete_gives_what_was_there(store: Subject) {
    let first = put(&store, "a", "one").await;
    let outcome = store.delete("a", Precondition::Revision(first)).await.expect("delete");
    assert_eq!(committed(outcome), (first + 1, None, Some(format!("one@{first}"))));
    assert_eq!(get(&store, "a", ReadAt::Latest).await, None);
    assert!(keys(list(&store, under("")).await).is_empty());
}

pub(super) async fn deleting_nothing_is_refused(store: Subject) {
    for precondition in [Precondition::None, Precondition::Absent, Precondition::Revision(5)] {
        assert_eq!(refused(store.delete("a", precondition).await.expect("delete")), None);
    }
    put(&store, "a", "one").await;
    delete(&store, "a").await;
    assert_eq!(refused(store.delete("a", Precondition::None).await.expect("delete")), None);
}

pub(super) async fn a_deleted_key_can_be_created_again(store: Subject) {
    let first = put(&store, "a", "one").await;
    delete(&store, "a").await;
    let outcome = store.put("a", Precondition::Revision(first), value("two")).await.expect("put");
    assert_eq!(refused(outcome), None, "the revision of the former life does not count");
    let outcome = store.put("a", Precondition::Absent, value("two")).await.expect("put");
    assert_eq!(committed(outcome), (first + 2, Some(format!("two@{}", first + 2)), None));
}

pub(super) async fn an_equal_value_is_a_commit(store: Subject) {
    let first = put(&store, "a", "one").await;
    assert_eq!(put(&store, "a", "one").await, first + 1);
    let entry = store.get("a", ReadAt::Latest).await.expect("get").expect("present");
    assert_eq!(entry.revision, first + 1);
}

pub(super) async fn keys_are_independent(store: Subject) {
    let a = put(&store, "a", "one").await;
    put(&store, "b", "one").await;
    put(&store, "a/b", "one").await;
    let outcome = store.put("a", Precondition::Revision(a), value("two")).await.expect("put");
    committed(outcome);
    assert_eq!(get(&store, "b", ReadAt::Latest).await.as_deref(), Some("one"));
    assert_eq!(get(&store, "a/b", ReadAt::Latest).await.as_deref(), Some("one"));
}

pub(super) async fn attributes_of_the_writer_win(store: Subject) {
    let attributes = Some(Attributes::new([("color", "green")]));
    let op = Op::Put { value: value("color=red"), attributes, ttl_seconds: None };
    let txn = Txn { key: "a".to_owned(), precondition: Precondition::None, op };
    committed(store.txn(txn).await.expect("put"));
    put(&store, "b", "color=red").await;
    for (color, expected) in [("green", "a"), ("red", "b")] {
        let selector = super::requirement("color", Operator::In, &[color]);
        assert_eq!(keys(list(&store, ListRequest { selector, ..ListRequest::default() }).await), [expected]);
    }
}

pub(super) async fn of_many_writers_of_one_revision_one_wins(store: Subject) {
    let mut revision = put(&store, "a", "start").await;
    for round in 0..20 {
        let texts: Vec<_> = (0..8).map(|writer| format!("{round}-{writer}")).collect();
        let puts = texts.iter().map(|text| store.put("a", Precondition::Revision(revision), value(text)));
        let outcomes = join_all(puts).await;
        let winners: Vec<_> = outcomes
            .into_iter()
            .zip(&texts)
            .filter_map(|(outcome, text)| match outcome.expect("put") {
                TxnOutcome::Committed { revision, .. } => Some((revision, text.clone())),
                TxnOutcome::Refused { .. } => None,
            })
            .collect();
        assert_eq!(winners.len(), 1, "{winners:?}");
        assert_eq!(winners[0].0, revision + 1);
        assert_eq!(get(&store, "a", ReadAt::Latest).await.as_ref(), Some(&winners[0].1));
        revision += 1;
    }
}

pub(super) async fn increments_are_not_lost(store: Subject) {
    const WRITERS: u64 = 8;
    const INCREMENTS: u64 = 25;
    put(&store, "n", "0").await;
    let increment = async || {
        for _ in 0..INCREMENTS {
            let mut current = store.get("n", ReadAt::Latest).await.expect("get").expect("present");
            loop {
                let n: u64 = text(&current).parse().expect("a number");
                let next = value(&(n + 1).to_string());
                match store.put("n", Precondition::Revision(current.revision), next).await.expect("put") {
                    TxnOutcome::Committed { .. } => break,
                    // What comes back is enough to try again, without another read.
                    TxnOutcome::Refused { current: found } => current = found.expect("present"),
                }
            }
        }
    };
    join_all((0..WRITERS).map(|_| increment())).await;
    assert_eq!(get(&store, "n", ReadAt::Latest).await, Some((WRITERS * INCREMENTS).to_string()));
}

pub(super) async fn derived_forms_are_made_once(store: Subject) {
    put(&store, "a", "one").await;
    let first = store.get("a", ReadAt::Latest).await.expect("get").expect("present");
    let made = first.derived(1, |entry| entry.value.bytes.slice(1..));
    let second = list(&store, under("")).await.entries.next().expect("present");
    let found = second.derived(1, |_| panic!("it was made before"));
    assert_eq!(made, found);
    put(&store, "a", "two").await;
    let third = store.get("a", ReadAt::Latest).await.expect("get").expect("present");
    assert_eq!(third.derived(1, |entry| entry.value.bytes.clone()), "two", "a new version has forms of its own");
    first.forget_derived();
    assert_eq!(second.derived(1, |entry| entry.value.bytes.slice(..1)), "o", "what is forgotten is made again");
}
