//! An API server in memory that keeps any object and fails on command.

use bytes::Bytes;
use futures::channel::mpsc::{UnboundedSender, unbounded};
use futures::{FutureExt as _, StreamExt as _, future::BoxFuture};
use http::{Method, Request, Response};
use http_body_util::{BodyExt as _, Full, StreamBody, combinators::UnsyncBoxBody};
use k8s_openapi::api::core::v1::ConfigMap;
use kubekit_runtime::{Body, BoxError, Client};
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

pub(crate) type Answer = Response<UnsyncBoxBody<Bytes, BoxError>>;

/// The server. Clones share the state.
#[derive(Clone, Default)]
pub(crate) struct Fake(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    revision: u64,
    compacted: u64,
    objects: BTreeMap<Place, Value>,
    log: Vec<(u64, Place, &'static str, Value)>,
    watches: Vec<(Place, UnboundedSender<Bytes>)>,
    faults: VecDeque<Fault>,
    down: bool,
    requests: Vec<String>,
    headers: Vec<http::HeaderMap>,
}

/// Where an object is: `/api/v1 configmaps`, namespace, name. Empty parts of a request match all.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    collection: String,
    namespace: String,
    name: String,
}

impl Place {
    fn holds(&self, other: &Self) -> bool {
        self.collection == other.collection
            && (self.namespace.is_empty() || self.namespace == other.namespace)
            && (self.name.is_empty() || self.name == other.name)
    }
}

/// What happens to a request instead of its answer.
pub(crate) enum Fault {
    /// This status code, reason and `Retry-After`.
    Status(u16, &'static str, Option<u32>),
    /// This status code and text.
    Text(u16, &'static str),
    /// Never an answer.
    Hang,
    /// The request is carried out, and its answer never comes.
    LoseAnswer,
    /// None: the request is answered.
    None,
}

impl Fake {
    pub(crate) fn client(&self) -> Client {
        Client::new(self.clone())
    }

    /// The next request meets this.
    pub(crate) fn fault(&self, fault: Fault) {
        self.0.lock().faults.push_back(fault);
    }

    /// No request is answered while it is down.
    pub(crate) fn set_down(&self, down: bool) {
        self.0.lock().down = down;
    }

    /// Ends every watch, as a server does that restarts.
    pub(crate) fn end_watches(&self) {
        self.0.lock().watches.clear();
    }

    /// Forgets the history and tells the watches so.
    pub(crate) fn compact(&self) {
        let mut state = self.0.lock();
        state.log.clear();
        state.revision += 1;
        state.compacted = state.revision;
        let gone = status(410, "Expired", "too old resource version");
        for (_, watch) in std::mem::take(&mut state.watches) {
            let _ = watch.unbounded_send(frame("ERROR", &gone));
        }
    }

    /// `GET /path?query`, … since the last call.
    pub(crate) fn requests(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().requests)
    }

    pub(crate) fn last_headers(&self) -> http::HeaderMap {
        self.0.lock().headers.last().cloned().unwrap_or_default()
    }

    pub(crate) fn watch_count(&self) -> usize {
        let mut state = self.0.lock();
        state.watches.retain(|(_, watch)| !watch.is_closed());
        state.watches.len()
    }

    /// Puts an object there without a request.
    pub(crate) fn put(&self, collection: &str, object: &Value) -> Value {
        let part = |name: &str| object["metadata"][name].as_str().unwrap_or_default().to_owned();
        let place = Place { collection: collection.into(), namespace: part("namespace"), name: part("name") };
        self.0.lock().put(place, object.clone())
    }

    pub(crate) fn put_map(&self, namespace: &str, name: &str, value: &str) -> Value {
        self.put("/api/v1 configmaps", &serde_json::to_value(map(namespace, name, value)).expect("a ConfigMap is JSON"))
    }

    pub(crate) fn remove_map(&self, namespace: &str, name: &str) {
        let place = Place { collection: "/api/v1 configmaps".into(), namespace: namespace.into(), name: name.into() };
        self.0.lock().remove(&place);
    }

    /// Every object of a collection.
    pub(crate) fn objects(&self, collection: &str) -> Vec<Value> {
        let state = self.0.lock();
        state.objects.iter().filter(|(place, _)| place.collection == collection).map(|(_, o)| o.clone()).collect()
    }
}

/// A ConfigMap with one value.
pub(crate) fn map(namespace: &str, name: &str, value: &str) -> ConfigMap {
    let mut object = ConfigMap::default();
    object.metadata.namespace = Some(namespace.to_owned());
    object.metadata.name = Some(name.to_owned());
    object.data = Some(BTreeMap::from([("value".to_owned(), value.to_owned())]));
    object
}

/// Lets every task run until all of them wait.
pub(crate) async fn settle() {
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
}

impl tower::Service<Request<Body>> for Fake {
    type Response = Answer;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Answer, Infallible>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let server = self.clone();
        async move {
            let (parts, body) = request.into_parts();
            let body = body.collect().await.unwrap_or_default().to_bytes();
            let fault = {
                let mut state = server.0.lock();
                state.requests.push(format!("{} {}", parts.method, parts.uri));
                state.headers.push(parts.headers.clone());
                if state.down { Some(Fault::Hang) } else { state.faults.pop_front() }
            };
            Ok(match fault {
                Some(Fault::Hang) => std::future::pending().await,
                Some(Fault::LoseAnswer) => {
                    drop(server.0.lock().answer(&parts, &body));
                    std::future::pending().await
                }
                Some(Fault::Text(code, text)) => whole(code, text.to_owned().into()),
                Some(Fault::Status(code, reason, retry_after)) => {
                    let mut answer = json_answer(code, &status(code, reason, "commanded"));
                    if let Some(seconds) = retry_after {
                        answer.headers_mut().insert("retry-after", seconds.into());
                    }
                    answer
                }
                Some(Fault::None) | None => server.0.lock().answer(&parts, &body),
            })
        }
        .boxed()
    }
}

impl State {
    fn answer(&mut self, parts: &http::request::Parts, body: &[u8]) -> Answer {
        let place = place(parts.uri.path());
        let query = parts.uri.query().unwrap_or_default();
        let param = |name: &str| {
            query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('=')).unwrap_or_default()
        };
        let sent: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
        match (&parts.method, place.name.is_empty()) {
            (&Method::GET, true) if param("watch") == "true" => self.watch(place, param("resourceVersion")),
            (&Method::GET, true) => self.list(&place, param("limit"), param("continue")),
            (&Method::GET, false) => match self.objects.get(&place) {
                Some(object) => json_answer(200, object),
                None => not_found(&place),
            },
            (&Method::POST, true) => {
                let name = sent["metadata"]["name"].as_str().unwrap_or_default().to_owned();
                let place = Place { name, ..place };
                if self.objects.contains_key(&place) {
                    return json_answer(409, &status(409, "AlreadyExists", "already exists"));
                }
                json_answer(201, &self.put(place, sent))
            }
            (&Method::PUT | &Method::PATCH, false) => {
                let Some(before) = self.objects.get(&place) else { return not_found(&place) };
                let wanted = &sent["metadata"]["resourceVersion"];
                if wanted.is_string() && *wanted != before["metadata"]["resourceVersion"] {
                    return json_answer(409, &status(409, "Conflict", "the object has been modified"));
                }
                let mut after = if parts.method == Method::PUT { sent.clone() } else { before.clone() };
                if parts.method == Method::PATCH {
                    merge(&mut after, &sent);
                }
                json_answer(200, &self.put(place, after))
            }
            (&Method::DELETE, false) => match self.remove(&place) {
                Some(_) => json_answer(200, &json!({"kind": "Status", "apiVersion": "v1", "status": "Success"})),
                None => not_found(&place),
            },
            _ => json_answer(405, &status(405, "MethodNotAllowed", "not by this server")),
        }
    }

    /// Continue tokens are numbers of objects to skip.
    fn list(&self, place: &Place, limit: &str, skip: &str) -> Answer {
        let all: Vec<&Value> = self.objects.iter().filter(|(at, _)| place.holds(at)).map(|(_, o)| o).collect();
        let skip: usize = skip.parse().unwrap_or(0);
        let end = limit.parse().map_or(all.len(), |limit: usize| all.len().min(skip + limit));
        let next = if end < all.len() { end.to_string() } else { String::new() };
        json_answer(
            200,
            &json!({"kind": "List", "apiVersion": "v1", "items": all[skip..end],
                "metadata": {"resourceVersion": self.revision.to_string(), "continue": next}}),
        )
    }

    fn watch(&mut self, place: Place, from: &str) -> Answer {
        let from: u64 = from.parse().unwrap_or(0);
        if from < self.compacted {
            return json_answer(410, &status(410, "Expired", "too old resource version"));
        }
        let (sender, receiver) = unbounded();
        for (_, _, kind, object) in self.log.iter().filter(|(at, what, ..)| *at > from && place.holds(what)) {
            let _ = sender.unbounded_send(frame(kind, object));
        }
        self.watches.push((place, sender));
        let frames = receiver.map(|bytes| Ok::<_, BoxError>(http_body::Frame::data(bytes)));
        Response::new(StreamBody::new(frames).boxed_unsync())
    }

    fn put(&mut self, place: Place, mut object: Value) -> Value {
        let before = self.objects.get(&place);
        let kind = if before.is_some() { "MODIFIED" } else { "ADDED" };
        self.revision += 1;
        let uid = before.map_or_else(|| json!(format!("uid-{}", self.revision)), |b| b["metadata"]["uid"].clone());
        object["metadata"]["uid"] = uid;
        object["metadata"]["resourceVersion"] = json!(self.revision.to_string());
        self.objects.insert(place.clone(), object.clone());
        self.tell(place, kind, object.clone());
        object
    }

    fn remove(&mut self, place: &Place) -> Option<Value> {
        let mut object = self.objects.remove(place)?;
        self.revision += 1;
        object["metadata"]["resourceVersion"] = json!(self.revision.to_string());
        self.tell(place.clone(), "DELETED", object.clone());
        Some(object)
    }

    fn tell(&mut self, place: Place, kind: &'static str, object: Value) {
        for (scope, watch) in &self.watches {
            if scope.holds(&place) {
                let _ = watch.unbounded_send(frame(kind, &object));
            }
        }
        self.log.push((self.revision, place, kind, object));
    }
}

/// `/api/v1/namespaces/ns/configmaps/name`, subresources ignored.
fn place(path: &str) -> Place {
    let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    let (prefix, rest) = parts.split_at(if parts[0] == "api" { 2 } else { 3 });
    let (namespace, rest) = match rest {
        ["namespaces", namespace, rest @ ..] if !rest.is_empty() => (*namespace, rest),
        rest => ("", rest),
    };
    Place {
        collection: format!("/{} {}", prefix.join("/"), rest[0]),
        namespace: namespace.to_owned(),
        name: rest.get(1).copied().unwrap_or_default().to_owned(),
    }
}

fn merge(into: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else { return };
    for (key, value) in patch {
        match value {
            Value::Null => drop(into.as_object_mut().and_then(|map| map.remove(key))),
            Value::Object(_) if into[key].is_object() => merge(&mut into[key], value),
            _ => into[key] = value.clone(),
        }
    }
}

fn frame(kind: &str, object: &Value) -> Bytes {
    format!("{}\n", json!({"type": kind, "object": object})).into()
}

fn status(code: u16, reason: &str, message: &str) -> Value {
    json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason, "message": message})
}

fn not_found(place: &Place) -> Answer {
    json_answer(404, &status(404, "NotFound", &format!("{:?} not found", place.name)))
}

fn json_answer(code: u16, value: &Value) -> Answer {
    whole(code, value.to_string().into())
}

fn whole(code: u16, bytes: Bytes) -> Answer {
    let body = Full::new(bytes).map_err(|never| match never {}).boxed_unsync();
    Response::builder().status(code).body(body).expect("a status code and a body")
}
