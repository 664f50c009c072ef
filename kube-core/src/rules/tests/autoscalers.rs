//! What is wrong with HorizontalPodAutoscalers, and what defaults fill in.

use super::*;

fn autoscaler(spec: Value) -> Value {
    let mut autoscaler = object(
        "autoscaling/v2",
        "HorizontalPodAutoscaler",
        json!({"spec": {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "d"}, "maxReplicas": 3}}),
    );
    merge(&mut autoscaler["spec"], spec);
    autoscaler
}

#[test]
fn bounds_and_what_is_scaled() {
    check(autoscaler(json!({})), &[]);
    check(
        autoscaler(json!({"minReplicas": 0})),
        &["spec.minReplicas: Invalid value: 0: must be greater than or equal to 1"],
    );
    check(
        autoscaler(json!({"minReplicas": 4})),
        &["spec.maxReplicas: Invalid value: 3: must be greater than or equal to `minReplicas`"],
    );
    check(
        autoscaler(json!({"maxReplicas": 0})),
        &[
            "spec.maxReplicas: Invalid value: 0: must be greater than 0",
            "spec.maxReplicas: Invalid value: 0: must be greater than or equal to `minReplicas`",
        ],
    );
    check(
        autoscaler(json!({"scaleTargetRef": {"kind": "", "name": "a/b"}})),
        &[
            "spec.scaleTargetRef.kind: Required value",
            "spec.scaleTargetRef.name: Invalid value: \"a/b\": may not contain '/'",
        ],
    );
}

/// Errors of an autoscaler that follows this metric, without the metric's path.
#[track_caller]
fn check_metric(metric: Value, expected: &[&str]) {
    let full: Vec<String> = expected.iter().map(|text| format!("spec.metrics[0].{text}")).collect();
    check(autoscaler(json!({"metrics": [metric]})), &full.iter().map(String::as_str).collect::<Vec<_>>());
}

fn resource(target: Value) -> Value {
    json!({"type": "Resource", "resource": {"name": "cpu", "target": target}})
}

#[test]
fn metrics_of_resources() {
    check_metric(resource(json!({"type": "Utilization", "averageUtilization": 50})), &[]);
    check_metric(resource(json!({"type": "AverageValue", "averageValue": "500m"})), &[]);
    check_metric(
        resource(json!({"type": "Utilization"})),
        &[
            "resource.target.averageUtilization: Required value: must set either a target raw value or a target utilization",
        ],
    );
    check_metric(
        resource(json!({"type": "Utilization", "averageUtilization": 0, "averageValue": "0"})),
        &[
            "resource.target.averageValue: Invalid value: \"0\": must be positive",
            "resource.target.averageUtilization: Invalid value: 0: must be greater than 0",
            "resource.target.averageValue: Forbidden: may not set both a target raw value and a target utilization",
        ],
    );
    check_metric(
        resource(json!({"averageUtilization": 50})),
        &[
            "resource.target.type: Required value: must specify a metric target type",
            "resource.target.type: Invalid value: \"\": must be either Utilization, Value, or AverageValue",
        ],
    );
    let container = |fields: Value| {
        let mut metric = json!({"type": "ContainerResource", "containerResource":
            {"name": "cpu", "container": "c", "target": {"type": "Utilization", "averageUtilization": 50}}});
        merge(&mut metric["containerResource"], fields);
        metric
    };
    check_metric(container(json!({})), &[]);
    check_metric(
        container(json!({"name": "", "container": ""})),
        &[
            "containerResource.name: Required value: must specify a resource name",
            "containerResource.container: Required value: must specify a container",
        ],
    );
}

#[test]
fn metrics_of_others() {
    let value = json!({"type": "Value", "value": "10"});
    let average = json!({"type": "AverageValue", "averageValue": "10"});
    let pods = |target: &Value| json!({"type": "Pods", "pods": {"metric": {"name": "rps"}, "target": target}});
    check_metric(pods(&average), &[]);
    check_metric(
        pods(&value),
        &["pods.target.averageValue: Required value: must specify a positive target averageValue"],
    );
    let object = |target: &Value| {
        json!({"type": "Object", "object": {"metric": {"name": "rps"}, "target": target,
                                            "describedObject": {"kind": "Ingress", "name": "i"}}})
    };
    check_metric(object(&value), &[]);
    check_metric(
        object(&json!({"type": "Value"})),
        &["object.target.averageValue: Required value: must set either a target value or averageValue"],
    );
    check_metric(
        json!({"type": "Object", "object": {"target": value}}),
        &[
            "object.describedObject.kind: Required value",
            "object.describedObject.name: Required value",
            "object.metric.name: Required value: must specify a metric name",
        ],
    );
    let external = |target: Value| json!({"type": "External", "external": {"metric": {"name": "q"}, "target": target}});
    check_metric(external(average), &[]);
    check_metric(
        external(json!({"type": "Value", "value": "1", "averageValue": "1"})),
        &["external.target.value: Forbidden: may not set both a target value for metric and a per-pod target"],
    );
    check_metric(
        external(json!({"type": "Value"})),
        &[
            "external.target.averageValue: Required value: must set either a target value for metric or a per-pod target",
        ],
    );
}

#[test]
fn a_metric_has_one_source() {
    const KINDS: &str = "\"ContainerResource\", \"External\", \"Object\", \"Pods\", \"Resource\"";
    check_metric(
        json!({"type": "Memory"}),
        &[&format!("type: Unsupported value: \"Memory\": supported values: {KINDS}")],
    );
    check_metric(
        json!({}),
        &[
            "type: Required value: must specify a metric source type",
            &format!("type: Unsupported value: \"\": supported values: {KINDS}"),
        ],
    );
    check_metric(
        json!({"type": "Resource"}),
        &["resource: Required value: must populate information for the given metric source"],
    );
    let mut both = resource(json!({"type": "Utilization", "averageUtilization": 50}));
    both["pods"] = json!({"metric": {"name": "rps"}, "target": {"type": "AverageValue", "averageValue": "1"}});
    check_metric(both, &["pods: Forbidden: must populate the given metric source only"]);
}

#[test]
fn how_fast_it_scales() {
    let scaled = |rules: Value| autoscaler(json!({"behavior": {"scaleDown": rules}}));
    check(scaled(json!({"stabilizationWindowSeconds": 3600, "selectPolicy": "Disabled"})), &[]);
    check(
        scaled(json!({"stabilizationWindowSeconds": 3601, "selectPolicy": "Fastest"})),
        &[
            "spec.behavior.scaleDown.stabilizationWindowSeconds: Invalid value: 3601: must be less than or equal to 3600",
            "spec.behavior.scaleDown.selectPolicy: Unsupported value: \"Fastest\": supported values: \"Disabled\", \"Max\", \"Min\"",
        ],
    );
    check(
        scaled(json!({"stabilizationWindowSeconds": -1})),
        &[
            "spec.behavior.scaleDown.stabilizationWindowSeconds: Invalid value: -1: must be greater than or equal to zero",
        ],
    );
    check(
        scaled(
            json!({"policies": [{"type": "Half", "value": 0, "periodSeconds": 1801}, {"type": "Pods", "value": 1}]}),
        ),
        &[
            "spec.behavior.scaleDown.policies[0].type: Unsupported value: \"Half\": supported values: \"Percent\", \"Pods\"",
            "spec.behavior.scaleDown.policies[0].value: Invalid value: 0: must be greater than zero",
            "spec.behavior.scaleDown.policies[0].periodSeconds: Invalid value: 1801: must be less than or equal to 1800",
            "spec.behavior.scaleDown.policies[1].periodSeconds: Invalid value: 0: must be greater than zero",
        ],
    );
    check_created(
        scaled(json!({"stabilizationWindowSeconds": 60})),
        "/spec/behavior",
        json!({
            "scaleUp": {"selectPolicy": "Max", "stabilizationWindowSeconds": 0, "policies": [
                {"type": "Pods", "value": 4, "periodSeconds": 15}, {"type": "Percent", "value": 100, "periodSeconds": 15}]},
            "scaleDown": {"selectPolicy": "Max", "stabilizationWindowSeconds": 60, "policies": [
                {"type": "Percent", "value": 100, "periodSeconds": 15}]},
        }),
    );
}
