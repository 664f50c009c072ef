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

    /// What a query says of a log.
    #[track_caller]
    fn check_logs(query: &str, expected: Result<LogQuery, StatusCode>) {
        check(
            &format!("/containerLogs/ns/p/a?{query}"),
            expected.map(|query| Route::Logs(target("ns", "p", "a"), query)),
        );
    }

    #[test]
    fn parts_of_logs() {
        let none = LogQuery::default;
        check_logs("sinceSeconds=60", Ok(LogQuery { since_seconds: Some(60), ..none() }));
        let since = "2024-01-02T03:04:05Z".parse().ok();
        check_logs("sinceTime=2024-01-02T03%3A04%3A05Z", Ok(LogQuery { since, ..none() }));
        check_logs("sinceTime=2024-01-02T05:04:05%2B02:00", Ok(LogQuery { since, ..none() }));
        check_logs("limitBytes=7&previous=true", Ok(LogQuery { limit_bytes: Some(7), previous: true, ..none() }));
        check_logs("tailLines=all&follow=false&timestamps=0", Ok(none()));
        check_logs("tail=3", Ok(LogQuery { tail_lines: Some(3), ..none() }));
        for (stream, source) in
            [("Stdout", Some(LogSource::Stdout)), ("Stderr", Some(LogSource::Stderr)), ("All", None)]
        {
            check_logs(&format!("stream={stream}"), Ok(LogQuery { source, ..none() }));
        }
        check_logs("unknown=1&&=x&pretty", Ok(none()));
        for bad in ["sinceSeconds=-1", "sinceTime=yesterday", "limitBytes=many", "tailLines=1.5", "tailLines="] {
            check_logs(bad, Err(StatusCode::BAD_REQUEST));
        }
    }

    #[test]
    fn names_of_streams_are_the_kubelets_or_the_apis() {
        let streams = |stdin, stdout, stderr, tty| StreamOptions { stdin, stdout, stderr, tty };
        for (query, expected) in [
            ("input=1&output=1&error=1", streams(true, true, true, false)),
            ("stdin=true&stdout=true&stderr=true", streams(true, true, true, false)),
            ("stdout=true&stderr=true&tty=true", streams(false, true, false, true)),
            ("stderr=true", streams(false, false, true, false)),
        ] {
            let exec = ExecQuery { command: Vec::new(), streams: expected };
            check(&format!("/attach/ns/p/a?{query}"), Ok(Route::Attach(target("ns", "p", "a"), exec.clone())));
            check(&format!("/attach/ns/p/uid/a?{query}"), Ok(Route::Attach(target("ns", "p", "a"), exec)));
        }
        check("/attach/ns/p/a", Err(StatusCode::BAD_REQUEST));
        check("/attach/ns/p/a?tty=1", Err(StatusCode::BAD_REQUEST));
    }

    #[test]
    fn a_uid_may_stand_before_the_container() {
        let exec = ExecQuery {
            command: vec!["ls".into()],
            streams: StreamOptions { stdout: true, ..StreamOptions::default() },
        };
        check("/exec/ns/p/some-uid/a?command=ls&output=1", Ok(Route::Exec(target("ns", "p", "a"), exec)));
        check("/portForward/ns/p/some-uid", Ok(Route::PortForward(ObjectKey::new("ns", "p"), Vec::new())));
        check("/exec/ns/p/u/a/more?command=ls&output=1", Err(StatusCode::NOT_FOUND));
    }

    #[test]
    fn ports_are_ports() {
        let many = |count: usize| (1..=count).map(|port| port.to_string()).collect::<Vec<_>>().join(",");
        let key = ObjectKey::new("ns", "p");
        let ports = (1..=64).collect();
        check(&format!("/portForward/ns/p?ports={}", many(64)), Ok(Route::PortForward(key, ports)));
        for bad in [many(65), "65536".into(), "-1".into(), "http".into(), "80,".into()] {
            check(&format!("/portForward/ns/p?ports={bad}"), Err(StatusCode::BAD_REQUEST));
        }
    }

    #[track_caller]
    fn check_decoded(text: &str, plus: bool, expected: &str) {
        assert_eq!(decode(text, plus), expected);
    }

    #[test]
    fn escapes_are_undone_once() {
        check_decoded("a%20b%2Fc", false, "a b/c");
        check_decoded("a+b", false, "a+b");
        check_decoded("a+b", true, "a b");
        check_decoded("%2541", true, "%41");
        check_decoded("100%", true, "100%");
        check_decoded("%zz%4", true, "%zz%4");
        check_decoded("%C3%BC%ff", true, "ü\u{fffd}");
    }
}
