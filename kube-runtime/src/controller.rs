//! A controller: changes become keys, keys are reconciled.

use crate::change::Change;
use crate::client::BoxError;
use crate::informer::Informer;
use crate::object::{Object, ObjectKey};
use crate::queue::WorkQueue;
use std::fmt::Debug;
use std::hash::Hash;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// What a reconcile that went well asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Nothing until the next change.
    Done,
    /// To be called again after this time, even without a change.
    RequeueAfter(Duration),
}

/// Turns changes of the kinds that it watches into calls of a reconcile function, one at a time per key. `T` is the key.
#[derive(Debug)]
pub struct Controller<T = ObjectKey> {
    name: &'static str,
    queue: WorkQueue<T>,
}

impl Controller<ObjectKey> {
    /// A controller whose keys are those of objects. The name is for logs.
    pub fn new(name: &'static str) -> Self {
        Self::keyed(name)
    }
}

impl<T: Clone + Eq + Hash + Debug + Send + Sync + 'static> Controller<T> {
    /// A controller with keys of its own type.
    pub fn keyed(name: &'static str) -> Self {
        Self { name, queue: WorkQueue::new() }
    }

    /// Queues the keys that `keys` makes of each change. Runs in the order of changes, in one task.
    #[must_use]
    pub fn watches<K, F>(self, informer: &Informer<K>, keys: F) -> Self
    where
        K: Object,
        F: FnMut(&Change<K>) -> Vec<T> + Send + 'static,
    {
        let _ = (informer, keys);
        todo!()
    }

    /// How many keys are reconciled at a time; 1 unless told.
    #[must_use]
    pub fn workers(self, workers: usize) -> Self {
        todo!("{workers}")
    }

    /// The queue, to add keys by hand.
    pub fn queue(&self) -> WorkQueue<T> {
        self.queue.clone()
    }

    /// Waits until every watched informer is synced, then reconciles until `shutdown`; returns when the reconciles that
    /// were under way have ended. A reconcile that fails or panics is logged and called again after its back-off.
    pub async fn run<F, Fut, E>(self, shutdown: CancellationToken, reconcile: F)
    where
        F: Fn(T) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Action, E>> + Send + 'static,
        E: Into<BoxError>,
    {
        let _ = (shutdown, reconcile, self.name);
        todo!()
    }
}
