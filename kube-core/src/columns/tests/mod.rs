//! Rows of Tables, as `kubectl get -o wide` shows them.

mod pods;
mod status_words;

use super::{cells, human_duration, of};
use crate::catalog;
use serde_json::{Value, json};

const NOW: &str = "2026-01-01T01:00:00Z";

/// The cells of an object that is an hour old, joined by `|`.
#[track_caller]
fn check(group: &str, kind: &str, mut object: Value, expected: &str) {
    object["metadata"]["name"] = json!("a");
    object["metadata"]["creationTimestamp"] = json!("2026-01-01T00:00:00Z");
    let cells = cells(group, kind, &object, NOW.parse().unwrap());
    assert_eq!(cells.len(), of(group, kind).len(), "as many cells as columns");
    let text: Vec<String> =
        cells.iter().map(|cell| cell.as_str().map_or_else(|| cell.to_string(), str::to_owned)).collect();
    assert_eq!(text.join("|"), expected);
}

#[test]
fn durations_are_rounded_as_they_grow() {
    const DAY: i64 = 86400;
    for (seconds, text) in [
        (-5, "<invalid>"),
        (-1, "0s"),
        (0, "0s"),
        (119, "119s"),
        (120, "2m"),
        (121, "2m1s"),
        (599, "9m59s"),
        (600, "10m"),
        (3 * 3600 - 1, "179m"),
        (3 * 3600, "3h"),
        (3 * 3600 + 60, "3h1m"),
        (8 * 3600 + 60, "8h"),
        (47 * 3600, "47h"),
        (2 * DAY, "2d"),
        (2 * DAY + 3600, "2d1h"),
        (8 * DAY + 3600, "8d"),
        (700 * DAY, "700d"),
        (2 * 365 * DAY, "2y"),
        (2 * 365 * DAY + DAY, "2y1d"),
        (8 * 365 * DAY + DAY, "8y"),
    ] {
        assert_eq!(human_duration(seconds), text, "{seconds}");
    }
}

#[test]
fn every_kind_has_as_many_cells_as_columns() {
    for resource in catalog::builtin() {
        let columns = of(resource.group, resource.kind);
        let cells = cells(resource.group, resource.kind, &json!({}), NOW.parse().unwrap());
        assert_eq!(cells.len(), columns.len(), "{}", resource.kind);
        assert!(columns.iter().any(|column| column.format == "name"), "{}", resource.kind);
    }
}

#[test]
fn kinds_without_a_printer_show_when_they_were_created() {
    check("rbac.authorization.k8s.io", "ClusterRole", json!({}), "a|2026-01-01T00:00:00Z");
    check("", "LimitRange", json!({}), "a|2026-01-01T00:00:00Z");
    check("apiextensions.k8s.io", "CustomResourceDefinition", json!({}), "a|2026-01-01T00:00:00Z");
}

#[test]
fn workloads() {
    let template = json!({"spec": {"containers": [{"name": "c", "image": "i:1"}, {"name": "d", "image": "j:2"}]}});
    let selector = json!({"matchLabels": {"b": "2", "a": "1"},
                          "matchExpressions": [{"key": "c", "operator": "In", "values": ["y", "x"]}]});
    let spec = json!({"replicas": 3, "selector": selector, "template": template});
    let status = json!({"replicas": 3, "readyReplicas": 2, "updatedReplicas": 3, "availableReplicas": 1});
    let object = json!({"spec": spec, "status": status});
    check("apps", "Deployment", object.clone(), "a|2/3|3|1|60m|c,d|i:1,j:2|a=1,b=2,c in (x,y)");
    check("apps", "ReplicaSet", object.clone(), "a|3|3|2|60m|c,d|i:1,j:2|a=1,b=2,c in (x,y)");
    check("apps", "StatefulSet", object, "a|2/3|60m|c,d|i:1,j:2");
    check(
        "apps",
        "DaemonSet",
        json!({"spec": {"template": template}, "status": {"desiredNumberScheduled": 2, "numberReady": 1}}),
        "a|2|0|1|0|0|<none>|60m|c,d|i:1,j:2|<none>",
    );
    check(
        "batch",
        "Job",
        json!({"spec": {"completions": 2, "template": template},
               "status": {"succeeded": 1, "startTime": "2026-01-01T00:59:00Z"}}),
        "a|Running|1/2|60s|60m|c,d|i:1,j:2|<none>",
    );
    check(
        "batch",
        "Job",
        json!({"spec": {"parallelism": 2}, "status": {"conditions": [{"type": "Failed", "status": "True"}]}}),
        "a|Failed|0/1 of 2||60m|||<none>",
    );
    check(
        "batch",
        "CronJob",
        json!({"spec": {"schedule": "* * * * *", "suspend": false}, "status": {"active": [{}]}}),
        "a|* * * * *|<none>|False|1|<none>|60m|||<none>",
    );
    check(
        "apps",
        "ControllerRevision",
        json!({"metadata": {"ownerReferences": [
                   {"apiVersion": "apps/v1", "kind": "DaemonSet", "name": "d", "controller": true}]}, "revision": 2}),
        "a|daemonset.apps/d|2|60m",
    );
}

#[test]
fn services_and_endpoints() {
    let service = |spec: Value| json!({"spec": spec});
    check(
        "",
        "Service",
        service(json!({"type": "NodePort", "clusterIPs": ["10.0.0.1"], "selector": {"app": "a"},
                       "ports": [{"port": 80, "protocol": "TCP", "nodePort": 30080}, {"port": 53, "protocol": "UDP"}]})),
        "a|NodePort|10.0.0.1|<none>|80:30080/TCP,53/UDP|60m|app=a",
    );
    check(
        "",
        "Service",
        service(json!({"type": "LoadBalancer", "clusterIP": "10.0.0.1"})),
        "a|LoadBalancer|10.0.0.1|<pending>|<none>|60m|<none>",
    );
    check(
        "",
        "Service",
        service(json!({"type": "ExternalName", "externalName": "x.org"})),
        "a|ExternalName|<none>|x.org|<none>|60m|<none>",
    );
    let addresses: Vec<Value> = (1..=4).map(|i| json!({"ip": format!("10.0.0.{i}")})).collect();
    check(
        "",
        "Endpoints",
        json!({"subsets": [{"addresses": addresses, "ports": [{"port": 80}]}]}),
        "a|10.0.0.1:80,10.0.0.2:80,10.0.0.3:80 + 1 more...|60m",
    );
    check("", "Endpoints", json!({}), "a|<none>|60m");
    check(
        "discovery.k8s.io",
        "EndpointSlice",
        json!({"addressType": "IPv4", "ports": [{"port": 80}], "endpoints": [{"addresses": ["10.0.0.1"]}]}),
        "a|IPv4|80|10.0.0.1|60m",
    );
    check("discovery.k8s.io", "EndpointSlice", json!({"addressType": "IPv6"}), "a|IPv6|<unset>|<unset>|60m");
    check(
        "networking.k8s.io",
        "Ingress",
        json!({"spec": {"rules": [{"host": "x.org"}], "tls": [{}]},
               "status": {"loadBalancer": {"ingress": [{"ip": "1.2.3.4"}]}}}),
        "a|<none>|x.org|1.2.3.4|80, 443|60m",
    );
    check("networking.k8s.io", "NetworkPolicy", json!({"spec": {"podSelector": {}}}), "a|<none>|60m");
}

#[test]
fn nodes_and_namespaces() {
    let status = json!({
        "conditions": [{"type": "Ready", "status": "True"}],
        "addresses": [{"type": "InternalIP", "address": "10.0.0.1"}],
        "nodeInfo": {"kubeletVersion": "v1.36.0", "osImage": "Linux"},
    });
    let mut node = json!({"metadata": {"labels": {"node-role.kubernetes.io/worker": ""}}, "status": status});
    check("", "Node", node.clone(), "a|Ready|worker|60m|v1.36.0|10.0.0.1|<none>|Linux|<unknown>|<unknown>");
    node["spec"] = json!({"unschedulable": true});
    node["status"]["conditions"][0]["status"] = json!("Unknown");
    check(
        "",
        "Node",
        node,
        "a|NotReady,SchedulingDisabled|worker|60m|v1.36.0|10.0.0.1|<none>|Linux|<unknown>|<unknown>",
    );
    check("", "Namespace", json!({"status": {"phase": "Active"}}), "a|Active|60m");
}

#[test]
fn events_of_both_groups() {
    let core = json!({
        "type": "Warning", "reason": "Failed", "message": " no ", "count": 3,
        "involvedObject": {"kind": "Pod", "name": "p", "fieldPath": "spec.containers{c}"},
        "source": {"component": "kubelet", "host": "n"},
        "firstTimestamp": "2026-01-01T00:30:00Z", "lastTimestamp": "2026-01-01T00:59:00Z",
    });
    check("", "Event", core, "60s|Warning|Failed|pod/p|spec.containers{c}|kubelet, n|no|30m|3|a");
    let new = json!({
        "type": "Normal", "reason": "Scheduled", "note": "yes", "regarding": {"kind": "Pod", "name": "p"},
        "reportingController": "scheduler", "reportingInstance": "s-1", "eventTime": "2026-01-01T00:50:00.000000Z",
        "series": {"count": 7, "lastObservedTime": "2026-01-01T00:58:30.000000Z"},
    });
    check("events.k8s.io", "Event", new, "90s|Normal|Scheduled|pod/p||scheduler, s-1|yes|10m|7|a");
}

#[test]
fn configuration_and_storage() {
    check("", "ConfigMap", json!({"data": {"a": "1"}, "binaryData": {"b": ""}}), "a|2|60m");
    check("", "Secret", json!({"type": "Opaque", "data": {"a": ""}}), "a|Opaque|1|60m");
    check(
        "rbac.authorization.k8s.io",
        "RoleBinding",
        json!({"roleRef": {"kind": "Role", "name": "r"}, "subjects": [
            {"kind": "User", "name": "u"}, {"kind": "User", "name": "v"},
            {"kind": "ServiceAccount", "name": "s", "namespace": "n"}]}),
        "a|Role/r|60m|u, v||n/s",
    );
    check(
        "",
        "PersistentVolumeClaim",
        json!({"spec": {"volumeName": "v", "storageClassName": "fast", "volumeMode": "Filesystem"},
               "status": {"phase": "Bound", "capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"]}}),
        "a|Bound|v|1Gi|RWO|fast|<unset>|60m|Filesystem",
    );
    check("", "PersistentVolumeClaim", json!({"status": {"phase": "Pending"}}), "a|Pending|||||<unset>|60m|<unset>");
    check(
        "storage.k8s.io",
        "StorageClass",
        json!({"metadata": {"annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
               "provisioner": "p"}),
        "a (default)|p|Delete|Immediate|false|60m",
    );
    check("coordination.k8s.io", "Lease", json!({"spec": {"holderIdentity": "h"}}), "a|h|60m");
}

#[test]
fn policies_and_scaling() {
    check(
        "policy",
        "PodDisruptionBudget",
        json!({"spec": {"minAvailable": "50%"}, "status": {"disruptionsAllowed": 1}}),
        "a|50%|N/A|1|60m",
    );
    check(
        "",
        "ResourceQuota",
        json!({"status": {"hard": {"limits.cpu": "4", "pods": "10"}, "used": {"pods": "2"}}}),
        "a|pods: 2/10|limits.cpu: 0/4|60m",
    );
    check(
        "scheduling.k8s.io",
        "PriorityClass",
        json!({"value": 5, "preemptionPolicy": "Never"}),
        "a|5|false|60m|Never",
    );
    check(
        "autoscaling",
        "HorizontalPodAutoscaler",
        json!({"spec": {"scaleTargetRef": {"kind": "Deployment", "name": "d"}, "minReplicas": 1, "maxReplicas": 3,
                        "metrics": [{"type": "Resource", "resource":
                            {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}}}]},
               "status": {"currentReplicas": 2, "currentMetrics": [{"type": "Resource", "resource":
                            {"name": "cpu", "current": {"averageUtilization": 12}}}]}}),
        "a|Deployment/d|cpu: 12%/80%|1|3|2|60m",
    );
    check(
        "certificates.k8s.io",
        "CertificateSigningRequest",
        json!({"spec": {"signerName": "s", "username": "u"}, "status": {"conditions": [{"type": "Approved"}]}}),
        "a|60m|s|u|<none>|Approved",
    );
    check("autoscaling", "Scale", json!({"spec": {"replicas": 3}, "status": {"replicas": 2}}), "a|3|2|60m");
    check("resource.k8s.io", "ResourceClaim", json!({}), "a|pending|60m");
    check("apiregistration.k8s.io", "APIService", json!({}), "a|Local|Unknown|60m");
}
