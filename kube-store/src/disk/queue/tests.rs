//! Real time passes here, and nothing depends on how much.

use super::{Before, Queue};
use crate::disk::committer::Request;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

fn request() -> Request {
    Request::Compact(1, tokio::sync::oneshot::channel().0)
}

fn taken(queue: &Queue) -> usize {
    let mut into = VecDeque::new();
    queue.take(&mut into, Some(Duration::ZERO));
    into.len()
}

#[test]
fn a_writer_that_is_alone_waits_for_nobody() {
    let queue = Queue::default();
    let before = Before { answered: 1, took: Duration::from_secs(3600) };
    queue.gather(before);
    assert_eq!(taken(&queue), 0);
}

#[test]
fn those_who_do_not_come_are_not_waited_for() {
    let queue = Queue::default();
    queue.push(request());
    queue.gather(Before { answered: 1000, took: Duration::from_secs(3600) });
    assert_eq!(taken(&queue), 1);
}

#[test]
fn all_that_come_are_one_group() {
    const WRITERS: usize = 64;
    let queue = Arc::new(Queue::default());
    let writers: Vec<_> = (0..WRITERS)
        .map(|_| {
            let queue = Arc::clone(&queue);
            std::thread::spawn(move || queue.push(request()))
        })
        .collect();
    let mut all = 0;
    while all < WRITERS {
        queue.gather(Before { answered: WRITERS - all, took: Duration::from_secs(1) });
        let mut into = VecDeque::new();
        assert!(queue.take(&mut into, None));
        all += into.len();
    }
    writers.into_iter().for_each(|writer| writer.join().unwrap());
    assert_eq!((all, taken(&queue)), (WRITERS, 0));
}

#[test]
fn closing_ends_the_wait_and_refuses() {
    let queue = Arc::new(Queue::default());
    let other = Arc::clone(&queue);
    let committer = std::thread::spawn(move || {
        let mut into = VecDeque::new();
        let found = other.take(&mut into, None);
        other.gather(Before { answered: 5, took: Duration::from_secs(3600) });
        (found, into.len())
    });
    queue.close();
    assert_eq!(committer.join().unwrap(), (false, 0));
    let (reply, mut answer) = tokio::sync::oneshot::channel();
    queue.push(Request::Compact(1, reply));
    assert!(matches!(answer.try_recv(), Ok(Err(crate::Error::Closed))));
    assert_eq!(taken(&queue), 0);
}
