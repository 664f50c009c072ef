use super::*;

/// What a Pod with this spec breaks of a range.
#[track_caller]
fn check_range(spec: Value, item: Value, expected: &[&str]) {
    assert_eq!(check(&spec, &item), expected, "{spec} {item}");
}

fn asks(request: &str, limit: &str) -> Value {
    json!({"resources": {"requests": {"cpu": request}, "limits": {"cpu": limit}}})
}

#[test]
fn containers_are_held_against_bounds_one_by_one() {
    let two = json!({"containers": [asks("1", "2")], "initContainers": [asks("100m", "3")]});
    check_range(two.clone(), json!({"type": "Container", "max": {"cpu": "3"}, "min": {"cpu": "100m"}}), &[]);
    check_range(
        two,
        json!({"type": "Container", "max": {"cpu": "2"}, "min": {"cpu": "200m"}}),
        &[
            "minimum cpu usage per Container is 200m, but request is 100m",
            "maximum cpu usage per Container is 2, but limit is 3",
        ],
    );
    check_range(
        json!({"containers": [{}]}),
        json!({"type": "Container", "max": {"cpu": "2"}, "min": {"cpu": "200m"}}),
        &[
            "minimum cpu usage per Container is 200m.  No request is specified",
            "maximum cpu usage per Container is 2.  No limit is specified",
        ],
    );
}

#[test]
fn a_limit_is_no_more_than_so_many_times_its_request() {
    let range = |ratio: &str| json!({"type": "Container", "maxLimitRequestRatio": {"cpu": ratio}});
    for (request, limit, ratio) in [("100m", "300m", "3"), ("1", "1500m", "1500m"), ("3", "1", "1")] {
        check_range(json!({"containers": [asks(request, limit)]}), range(ratio), &[]);
    }
    check_range(
        json!({"containers": [asks("100m", "301m")]}),
        range("3"),
        &["cpu max limit to request ratio per Container is 3, but provided ratio is 3.010000"],
    );
    check_range(
        json!({"containers": [asks("0", "1")]}),
        range("3"),
        &["cpu max limit to request ratio per Container is 3, but no request is specified or request is 0"],
    );
    check_range(
        json!({"containers": [{"resources": {"requests": {"cpu": "1"}}}]}),
        range("3"),
        &["cpu max limit to request ratio per Container is 3, but no limit is specified or limit is 0"],
    );
}

/// The largest limit of a Pod that passes.
#[track_caller]
fn check_pod(spec: Value, cpu: &str) {
    let amount = Resources::of_pod(&spec).limits.get("cpu").map(ToString::to_string);
    assert_eq!(amount.as_deref(), Some(cpu), "{spec}");
    check_range(spec.clone(), json!({"type": "Pod", "max": {"cpu": cpu}}), &[]);
    let text = format!("maximum cpu usage per Pod is 1m, but limit is {cpu}");
    check_range(spec, json!({"type": "Pod", "max": {"cpu": "1m"}}), &[&text]);
}

#[test]
fn a_pod_asks_for_what_runs_at_a_time() {
    let sidecar = |cpu: &str| {
        let mut sidecar = asks(cpu, cpu);
        sidecar["restartPolicy"] = json!("Always");
        sidecar
    };
    check_pod(json!({"containers": [asks("1", "1"), asks("1", "2")]}), "3");
    check_pod(json!({"containers": [asks("1", "1")], "initContainers": [asks("2", "2"), asks("4", "4")]}), "4");
    check_pod(json!({"containers": [asks("1", "1")], "initContainers": [sidecar("2"), asks("4", "4")]}), "6");
    check_pod(json!({"containers": [asks("3", "3")], "initContainers": [asks("4", "4"), sidecar("2")]}), "5");
    check_pod(json!({"containers": [asks("1", "1")], "resources": {"limits": {"cpu": "8"}}}), "8");
}
