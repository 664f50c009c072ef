//! List and watch, for ever: a stream that resumes where a watch broke and lists again where it cannot.
//!
//! The decisions are in `machine`, which does nothing by itself; this is the shell that makes the requests. Source of the
//! rules: client-go `tools/cache/reflector.go`.

mod machine;

use crate::api::Api;
use crate::backoff::BackoffPolicy;
use crate::error::Error;
use crate::object::Object;
use crate::params::{ListParams, WatchParams};
use crate::watch::WatchEvent;
use futures::stream::BoxStream;
use futures::{Stream, StreamExt as _, stream};
use kubekit_core::environment::Random;
use machine::{Call, Happening, Machine, Then};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// What has happened to the watched objects.
#[derive(Clone, Debug)]
pub enum Event<K> {
    /// All objects that there are: at the start, and after a gap. What was known and is not among them is gone.
    Restarted(Vec<K>),
    /// One was created or changed.
    Applied(K),
    /// One was deleted; this is its last state.
    Deleted(K),
    /// A watch is open, and everything before has been told.
    Watching,
}

/// What to watch, and how.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// Empty selects everything.
    pub label_selector: String,
    /// Empty selects everything.
    pub field_selector: String,
    /// How many objects a page of the list has. 500, as client-go's pager.
    pub page_size: u32,
    /// How long to wait after failures.
    pub backoff: BackoffPolicy,
    /// The shortest time after which a watch is renewed; the longest is twice that. 5 min, as client-go.
    pub watch_min: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            label_selector: String::new(),
            field_selector: String::new(),
            page_size: 500,
            backoff: BackoffPolicy::default(),
            watch_min: Duration::from_secs(300),
        }
    }
}

/// How much longer than asked a server may keep a watch open before the connection counts as dead.
const WATCH_GRACE: Duration = Duration::from_secs(30);

/// Watches the objects of `api`. The stream never ends; an error in it says why a request failed, and the next item comes
/// after a back-off; or which event could not be decoded ([`Error::Decode`]), and the events after it follow.
pub fn watcher<K: Object>(
    api: Api<K>,
    config: Config,
    random: Arc<dyn Random>,
) -> impl Stream<Item = Result<Event<K>, Error>> + Send + use<K> {
    let shell = Shell { machine: Machine::new(&config), api, config, random, open: None, pause_until: None };
    stream::unfold(shell, |mut shell| async {
        let item = shell.next().await;
        Some((item, shell))
    })
}

struct Shell<K> {
    machine: Machine<K>,
    api: Api<K>,
    config: Config,
    random: Arc<dyn Random>,
    open: Option<Open<K>>,
    pause_until: Option<Instant>,
}

/// A watch that is open.
struct Open<K> {
    frames: BoxStream<'static, Result<WatchEvent<K>, Error>>,
    since: Instant,
    until: Instant,
}

impl<K: Object> Shell<K> {
    async fn next(&mut self) -> Result<Event<K>, Error> {
        loop {
            if let Some(until) = self.pause_until.take() {
                tokio::time::sleep_until(until).await;
            }
            let happening = match &mut self.open {
                Some(open) => open.next().await,
                // On the heap while it lasts: a watch waits for frames almost always, and there may be thousands.
                None => Box::pin(self.call()).await,
            };
            let step = self.machine.step(happening, &*self.random);
            match step.then {
                Then::Read => {}
                Then::Call { after } => {
                    self.open = None;
                    self.pause_until = (!after.is_zero()).then(|| Instant::now() + after);
                }
            }
            if let Some(item) = step.item {
                return item;
            }
        }
    }

    async fn call(&mut self) -> Happening<K> {
        let Config { label_selector, field_selector, .. } = self.config.clone();
        match self.machine.call() {
            Call::List { limit, continue_token } => {
                let params = ListParams {
                    label_selector,
                    field_selector,
                    limit,
                    continue_token,
                    resource_version: String::new(),
                };
                self.api.list(&params).await.map_or_else(Happening::ListFailed, Happening::Page)
            }
            Call::Watch { resource_version } => {
                let timeout = self.watch_timeout();
                let timeout_seconds = u32::try_from(timeout.as_secs()).unwrap_or(u32::MAX);
                let params = WatchParams { label_selector, field_selector, resource_version, timeout_seconds };
                match self.api.watch(&params).await {
                    Ok(frames) => {
                        let since = Instant::now();
                        self.open = Some(Open { frames: frames.boxed(), since, until: since + timeout + WATCH_GRACE });
                        Happening::WatchOpened
                    }
                    Err(error) => Happening::WatchFailed(error),
                }
            }
        }
    }

    /// Spread at random, so that watches that began together do not end together.
    fn watch_timeout(&self) -> Duration {
        let span = self.config.watch_min.as_secs().max(1);
        Duration::from_secs(span + self.random.next_u64() % span)
    }
}

impl<K: Object> Open<K> {
    async fn next(&mut self) -> Happening<K> {
        match tokio::time::timeout_at(self.until, self.frames.next()).await {
            Ok(Some(Ok(frame))) => Happening::Frame(frame),
            // The connection ended within a line.
            Ok(Some(Err(Error::Decode { source, .. }))) if source.is_eof() => self.ended(),
            Ok(Some(Err(error @ Error::Decode { .. }))) => Happening::Undecodable(error),
            Ok(Some(Err(error))) => Happening::WatchFailed(error),
            Ok(None) | Err(_) => self.ended(),
        }
    }

    fn ended(&self) -> Happening<K> {
        Happening::WatchEnded { lasted: self.since.elapsed() }
    }
}
