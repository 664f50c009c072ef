//! Logs of a container.

use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use http::{Response, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::{ContainerStatus, PodStatus};

use super::route::LogQuery;
use super::{Body, Refusal};
use crate::agent::shared::{PodEntry, Shared};
use crate::runtime::{LogEntry, LogOptions};

/// Which container's log is meant: the identifier of one that runs or has run.
fn container_id(pod: &str, status: &PodStatus, container: &str, previous: bool) -> Result<String, String> {
    let lists = [&status.container_statuses, &status.init_container_statuses, &status.ephemeral_container_statuses];
    let found: Option<&ContainerStatus> = lists.into_iter().flatten().flatten().find(|status| status.name == container);
    let waiting = |reason: &str| format!("container {container:?} in pod {pod:?} is waiting to start: {reason}");
    let Some(found) = found else { return Err(format!("container {container:?} in pod {pod:?} is not available")) };
    let state = found.state.clone().unwrap_or_default();
    let ended = |state: Option<&k8s_openapi::api::core::v1::ContainerState>| {
        state.and_then(|state| state.terminated.as_ref()).and_then(|end| end.container_id.clone())
    };
    let last = ended(found.last_state.as_ref());
    let id = if previous {
        last.ok_or_else(|| format!("previous terminated container {container:?} in pod {pod:?} not found"))?
    } else if state.running.is_some() {
        found.container_id.clone().unwrap_or_default()
    } else if state.terminated.is_some() {
        let terminated = format!("container {container:?} in pod {pod:?} is terminated");
        ended(Some(&state)).or(last).ok_or(terminated)?
    } else if let Some(last) = last {
        last
    } else {
        return Err(match state.waiting.and_then(|waiting| waiting.reason).as_deref() {
            Some("ErrImagePull") => waiting("image can't be pulled"),
            Some("ImagePullBackOff") => waiting("trying and failing to pull image"),
            Some(reason) => waiting(reason),
            None => format!("container {container:?} in pod {pod:?} is waiting to start - no logs yet"),
        });
    };
    Ok(id.split_once("://").map_or(id.clone(), |(_, id)| id.to_owned()))
}

/// Answers with a log.
pub(super) async fn serve(
    shared: &Shared,
    entry: &PodEntry,
    container: &str,
    query: LogQuery,
) -> Result<Response<Body>, Refusal> {
    let status = entry.status.lock().clone();
    let id = container_id(&entry.key.name, &status, container, query.previous)
        .map_err(|problem| Refusal(StatusCode::BAD_REQUEST, problem))?;
    let since = query.since_seconds.map(|seconds| before(shared.now(), seconds));
    let options = LogOptions { follow: query.follow, since: since.or(query.since), tail_lines: query.tail_lines };
    let entries = shared.runtime.logs(&id, &options).await.map_err(|error| {
        let status = if error.is_not_found() { StatusCode::NOT_FOUND } else { StatusCode::INTERNAL_SERVER_ERROR };
        Refusal(status, format!("cannot read the log: {error}"))
    })?;
    let wanted = query.source;
    let entries = entries.filter(move |entry| {
        futures::future::ready(entry.as_ref().map_or(true, |entry| wanted.is_none_or(|wanted| wanted == entry.source)))
    });
    let form = Form { timestamps: query.timestamps, left: query.limit_bytes, within_line: false };
    let frames = entries.scan(form, |form, entry| {
        let frame = match entry {
            Ok(entry) => form.render(&entry).map(|bytes| Ok(Frame::data(bytes))),
            Err(error) => Some(Err(super::BoxError::from(error))),
        };
        futures::future::ready(frame)
    });
    let mut response = Response::new(StreamBody::new(frames).boxed_unsync());
    let plain = http::HeaderValue::from_static("text/plain");
    response.headers_mut().insert(http::header::CONTENT_TYPE, plain);
    Ok(response)
}

/// The time so many seconds ago; the beginning of all time where that is longer ago still.
fn before(now: Timestamp, seconds: u64) -> Timestamp {
    let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
    now.saturating_sub(SignedDuration::from_secs(seconds)).unwrap_or(Timestamp::MIN)
}

/// How entries are shown, and how many bytes still may be.
struct Form {
    timestamps: bool,
    left: Option<u64>,
    within_line: bool,
}

impl Form {
    /// The bytes of an entry; none when the limit is reached.
    fn render(&mut self, entry: &LogEntry) -> Option<Bytes> {
        if self.left == Some(0) {
            return None;
        }
        let mut bytes = if self.timestamps && !self.within_line {
            let mut line = BytesMut::from(format!("{:.9} ", entry.time).as_bytes());
            line.extend_from_slice(&entry.text);
            line.freeze()
        } else {
            entry.text.clone()
        };
        self.within_line = bytes.last() != Some(&b'\n');
        if let Some(left) = &mut self.left {
            let size = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
            bytes.truncate(size);
            *left -= size as u64;
        }
        Some(bytes)
    }
}

#[cfg(test)]
mod tests {
    //! Statuses and entries in, identifiers and bytes out.

    use super::*;
    use crate::runtime::stream::LogSource;

    #[track_caller]
    fn check(state: &str, previous: bool, expected: Result<&str, &str>) {
        let status = format!(
            r#"{{"containerStatuses":[{{"name":"a","image":"","imageID":"","ready":false,"restartCount":0,{state}}}]}}"#
        );
        let status: PodStatus = serde_json::from_str(&status).expect("a status");
        let id = container_id("p", &status, "a", previous);
        assert_eq!(id.as_deref().map_err(String::as_str), expected);
    }

    #[test]
    fn which_container() {
        let running = r#""containerID":"containerd://1","state":{"running":{}},"lastState":{"terminated":{"exitCode":1,"containerID":"containerd://0"}}"#;
        check(running, false, Ok("1"));
        check(running, true, Ok("0"));
        check(r#""state":{"running":{}}"#, true, Err("previous terminated container \"a\" in pod \"p\" not found"));
        check(r#""state":{"terminated":{"exitCode":0,"containerID":"containerd://7"}}"#, false, Ok("7"));
        let creating = "container \"a\" in pod \"p\" is waiting to start: ContainerCreating";
        check(r#""state":{"waiting":{"reason":"ContainerCreating"}}"#, false, Err(creating));
        let image = "container \"a\" in pod \"p\" is waiting to start: trying and failing to pull image";
        check(r#""state":{"waiting":{"reason":"ImagePullBackOff"}}"#, false, Err(image));
        let looping = r#""state":{"waiting":{"reason":"CrashLoopBackOff"}},"lastState":{"terminated":{"exitCode":1,"containerID":"containerd://3"}}"#;
        check(looping, false, Ok("3"));
    }

    #[test]
    fn containers_that_have_no_log_say_why() {
        let waiting = |reason: &str| format!(r#""state":{{"waiting":{{"reason":"{reason}"}}}}"#);
        for (reason, expected) in [
            ("ErrImagePull", "image can't be pulled"),
            ("ImagePullBackOff", "trying and failing to pull image"),
            ("CreateContainerConfigError", "CreateContainerConfigError"),
            ("PodInitializing", "PodInitializing"),
        ] {
            let said = format!("container \"a\" in pod \"p\" is waiting to start: {expected}");
            check(&waiting(reason), false, Err(&said));
        }
        let previous = Err("previous terminated container \"a\" in pod \"p\" not found");
        check(&waiting("CrashLoopBackOff"), true, previous);
        check(r#""state":{}"#, false, Err("container \"a\" in pod \"p\" is waiting to start - no logs yet"));
        // One that nobody saw end has left nothing, but for what is known of the one before.
        let lost = r#""state":{"terminated":{"exitCode":137,"reason":"ContainerStatusUnknown"}}"#;
        check(lost, false, Err("container \"a\" in pod \"p\" is terminated"));
        let before = format!(r#"{lost},"lastState":{{"terminated":{{"exitCode":1,"containerID":"containerd://3"}}}}"#);
        check(&before, false, Ok("3"));
    }

    #[test]
    fn containers_of_every_sort_have_logs() {
        let one = |name: &str| {
            format!(
                r#"[{{"name":"{name}","image":"","imageID":"","ready":true,"restartCount":0,"containerID":"x://{name}-id","state":{{"running":{{}}}}}}]"#
            )
        };
        let status = format!(
            r#"{{"initContainerStatuses":{},"containerStatuses":{},"ephemeralContainerStatuses":{}}}"#,
            one("i"),
            one("a"),
            one("e")
        );
        let status: PodStatus = serde_json::from_str(&status).expect("a status");
        for name in ["i", "a", "e"] {
            assert_eq!(container_id("p", &status, name, false), Ok(format!("{name}-id")));
        }
        let absent = "container \"z\" in pod \"p\" is not available".to_owned();
        assert_eq!(container_id("p", &status, "z", false), Err(absent));
    }

    #[test]
    fn any_number_of_seconds_is_a_time() {
        let now: Timestamp = "2024-01-02T03:04:05Z".parse().expect("a time");
        for (seconds, expected) in [(0, now), (5, "2024-01-02T03:04:00Z".parse().expect("a time"))] {
            assert_eq!(before(now, seconds), expected);
        }
        for seconds in [u64::from(u32::MAX) * 1_000, i64::MAX.unsigned_abs(), u64::MAX] {
            assert_eq!(before(now, seconds), Timestamp::MIN);
        }
    }

    #[test]
    fn forms() {
        let entry = |text: &str| LogEntry {
            time: "2024-01-02T03:04:05.5Z".parse().expect("a time"),
            source: LogSource::Stdout,
            text: Bytes::copy_from_slice(text.as_bytes()),
        };
        let mut form = Form { timestamps: true, left: None, within_line: false };
        assert_eq!(form.render(&entry("part")).as_deref(), Some(&b"2024-01-02T03:04:05.500000000Z part"[..]));
        assert_eq!(form.render(&entry("rest\n")).as_deref(), Some(&b"rest\n"[..]));
        assert_eq!(form.render(&entry("next\n")).as_deref(), Some(&b"2024-01-02T03:04:05.500000000Z next\n"[..]));
        let mut form = Form { timestamps: true, left: Some(33), within_line: false };
        assert_eq!(form.render(&entry("xyz\n")).as_deref(), Some(&b"2024-01-02T03:04:05.500000000Z xy"[..]));
        let mut form = Form { timestamps: false, left: Some(0), within_line: false };
        assert_eq!(form.render(&entry("x\n")), None);
        let mut form = Form { timestamps: false, left: Some(6), within_line: false };
        assert_eq!(form.render(&entry("four\n")).as_deref(), Some(&b"four\n"[..]));
        assert_eq!(form.render(&entry("four\n")).as_deref(), Some(&b"f"[..]));
        assert_eq!(form.render(&entry("four\n")), None);
    }
}
