//! A work queue as client-go's: no item is in it twice, none is worked on twice at a time, failures back off.

use std::fmt::Debug;
use std::hash::Hash;
use std::time::Duration;

/// A queue of items (keys) to work on. Clones share it.
#[derive(Clone, Debug)]
pub struct WorkQueue<T> {
    marker: std::marker::PhantomData<T>,
}

/// An item that is being worked on. While this exists, nobody else gets the item; if the item is added meanwhile, it is
/// queued again when this is dropped.
#[derive(Debug)]
pub struct Work<T> {
    item: T,
}

impl<T> std::ops::Deref for Work<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.item
    }
}

/// How failures are delayed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RateLimit {
    /// An item's first failure; each further one doubles it. 5 ms.
    pub min: Duration,
    /// However many failures. 1000 s.
    pub max: Duration,
    /// Over all items: retries a second, and how many may come at once. None is no limit.
    pub bucket: Option<(f64, u32)>,
}

impl<T: Clone + Eq + Hash + Debug> WorkQueue<T> {
    /// An empty queue; failures are delayed from 5 ms to 1000 s.
    pub fn new() -> Self {
        Self::with_rate_limit(RateLimit { min: Duration::from_millis(5), max: Duration::from_secs(1000), bucket: None })
    }

    /// An empty queue.
    pub fn with_rate_limit(limit: RateLimit) -> Self {
        todo!("{limit:?}")
    }

    /// Queues an item unless it is queued already.
    pub fn add(&self, item: T) {
        todo!("{item:?}")
    }

    /// Queues an item after `delay`; of several delays of one item the earliest counts.
    pub fn add_after(&self, item: T, delay: Duration) {
        todo!("{item:?} {delay:?}")
    }

    /// Queues an item that failed, after its back-off.
    pub fn add_rate_limited(&self, item: T) {
        todo!("{item:?}")
    }

    /// The item went well: its next failure is its first.
    pub fn forget(&self, item: &T) {
        todo!("{item:?}")
    }

    /// How often the item has failed since it was forgotten.
    pub fn failures(&self, item: &T) -> u32 {
        todo!("{item:?}")
    }

    /// The next item; none when the queue is shut down and empty.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses no item.
    pub async fn get(&self) -> Option<Work<T>> {
        todo!()
    }

    /// Takes no more items; what is queued can still be got, what is delayed is dropped.
    pub fn shut_down(&self) {
        todo!()
    }

    /// How many items are ready to be got.
    pub fn len(&self) -> usize {
        todo!()
    }

    /// Whether none is ready to be got.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<T: Clone + Eq + Hash + Debug> Default for WorkQueue<T> {
    fn default() -> Self {
        Self::new()
    }
}
