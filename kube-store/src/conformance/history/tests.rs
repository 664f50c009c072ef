//! The judge itself is judged: by histories that are right, and by ones with a single flaw.

use super::{Asked, Delivered, Journal, Logged, Operation, Recorder, Told, Version, WATCH_CHECKS, Watched};
use crate::{EventKind, Precondition, Revision};

fn logged(key: &str, text: &str) -> Logged {
    Logged { key: key.to_owned(), text: (!text.is_empty()).then(|| text.to_owned()) }
}

fn journal() -> Journal {
    Journal::new([
        (2, logged("/a", "color=1;text=1")),
        (3, logged("/b", "color=1;text=2")),
        (4, logged("/a", "color=2;text=3")),
        (5, logged("/a", "")),
        (6, logged("/b", "color=1;text=4")),
    ])
}

fn version(revision: Revision, text: &str) -> Version {
    (revision, text.to_owned())
}

fn operation(key: &str, asked_at: u64, told_at: u64, asked: Asked, told: Told) -> Operation {
    Operation { key: key.to_owned(), asked, asked_at, told, told_at }
}

/// The operations that made the journal, one after the other.
fn operations() -> Vec<Operation> {
    let put = |text: &str, precondition| Asked::Put(precondition, text.to_owned());
    let first = version(2, "color=1;text=1");
    let second = version(4, "color=2;text=3");
    let b = version(3, "color=1;text=2");
    vec![
        operation("/a", 1, 2, put("color=1;text=1", Precondition::Absent), Told::Committed(2, None)),
        operation("/b", 3, 4, put("color=1;text=2", Precondition::None), Told::Committed(3, None)),
        operation("/a", 5, 6, put("color=2;text=3", Precondition::Revision(2)), Told::Committed(4, Some(first))),
        operation("/a", 7, 8, Asked::Delete(Precondition::None), Told::Committed(5, Some(second))),
        operation("/b", 9, 10, put("color=1;text=4", Precondition::Revision(3)), Told::Committed(6, Some(b))),
    ]
}

fn judge(operations: Vec<Operation>) -> Result<super::Judged, super::Violation> {
    let recorder = Recorder::default();
    *recorder.operations.lock() = operations;
    recorder.judge(&journal())
}

#[track_caller]
fn check(operations: Vec<Operation>, expected: Result<usize, &str>) {
    match (judge(operations), expected) {
        (Ok(judged), Ok(answered)) => assert_eq!(judged.answered, answered),
        (Err(violation), Err(part)) => assert!(violation.0.contains(part), "{violation}"),
        (got, expected) => panic!("{got:?}, where {expected:?} was expected"),
    }
}

fn with(more: Operation) -> Vec<Operation> {
    let mut all = operations();
    all.push(more);
    all
}

fn changed(index: usize, told: Told) -> Vec<Operation> {
    let mut all = operations();
    all[index].told = told;
    all
}

#[test]
fn histories_are_judged() {
    let found = |revision, text| Told::Found(Some(version(revision, text)));
    check(operations(), Ok(5));
    // Reads beside the write may see either side of it; reads after it only the new one.
    check(with(operation("/a", 5, 6, Asked::Get, found(2, "color=1;text=1"))), Ok(6));
    check(with(operation("/a", 5, 6, Asked::Get, found(4, "color=2;text=3"))), Ok(6));
    check(with(operation("/a", 11, 12, Asked::Get, Told::Found(None))), Ok(6));
    check(with(operation("/a", 11, 12, Asked::Get, found(4, "color=2;text=3"))), Err("stale"));
    check(with(operation("/b", 11, 12, Asked::Get, found(3, "color=1;text=2"))), Err("stale"));
    check(with(operation("/b", 11, 12, Asked::Get, found(6, "another"))), Err("never there"));
    // A read of what was not written yet: the write that was asked for later comes out of order.
    check(with(operation("/a", 3, 4, Asked::Get, found(4, "color=2;text=3"))), Err("lies before"));
    // Refusals must be right.
    let refused = |revision, text| Told::Refused(Some(version(revision, text)));
    let absent = Asked::Put(Precondition::Absent, "x".to_owned());
    check(with(operation("/b", 11, 12, absent.clone(), refused(6, "color=1;text=4"))), Ok(6));
    check(with(operation("/a", 11, 12, absent, Told::Refused(None))), Err("its precondition held"));
    let exact = Asked::Delete(Precondition::Revision(6));
    check(with(operation("/b", 11, 12, exact, refused(6, "color=1;text=4"))), Err("its precondition held"));
}

#[test]
fn writes_must_be_what_happened() {
    let text = Asked::Put(Precondition::None, "x".to_owned());
    check(with(operation("/c", 11, 12, text.clone(), Told::Committed(7, None))), Err("lost"));
    check(with(operation("/c", 11, 12, text.clone(), Told::Committed(6, None))), Err("same revision"));
    check(with(operation("/c", 11, 12, text, Told::NotDone)), Ok(5));
    check(changed(2, Told::Committed(4, None)), Err("was there"));
    check(changed(0, Told::NotDone), Err("nobody asked for the change of revision 2"));
    check(changed(0, Told::Committed(6, None)), Err("same revision"));
    // Answers that were lost are found again.
    check(changed(2, Told::Unknown), Ok(4));
    check(changed(3, Told::Unknown), Ok(4));
    let mut order = operations();
    (order[1].asked_at, order[1].told_at) = (20, 21);
    check(order, Err("lies before"));
    let mut condition = operations();
    condition[2].asked = Asked::Put(Precondition::Revision(3), "color=2;text=3".to_owned());
    check(condition, Err("its precondition did not hold"));
}

fn event(kind: EventKind, revision: Revision, key: &str, text: &str, of: Revision) -> Delivered {
    Delivered { kind, revision, version: Some((key.to_owned(), text.to_owned(), of)) }
}

fn bookmark(revision: Revision) -> Delivered {
    Delivered { kind: EventKind::Progress, revision, version: None }
}

/// A right stream of everything with color 1.
fn stream() -> Watched {
    let selector = crate::conformance::requirement("color", crate::Operator::In, &["1"]);
    let events = vec![
        event(EventKind::Added, 2, "/a", "color=1;text=1", 2),
        event(EventKind::Added, 3, "/b", "color=1;text=2", 3),
        bookmark(3),
        event(EventKind::Deleted, 4, "/a", "color=1;text=1", 2),
        bookmark(5),
        event(EventKind::Modified, 6, "/b", "color=1;text=4", 6),
    ];
    Watched { prefix: "/".to_owned(), selector, after: 1, events }
}

/// Checks which promises a stream breaks.
#[track_caller]
fn check_stream(change: impl FnOnce(&mut Watched), broken: &[&str]) {
    let mut watched = stream();
    change(&mut watched);
    let journal = journal();
    let found: Vec<_> =
        WATCH_CHECKS.iter().filter(|check| check.run(&watched, &journal).is_err()).map(|check| check.name).collect();
    assert_eq!(found, broken);
}

#[test]
fn each_of_the_nine_checks_finds_its_flaw() {
    check_stream(|_| {}, &[]);
    check_stream(|watched| watched.events.truncate(2), &[]);
    check_stream(|watched| (watched.after, watched.events) = (4, watched.events.split_off(4)), &[]);
    check_stream(
        |watched| watched.events.insert(5, event(EventKind::Added, 5, "/a", "color=2;text=3", 4)),
        &["Filter", "Atomic", "Bookmarkable", "IsCreate"],
    );
    check_stream(|watched| watched.events.swap(0, 1), &["Ordered", "Resumable"]);
    check_stream(
        |watched| watched.events.insert(1, event(EventKind::Added, 2, "/a", "color=1;text=1", 2)),
        &["Unique"],
    );
    check_stream(|watched| watched.events[1].version = Some(("/b".into(), "color=1;text=4".into(), 6)), &["Atomic"]);
    check_stream(|watched| watched.events[2] = bookmark(4), &["Bookmarkable"]);
    check_stream(|watched| drop(watched.events.remove(3)), &["Bookmarkable", "Reliable"]);
    check_stream(|watched| drop(watched.events.remove(0)), &["Resumable"]);
    check_stream(|watched| watched.events[3].version = Some(("/a".into(), "color=1;text=9".into(), 2)), &["PrevKV"]);
    check_stream(|watched| watched.events[5].kind = EventKind::Added, &["IsCreate"]);
}
