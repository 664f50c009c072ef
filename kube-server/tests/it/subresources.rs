//! Status, scale, binding, eviction, ephemeral containers, finalize; kinds served in two versions.

use crate::harness::{Harness, PODS, deployment, pod};
use http::StatusCode;
use serde_json::{Value, json};

const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/default/deployments";

#[tokio::test]
async fn status_is_a_part_of_its_own() {
    let h = Harness::new().await;
    let mut object = deployment("d");
    object["status"] = json!({"replicas": 7});
    let made = h.made(DEPLOYMENTS, object).await;
    assert_ne!(made["status"]["replicas"], 7);
    let uri = &format!("{DEPLOYMENTS}/d");
    let mut new = made.clone();
    new["spec"]["replicas"] = json!(9);
    new["status"] = json!({"replicas": 2, "observedGeneration": 1});
    let after = h.put(&format!("{uri}/status"), &new).await.ok();
    assert_eq!((&after["spec"]["replicas"], &after["status"]["replicas"]), (&json!(2), &json!(2)));
    assert_eq!(after["metadata"]["generation"], 1);
    let patched = h.patch(&format!("{uri}/status"), "merge", &json!({"status": {"replicas": 3}})).await.ok();
    assert_eq!(patched["status"]["replicas"], 3);
    assert_eq!(h.get(&format!("{uri}/status")).await.ok(), patched);
    let main = h.patch(uri, "merge", &json!({"status": {"replicas": 4}})).await.ok();
    assert_eq!(main["status"]["replicas"], 3);
}

#[tokio::test]
async fn scale_is_autoscaling_v1() {
    let h = Harness::new().await;
    h.made(DEPLOYMENTS, deployment("d")).await;
    let uri = &format!("{DEPLOYMENTS}/d/scale");
    let scale = h.get(uri).await.ok();
    assert_eq!((&scale["apiVersion"], &scale["kind"]), (&json!("autoscaling/v1"), &json!("Scale")));
    assert_eq!((&scale["spec"]["replicas"], &scale["status"]["selector"]), (&json!(2), &json!("app=d")));
    let table = h.accept(uri, "application/json;as=Table;v=v1;g=meta.k8s.io").await.ok();
    let names: Vec<&str> =
        table["columnDefinitions"].as_array().unwrap().iter().map(|c| c["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["Name", "Desired", "Available", "Age"]);
    assert_eq!(table["rows"][0]["cells"].as_array().unwrap()[..3], [json!("d"), json!(2), json!(0)]);
    let patched = h.patch(uri, "merge", &json!({"spec": {"replicas": 4}})).await.ok();
    assert_eq!((&patched["kind"], &patched["spec"]["replicas"]), (&json!("Scale"), &json!(4)));
    let mut new = patched.clone();
    new["spec"]["replicas"] = json!(0);
    h.put(uri, &new).await.ok();
    assert_eq!(h.get(&format!("{DEPLOYMENTS}/d")).await.ok()["spec"]["replicas"], 0);
    assert_eq!(h.put(uri, &new).await.code, 409, "the version of the Scale is a precondition");
    let negative = h.patch(uri, "merge", &json!({"spec": {"replicas": -1}})).await;
    assert_eq!(negative.code, 422, "{}", negative.text);
    assert_eq!(h.get("/apis/apps/v1/namespaces/default/deployments/none/scale").await.code, 404);
}

#[tokio::test]
async fn bindings_give_pods_to_nodes_once() {
    let h = Harness::new().await;
    let made = h.made(PODS, pod("x")).await;
    let binding = json!({"apiVersion": "v1", "kind": "Binding", "metadata": {"name": "x"},
        "target": {"apiVersion": "v1", "kind": "Node", "name": "y"}});
    let uri = &format!("{PODS}/x/binding");
    let bound = h.post(uri, &binding).await.is(StatusCode::CREATED);
    assert_eq!((&bound["kind"], &bound["status"]), (&json!("Status"), &json!("Success")));
    let stored = h.get(&format!("{PODS}/x")).await.ok();
    assert_eq!(stored["spec"]["nodeName"], "y");
    let owners = |pod: &Value| pod["metadata"]["managedFields"].clone();
    assert!(owners(&made).is_array());
    assert_eq!(owners(&stored), owners(&made), "a binding owns no fields, and takes none");
    let scheduled = stored["status"]["conditions"].as_array().unwrap().iter().find(|c| c["type"] == "PodScheduled");
    assert_eq!(scheduled.unwrap()["status"], "True");
    h.post(uri, &binding).await.refused(
        409,
        "Conflict",
        "Operation cannot be fulfilled on pods/binding \"x\": pod x is already assigned to node \"y\"",
    );
    h.made(PODS, pod("z")).await;
    let mut legacy = binding.clone();
    legacy["metadata"]["name"] = json!("z");
    assert_eq!(h.post("/api/v1/namespaces/default/bindings", &legacy).await.code, 201);
    let mut nowhere = binding.clone();
    nowhere["target"]["name"] = json!("");
    nowhere["metadata"]["name"] = json!("w");
    h.made(PODS, pod("w")).await;
    assert_eq!(h.post(&format!("{PODS}/w/binding"), &nowhere).await.code, 422);
}

#[tokio::test]
async fn ephemeral_containers_are_only_added() {
    let h = Harness::new().await;
    h.made(PODS, pod("x")).await;
    let uri = &format!("{PODS}/x/ephemeralcontainers");
    let change = json!({"spec": {"ephemeralContainers": [{"name": "debug", "image": "busybox"}],
        "containers": [{"name": "c", "image": "other"}]}});
    let after = h.patch(uri, "strategic", &change).await.ok();
    assert_eq!(after["spec"]["ephemeralContainers"][0]["name"], "debug");
    assert_eq!(after["spec"]["containers"][0]["image"], "nginx", "nothing else is changed");
    let removed = h.patch(uri, "merge", &json!({"spec": {"ephemeralContainers": null}})).await;
    assert_eq!(removed.code, 422, "{}", removed.text);
}

#[tokio::test]
async fn namespaces_are_marked_emptied_and_finalized() {
    let h = Harness::new().await;
    let made = h.made("/api/v1/namespaces", json!({"metadata": {"name": "n"}})).await;
    assert_eq!(made["status"]["phase"], "Active");
    assert_eq!(made["spec"]["finalizers"], json!(["kubernetes"]));
    assert_eq!(made["metadata"]["labels"]["kubernetes.io/metadata.name"], "n");
    let marked = h.delete("/api/v1/namespaces/n").await.ok();
    assert_eq!(marked["status"]["phase"], "Terminating");
    assert!(marked["metadata"]["deletionTimestamp"].is_string());
    let refused = h.post("/api/v1/namespaces/n/configmaps", &json!({"metadata": {"name": "late"}})).await;
    refused.refused(
        403,
        "Forbidden",
        "configmaps \"late\" is forbidden: unable to create new content in namespace n because it is being terminated",
    );
    assert_eq!(refused.body["details"]["causes"][0]["reason"], "NamespaceTerminating");
    // The label that selectors find it by stays, whatever is sent.
    let bare = json!({"metadata": {"name": "n"}, "spec": {"finalizers": ["kubernetes", "example.com/mine"]}});
    let held = h.put("/api/v1/namespaces/n/finalize", &bare).await.ok();
    assert_eq!(held["spec"]["finalizers"], json!(["kubernetes", "example.com/mine"]));
    assert_eq!(held["metadata"]["labels"], json!({"kubernetes.io/metadata.name": "n"}));
    let mut done = held.clone();
    done["spec"]["finalizers"] = json!([]);
    h.put("/api/v1/namespaces/n/finalize", &done).await.ok();
    assert_eq!(h.get("/api/v1/namespaces/n").await.code, 404);
}

#[tokio::test]
async fn events_of_both_groups_are_one() {
    let h = Harness::new().await;
    let event = json!({"apiVersion": "v1", "kind": "Event", "metadata": {"name": "e", "namespace": "default"},
        "involvedObject": {"kind": "Pod", "name": "x", "namespace": "default"}, "message": "hello", "reason": "Pulled",
        "type": "Normal", "count": 2, "firstTimestamp": "2026-01-01T00:00:00Z",
        "lastTimestamp": "2026-01-01T00:00:00Z", "source": {"component": "kubelet"}});
    h.made("/api/v1/namespaces/default/events", event).await;
    let other = h.get("/apis/events.k8s.io/v1/namespaces/default/events/e").await.ok();
    assert_eq!(other["apiVersion"], "events.k8s.io/v1");
    assert_eq!((&other["note"], &other["regarding"]["name"]), (&json!("hello"), &json!("x")));
    assert_eq!((&other["deprecatedCount"], other.get("message")), (&json!(2), None));
    let list = h.get("/apis/events.k8s.io/v1/events?fieldSelector=regarding.name%3Dx").await.ok();
    assert_eq!(list["items"][0]["note"], "hello");
    let list = h.get("/api/v1/events?fieldSelector=involvedObject.name%3Dx,involvedObject.kind%3DPod").await.ok();
    assert_eq!(list["items"][0]["message"], "hello");
    let patched =
        h.patch("/apis/events.k8s.io/v1/namespaces/default/events/e", "merge", &json!({"note": "changed"})).await;
    if patched.code == 200 {
        assert_eq!(h.get("/api/v1/namespaces/default/events/e").await.ok()["message"], "changed");
    }
}

#[tokio::test]
async fn autoscalers_of_both_versions_are_one() {
    let h = Harness::new().await;
    let v1 = json!({"apiVersion": "autoscaling/v1", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "a"},
        "spec": {"maxReplicas": 5, "targetCPUUtilizationPercentage": 70,
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "d"}}});
    h.made("/apis/autoscaling/v1/namespaces/default/horizontalpodautoscalers", v1).await;
    let v2: Value = h.get("/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers/a").await.ok();
    assert_eq!(v2["spec"]["metrics"][0]["resource"]["target"]["averageUtilization"], 70);
    let v1 = h.get("/apis/autoscaling/v1/namespaces/default/horizontalpodautoscalers/a").await.ok();
    assert_eq!(v1["spec"]["targetCPUUtilizationPercentage"], 70);
}

#[tokio::test]
async fn a_node_deletes_and_reports_on_its_own_pods_only() {
    let h = Harness::new().await;
    let mut bound = pod("x");
    bound["spec"]["nodeName"] = json!("n1");
    h.made(PODS, bound).await;
    let node = |name: &str| {
        h.as_user(kubekit_server::identity::UserInfo::new(format!("system:node:{name}"), ["system:nodes"]))
    };
    let report = json!({"status": {"message": "m"}});
    let (x, gone) = (&format!("{PODS}/x"), &format!("{PODS}/gone"));
    assert_eq!(node("n2").delete(x).await.code, 403);
    assert_eq!(node("n2").patch(&format!("{x}/status"), "merge", &report).await.code, 403);
    assert_eq!(node("n1").patch(&format!("{x}/status"), "merge", &report).await.code, 200);
    assert_eq!(node("n1").delete(gone).await.code, 404, "what is gone is not forbidden");
    assert_eq!(node("n1").patch(&format!("{gone}/status"), "merge", &report).await.code, 404);
    assert_eq!(node("n1").delete(x).await.code, 200);
}
