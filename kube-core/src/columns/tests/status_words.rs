//! The words that `kubectl get` shows for what an object is at, and what stands for nothing.

use super::check;
use serde_json::{Value, json};

fn conditions(kinds: &[&str]) -> Value {
    kinds.iter().map(|kind| json!({"type": kind, "status": "True"})).collect()
}

/// STATUS, COMPLETIONS and DURATION of a Job.
#[track_caller]
fn check_job(object: Value, expected: &str) {
    check("batch", "Job", object, &format!("a|{expected}|60m|||<none>"));
}

#[test]
fn jobs() {
    let status = |kinds: &[&str]| json!({"spec": {"completions": 1}, "status": {"conditions": conditions(kinds)}});
    check_job(status(&[]), "Running|0/1|");
    check_job(status(&["SuccessCriteriaMet"]), "SuccessCriteriaMet|0/1|");
    check_job(status(&["SuccessCriteriaMet", "Complete"]), "Complete|0/1|");
    check_job(status(&["FailureTarget"]), "FailureTarget|0/1|");
    check_job(status(&["FailureTarget", "Failed"]), "Failed|0/1|");
    check_job(status(&["Suspended"]), "Suspended|0/1|");
    let mut deleted = status(&["Suspended"]);
    deleted["metadata"] = json!({"deletionTimestamp": "2026-01-01T00:30:00Z"});
    check_job(deleted, "Terminating|0/1|");
    check_job(json!({"status": {"conditions": [{"type": "Failed", "status": "False"}]}}), "Running|0/1|");
    check_job(
        json!({"spec": {"completions": 3}, "status": {"succeeded": 3, "conditions": conditions(&["Complete"]),
            "startTime": "2026-01-01T00:10:00Z", "completionTime": "2026-01-01T00:10:42Z"}}),
        "Complete|3/3|42s",
    );
    check_job(json!({"spec": {"parallelism": 1}, "status": {"succeeded": 1}}), "Running|1/1|");
}

#[test]
fn cron_jobs() {
    let cron = |spec: Value, status: Value, expected: &str| {
        check("batch", "CronJob", json!({"spec": spec, "status": status}), &format!("a|{expected}|60m|||<none>"));
    };
    cron(json!({"schedule": "@daily"}), json!({}), "@daily|<none>|<unset>|0|<none>");
    cron(
        json!({"schedule": "@daily", "timeZone": "Asia/Tokyo", "suspend": true}),
        json!({"lastScheduleTime": "2026-01-01T00:59:15Z"}),
        "@daily|Asia/Tokyo|True|0|45s",
    );
}

/// STATUS and ROLES of a Node.
#[track_caller]
fn check_node(labels: Value, ready: Option<&str>, unschedulable: bool, expected: &str) {
    let conditions: Vec<Value> = ready.map(|status| json!({"type": "Ready", "status": status})).into_iter().collect();
    let node = json!({"metadata": {"labels": labels}, "spec": {"unschedulable": unschedulable},
                      "status": {"conditions": conditions, "nodeInfo": {"kubeletVersion": "v1"}}});
    check("", "Node", node, &format!("a|{expected}|60m|v1|<none>|<none>|<unknown>|<unknown>|<unknown>"));
}

#[test]
fn nodes() {
    check_node(json!({}), Some("True"), false, "Ready|<none>");
    check_node(json!({}), Some("False"), false, "NotReady|<none>");
    check_node(json!({}), Some("Unknown"), true, "NotReady,SchedulingDisabled|<none>");
    check_node(json!({}), None, false, "Unknown|<none>");
    check_node(json!({}), None, true, "Unknown,SchedulingDisabled|<none>");
    check_node(
        json!({"node-role.kubernetes.io/worker": "", "node-role.kubernetes.io/control-plane": "", "node-role.kubernetes.io/": ""}),
        Some("True"),
        false,
        "Ready|control-plane,worker",
    );
    check_node(json!({"kubernetes.io/role": "edge", "other/role": "x"}), Some("True"), false, "Ready|edge");
}

#[test]
fn volumes_and_claims() {
    let claim = |metadata: Value, spec: Value, status: Value, expected: &str| {
        let object = json!({"metadata": metadata, "spec": spec, "status": status});
        check("", "PersistentVolumeClaim", object, expected);
    };
    claim(
        json!({}),
        json!({"volumeName": "v", "volumeAttributesClassName": "gold"}),
        json!({"phase": "Bound", "accessModes": ["ReadWriteMany", "ReadWriteOnce", "ReadOnlyMany"]}),
        "a|Bound|v|0|RWO,ROX,RWX||gold|60m|<unset>",
    );
    claim(
        json!({"deletionTimestamp": "2026-01-01T00:30:00Z",
               "annotations": {"volume.beta.kubernetes.io/storage-class": "old"}}),
        json!({"storageClassName": "new", "volumeMode": "Block"}),
        json!({"phase": "Pending"}),
        "a|Terminating||||old|<unset>|60m|Block",
    );
    let mut volume = json!({
        "spec": {"capacity": {"storage": "5Gi"}, "accessModes": ["ReadWriteOncePod"], "storageClassName": "fast",
                 "persistentVolumeReclaimPolicy": "Retain", "volumeMode": "Filesystem",
                 "claimRef": {"namespace": "n", "name": "c"}},
        "status": {"phase": "Bound", "reason": "why"},
    });
    check("", "PersistentVolume", volume.clone(), "a|5Gi|RWOP|Retain|Bound|n/c|fast|<unset>|why|60m|Filesystem");
    volume["metadata"] = json!({"deletionTimestamp": "2026-01-01T00:30:00Z"});
    check("", "PersistentVolume", volume, "a|5Gi|RWOP|Retain|Terminating|n/c|fast|<unset>|why|60m|Filesystem");
}

/// EXTERNAL-IP of a Service of a type, with its spec's further fields and its load balancer's addresses.
#[track_caller]
fn check_external(kind: &str, fields: Value, ingress: Value, expected: &str) {
    let mut spec = json!({"type": kind, "clusterIPs": ["10.0.0.1"]});
    spec.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    let object = json!({"spec": spec, "status": {"loadBalancer": {"ingress": ingress}}});
    check("", "Service", object, &format!("a|{kind}|10.0.0.1|{expected}|<none>|60m|<none>"));
}

#[test]
fn services() {
    let external = json!({"externalIPs": ["5.6.7.8"]});
    check_external("ClusterIP", json!({}), json!([]), "<none>");
    check_external("NodePort", external.clone(), json!([]), "5.6.7.8");
    check_external("LoadBalancer", json!({}), json!([]), "<pending>");
    check_external("LoadBalancer", external.clone(), json!([]), "5.6.7.8");
    check_external("LoadBalancer", external, json!([{"ip": "1.2.3.4"}]), "1.2.3.4,5.6.7.8");
    check_external(
        "LoadBalancer",
        json!({}),
        json!([{"hostname": "b.org"}, {"ip": "1.2.3.4"}, {"ip": "1.2.3.4", "hostname": "x.org"}]),
        "1.2.3.4,b.org",
    );
    let headless = json!({"spec": {"type": "ClusterIP", "clusterIP": "None", "clusterIPs": ["None"], "selector": {"b": "2", "a": "1"}}});
    check("", "Service", headless, "a|ClusterIP|None|<none>|<none>|60m|a=1,b=2");
}

#[test]
fn lists_that_are_too_long() {
    let rules: Vec<Value> = (1..=5).map(|i| json!({"host": format!("h{i}")})).collect();
    check(
        "networking.k8s.io",
        "Ingress",
        json!({"spec": {"ingressClassName": "nginx", "rules": rules}}),
        "a|nginx|h1,h2,h3 + 2 more...||80|60m",
    );
    check("networking.k8s.io", "Ingress", json!({"spec": {"rules": [{}]}}), "a|<none>|*||80|60m");
    let endpoints: Vec<Value> = (1..=4).map(|i| json!({"addresses": [format!("10.0.0.{i}")]})).collect();
    let ports: Vec<Value> = (80..84).map(|port| json!({"port": port})).collect();
    check(
        "discovery.k8s.io",
        "EndpointSlice",
        json!({"addressType": "IPv4", "endpoints": endpoints, "ports": ports}),
        "a|IPv4|80,81,82 + 1 more...|10.0.0.1,10.0.0.2,10.0.0.3 + 1 more...|60m",
    );
    check(
        "discovery.k8s.io",
        "EndpointSlice",
        json!({"addressType": "IPv4", "ports": [{"name": "http"}, {}]}),
        "a|IPv4|http,*|<unset>|60m",
    );
    check(
        "",
        "Endpoints",
        json!({"subsets": [{"addresses": [{"ip": "10.0.0.1"}, {"ip": "fd00::1"}], "ports": [{"port": 80}]},
                           {"addresses": [{"ip": "10.0.0.2"}]}]}),
        "a|10.0.0.1:80,[fd00::1]:80,10.0.0.2|60m",
    );
}

/// TARGETS of an autoscaler with these metrics, and what they are now.
#[track_caller]
fn check_targets(metrics: Value, current: Value, expected: &str) {
    let object = json!({"spec": {"scaleTargetRef": {"kind": "Deployment", "name": "d"}, "maxReplicas": 3, "metrics": metrics},
                        "status": {"currentMetrics": current}});
    check("autoscaling", "HorizontalPodAutoscaler", object, &format!("a|Deployment/d|{expected}|<unset>|3|0|60m"));
}

#[test]
fn autoscalers() {
    let cpu = json!({"type": "Resource", "resource": {"name": "cpu", "target": {"averageUtilization": 80}}});
    let memory = json!({"type": "Resource", "resource": {"name": "memory", "target": {"averageValue": "1Gi"}}});
    let pods = json!({"type": "Pods", "pods": {"metric": {"name": "rps"}, "target": {"averageValue": "10"}}});
    let queue = |target: Value| json!({"type": "External", "external": {"metric": {"name": "q"}, "target": target}});
    check_targets(json!([]), json!([]), "<none>");
    check_targets(json!([cpu]), json!([]), "cpu: <unknown>/80%");
    check_targets(
        json!([memory]),
        json!([{"type": "Resource", "resource": {"name": "memory", "current": {"averageValue": "512Mi"}}}]),
        "memory: 512Mi/1Gi",
    );
    check_targets(json!([pods]), json!([{"type": "Pods", "pods": {"current": {"averageValue": "3"}}}]), "3/10");
    check_targets(
        json!([queue(json!({"value": "5"}))]),
        json!([{"type": "External", "external": {"current": {"value": "2"}}}]),
        "2/5",
    );
    check_targets(
        json!([queue(json!({"averageValue": "5"}))]),
        json!([{"type": "External", "external": {"current": {"averageValue": "2"}}}]),
        "2/5 (avg)",
    );
    check_targets(json!([cpu, memory, pods]), json!([]), "cpu: <unknown>/80%, memory: <unknown>/1Gi + 1 more...");
}

#[test]
fn certificate_requests() {
    for (status, expected) in [
        (json!({}), "Pending"),
        (json!({"conditions": [{"type": "Approved"}, {"type": "Denied"}]}), "Denied"),
        (json!({"conditions": [{"type": "Approved"}], "certificate": "eA=="}), "Approved,Issued"),
        (json!({"conditions": [{"type": "Approved"}, {"type": "Failed"}]}), "Approved,Failed"),
    ] {
        let object =
            json!({"spec": {"signerName": "s", "username": "u", "expirationSeconds": 86400}, "status": status});
        check("certificates.k8s.io", "CertificateSigningRequest", object, &format!("a|60m|s|u|24h|{expected}"));
    }
}
