//! A work queue as client-go's: no item is in it twice, none is worked on twice at a time, failures back off.

mod limiter;
mod state;

pub use limiter::RateLimit;

use limiter::Limiter;
use parking_lot::Mutex;
use state::{Next, State};
use std::fmt;
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// Later than anybody looks: a delay that no clock can tell.
const NEVER: Duration = Duration::from_secs(30 * 365 * 24 * 3600);

/// A queue of items (keys) to work on. Clones share it.
pub struct WorkQueue<T: Clone + Eq + Hash> {
    inner: Arc<Inner<T>>,
}

struct Inner<T> {
    state: Mutex<(State<T>, Limiter<T>)>,
    /// One permit for each item that has become ready, and for each wait that has become shorter.
    ready: Notify,
}

impl<T: Clone + Eq + Hash> Clone for WorkQueue<T> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner) }
    }
}

impl<T: Clone + Eq + Hash> fmt::Debug for WorkQueue<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkQueue").field("len", &self.len()).finish_non_exhaustive()
    }
}

/// An item that is being worked on. While this exists, nobody else gets the item; if the item is added meanwhile, it is
/// queued again when this is dropped.
#[derive(Debug)]
pub struct Work<T: Clone + Eq + Hash> {
    item: T,
    queue: WorkQueue<T>,
}

impl<T: Clone + Eq + Hash> std::ops::Deref for Work<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.item
    }
}

impl<T: Clone + Eq + Hash> Drop for Work<T> {
    fn drop(&mut self) {
        let inner = &self.queue.inner;
        if inner.state.lock().0.done(&self.item) {
            inner.ready.notify_one();
        }
    }
}

/// Somebody waits for the time of a delayed item. Who gives up waiting leaves it to another, who may know of no delay.
struct Watch<'a>(Option<&'a Notify>);

impl Watch<'_> {
    fn ends(mut self) {
        self.0 = None;
    }
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        if let Some(ready) = self.0 {
            ready.notify_one();
        }
    }
}

impl<T: Clone + Eq + Hash> WorkQueue<T> {
    /// An empty queue; failures are delayed from 5 ms to 1000 s.
    pub fn new() -> Self {
        Self::with_rate_limit(RateLimit::default())
    }

    /// An empty queue.
    pub fn with_rate_limit(limit: RateLimit) -> Self {
        let state = Mutex::new((State::default(), Limiter::new(limit)));
        Self { inner: Arc::new(Inner { state, ready: Notify::new() }) }
    }

    /// Queues an item unless it is queued already.
    pub fn add(&self, item: T) {
        if self.inner.state.lock().0.add(item) {
            self.inner.ready.notify_one();
        }
    }

    /// Queues an item after `delay`; of several delays of one item the earliest counts.
    pub fn add_after(&self, item: T, delay: Duration) {
        if delay.is_zero() {
            return self.add(item);
        }
        let now = Instant::now();
        if self.inner.state.lock().0.add_at(item, now.checked_add(delay).unwrap_or(now + NEVER)) {
            self.inner.ready.notify_one();
        }
    }

    /// Queues an item that failed, after its back-off.
    pub fn add_rate_limited(&self, item: T) {
        let delay = self.inner.state.lock().1.failed(&item, Instant::now());
        self.add_after(item, delay);
    }

    /// The item went well: its next failure is its first.
    pub fn forget(&self, item: &T) {
        self.inner.state.lock().1.forget(item);
    }

    /// How often the item has failed since it was forgotten.
    pub fn failures(&self, item: &T) -> u32 {
        self.inner.state.lock().1.failures(item)
    }

    /// The next item; none when the queue is shut down and empty.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses no item.
    pub async fn get(&self) -> Option<Work<T>> {
        loop {
            let ready = self.inner.ready.notified();
            let next = self.inner.state.lock().0.next(Instant::now());
            match next {
                Next::Item { item, more } => {
                    if more {
                        self.inner.ready.notify_one();
                    }
                    return Some(Work { item, queue: self.clone() });
                }
                Next::End => {
                    // Those who wait beside this one wait for the end too.
                    self.inner.ready.notify_one();
                    return None;
                }
                Next::Wait(None) => ready.await,
                Next::Wait(Some(deadline)) => {
                    let watch = Watch(Some(&self.inner.ready));
                    tokio::select! {
                        () = ready => {}
                        () = tokio::time::sleep_until(deadline) => {}
                    }
                    watch.ends();
                }
            }
        }
    }

    /// Takes no more items; what is queued can still be got, what is delayed is dropped.
    pub fn shut_down(&self) {
        self.inner.state.lock().0.shut_down();
        self.inner.ready.notify_one();
    }

    /// How many items are ready to be got.
    pub fn len(&self) -> usize {
        self.inner.state.lock().0.len()
    }

    /// Whether none is ready to be got.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<T: Clone + Eq + Hash> Default for WorkQueue<T> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests;
