//! Simulated processes that talk: commands run by exec, attached first processes, forwarded ports.

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::sync::mpsc;

use super::script::{Ending, Script, Step, is_shell};
use crate::runtime::error::Result;
use crate::runtime::stream::{Input, LogSource, Output};

/// How many messages wait between a client and a simulated process.
pub(super) const QUEUE: usize = 64;

/// One command in a container.
#[derive(Debug)]
pub(super) struct Process {
    pub(super) command: Vec<String>,
    pub(super) env: Vec<(String, String)>,
    pub(super) tty: bool,
}

impl Process {
    /// Runs to its end, or until the client is gone; gives the exit code.
    pub(super) async fn run(self, input: &mut mpsc::Receiver<Input>, output: &mpsc::Sender<Output>) -> i32 {
        match self.command.as_slice() {
            [shell, rest @ ..]
                if is_shell(shell) && !rest.iter().any(|arg| arg.starts_with("-") && arg.contains('c')) =>
            {
                self.shell(input, output).await
            }
            command => self.execute(command, input, output).await,
        }
    }

    async fn execute(
        &self,
        command: &[String],
        input: &mut mpsc::Receiver<Input>,
        output: &mpsc::Sender<Output>,
    ) -> i32 {
        let Some(script) = Script::parse(command, &self.env) else {
            let name = command.first().map_or("", String::as_str);
            let text = format!("{name}: not found in this simulated container\n");
            let _ = output.send(Output::Stderr(text.into())).await;
            return 127;
        };
        if let Some(code) = play(&script.steps, input, output).await {
            return code;
        }
        match script.ending {
            Ending::Exit(code) => code,
            Ending::Never => {
                output.closed().await;
                137
            }
            Ending::Loop(body) => loop {
                if let Some(code) = play(&body, input, output).await {
                    return code;
                }
                if output.is_closed() {
                    return 137;
                }
            },
        }
    }

    /// Reads command lines and runs each.
    async fn shell(&self, input: &mut mpsc::Receiver<Input>, output: &mpsc::Sender<Output>) -> i32 {
        let prompt = |output: &mpsc::Sender<Output>| {
            let (tty, output) = (self.tty, output.clone());
            async move { !tty || output.send(Output::Stdout(Bytes::from_static(b"/ # "))).await.is_ok() }
        };
        let mut pending = BytesMut::new();
        let mut code = 0;
        if !prompt(output).await {
            return 137;
        }
        while let Some(message) = input.recv().await {
            match message {
                Input::Resize { .. } => continue,
                Input::StdinClosed => break,
                Input::Stdin(bytes) => {
                    if self.tty {
                        let echo = String::from_utf8_lossy(&bytes).replace('\r', "\r\n");
                        let _ = output.send(Output::Stdout(echo.into_bytes().into())).await;
                        if bytes.contains(&4) {
                            break;
                        }
                    }
                    pending.extend_from_slice(&bytes);
                }
            }
            while let Some(end) = pending.iter().position(|byte| matches!(byte, b'\n' | b'\r')) {
                let line = pending.split_to(end + 1);
                let line = String::from_utf8_lossy(&line).trim().to_owned();
                if let Some(rest) = line.strip_prefix("exit") {
                    return rest.trim().parse().unwrap_or(code);
                }
                if !line.is_empty() {
                    let command = ["sh".to_owned(), "-c".to_owned(), line.clone()];
                    code = match Script::parse(&command, &self.env) {
                        Some(_) => Box::pin(self.execute(&command, input, output)).await,
                        None => Box::pin(self.execute(&[line], input, output)).await,
                    };
                }
                if !prompt(output).await {
                    return 137;
                }
            }
        }
        code
    }
}

/// Plays steps; gives the code of an exit among them.
async fn play(steps: &[Step], input: &mut mpsc::Receiver<Input>, output: &mpsc::Sender<Output>) -> Option<i32> {
    for step in steps {
        match step {
            Step::Print(source, text) => {
                let bytes = Bytes::from(text.clone());
                let message = match source {
                    LogSource::Stdout => Output::Stdout(bytes),
                    LogSource::Stderr => Output::Stderr(bytes),
                };
                if output.send(message).await.is_err() {
                    return Some(137);
                }
            }
            Step::Sleep(time) => {
                tokio::select! {
                    biased;
                    () = output.closed() => return Some(137),
                    () = tokio::time::sleep(*time) => {}
                }
            }
            Step::Exit(code) => return Some(*code),
            Step::Cat => {
                while let Some(message) = input.recv().await {
                    match message {
                        Input::Stdin(bytes) => {
                            if output.send(Output::Stdout(bytes)).await.is_err() {
                                return Some(137);
                            }
                        }
                        Input::StdinClosed => break,
                        Input::Resize { .. } => {}
                    }
                }
            }
        }
    }
    None
}

/// What listens on every port of a simulated pod: it answers an HTTP request with `text`, and echoes anything else.
pub(super) async fn serve_port(mut stream: DuplexStream, text: String) -> Result<(), std::io::Error> {
    let mut seen = BytesMut::with_capacity(1_024);
    loop {
        if stream.read_buf(&mut seen).await? == 0 {
            return stream.shutdown().await;
        }
        let http = seen.starts_with(b"GET ") || seen.starts_with(b"HEAD ");
        if !http {
            stream.write_all(&seen.split()).await?;
        } else if seen.windows(4).any(|window| window == b"\r\n\r\n") || seen.len() > 65_536 {
            let answer = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{text}",
                text.len()
            );
            let body_from = if seen.starts_with(b"HEAD ") { answer.len() - text.len() } else { answer.len() };
            stream.write_all(&answer.as_bytes()[..body_from]).await?;
            return stream.shutdown().await;
        }
    }
}
