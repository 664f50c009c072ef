//! Watches: one JSON document a line, framed once per event and shared by everyone who watches the objects as they are.

use super::failure;
use super::frames::Frames;
use super::kind::Kind;
use super::view::{Include, Viewer};
use super::{Registry, encode, selector};
use crate::body::{self, BoxError};
use crate::negotiate::{self, Format, View};
use crate::options::ListOptions;
use crate::request::{Request, Response};
use crate::response;
use bytes::{Bytes, BytesMut};
use futures::{Stream, StreamExt};
use http::StatusCode;
use http_body::Frame;
use http_body_util::StreamBody;
use kubekit_core::environment::{Random, WallClock};
use kubekit_core::status::ApiError;
use kubekit_store::{Entry, Error as StoreError, Event, EventKind, Requirement, Revision, Watch, WatchRequest};
use serde_json::{Value, json};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Instant, Sleep};

/// How long a watch lives that does not say: this, and up to as long again at random, so that clients do not all come
/// back at once. Source: `--min-request-timeout` of kube-apiserver.
const LIFE_MIN: Duration = Duration::from_secs(1800);

/// The shortest time between two bookmarks. Kubernetes sends one a minute.
const BOOKMARK_INTERVAL: Duration = Duration::from_secs(30);

/// Events that are ready at once are sent together, up to this size.
const BATCH_BYTES: usize = 32 * 1024;

/// The annotation of the bookmark that ends the initial state.
const INITIAL_END: &str = "k8s.io/initial-events-end";

impl Registry {
    /// Answers a watch of a namespace, or of all where it is empty.
    ///
    /// # Errors
    /// What stands against it; that the history is gone is told in the stream.
    pub(crate) async fn watch(&self, request: &Request, kind: Kind, namespace: &str) -> Result<Response, ApiError> {
        let accepted = negotiate::accept(request)?;
        if !matches!(accepted.format, Format::Json { .. }) {
            return Err(ApiError::not_acceptable(&["application/json;stream=watch"]));
        }
        let options = ListOptions::parse(request, true)?;
        let mut selector = selector::of(kind, &options.labels, &options.fields)?;
        if !request.info.name.is_empty() {
            selector.requirements.push(Requirement {
                name: "field:metadata.name".to_owned(),
                operator: kubekit_store::Operator::In,
                values: vec![request.info.name.clone()],
            });
        }
        let version = options.version.filter(|version| *version > 0);
        let initial_state = options.initial_events.unwrap_or(version.is_none());
        let watch = WatchRequest {
            prefix: kind.narrowest_prefix(namespace, &request.info.name),
            after: version,
            initial_state,
            selector,
            progress: options.bookmarks,
        };
        let framer = Framer {
            viewer: Viewer {
                kind,
                view: accepted.view,
                include: Include::parse(request, accepted.view)?,
                now: self.clock.now(),
            },
            clock: Arc::clone(&self.clock),
            frames: Arc::clone(&self.frames),
            initial: initial_state,
            announces_end: options.initial_events == Some(true) && options.bookmarks,
            has_columns: false,
        };
        let (events, ended): (Watch, Option<StoreError>) = match self.store.watch(watch).await {
            Ok(events) => (events, None),
            Err(error) => (futures::stream::empty().boxed(), Some(error)),
        };
        let watching = Watching {
            events,
            framer,
            failed: ended,
            deadline: Box::pin(tokio::time::sleep(life(&options, &*self.random))),
            bookmarked: Instant::now(),
            bookmarks: options.bookmarks,
            revision: None,
            done: false,
        };
        let mut response = response::bytes(StatusCode::OK, "application/json", Bytes::new());
        *response.body_mut() = body::erase(StreamBody::new(watching));
        response::add_warnings(request, &mut response);
        Ok(response)
    }
}

fn life(options: &ListOptions, random: &dyn Random) -> Duration {
    match options.timeout_seconds {
        Some(seconds) => Duration::from_secs(seconds),
        None => LIFE_MIN + Duration::from_millis(random.next_u64() % 1_800_000),
    }
}

/// Turns events into lines.
#[derive(Debug)]
struct Framer {
    viewer: Viewer,
    /// For the ages in rows of Tables, which are those of the event's time.
    clock: Arc<dyn WallClock>,
    frames: Arc<Frames>,
    /// Whether the initial state is still being delivered.
    initial: bool,
    /// Whether the end of the initial state is told.
    announces_end: bool,
    /// Whether a Table has told its columns; only the first does.
    has_columns: bool,
}

impl Framer {
    fn frame(&mut self, event: &Event) -> Option<Bytes> {
        let (name, slot) = match event.kind {
            EventKind::Added => ("ADDED", 0),
            EventKind::Modified => ("MODIFIED", 1),
            EventKind::Deleted => ("DELETED", 2),
            EventKind::Progress => return Some(self.bookmark(event.revision, false)),
            EventKind::InitialEnd => {
                self.initial = false;
                return self.announces_end.then(|| self.bookmark(event.revision, true));
            }
        };
        let entry = event.entry.as_ref()?;
        // A deleted object carries the version of its deletion, which is the same for all who watch.
        let revision = if event.kind == EventKind::Deleted { event.revision } else { entry.revision };
        if !self.viewer.is_plain() {
            return Some(self.view_frame(name, entry, revision));
        }
        if self.initial {
            // Nobody shares these: keeping them would double what the store holds.
            return Some(plain_frame(name, entry, revision));
        }
        Some(self.frames.shared(entry, slot, |entry| plain_frame(name, entry, revision)))
    }

    fn view_frame(&mut self, name: &str, entry: &Entry, revision: Revision) -> Bytes {
        self.viewer.now = self.clock.now();
        let mut object = self.viewer.object(entry, revision);
        if matches!(self.viewer.view, View::Table { .. })
            && std::mem::replace(&mut self.has_columns, true)
            && let Some(table) = object.as_object_mut()
        {
            table.insert("columnDefinitions".to_owned(), Value::Null);
        }
        line(&json!({"type": name, "object": object}))
    }

    fn bookmark(&self, revision: Revision, end: bool) -> Bytes {
        let served = self.viewer.kind.served;
        let (api_version, kind) = match self.viewer.view {
            View::Object => (served.api_version(), served.kind),
            View::Partial { version } => (format!("meta.k8s.io/{version}"), "PartialObjectMetadata"),
            View::Table { version } => (format!("meta.k8s.io/{version}"), "Table"),
        };
        let mut metadata = json!({"resourceVersion": revision.to_string(), "creationTimestamp": null});
        if end {
            metadata["annotations"] = json!({INITIAL_END: "true"});
        }
        line(&json!({"type": "BOOKMARK", "object": {"kind": kind, "apiVersion": api_version, "metadata": metadata}}))
    }
}

fn plain_frame(name: &str, entry: &Entry, revision: Revision) -> Bytes {
    let mut out = BytesMut::with_capacity(entry.value.bytes.len() + encode::VERSION_BYTES + 40);
    out.extend_from_slice(b"{\"type\":\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\",\"object\":");
    encode::append(&mut out, &entry.value, revision);
    out.extend_from_slice(b"}\n");
    out.freeze()
}

fn line(value: &Value) -> Bytes {
    let mut bytes = serde_json::to_vec(value).expect("a JSON value encodes");
    bytes.push(b'\n');
    bytes.into()
}

/// The body of a watch.
struct Watching {
    events: Watch,
    framer: Framer,
    failed: Option<StoreError>,
    deadline: Pin<Box<Sleep>>,
    bookmarked: Instant,
    bookmarks: bool,
    /// The last revision that was told to, or passed over for, the client.
    revision: Option<Revision>,
    done: bool,
}

/// What came of looking for the next event.
enum Next {
    Line(Bytes),
    /// Something that the client is not told.
    Nothing,
    Last(Option<Bytes>),
    Pending,
}

impl Watching {
    fn look(&mut self, context: &mut Context<'_>) -> Next {
        if let Some(error) = self.failed.take() {
            return Next::Last(failure_line(error));
        }
        match self.events.poll_next_unpin(context) {
            Poll::Ready(Some(Ok(event))) => self.event(&event),
            Poll::Ready(Some(Err(error))) => Next::Last(failure_line(error)),
            Poll::Ready(None) => Next::Last(None),
            Poll::Pending => match self.deadline.as_mut().poll(context) {
                Poll::Ready(()) => {
                    let last = self.revision.filter(|_| self.bookmarks);
                    Next::Last(last.map(|revision| self.framer.bookmark(revision, false)))
                }
                Poll::Pending => Next::Pending,
            },
        }
    }

    fn event(&mut self, event: &Event) -> Next {
        if !self.framer.initial || event.kind == EventKind::InitialEnd {
            self.revision = Some(event.revision);
        }
        if event.kind == EventKind::Progress {
            let now = Instant::now();
            if now.duration_since(self.bookmarked) < BOOKMARK_INTERVAL {
                return Next::Nothing;
            }
            self.bookmarked = now;
        }
        self.framer.frame(event).map_or(Next::Nothing, Next::Line)
    }
}

/// The last line of a watch that failed. One that could not keep up just ends: its client goes on from where it was.
fn failure_line(error: StoreError) -> Option<Bytes> {
    if matches!(error, StoreError::Lagged { .. } | StoreError::Closed) {
        return None;
    }
    let status = failure::of_store(error).to_status();
    Some(line(&json!({"type": "ERROR", "object": status})))
}

impl Stream for Watching {
    type Item = Result<Frame<Bytes>, BoxError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut first: Option<Bytes> = None;
        let mut batch = BytesMut::new();
        while !self.done && batch.len() < BATCH_BYTES {
            let line = match self.look(context) {
                Next::Line(line) => line,
                Next::Nothing => continue,
                Next::Pending => break,
                Next::Last(line) => {
                    self.done = true;
                    match line {
                        Some(line) => line,
                        None => break,
                    }
                }
            };
            // One line is sent as it is shared; several are copied together, which is cheaper than sending each.
            match (&first, batch.is_empty()) {
                (None, _) => first = Some(line),
                (Some(earlier), true) => {
                    batch.extend_from_slice(earlier);
                    batch.extend_from_slice(&line);
                }
                (Some(_), false) => batch.extend_from_slice(&line),
            }
        }
        let bytes = if batch.is_empty() { first } else { Some(batch.freeze()) };
        match bytes {
            Some(bytes) => Poll::Ready(Some(Ok(Frame::data(bytes)))),
            None if self.done => Poll::Ready(None),
            None => Poll::Pending,
        }
    }
}
