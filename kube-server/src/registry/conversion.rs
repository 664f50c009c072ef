//! Conversions between the versions of a kind. Only Events and HorizontalPodAutoscalers are served in two GA versions.
//!
//! Sources: `pkg/apis/core/v1/conversion.go`, `pkg/apis/events/v1/conversion.go`, `pkg/apis/autoscaling/v1/conversion.go`.

use kubekit_core::catalog::Resource;
use serde_json::{Map, Value, json};

/// Converts an object between two resources of one kind.
pub(crate) fn convert(mut object: Value, from: &Resource, to: &Resource) -> Value {
    object["apiVersion"] = Value::String(to.api_version());
    let Some(map) = object.as_object_mut() else { return object };
    match (from.group, from.version, to.group, to.version) {
        ("", "v1", "events.k8s.io", _) => rename(map, EVENT_FIELDS, true),
        ("events.k8s.io", _, "", "v1") => rename(map, EVENT_FIELDS, false),
        ("autoscaling", "v1", "autoscaling", "v2") => autoscaler_to_v2(map),
        ("autoscaling", "v2", "autoscaling", "v1") => autoscaler_to_v1(map),
        _ => {}
    }
    object
}

/// Fields of an Event in core/v1 and in events.k8s.io/v1.
const EVENT_FIELDS: &[(&str, &str)] = &[
    ("involvedObject", "regarding"),
    ("message", "note"),
    ("source", "deprecatedSource"),
    ("firstTimestamp", "deprecatedFirstTimestamp"),
    ("lastTimestamp", "deprecatedLastTimestamp"),
    ("count", "deprecatedCount"),
    ("reportingComponent", "reportingController"),
];

fn rename(map: &mut Map<String, Value>, fields: &[(&str, &str)], forward: bool) {
    for (a, b) in fields {
        let (from, to) = if forward { (a, b) } else { (b, a) };
        if let Some(value) = map.remove(*from) {
            map.insert((*to).to_owned(), value);
        }
    }
}

const METRICS: &str = "autoscaling.alpha.kubernetes.io/metrics";
const CURRENT_METRICS: &str = "autoscaling.alpha.kubernetes.io/current-metrics";
const CONDITIONS: &str = "autoscaling.alpha.kubernetes.io/conditions";
const BEHAVIOR: &str = "autoscaling.alpha.kubernetes.io/behavior";

/// v2 to v1: CPU utilization has a field; every other metric, the conditions and the behavior become annotations.
fn autoscaler_to_v1(map: &mut Map<String, Value>) {
    let mut annotations = Map::new();
    if let Some(spec) = map.get_mut("spec").and_then(Value::as_object_mut) {
        let (cpu, others) = split_cpu(spec.remove("metrics"), "target");
        if let Some(utilization) = cpu {
            spec.insert("targetCPUUtilizationPercentage".to_owned(), utilization);
        }
        annotate(&mut annotations, METRICS, others);
        annotate(&mut annotations, BEHAVIOR, spec.remove("behavior"));
    }
    if let Some(status) = map.get_mut("status").and_then(Value::as_object_mut) {
        let (cpu, others) = split_cpu(status.remove("currentMetrics"), "current");
        if let Some(utilization) = cpu {
            status.insert("currentCPUUtilizationPercentage".to_owned(), utilization);
        }
        annotate(&mut annotations, CURRENT_METRICS, others);
        annotate(&mut annotations, CONDITIONS, status.remove("conditions"));
    }
    if !annotations.is_empty()
        && let Some(metadata) = map.get_mut("metadata").and_then(Value::as_object_mut)
        && let Some(kept) = metadata.entry("annotations").or_insert_with(|| json!({})).as_object_mut()
    {
        kept.append(&mut annotations);
    }
}

fn annotate(annotations: &mut Map<String, Value>, key: &str, value: Option<Value>) {
    if let Some(value) = value {
        annotations.insert(key.to_owned(), Value::String(value.to_string()));
    }
}

/// Takes the utilization of CPU out of a list of metrics; gives it and the rest.
fn split_cpu(metrics: Option<Value>, field: &str) -> (Option<Value>, Option<Value>) {
    let Some(Value::Array(metrics)) = metrics else { return (None, None) };
    let mut cpu = None;
    let mut others = Vec::new();
    for metric in metrics {
        let value = metric["resource"][field].get("averageUtilization");
        match value {
            Some(value) if cpu.is_none() && metric["resource"]["name"] == "cpu" => cpu = Some(value.clone()),
            _ => others.push(metric),
        }
    }
    (cpu, (!others.is_empty()).then_some(Value::Array(others)))
}

/// v1 to v2: the inverse of [`autoscaler_to_v1`].
fn autoscaler_to_v2(map: &mut Map<String, Value>) {
    let mut taken = Map::new();
    if let Some(metadata) = map.get_mut("metadata").and_then(Value::as_object_mut) {
        if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
            for key in [METRICS, CURRENT_METRICS, CONDITIONS, BEHAVIOR] {
                let parsed = annotations
                    .remove(key)
                    .and_then(|text| serde_json::from_str::<Value>(text.as_str().unwrap_or_default()).ok());
                if let Some(value) = parsed {
                    taken.insert(key.to_owned(), value);
                }
            }
        }
        if metadata.get("annotations").and_then(Value::as_object).is_some_and(Map::is_empty) {
            metadata.remove("annotations");
        }
    }
    if let Some(spec) = map.get_mut("spec").and_then(Value::as_object_mut) {
        let cpu = spec.remove("targetCPUUtilizationPercentage").map(|utilization| {
            json!({"type": "Resource", "resource": {"name": "cpu",
                "target": {"type": "Utilization", "averageUtilization": utilization}}})
        });
        join_metrics(spec, "metrics", cpu, taken.remove(METRICS));
        if let Some(behavior) = taken.remove(BEHAVIOR) {
            spec.insert("behavior".to_owned(), behavior);
        }
    }
    if let Some(status) = map.get_mut("status").and_then(Value::as_object_mut) {
        let cpu = status.remove("currentCPUUtilizationPercentage").map(|utilization| {
            json!({"type": "Resource", "resource": {"name": "cpu", "current": {"averageUtilization": utilization}}})
        });
        join_metrics(status, "currentMetrics", cpu, taken.remove(CURRENT_METRICS));
        if let Some(conditions) = taken.remove(CONDITIONS) {
            status.insert("conditions".to_owned(), conditions);
        }
    }
}

fn join_metrics(map: &mut Map<String, Value>, field: &str, cpu: Option<Value>, others: Option<Value>) {
    let mut metrics: Vec<Value> = cpu.into_iter().collect();
    if let Some(Value::Array(mut others)) = others {
        metrics.append(&mut others);
    }
    if !metrics.is_empty() {
        map.insert(field.to_owned(), Value::Array(metrics));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn autoscalers_survive_the_old_version() {
        let v2 = json!({"metadata": {"name": "a"}, "spec": {"maxReplicas": 3, "metrics": [
            {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}}},
            {"type": "Resource", "resource": {"name": "memory", "target": {"type": "Utilization", "averageUtilization": 50}}}],
            "behavior": {"scaleUp": {"selectPolicy": "Max"}}}});
        let mut v1 = v2.clone();
        autoscaler_to_v1(v1.as_object_mut().unwrap());
        assert_eq!(v1["spec"], json!({"maxReplicas": 3, "targetCPUUtilizationPercentage": 80}));
        assert!(v1["metadata"]["annotations"][METRICS].as_str().unwrap().contains("memory"));
        autoscaler_to_v2(v1.as_object_mut().unwrap());
        assert_eq!(v1, v2);
    }

    #[test]
    fn events_are_renamed() {
        let mut event = json!({"involvedObject": {"name": "a"}, "message": "m", "reason": "r", "count": 2});
        rename(event.as_object_mut().unwrap(), EVENT_FIELDS, true);
        assert_eq!(event, json!({"regarding": {"name": "a"}, "note": "m", "reason": "r", "deprecatedCount": 2}));
    }
}
