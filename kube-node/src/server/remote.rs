//! Commands in a container: exec and attach. In a WebSocket the channels 0 to 4 are standard input, output, error, the final `Status`, and the
//! terminal's size.

use bytes::Bytes;
use futures::{SinkExt, StreamExt};
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use super::route::ExecQuery;
use super::spdy::{self, command};
use super::websocket::{CHANNELS, CLOSE, Socket, close, frame, upgrade};
use super::{Body, Conversations, Refusal};
use crate::agent::shared::{PodEntry, Shared};
use crate::pod::members::{self, spec_of};
use crate::runtime::stream::{Input, Output};
use crate::runtime::{ContainerState, Error, Filter, Session, StreamOptions};

/// The running container of a name.
async fn running(shared: &Shared, entry: &PodEntry, container: &str) -> Result<String, Refusal> {
    let uid = entry.updates.borrow().pod.metadata.uid.clone().unwrap_or_default();
    let containers = shared.runtime.list_containers(&Filter::pod(&uid)).await.map_err(broken)?;
    containers
        .into_iter()
        .find(|found| found.name == container && found.state == ContainerState::Running)
        .map(|found| found.id)
        .ok_or_else(|| Refusal(StatusCode::NOT_FOUND, format!("container not found ({container:?})")))
}

fn broken(error: Error) -> Refusal {
    Refusal(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
}

/// Runs a command.
pub(super) async fn exec(
    shared: &Shared,
    entry: &PodEntry,
    container: &str,
    query: ExecQuery,
    request: Request<Incoming>,
    tasks: &Conversations,
) -> Result<Response<Body>, Refusal> {
    let id = running(shared, entry, container).await?;
    let runtime = std::sync::Arc::clone(&shared.runtime);
    let streams = query.streams;
    converse(request, tasks, streams, move || async move { runtime.exec(&id, &query.command, streams).await })
}

/// Talks with the first process.
pub(super) async fn attach(
    shared: &Shared,
    entry: &PodEntry,
    container: &str,
    query: ExecQuery,
    request: Request<Incoming>,
    tasks: &Conversations,
) -> Result<Response<Body>, Refusal> {
    let id = running(shared, entry, container).await?;
    let mut streams = query.streams;
    // Whether there is a terminal was settled when the container was made.
    let pod = std::sync::Arc::clone(&entry.updates.borrow().pod);
    streams.tty = members::find(spec_of(&pod), container).is_some_and(|member| member.spec.tty == Some(true));
    streams.stderr &= !streams.tty;
    let runtime = std::sync::Arc::clone(&shared.runtime);
    converse(request, tasks, query.streams, move || async move { runtime.attach(&id, streams).await })
}

/// Starts a conversation by the protocol that the client speaks, which opens the streams `wanted`.
fn converse<F>(
    request: Request<Incoming>,
    tasks: &Conversations,
    wanted: StreamOptions,
    start: impl FnOnce() -> F + Send + 'static,
) -> Result<Response<Body>, Refusal>
where
    F: Future<Output = Result<Session, Error>> + Send + 'static,
{
    if spdy::is_wanted(request.headers()) {
        return spdy::upgrade(request, command::PROTOCOL, tasks, move |connection| async move {
            let (reader, writer) = tokio::io::split(connection);
            command::serve(reader, writer, wanted, start).await;
        });
    }
    upgrade(request, tasks, CHANNELS, move |socket, _| async move { talk(socket, start().await).await })
}

/// Carries a conversation until the process has ended or the client has left.
async fn talk(socket: Socket, session: Result<Session, Error>) {
    let (mut sink, mut stream) = socket.split();
    let Session { input, mut output } = match session {
        Ok(session) => session,
        Err(error) => {
            let _ = sink.send(frame(3, status(Err(error)).to_string().as_bytes())).await;
            close(&mut sink).await;
            return;
        }
    };
    let inward = async {
        while let Some(Ok(message)) = stream.next().await {
            let data = match message {
                Message::Binary(data) => data,
                Message::Close(_) => break,
                _ => continue,
            };
            let Some(message) = parse(&data) else { continue };
            if input.send(message).await.is_err() {
                // The process does not listen any more; its last words are still to come.
                std::future::pending::<()>().await;
            }
        }
    };
    let outward = async {
        while let Some(message) = output.recv().await {
            let (message, last) = match message {
                Output::Stdout(data) => (frame(1, &data), false),
                Output::Stderr(data) => (frame(2, &data), false),
                Output::Exit(result) => (frame(3, status(result).to_string().as_bytes()), true),
            };
            if sink.send(message).await.is_err() || last {
                break;
            }
        }
        close(&mut sink).await;
    };
    // Side by side, so that a process that does not read cannot hold back its own output.
    tokio::select! {
        biased;
        () = outward => {}
        () = inward => {}
    }
}

/// What a client's message means.
fn parse(data: &Bytes) -> Option<Input> {
    let channel = *data.first()?;
    match channel {
        0 => (data.len() > 1).then(|| Input::Stdin(data.slice(1..))),
        4 => resize(&data[1..]),
        CLOSE => (data.get(1) == Some(&0)).then_some(Input::StdinClosed),
        _ => None,
    }
}

/// The new size of a terminal: `{"Width":80,"Height":24}`.
pub(super) fn resize(data: &[u8]) -> Option<Input> {
    let size: Value = serde_json::from_slice(data).ok()?;
    let part = |name: &str| size[name].as_u64().and_then(|value| u16::try_from(value).ok());
    Some(Input::Resize { width: part("Width")?, height: part("Height")? })
}

/// The last word about a command, as `Status`.
pub(super) fn status(result: Result<i32, Error>) -> Value {
    match result {
        Ok(0) => json!({"metadata": {}, "status": "Success"}),
        Ok(code) => json!({
            "metadata": {},
            "status": "Failure",
            "message": format!("command terminated with non-zero exit code: exit status {code}"),
            "reason": "NonZeroExitCode",
            "details": {"causes": [{"reason": "ExitCode", "message": code.to_string()}]},
        }),
        Err(error) => json!({
            "metadata": {},
            "status": "Failure",
            "message": format!("error executing command in container: {error}"),
            "reason": "InternalError",
            "code": 500,
        }),
    }
}

#[cfg(test)]
mod tests {
    //! Messages in, meanings out.

    use super::*;

    #[track_caller]
    fn check(data: &[u8], expected: Option<Input>) {
        assert_eq!(parse(&Bytes::copy_from_slice(data)), expected);
    }

    #[test]
    fn messages() {
        check(b"\x00ls\n", Some(Input::Stdin("ls\n".into())));
        check(b"\x00", None);
        check(b"\x04{\"Width\":80,\"Height\":24}", Some(Input::Resize { width: 80, height: 24 }));
        check(b"\x04{\"Width\":-1}", None);
        check(&[255, 0], Some(Input::StdinClosed));
        check(&[255, 1], None);
        check(b"", None);
    }

    #[test]
    fn statuses() {
        assert_eq!(status(Ok(0))["status"], "Success");
        assert_eq!(status(Ok(7))["details"]["causes"][0]["message"], "7");
        assert_eq!(status(Err(Error::failed("exec", "no")))["reason"], "InternalError");
    }
}
