//! Pods: what `kubectl get pods` shows of their containers.

use super::format::{self, NONE, is_deleted, name, object_age, or, since};
use super::{AGE, NAME, Table, column, wide};
use crate::rules::access::{at, boolean, get, int, is_true, list, text, text_at};
use jiff::Timestamp;
use serde_json::Value;

/// The Table of pods.
pub(super) static POD: Table = Table {
    columns: &[
        NAME,
        column("Ready", "How many of the containers are ready to serve."),
        column("Status", "What the containers are doing, in one word."),
        column("Restarts", "How many times the containers have been restarted, and when last."),
        AGE,
        wide("IP", "Address of the pod."),
        wide("Node", "Node that the pod is bound to."),
        wide("Nominated Node", "Node on which room is being made for the pod."),
        wide("Readiness Gates", "How many of the pod's readiness gates are open."),
    ],
    cells,
};

fn cells(pod: &Value, now: Timestamp) -> Vec<Value> {
    let summary = Summary::of(pod);
    let restarts = match summary.last_restart {
        Some(then) if summary.restarts > 0 => format!("{} ({} ago)", summary.restarts, since(then, now)),
        _ => summary.restarts.to_string(),
    };
    let (spec, status) = (&pod["spec"], &pod["status"]);
    let ip = list(status, "podIPs").first().map_or("", |ip| text(ip, "ip"));
    vec![
        name(pod),
        format!("{}/{}", summary.ready, summary.total).into(),
        summary.reason.into(),
        restarts.into(),
        object_age(pod, now),
        or(ip, NONE).into(),
        or(text(spec, "nodeName"), NONE).into(),
        or(text(status, "nominatedNodeName"), NONE).into(),
        readiness_gates(pod).into(),
    ]
}

/// What the statuses of a pod's containers come to.
struct Summary<'a> {
    reason: String,
    ready: usize,
    total: usize,
    restarts: i64,
    last_restart: Option<&'a str>,
}

impl<'a> Summary<'a> {
    fn of(pod: &'a Value) -> Self {
        let (spec, status) = (&pod["spec"], &pod["status"]);
        let gated = list(status, "conditions")
            .iter()
            .any(|c| text(c, "type") == "PodScheduled" && text(c, "reason") == "SchedulingGated");
        let reason = if gated { "SchedulingGated" } else { or(text(status, "reason"), text(status, "phase")) };
        let sidecars = list(spec, "initContainers").iter().filter(|c| is_sidecar(c)).count();
        let mut summary = Self {
            reason: reason.to_owned(),
            ready: 0,
            total: list(spec, "containers").len() + sidecars,
            restarts: 0,
            last_restart: None,
        };
        let initializing = summary.add_init_containers(pod);
        if !initializing || format::condition(pod, "Initialized") {
            summary.add_containers(pod);
        }
        if is_deleted(pod) {
            if text(status, "reason") == "NodeLost" {
                summary.reason = "Unknown".to_owned();
            } else if !matches!(text(status, "phase"), "Failed" | "Succeeded") {
                summary.reason = "Terminating".to_owned();
            }
        }
        summary
    }

    fn count_restart(&mut self, container: &'a Value) {
        self.restarts += int(container, "restartCount").unwrap_or(0);
        let finished = text_at(container, &["lastState", "terminated", "finishedAt"]);
        // Timestamps of one form sort as text.
        if !finished.is_empty() && self.last_restart.is_none_or(|last| last < finished) {
            self.last_restart = Some(finished);
        }
    }

    /// Whether an init container still runs or has failed. Restarts of init containers other than sidecars count only
    /// until the pod is initialized.
    fn add_init_containers(&mut self, pod: &'a Value) -> bool {
        let init = list(&pod["spec"], "initContainers");
        let sidecar = |name: &str| init.iter().any(|c| text(c, "name") == name && is_sidecar(c));
        let mut lasting = (0, None);
        let mut waiting = None;
        for (index, container) in list(&pod["status"], "initContainerStatuses").iter().enumerate() {
            self.count_restart(container);
            let is_sidecar = sidecar(text(container, "name"));
            if is_sidecar {
                lasting.0 += int(container, "restartCount").unwrap_or(0);
                let finished = text_at(container, &["lastState", "terminated", "finishedAt"]);
                if !finished.is_empty() && lasting.1.is_none_or(|last| last < finished) {
                    lasting.1 = Some(finished);
                }
            }
            if at(container, &["state", "terminated"]).is_some_and(|t| int(t, "exitCode").unwrap_or(0) == 0) {
                continue;
            }
            if is_sidecar && is_true(container, "started") {
                self.ready += usize::from(is_true(container, "ready"));
                continue;
            }
            waiting = Some(init_reason(container, index, init.len()));
            break;
        }
        let initializing = waiting.is_some();
        if let Some(reason) = waiting {
            self.reason = reason;
        }
        if !initializing || format::condition(pod, "Initialized") {
            (self.restarts, self.last_restart) = lasting;
        }
        initializing
    }

    fn add_containers(&mut self, pod: &'a Value) {
        let mut running = false;
        let mut failed = None;
        for container in list(&pod["status"], "containerStatuses").iter().rev() {
            self.count_restart(container);
            let waiting = text_at(container, &["state", "waiting", "reason"]);
            if !waiting.is_empty() {
                self.reason = waiting.to_owned();
            } else if let Some(ended) = at(container, &["state", "terminated"]) {
                self.reason = end_reason(ended);
                if int(ended, "exitCode").unwrap_or(0) != 0 {
                    failed = Some(self.reason.clone());
                }
            } else if boolean(container, "ready") == Some(true) && at(container, &["state", "running"]).is_some() {
                running = true;
                self.ready += 1;
            }
        }
        // A pod with a container that still runs has not completed.
        if self.reason == "Completed" {
            if running && format::condition(pod, "Ready") {
                self.reason = "Running".to_owned();
            } else if let Some(failed) = failed {
                self.reason = failed;
            } else if running {
                self.reason = "NotReady".to_owned();
            }
        }
    }
}

fn is_sidecar(container: &Value) -> bool {
    text(container, "restartPolicy") == "Always"
}

fn init_reason(container: &Value, index: usize, count: usize) -> String {
    if let Some(ended) = at(container, &["state", "terminated"]) {
        return format!("Init:{}", end_reason(ended));
    }
    match text_at(container, &["state", "waiting", "reason"]) {
        "" | "PodInitializing" => format!("Init:{index}/{count}"),
        reason => format!("Init:{reason}"),
    }
}

fn end_reason(ended: &Value) -> String {
    match (text(ended, "reason"), int(ended, "signal").unwrap_or(0)) {
        ("", 0) => format!("ExitCode:{}", int(ended, "exitCode").unwrap_or(0)),
        ("", signal) => format!("Signal:{signal}"),
        (reason, _) => reason.to_owned(),
    }
}

fn readiness_gates(pod: &Value) -> String {
    let gates = get(pod, "spec").map_or(&[][..], |spec| list(spec, "readinessGates"));
    if gates.is_empty() {
        return NONE.to_owned();
    }
    let open = gates.iter().filter(|gate| format::condition(pod, text(gate, "conditionType"))).count();
    format!("{open}/{}", gates.len())
}
