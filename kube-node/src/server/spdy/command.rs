//! Commands: the streams `error`, `stdin`, `stdout`, `stderr` and, with a terminal, `resize`.
//!
//! Source: `k8s.io/kubelet/pkg/cri/streaming/remotecommand`, protocol `v4.channel.k8s.io`.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;

use super::connection::{self, Stream};
use crate::runtime::stream::{Input, Output};
use crate::runtime::{Error, Session, StreamOptions};
use crate::server::remote::{resize, status};

/// What the client says that the streams mean.
pub(crate) const PROTOCOL: &str = "v4.channel.k8s.io";
/// How long the client may take to open its streams.
const STREAMS_WITHIN: Duration = Duration::from_secs(30);

/// Carries a conversation with a process, which begins when the client has opened the streams that it asked for.
pub(crate) async fn serve<F>(
    reader: impl AsyncRead + Unpin,
    writer: impl AsyncWrite + Unpin,
    wanted: StreamOptions,
    start: impl FnOnce() -> F,
) where
    F: Future<Output = Result<Session, Error>>,
{
    connection::run(reader, writer, |mut accepted| async move {
        let Ok(Some(streams)) = tokio::time::timeout(STREAMS_WITHIN, collect(&mut accepted, wanted)).await else {
            tracing::debug!("a client did not open its streams");
            return;
        };
        talk(streams, start().await).await;
    })
    .await;
}

#[derive(Default)]
struct Streams {
    error: Option<Stream>,
    stdin: Option<Stream>,
    stdout: Option<Stream>,
    stderr: Option<Stream>,
    resize: Option<Stream>,
}

/// Waits for the streams; none where the client has left before.
async fn collect(accepted: &mut mpsc::Receiver<Stream>, wanted: StreamOptions) -> Option<Streams> {
    let mut streams = Streams::default();
    loop {
        let complete = streams.error.is_some()
            && streams.stdin.is_some() >= wanted.stdin
            && streams.stdout.is_some() >= wanted.stdout
            && streams.stderr.is_some() >= wanted.stderr
            && streams.resize.is_some() >= wanted.tty;
        if complete {
            return Some(streams);
        }
        let stream = accepted.recv().await?;
        let slot = match stream.headers.get("streamtype") {
            "error" => &mut streams.error,
            "stdin" => &mut streams.stdin,
            "stdout" => &mut streams.stdout,
            "stderr" => &mut streams.stderr,
            "resize" => &mut streams.resize,
            _ => continue,
        };
        *slot = Some(stream);
    }
}

async fn talk(mut streams: Streams, session: Result<Session, Error>) {
    let (stdin, sizes) = (take_input(&mut streams.stdin), take_input(&mut streams.resize));
    match session {
        Ok(Session { input, mut output }) => {
            let inward = futures::future::join(feed(stdin, &input), size(sizes, &input));
            let outward = async {
                while let Some(message) = output.recv().await {
                    let (stream, data) = match message {
                        Output::Stdout(data) => (&streams.stdout, data),
                        Output::Stderr(data) => (&streams.stderr, data),
                        Output::Exit(result) => (&streams.error, status(result).to_string().into()),
                    };
                    if let Some(stream) = stream
                        && !stream.send(&data).await
                    {
                        return;
                    }
                }
            };
            // Side by side, so that a process that does not read cannot hold back its own output.
            tokio::select! {
                biased;
                () = outward => {}
                () = async { inward.await; std::future::pending::<()>().await } => {}
            }
        }
        Err(error) => {
            if let Some(stream) = &streams.error {
                stream.send(status(Err(error)).to_string().as_bytes()).await;
            }
        }
    }
    for stream in
        [&streams.stdin, &streams.stdout, &streams.stderr, &streams.resize, &streams.error].into_iter().flatten()
    {
        stream.finish().await;
    }
}

/// What a client sends on a stream; nothing where it is not there.
fn take_input(stream: &mut Option<Stream>) -> Option<mpsc::Receiver<bytes::Bytes>> {
    let (_, closed) = mpsc::channel(1);
    stream.as_mut().map(|stream| std::mem::replace(&mut stream.input, closed))
}

async fn feed(stdin: Option<mpsc::Receiver<bytes::Bytes>>, input: &mpsc::Sender<Input>) {
    let Some(mut stdin) = stdin else { return };
    while let Some(bytes) = stdin.recv().await {
        if input.send(Input::Stdin(bytes)).await.is_err() {
            return;
        }
    }
    let _ = input.send(Input::StdinClosed).await;
}

async fn size(sizes: Option<mpsc::Receiver<bytes::Bytes>>, input: &mpsc::Sender<Input>) {
    let Some(mut sizes) = sizes else { return };
    while let Some(bytes) = sizes.recv().await {
        // Sizes are small objects, one in a line, and each comes in a frame of its own.
        for line in bytes.split(|byte| *byte == b'\n') {
            if let Some(message) = resize(line)
                && input.send(message).await.is_err()
            {
                return;
            }
        }
    }
}
