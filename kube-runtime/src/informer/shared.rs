//! The cache with those who wait for it, and the loop that feeds it.

use super::Cache;
use crate::change::{Change, Mailbox};
use crate::error::Error;
use crate::intern::{Interned, slim};
use crate::object::{ApiResource, Object};
use crate::watcher::Event;
use futures::{Stream, StreamExt as _};
use parking_lot::{Mutex, RwLock};
use std::pin::pin;
use std::sync::{Arc, Weak};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

pub(crate) struct Shared<K> {
    pub(crate) resource: ApiResource,
    interned: Arc<Interned<K>>,
    state: RwLock<State<K>>,
    phase: watch::Sender<Phase>,
    failure: Mutex<Option<String>>,
}

/// One lock for both, so that a subscriber gets each change once: in what is present, or after it.
struct State<K> {
    cache: Cache<K>,
    subscribers: Vec<Weak<Mailbox<K>>>,
    stopped: bool,
}

/// An event, with its objects as they are kept.
enum Told<K> {
    All(Vec<Arc<K>>),
    Applied(Arc<K>),
    Deleted(Box<K>),
}

#[derive(Clone, Copy, Debug, Default)]
struct Phase {
    synced: bool,
    stopped: bool,
}

/// Also where the loop is dropped or panics: those who wait must not do so for ever.
struct StopAtEnd<'a, K: Object>(&'a Shared<K>);

impl<K: Object> Drop for StopAtEnd<'_, K> {
    fn drop(&mut self) {
        self.0.stop();
    }
}

impl<K: Object> Shared<K> {
    pub(crate) fn new(resource: ApiResource, interned: Arc<Interned<K>>) -> Self {
        Self {
            resource,
            interned,
            state: RwLock::new(State { cache: Cache::new(), subscribers: Vec::new(), stopped: false }),
            phase: watch::Sender::new(Phase::default()),
            failure: Mutex::new(None),
        }
    }

    pub(crate) fn read<R>(&self, read: impl FnOnce(&Cache<K>) -> R) -> R {
        read(&self.state.read().cache)
    }

    pub(crate) fn write<R>(&self, write: impl FnOnce(&mut Cache<K>) -> R) -> R {
        write(&mut self.state.write().cache)
    }

    pub(crate) fn subscribe(&self) -> Arc<Mailbox<K>> {
        let mailbox = Arc::new(Mailbox::new());
        let mut state = self.state.write();
        for object in state.cache.iter() {
            mailbox.put(Change::Applied { old: None, new: Arc::clone(object) });
        }
        if state.stopped {
            mailbox.close();
        } else {
            state.subscribers.push(Arc::downgrade(&mailbox));
        }
        mailbox
    }

    pub(crate) async fn wait_synced(&self) -> bool {
        let mut phase = self.phase.subscribe();
        phase.wait_for(|phase| phase.synced || phase.stopped).await.is_ok_and(|phase| phase.synced)
    }

    pub(crate) fn is_synced(&self) -> bool {
        self.phase.borrow().synced
    }

    pub(crate) fn failure(&self) -> Option<String> {
        self.failure.lock().clone()
    }

    /// Nothing will change any more: subscriptions end, and nobody waits for the first list.
    pub(crate) fn stop(&self) {
        let mut state = self.state.write();
        state.stopped = true;
        for subscriber in state.subscribers.drain(..).filter_map(|weak| weak.upgrade()) {
            subscriber.close();
        }
        drop(state);
        self.phase.send_modify(|phase| phase.stopped = true);
    }

    /// Feeds the cache with what the watcher tells, until one of the tokens is cancelled. However it ends, the informer has
    /// stopped then.
    pub(crate) async fn run(
        &self,
        events: impl Stream<Item = Result<Event<K>, Error>>,
        shutdown: CancellationToken,
        unused: CancellationToken,
    ) {
        let _stop = StopAtEnd(self);
        let mut events = pin!(events);
        loop {
            tokio::select! {
                biased;
                () = shutdown.cancelled() => break,
                () = unused.cancelled() => break,
                event = events.next() => match event {
                    Some(Ok(event)) => self.apply(event),
                    Some(Err(error)) => self.failed(&error),
                    None => break,
                },
            }
        }
    }

    fn apply(&self, event: Event<K>) {
        let first_list = matches!(event, Event::Restarted(_)) && !self.is_synced();
        // Before the lock is taken: readers need not wait for copies to be made.
        if let Some(told) = self.intern(event) {
            let mut guard = self.state.write();
            let State { cache, subscribers, .. } = &mut *guard;
            // Upgraded once an event, not once a change: a list brings thousands.
            let mut mailboxes = Vec::with_capacity(subscribers.len());
            subscribers.retain(|weak| {
                weak.upgrade().is_some_and(|mailbox| {
                    mailboxes.push(mailbox);
                    true
                })
            });
            let mut tell = |change: Change<K>| {
                for mailbox in &mailboxes {
                    mailbox.put(change.clone());
                }
            };
            match told {
                Told::All(objects) => cache.replace(objects, &mut tell),
                Told::Applied(object) => cache.apply(object, &mut tell),
                Told::Deleted(object) => cache.delete(*object, &mut tell),
            }
        }
        if first_list {
            self.phase.send_modify(|phase| phase.synced = true);
        }
        *self.failure.lock() = None;
    }

    /// What the event tells, as it is kept; none where it tells of no object.
    fn intern(&self, event: Event<K>) -> Option<Told<K>> {
        Some(match event {
            Event::Restarted(objects) => {
                Told::All(objects.into_iter().map(|object| self.interned.intern(object)).collect())
            }
            Event::Applied(object) => Told::Applied(self.interned.intern(object)),
            Event::Deleted(object) => {
                self.interned.forget(object.uid());
                Told::Deleted(Box::new(slim(object)))
            }
            Event::Watching => return None,
        })
    }

    /// Said aloud once, until it goes well again or fails in another way.
    fn failed(&self, error: &Error) {
        let text = error.chain();
        let mut failure = self.failure.lock();
        if failure.as_deref() != Some(&text) {
            tracing::warn!(resource = %self.resource.plural, error = %text, "watch failed; trying again");
            *failure = Some(text);
        }
    }
}
