//! Requests on their way to the committer, which takes as many at once as it can get: a sync costs about the same for one
//! transaction and for sixty-four.

use super::committer::{self, Request};
use parking_lot::{Condvar, Mutex};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Whoever was answered and writes again does so within this time of the one before, or is not waited for. It is what a
/// timer of Linux takes at least, and a small part of a sync.
const GAP: Duration = Duration::from_micros(60);
/// Where a group takes less than this, the next one is not waited for: its writers need a part of a millisecond to come
/// back, and their requests join those of the sync after the next, while it runs. On a slower medium it is better to have
/// all of them in each sync.
const SLOW: Duration = Duration::from_millis(1);
/// No group is waited for longer than this, however slow the medium.
const PATIENCE_MAX: Duration = Duration::from_millis(2);

/// Requests on their way to the committer.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    requests: Mutex<Requests>,
    arrived: Condvar,
}

#[derive(Debug, Default)]
struct Requests {
    waiting: VecDeque<Request>,
    /// The committer is not woken before so many wait.
    wanted: usize,
    closed: bool,
}

/// The group before, from which the next one can be foreseen.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Before {
    /// How many were answered.
    pub(crate) answered: usize,
    /// How long that took, the sync included.
    pub(crate) took: Duration,
}

impl Queue {
    /// Adds a request; one that comes after [`Queue::close`] is refused.
    pub(crate) fn push(&self, request: Request) {
        let mut requests = self.requests.lock();
        if requests.closed {
            drop(requests);
            committer::refuse(request);
            return;
        }
        requests.waiting.push_back(request);
        let enough = requests.waiting.len() >= requests.wanted;
        drop(requests);
        if enough {
            self.arrived.notify_one();
        }
    }

    /// Moves all requests to `into`, and waits for the first of them for at most `idle`; `false` when there are none.
    pub(crate) fn take(&self, into: &mut VecDeque<Request>, idle: Option<Duration>) -> bool {
        let mut requests = self.requests.lock();
        while requests.waiting.is_empty() && !requests.closed {
            match idle {
                None => self.arrived.wait(&mut requests),
                Some(idle) => {
                    if self.arrived.wait_for(&mut requests, idle).timed_out() {
                        break;
                    }
                }
            }
        }
        into.append(&mut requests.waiting);
        !into.is_empty()
    }

    /// Waits for those who were just answered, in case they write again at once, together with those who wait already:
    /// where many writers wait for their answers, each sync then serves all of them. It ends as soon as they cease to
    /// come, and after the time that the group before took, so that nobody waits for long in vain.
    pub(crate) fn gather(&self, before: Before) {
        if before.took < SLOW {
            return;
        }
        let mut requests = self.requests.lock();
        let wanted = before.answered + requests.waiting.len();
        // A writer that is alone waits for nobody.
        if wanted < 2 {
            return;
        }
        let deadline = Instant::now() + before.took.min(PATIENCE_MAX);
        requests.wanted = wanted;
        while requests.waiting.len() < wanted && !requests.closed {
            let (arrived, now) = (requests.waiting.len(), Instant::now());
            if now >= deadline {
                break;
            }
            let late = self.arrived.wait_until(&mut requests, deadline.min(now + GAP)).timed_out();
            if late && requests.waiting.len() == arrived {
                break;
            }
        }
        requests.wanted = 0;
    }

    /// Whether nobody waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.requests.lock().waiting.is_empty()
    }

    /// What is there now.
    pub(crate) fn drain(&self) -> VecDeque<Request> {
        std::mem::take(&mut self.requests.lock().waiting)
    }

    /// Refuses what comes from now on.
    pub(crate) fn close(&self) {
        self.requests.lock().closed = true;
        self.arrived.notify_one();
    }
}

#[cfg(test)]
mod tests;
