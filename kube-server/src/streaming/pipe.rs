//! Bytes from one side to the other.

use super::agent::Agent;
use crate::authentication::WEBSOCKET_TOKEN_PREFIX;
use crate::body::{self, Body};
use crate::request::{Request, Response};
use crate::server::Server;
use http::header::{AUTHORIZATION, CONNECTION, CONTENT_LENGTH, COOKIE, HOST, SEC_WEBSOCKET_PROTOCOL, UPGRADE};
use http::{HeaderMap, HeaderValue, StatusCode};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use kubekit_core::status::ApiError;
use std::future::Future;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// As much of an agent's error as is passed on.
const ERROR_BYTES_MAX: usize = 50_000;

/// The streams that a server has open. They end when the server stops.
#[derive(Debug, Default)]
pub(crate) struct Streams {
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Streams {
    /// Runs a task until it ends or the server stops.
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let stop = self.stop.clone();
        self.tasks.spawn(async move {
            tokio::select! {
                biased;
                () = stop.cancelled() => {}
                () = task => {}
            }
        });
    }

    /// Ends all streams and waits until they have.
    pub(crate) async fn stop(&self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

/// Passes an upgrade on to the agent, and after it bytes in both directions.
pub(super) async fn upgrade(
    server: &Server,
    request: &mut Request,
    agent: Agent,
    target: &str,
) -> Result<Response, ApiError> {
    let Some(client) = request.parts.extensions.remove::<OnUpgrade>().filter(|_| wants_upgrade(&request.parts.headers))
    else {
        return Err(ApiError::bad_request("Upgrade request required"));
    };
    let mut asked = http::Request::builder()
        .method(request.parts.method.clone())
        .uri(target)
        .body(body::full(""))
        .map_err(ApiError::internal)?;
    *asked.headers_mut() = headers_for_agent(&request.parts.headers);
    let mut answer = agent.send(server, asked).await?;
    if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
        return Err(refusal(answer, "pods", &request.info.name).await);
    }
    let agent = hyper::upgrade::on(&mut answer);
    server.streams.spawn(async move {
        let (client, agent) = match futures::future::try_join(client, agent).await {
            Ok(both) => both,
            Err(error) => return tracing::debug!(%error, "stream could not be upgraded"),
        };
        let (mut client, mut agent) = (TokioIo::new(client), TokioIo::new(agent));
        if let Err(error) = tokio::io::copy_bidirectional(&mut client, &mut agent).await {
            tracing::debug!(%error, "stream ended");
        }
    });
    let mut response = http::Response::new(body::full(""));
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    *response.headers_mut() = std::mem::take(answer.headers_mut());
    Ok(response)
}

/// Passes a plain request on to the agent, and its answer back.
pub(super) async fn forward(
    server: &Server,
    request: &mut Request,
    body: Body,
    agent: Agent,
    target: &str,
) -> Result<Response, ApiError> {
    let mut asked = http::Request::builder()
        .method(request.parts.method.clone())
        .uri(target)
        .body(body)
        .map_err(ApiError::internal)?;
    *asked.headers_mut() = headers_for_agent(&request.parts.headers);
    for name in [CONNECTION, UPGRADE] {
        asked.headers_mut().remove(name);
    }
    let answer = agent.send(server, asked).await?;
    Ok(relay(answer))
}

/// An answer that began well.
pub(super) async fn pass_on(
    answer: http::Response<Incoming>,
    resource: &str,
    name: &str,
) -> Result<Response, ApiError> {
    if answer.status().is_success() { Ok(relay(answer)) } else { Err(refusal(answer, resource, name).await) }
}

fn relay(answer: http::Response<Incoming>) -> Response {
    let (mut head, body) = answer.into_parts();
    for name in [CONNECTION, http::header::TRANSFER_ENCODING] {
        head.headers.remove(name);
    }
    http::Response::from_parts(head, body::erase(body))
}

fn wants_upgrade(headers: &HeaderMap) -> bool {
    let connection = headers.get_all(CONNECTION).iter().filter_map(|value| value.to_str().ok());
    headers.contains_key(UPGRADE)
        && connection.flat_map(|value| value.split(',')).any(|word| word.trim().eq_ignore_ascii_case("upgrade"))
}

/// What the agent needs to see. Who asks is settled here, so credentials stay.
fn headers_for_agent(headers: &HeaderMap) -> HeaderMap {
    let mut passed = headers.clone();
    for name in [AUTHORIZATION, COOKIE, HOST, CONTENT_LENGTH] {
        passed.remove(name);
    }
    let impersonation: Vec<_> =
        passed.keys().filter(|name| name.as_str().starts_with("impersonate-")).cloned().collect();
    for name in impersonation {
        passed.remove(name);
    }
    let offered: Vec<String> = passed
        .get_all(SEC_WEBSOCKET_PROTOCOL)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|protocol| protocol.trim().to_owned())
        .filter(|protocol| !protocol.is_empty() && !protocol.starts_with(WEBSOCKET_TOKEN_PREFIX))
        .collect();
    passed.remove(SEC_WEBSOCKET_PROTOCOL);
    if let Ok(value) = HeaderValue::from_str(&offered.join(", "))
        && !offered.is_empty()
    {
        passed.insert(SEC_WEBSOCKET_PROTOCOL, value);
    }
    passed
}

/// The agent's refusal as a Status, in the words of the agent.
///
/// Source: `GenericHttpResponseChecker`.
async fn refusal(answer: http::Response<Incoming>, resource: &str, name: &str) -> ApiError {
    let status = answer.status();
    let text = match Limited::new(answer.into_body(), ERROR_BYTES_MAX).collect().await {
        Ok(body) => String::from_utf8_lossy(&body.to_bytes()).trim_end().to_owned(),
        Err(error) => return ApiError::internal(error),
    };
    match status {
        StatusCode::BAD_REQUEST => ApiError::bad_request(text),
        StatusCode::INTERNAL_SERVER_ERROR => ApiError::internal(text),
        StatusCode::NOT_FOUND => {
            let mut error = ApiError::not_found("", resource, name);
            error.message = format!("the server could not find the requested resource ({text})");
            error
        }
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            // The server's own credentials were refused, not the client's.
            ApiError::internal(format!("the node agent refused the API server ({status}): {text}"))
        }
        _ => ApiError::internal(format!("unexpected answer of the node agent ({status}): {text}")),
    }
}
