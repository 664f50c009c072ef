//! Paths of the agent's server, with their queries.

use super::container;
use crate::query;
use crate::request::{Query, Request};
use kubekit_core::status::ApiError;
use serde_json::Value;
use std::fmt::Write;

/// A path and a query in the making.
pub(super) struct Target(String, bool);

impl Target {
    pub(super) fn new(segments: &[&str]) -> Self {
        let mut path = String::new();
        for segment in segments {
            path.push('/');
            encode(segment, &mut path);
        }
        Self(path, false)
    }

    pub(super) fn add(&mut self, name: &str, value: &str) {
        self.0.push(if self.1 { '&' } else { '?' });
        self.1 = true;
        self.0.push_str(name);
        self.0.push('=');
        encode(value, &mut self.0);
    }

    pub(super) fn finish(self) -> String {
        self.0
    }
}

fn encode(text: &str, out: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
}

/// A boolean option; unlike `?watch`, an empty value is false here only when it is not there at all.
pub(super) fn is_true(query: &Query, name: &str) -> bool {
    query.get(name).is_some_and(query::is_true)
}

/// The target of `nodes/proxy`: the rest of the path, which has been decoded, and the query as it was sent.
pub(super) fn of_proxy(tail: &str, query: Option<&str>) -> String {
    let segments: Vec<&str> = tail.split('/').collect();
    let mut target = Target::new(&segments).finish();
    if let Some(query) = query {
        target.push('?');
        target.push_str(query);
    }
    target
}

/// The target of `exec`, `attach` or `portforward`.
///
/// # Errors
/// 400 where the container, the command, the streams or the ports are not well chosen.
pub(super) fn of(request: &Request, pod: &Value) -> Result<String, ApiError> {
    let (info, query) = (&request.info, &request.query);
    if info.subresource == "portforward" {
        let mut target = Target::new(&["portForward", &info.namespace, &info.name]);
        let ports: Vec<&str> = query.all("ports").flat_map(|ports| ports.split(',')).collect();
        for port in &ports {
            if port.parse::<u16>().is_ok_and(|port| port != 0) {
                continue;
            }
            return Err(ApiError::bad_request(format!("invalid port {port:?}: must be between 1 and 65535")));
        }
        if !ports.is_empty() {
            target.add("port", &ports.join(","));
        }
        return Ok(target.finish());
    }
    let container = container::of(pod, query.get("container"))?;
    let mut target = Target::new(&[&info.subresource, &info.namespace, &info.name, &container]);
    let streams = [("stdin", "input"), ("stdout", "output"), ("stderr", "error")];
    let tty = is_true(query, "tty");
    let mut any = false;
    for (asked, passed) in streams {
        // A terminal has one output for both.
        if is_true(query, asked) && !(tty && asked == "stderr") {
            target.add(passed, "1");
            any = true;
        }
    }
    if !any {
        return Err(ApiError::bad_request("you must specify at least 1 of stdin, stdout, stderr"));
    }
    if tty {
        target.add("tty", "1");
    }
    if info.subresource == "exec" {
        let mut command = query.all("command").peekable();
        if command.peek().is_none() {
            return Err(ApiError::bad_request("you must specify a command"));
        }
        command.for_each(|word| target.add("command", word));
    }
    Ok(target.finish())
}
