//! `pods/log`

use super::agent::Agent;
use super::target::{Target, is_true};
use super::{container, get, pipe};
use crate::body;
use crate::request::{Query, Request, Response};
use crate::response;
use crate::server::Server;
use http::StatusCode;
use jiff::Timestamp;
use kubekit_core::field::{Error, ErrorList, Path};
use kubekit_core::status::ApiError;
use serde_json::json;

/// Streams the log of a container.
pub(super) async fn serve(server: &Server, request: &Request) -> Result<Response, ApiError> {
    let info = &request.info;
    let options = Options::read(&request.query, &info.name)?;
    let pod = get(server, "pods", &info.namespace, &info.name).await?;
    let container = container::of(&pod, request.query.get("container"))?;
    if pod["spec"]["nodeName"].as_str().unwrap_or_default().is_empty() {
        // A pod without a node has no log yet, which is no error.
        return Ok(response::bytes(StatusCode::NO_CONTENT, "text/plain", ""));
    }
    let agent = Agent::of_pod(server, &pod).await?;
    let target = options.target(&info.namespace, &info.name, &container);
    let asked = http::Request::get(target).body(body::full("")).map_err(ApiError::internal)?;
    let answer = agent.send(server, asked).await?;
    pipe::pass_on(answer, "pods", &info.name).await
}

/// `PodLogOptions`
#[derive(Debug, Default)]
struct Options {
    follow: bool,
    previous: bool,
    timestamps: bool,
    since_seconds: Option<i64>,
    since_time: Option<Timestamp>,
    tail_lines: Option<i64>,
    limit_bytes: Option<i64>,
    stream: Option<String>,
}

impl Options {
    fn read(query: &Query, pod: &str) -> Result<Self, ApiError> {
        let since_time = query.non_empty("sinceTime").map(|text| {
            text.parse::<Timestamp>().map_err(|_| {
                ApiError::bad_request(format!("parsing time {text:?} as \"2006-01-02T15:04:05Z07:00\": cannot parse"))
            })
        });
        let options = Self {
            follow: is_true(query, "follow"),
            previous: is_true(query, "previous"),
            timestamps: is_true(query, "timestamps"),
            since_seconds: query.integer("sinceSeconds")?,
            since_time: since_time.transpose()?,
            tail_lines: query.integer("tailLines")?,
            limit_bytes: query.integer("limitBytes")?,
            stream: query.non_empty("stream").map(str::to_owned),
        };
        let errors = options.validate();
        if errors.is_empty() { Ok(options) } else { Err(ApiError::invalid("", "PodLogOptions", pod, &errors)) }
    }

    /// Source: `ValidatePodLogOptions`.
    fn validate(&self) -> ErrorList {
        let mut errors = ErrorList::new();
        let mut positive = |name: &str, value: Option<i64>, least: i64, text: &str| {
            if let Some(value) = value.filter(|value| *value < least) {
                errors.push(Error::invalid(&Path::new(name), &json!(value), text));
            }
        };
        positive("tailLines", self.tail_lines, 0, "must be greater than or equal to 0");
        positive("limitBytes", self.limit_bytes, 1, "must be greater than 0");
        positive("sinceSeconds", self.since_seconds, 1, "must be greater than 0");
        if self.since_seconds.is_some() && self.since_time.is_some() {
            let text = "at most one of `sinceTime` or `sinceSeconds` may be specified";
            errors.push(Error::forbidden(&Path::new(""), text));
        }
        if let Some(stream) = &self.stream {
            if !["All", "Stdout", "Stderr"].contains(&stream.as_str()) {
                errors.push(Error::not_supported(&Path::new("stream"), &json!(stream), &["All", "Stdout", "Stderr"]));
            } else if stream != "All" && self.tail_lines.is_some() {
                let text = "`tailLines` and specific `stream` are mutually exclusive for now";
                errors.push(Error::forbidden(&Path::new(""), text));
            }
        }
        errors
    }

    fn target(&self, namespace: &str, pod: &str, container: &str) -> String {
        let mut target = Target::new(&["containerLogs", namespace, pod, container]);
        for (name, is) in [("follow", self.follow), ("previous", self.previous), ("timestamps", self.timestamps)] {
            if is {
                target.add(name, "true");
            }
        }
        for (name, value) in
            [("sinceSeconds", self.since_seconds), ("tailLines", self.tail_lines), ("limitBytes", self.limit_bytes)]
        {
            if let Some(value) = value {
                target.add(name, &value.to_string());
            }
        }
        if let Some(time) = self.since_time {
            target.add("sinceTime", &time.to_string());
        }
        if let Some(stream) = self.stream.as_deref().filter(|stream| *stream != "All") {
            target.add("stream", stream);
        }
        target.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The agent's target, or the error's code and text.
    #[track_caller]
    fn check(query: &str, expected: &str) {
        let found = match Options::read(&Query::parse(query), "p") {
            Ok(options) => options.target("ns", "p", "c"),
            Err(error) => format!("{} {}", error.code(), error.message),
        };
        assert_eq!(found, expected, "{query}");
    }

    #[test]
    fn options_are_passed_on() {
        check("", "/containerLogs/ns/p/c");
        check("follow=true&timestamps=1&previous=false", "/containerLogs/ns/p/c?follow=true&timestamps=true");
        check(
            "tailLines=0&limitBytes=10&sinceSeconds=5",
            "/containerLogs/ns/p/c?sinceSeconds=5&tailLines=0&limitBytes=10",
        );
        check("sinceTime=2026-01-01T00%3A00%3A00Z", "/containerLogs/ns/p/c?sinceTime=2026-01-01T00%3A00%3A00Z");
    }

    #[test]
    fn options_are_checked() {
        check(
            "tailLines=-1",
            "422 PodLogOptions \"p\" is invalid: tailLines: Invalid value: -1: must be greater than or equal to 0",
        );
        check(
            "limitBytes=0",
            "422 PodLogOptions \"p\" is invalid: limitBytes: Invalid value: 0: must be greater than 0",
        );
        check(
            "sinceSeconds=0",
            "422 PodLogOptions \"p\" is invalid: sinceSeconds: Invalid value: 0: must be greater than 0",
        );
        check("tailLines=x", "400 strconv.ParseInt: parsing \"x\": invalid syntax");
        check(
            "sinceSeconds=1&sinceTime=2026-01-01T00:00:00Z",
            "422 PodLogOptions \"p\" is invalid: <nil>: Forbidden: at most one of `sinceTime` or `sinceSeconds` may be specified",
        );
    }
}
