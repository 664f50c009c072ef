//! What is wrong with workloads.

use super::*;

#[test]
fn deployments() {
    check(deployment(json!({})), &[]);
    check(
        deployment(json!({"replicas": -1})),
        &["spec.replicas: Invalid value: -1: must be greater than or equal to 0"],
    );
    check(deployment(json!({"selector": null})), &["spec.selector: Required value"]);
    check(
        deployment(json!({"selector": {"matchLabels": null}})),
        &["spec.selector: Invalid value: {}: empty selector is invalid for deployment"],
    );
    check(
        deployment(json!({"selector": {"matchLabels": {"app": "b"}}})),
        &["spec.template.metadata.labels: Invalid value: {\"app\":\"a\"}: `selector` does not match template `labels`"],
    );
    check(
        deployment(json!({"strategy": {"type": "Recreate", "rollingUpdate": {}}})),
        &["spec.strategy.rollingUpdate: Forbidden: may not be specified when strategy `type` is 'Recreate'"],
    );
    check(
        deployment(json!({"strategy": {"type": "x"}})),
        &["spec.strategy: Unsupported value: {\"type\":\"x\"}: supported values: \"Recreate\", \"RollingUpdate\""],
    );
    check(
        deployment(json!({"strategy": {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": "0%"}}})),
        &["spec.strategy.rollingUpdate.maxUnavailable: Invalid value: \"0%\": may not be 0 when `maxSurge` is 0"],
    );
    check(
        deployment(json!({"strategy": {"rollingUpdate": {"maxSurge": "x", "maxUnavailable": "101%"}}})),
        &[
            "spec.strategy.rollingUpdate.maxSurge: Invalid value: \"x\": a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')",
            "spec.strategy.rollingUpdate.maxUnavailable: Invalid value: \"101%\": must not be greater than 100%",
        ],
    );
    check(
        deployment(json!({"minReadySeconds": 600})),
        &["spec.progressDeadlineSeconds: Invalid value: 600: must be greater than minReadySeconds"],
    );
}

#[test]
fn templates() {
    let template = |spec: Value| deployment(json!({"template": {"spec": spec}}));
    check(
        template(json!({"restartPolicy": "Never"})),
        &["spec.template.spec.restartPolicy: Unsupported value: \"Never\": supported values: \"Always\""],
    );
    check(
        template(json!({"activeDeadlineSeconds": 5})),
        &["spec.template.spec.activeDeadlineSeconds: Forbidden: activeDeadlineSeconds in ReplicaSet is not Supported"],
    );
    check(
        template(json!({"ephemeralContainers": [{"name": "e", "image": "i"}]})),
        &["spec.template.spec.ephemeralContainers: Forbidden: ephemeral containers not allowed in pod template"],
    );
    check(template(json!({"containers": []})), &["spec.template.spec.containers: Required value"]);
    // Templates that were stored with spaces around an image stay valid.
    check(template(json!({"containers": [{"name": "c", "image": " "}]})), &[]);
}

#[test]
fn other_controllers() {
    for kind in ["ReplicaSet", "StatefulSet", "DaemonSet"] {
        check(workload(kind, json!({})), &[]);
    }
    check(
        workload("DaemonSet", json!({"updateStrategy": {"rollingUpdate": {"maxSurge": 1}}})),
        &[
            "spec.updateStrategy.rollingUpdate.maxSurge: Invalid value: 1: may not be set when maxUnavailable is non-zero",
        ],
    );
    check(
        workload("DaemonSet", json!({"updateStrategy": {"rollingUpdate": {"maxUnavailable": 0}}})),
        &["spec.updateStrategy.rollingUpdate.maxUnavailable: Required value: cannot be 0 when maxSurge is 0"],
    );
    check(
        workload("StatefulSet", json!({"podManagementPolicy": "x"})),
        &["spec.podManagementPolicy: Invalid value: \"x\": must be 'OrderedReady' or 'Parallel'"],
    );
    check(
        workload("StatefulSet", json!({"updateStrategy": {"type": "OnDelete", "rollingUpdate": {}}})),
        &["spec.updateStrategy.rollingUpdate: Invalid value: {}: only allowed for updateStrategy 'RollingUpdate'"],
    );
    check(
        workload("DaemonSet", json!({"updateStrategy": {"type": "x"}})),
        &[
            "spec.updateStrategy: Unsupported value: {\"type\":\"x\"}: supported values: \"OnDelete\", \"RollingUpdate\"",
        ],
    );
    check(
        workload("StatefulSet", json!({"updateStrategy": {"type": "x"}})),
        &["spec.updateStrategy: Invalid value: {\"type\":\"x\"}: must be 'RollingUpdate' or 'OnDelete'"],
    );
    check(
        workload(
            "StatefulSet",
            json!({"updateStrategy": {"rollingUpdate": {"maxUnavailable": "0%", "partition": -1}}}),
        ),
        &[
            "spec.updateStrategy.rollingUpdate.partition: Invalid value: -1: must be greater than or equal to 0",
            "spec.updateStrategy.rollingUpdate.maxUnavailable: Invalid value: \"0%\": cannot be 0",
        ],
    );
    check(
        workload(
            "StatefulSet",
            json!({"ordinals": {"start": -1}, "persistentVolumeClaimRetentionPolicy": {"whenScaled": "Keep"}}),
        ),
        &[
            "spec.persistentVolumeClaimRetentionPolicy.whenScaled: Unsupported value: \"Keep\": supported values: \"Delete\", \"Retain\"",
            "spec.ordinals.start: Invalid value: -1: must be greater than or equal to 0",
        ],
    );
    let controller = object(
        "v1",
        "ReplicationController",
        json!({"spec": {"template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}}}),
    );
    check(controller, &[]);
    check(
        object("v1", "ReplicationController", json!({"spec": {}})),
        &["spec.selector: Required value", "spec.template: Required value"],
    );
}

/// Errors of a write of the status `new` over the status `old` of a workload.
#[track_caller]
fn check_status(kind: &str, old: Value, new: Value, expected: &[&str]) {
    let mut before = created(workload(kind, json!({})));
    let mut after = before.clone();
    before["status"] = old;
    after["status"] = new;
    assert_eq!(texts(&rules(&before).validate_status_update(&after, &before)), expected);
}

#[test]
fn counters_of_statuses() {
    for kind in ["Deployment", "StatefulSet", "DaemonSet"] {
        let count = |count: i64| json!({"collisionCount": count});
        check_status(kind, count(1), count(2), &[]);
        check_status(kind, json!({}), count(1), &[]);
        check_status(kind, count(2), count(1), &["status.collisionCount: Invalid value: 1: cannot be decremented"]);
        check_status(kind, count(2), json!({}), &["status.collisionCount: Invalid value: 0: cannot be decremented"]);
    }
    check_status(
        "StatefulSet",
        json!({}),
        json!({"replicas": 3, "readyReplicas": 1, "availableReplicas": 2, "currentReplicas": 4}),
        &[
            "status.currentReplicas: Invalid value: 4: cannot be greater than status.replicas",
            "status.availableReplicas: Invalid value: 2: cannot be greater than status.readyReplicas",
        ],
    );
}

#[test]
fn selectors_are_given_and_find_the_template() {
    for (kind, empty) in [
        ("ReplicaSet", "empty selector is invalid for deployment"),
        ("StatefulSet", "empty selector is invalid for statefulset"),
        ("DaemonSet", "invalid empty selector"),
    ] {
        check(
            workload(kind, json!({"selector": {"matchLabels": null}})),
            &[&format!("spec.selector: Invalid value: {{}}: {empty}")],
        );
        check(workload(kind, json!({"selector": null})), &["spec.selector: Required value"]);
        check(
            workload(kind, json!({"selector": {"matchLabels": {"app": "b"}}})),
            &[
                "spec.template.metadata.labels: Invalid value: {\"app\":\"a\"}: `selector` does not match template `labels`",
            ],
        );
        check(
            workload(kind, json!({"template": {"spec": {"restartPolicy": "OnFailure"}}})),
            &["spec.template.spec.restartPolicy: Unsupported value: \"OnFailure\": supported values: \"Always\""],
        );
    }
    let expressions =
        json!({"matchLabels": null, "matchExpressions": [{"key": "app", "operator": "In", "values": ["a", "b"]}]});
    check(deployment(json!({"selector": expressions})), &[]);
}

#[test]
fn statuses_of_workloads() {
    let status = |kind: &str, status: Value| {
        let object = created(workload(kind, json!({})));
        let mut new = object.clone();
        new["status"] = status;
        texts(&rules(&object).validate_status_update(&new, &object))
    };
    assert_eq!(
        status("Deployment", json!({"replicas": 2, "readyReplicas": 2, "availableReplicas": 2})),
        Vec::<String>::new()
    );
    assert_eq!(
        status("Deployment", json!({"replicas": 1, "readyReplicas": 2})),
        ["status.readyReplicas: Invalid value: 2: cannot be greater than status.replicas"]
    );
    assert_eq!(
        status("ReplicaSet", json!({"replicas": 2, "readyReplicas": 1, "availableReplicas": 2})),
        ["status.availableReplicas: Invalid value: 2: cannot be greater than readyReplicas"]
    );
    assert_eq!(
        status("DaemonSet", json!({"numberReady": -1})),
        ["status.numberReady: Invalid value: -1: must be greater than or equal to 0"]
    );
}

#[test]
fn pods_of_a_stateful_set_mount_what_its_claims_bring() {
    let claim = json!({"metadata": {"name": "www"}, "spec": {"accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": "1Gi"}}}});
    let containers = json!([{"name": "c", "image": "nginx:1", "volumeMounts": [{"name": "www", "mountPath": "/www"}]}]);
    let set = |spec: Value| {
        let mut set = workload("StatefulSet", json!({"serviceName": "web", "volumeClaimTemplates": [claim.clone()]}));
        set["spec"]["template"]["spec"]["containers"] = containers.clone();
        merge(&mut set["spec"], spec);
        set
    };
    check(set(json!({})), &[]);
    // What else is wrong with the pods is told when they are made; labels and the restart policy at once.
    check(set(json!({"template": {"spec": {"dnsPolicy": "x"}}})), &[]);
    check(
        set(json!({"template": {"metadata": {"labels": {"a": "-"}}, "spec": {"restartPolicy": "Never"}}})),
        &[
            "spec.template.labels: Invalid value: \"-\": a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')",
            "spec.template.spec.restartPolicy: Unsupported value: \"Never\": supported values: \"Always\"",
        ],
    );
}
