//! Forwarded ports. For each connection the client opens two streams with one `requestid`: `error`, then `data`.
//!
//! Source: `k8s.io/kubelet/pkg/cri/streaming/portforward`.

use std::collections::HashMap;
use std::sync::Arc;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;

use super::connection::{self, CHUNK, Stream};
use crate::runtime::{ByteStream, ContainerRuntime};

/// What the client says that the streams mean.
pub(crate) const PROTOCOL: &str = "portforward.k8s.io";
/// The same within a WebSocket.
pub(crate) const TUNNELED: &str = "SPDY/3.1+portforward.k8s.io";
/// How many connections may wait for their second stream.
const HALVES_MAX: usize = 64;
/// How many connections into the pod may be open. Streams are counted by the client's halves, which it may close at once.
const CONNECTIONS_MAX: usize = 128;

/// Forwards connections into a sandbox until the client leaves.
pub(crate) async fn serve(
    reader: impl AsyncRead + Unpin,
    writer: impl AsyncWrite + Unpin,
    runtime: Arc<dyn ContainerRuntime>,
    sandbox: String,
) {
    connection::run(reader, writer, |streams| forward_all(streams, runtime, sandbox)).await;
}

pub(super) async fn forward_all(
    mut streams: mpsc::Receiver<Stream>,
    runtime: Arc<dyn ContainerRuntime>,
    sandbox: String,
) {
    let mut halves: HashMap<String, Stream> = HashMap::new();
    let mut connections = FuturesUnordered::new();
    loop {
        let stream = tokio::select! {
            stream = streams.recv() => stream,
            Some(()) = connections.next() => continue,
        };
        let Some(stream) = stream else { break };
        let request = stream.headers.get("requestid").to_owned();
        match stream.headers.get("streamtype") {
            "error" if halves.len() < HALVES_MAX => {
                halves.insert(request, stream);
            }
            "data" => match halves.remove(&request) {
                Some(error) if connections.len() >= CONNECTIONS_MAX => {
                    error.send(format!("more than {CONNECTIONS_MAX} connections at a time").as_bytes()).await;
                    error.finish().await;
                    stream.finish().await;
                }
                Some(error) => connections.push(forward(error, stream, Arc::clone(&runtime), &sandbox)),
                None => stream.finish().await,
            },
            _ => stream.finish().await,
        }
    }
    // The client has left: what is open has nobody to talk to.
}

async fn forward(error: Stream, data: Stream, runtime: Arc<dyn ContainerRuntime>, sandbox: &str) {
    let port = data.headers.get("port").to_owned();
    let connected = match port.parse::<u16>().ok().filter(|port| *port > 0) {
        Some(port) => runtime.port_forward(sandbox, port).await.map_err(|error| error.to_string()),
        None => Err(format!("{port:?} is not a port")),
    };
    match connected {
        Ok(connection) => copy(data, connection).await,
        Err(problem) => {
            error.send(format!("error forwarding port {port}: {problem}").as_bytes()).await;
            data.finish().await;
        }
    }
    error.finish().await;
}

/// Carries bytes both ways until the pod has said all that it had to say, or the client has left.
async fn copy(mut data: Stream, connection: Box<dyn ByteStream>) {
    let (mut read, mut write) = tokio::io::split(connection);
    let (_, closed) = mpsc::channel(1);
    let mut input = std::mem::replace(&mut data.input, closed);
    let inward = async {
        while let Some(bytes) = input.recv().await {
            if write.write_all(&bytes).await.is_err() || write.flush().await.is_err() {
                return;
            }
        }
        let _ = write.shutdown().await;
    };
    let outward = async {
        let mut buffer = vec![0; CHUNK];
        while let Ok(count @ 1..) = read.read(&mut buffer).await {
            if !data.send(&buffer[..count]).await {
                break;
            }
        }
        data.finish().await;
    };
    tokio::select! {
        biased;
        () = outward => {}
        () = async { inward.await; std::future::pending::<()>().await } => {}
    }
}
