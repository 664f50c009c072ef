//! Which request is meant by a path and its query. Pure.

use http::{StatusCode, Uri};
use jiff::Timestamp;
use kubekit_runtime::ObjectKey;

use super::Refusal;
use crate::runtime::StreamOptions;
use crate::runtime::stream::LogSource;

/// A container of a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) pod: ObjectKey,
    pub(super) container: String,
}

/// Which part of a log, in which form.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct LogQuery {
    pub(super) follow: bool,
    pub(super) previous: bool,
    pub(super) timestamps: bool,
    pub(super) since_seconds: Option<u64>,
    pub(super) since: Option<Timestamp>,
    pub(super) tail_lines: Option<u64>,
    pub(super) limit_bytes: Option<u64>,
    pub(super) source: Option<LogSource>,
}

/// What to run, and which streams.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ExecQuery {
    pub(super) command: Vec<String>,
    pub(super) streams: StreamOptions,
}

/// A request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Route {
    Healthz,
    Pods,
    Stats,
    Logs(Target, LogQuery),
    Exec(Target, ExecQuery),
    Attach(Target, ExecQuery),
    PortForward(ObjectKey, Vec<u16>),
}

/// The route of a request.
pub(super) fn parse(uri: &Uri) -> Result<Route, Refusal> {
    let segments: Vec<String> =
        uri.path().split('/').filter(|part| !part.is_empty()).map(|part| decode(part, false)).collect();
    let query: Vec<(String, String)> = uri
        .query()
        .unwrap_or_default()
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(key, true), decode(value, true))
        })
        .collect();
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    // A pod's uid may stand before the container, as in the kubelet's paths.
    match segments.as_slice() {
        ["healthz"] => Ok(Route::Healthz),
        ["pods"] => Ok(Route::Pods),
        ["stats", "summary"] => Ok(Route::Stats),
        ["containerLogs", namespace, pod, container] => {
            Ok(Route::Logs(target(namespace, pod, container), logs(&query)?))
        }
        ["exec", namespace, pod, container] | ["exec", namespace, pod, _, container] => {
            let exec = exec(&query)?;
            if exec.command.is_empty() {
                return Err(bad("you must specify at least 1 command"));
            }
            Ok(Route::Exec(target(namespace, pod, container), exec))
        }
        ["attach", namespace, pod, container] | ["attach", namespace, pod, _, container] => {
            Ok(Route::Attach(target(namespace, pod, container), exec(&query)?))
        }
        ["portForward", namespace, pod] | ["portForward", namespace, pod, _] => {
            Ok(Route::PortForward(ObjectKey::new(*namespace, *pod), ports(&query)?))
        }
        _ => Err(Refusal(StatusCode::NOT_FOUND, "404 page not found".into())),
    }
}

fn target(namespace: &str, pod: &str, container: &str) -> Target {
    Target { pod: ObjectKey::new(namespace, pod), container: container.to_owned() }
}

fn bad(message: impl Into<String>) -> Refusal {
    Refusal(StatusCode::BAD_REQUEST, message.into())
}

fn truth(value: &str) -> bool {
    matches!(value, "1" | "true" | "True" | "TRUE" | "t")
}

fn number(key: &str, value: &str) -> Result<u64, Refusal> {
    value.parse().map_err(|_| bad(format!("invalid value {value:?} of {key}: a number that is not negative is needed")))
}

fn logs(query: &[(String, String)]) -> Result<LogQuery, Refusal> {
    let mut logs = LogQuery::default();
    for (key, value) in query {
        match key.as_str() {
            "follow" => logs.follow = truth(value),
            "previous" => logs.previous = truth(value),
            "timestamps" => logs.timestamps = truth(value),
            "sinceSeconds" => logs.since_seconds = Some(number(key, value)?),
            "sinceTime" => {
                let time = value.parse().map_err(|_| bad(format!("invalid value {value:?} of sinceTime")))?;
                logs.since = Some(time);
            }
            "tailLines" | "tail" if value != "all" => logs.tail_lines = Some(number(key, value)?),
            "limitBytes" => logs.limit_bytes = Some(number(key, value)?),
            "stream" => {
                logs.source = match value.as_str() {
                    "Stdout" => Some(LogSource::Stdout),
                    "Stderr" => Some(LogSource::Stderr),
                    _ => None,
                };
            }
            _ => {}
        }
    }
    Ok(logs)
}

/// The kubelet's own names (`input`, `output`, `error`), and those of the API.
fn exec(query: &[(String, String)]) -> Result<ExecQuery, Refusal> {
    let mut exec = ExecQuery::default();
    for (key, value) in query {
        match key.as_str() {
            "command" => exec.command.push(value.clone()),
            "input" | "stdin" => exec.streams.stdin = truth(value),
            "output" | "stdout" => exec.streams.stdout = truth(value),
            "error" | "stderr" => exec.streams.stderr = truth(value),
            "tty" => exec.streams.tty = truth(value),
            _ => {}
        }
    }
    let streams = exec.streams;
    if !streams.stdin && !streams.stdout && !streams.stderr {
        return Err(bad("you must specify at least 1 of stdin, stdout, stderr"));
    }
    // With a terminal there is one stream of output.
    exec.streams.stderr = streams.stderr && !streams.tty;
    Ok(exec)
}

fn ports(query: &[(String, String)]) -> Result<Vec<u16>, Refusal> {
    const PORTS_MAX: usize = 64;
    let mut ports = Vec::new();
    for (_, value) in query.iter().filter(|(key, _)| key == "port" || key == "ports") {
        for port in value.split(',') {
            let port = port.parse::<u16>().ok().filter(|port| *port > 0);
            ports.push(port.ok_or_else(|| bad(format!("{value:?} is not a port")))?);
        }
    }
    if ports.len() > PORTS_MAX {
        return Err(bad(format!("more than {PORTS_MAX} ports")));
    }
    Ok(ports)
}

/// Undoes percent-encoding.
fn decode(text: &str, plus: bool) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut position = 0;
    while position < bytes.len() {
        let hex = |at: usize| bytes.get(at).and_then(|byte| char::from(*byte).to_digit(16));
        match (bytes[position], hex(position + 1), hex(position + 2)) {
            (b'%', Some(high), Some(low)) => {
                out.push(u8::try_from(high * 16 + low).unwrap_or(b'?'));
                position += 2;
            }
            (b'+', ..) if plus => out.push(b' '),
            (byte, ..) => out.push(byte),
        }
        position += 1;
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    //! Addresses in, routes out.

    use super::*;

    #[track_caller]
    fn check(uri: &str, expected: Result<Route, StatusCode>) {
        let route = parse(&uri.parse().expect("an address")).map_err(|Refusal(status, _)| status);
        assert_eq!(route, expected);
    }

    #[test]
    fn routes() {
        let a = || target("ns", "p", "a");
        check("/healthz", Ok(Route::Healthz));
        check("/nothing", Err(StatusCode::NOT_FOUND));
        check("/containerLogs/ns/p/a", Ok(Route::Logs(a(), LogQuery::default())));
        let query = LogQuery { follow: true, timestamps: true, tail_lines: Some(5), ..LogQuery::default() };
        check("/containerLogs/ns/p/a?follow=true&timestamps=1&tailLines=5", Ok(Route::Logs(a(), query)));
        check("/containerLogs/ns/p/a?tailLines=-1", Err(StatusCode::BAD_REQUEST));
        let streams = StreamOptions { stdin: true, stdout: true, stderr: false, tty: true };
        let exec = ExecQuery { command: vec!["sh".into(), "a b/+".into()], streams };
        let uri = "/exec/ns/p/a?command=sh&command=a+b%2F%2B&input=1&output=1&error=1&tty=1";
        check(uri, Ok(Route::Exec(a(), exec)));
        check("/exec/ns/p/a?output=1", Err(StatusCode::BAD_REQUEST));
        check("/exec/ns/p/a?command=x", Err(StatusCode::BAD_REQUEST));
        check(
            "/portForward/ns/p?ports=80,81&port=82",
            Ok(Route::PortForward(ObjectKey::new("ns", "p"), vec![80, 81, 82])),
        );
        check("/portForward/ns/p?port=0", Err(StatusCode::BAD_REQUEST));
        check("/portForward/ns/p", Ok(Route::PortForward(ObjectKey::new("ns", "p"), Vec::new())));
    }
}
