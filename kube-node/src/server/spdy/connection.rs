//! One connection: frames in, streams out.

use bytes::Bytes;
use std::collections::HashMap;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;

use super::frame::{self, CONTROL_BYTES_MAX, HEADER, Head, Kind};
use super::headers::{self, Headers};

/// The most bytes of a stream that are handed on at once.
pub(super) const CHUNK: usize = 32 * 1_024;
/// How many chunks of a stream, frames of the connection, and new streams wait each.
const QUEUE: usize = 16;
/// How many streams may be open.
const STREAMS_MAX: usize = 256;

/// A stream that the client has opened.
#[derive(Debug)]
pub(super) struct Stream {
    id: u32,
    /// What the client said of it.
    pub(super) headers: Headers,
    /// What the client sends, until it has no more to say or the connection has ended.
    pub(super) input: mpsc::Receiver<Bytes>,
    output: mpsc::Sender<Bytes>,
}

impl Stream {
    /// Sends bytes; false where the connection has ended.
    pub(super) async fn send(&self, bytes: &[u8]) -> bool {
        for chunk in bytes.chunks(CHUNK) {
            if self.output.send(frame::data(self.id, chunk, false)).await.is_err() {
                return false;
            }
        }
        true
    }

    /// Says that no more will be sent.
    pub(super) async fn finish(&self) {
        let _ = self.output.send(frame::data(self.id, b"", true)).await;
    }
}

/// Reads and writes a connection, and hands new streams to `serve`, until the client has left or `serve` has ended.
pub(super) async fn run<R, W, F>(reader: R, writer: W, serve: impl FnOnce(mpsc::Receiver<Stream>) -> F)
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
    F: Future<Output = ()>,
{
    let (output, frames) = mpsc::channel(QUEUE);
    let (accepted, streams) = mpsc::channel(QUEUE);
    let incoming = Incoming {
        reader,
        headers: headers::Reader::new(),
        answers: headers::Writer::default(),
        open: HashMap::new(),
        accepted,
        output: output.clone(),
    };
    let serving = async move {
        tokio::select! {
            biased;
            () = serve(streams) => {}
            ended = incoming.read() => {
                if let Err(error) = ended {
                    tracing::debug!(%error, "a SPDY connection has ended");
                }
            }
        }
        let _ = output.send(frame::go_away(0)).await;
        // With the last sender the writer ends.
    };
    tokio::join!(serving, write(writer, frames));
}

/// Writes frames until there will be no more.
async fn write(mut writer: impl AsyncWrite + Unpin, mut frames: mpsc::Receiver<Bytes>) {
    while let Some(frame) = frames.recv().await {
        if writer.write_all(&frame).await.is_err() || (frames.is_empty() && writer.flush().await.is_err()) {
            return;
        }
    }
    let _ = writer.shutdown().await;
}

struct Incoming<R> {
    reader: R,
    headers: headers::Reader,
    answers: headers::Writer,
    open: HashMap<u32, mpsc::Sender<Bytes>>,
    accepted: mpsc::Sender<Stream>,
    output: mpsc::Sender<Bytes>,
}

impl<R: AsyncRead + Unpin> Incoming<R> {
    async fn read(mut self) -> std::io::Result<()> {
        let malformed = |what: &str| std::io::Error::new(std::io::ErrorKind::InvalidData, what.to_owned());
        let mut header = [0; HEADER];
        loop {
            self.reader.read_exact(&mut header).await?;
            match Head::parse(header).ok_or_else(|| malformed("it is no SPDY/3.1"))? {
                Head::Data { stream, fin, length } => self.data(stream, fin, length).await?,
                Head::Control { length, .. } if length > CONTROL_BYTES_MAX => {
                    return Err(malformed("a control frame is too long"));
                }
                Head::Control { kind, fin, length } => {
                    let mut payload = vec![0; length];
                    self.reader.read_exact(&mut payload).await?;
                    let known = self.control(kind, fin, &payload).await;
                    known.ok_or_else(|| malformed("a control frame is malformed"))?;
                }
            }
        }
    }

    /// Hands bytes to their stream, part by part; those of a stream that nobody listens to are dropped.
    async fn data(&mut self, stream: u32, fin: bool, mut length: usize) -> std::io::Result<()> {
        while length > 0 {
            let mut chunk = vec![0; length.min(CHUNK)];
            self.reader.read_exact(&mut chunk).await?;
            length -= chunk.len();
            if let Some(input) = self.open.get(&stream)
                && input.send(chunk.into()).await.is_err()
            {
                self.open.remove(&stream);
            }
        }
        if fin {
            self.open.remove(&stream);
        }
        Ok(())
    }

    /// None where it is malformed.
    async fn control(&mut self, kind: Kind, fin: bool, payload: &[u8]) -> Option<()> {
        match kind {
            Kind::SynStream => {
                let id = frame::number(payload)?;
                let headers = self.headers.read(payload.get(frame::SYN_STREAM_HEADERS..)?).ok()?;
                self.open(id, headers, fin).await;
            }
            Kind::Headers => {
                self.headers.read(payload.get(frame::OTHER_HEADERS..)?).ok()?;
            }
            Kind::RstStream => {
                self.open.remove(&frame::number(payload)?);
            }
            Kind::Ping => {
                let _ = self.output.send(frame::ping(frame::number(payload)?)).await;
            }
            Kind::Other => {}
        }
        Some(())
    }

    async fn open(&mut self, id: u32, headers: Headers, fin: bool) {
        // Streams whose end nobody told, because nobody listens.
        self.open.retain(|_, input| !input.is_closed());
        if self.open.len() >= STREAMS_MAX || self.open.contains_key(&id) {
            let _ = self.output.send(frame::refuse(id)).await;
            return;
        }
        let (sender, input) = mpsc::channel(QUEUE);
        let _ = self.output.send(frame::syn_reply(id, &self.answers.empty())).await;
        if !fin {
            self.open.insert(id, sender);
        }
        let _ = self.accepted.send(Stream { id, headers, input, output: self.output.clone() }).await;
    }
}
