//! A server over the memory store, and short ways to ask it things.

use crate::interposed::memory;
use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use kubekit_server::identity::UserInfo;
use kubekit_server::{ApiServer, Body, Builder};
use kubekit_store::Store;
use serde_json::{Value, json};
use std::sync::Arc;
use tower::ServiceExt;

/// A server and who asks it.
#[derive(Clone)]
pub(crate) struct Harness {
    pub(crate) server: ApiServer,
    pub(crate) store: Arc<dyn Store>,
    user: UserInfo,
}

/// An answer, read whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) code: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
    pub(crate) body: Value,
}

impl Harness {
    pub(crate) async fn new() -> Self {
        Self::with(|builder| builder).await
    }

    pub(crate) async fn with(build: impl FnOnce(Builder) -> Builder) -> Self {
        Self::over(memory(), build).await
    }

    pub(crate) async fn over(store: Arc<dyn Store>, build: impl FnOnce(Builder) -> Builder) -> Self {
        let server = build(ApiServer::builder(Arc::clone(&store))).build().await.expect("the server builds");
        Self { server, store, user: UserInfo::admin() }
    }

    pub(crate) fn as_user(&self, user: UserInfo) -> Self {
        Self { user, ..self.clone() }
    }

    /// Sends a request; gives the answer with its body unread.
    pub(crate) async fn open(&self, request: Request<Full<Bytes>>) -> http::Response<Body> {
        self.server.as_user(self.user.clone()).oneshot(request).await.expect("infallible")
    }

    pub(crate) async fn send(&self, request: Request<Full<Bytes>>) -> Answer {
        let (parts, body) = self.open(request).await.into_parts();
        let bytes = body.collect().await.expect("a whole body").to_bytes();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        Answer { code: parts.status.as_u16(), headers: parts.headers, text, body }
    }

    pub(crate) async fn call(&self, method: Method, uri: &str, content_type: &str, body: impl Into<Bytes>) -> Answer {
        self.send(request(method, uri, &[("content-type", content_type)], body)).await
    }

    pub(crate) async fn get(&self, uri: &str) -> Answer {
        self.send(request(Method::GET, uri, &[], "")).await
    }

    /// A get that accepts this.
    pub(crate) async fn accept(&self, uri: &str, accept: &str) -> Answer {
        self.send(request(Method::GET, uri, &[("accept", accept)], "")).await
    }

    pub(crate) async fn post(&self, uri: &str, body: &Value) -> Answer {
        self.call(Method::POST, uri, "application/json", body.to_string()).await
    }

    pub(crate) async fn put(&self, uri: &str, body: &Value) -> Answer {
        self.call(Method::PUT, uri, "application/json", body.to_string()).await
    }

    /// A patch: `merge`, `json`, `strategic` or `apply`.
    pub(crate) async fn patch(&self, uri: &str, kind: &str, body: &Value) -> Answer {
        let content_type = match kind {
            "merge" => "application/merge-patch+json",
            "json" => "application/json-patch+json",
            "strategic" => "application/strategic-merge-patch+json",
            "apply" => "application/apply-patch+yaml",
            other => other,
        };
        self.call(Method::PATCH, uri, content_type, body.to_string()).await
    }

    pub(crate) async fn delete(&self, uri: &str) -> Answer {
        self.send(request(Method::DELETE, uri, &[], "")).await
    }

    pub(crate) async fn delete_with(&self, uri: &str, options: &Value) -> Answer {
        self.call(Method::DELETE, uri, "application/json", options.to_string()).await
    }

    /// Creates what must be created.
    #[track_caller]
    pub(crate) fn made(&self, uri: &'static str, body: Value) -> impl Future<Output = Value> {
        let harness = self.clone();
        async move {
            let answer = harness.post(uri, &body).await;
            assert_eq!(answer.code, 201, "{uri}: {}", answer.text);
            answer.body
        }
    }
}

impl Answer {
    /// Checks code, reason and text of a Status.
    #[track_caller]
    pub(crate) fn refused(&self, code: u16, reason: &str, message: &str) {
        let found = (self.code, self.body["reason"].as_str(), self.body["message"].as_str());
        assert_eq!(found, (code, Some(reason), Some(message)), "{}", self.text);
        assert_eq!(self.body["code"], code);
        assert_eq!(self.body["kind"], "Status");
    }

    /// Checks the code.
    #[track_caller]
    pub(crate) fn is(self, code: StatusCode) -> Value {
        assert_eq!(self.code, code.as_u16(), "{}", self.text);
        self.body
    }

    /// Checks that the answer is a success.
    #[track_caller]
    pub(crate) fn ok(self) -> Value {
        self.is(StatusCode::OK)
    }
}

pub(crate) fn request(
    method: Method,
    uri: &str,
    headers: &[(&str, &str)],
    body: impl Into<Bytes>,
) -> Request<Full<Bytes>> {
    let mut request = Request::builder().method(method).uri(uri);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Full::new(body.into())).expect("a request")
}

pub(crate) const CONFIG_MAPS: &str = "/api/v1/namespaces/default/configmaps";
pub(crate) const PODS: &str = "/api/v1/namespaces/default/pods";

pub(crate) fn config_map(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"a": "1"}})
}

pub(crate) fn pod(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"app": name}},
        "spec": {"containers": [{"name": "c", "image": "nginx"}]}})
}

pub(crate) fn deployment(name: &str) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name},
        "spec": {"replicas": 2, "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": {"app": name}},
                "spec": {"containers": [{"name": "c", "image": "nginx"}]}}}})
}

/// A Service of one port, with these fields of its specification.
pub(crate) fn service(name: &str, spec: &Value) -> Value {
    let mut object = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name},
        "spec": {"selector": {"app": name}, "ports": [{"port": 80, "protocol": "TCP"}]}});
    for (field, value) in spec.as_object().into_iter().flatten() {
        object["spec"][field] = value.clone();
    }
    object
}
