//! Serves what a component has done: `/metrics` and `/healthz`, over plain HTTP.

use anyhow::{Context, Result};
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// How many connections are served at a time, and how long a request may take to come.
const CONNECTIONS_MAX: usize = 16;
const HEADER_TIMEOUT: Duration = Duration::from_secs(5);

/// Listens on the address, if there is one.
///
/// # Errors
///
/// When the address is not to be had.
pub async fn listen(address: Option<SocketAddr>) -> Result<Option<TcpListener>> {
    let Some(address) = address else { return Ok(None) };
    let listener = TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address}"))?;
    Ok(Some(listener))
}

/// Serves until `shutdown`; without a listener it only waits for that.
pub async fn serve(
    listener: Option<TcpListener>,
    text: impl Fn() -> String + Clone + Send + 'static,
    shutdown: CancellationToken,
) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            accepted = accept(listener.as_ref()), if connections.len() < CONNECTIONS_MAX => {
                connections.spawn(connection(accepted, text.clone()));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn accept(listener: Option<&TcpListener>) -> TcpStream {
    let Some(listener) = listener else { return std::future::pending().await };
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return stream,
            // Out of file descriptors, as a rule: it passes.
            Err(error) => {
                tracing::warn!(%error, "accepting a connection failed");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn connection(stream: TcpStream, text: impl Fn() -> String + Clone) {
    let service = service_fn(move |request: Request<Incoming>| {
        let answer = match request.uri().path() {
            "/metrics" => answer(StatusCode::OK, OPEN_METRICS, text()),
            "/healthz" | "/livez" | "/readyz" => answer(StatusCode::OK, "text/plain", "ok".to_owned()),
            _ => answer(StatusCode::NOT_FOUND, "text/plain", "404 page not found\n".to_owned()),
        };
        std::future::ready(Ok::<_, Infallible>(answer))
    });
    let mut server = hyper::server::conn::http1::Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT);
    // A client that breaks off concerns nobody else.
    let _ = server.serve_connection(TokioIo::new(stream), service).await;
}

fn answer(status: StatusCode, content_type: &'static str, text: String) -> Response<Full<Bytes>> {
    let builder = Response::builder().status(status).header(CONTENT_TYPE, content_type);
    builder.body(Full::new(Bytes::from(text))).expect("the header is valid")
}

#[cfg(test)]
mod tests;
