//! HorizontalPodAutoscalers, of autoscaling/v1 and v2, and the Scale of what they scale.

use super::format::{NONE, UNKNOWN, UNSET, int_cell, name, object_age};
use super::{AGE, NAME, Table, column, integer};
use crate::rules::access::{at, int, list, text};
use serde_json::Value;

pub(super) fn table(kind: &str) -> Option<&'static Table> {
    match kind {
        "HorizontalPodAutoscaler" => Some(&AUTOSCALER),
        "Scale" => Some(&SCALE),
        _ => None,
    }
}

/// How many metrics a cell shows.
const SHOWN: usize = 2;

static AUTOSCALER: Table = Table {
    columns: &[
        NAME,
        column("Reference", "Object that is scaled."),
        column("Targets", "Metrics, as they are and as they should be."),
        column("MinPods", "Fewest pods."),
        column("MaxPods", "Most pods."),
        column("Replicas", "How many pods there are."),
        AGE,
    ],
    cells: |object, now| {
        let spec = &object["spec"];
        let target = &spec["scaleTargetRef"];
        vec![
            name(object),
            format!("{}/{}", text(target, "kind"), text(target, "name")).into(),
            targets(object).into(),
            int(spec, "minReplicas").map_or(UNSET.to_owned(), |pods| pods.to_string()).into(),
            int_cell(spec, "maxReplicas"),
            int_cell(&object["status"], "currentReplicas"),
            object_age(object, now),
        ]
    },
};

static SCALE: Table = Table {
    columns: &[
        NAME,
        integer("Desired", "How many pods there should be."),
        integer("Available", "How many pods there are."),
        AGE,
    ],
    cells: |object, now| {
        vec![
            name(object),
            int(&object["spec"], "replicas").unwrap_or_default().into(),
            int(&object["status"], "replicas").unwrap_or_default().into(),
            object_age(object, now),
        ]
    },
};

fn targets(object: &Value) -> String {
    let (spec, status) = (&object["spec"], &object["status"]);
    if let Some(target) = int(spec, "targetCPUUtilizationPercentage") {
        return format!("cpu: {}/{target}%", percent(int(status, "currentCPUUtilizationPercentage")));
    }
    let current = list(status, "currentMetrics");
    let shown: Vec<String> =
        list(spec, "metrics").iter().enumerate().map(|(index, metric)| target(metric, current.get(index))).collect();
    match shown.len() {
        0 => NONE.to_owned(),
        count if count > SHOWN => format!("{} + {} more...", shown[..SHOWN].join(", "), count - SHOWN),
        _ => shown.join(", "),
    }
}

fn percent(value: Option<i64>) -> String {
    value.map_or(UNKNOWN.to_owned(), |value| format!("{value}%"))
}

/// One metric: what it is and what it should be.
fn target(metric: &Value, status: Option<&Value>) -> String {
    let field = match text(metric, "type") {
        "External" => "external",
        "Pods" => "pods",
        "Object" => "object",
        "Resource" => "resource",
        "ContainerResource" => "containerResource",
        _ => return "<unknown type>".to_owned(),
    };
    let source = &metric[field];
    let goal = &source["target"];
    let now = status.and_then(|status| at(status, &[field, "current"]));
    let amount = |name: &str| now.and_then(|now| at(now, &[name])).and_then(Value::as_str).unwrap_or(UNKNOWN);
    match (field, text(goal, "averageValue")) {
        ("resource" | "containerResource", "") => {
            let current = percent(now.and_then(|now| int(now, "averageUtilization")));
            let wanted = int(goal, "averageUtilization").map_or("<auto>".to_owned(), |value| format!("{value}%"));
            format!("{}: {current}/{wanted}", text(source, "name"))
        }
        ("resource" | "containerResource", average) => {
            format!("{}: {}/{average}", text(source, "name"), amount("averageValue"))
        }
        ("pods", average) => format!("{}/{average}", amount("averageValue")),
        (_, "") => format!("{}/{}", amount("value"), text(goal, "value")),
        (_, average) => format!("{}/{average} (avg)", amount("averageValue")),
    }
}
