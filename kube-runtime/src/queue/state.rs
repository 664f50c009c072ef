//! What is queued, delayed and worked on: the queue without its waiting.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::hash::Hash;
use tokio::time::Instant;

/// An item is in `order` exactly if it is `dirty` and not `working`.
#[derive(Debug)]
pub(super) struct State<T> {
    /// Ready items in the order in which they will be got.
    order: VecDeque<T>,
    /// Items that need work.
    dirty: HashSet<T>,
    /// Items that are being worked on.
    working: HashSet<T>,
    /// Delayed items by their time; the number keeps the order of those of one time.
    delayed: BTreeMap<(Instant, u64), T>,
    /// Where each delayed item stands in `delayed`.
    delayed_at: HashMap<T, (Instant, u64)>,
    sequence: u64,
    shut_down: bool,
}

/// What there is to do.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next<T> {
    /// To work on this; with `more`, somebody else should look at the queue: for another item, or for how long to wait.
    Item { item: T, more: bool },
    /// To wait for an item; at most until the time, when a delayed one becomes ready.
    Wait(Option<Instant>),
    /// Nothing ever again.
    End,
}

impl<T> Default for State<T> {
    fn default() -> Self {
        Self {
            order: VecDeque::new(),
            dirty: HashSet::new(),
            working: HashSet::new(),
            delayed: BTreeMap::new(),
            delayed_at: HashMap::new(),
            sequence: 0,
            shut_down: false,
        }
    }
}

impl<T: Clone + Eq + Hash> State<T> {
    /// Whether the item has become ready by this.
    pub(super) fn add(&mut self, item: T) -> bool {
        if self.shut_down || !self.dirty.insert(item.clone()) || self.working.contains(&item) {
            return false;
        }
        self.order.push_back(item);
        true
    }

    /// Whether the next time to wait for may have changed by this.
    pub(super) fn add_at(&mut self, item: T, at: Instant) -> bool {
        if self.shut_down {
            return false;
        }
        if let Some(place) = self.delayed_at.get(&item) {
            if place.0 <= at {
                return false;
            }
            self.delayed.remove(&place.clone());
        }
        self.sequence += 1;
        let place = (at, self.sequence);
        self.delayed_at.insert(item.clone(), place);
        self.delayed.insert(place, item);
        self.delayed.first_key_value().is_some_and(|(first, _)| *first == place)
    }

    pub(super) fn next(&mut self, now: Instant) -> Next<T> {
        let mut ripened = false;
        while let Some(entry) = self.delayed.first_entry()
            && entry.key().0 <= now
        {
            let item = entry.remove();
            self.delayed_at.remove(&item);
            self.add(item);
            ripened = true;
        }
        match self.order.pop_front() {
            Some(item) => {
                self.dirty.remove(&item);
                self.working.insert(item.clone());
                // Who waited for the first delay now works, and was perhaps the only one who knew of any: the others began to
                // wait before.
                let more = !self.order.is_empty() || (ripened && !self.delayed.is_empty());
                Next::Item { item, more }
            }
            // An item that is being worked on may have been added again, and is then still to be got.
            None if self.shut_down && self.dirty.is_empty() => Next::End,
            None => Next::Wait(self.delayed.first_key_value().map(|((at, _), _)| *at)),
        }
    }

    /// The work on an item has ended. Whether somebody should look at the queue again.
    pub(super) fn done(&mut self, item: &T) -> bool {
        self.working.remove(item);
        if self.dirty.contains(item) {
            self.order.push_back(item.clone());
            return true;
        }
        self.shut_down
    }

    pub(super) fn shut_down(&mut self) {
        self.shut_down = true;
        self.delayed.clear();
        self.delayed_at.clear();
    }

    pub(super) fn len(&self) -> usize {
        self.order.len()
    }
}
