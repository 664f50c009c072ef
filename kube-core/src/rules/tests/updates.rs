//! What an update may not change.

use super::*;
use crate::rules::pod::subresources;
use crate::rules::{namespace, pod as pods};

#[test]
fn a_pod_keeps_almost_everything() {
    const REFUSED: &str = "spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";
    check_update(pod(json!({})), json!({"metadata": {"labels": {"a": "b"}}}), &[]);
    check_update(pod(json!({})), json!({"spec": {"containers": [{"name": "c", "image": "other"}]}}), &[]);
    check_update(
        pod(json!({})),
        json!({"spec": {"containers": [{"name": "c", "image": "", "imagePullPolicy": "Always"}]}}),
        &["spec.containers[0].image: Required value"],
    );
    check_update(pod(json!({})), json!({"spec": {"dnsPolicy": "Default"}}), &[REFUSED]);
    check_update(pod(json!({})), json!({"spec": {"nodeName": "n"}}), &[REFUSED]);
    check_update(pod(json!({})), json!({"spec": {"hostNetwork": false, "tolerations": [], "hostAliases": []}}), &[]);
    check_update(
        pod(json!({})),
        json!({"spec": {"containers": [{"name": "c", "image": "i"}, {"name": "d", "image": "i"}]}}),
        &["spec.containers: Forbidden: pod updates may not add or remove containers"],
    );
    check_update(pod(json!({})), json!({"spec": {"tolerations": [{"operator": "Exists"}]}}), &[]);
    let tolerant = pod(json!({"tolerations": [{"key": "a", "operator": "Exists", "effect": "NoExecute"}]}));
    check_update(
        tolerant.clone(),
        json!({"spec": {"tolerations": []}}),
        &["spec.tolerations: Forbidden: existing toleration can not be modified except its tolerationSeconds"],
    );
    check_update(
        tolerant,
        json!({"spec": {"tolerations": [{"key": "a", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 5}]}}),
        &[],
    );
    check_update(pod(json!({})), json!({"spec": {"activeDeadlineSeconds": 5}}), &[]);
    check_update(
        pod(json!({"activeDeadlineSeconds": 5})),
        json!({"spec": {"activeDeadlineSeconds": 6}}),
        &["spec.activeDeadlineSeconds: Invalid value: 6: must be less than or equal to previous value"],
    );
    check_update(
        pod(json!({"activeDeadlineSeconds": 5})),
        json!({"spec": {"activeDeadlineSeconds": null}}),
        &["spec.activeDeadlineSeconds: Invalid value: null: must not update from a positive integer to nil value"],
    );
    check_update(
        pod(json!({"terminationGracePeriodSeconds": -1})),
        json!({"spec": {"terminationGracePeriodSeconds": 1}}),
        &[],
    );
    check_update(pod(json!({})), json!({"spec": {"terminationGracePeriodSeconds": 1}}), &[REFUSED]);
}

#[test]
fn the_refused_change_is_shown() {
    let old = created(pod(json!({})));
    let mut new = old.clone();
    new["spec"]["dnsPolicy"] = json!("Default");
    let errors = texts(&rules(&old).validate_update(&new, &old));
    assert!(
        errors[0].ends_with("\n  {\n- \tdnsPolicy: \"ClusterFirst\",\n+ \tdnsPolicy: \"Default\",\n  }\n"),
        "{errors:?}"
    );
}

#[test]
fn a_gated_pod_may_be_narrowed_down() {
    let gated = || pod(json!({"schedulingGates": [{"name": "g"}], "nodeSelector": {"a": "b"}}));
    check_update(gated(), json!({"spec": {"schedulingGates": null}}), &[]);
    check_update(gated(), json!({"spec": {"nodeSelector": {"c": "d"}}}), &[]);
    check_update(
        gated(),
        json!({"spec": {"nodeSelector": {"a": "x"}}}),
        &[
            "spec.nodeSelector: Invalid value: {\"a\":\"x\"}: only additions to spec.nodeSelector are allowed (no mutations or deletions)",
        ],
    );
    check_update(
        gated(),
        json!({"spec": {"schedulingGates": [{"name": "g"}, {"name": "h"}]}}),
        &["spec.schedulingGates[1].name: Forbidden: only deletion is allowed, but found new scheduling gate 'h'"],
    );
    let terms = json!({"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {
        "nodeSelectorTerms": [{"matchExpressions": [{"key": "a", "operator": "Exists"}]}]}}}});
    check_update(gated(), json!({"spec": terms}), &[]);
}

#[test]
fn a_status_update_keeps_the_spec() {
    let old = created(pod(json!({"nodeName": "n", "restartPolicy": "Never"})));
    let mut new = old.clone();
    new["spec"]["nodeName"] = json!("m");
    new["metadata"]["ownerReferences"] = json!([{"name": "x"}]);
    new["metadata"]["labels"] = json!({"a": "b"});
    new["status"] = json!({"phase": "Running"});
    rules(&old).prepare_status_update(&mut new, &old);
    assert_eq!(new["spec"], old["spec"]);
    assert_eq!(new["metadata"].get("ownerReferences"), None);
    assert_eq!(new["metadata"]["labels"], json!({"a": "b"}));
    assert_eq!(new["status"], json!({"phase": "Running", "qosClass": "BestEffort"}));
    assert_eq!(rules(&old).validate_status_update(&new, &old), vec![]);
}

#[track_caller]
fn check_status(old: Value, new: Value, expected: &[&str]) {
    let mut before = created(pod(json!({"restartPolicy": "Never"})));
    let mut after = before.clone();
    merge(&mut before["status"], old);
    merge(&mut after["status"], new);
    assert_eq!(texts(&rules(&before).validate_status_update(&after, &before)), expected);
}

#[test]
fn statuses_of_pods() {
    let ended = json!({"containerStatuses": [{"name": "c", "state": {"terminated": {"exitCode": 1}}}]});
    check_status(
        ended.clone(),
        json!({"containerStatuses": [{"name": "c", "state": {"running": {}}}]}),
        &["status.containerStatuses[0].state: Forbidden: may not be transitioned to non-terminated state"],
    );
    check_status(ended.clone(), ended, &[]);
    check_status(
        json!({}),
        json!({"qosClass": "Burstable"}),
        &["status.qosClass: Invalid value: \"Burstable\": field is immutable"],
    );
    check_status(
        json!({}),
        json!({"podIPs": [{"ip": "10.0.0.1"}, {"ip": "10.0.0.2"}]}),
        &[
            "status.podIPs: Invalid value: [{\"ip\":\"10.0.0.1\"},{\"ip\":\"10.0.0.2\"}]: may specify no more than one IP for each IP family",
        ],
    );
    check_status(
        json!({}),
        json!({"hostIP": "1.1.1.1", "hostIPs": [{"ip": "1.1.1.2"}]}),
        &["status.hostIPs[0].ip: Invalid value: \"1.1.1.2\": must be equal to `hostIP`"],
    );
}

#[test]
fn bindings_name_a_node() {
    let check = |target: Value| texts(&subresources::validate_binding(&json!({"target": target})));
    assert_eq!(check(json!({"kind": "Node", "name": "n"})), Vec::<String>::new());
    assert_eq!(
        check(json!({"kind": "Pod"})),
        [
            "target.kind: Unsupported value: \"Pod\": supported values: \"<empty>\", \"Node\"",
            "target.name: Required value",
        ]
    );
}

#[test]
fn ephemeral_containers_come_and_stay() {
    let old = created(pod(json!({"nodeName": "n"})));
    let mut new = old.clone();
    new["spec"]["ephemeralContainers"] = json!([{"name": "e", "image": "i", "targetContainerName": "c"}]);
    new["spec"]["nodeName"] = json!("m");
    rules(&old).default(&mut new);
    subresources::prepare_ephemeral_containers(&mut new, &old);
    assert_eq!(new["spec"]["nodeName"], "n");
    assert_eq!(subresources::validate_ephemeral_containers(&new, &old), vec![]);
    assert_eq!(
        texts(&subresources::validate_ephemeral_containers(&old, &new)),
        ["spec.ephemeralContainers: Forbidden: existing ephemeral containers \"e\" may not be removed\n"]
    );
    let mut bad = new.clone();
    merge(
        &mut bad["spec"]["ephemeralContainers"][0],
        json!({"targetContainerName": "x", "ports": [{"containerPort": 1, "protocol": "TCP"}]}),
    );
    assert_eq!(
        texts(&subresources::validate_ephemeral_containers(&bad, &old)),
        [
            "spec.ephemeralContainers[0].targetContainerName: Not found: \"x\"",
            "spec.ephemeralContainers[0].ports: Forbidden: cannot be set for an Ephemeral Container",
        ]
    );
}

#[test]
fn a_resize_changes_only_cpu_and_memory() {
    let resize = |changes: Value| {
        let old = created(container(json!({"resources": {"requests": {"cpu": "1"}}})));
        let mut new = old.clone();
        merge(&mut new["spec"]["containers"][0], changes);
        subresources::prepare_resize(&mut new, &old);
        texts(&subresources::validate_resize(&new, &old))
    };
    assert_eq!(resize(json!({"resources": {"requests": {"cpu": "2"}}})), Vec::<String>::new());
    assert_eq!(resize(json!({"image": "other"})), Vec::<String>::new(), "an image is put back");
    assert_eq!(
        resize(json!({"resources": {"requests": {"cpu": null, "memory": "1Gi"}}})),
        ["spec.containers[0].resources.requests: Forbidden: resource requests cannot be removed"]
    );
    assert_eq!(
        resize(json!({"resources": {"requests": {"ephemeral-storage": "1Gi"}}})),
        ["spec: Forbidden: only cpu and memory resources are mutable"]
    );
}

#[test]
fn the_class_of_a_pod_survives_its_resize() {
    let old = created(container(json!({"resources": {"requests": {"cpu": "1"}}})));
    assert_eq!(pods::qos::class(&old["spec"]), "Burstable");
}

#[test]
fn selectors_of_workloads_stay() {
    let labels = json!({"spec": {"selector": {"matchLabels": {"app": "b"}}, "template": {"metadata": {"labels": {"app": "b"}}}}});
    for kind in ["Deployment", "ReplicaSet", "DaemonSet"] {
        check_update(
            workload(kind, json!({})),
            labels.clone(),
            &["spec.selector: Invalid value: {\"matchLabels\":{\"app\":\"b\"}}: field is immutable"],
        );
        check_update(
            workload(kind, json!({})),
            json!({"spec": {"template": {"metadata": {"labels": {"x": "y"}}}}}),
            &[],
        );
    }
    check_update(workload("StatefulSet", json!({})), json!({"spec": {"replicas": 5}}), &[]);
    check_update(
        workload("StatefulSet", json!({})),
        json!({"spec": {"serviceName": "s"}}),
        &[
            "spec: Forbidden: updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden",
        ],
    );
}

#[test]
fn config_maps_and_secrets() {
    const FIXED: &str = "Forbidden: field is immutable when `immutable` is set";
    for kind in ["ConfigMap", "Secret"] {
        let fixed = object("v1", kind, json!({"immutable": true, "data": {"a": ""}}));
        check_update(fixed.clone(), json!({"metadata": {"labels": {"a": "b"}}}), &[]);
        check_update(fixed.clone(), json!({"data": {"b": ""}}), &[&format!("data: {FIXED}")]);
        check_update(fixed, json!({"immutable": null}), &[&format!("immutable: {FIXED}")]);
    }
    let secret = object("v1", "Secret", json!({"data": {"a": ""}}));
    check_update(secret.clone(), json!({"type": "x"}), &["type: Invalid value: \"x\": field is immutable"]);
    check_update(secret, json!({"stringData": {"a": "x"}}), &[]);
}

#[test]
fn roles_of_bindings_stay() {
    let binding = object(
        "rbac.authorization.k8s.io/v1",
        "ClusterRoleBinding",
        json!({"roleRef": {"kind": "ClusterRole", "name": "r"}}),
    );
    check_update(
        binding.clone(),
        json!({"roleRef": {"name": "s"}}),
        &[
            "roleRef: Invalid value: {\"apiGroup\":\"rbac.authorization.k8s.io\",\"kind\":\"ClusterRole\",\"name\":\"s\"}: cannot change roleRef",
        ],
    );
    check_update(binding, json!({"subjects": [{"kind": "Group", "name": "g"}]}), &[]);
}

#[test]
fn nodes_keep_their_ranges_and_providers() {
    let node = || object("v1", "Node", json!({"spec": {"podCIDR": "10.0.0.0/24", "providerID": "p"}}));
    check_update(node(), json!({"spec": {"unschedulable": true}}), &[]);
    check_update(
        node(),
        json!({"spec": {"podCIDR": "10.0.1.0/24", "podCIDRs": ["10.0.1.0/24"], "providerID": "q"}}),
        &[
            "spec.podCIDRs: Forbidden: node updates may not change podCIDR except from \"\" to valid",
            "spec.providerID: Forbidden: node updates may not change providerID except from \"\" to valid",
        ],
    );
    check_update(object("v1", "Node", json!({})), json!({"spec": {"podCIDR": "10.0.1.0/24"}}), &[]);
}

#[test]
fn namespaces_keep_their_finalizers_until_finalized() {
    let old = created(object("v1", "Namespace", json!({})));
    let mut new = old.clone();
    new["spec"]["finalizers"] = json!([]);
    rules(&old).prepare_update(&mut new, &old);
    assert_eq!(new["spec"]["finalizers"], json!(["kubernetes"]));
    let mut new = old.clone();
    new["spec"]["finalizers"] = json!(["example.com/f"]);
    new["status"] = json!({"phase": "x"});
    namespace::prepare_finalize(&mut new, &old);
    assert_eq!((&new["spec"]["finalizers"], &new["status"]), (&json!(["example.com/f"]), &old["status"]));
    assert_eq!(namespace::validate_finalize(&new), vec![]);
    new["spec"]["finalizers"] = json!(["x"]);
    assert_eq!(
        texts(&namespace::validate_finalize(&new)),
        [
            "spec.finalizers[0]: Invalid value: \"x\": name is neither a standard finalizer name nor is it fully qualified"
        ]
    );
    let mut terminating = old.clone();
    terminating["status"]["phase"] = json!("Terminating");
    assert_eq!(
        texts(&rules(&old).validate_status_update(&terminating, &old)),
        ["status.Phase: Invalid value: \"Terminating\": may only be 'Active' if `deletionTimestamp` is empty"]
    );
}

#[test]
fn other_kinds() {
    let event = |fields: Value| {
        let mut event = object(
            "events.k8s.io/v1",
            "Event",
            json!({"eventTime": "2026-01-01T00:00:00.000000Z", "type": "Normal", "action": "A", "reason": "R",
                   "reportingController": "c", "reportingInstance": "i", "regarding": {"namespace": "default"}}),
        );
        merge(&mut event, fields);
        event
    };
    check_update(
        event(json!({})),
        json!({"series": {"count": 2, "lastObservedTime": "2026-01-01T00:00:01.000000Z"}}),
        &[],
    );
    check_update(event(json!({})), json!({"note": "x"}), &["message: Invalid value: \"x\": field is immutable"]);
    check_update(
        object("discovery.k8s.io/v1", "EndpointSlice", json!({"addressType": "IPv4"})),
        json!({"addressType": "IPv6"}),
        &["addressType: Invalid value: \"IPv6\": field is immutable"],
    );
    check_update(
        object("scheduling.k8s.io/v1", "PriorityClass", json!({"value": 1})),
        json!({"value": 2}),
        &["value: Forbidden: may not be changed in an update."],
    );
    check_update(
        object("storage.k8s.io/v1", "StorageClass", json!({"provisioner": "example.com/p"})),
        json!({"provisioner": "example.com/q", "reclaimPolicy": "Retain"}),
        &[
            "provisioner: Forbidden: updates to provisioner are forbidden.",
            "reclaimPolicy: Invalid value: \"Retain\": field is immutable",
        ],
    );
    let job = object(
        "batch/v1",
        "Job",
        json!({"spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]}}}}),
    );
    check_update(job.clone(), json!({"spec": {"parallelism": 2}}), &[]);
    check_update(job, json!({"spec": {"completions": 2}}), &["spec.completions: Invalid value: 2: field is immutable"]);
}

/// What the default rule of a status update makes of `new`: the old object, but for its status and who owns it.
#[track_caller]
fn check_status_update(new: Value, old: &Value) {
    let mut expected = old.clone();
    for (parent, field) in [("", "status"), ("metadata", "resourceVersion"), ("metadata", "managedFields")] {
        let from = if parent.is_empty() { &new } else { &new[parent] };
        let into = if parent.is_empty() { &mut expected } else { &mut expected[parent] };
        let into = into.as_object_mut().unwrap();
        match from.get(field) {
            Some(value) => into.insert(field.to_owned(), value.clone()),
            None => into.remove(field),
        };
    }
    let mut prepared = new;
    of("apps", "ReplicaSet").prepare_status_update(&mut prepared, old);
    assert_eq!(prepared, expected);
}

#[test]
fn a_status_update_restores_everything_else() {
    let old = object(
        "apps/v1",
        "ReplicaSet",
        json!({"metadata": {"labels": {"a": "1"}, "resourceVersion": "1", "managedFields": [{"manager": "x"}]},
            "spec": {"replicas": 1, "template": {"spec": {"containers": [{"name": "c"}]}}}, "status": {"replicas": 0}}),
    );
    check_status_update(old.clone(), &old);
    let changes = [
        json!({"status": {"replicas": 1}}),
        json!({"status": null}),
        json!({"spec": {"replicas": 2}, "status": {"replicas": 1}}),
        json!({"spec": {"template": {"spec": {"containers": [{"name": "d"}]}}}}),
        json!({"spec": null, "data": {"a": "b"}}),
        json!({"metadata": {"labels": null, "annotations": {"a": "b"}, "managedFields": [{"manager": "y"}]}}),
        json!({"metadata": {"resourceVersion": "2", "managedFields": null, "uid": null}}),
        json!({"metadata": null}),
    ];
    for change in changes {
        let mut new = old.clone();
        merge(&mut new, change);
        check_status_update(new, &old);
    }
    let mut bare = old.clone();
    bare.as_object_mut().unwrap().remove("status");
    check_status_update(old, &bare);
}
