//! What is wrong with LimitRanges, ResourceQuotas and PodDisruptionBudgets.

use super::*;

#[test]
fn limits_quotas_and_budgets() {
    let limits = |limit: Value| object("v1", "LimitRange", json!({"spec": {"limits": [limit]}}));
    check(limits(json!({"type": "Container", "max": {"cpu": "2"}, "min": {"cpu": "1"}})), &[]);
    check(
        limits(json!({"type": "Pod", "max": {"cpu": "1"}, "min": {"cpu": "2"}})),
        &["spec.limits[0].min[cpu]: Invalid value: \"2\": min value 2 is greater than max value 1"],
    );
    check(
        limits(json!({"type": "Pod", "default": {"cpu": "1"}})),
        &["spec.limits[0].default: Forbidden: may not be specified when `type` is 'Pod'"],
    );
    let quota = |spec: Value| object("v1", "ResourceQuota", json!({"spec": spec}));
    check(quota(json!({"hard": {"pods": "10", "count/deployments.apps": "1", "requests.cpu": "1"}})), &[]);
    check(
        quota(json!({"hard": {"pods": "1500m"}, "scopes": ["BestEffort", "NotBestEffort"]})),
        &[
            "spec.hard[pods]: Invalid value: \"1500m\": must be an integer",
            "spec.scopes: Invalid value: [\"BestEffort\",\"NotBestEffort\"]: conflicting scopes",
        ],
    );
    let budget = |spec: Value| object("policy/v1", "PodDisruptionBudget", json!({"spec": spec}));
    check(budget(json!({"minAvailable": "50%", "selector": {}})), &[]);
    check(
        budget(json!({"minAvailable": 1, "maxUnavailable": 1})),
        &[
            "spec: Invalid value: {\"maxUnavailable\":1,\"minAvailable\":1}: minAvailable and maxUnavailable cannot be both set",
        ],
    );
}

/// Errors of a LimitRange with this limit, without the limit's path.
#[track_caller]
fn check_limit(limit: Value, expected: &[&str]) {
    let full: Vec<String> = expected.iter().map(|text| format!("spec.limits[0].{text}")).collect();
    check(
        object("v1", "LimitRange", json!({"spec": {"limits": [limit]}})),
        &full.iter().map(String::as_str).collect::<Vec<_>>(),
    );
}

#[test]
fn limits() {
    check_limit(
        json!({"type": "Container", "min": {"cpu": "1"}, "default": {"cpu": "500m"}, "defaultRequest": {"cpu": "2"}}),
        &[
            "defaultRequest[cpu]: Invalid value: \"2\": default request value 2 is greater than default limit value 500m",
            "default[cpu]: Invalid value: \"1\": min value 1 is greater than default value 500m",
        ],
    );
    check_limit(
        json!({"type": "Pod", "max": {"cpu": "4"}, "min": {"cpu": "1"}, "maxLimitRequestRatio": {"cpu": "4"}}),
        &[],
    );
    check_limit(
        json!({"type": "Pod", "max": {"cpu": "3"}, "min": {"cpu": "2"}, "maxLimitRequestRatio": {"cpu": "4"}}),
        &["maxLimitRequestRatio[cpu]: Invalid value: \"4\": ratio 4 is greater than max/min = 1.500000"],
    );
    check_limit(
        json!({"type": "PersistentVolumeClaim", "max": {"storage": "16Pi"}, "min": {"storage": "1Pi"},
            "maxLimitRequestRatio": {"storage": "10"}}),
        &[],
    );
    check_limit(
        json!({"type": "Pod", "maxLimitRequestRatio": {"cpu": "800m"}}),
        &["maxLimitRequestRatio[cpu]: Invalid value: \"800m\": ratio 800m is less than 1"],
    );
    check_limit(json!({"type": "PersistentVolumeClaim", "max": {"storage": "1Gi"}}), &[]);
    check_limit(
        json!({"type": "PersistentVolumeClaim"}),
        &["limits: Required value: either minimum or maximum storage value is required, but neither was provided"],
    );
    check_limit(
        json!({"type": "Node"}),
        &["type: Invalid value: \"Node\": must be a standard limit type or fully qualified"],
    );
    let twice = json!([{"type": "Pod"}, {"type": "Pod"}]);
    check(
        object("v1", "LimitRange", json!({"spec": {"limits": twice}})),
        &["spec.limits[1].type: Duplicate value: \"Pod\""],
    );
}

fn quota(spec: Value) -> Value {
    object("v1", "ResourceQuota", json!({"spec": spec}))
}

#[test]
fn names_of_what_is_limited() {
    check(
        quota(json!({"hard": {"requests.nvidia.com/gpu": "4", "count/jobs.batch": "1", "requests.storage": "1Gi",
            "gold.storageclass.storage.k8s.io/requests.storage": "1Gi", "services.loadbalancers": "1"}})),
        &[],
    );
    check(
        quota(json!({"hard": {"gpus": "1"}})),
        &[
            "spec.hard[gpus]: Invalid value: \"gpus\": must be a standard resource type or fully qualified",
            "spec.hard[gpus]: Invalid value: \"gpus\": must be a standard resource for quota",
        ],
    );
    check(
        quota(json!({"hard": {"pods": "-1"}})),
        &["spec.hard[pods]: Invalid value: \"-1\": must be greater than or equal to 0"],
    );
}

#[test]
fn scopes_of_quotas() {
    check(quota(json!({"hard": {"pods": "1"}, "scopes": ["BestEffort"]})), &[]);
    check(quota(json!({"hard": {"pods": "1", "limits.cpu": "1"}, "scopes": ["Terminating"]})), &[]);
    check(
        quota(json!({"hard": {"cpu": "1"}, "scopes": ["BestEffort"]})),
        &["spec.scopes: Invalid value: [\"BestEffort\"]: unsupported scope applied to resource"],
    );
    check(
        quota(json!({"hard": {"services": "1"}, "scopes": ["NotTerminating"]})),
        &["spec.scopes: Invalid value: [\"NotTerminating\"]: unsupported scope applied to resource"],
    );
    check(
        quota(json!({"hard": {"pods": "1"}, "scopes": ["Sometimes"]})),
        &["spec.scopes: Invalid value: [\"Sometimes\"]: unsupported scope"],
    );
    let selected =
        |expression: Value| json!({"hard": {"pods": "1"}, "scopeSelector": {"matchExpressions": [expression]}});
    check(quota(selected(json!({"scopeName": "PriorityClass", "operator": "In", "values": ["high"]}))), &[]);
    check(
        quota(selected(json!({"scopeName": "PriorityClass", "operator": "In"}))),
        &[
            "spec.scopeSelector.matchExpressions.values: Required value: must be at least one value when `operator` is 'In' or 'NotIn' for scope selector",
        ],
    );
    check_update(
        quota(json!({"hard": {"pods": "1"}, "scopes": ["BestEffort"]})),
        json!({"spec": {"hard": {"pods": "2"}, "scopes": ["NotBestEffort"]}}),
        &["spec.scopes: Invalid value: [\"NotBestEffort\"]: field is immutable"],
    );
}

/// Errors of a budget, without `spec`.
#[track_caller]
fn check_budget(spec: Value, expected: &[&str]) {
    let full: Vec<String> = expected.iter().map(|text| format!("spec.{text}")).collect();
    check(
        object("policy/v1", "PodDisruptionBudget", json!({"spec": spec})),
        &full.iter().map(String::as_str).collect::<Vec<_>>(),
    );
}

#[test]
fn budgets() {
    const PERCENT: &str = "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')";
    check_budget(json!({"maxUnavailable": 0}), &[]);
    check_budget(json!({"minAvailable": "100%", "unhealthyPodEvictionPolicy": "AlwaysAllow"}), &[]);
    check_budget(json!({"minAvailable": -1}), &["minAvailable: Invalid value: -1: must be greater than or equal to 0"]);
    check_budget(json!({"maxUnavailable": "3"}), &[&format!("maxUnavailable: Invalid value: \"3\": {PERCENT}")]);
    check_budget(
        json!({"maxUnavailable": "101%"}),
        &["maxUnavailable: Invalid value: \"101%\": must not be greater than 100%"],
    );
    check_budget(
        json!({"minAvailable": 1, "unhealthyPodEvictionPolicy": "Never"}),
        &[
            "unhealthyPodEvictionPolicy: Unsupported value: \"Never\": supported values: \"AlwaysAllow\", \"IfHealthyBudget\"",
        ],
    );
    check_budget(
        json!({"minAvailable": 1, "selector": {"matchExpressions": [{"key": "a", "operator": "Near"}]}}),
        &["selector.matchExpressions[0].operator: Invalid value: \"Near\": not a valid selector operator"],
    );
}
