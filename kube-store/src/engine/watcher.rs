//! One watcher: what it selects, and the events that wait for it.

use crate::index::history::Change;
use crate::{Entry, Event, EventKind, Revision, Selector, WatchRequest};
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Waker};

/// What the writer and the reader of a watch share.
#[derive(Debug)]
pub(crate) struct Watcher {
    pub(crate) id: u64,
    pub(crate) prefix: Box<str>,
    pub(crate) selector: Selector,
    pub(crate) progress: bool,
    capacity: usize,
    queue: Mutex<Queue>,
}

#[derive(Debug, Default)]
struct Queue {
    events: VecDeque<Event>,
    /// Everything that the watcher selects, up to and including this revision, went through the queue.
    through: Revision,
    /// Where the reader joined: changes up to here are none of its own, also where they arrive later.
    joined: Revision,
    /// The queue was full at the revision after `through`: the watcher continues from the history.
    overflowed: bool,
    closed: bool,
    waker: Option<Waker>,
}

/// What a reader finds when it looks into the queue.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Polled {
    /// Events were moved to the reader.
    Events,
    /// There are none; the reader will be woken.
    Waiting,
    /// Events were left out after this revision, and have to be read from the history.
    Overflowed(Revision),
    /// The store was closed.
    Closed,
}

impl Watcher {
    /// A watcher that follows nothing yet.
    pub(crate) fn new(id: u64, request: WatchRequest, capacity: usize) -> Self {
        Self {
            id,
            prefix: request.prefix.into(),
            selector: request.selector,
            progress: request.progress,
            capacity,
            queue: Mutex::default(),
        }
    }

    /// What `change` is to this watcher; its key is known to be under the prefix.
    pub(crate) fn event(&self, change: &Change) -> Option<Event> {
        let selects = |entry: &&Arc<Entry>| self.selector.matches(&entry.attributes);
        let before = change.previous.as_ref().filter(selects);
        let after = change.entry.as_ref().filter(selects);
        let (kind, entry) = match (before, after) {
            (None, None) => return None,
            (None, Some(entry)) => (EventKind::Added, entry),
            (Some(_), Some(entry)) => (EventKind::Modified, entry),
            (Some(entry), None) => (EventKind::Deleted, entry),
        };
        Some(Event { kind, revision: change.revision, entry: Some(Arc::clone(entry)) })
    }

    /// From the writer: queues the change if the watcher selects it.
    pub(crate) fn offer(&self, change: &Change) {
        let Some(event) = self.event(change) else { return };
        let waker = {
            let mut queue = self.queue.lock();
            if queue.overflowed || change.revision <= queue.joined {
                return;
            }
            if queue.events.len() >= self.capacity {
                queue.overflowed = true;
                queue.through = change.revision - 1;
            } else {
                queue.events.push_back(event);
                queue.through = change.revision;
            }
            queue.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// From the writer: everything up to `revision` went through the queue.
    pub(crate) fn offer_progress(&self, revision: Revision) {
        let waker = {
            let mut queue = self.queue.lock();
            if queue.overflowed || queue.through >= revision {
                return;
            }
            queue.through = revision;
            // One that was not read yet is overtaken by this one.
            if queue.events.back().is_some_and(|event| event.kind == EventKind::Progress) {
                queue.events.pop_back();
            }
            queue.events.push_back(Event { kind: EventKind::Progress, revision, entry: None });
            queue.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// From the writer: the reader has seen everything up to `revision`; from here on the queue gets it.
    pub(crate) fn join(&self, revision: Revision) {
        let mut queue = self.queue.lock();
        queue.through = revision;
        queue.joined = revision;
        queue.overflowed = false;
    }

    /// From the writer: what follows is not in the queue, so that the reader has to ask the history for it.
    #[cfg(feature = "etcd")]
    pub(crate) fn overflow(&self) {
        let waker = {
            let mut queue = self.queue.lock();
            queue.overflowed = true;
            queue.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// From the writer: nothing more will come.
    pub(crate) fn close(&self) {
        let waker = {
            let mut queue = self.queue.lock();
            queue.closed = true;
            queue.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// From the reader: swaps the queued events with `into`, which is empty.
    pub(crate) fn poll(&self, into: &mut VecDeque<Event>, context: &mut Context<'_>) -> Polled {
        debug_assert!(into.is_empty(), "events that were not delivered would be overtaken");
        let mut queue = self.queue.lock();
        if !queue.events.is_empty() {
            std::mem::swap(&mut queue.events, into);
            return Polled::Events;
        }
        if queue.closed {
            return Polled::Closed;
        }
        if queue.overflowed {
            return Polled::Overflowed(queue.through);
        }
        // A burst is over: give its memory back, so that an idle watcher stays small.
        if queue.events.capacity() > IDLE_CAPACITY {
            queue.events = VecDeque::new();
        }
        if into.capacity() > IDLE_CAPACITY {
            *into = VecDeque::new();
        }
        if !queue.waker.as_ref().is_some_and(|waker| waker.will_wake(context.waker())) {
            queue.waker = Some(context.waker().clone());
        }
        Polled::Waiting
    }
}

/// Events for which an idle watcher keeps room.
const IDLE_CAPACITY: usize = 32;
