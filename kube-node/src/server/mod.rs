//! Access to the containers of a node over HTTP: logs, exec, attach, port-forward, as the kubelet's server has them.
//!
//! One server may serve several agents; it finds the agent by the pod. Over TLS only clients with a certificate of the
//! cluster that is in [`Access`] are served; a connection in memory ([`NodeServer::serve_connection`]) is trusted, because
//! whoever can make one is in the same process.

mod logs;
mod portforward;
mod remote;
mod route;
mod spdy;
mod stats;
mod websocket;

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use kubekit_runtime::ObjectKey;
use parking_lot::{Mutex, RwLock};
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::agent::AgentHandle;
use crate::agent::shared::{PodEntry, Shared};
use route::Route;

/// Any error of a body.
type BoxError = Box<dyn std::error::Error + Send + Sync>;
/// The body of an answer.
pub(crate) type Body = UnsyncBoxBody<Bytes, BoxError>;

/// How long a client may take to say what it wants.
const HEADER_PATIENCE: std::time::Duration = std::time::Duration::from_secs(10);

/// Who may use the server, by the subject of their client certificate.
#[derive(Clone, Debug)]
pub struct Access {
    /// Common names.
    pub users: BTreeSet<String>,
    /// Organizations.
    pub groups: BTreeSet<String>,
}

impl Default for Access {
    /// The API server, and the cluster's administrators.
    fn default() -> Self {
        let set = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        Self {
            users: set(&["kube-apiserver-kubelet-client"]),
            groups: set(&["system:masters", "kubeadm:cluster-admins"]),
        }
    }
}

/// The server; see the module. Clones share it; with the last of them the conversations with containers end.
#[derive(Clone, Debug, Default)]
pub struct NodeServer(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    access: Access,
    agents: RwLock<Vec<AgentHandle>>,
    conversations: Conversations,
}

/// Connections that were upgraded. They end with the server.
#[derive(Debug, Default)]
pub(crate) struct Conversations(Mutex<JoinSet<()>>);

impl Conversations {
    fn spawn(&self, conversation: impl Future<Output = ()> + Send + 'static) {
        let mut all = self.0.lock();
        while all.try_join_next().is_some() {}
        all.spawn(conversation);
    }
}

/// An answer other than success.
#[derive(Debug)]
pub(crate) struct Refusal(pub(crate) StatusCode, pub(crate) String);

impl NodeServer {
    /// A server without agents.
    #[must_use]
    pub fn new(access: Access) -> Self {
        Self(Arc::new(Inner { access, ..Inner::default() }))
    }

    /// Serves the pods of this agent too.
    pub fn add(&self, agent: AgentHandle) {
        self.0.agents.write().push(agent);
    }

    /// Serves a connection from within the process until it ends. Its caller is trusted.
    pub async fn serve_connection<S>(&self, stream: S)
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        self.converse(stream, true).await;
    }

    /// Serves TLS connections until `shutdown`, and returns when all of them have ended.
    ///
    /// # Errors
    /// When the listener fails for good.
    pub async fn serve(
        &self,
        listener: TcpListener,
        tls: Arc<ServerConfig>,
        shutdown: CancellationToken,
    ) -> std::io::Result<()> {
        let acceptor = TlsAcceptor::from(tls);
        let connections = TaskTracker::new();
        loop {
            let accepted = tokio::select! {
                biased;
                () = shutdown.cancelled() => break,
                accepted = listener.accept() => accepted,
            };
            let stream = match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    // Out of descriptors, most likely: a pause lets connections end.
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                    continue;
                }
            };
            let (server, acceptor, shutdown) = (self.clone(), acceptor.clone(), shutdown.clone());
            connections.spawn(async move {
                let work = async {
                    match tokio::time::timeout(HEADER_PATIENCE, acceptor.accept(stream)).await {
                        Ok(Ok(stream)) => {
                            let certificates = stream.get_ref().1.peer_certificates();
                            let allowed =
                                certificates.and_then(|c| c.first()).is_some_and(|c| server.allows(c.as_ref()));
                            server.converse(stream, allowed).await;
                        }
                        Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake has failed"),
                        Err(_) => tracing::debug!("a TLS handshake took too long"),
                    }
                };
                tokio::select! {
                    biased;
                    () = shutdown.cancelled() => {}
                    () = work => {}
                }
            });
        }
        connections.close();
        connections.wait().await;
        Ok(())
    }

    /// Whether the subject of a verified certificate may use the server.
    fn allows(&self, certificate: &[u8]) -> bool {
        use x509_parser::prelude::{FromDer, X509Certificate};
        let Ok((_, certificate)) = X509Certificate::from_der(certificate) else { return false };
        let subject = certificate.subject();
        let access = &self.0.access;
        subject.iter_common_name().filter_map(|name| name.as_str().ok()).any(|name| access.users.contains(name))
            || subject
                .iter_organization()
                .filter_map(|name| name.as_str().ok())
                .any(|name| access.groups.contains(name))
    }

    async fn converse<S>(&self, stream: S, allowed: bool)
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let server = self.clone();
        let service = service_fn(move |request| {
            let server = server.clone();
            async move { Ok::<_, Infallible>(server.answer(request, allowed).await) }
        });
        let connection = hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADER_PATIENCE)
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades();
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a connection has ended");
        }
    }

    async fn answer(&self, request: Request<Incoming>, allowed: bool) -> Response<Body> {
        let result = self.try_answer(request, allowed).await;
        result.unwrap_or_else(|Refusal(status, message)| text(status, message))
    }

    async fn try_answer(&self, request: Request<Incoming>, allowed: bool) -> Result<Response<Body>, Refusal> {
        let route = route::parse(request.uri())?;
        if route == Route::Healthz {
            return Ok(text(StatusCode::OK, "ok".into()));
        }
        if !allowed {
            return Err(Refusal(StatusCode::FORBIDDEN, "Forbidden: this client may not use the node's server".into()));
        }
        let reading = request.method() == Method::GET;
        let streaming = matches!(route, Route::Exec(..) | Route::Attach(..) | Route::PortForward(..));
        let writing = streaming && request.method() == Method::POST;
        if !(reading || writing) {
            return Err(Refusal(StatusCode::METHOD_NOT_ALLOWED, "method not allowed".into()));
        }
        match route {
            Route::Healthz => Ok(text(StatusCode::OK, "ok".into())),
            Route::Pods => Ok(json(&stats::pods(&self.0.agents.read()))),
            Route::Stats => {
                let agents = self.0.agents.read().clone();
                Ok(json(&stats::summary(&agents).await))
            }
            Route::Logs(target, options) => {
                let (shared, entry) = self.find(&target.pod)?;
                logs::serve(&shared, &entry, &target.container, options).await
            }
            Route::Exec(target, options) => {
                let (shared, entry) = self.find(&target.pod)?;
                remote::exec(&shared, &entry, &target.container, options, request, &self.0.conversations).await
            }
            Route::Attach(target, options) => {
                let (shared, entry) = self.find(&target.pod)?;
                remote::attach(&shared, &entry, &target.container, options, request, &self.0.conversations).await
            }
            Route::PortForward(pod, ports) => {
                let (shared, entry) = self.find(&pod)?;
                portforward::serve(&shared, &entry, ports, request, &self.0.conversations).await
            }
        }
    }

    /// The agent that has a pod.
    fn find(&self, key: &ObjectKey) -> Result<(Arc<Shared>, PodEntry), Refusal> {
        let agents = self.0.agents.read();
        agents
            .iter()
            .find_map(|agent| Some((Arc::clone(&agent.0), agent.0.pod(key)?)))
            .ok_or_else(|| Refusal(StatusCode::NOT_FOUND, "pod does not exist".into()))
    }
}

fn body(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}

fn text(status: StatusCode, text: String) -> Response<Body> {
    let mut response = Response::new(body(text));
    *response.status_mut() = status;
    let plain = http::HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(http::header::CONTENT_TYPE, plain);
    response
}

fn json(value: &serde_json::Value) -> Response<Body> {
    let mut response = Response::new(body(value.to_string()));
    let json = http::HeaderValue::from_static("application/json");
    response.headers_mut().insert(http::header::CONTENT_TYPE, json);
    response
}
