//! A controller: changes become keys, keys are reconciled.

use crate::change::Change;
use crate::client::BoxError;
use crate::error::Error;
use crate::informer::Informer;
use crate::object::{Object, ObjectKey};
use crate::queue::{RateLimit, WorkQueue};
use futures::future::BoxFuture;
use futures::stream::{BoxStream, SelectAll};
use futures::{FutureExt as _, StreamExt as _};
use std::any::Any;
use std::fmt;
use std::fmt::Debug;
use std::hash::Hash;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

/// What a reconcile that went well asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Nothing until the next change.
    Done,
    /// To be called again after this time, even without a change.
    RequeueAfter(Duration),
}

/// Turns changes of the kinds that it watches into calls of a reconcile function, one at a time per key. `T` is the key.
///
/// ```no_run
/// use k8s_openapi::api::core::v1::ConfigMap;
/// use kubekit_runtime::{Action, Client, Controller, Error, Informers, ObjectKey};
/// use tokio_util::sync::CancellationToken;
///
/// async fn run(client: Client, shutdown: CancellationToken) {
///     let informers = Informers::new(client);
///     let maps = informers.informer::<ConfigMap>();
///     let reader = maps.reader();
///     let controller = Controller::new("config-maps").watches(&maps, |change| vec![change.key()]).run(
///         shutdown.clone(),
///         move |key: ObjectKey| {
///             let there = reader.get(&key).is_some();
///             async move {
///                 println!("{key} is {}", if there { "there" } else { "gone" });
///                 Ok::<Action, Error>(Action::Done)
///             }
///         },
///     );
///     tokio::join!(informers.run(shutdown), controller);
/// }
/// ```
pub struct Controller<T: Clone + Eq + Hash = ObjectKey> {
    name: &'static str,
    queue: WorkQueue<T>,
    workers: usize,
    sources: SelectAll<BoxStream<'static, Vec<T>>>,
    synced: Vec<BoxFuture<'static, bool>>,
}

impl<T: Clone + Eq + Hash> Debug for Controller<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Controller").field("name", &self.name).field("queue", &self.queue).finish_non_exhaustive()
    }
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
        Self { name, queue: WorkQueue::new(), workers: 1, sources: SelectAll::new(), synced: Vec::new() }
    }

    /// The same, with failures delayed by `limit`. Before [`Controller::queue`], whose queue this replaces.
    #[must_use]
    pub fn rate_limit(mut self, limit: RateLimit) -> Self {
        self.queue = WorkQueue::with_rate_limit(limit);
        self
    }

    /// Queues the keys that `keys` makes of each change. Runs in the order of changes, in one task.
    #[must_use]
    pub fn watches<K, F>(mut self, informer: &Informer<K>, mut keys: F) -> Self
    where
        K: Object,
        F: FnMut(&Change<K>) -> Vec<T> + Send + 'static,
    {
        self.sources.push(informer.subscribe().map(move |change| keys(&change)).boxed());
        let informer = informer.clone();
        self.synced.push(async move { informer.wait_synced().await }.boxed());
        self
    }

    /// How many keys are reconciled at a time; 1 unless told.
    #[must_use]
    pub fn workers(mut self, workers: usize) -> Self {
        self.workers = workers.max(1);
        self
    }

    /// The queue, to add keys by hand.
    pub fn queue(&self) -> WorkQueue<T> {
        self.queue.clone()
    }

    /// Waits until every watched informer is synced, then reconciles until `shutdown`; returns when the reconciles that
    /// were under way have ended. A reconcile that fails or panics is logged and called again after its back-off.
    ///
    /// # Panics
    ///
    /// If a function given to [`Controller::watches`] does.
    pub async fn run<F, Fut, E>(self, shutdown: CancellationToken, reconcile: F)
    where
        F: Fn(T) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Action, E>> + Send + 'static,
        E: Into<BoxError> + 'static,
    {
        let Self { name, queue, workers, mut sources, synced } = self;
        let reconcile = Arc::new(reconcile);
        let mut synced = futures::future::join_all(synced).fuse();
        let mut tasks = JoinSet::new();
        loop {
            tokio::select! {
                biased;
                () = shutdown.cancelled() => break,
                synced = &mut synced => {
                    // What the first lists brought is seen before anything is decided by it: else a creation that was there
                    // before would count as one that a reconcile has asked for.
                    while let Some(Some(keys)) = sources.next().now_or_never() {
                        keys.into_iter().for_each(|key| queue.add(key));
                    }
                    // An informer that stopped before its first list has been shut down; there is nothing to reconcile by.
                    let workers = if synced.into_iter().all(|synced| synced) { workers } else { 0 };
                    for _ in 0..workers {
                        tasks.spawn(work(name, queue.clone(), shutdown.clone(), Arc::clone(&reconcile)));
                    }
                }
                Some(keys) = sources.next() => keys.into_iter().for_each(|key| queue.add(key)),
            }
        }
        queue.shut_down();
        while tasks.join_next().await.is_some() {}
    }
}

/// One worker: reconciles one key after the other.
async fn work<T, F, Fut, E>(name: &'static str, queue: WorkQueue<T>, shutdown: CancellationToken, reconcile: Arc<F>)
where
    T: Clone + Eq + Hash + Debug,
    F: Fn(T) -> Fut,
    Fut: Future<Output = Result<Action, E>>,
    E: Into<BoxError>,
{
    loop {
        let work = tokio::select! {
            biased;
            () = shutdown.cancelled() => break,
            work = queue.get() => work,
        };
        let Some(work) = work else { break };
        let key = T::clone(&work);
        let span = tracing::debug_span!("reconcile", controller = name, ?key);
        // The function itself may panic too, before it gives a future.
        let outcome = AssertUnwindSafe(async { reconcile(key).await }).catch_unwind().instrument(span.clone()).await;
        let _in_span = span.enter();
        match outcome {
            Ok(Ok(action)) => {
                queue.forget(&work);
                if let Action::RequeueAfter(delay) = action {
                    queue.add_after(T::clone(&work), delay);
                }
            }
            Ok(Err(error)) => {
                log_failure(name, &*work, &*error.into());
                queue.add_rate_limited(T::clone(&work));
            }
            Err(panic) => {
                let panic = panic_text(&*panic);
                tracing::error!(controller = name, key = ?*work, panic, "reconcile panicked; trying again");
                queue.add_rate_limited(T::clone(&work));
            }
        }
    }
}

/// A conflict says only that the cache was behind: the next try will see what changed.
fn log_failure(name: &str, key: &impl Debug, error: &(dyn std::error::Error + Send + Sync + 'static)) {
    let ours = error.downcast_ref::<Error>();
    let text = ours.map_or_else(|| error.to_string(), Error::chain);
    if ours.is_some_and(Error::is_conflict) {
        tracing::debug!(controller = name, ?key, error = %text, "reconcile met a conflict; trying again");
    } else {
        tracing::warn!(controller = name, ?key, error = %text, "reconcile failed; trying again");
    }
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("with a value that is no text")
}
