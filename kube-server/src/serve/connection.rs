//! One connection: HTTP/1.1 or HTTP/2, until the peer or the server ends it.

use crate::ApiServer;
use crate::authentication::PeerCertificates;
use crate::identity::UserInfo;
use crate::request::Response;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;
use tower::Service;

/// How long a peer may take to send a request's head, or the first request of a connection. kube-apiserver's figure.
const HEAD_TIMEOUT: Duration = Duration::from_secs(32);
/// A peer that has not answered a ping of HTTP/2 for this long is gone.
const PING_INTERVAL: Duration = Duration::from_secs(30);
/// Requests and watches at the same time on one connection of HTTP/2.
const STREAMS_MAX: u32 = 1000;

/// Serves one connection that the caller has: HTTP/1.1 or HTTP/2, as the peer speaks. `user` is who is at the other end of
/// an in-process connection; `None` where credentials come with the requests. Returns when the connection has ended.
pub async fn serve_connection<S>(stream: S, user: Option<UserInfo>, server: ApiServer, shutdown: CancellationToken)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let connection = Connection { server, certificates: None, user: user.map(Arc::new), protocol: Protocol::Any };
    connection.serve(stream, shutdown).await;
}

enum Protocol {
    Http1,
    Http2,
    /// As the first bytes say.
    Any,
}

/// What is known of a connection before its first request.
pub(super) struct Connection {
    server: ApiServer,
    certificates: Option<PeerCertificates>,
    user: Option<Arc<UserInfo>>,
    protocol: Protocol,
}

impl Connection {
    pub(super) fn plain_text(server: ApiServer) -> Self {
        Self { server, certificates: None, user: None, protocol: Protocol::Any }
    }

    pub(super) fn over_tls(server: ApiServer, certificates: Option<PeerCertificates>, is_http2: bool) -> Self {
        let protocol = if is_http2 { Protocol::Http2 } else { Protocol::Http1 };
        Self { server, certificates, user: None, protocol }
    }

    /// Serves until the peer ends it, `shutdown`, or no first request comes in time.
    pub(super) async fn serve<S>(self, stream: S, shutdown: CancellationToken)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let io = TokioIo::new(stream);
        let asked = Arc::new(AtomicBool::new(false));
        let requests = Requests {
            server: self.server,
            certificates: self.certificates,
            user: self.user,
            asked: Arc::clone(&asked),
        };
        match self.protocol {
            Protocol::Http1 => {
                let mut builder = http1::Builder::new();
                builder.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT);
                let connection = builder.serve_connection(io, requests).with_upgrades();
                run(connection, http1::UpgradeableConnection::graceful_shutdown, &asked, shutdown).await;
            }
            Protocol::Http2 => {
                let mut builder = http2::Builder::new(TokioExecutor::new());
                builder
                    .timer(TokioTimer::new())
                    .max_concurrent_streams(STREAMS_MAX)
                    .keep_alive_interval(PING_INTERVAL)
                    .keep_alive_timeout(PING_INTERVAL);
                let connection = builder.serve_connection(io, requests);
                run(connection, http2::Connection::graceful_shutdown, &asked, shutdown).await;
            }
            Protocol::Any => {
                let mut builder = auto::Builder::new(TokioExecutor::new());
                builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT);
                builder
                    .http2()
                    .timer(TokioTimer::new())
                    .max_concurrent_streams(STREAMS_MAX)
                    .keep_alive_interval(PING_INTERVAL)
                    .keep_alive_timeout(PING_INTERVAL);
                let connection = builder.serve_connection_with_upgrades(io, requests).into_owned();
                run(connection, auto::UpgradeableConnection::graceful_shutdown, &asked, shutdown).await;
            }
        }
    }
}

/// Drives a connection. On `shutdown` it takes no further requests and ends with those that it has.
async fn run<C, E>(connection: C, stop: fn(Pin<&mut C>), asked: &AtomicBool, shutdown: CancellationToken)
where
    C: Future<Output = Result<(), E>>,
    E: std::fmt::Display,
{
    let mut connection = std::pin::pin!(connection);
    let silence = tokio::time::sleep(HEAD_TIMEOUT);
    let mut silence = std::pin::pin!(silence);
    let mut waiting_for_first = true;
    let mut stopping = false;
    loop {
        tokio::select! {
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(%error, "connection ended");
                }
                return;
            }
            () = shutdown.cancelled(), if !stopping => {
                stopping = true;
                stop(connection.as_mut());
            }
            () = silence.as_mut(), if waiting_for_first => {
                waiting_for_first = false;
                if !asked.load(Ordering::Relaxed) {
                    return tracing::debug!("connection ended: no request came");
                }
            }
        }
    }
}

/// The server as hyper calls it.
#[derive(Clone)]
struct Requests {
    server: ApiServer,
    certificates: Option<PeerCertificates>,
    user: Option<Arc<UserInfo>>,
    asked: Arc<AtomicBool>,
}

impl hyper::service::Service<http::Request<Incoming>> for Requests {
    type Response = Response;
    type Error = Infallible;
    type Future = <ApiServer as Service<http::Request<Incoming>>>::Future;

    fn call(&self, mut request: http::Request<Incoming>) -> Self::Future {
        self.asked.store(true, Ordering::Relaxed);
        if let Some(certificates) = &self.certificates {
            request.extensions_mut().insert(certificates.clone());
        }
        if let Some(user) = &self.user {
            request.extensions_mut().insert(Arc::clone(user));
        }
        self.server.clone().call(request)
    }
}
