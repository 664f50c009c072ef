//! SPDY/3.1, the server's side: streams within one connection, as `kubectl` before 1.30 (commands) and 1.31 (ports) opens
//! them, and as newer ones carry them within a WebSocket to forward ports.
//!
//! [`connection::run`] reads and writes frames and hands out [`connection::Stream`]s; `command` and `ports` are what they
//! are for. Windows are not kept, as by the library that all Kubernetes clients use: the connection below holds back who
//! sends too fast.

pub(super) mod command;
mod connection;
mod frame;
mod headers;
pub(super) mod ports;

use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;

use super::{Body, Conversations, Refusal};

/// The name of the protocol in the header `Upgrade`.
const UPGRADE: &str = "SPDY/3.1";
/// The header in which both sides say what the streams mean.
const STREAM_PROTOCOL: &str = "x-stream-protocol-version";

/// Whether a client asks for SPDY.
pub(super) fn is_wanted(headers: &HeaderMap) -> bool {
    super::websocket::listed(headers, "upgrade").any(|upgrade| upgrade.eq_ignore_ascii_case(UPGRADE))
}

/// Answers an upgrade and hands the connection to `serve`, if the client speaks this protocol in its streams.
pub(super) fn upgrade<F>(
    mut request: Request<Incoming>,
    protocol: &'static str,
    tasks: &Conversations,
    serve: impl FnOnce(TokioIo<Upgraded>) -> F + Send + 'static,
) -> Result<Response<Body>, Refusal>
where
    F: Future<Output = ()> + Send + 'static,
{
    let offered: Vec<&str> = super::websocket::listed(request.headers(), STREAM_PROTOCOL).collect();
    if !offered.contains(&protocol) {
        let message = format!("unable to upgrade: no common protocol: {offered:?} is offered, known is {protocol}");
        return Err(Refusal(StatusCode::FORBIDDEN, message));
    }
    let upgraded = hyper::upgrade::on(&mut request);
    tasks.spawn(async move {
        match upgraded.await {
            Ok(connection) => serve(TokioIo::new(connection)).await,
            Err(error) => tracing::debug!(%error, "an upgrade has failed"),
        }
    });
    let mut response = Response::new(super::body(""));
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert("upgrade", HeaderValue::from_static(UPGRADE));
    headers.insert("connection", HeaderValue::from_static("Upgrade"));
    headers.insert(STREAM_PROTOCOL, HeaderValue::from_static(protocol));
    Ok(response)
}

#[cfg(test)]
mod tests;
