//! The changes that one subscriber has yet to take.

use super::Change;
use crate::object::{Object, ObjectKey};
use parking_lot::Mutex;
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

/// From so many waiting changes on, an object that was created and deleted before the subscriber looked is not told of at
/// all. What waits is thereby bounded by this, the objects that there are and those that the subscriber knows.
const WAITING_MAX: usize = 100_000;

/// Filled by the informer, emptied by the subscriber.
pub(crate) struct Mailbox<K> {
    state: Mutex<State<K>>,
}

struct State<K> {
    /// None where a creation and a deletion have cancelled out.
    waiting: VecDeque<Option<Change<K>>>,
    /// How many of them are none: at most half after each put that makes one.
    holes: usize,
    /// How many were taken from the front of `waiting`: positions in `last` count from the beginning.
    taken: u64,
    /// Where the last waiting change of an object stands.
    last: HashMap<ObjectKey, u64>,
    waiting_max: usize,
    waker: Option<Waker>,
    closed: bool,
}

impl<K> fmt::Debug for Mailbox<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mailbox").field("waiting", &self.state.lock().waiting.len()).finish_non_exhaustive()
    }
}

impl<K: Object> Mailbox<K> {
    pub(crate) fn new() -> Self {
        Self::with_waiting_max(WAITING_MAX)
    }

    fn with_waiting_max(waiting_max: usize) -> Self {
        Self {
            state: Mutex::new(State {
                waiting: VecDeque::new(),
                holes: 0,
                taken: 0,
                last: HashMap::new(),
                waiting_max,
                waker: None,
                closed: false,
            }),
        }
    }

    pub(crate) fn put(&self, change: Change<K>) {
        let mut state = self.state.lock();
        state.put(change);
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Nothing will be put any more.
    pub(crate) fn close(&self) {
        let mut state = self.state.lock();
        state.closed = true;
        if let Some(waker) = state.waker.take() {
            drop(state);
            waker.wake();
        }
    }

    pub(super) fn poll(&self, context: &mut Context<'_>) -> Poll<Option<Change<K>>> {
        let mut state = self.state.lock();
        match state.take() {
            Some(change) => Poll::Ready(Some(change)),
            None if state.closed => Poll::Ready(None),
            None => {
                state.waker = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl<K: Object> State<K> {
    fn put(&mut self, change: Change<K>) {
        let key = change.key();
        let overfull = self.waiting.len() >= self.waiting_max;
        if let Some(&position) = self.last.get(&key) {
            let index = usize::try_from(position - self.taken).expect("a position in a queue in memory");
            let slot = &mut self.waiting[index];
            match (slot.as_mut(), &change) {
                (Some(Change::Applied { new: waiting, .. }), Change::Applied { new, .. }) => {
                    *waiting = Arc::clone(new);
                    return;
                }
                (Some(Change::Applied { old: None, .. }), Change::Deleted(_)) if overfull => {
                    *slot = None;
                    self.last.remove(&key);
                    self.holes += 1;
                    if self.holes * 2 > self.waiting.len() {
                        self.close_up();
                    }
                    return;
                }
                _ => {}
            }
        }
        self.last.insert(key, self.taken + self.waiting.len() as u64);
        self.waiting.push_back(Some(change));
    }

    /// Without what has cancelled out.
    fn close_up(&mut self) {
        self.waiting.retain(Option::is_some);
        self.holes = 0;
        let positions = self.waiting.iter().flatten().zip(self.taken..);
        self.last = positions.map(|(change, position)| (change.key(), position)).collect();
    }

    fn take(&mut self) -> Option<Change<K>> {
        while let Some(slot) = self.waiting.pop_front() {
            let position = self.taken;
            self.taken += 1;
            let Some(change) = slot else {
                self.holes -= 1;
                continue;
            };
            let key = change.key();
            if self.last.get(&key) == Some(&position) {
                self.last.remove(&key);
            }
            return Some(change);
        }
        // A burst does not stay in memory for ever.
        self.waiting.shrink_to(1024);
        self.last.shrink_to(1024);
        None
    }
}

#[cfg(test)]
mod tests {
    //! What a slow subscriber sees.

    use super::*;
    use k8s_openapi::api::core::v1::ConfigMap;

    fn object(name: &str, version: u32) -> Arc<ConfigMap> {
        let mut object = ConfigMap::default();
        object.metadata.name = Some(name.to_owned());
        object.metadata.resource_version = Some(version.to_string());
        Arc::new(object)
    }

    fn created(name: &str, version: u32) -> Change<ConfigMap> {
        Change::Applied { old: None, new: object(name, version) }
    }

    fn updated(name: &str, from: u32, to: u32) -> Change<ConfigMap> {
        Change::Applied { old: Some(object(name, from)), new: object(name, to) }
    }

    fn deleted(name: &str, version: u32) -> Change<ConfigMap> {
        Change::Deleted(object(name, version))
    }

    /// `+a1` created, `~a1>2` changed, `-a2` deleted.
    fn show(change: &Change<ConfigMap>) -> String {
        match change {
            Change::Applied { old: None, new } => format!("+{}{}", new.name(), new.resource_version()),
            Change::Applied { old: Some(old), new } => {
                format!("~{}{}>{}", new.name(), old.resource_version(), new.resource_version())
            }
            Change::Deleted(object) => format!("-{}{}", object.name(), object.resource_version()),
        }
    }

    #[track_caller]
    fn check(waiting_max: usize, changes: Vec<Change<ConfigMap>>, expected: &[&str]) {
        let mailbox = Mailbox::with_waiting_max(waiting_max);
        for change in changes {
            mailbox.put(change);
        }
        let mut state = mailbox.state.lock();
        let seen: Vec<String> = std::iter::from_fn(|| state.take()).map(|change| show(&change)).collect();
        assert_eq!(seen, expected);
        assert!(state.last.is_empty());
    }

    #[test]
    fn changes_of_one_object_are_merged_creations_and_deletions_are_not() {
        check(9, vec![created("a", 1), created("b", 2)], &["+a1", "+b2"]);
        check(9, vec![created("a", 1), created("b", 2), updated("a", 1, 3)], &["+a3", "+b2"]);
        check(9, vec![updated("a", 1, 2), updated("a", 2, 3), deleted("a", 4)], &["~a1>3", "-a4"]);
        check(9, vec![created("a", 1), deleted("a", 2)], &["+a1", "-a2"]);
        check(9, vec![deleted("a", 2), created("a", 3), updated("a", 3, 4)], &["-a2", "+a4"]);
        check(
            9,
            vec![created("a", 1), deleted("a", 2), created("a", 3), updated("a", 3, 4), deleted("a", 5)],
            &["+a1", "-a2", "+a4", "-a5"],
        );
    }

    #[test]
    fn an_overfull_mailbox_forgets_what_came_and_went() {
        check(1, vec![created("a", 1), deleted("a", 2), created("b", 3)], &["+b3"]);
        check(1, vec![updated("a", 1, 2), deleted("a", 3)], &["~a1>2", "-a3"]);
        check(2, vec![created("a", 1), created("b", 2), deleted("a", 3), deleted("b", 4)], &[]);
    }

    #[test]
    fn what_came_and_went_takes_no_room() {
        let mailbox = Mailbox::with_waiting_max(2);
        for change in [created("x", 1), created("y", 2)] {
            mailbox.put(change);
        }
        for version in 3..1_000 {
            mailbox.put(created("a", version));
            mailbox.put(deleted("a", version));
        }
        mailbox.put(updated("y", 2, 1_000));
        let mut state = mailbox.state.lock();
        assert!(state.waiting.len() <= 4, "{}", state.waiting.len());
        let seen: Vec<String> = std::iter::from_fn(|| state.take()).map(|change| show(&change)).collect();
        assert_eq!(seen, ["+x1", "+y1000"]);
        assert_eq!((state.holes, state.last.len()), (0, 0));
    }

    #[test]
    fn what_is_taken_is_not_merged_with_what_comes() {
        let mailbox = Mailbox::new();
        mailbox.put(created("a", 1));
        assert_eq!(mailbox.state.lock().take().map(|c| show(&c)).as_deref(), Some("+a1"));
        mailbox.put(updated("a", 1, 2));
        mailbox.put(created("b", 3));
        mailbox.put(updated("b", 3, 4));
        let mut state = mailbox.state.lock();
        assert_eq!(state.take().map(|c| show(&c)).as_deref(), Some("~a1>2"));
        assert_eq!(state.take().map(|c| show(&c)).as_deref(), Some("+b4"));
    }
}
