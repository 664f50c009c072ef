//! The runtime's streaming server: it answers exec, attach and port-forward with an address, where it speaks WebSocket
//! with numbered channels (`v4.channel.k8s.io`; `v5` adds closing a channel).

use bytes::Bytes;
use futures::{SinkExt, StreamExt};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_util::task::TaskTracker;

use crate::runtime::error::{Error, Result};
use crate::runtime::stream::{ByteStream, Input, Output, Session};

const STDIN: u8 = 0;
const STDOUT: u8 = 1;
const STDERR: u8 = 2;
const ERROR: u8 = 3;
const RESIZE: u8 = 4;
const CLOSE: u8 = 255;

/// How many messages wait in each direction.
const QUEUE: usize = 64;
/// The most bytes of one message.
const CHUNK: usize = 32 * 1_024;

/// Connects to an address of the streaming server; tells whether channels can be closed (`v5`).
async fn connect(operation: &'static str, url: &str) -> Result<(WebSocketStream<TcpStream>, bool)> {
    let failed = |problem: String| Error::failed(operation, format!("the runtime's streaming server: {problem}"));
    let address = url.strip_prefix("http://").ok_or_else(|| failed(format!("unexpected address {url}")))?;
    let host = address.split('/').next().unwrap_or_default();
    let stream =
        TcpStream::connect(host).await.map_err(|error| failed(format!("cannot connect to {host}: {error}")))?;
    let mut request = format!("ws://{address}").into_client_request().map_err(|error| failed(error.to_string()))?;
    let protocols = HeaderValue::from_static("v5.channel.k8s.io, v4.channel.k8s.io");
    request.headers_mut().insert("Sec-WebSocket-Protocol", protocols);
    let (socket, response) =
        tokio_tungstenite::client_async(request, stream).await.map_err(|error| failed(error.to_string()))?;
    let chosen = response.headers().get("Sec-WebSocket-Protocol").and_then(|value| value.to_str().ok());
    let closes = chosen.is_some_and(|protocol| protocol.starts_with("v5"));
    Ok((socket, closes))
}

fn frame(channel: u8, data: &[u8]) -> Message {
    let mut message = Vec::with_capacity(data.len() + 1);
    message.push(channel);
    message.extend_from_slice(data);
    Message::Binary(message.into())
}

/// A conversation with a process behind `url`.
pub(super) async fn session(operation: &'static str, url: &str, tasks: &TaskTracker) -> Result<Session> {
    let (mut socket, closes) = connect(operation, url).await?;
    let (input, mut from_client) = mpsc::channel(QUEUE);
    let (to_client, output) = mpsc::channel(QUEUE);
    tasks.spawn(async move {
        let mut exit = None;
        let mut listening = true;
        loop {
            tokio::select! {
                biased;
                message = socket.next() => match message {
                    Some(Ok(Message::Binary(data))) => {
                        let said = match split(&data) {
                            Some((_, data)) if data.is_empty() => None,
                            Some((STDOUT, data)) => Some(Output::Stdout(data)),
                            Some((STDERR, data)) => Some(Output::Stderr(data)),
                            Some((ERROR, data)) => {
                                exit = Some(exit_code(operation, &data));
                                None
                            }
                            _ => None,
                        };
                        let Some(said) = said else { continue };
                        if to_client.send(said).await.is_err() {
                            break;
                        }
                    }
                    Some(Ok(Message::Close(_))) | None => break,
                    Some(Ok(_)) => {}
                    Some(Err(error)) => {
                        exit = exit.or(Some(Err(Error::failed(operation, error.to_string()))));
                        break;
                    }
                },
                message = from_client.recv(), if listening => {
                    let frame = match message {
                        Some(Input::Stdin(data)) => frame(STDIN, &data),
                        Some(Input::Resize { width, height }) => {
                            frame(RESIZE, format!("{{\"Width\":{width},\"Height\":{height}}}").as_bytes())
                        }
                        Some(Input::StdinClosed) | None => {
                            listening = message.is_some();
                            if !closes { continue }
                            Message::Binary(vec![CLOSE, STDIN].into())
                        }
                    };
                    if socket.send(frame).await.is_err() { break }
                }
                () = to_client.closed() => break,
            }
        }
        let _ = socket.close(None).await;
        // A process that ended with success may have said nothing but goodbye.
        let exit = exit.unwrap_or_else(|| Err(Error::failed(operation, "the connection to the process was lost")));
        let _ = to_client.send(Output::Exit(exit)).await;
    });
    Ok(Session { input, output })
}

fn split(data: &Bytes) -> Option<(u8, Bytes)> {
    let channel = *data.first()?;
    Some((channel, data.slice(1..)))
}

/// The exit code in a `Status` object.
fn exit_code(operation: &'static str, data: &[u8]) -> Result<i32> {
    let status: Value = serde_json::from_slice(data)
        .map_err(|_| Error::failed(operation, String::from_utf8_lossy(data).into_owned()))?;
    if status["status"] == "Success" {
        return Ok(0);
    }
    let causes = status["details"]["causes"].as_array().into_iter().flatten();
    let code =
        causes.filter(|cause| cause["reason"] == "ExitCode").find_map(|cause| cause["message"].as_str()?.parse().ok());
    code.ok_or_else(|| Error::failed(operation, status["message"].as_str().unwrap_or("unknown failure").to_owned()))
}

/// A connection to a port behind `url`: channel 0 is data, 1 is the failure, both begin with the port's number.
pub(super) async fn port(operation: &'static str, url: &str, tasks: &TaskTracker) -> Result<Box<dyn ByteStream>> {
    let (mut socket, closes) = connect(operation, url).await?;
    let (ours, theirs) = tokio::io::duplex(2 * CHUNK);
    tasks.spawn(async move {
        let (mut read, mut write) = tokio::io::split(theirs);
        let mut buffer = vec![0; CHUNK];
        let mut headers = [false; 2];
        let mut reading = true;
        loop {
            tokio::select! {
                biased;
                message = socket.next() => match message {
                    Some(Ok(Message::Binary(data))) => {
                        let Some((channel, mut data)) = split(&data) else { continue };
                        if let Some(seen) = headers.get_mut(usize::from(channel))
                            && !std::mem::replace(seen, true) {
                                data = data.slice(data.len().min(2)..);
                            }
                        if channel == 1 && !data.is_empty() {
                            tracing::debug!(problem = %String::from_utf8_lossy(&data), "a forwarded port has failed");
                            break;
                        }
                        if channel == 0 && write.write_all(&data).await.is_err() {
                            break;
                        }
                    }
                    Some(Ok(Message::Close(_)) | Err(_)) | None => break,
                    Some(Ok(_)) => {}
                },
                count = read.read(&mut buffer), if reading => match count {
                    Ok(0) | Err(_) => {
                        reading = false;
                        if !closes { continue }
                        if socket.send(Message::Binary(vec![CLOSE, 0].into())).await.is_err() { break }
                    }
                    Ok(count) => {
                        if socket.send(frame(0, &buffer[..count])).await.is_err() { break }
                    }
                },
            }
        }
        let _ = socket.close(None).await;
        let _ = write.shutdown().await;
    });
    Ok(Box::new(ours))
}

#[cfg(test)]
mod tests {
    //! Status objects in, codes out.

    use super::*;

    #[test]
    fn exit_codes() {
        assert!(matches!(exit_code("exec", br#"{"status":"Success"}"#), Ok(0)));
        let failed = br#"{"status":"Failure","reason":"NonZeroExitCode","details":{"causes":[{"reason":"ExitCode","message":"7"}]}}"#;
        assert!(matches!(exit_code("exec", failed), Ok(7)));
        let other = exit_code("exec", br#"{"status":"Failure","message":"no such file"}"#).expect_err("no code");
        assert_eq!(other.to_string(), "no such file");
        assert!(exit_code("exec", b"garbage").is_err());
    }
}
