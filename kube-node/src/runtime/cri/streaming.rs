//! The runtime's streaming server: it answers exec, attach and port-forward with an address, where it speaks WebSocket
//! with numbered channels (`v4.channel.k8s.io`; `v5` adds closing a channel).

use std::time::Duration;

use bytes::Bytes;
use futures::stream::{SplitSink, SplitStream};
use futures::{SinkExt, StreamExt};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, ReadHalf, WriteHalf};
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
/// How long the runtime is given to take our farewell.
const CLOSE_WITHIN: Duration = Duration::from_secs(1);

type Sink = SplitSink<WebSocketStream<TcpStream>, Message>;
type Stream = SplitStream<WebSocketStream<TcpStream>>;

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
    let (socket, closes) = connect(operation, url).await?;
    let (input, mut from_client) = mpsc::channel(QUEUE);
    let (to_client, output) = mpsc::channel(QUEUE);
    tasks.spawn(async move {
        let (mut sink, mut stream) = socket.split();
        // Side by side: a process that waits for its output to be taken does not read, and its input must wait without holding
        // up the output.
        let exit = tokio::select! {
            biased;
            exit = hear(operation, &mut stream, &to_client) => exit,
            () = speak(&mut from_client, &mut sink, closes) => Err(lost(operation)),
            () = to_client.closed() => Err(lost(operation)),
        };
        close(&mut sink).await;
        let _ = to_client.send(Output::Exit(exit)).await;
    });
    Ok(Session { input, output })
}

fn lost(operation: &'static str) -> Error {
    Error::failed(operation, "the connection to the process was lost")
}

/// Ends a connection, in peace where the other side still listens.
async fn close(sink: &mut Sink) {
    let _ = tokio::time::timeout(CLOSE_WITHIN, sink.close()).await;
}

/// Tells the client what the process says, until the end of the connection; gives the exit code.
async fn hear(operation: &'static str, stream: &mut Stream, to_client: &mpsc::Sender<Output>) -> Result<i32> {
    let mut exit = None;
    loop {
        let data = match stream.next().await {
            Some(Ok(Message::Binary(data))) => data,
            Some(Ok(Message::Close(_))) | None => break,
            Some(Ok(_)) => continue,
            Some(Err(error)) => {
                exit = exit.or(Some(Err(Error::failed(operation, error.to_string()))));
                break;
            }
        };
        let said = match split(&data) {
            Some((_, data)) if data.is_empty() => continue,
            Some((STDOUT, data)) => Output::Stdout(data),
            Some((STDERR, data)) => Output::Stderr(data),
            Some((ERROR, data)) => {
                exit = Some(exit_code(operation, &data));
                continue;
            }
            _ => continue,
        };
        if to_client.send(said).await.is_err() {
            break;
        }
    }
    exit.unwrap_or_else(|| Err(lost(operation)))
}

/// Tells the process what the client says. Never ends: what the process still has to say is to be heard.
async fn speak(from_client: &mut mpsc::Receiver<Input>, sink: &mut Sink, closes: bool) {
    while let Some(message) = from_client.recv().await {
        let frame = match message {
            Input::Stdin(data) => frame(STDIN, &data),
            Input::Resize { width, height } => {
                frame(RESIZE, format!("{{\"Width\":{width},\"Height\":{height}}}").as_bytes())
            }
            Input::StdinClosed if closes => Message::Binary(vec![CLOSE, STDIN].into()),
            Input::StdinClosed => continue,
        };
        if sink.send(frame).await.is_err() {
            break;
        }
    }
    if closes {
        let _ = sink.send(Message::Binary(vec![CLOSE, STDIN].into())).await;
    }
    std::future::pending().await
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
    let (socket, closes) = connect(operation, url).await?;
    let (ours, theirs) = tokio::io::duplex(2 * CHUNK);
    tasks.spawn(async move {
        let (mut sink, mut stream) = socket.split();
        let (mut read, mut write) = tokio::io::split(theirs);
        // Side by side, as a conversation.
        tokio::select! {
            biased;
            () = from_pod(&mut stream, &mut write) => {}
            () = to_pod(&mut read, &mut sink, closes) => {}
        }
        close(&mut sink).await;
        let _ = write.shutdown().await;
    });
    Ok(Box::new(ours))
}

/// Carries what comes from the pod, to its end.
async fn from_pod(stream: &mut Stream, write: &mut WriteHalf<DuplexStream>) {
    let mut headers = [false; 2];
    while let Some(Ok(message)) = stream.next().await {
        let data = match message {
            Message::Binary(data) => data,
            Message::Close(_) => return,
            _ => continue,
        };
        let Some((channel, mut data)) = split(&data) else { continue };
        if let Some(seen) = headers.get_mut(usize::from(channel))
            && !std::mem::replace(seen, true)
        {
            data = data.slice(data.len().min(2)..);
        }
        if channel == 1 && !data.is_empty() {
            tracing::debug!(problem = %String::from_utf8_lossy(&data), "a forwarded port has failed");
            return;
        }
        if channel == 0 && write.write_all(&data).await.is_err() {
            return;
        }
    }
}

/// Carries what goes to the pod. Never ends: what comes back is still to be carried.
async fn to_pod(read: &mut ReadHalf<DuplexStream>, sink: &mut Sink, closes: bool) {
    let mut buffer = vec![0; CHUNK];
    while let Ok(count @ 1..) = read.read(&mut buffer).await {
        if sink.send(frame(0, &buffer[..count])).await.is_err() {
            break;
        }
    }
    if closes {
        let _ = sink.send(Message::Binary(vec![CLOSE, 0].into())).await;
    }
    std::future::pending().await
}

#[cfg(test)]
mod tests {
    //! Status objects in, codes out; and a streaming server that does one thing after the other.

    use super::*;
    use tokio::net::TcpListener;

    #[test]
    fn exit_codes() {
        assert!(matches!(exit_code("exec", br#"{"status":"Success"}"#), Ok(0)));
        let failed = br#"{"status":"Failure","reason":"NonZeroExitCode","details":{"causes":[{"reason":"ExitCode","message":"7"}]}}"#;
        assert!(matches!(exit_code("exec", failed), Ok(7)));
        let other = exit_code("exec", br#"{"status":"Failure","message":"no such file"}"#).expect_err("no code");
        assert_eq!(other.to_string(), "no such file");
        assert!(exit_code("exec", b"garbage").is_err());
    }

    /// More than all buffers between here and there hold.
    const MUCH: usize = 64 << 20;
    /// A test that waits for ever says nothing.
    const HANGS: Duration = Duration::from_secs(120);

    type Socket = WebSocketStream<TcpStream>;

    /// The address of a streaming server, which does this with its one client.
    #[expect(clippy::result_large_err, reason = "the shape of the library's callback")]
    async fn server<F>(serve: impl FnOnce(Socket) -> F + Send + 'static) -> String
    where
        F: Future<Output = ()> + Send,
    {
        use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/exec/token", listener.local_addr().unwrap());
        tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let protocol = |_: &Request, mut response: Response| {
                let chosen = HeaderValue::from_static("v5.channel.k8s.io");
                response.headers_mut().insert("Sec-WebSocket-Protocol", chosen);
                Ok(response)
            };
            serve(tokio_tungstenite::accept_hdr_async(stream, protocol).await.unwrap()).await;
        });
        url
    }

    /// Says much on a channel, and only then listens; gives how many bytes it has heard on channel 0 until that was closed.
    async fn talk_then_listen(socket: &mut Socket, channel: u8) -> usize {
        for _ in 0..MUCH / CHUNK {
            socket.send(frame(channel, &[b'x'; CHUNK])).await.unwrap();
        }
        let mut heard = 0;
        while let Some(Ok(message)) = socket.next().await {
            match split(&message.into_data()) {
                Some((CLOSE, _)) => break,
                Some((_, data)) => heard += data.len(),
                None => {}
            }
        }
        heard
    }

    #[tokio::test]
    async fn a_process_that_does_not_read_is_heard_nevertheless() {
        let url = server(|mut socket| async move {
            let heard = talk_then_listen(&mut socket, STDOUT).await;
            let status = if heard == MUCH { r#"{"status":"Success"}"# } else { r#"{"status":"Failure"}"# };
            socket.send(frame(ERROR, status.as_bytes())).await.unwrap();
            socket.close(None).await.unwrap();
        })
        .await;
        let Session { input, mut output } = session("exec", &url, &TaskTracker::new()).await.unwrap();
        let speaking = async move {
            for _ in 0..MUCH / CHUNK {
                input.send(Input::Stdin(Bytes::from_static(&[b'y'; CHUNK]))).await.unwrap();
            }
        };
        let listening = async {
            let mut heard = 0;
            loop {
                match output.recv().await {
                    Some(Output::Stdout(data)) => heard += data.len(),
                    other => return (heard, other),
                }
            }
        };
        let both = tokio::time::timeout(HANGS, futures::future::join(speaking, listening)).await;
        let ((), (heard, last)) = both.expect("neither waits for the other");
        assert_eq!(heard, MUCH);
        assert!(matches!(last, Some(Output::Exit(Ok(0)))), "{last:?}");
    }

    #[tokio::test]
    async fn a_port_whose_server_does_not_read_is_heard_nevertheless() {
        let (told, hears) = tokio::sync::oneshot::channel();
        let url = server(|mut socket| async move {
            for channel in [0, 1] {
                socket.send(frame(channel, &80_u16.to_le_bytes())).await.unwrap();
            }
            let _ = told.send(talk_then_listen(&mut socket, 0).await);
            socket.close(None).await.unwrap();
        })
        .await;
        let connection = port("port forward", &url, &TaskTracker::new()).await.unwrap();
        let (mut read, mut write) = tokio::io::split(connection);
        let speaking = async {
            for _ in 0..MUCH / CHUNK {
                write.write_all(&[b'y'; CHUNK]).await.unwrap();
            }
            write.shutdown().await.unwrap();
        };
        let listening = async {
            let mut buffer = vec![0; CHUNK];
            let mut heard = 0;
            while let Ok(count @ 1..) = read.read(&mut buffer).await {
                heard += count;
            }
            heard
        };
        let both = tokio::time::timeout(HANGS, futures::future::join(speaking, listening)).await;
        let ((), heard) = both.expect("neither waits for the other");
        assert_eq!((heard, hears.await.unwrap()), (MUCH, MUCH));
    }
}
