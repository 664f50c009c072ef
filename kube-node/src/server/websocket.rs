//! WebSocket with numbered channels, the server's side.

use base64::Engine as _;
use bytes::Bytes;
use futures::future::ready;
use futures::stream::SplitSink;
use futures::{SinkExt as _, StreamExt as _};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::Utf8Bytes;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_util::io::{CopyToBytes, SinkWriter, StreamReader};

use super::{Body, Conversations, Refusal};

/// In `v5`, the channel on which a channel is closed.
pub(super) const CLOSE: u8 = 255;
/// The longest message of a client.
const MESSAGE_BYTES_MAX: usize = 4 * 1_024 * 1_024;

/// A connection with numbered channels.
pub(super) type Socket = WebSocketStream<TokioIo<Upgraded>>;

/// The protocols that are spoken with numbered channels, the best first.
pub(super) const CHANNELS: &[&str] = &["v5.channel.k8s.io", "v4.channel.k8s.io", "portforward.k8s.io"];

/// The words of a header that is a list.
pub(super) fn listed<'a>(headers: &'a HeaderMap, name: &'static str) -> impl Iterator<Item = &'a str> {
    headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).flat_map(|text| text.split(',')).map(str::trim)
}

/// The protocol for a client that offers these; none that is common is a refusal.
fn choose(headers: &HeaderMap, known: &[&'static str]) -> Result<&'static str, Refusal> {
    let offered: Vec<&str> = listed(headers, "sec-websocket-protocol").collect();
    known.iter().copied().find(|protocol| offered.contains(protocol)).ok_or_else(|| {
        let known = known.join(", ");
        Refusal(
            StatusCode::BAD_REQUEST,
            format!("no common WebSocket protocol: {offered:?} is offered, known are {known}"),
        )
    })
}

/// Answers an upgrade and hands the connection to `serve`, with the protocol that was chosen from those `known`.
pub(super) fn upgrade<F>(
    mut request: Request<Incoming>,
    tasks: &Conversations,
    known: &[&'static str],
    serve: impl FnOnce(Socket, &'static str) -> F + Send + 'static,
) -> Result<Response<Body>, Refusal>
where
    F: Future<Output = ()> + Send + 'static,
{
    let headers = request.headers();
    let asked = listed(headers, "upgrade").any(|upgrade| upgrade.eq_ignore_ascii_case("websocket"));
    let key = headers.get("sec-websocket-key").cloned();
    let (true, Some(key)) = (asked, key) else {
        let message = "Upgrade request required: the node's server speaks WebSocket (v5.channel.k8s.io, v4.channel.k8s.io) and SPDY/3.1";
        return Err(Refusal(StatusCode::BAD_REQUEST, message.into()));
    };
    let well_formed = base64::engine::general_purpose::STANDARD.decode(key.as_bytes()).is_ok_and(|key| key.len() == 16);
    if !well_formed {
        return Err(Refusal(StatusCode::BAD_REQUEST, "invalid Sec-WebSocket-Key".into()));
    }
    let protocol = choose(headers, known)?;
    let accept = HeaderValue::from_str(&derive_accept_key(key.as_bytes()))
        .map_err(|error| Refusal(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?;
    let upgraded = hyper::upgrade::on(&mut request);
    tasks.spawn(async move {
        match upgraded.await {
            Ok(connection) => {
                let config = WebSocketConfig::default().max_message_size(Some(MESSAGE_BYTES_MAX));
                let io = TokioIo::new(connection);
                serve(WebSocketStream::from_raw_socket(io, Role::Server, Some(config)).await, protocol).await;
            }
            Err(error) => tracing::debug!(%error, "an upgrade has failed"),
        }
    });
    let mut response = Response::new(super::body(""));
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert("upgrade", HeaderValue::from_static("websocket"));
    headers.insert("connection", HeaderValue::from_static("Upgrade"));
    headers.insert("sec-websocket-accept", accept);
    headers.insert("sec-websocket-protocol", HeaderValue::from_static(protocol));
    Ok(response)
}

/// The bytes that are carried by the binary messages of a connection without channels.
pub(super) fn bytes_within(socket: Socket) -> (impl AsyncRead + Unpin, impl AsyncWrite + Unpin) {
    let (sink, stream) = socket.split();
    let stream = stream.filter_map(|message| {
        ready(match message {
            Ok(Message::Binary(bytes)) => Some(Ok(bytes)),
            Ok(_) => None,
            Err(error) => Some(Err(std::io::Error::other(error))),
        })
    });
    let sink = sink.with(|bytes: Bytes| ready(Ok::<_, tokio_tungstenite::tungstenite::Error>(Message::Binary(bytes))));
    (StreamReader::new(stream), SinkWriter::new(CopyToBytes::new(sink.sink_map_err(std::io::Error::other))))
}

/// A message on a channel.
pub(super) fn frame(channel: u8, data: &[u8]) -> Message {
    let mut message = Vec::with_capacity(data.len() + 1);
    message.push(channel);
    message.extend_from_slice(data);
    Message::Binary(message.into())
}

/// Ends a connection in peace: client-go takes an end without the code 1000 for a broken connection.
pub(super) async fn close(sink: &mut SplitSink<Socket, Message>) {
    let frame = CloseFrame { code: CloseCode::Normal, reason: Utf8Bytes::default() };
    let _ = sink.send(Message::Close(Some(frame))).await;
    let _ = sink.close().await;
}

#[cfg(test)]
mod tests {
    //! Offers in, a choice out.

    use super::*;

    #[track_caller]
    fn check(offered: &[&str], expected: Option<&str>) {
        let mut headers = HeaderMap::new();
        for offer in offered {
            headers.append("sec-websocket-protocol", offer.parse().expect("a header"));
        }
        assert_eq!(choose(&headers, CHANNELS).ok(), expected);
    }

    #[test]
    fn the_best_common_protocol() {
        check(&["v4.channel.k8s.io, v5.channel.k8s.io"], Some("v5.channel.k8s.io"));
        check(&["v4.channel.k8s.io", "x"], Some("v4.channel.k8s.io"));
        check(&["channel.k8s.io"], None);
        check(&[], None);
    }
}
