//! What was seen of a live cluster, to be replayed: one JSON object a line, each with a time, an event and a Node or Pod.
//!
//! ```json
//! {"seconds":0.0,"event":"Added","kind":"Node","object":{…}}
//! {"seconds":3.2,"event":"Added","kind":"Pod","object":{…}}
//! ```
//!
//! A pod comes when it is first seen, runs from when it is first seen on a node to its end, and is unbound for the replay.

use super::scenario::{Job, Outage, Scenario};
use crate::k8s;
use crate::model::{Node, Pod};
use k8s_openapi::api::core::v1 as api;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// The most lines that a recording may have.
const LINES_MAX: usize = 10_000_000;

/// What happened to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Change {
    /// It was there, or came.
    Added,
    /// It changed.
    Modified,
    /// It went.
    Deleted,
}

/// A line of a recording.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// When, in seconds from the start of the recording.
    pub seconds: f64,
    /// What happened.
    pub event: Change,
    /// To what.
    #[serde(flatten)]
    pub object: Recorded,
}

/// An object of a recording.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "object")]
pub enum Recorded {
    /// A node.
    Node(Box<api::Node>),
    /// A pod.
    Pod(Box<api::Pod>),
}

/// A recording.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Recording {
    lines: Vec<Line>,
}

/// Why a recording cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordingError {
    /// A line is not what a recording has.
    #[error("line {line}: not a line of a recording")]
    Line {
        /// Counted from 1.
        line: usize,
        /// Where and why.
        #[source]
        source: serde_json::Error,
    },
    /// A line's time is not a number of seconds, or lies before the line above.
    #[error("line {line}: the time {seconds} is not at or after the line above")]
    Time {
        /// Counted from 1.
        line: usize,
        /// What it says.
        seconds: f64,
    },
    /// There are too many lines.
    #[error("the recording has more than {LINES_MAX} lines")]
    TooLong,
    /// There is no node in it.
    #[error("the recording has no node; was it made with the right to list nodes?")]
    NoNodes,
}

impl Line {
    /// The line as it stands in a file, without the object's managed fields.
    ///
    /// # Errors
    /// When the object cannot be encoded.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        let mut line = self.clone();
        match &mut line.object {
            Recorded::Node(node) => node.metadata.managed_fields = None,
            Recorded::Pod(pod) => pod.metadata.managed_fields = None,
        }
        serde_json::to_string(&line)
    }
}

/// What is known of a pod so far.
struct Seen {
    pod: Pod,
    arrived: Duration,
    bound: Option<Duration>,
    ended: Option<Duration>,
}

impl Recording {
    /// Reads a file; blank lines are ignored.
    ///
    /// # Errors
    /// Which line cannot be read, and why.
    pub fn parse(text: &str) -> Result<Self, RecordingError> {
        let mut lines: Vec<Line> = Vec::new();
        for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            if lines.len() == LINES_MAX {
                return Err(RecordingError::TooLong);
            }
            let parsed: Line =
                serde_json::from_str(line).map_err(|source| RecordingError::Line { line: index + 1, source })?;
            let earliest = lines.last().map_or(0.0, |line| line.seconds);
            if Duration::try_from_secs_f64(parsed.seconds).is_err() || parsed.seconds < earliest {
                return Err(RecordingError::Time { line: index + 1, seconds: parsed.seconds });
            }
            lines.push(parsed);
        }
        let has_node = lines.iter().any(|line| matches!(line.object, Recorded::Node(_)));
        if has_node { Ok(Self { lines }) } else { Err(RecordingError::NoNodes) }
    }

    /// The scenario that it tells of. Nodes that came later, or went, are away before and after.
    pub fn scenario(&self, name: &str) -> Scenario {
        let horizon = self.lines.last().map_or(Duration::ZERO, |line| Duration::from_secs_f64(line.seconds));
        let mut nodes = BTreeMap::<Arc<str>, Node>::new();
        let mut away = BTreeMap::<Arc<str>, Duration>::new();
        let mut outages = Vec::new();
        let mut pods = BTreeMap::<Arc<str>, Seen>::new();
        for line in &self.lines {
            let now = Duration::from_secs_f64(line.seconds);
            match &line.object {
                Recorded::Node(object) => {
                    let node = k8s::node(object);
                    let name = node.name.clone();
                    let known = nodes.insert(name.clone(), node).is_some();
                    if line.event == Change::Deleted {
                        away.insert(name, now);
                    } else if let Some(from) =
                        away.remove(&name).or_else(|| (!known && !now.is_zero()).then_some(Duration::ZERO))
                    {
                        outages.push(Outage { node: name, from, until: now });
                    }
                }
                Recorded::Pod(object) => see(&mut pods, object, line.event, now),
            }
        }
        let for_good = |(node, from)| Outage { node, from, until: horizon + Duration::from_secs(1) };
        outages.extend(away.into_iter().map(for_good));
        let mut jobs: Vec<Job> = pods.into_values().map(|seen| seen.job(horizon)).collect();
        jobs.sort_by(|a, b| a.arrives.cmp(&b.arrives).then_with(|| a.pod.uid.cmp(&b.pod.uid)));
        Scenario { name: name.to_owned(), nodes: nodes.into_values().collect(), jobs, outages, horizon }
    }
}

fn see(pods: &mut BTreeMap<Arc<str>, Seen>, object: &api::Pod, event: Change, now: Duration) {
    let pod = k8s::pod(object);
    let phase = object.status.as_ref().and_then(|status| status.phase.as_deref());
    let over = event == Change::Deleted || matches!(phase, Some("Succeeded" | "Failed"));
    if over && !pods.contains_key(&pod.uid) {
        // It ended before it could be watched.
        return;
    }
    let bound = pod.node.is_some();
    let free = Pod { node: None, nominated_node: None, terminating: false, ..pod };
    let seen =
        pods.entry(free.uid.clone()).or_insert_with(|| Seen { pod: free, arrived: now, bound: None, ended: None });
    if bound {
        seen.bound.get_or_insert(now);
    }
    if over {
        seen.ended.get_or_insert(now);
    }
}

impl Seen {
    /// A pod that never ended runs for ever; one that ended without a place ran for no time.
    fn job(self, horizon: Duration) -> Job {
        let runs = self.ended.map(|ended| ended.saturating_sub(self.bound.unwrap_or(ended)));
        Job { arrives: self.arrived.min(horizon), runs, pod: self.pod }
    }
}

#[cfg(test)]
mod tests;
