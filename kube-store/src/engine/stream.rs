//! The stream of one watch: the initial state, then the history, then what the writer queues.
//!
//! A watch begins by reading the history from where it was asked to start, in small steps that never hold up the
//! writer, and joins the writer's fan-out when it has caught up. A reader that lets its queue overflow does the same
//! again. So memory is bounded, and a slow reader loses its place only when the history no longer has it.

use super::Engine;
use super::watcher::{Polled, Watcher};
use crate::{Entry, Error, Event, EventKind, Result, Revision};
use futures::Stream;
use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// Entries of the initial state that are taken from the snapshot at a time.
const INITIAL_STEP: usize = 64;
/// Steps through the history in one poll, each of [`super::HISTORY_STEP`] changes; then other tasks get their turn.
const STEPS_PER_POLL: usize = 16;

/// The entries of a snapshot, still to be walked.
pub(crate) type Entries = Box<dyn Iterator<Item = Arc<Entry>> + Send>;

/// A watch.
pub(crate) struct WatchStream {
    engine: Arc<Engine>,
    watcher: Arc<Watcher>,
    phase: Phase,
    buffer: VecDeque<Event>,
    /// Everything up to and including this revision was delivered or is in the buffer.
    cursor: Revision,
}

enum Phase {
    Initial(Entries),
    CatchUp,
    Follow,
    Ended,
}

impl WatchStream {
    /// A watch that delivers `initial`, if any, and then what comes after `cursor`.
    pub(crate) fn new(engine: Arc<Engine>, watcher: Arc<Watcher>, initial: Option<Entries>, cursor: Revision) -> Self {
        let phase = initial.map_or(Phase::CatchUp, Phase::Initial);
        Self { engine, watcher, phase, buffer: VecDeque::new(), cursor }
    }

    /// Moves the next entries of the initial state into the buffer.
    fn fill_initial(&mut self) {
        let Phase::Initial(entries) = &mut self.phase else { return };
        for _ in 0..INITIAL_STEP {
            let Some(entry) = entries.next() else {
                let end = Event { kind: EventKind::InitialEnd, revision: self.cursor, entry: None };
                self.buffer.push_back(end);
                self.phase = Phase::CatchUp;
                return;
            };
            let added = Event { kind: EventKind::Added, revision: entry.revision, entry: Some(entry) };
            self.buffer.push_back(added);
        }
    }

    /// Reads on in the history until there is something to deliver or the present is reached.
    fn catch_up(&mut self) -> Result<()> {
        for _ in 0..STEPS_PER_POLL {
            if self.engine.catch_up(&self.watcher, &mut self.cursor, &mut self.buffer)? {
                self.phase = Phase::Follow;
                return Ok(());
            }
            if !self.buffer.is_empty() {
                return Ok(());
            }
        }
        Ok(())
    }

    fn end(&mut self, error: Error) -> Poll<Option<Result<Event>>> {
        self.phase = Phase::Ended;
        Poll::Ready(Some(Err(error)))
    }
}

impl Stream for WatchStream {
    type Item = Result<Event>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        loop {
            if let Some(event) = this.buffer.pop_front() {
                return Poll::Ready(Some(Ok(event)));
            }
            match this.phase {
                Phase::Ended => return Poll::Ready(None),
                Phase::Initial(_) => this.fill_initial(),
                Phase::CatchUp => {
                    if let Err(error) = this.catch_up() {
                        return this.end(error);
                    }
                    if this.buffer.is_empty() && matches!(this.phase, Phase::CatchUp) {
                        context.waker().wake_by_ref();
                        return Poll::Pending;
                    }
                }
                Phase::Follow => match this.watcher.poll(&mut this.buffer, context) {
                    Polled::Events => {}
                    Polled::Waiting => return Poll::Pending,
                    Polled::Closed => return this.end(Error::Closed),
                    Polled::Overflowed(through) => {
                        this.cursor = through;
                        this.phase = Phase::CatchUp;
                    }
                },
            }
        }
    }
}

impl Drop for WatchStream {
    fn drop(&mut self) {
        self.engine.leave(&self.watcher);
    }
}
