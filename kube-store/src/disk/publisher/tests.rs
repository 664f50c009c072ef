//! When a group is published where, and what the next one is decided on meanwhile.

use super::{Publisher, Work};
use crate::disk::committer::Request;
use crate::disk::group::Group;
use crate::disk::queue::Queue;
use crate::engine::Engine;
use crate::engine::expiry::Expiry;
use crate::index::Index;
use crate::{Config, EMPTY_REVISION, Extractor, Op, Precondition, Revision, Txn, TxnOutcome, Value};
use std::sync::Arc;
use tokio::sync::oneshot;
use tokio::time::Instant;

struct Parts {
    engine: Arc<Engine>,
    queue: Arc<Queue>,
    publisher: Publisher,
    work: Work,
}

fn parts() -> Parts {
    let config = Config::default();
    let index = Index::new(EMPTY_REVISION, &config.indexed);
    let engine = Arc::new(Engine::new(index, Expiry::default(), Extractor::none(), config));
    let queue = Arc::new(Queue::default());
    let mut publisher = Publisher::new(Arc::clone(&engine));
    let work = publisher.with_thread(Arc::clone(&queue));
    Parts { engine, queue, publisher, work }
}

type Answer = oneshot::Receiver<crate::Result<TxnOutcome>>;

/// A group that puts `key`, decided on what the publisher knows.
fn group(parts: &Parts, key: &str, precondition: Precondition, before: Revision) -> (Group, Answer) {
    let value = Value { bytes: "x".into(), splice: 0 };
    let op = Op::Put { value, attributes: None, ttl_seconds: None };
    let prepared = parts.engine.prepare(Txn { key: key.to_owned(), precondition, op }).unwrap();
    let (reply, answer) = oneshot::channel();
    let mut group = Group::default();
    group.add(prepared, reply, parts.publisher.current(key), before, Instant::now());
    (group, answer)
}

fn revision(answer: &mut Answer) -> Option<Revision> {
    match answer.try_recv() {
        Ok(Ok(TxnOutcome::Committed { revision, .. })) => Some(revision),
        Ok(other) => panic!("{other:?}"),
        Err(_) => None,
    }
}

#[test]
fn a_group_that_nobody_waits_behind_is_published_at_once() {
    let mut parts = parts();
    let (group, mut answer) = group(&parts, "/a", Precondition::Absent, 1);
    parts.publisher.publish(group, false);
    assert_eq!((revision(&mut answer), parts.engine.revision()), (Some(2), 2));
}

#[test]
fn the_next_group_is_decided_on_what_is_under_way() {
    let mut parts = parts();
    let (first, mut first_answer) = group(&parts, "/a", Precondition::Absent, 1);
    parts.publisher.publish(first, true);
    assert_eq!((revision(&mut first_answer), parts.engine.revision()), (None, 1), "the thread has not begun");
    let (second, mut second_answer) = group(&parts, "/a", Precondition::Revision(2), 2);
    // In order, though nobody waits any more.
    parts.publisher.publish(second, false);
    assert_eq!(parts.publisher.current("/a").unwrap().revision, 3);
    let thread = std::thread::spawn(|| parts.work.run());
    parts.publisher.finish();
    assert_eq!((revision(&mut first_answer), revision(&mut second_answer)), (Some(2), Some(3)));
    assert_eq!(parts.engine.revision(), 3);
    assert_eq!(parts.publisher.current("/a").unwrap().revision, 3);
    drop(parts.publisher);
    thread.join().unwrap();
}

#[test]
fn who_waits_in_the_queue_is_noticed() {
    let mut parts = parts();
    parts.queue.push(Request::Compact(1, oneshot::channel().0));
    let (group, mut answer) = group(&parts, "/a", Precondition::Absent, 1);
    parts.publisher.publish(group, false);
    assert_eq!(revision(&mut answer), None);
    drop(parts.publisher);
    parts.work.run();
    assert_eq!(revision(&mut answer), Some(2));
}

#[test]
fn a_closed_store_answers_so() {
    let mut parts = parts();
    let (group, mut answer) = group(&parts, "/a", Precondition::Absent, 1);
    parts.engine.close();
    parts.publisher.publish(group, false);
    assert!(matches!(answer.try_recv(), Ok(Err(crate::Error::Closed))));
}
