//! Conversions of objects as an API server gives them.

use super::*;
use crate::{Effect, Resources};
use k8s_openapi::api::core::v1 as api;

fn parse<T: serde::de::DeserializeOwned>(json: serde_json::Value) -> T {
    serde_json::from_value(json).unwrap()
}

#[track_caller]
fn check_requests(spec: serde_json::Value, expected: Resources) {
    assert_eq!(pod_requests(&parse(spec)), expected);
}

fn container(name: &str, cpu: &str) -> serde_json::Value {
    serde_json::json!({"name": name, "resources": {"requests": {"cpu": cpu}}})
}

#[test]
fn requests_are_the_most_that_is_needed_at_one_time() {
    let cpu = |milli| Resources::new(milli, 0, 0);
    let sidecar = |cpu: &str| {
        let mut sidecar = container("s", cpu);
        sidecar["restartPolicy"] = "Always".into();
        sidecar
    };
    check_requests(serde_json::json!({"containers": [container("a", "100m"), container("b", "1")]}), cpu(1100));
    check_requests(
        serde_json::json!({"containers": [container("a", "1")], "initContainers": [container("i", "3")]}),
        cpu(3000),
    );
    check_requests(
        serde_json::json!({"containers": [container("a", "1")], "initContainers": [sidecar("500m"), container("i", "2")]}),
        cpu(2500),
    );
    check_requests(
        serde_json::json!({"containers": [container("a", "2")], "initContainers": [container("i", "1"), sidecar("500m")]}),
        cpu(2500),
    );
    check_requests(serde_json::json!({"containers": [container("a", "1")], "overhead": {"cpu": "250m"}}), cpu(1250));
    check_requests(
        serde_json::json!({"containers": [container("a", "1")], "resources": {"requests": {"cpu": "4"}}}),
        cpu(4000),
    );
    check_requests(serde_json::json!({"containers": [container("a", "not a quantity")]}), cpu(0));
}

#[test]
fn a_node_shows_what_pods_may_use_of_it() {
    let object: api::Node = parse(serde_json::json!({
        "metadata": {"name": "n", "labels": {"zone": "x"}},
        "spec": {"unschedulable": true, "taints": [{"key": "k", "effect": "NoExecute"}, {"key": "k", "effect": "Strange"}]},
        "status": {
            "allocatable": {"cpu": "3900m", "memory": "8Gi", "pods": "110", "nvidia.com/gpu": "2"},
            "images": [{"names": ["nginx"], "sizeBytes": 5}],
        },
    }));
    let node = node(&object);
    assert_eq!(node.allocatable, Resources::new(3900, 8 << 30, 110).with_scalar("nvidia.com/gpu", 2));
    assert_eq!((node.taints.len(), node.taints[0].effect), (1, Effect::NoExecute));
    assert!(node.unschedulable);
    assert_eq!(node.images, [("nginx:latest".to_owned(), 5)]);
}

#[test]
fn a_pod_shows_what_it_asks_for() {
    let object: api::Pod = parse(serde_json::json!({
        "metadata": {"name": "p", "namespace": "ns", "uid": "u", "labels": {"app": "web", "hash": "1"}},
        "spec": {
            "containers": [{"name": "c", "image": "registry:5000/nginx", "ports": [{"containerPort": 80, "hostPort": 8080}, {"containerPort": 1}]}],
            "tolerations": [{"operator": "Exists"}, {"key": "k", "value": "v", "effect": "NoSchedule"}],
            "topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule",
                "labelSelector": {"matchLabels": {"app": "web"}}, "matchLabelKeys": ["hash", "absent"]}],
            "affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [
                {"topologyKey": "zone", "labelSelector": {"matchExpressions": [{"key": "app", "operator": "Exists"}]}}]}},
            "schedulingGates": [{"name": "g"}],
        },
    }));
    let pod = pod(&object);
    assert_eq!(pod.host_ports.len(), 1);
    assert_eq!(pod.tolerations[0], crate::Toleration::default());
    assert!(pod.spread[0].selector.matches(&crate::Labels::new([("app", "web"), ("hash", "1")])));
    assert!(!pod.spread[0].selector.matches(&crate::Labels::new([("app", "web"), ("hash", "2")])));
    assert_eq!(pod.anti_affinity[0].namespaces.names, ["ns"]);
    assert_eq!(pod.images, ["registry:5000/nginx:latest"]);
    assert_eq!(pod.gates, ["g"]);
    assert_eq!((pod.requests.cpu_milli, pod.assumed.cpu_milli), (0, 100));
}
