use super::*;

/// What a Pod with this spec breaks of a range.
#[track_caller]
fn check_range(spec: Value, item: Value, expected: &[&str]) {
    assert_eq!(super::check_pod(&spec, &Value::Null, &item), expected, "{spec} {item}");
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
fn check_together(spec: Value, cpu: &str) {
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
    check_together(json!({"containers": [asks("1", "1"), asks("1", "2")]}), "3");
    check_together(json!({"containers": [asks("1", "1")], "initContainers": [asks("2", "2"), asks("4", "4")]}), "4");
    check_together(json!({"containers": [asks("1", "1")], "initContainers": [sidecar("2"), asks("4", "4")]}), "6");
    check_together(json!({"containers": [asks("3", "3")], "initContainers": [asks("4", "4"), sidecar("2")]}), "5");
    check_together(json!({"containers": [asks("1", "1")], "resources": {"limits": {"cpu": "8"}}}), "8");
}

/// What a change from one spec of a claim to another breaks.
#[track_caller]
fn check_size(old: Option<&str>, new: &str, expected: &[&str]) {
    let claim = |size: &str| json!({"resources": {"requests": {"storage": size}, "limits": {"storage": "1"}}});
    let item = json!({"type": "PersistentVolumeClaim", "min": {"storage": "1Gi"}, "max": {"storage": "10Gi"}});
    let old = old.map_or(Value::Null, claim);
    assert_eq!(check_claim(&claim(new), &old, &item), expected, "{old} {new}");
}

#[test]
fn claims_are_held_against_bounds_by_what_they_request() {
    check_size(None, "1Gi", &[]);
    check_size(None, "10Gi", &[]);
    check_size(None, "512Mi", &["minimum storage usage per PersistentVolumeClaim is 1Gi, but request is 512Mi"]);
    check_size(None, "11Gi", &["maximum storage usage per PersistentVolumeClaim is 10Gi, but request is 11Gi"]);
    check_size(Some("5Gi"), "11Gi", &["maximum storage usage per PersistentVolumeClaim is 10Gi, but request is 11Gi"]);
    // A range that came after the claim does not keep it from being labelled.
    check_size(Some("20Gi"), "20Gi", &[]);
    let other = json!({"type": "PersistentVolumeClaim", "max": {"storage": "1Gi"}});
    let nothing = check_claim(&json!({}), &Value::Null, &other);
    assert_eq!(nothing, ["maximum storage usage per PersistentVolumeClaim is 1Gi.  No request is specified"]);
    assert!(check_claim(&json!({}), &Value::Null, &json!({"type": "Pod", "max": {"storage": "1"}})).is_empty());
}

#[test]
fn what_a_container_had_before_is_not_held_against_it() {
    let item = json!({"type": "Container", "max": {"cpu": "1", "memory": "1Gi"}});
    let before = json!({"containers": [{"resources": {"limits": {"cpu": "2", "memory": "2Gi"}}}, asks("1", "1")]});
    let mut after = before.clone();
    after["containers"][1]["resources"]["limits"]["memory"] = json!("1Gi");
    assert_eq!(super::check_pod(&after, &before, &item), [] as [&str; 0]);
    after["containers"][0]["resources"]["limits"]["cpu"] = json!("3");
    assert_eq!(super::check_pod(&after, &before, &item), ["maximum cpu usage per Container is 1, but limit is 3"]);
}

#[test]
fn a_range_that_came_later_does_not_hold_up_what_it_is_not_about() {
    let (before, after) = (json!({"containers": [asks("1", "1")]}), json!({"containers": [asks("2", "2")]}));
    for range in ["Container", "Pod"] {
        for bound in ["min", "max", "maxLimitRequestRatio"] {
            let item = json!({"type": range, bound: {"memory": "1", "cpu": "2"}});
            assert_eq!(super::check_pod(&after, &before, &item), [] as [&str; 0], "{item}");
        }
    }
}

#[test]
fn a_pod_says_what_was_filled_in() {
    let range =
        json!([{"type": "Container", "default": {"cpu": "1", "memory": "1Gi"}, "defaultRequest": {"cpu": "500m"}}]);
    let mut pod = json!({"metadata": {}, "spec": {
        "containers": [{"name": "a"}, {"name": "b", "resources": {"limits": {"cpu": "2"}, "requests": {"cpu": "2"}}}],
        "initContainers": [{"name": "i", "resources": {"limits": {"memory": "1"}}}]}});
    fill_pod(&mut pod, &range);
    assert_eq!(
        pod["metadata"]["annotations"],
        json!({"kubernetes.io/limit-ranger": "LimitRanger plugin set: cpu request for container a; cpu, memory limit \
            for container a; memory limit for container b; cpu request for init container i; cpu limit for init \
            container i"})
    );
    let filled = pod.clone();
    pod["metadata"]["annotations"] = json!({});
    fill_pod(&mut pod, &range);
    assert_eq!((&pod["spec"], &pod["metadata"]["annotations"]), (&filled["spec"], &json!({})));
}
