//! Byte streams between a client and a container: exec, attach, port-forward, logs.

use bytes::Bytes;
use futures::stream::BoxStream;
use jiff::Timestamp;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;

use super::error::{Error, Result};

/// What a client sends to a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// Bytes for standard input.
    Stdin(Bytes),
    /// Standard input has ended.
    StdinClosed,
    /// The terminal has a new size, in characters.
    Resize {
        /// Columns.
        width: u16,
        /// Rows.
        height: u16,
    },
}

/// What a process sends to its client.
#[derive(Debug)]
pub enum Output {
    /// Bytes from standard output.
    Stdout(Bytes),
    /// Bytes from standard error.
    Stderr(Bytes),
    /// The last message: the exit code, or why there is none.
    Exit(Result<i32, Error>),
}

/// A process with which a client talks. Dropping it ends the conversation, not necessarily the process.
#[derive(Debug)]
pub struct Session {
    /// Towards the process; bounded, so a slow process slows its client. Dropping it closes standard input.
    pub input: mpsc::Sender<Input>,
    /// From the process; bounded, so a slow client slows the process. The last message is [`Output::Exit`].
    pub output: mpsc::Receiver<Output>,
}

/// Which streams of a process a client wants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StreamOptions {
    /// Standard input.
    pub stdin: bool,
    /// Standard output.
    pub stdout: bool,
    /// Standard error; never with a terminal.
    pub stderr: bool,
    /// Whether the process has a terminal.
    pub tty: bool,
}

/// What a command that was waited for has left.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExecOutput {
    /// Standard output.
    pub stdout: Bytes,
    /// Standard error.
    pub stderr: Bytes,
    /// Exit code.
    pub exit_code: i32,
}

/// A connection into a pod.
pub trait ByteStream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> ByteStream for T {}

/// Which standard stream a line of log came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogSource {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// A line of log, or a part of a long one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogEntry {
    /// When it was written.
    pub time: Timestamp,
    /// From which stream.
    pub source: LogSource,
    /// The text, with its line feed unless it is only a part of a line.
    pub text: Bytes,
}

/// Which part of a log is wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogOptions {
    /// Whether to go on until the container ends.
    pub follow: bool,
    /// Only what was written at or after this time.
    pub since: Option<Timestamp>,
    /// Only so many lines from the end (of both streams together).
    pub tail_lines: Option<u64>,
}

/// A log being read. The stream ends at the end of the log, or with the container when following.
pub type LogStream = BoxStream<'static, Result<LogEntry>>;
