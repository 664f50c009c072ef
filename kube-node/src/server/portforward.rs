//! Connections into a pod, by SPDY streams or by the channels of a WebSocket. Port number `i` of the request has two channels: `2i` for bytes, `2i + 1` for what went wrong;
//! each begins with the port, two bytes, the low one first.

use futures::{SinkExt, StreamExt};
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Message;

use super::spdy::{self, ports};
use super::websocket::{CHANNELS, CLOSE, Socket, bytes_within, close, frame, upgrade};
use super::{Body, Conversations, Refusal};
use crate::agent::shared::{PodEntry, Shared};
use crate::runtime::{ByteStream, Error, Filter, SandboxState};

const CHUNK: usize = 32 * 1_024;
/// How many messages wait for the client.
const QUEUE: usize = 64;

type Stream = Box<dyn ByteStream>;

/// Forwards ports.
pub(super) async fn serve(
    shared: &Shared,
    entry: &PodEntry,
    asked: Vec<u16>,
    request: Request<Incoming>,
    tasks: &Conversations,
) -> Result<Response<Body>, Refusal> {
    let uid = entry.updates.borrow().pod.metadata.uid.clone().unwrap_or_default();
    let sandboxes = shared.runtime.list_sandboxes(&Filter::pod(&uid)).await;
    let sandboxes = sandboxes.map_err(|error| Refusal(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?;
    let sandbox = sandboxes.into_iter().find(|sandbox| sandbox.state == SandboxState::Ready);
    let Some(sandbox) = sandbox else {
        return Err(Refusal(StatusCode::NOT_FOUND, format!("pod not found ({:?})", entry.key.name)));
    };
    let runtime = std::sync::Arc::clone(&shared.runtime);
    if spdy::is_wanted(request.headers()) {
        return spdy::upgrade(request, ports::PROTOCOL, tasks, move |connection| async move {
            let (reader, writer) = tokio::io::split(connection);
            ports::serve(reader, writer, runtime, sandbox.id).await;
        });
    }
    // A client of channels names its ports now, one of streams when it opens them.
    let known: Vec<&'static str> = [ports::TUNNELED].into_iter().chain(CHANNELS.iter().copied()).collect();
    let known = if asked.is_empty() { &known[..1] } else { &known[..] };
    upgrade(request, tasks, known, move |socket, protocol| async move {
        if protocol == ports::TUNNELED {
            let (reader, writer) = bytes_within(socket);
            ports::serve(reader, writer, runtime, sandbox.id).await;
            return;
        }
        let mut streams = Vec::new();
        for port in asked {
            streams.push((port, runtime.port_forward(&sandbox.id, port).await));
        }
        forward(socket, streams).await;
    })
}

async fn forward(socket: Socket, streams: Vec<(u16, Result<Stream, Error>)>) {
    let (mut sink, mut stream) = socket.split();
    let (to_client, mut queue) = mpsc::channel::<Message>(QUEUE);
    let mut writers: Vec<Option<WriteHalf<Stream>>> = Vec::new();
    let mut readers = Vec::new();
    for (position, (port, connected)) in streams.into_iter().enumerate() {
        let Ok(data) = u8::try_from(position * 2) else { break };
        let number = port.to_le_bytes();
        for channel in [data, data + 1] {
            if sink.send(frame(channel, &number)).await.is_err() {
                return;
            }
        }
        match connected {
            Ok(connection) => {
                let (read, write) = tokio::io::split(connection);
                writers.push(Some(write));
                readers.push(pump(read, data, to_client.clone()));
            }
            Err(error) => {
                writers.push(None);
                let text = format!("an error occurred forwarding {port}: {error}");
                let _ = sink.send(frame(data + 1, text.as_bytes())).await;
            }
        }
    }
    drop(to_client);
    let inward = async {
        while let Some(Ok(message)) = stream.next().await {
            let Message::Binary(data) = message else { continue };
            match data.split_first() {
                Some((&CLOSE, [channel])) if channel % 2 == 0 => {
                    if let Some(Some(mut writer)) = writers.get_mut(usize::from(channel / 2)).map(Option::take) {
                        let _ = writer.shutdown().await;
                    }
                }
                Some((channel, data)) if channel % 2 == 0 => {
                    let slot = writers.get_mut(usize::from(channel / 2));
                    if let Some(slot) = slot {
                        let failed = match slot {
                            Some(writer) => writer.write_all(data).await.is_err() || writer.flush().await.is_err(),
                            None => false,
                        };
                        if failed {
                            *slot = None;
                        }
                    }
                }
                _ => {}
            }
        }
    };
    let outward = async {
        while let Some(message) = queue.recv().await {
            if sink.send(message).await.is_err() {
                break;
            }
        }
        close(&mut sink).await;
    };
    let reading = futures::future::join_all(readers);
    // It ends when all connections have been read to their end, or when the client leaves.
    tokio::select! {
        biased;
        ((), _) = futures::future::join(outward, reading) => {}
        () = inward => {}
    }
}

/// Reads a connection to its end into messages of a channel.
async fn pump(mut read: ReadHalf<Stream>, channel: u8, to_client: mpsc::Sender<Message>) {
    let mut buffer = vec![0; CHUNK];
    loop {
        match read.read(&mut buffer).await {
            Ok(0) | Err(_) => return,
            Ok(count) => {
                if to_client.send(frame(channel, &buffer[..count])).await.is_err() {
                    return;
                }
            }
        }
    }
}
