//! A part of the store as an index in memory, as fresh as the last read of it.
//!
//! There is no task that feeds it: whoever reads first takes in what has happened since. So a decision right after a write
//! sees that write, and an idle server does nothing.

use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};
use kubekit_store::{Event, EventKind, Result, Store, Watch, WatchRequest};
use parking_lot::{Mutex, RwLock, RwLockReadGuard};
use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};

/// What a mirror makes of the objects.
pub(super) trait Index: Default + Send + Sync {
    /// An object appeared or changed; the bytes are JSON.
    fn put(&mut self, key: &str, object: &[u8]);
    /// An object is gone.
    fn remove(&mut self, key: &str);
    /// Derives what depends on several objects; called after changes, before anyone reads.
    fn settle(&mut self) {}
}

/// An index over the objects under a prefix.
pub(super) struct Mirror<I> {
    store: Arc<dyn Store>,
    prefix: String,
    feed: Mutex<Feed<I>>,
    index: RwLock<I>,
}

/// Where the events come from. After an error the watch is opened anew, and the old index answers until the new one is
/// complete.
struct Feed<I> {
    state: State,
    /// The index that is being filled with the initial state.
    staged: Option<I>,
}

enum State {
    Closed,
    Opening(BoxFuture<'static, Result<Watch>>),
    Open(Watch),
}

impl<I> fmt::Debug for Mirror<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mirror").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}

impl<I: Index> Mirror<I> {
    /// A mirror of the objects under `prefix`; empty until it is started or read.
    pub(super) fn new(store: Arc<dyn Store>, prefix: impl Into<String>) -> Self {
        let feed = Mutex::new(Feed { state: State::Closed, staged: None });
        Self { store, prefix: prefix.into(), feed, index: RwLock::default() }
    }

    /// Waits until the index holds the present state.
    ///
    /// # Errors
    /// When the store cannot be watched.
    pub(super) async fn start(&self) -> Result<()> {
        poll_fn(|cx| {
            let mut feed = self.feed.lock();
            match self.advance(&mut feed, cx) {
                Err(error) => Poll::Ready(Err(error)),
                Ok(()) if feed.staged.is_none() => Poll::Ready(Ok(())),
                Ok(()) => Poll::Pending,
            }
        })
        .await
    }

    /// The index, with everything that the store has told by now.
    pub(super) fn read(&self) -> RwLockReadGuard<'_, I> {
        let mut feed = self.feed.lock();
        // Without a budget of tokio's, a busy task would see an empty channel that is not.
        let advance = tokio::task::coop::unconstrained(poll_fn(|cx| Poll::Ready(self.advance(&mut feed, cx))));
        if let Some(Err(error)) = advance.now_or_never() {
            tracing::warn!(%error, prefix = self.prefix, "watch failed; it will be opened anew");
        }
        drop(feed);
        self.index.read()
    }

    /// Takes in every event that is there; leaves a waker for the next.
    fn advance(&self, feed: &mut Feed<I>, cx: &mut Context<'_>) -> Result<()> {
        loop {
            match &mut feed.state {
                State::Closed => {
                    let store = Arc::clone(&self.store);
                    let request =
                        WatchRequest { prefix: self.prefix.clone(), initial_state: true, ..WatchRequest::default() };
                    feed.staged = Some(I::default());
                    feed.state = State::Opening(async move { store.watch(request).await }.boxed());
                }
                State::Opening(opening) => match opening.poll_unpin(cx) {
                    Poll::Pending => return Ok(()),
                    Poll::Ready(Ok(watch)) => feed.state = State::Open(watch),
                    Poll::Ready(Err(error)) => {
                        feed.state = State::Closed;
                        return Err(error);
                    }
                },
                State::Open(watch) => match watch.poll_next_unpin(cx) {
                    Poll::Pending => return Ok(()),
                    Poll::Ready(Some(Ok(event))) => self.take(&mut feed.staged, &event),
                    Poll::Ready(Some(Err(error))) => {
                        feed.state = State::Closed;
                        return Err(error);
                    }
                    Poll::Ready(None) => {
                        feed.state = State::Closed;
                        return Err(kubekit_store::Error::Closed);
                    }
                },
            }
        }
    }

    fn take(&self, staged: &mut Option<I>, event: &Event) {
        if event.kind == EventKind::InitialEnd {
            if let Some(mut complete) = staged.take() {
                complete.settle();
                *self.index.write() = complete;
            }
            return;
        }
        let Some(entry) = &event.entry else { return };
        let apply = |index: &mut I| match event.kind {
            EventKind::Deleted => index.remove(&entry.key),
            _ => index.put(&entry.key, &entry.value.bytes),
        };
        match staged {
            Some(staged) => apply(staged),
            None => {
                let mut index = self.index.write();
                apply(&mut index);
                index.settle();
            }
        }
    }
}
