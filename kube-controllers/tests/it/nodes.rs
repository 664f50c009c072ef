//! Nodes fall silent, their pods are evicted and replaced, and they come back.

use std::time::Duration;

use k8s_openapi::api::apps::v1::ReplicaSet;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{Node, Pod, Taint};
use kubekit_runtime::{Api, DeleteParams, Object, Patch};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::cluster::{Cluster, ready_node, workload};

/// Renews the leases of these nodes every ten seconds, until `stop`.
async fn renew(cluster: &Cluster, names: &[&str], stop: CancellationToken) {
    let leases = Api::<Lease>::namespaced(cluster.client(), "kube-node-lease");
    loop {
        for name in names {
            let now = format!("{:.6}", cluster.now());
            let lease = json!({"metadata": {"name": name, "namespace": "kube-node-lease"},
                               "spec": {"holderIdentity": name, "leaseDurationSeconds": 40, "renewTime": now}});
            let patch = Patch::Merge(lease.clone());
            if leases.patch(name, &Default::default(), &patch).await.is_err() {
                leases.create(&serde_json::from_value(lease).unwrap()).await.unwrap();
            }
        }
        if stop.run_until_cancelled(tokio::time::sleep(Duration::from_secs(10))).await.is_none() {
            return;
        }
    }
}

fn is_tainted(node: &Node, key: &str, effect: &str) -> bool {
    let taints: &[Taint] = node.spec.as_ref().and_then(|s| s.taints.as_deref()).unwrap_or_default();
    taints.iter().any(|t| t.key == key && t.effect == effect)
}

fn ready(node: &Node) -> (String, String) {
    let conditions = node.status.as_ref().and_then(|s| s.conditions.clone()).unwrap_or_default();
    let ready = conditions.into_iter().find(|c| c.type_ == "Ready").unwrap_or_default();
    (ready.status, ready.reason.unwrap_or_default())
}

const UNREACHABLE: &str = "node.kubernetes.io/unreachable";

#[tokio::test(start_paused = true)]
async fn a_silent_node_is_tainted_its_pods_are_evicted_and_it_comes_back() {
    let mut cluster = Cluster::start().await;
    for name in ["live-1", "live-2", "dead-1"] {
        cluster.create::<Node>(ready_node(name, cluster.now())).await;
    }
    let stop = CancellationToken::new();
    let story = async {
        cluster.create::<ReplicaSet>(workload("web", 1, "live-1")).await;
        let brief = json!([{"key": UNREACHABLE, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 30}]);
        let pod = json!({"metadata": {"name": "brief", "labels": {"app": "lone"}},
            "spec": {"nodeName": "dead-1", "tolerations": brief, "containers": [{"name": "c", "image": "x"}]}});
        cluster.create::<Pod>(pod).await;
        let running = json!({"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}});
        let running = Patch::Strategic(running);
        cluster.api::<Pod>().patch_status("brief", &Default::default(), &running).await.unwrap();

        let silent = cluster.until::<Node>("dead-1", "it is unknown", |node| ready(node).0 == "Unknown").await;
        assert_eq!(ready(&silent).1, "NodeStatusUnknown");
        let tainted =
            |node: &Node| is_tainted(node, UNREACHABLE, "NoSchedule") && is_tainted(node, UNREACHABLE, "NoExecute");
        cluster.until::<Node>("dead-1", "it is tainted", tainted).await;
        let unready = |pod: &Pod| {
            let conditions = pod.status.as_ref().and_then(|s| s.conditions.clone()).unwrap_or_default();
            conditions.iter().any(|c| c.type_ == "Ready" && c.status == "False")
        };
        cluster.until::<Pod>("brief", "it is not ready", unready).await;
        let since = cluster.now();
        let evicted = cluster.until::<Pod>("brief", "it is evicted", Object::is_being_deleted).await;
        assert!(cluster.now().duration_since(since).as_secs() <= 31);
        let conditions = evicted.status.unwrap().conditions.unwrap();
        assert!(conditions.iter().any(|c| c.reason.as_deref() == Some("DeletionByTaintManager")));

        let live = cluster.api::<Node>().get("live-1").await.unwrap();
        assert_eq!(ready(&live).0, "True");
        let now = cluster.now();
        let back = ready_node("dead-1", now)["status"].clone();
        let back = Patch::Strategic(json!({"status": back}));
        cluster.api::<Node>().patch_status("dead-1", &Default::default(), &back).await.unwrap();
        let free = |node: &Node| ["NoSchedule", "NoExecute"].iter().all(|e| !is_tainted(node, UNREACHABLE, e));
        cluster.until::<Node>("dead-1", "it is free again", free).await;
        stop.cancel();
    };
    tokio::join!(renew(&cluster, &["live-1", "live-2"], stop.clone()), story);
    cluster.stop().await;
}

#[tokio::test(start_paused = true)]
async fn nodes_get_ranges_and_taints_of_their_own() {
    let mut cluster = Cluster::start().await;
    for name in ["a", "b", "c"] {
        cluster.create::<Node>(ready_node(name, cluster.now())).await;
    }
    let range = |node: &Node| node.spec.as_ref().and_then(|s| s.pod_cidr.clone());
    let mut ranges = Vec::new();
    for name in ["a", "b", "c"] {
        ranges.extend(range(&cluster.until::<Node>(name, "it has a range", |node| range(node).is_some()).await));
    }
    ranges.sort();
    assert_eq!(ranges, ["10.244.0.0/24", "10.244.1.0/24", "10.244.2.0/24"]);
    cluster.merge::<Node>("a", json!({"spec": {"unschedulable": true}})).await;
    let cordoned = |node: &Node| is_tainted(node, "node.kubernetes.io/unschedulable", "NoSchedule");
    cluster.until::<Node>("a", "it is tainted", cordoned).await;
    cluster.merge::<Node>("a", json!({"spec": {"unschedulable": false}})).await;
    cluster.until::<Node>("a", "it is not tainted", |node| !cordoned(node)).await;
    cluster.stop().await;
}

#[tokio::test(start_paused = true)]
async fn pods_of_a_node_that_was_removed_are_collected() {
    let mut cluster = Cluster::start().await;
    cluster.create::<Node>(ready_node("dead-1", cluster.now())).await;
    let pod = json!({"metadata": {"name": "lost"},
                     "spec": {"nodeName": "dead-1", "containers": [{"name": "c", "image": "x"}]}});
    cluster.create::<Pod>(pod).await;
    cluster.api::<Node>().delete("dead-1", &DeleteParams::default()).await.unwrap();
    cluster.until_gone::<Pod>("lost").await;
    cluster.stop().await;
}

#[tokio::test(start_paused = true)]
async fn pods_leave_a_node_that_a_user_taints_when_their_time_has_come() {
    let mut cluster = Cluster::start().await;
    cluster.create::<Node>(ready_node("live-1", cluster.now())).await;
    for (name, seconds) in [("brief", Some(20)), ("patient", Some(100)), ("forever", None)] {
        let tolerations = json!([{"key": "example.com/x", "operator": "Exists", "tolerationSeconds": seconds,
                                  "effect": "NoExecute"}]);
        let pod = json!({"metadata": {"name": name}, "spec": {"nodeName": "live-1", "tolerations": tolerations,
                         "containers": [{"name": "c", "image": "x"}]}});
        cluster.create::<Pod>(pod).await;
    }
    let other = json!({"metadata": {"name": "other"},
                       "spec": {"nodeName": "live-1", "containers": [{"name": "c", "image": "x"}]}});
    cluster.create::<Pod>(other).await;
    // `kubectl taint` says nothing of when.
    let taint = json!([{"key": "example.com/x", "effect": "NoExecute"}]);
    cluster.merge::<Node>("live-1", json!({"spec": {"taints": taint}})).await;
    let start = cluster.now();
    cluster.until_gone::<Pod>("other").await;
    cluster.until_gone::<Pod>("brief").await;
    let waited = cluster.now().duration_since(start).as_secs();
    assert!((19..30).contains(&waited), "{waited}");
    cluster.merge::<Node>("live-1", json!({"spec": {"taints": null}})).await;
    let cancelled = "TaintManagerEviction: Cancelling deletion of Pod default/patient".to_owned();
    cluster.eventually("it may stay", async || cluster.events("patient").await.contains(&cancelled)).await;
    assert!(!cluster.events("forever").await.iter().any(|event| event.starts_with("TaintManagerEviction")));
    cluster.stop().await;
}
