//! Endpoints and EndpointSlices follow Services and pods.

use k8s_openapi::api::apps::v1::ReplicaSet;
use k8s_openapi::api::core::v1::{Endpoints, Node, Pod, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kubekit_controllers::endpointslice::decide::{MANAGED_BY, MANAGER, SERVICE_NAME};
use kubekit_runtime::{DeleteParams, Object as _};
use serde_json::json;

use crate::cluster::{Cluster, ready_node, workload};

/// Ready addresses in the slices and in the Endpoints of `web`.
async fn ready(cluster: &Cluster) -> (usize, usize) {
    let slices = cluster.list::<EndpointSlice>().await;
    let ours = slices.iter().filter(|s| s.labels().get("kubernetes.io/service-name").is_some_and(|n| n == "web"));
    let endpoints = ours.flat_map(|s| s.endpoints.iter().flatten());
    let in_slices = endpoints.filter(|e| e.conditions.as_ref().and_then(|c| c.ready) == Some(true)).count();
    let endpoints = cluster.api::<Endpoints>().get_opt("web").await.unwrap().unwrap_or_default();
    let addresses = endpoints.subsets.iter().flatten().flat_map(|s| s.addresses.iter().flatten());
    (in_slices, addresses.count())
}

#[tokio::test(start_paused = true)]
async fn endpoints_come_and_go_with_pods_and_with_their_service() {
    let mut cluster = Cluster::start().await;
    cluster.create::<Node>(ready_node("live-1", cluster.now())).await;
    let service = json!({"metadata": {"name": "web"},
                         "spec": {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8080}]}});
    cluster.create::<Service>(service).await;
    let has_slice = async || {
        let slices = cluster.list::<EndpointSlice>().await;
        slices.iter().any(|s| s.name().starts_with("web-"))
    };
    cluster.eventually("there is an empty slice", has_slice).await;
    assert_eq!(ready(&cluster).await, (0, 0));

    cluster.create::<ReplicaSet>(workload("web", 3, "live-1")).await;
    cluster.eventually("three pods serve", async || ready(&cluster).await == (3, 3)).await;
    let unready = json!({"status": {"conditions": [{"type": "Ready", "status": "False"}]}});
    let pod = cluster.list::<Pod>().await.remove(0);
    let patch = kubekit_runtime::Patch::Strategic(unready);
    cluster.api::<Pod>().patch_status(pod.name(), &Default::default(), &patch).await.unwrap();
    cluster.eventually("one is left out", async || ready(&cluster).await == (2, 2)).await;
    cluster.merge::<ReplicaSet>("web", json!({"spec": {"replicas": 1}})).await;
    cluster.eventually("one is left", async || ready(&cluster).await == (1, 1)).await;

    cluster.api::<Service>().delete("web", &DeleteParams::default()).await.unwrap();
    cluster.eventually("there is no slice", async || !has_slice().await).await;
    cluster.until_gone::<Endpoints>("web").await;
    cluster.stop().await;
}

#[tokio::test(start_paused = true)]
async fn endpoints_that_somebody_wrote_stay() {
    let mut cluster = Cluster::start().await;
    let written = json!({"metadata": {"name": "manual"},
                         "subsets": [{"addresses": [{"ip": "10.1.2.3"}], "ports": [{"port": 80}]}]});
    cluster.create::<Endpoints>(written).await;
    cluster.create::<Service>(json!({"metadata": {"name": "manual"}, "spec": {"ports": [{"port": 80}]}})).await;
    cluster
        .create::<Service>(json!({"metadata": {"name": "web"},
                                     "spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]}}))
        .await;
    cluster.until::<Endpoints>("web", "ours are there", |_| true).await;
    assert!(cluster.api::<Endpoints>().get_opt("manual").await.unwrap().is_some());
    cluster.stop().await;
}

/// The names of the pods behind the ready addresses of `web`, in its slices and in its Endpoints, which are the same.
async fn behind(cluster: &Cluster) -> Option<Vec<String>> {
    let slices = cluster.list::<EndpointSlice>().await;
    let ours = slices.iter().filter(|s| s.labels().get(MANAGED_BY).is_some_and(|m| m == MANAGER));
    let ready = ours
        .flat_map(|s| s.endpoints.iter().flatten())
        .filter(|e| e.conditions.as_ref().and_then(|c| c.ready) == Some(true));
    let mut in_slices: Vec<String> = ready.filter_map(|e| e.target_ref.as_ref()?.name.clone()).collect();
    let endpoints = cluster.api::<Endpoints>().get_opt("web").await.unwrap().unwrap_or_default();
    let addresses = endpoints.subsets.iter().flatten().flat_map(|s| s.addresses.iter().flatten());
    let mut in_endpoints: Vec<String> = addresses.filter_map(|a| a.target_ref.as_ref()?.name.clone()).collect();
    in_slices.sort();
    in_endpoints.sort();
    (in_slices == in_endpoints).then_some(in_slices)
}

#[tokio::test(start_paused = true)]
async fn endpoints_follow_selectors_labels_and_what_is_published() {
    let mut cluster = Cluster::start().await;
    cluster.create::<Node>(ready_node("live-1", cluster.now())).await;
    for (name, app) in [("a", "web"), ("b", "web"), ("c", "new")] {
        let pod = json!({"metadata": {"name": name, "labels": {"app": app}},
                         "spec": {"nodeName": "live-1", "containers": [{"name": "c", "image": "x"}]}});
        cluster.create::<Pod>(pod).await;
    }
    let service = json!({"metadata": {"name": "web"}, "spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]}});
    cluster.create::<Service>(service).await;
    let shows = async |names: &[&str]| {
        let matches = async || behind(&cluster).await.is_some_and(|found| found == names);
        cluster.eventually(&format!("{names:?} serve"), matches).await;
    };
    shows(&["a", "b"]).await;
    cluster.merge::<Pod>("b", json!({"metadata": {"labels": {"app": "new"}}})).await;
    shows(&["a"]).await;
    cluster.merge::<Service>("web", json!({"spec": {"selector": {"app": "new"}}})).await;
    shows(&["b", "c"]).await;
    let unready = json!({"status": {"conditions": [{"type": "Ready", "status": "False"}]}});
    let unready = kubekit_runtime::Patch::Strategic(unready);
    cluster.api::<Pod>().patch_status("c", &Default::default(), &unready).await.unwrap();
    shows(&["b"]).await;
    cluster.merge::<Service>("web", json!({"spec": {"publishNotReadyAddresses": true}})).await;
    shows(&["b", "c"]).await;
    cluster.stop().await;
}

#[tokio::test(start_paused = true)]
async fn slices_that_are_ours_come_back_and_those_of_others_are_left_alone() {
    let mut cluster = Cluster::start().await;
    cluster.create::<Node>(ready_node("live-1", cluster.now())).await;
    cluster.create::<ReplicaSet>(workload("web", 1, "live-1")).await;
    let service = json!({"metadata": {"name": "web"}, "spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]}});
    cluster.create::<Service>(service).await;
    let theirs = json!({"metadata": {"name": "theirs", "labels": {SERVICE_NAME: "web", MANAGED_BY: "somebody"}},
                        "addressType": "IPv4", "endpoints": [{"addresses": ["10.9.9.9"]}], "ports": [{"port": 1}]});
    cluster.create::<EndpointSlice>(theirs).await;
    let serves = async || behind(&cluster).await.is_some_and(|found| found.len() == 1);
    cluster.eventually("a pod serves", serves).await;
    let ours = async || {
        let slices = cluster.list::<EndpointSlice>().await;
        slices.into_iter().find(|s| s.name().starts_with("web-"))
    };
    let first = ours().await.unwrap();
    cluster.merge::<EndpointSlice>(first.name(), json!({"endpoints": []})).await;
    cluster.eventually("what was emptied is filled again", serves).await;
    cluster.api::<EndpointSlice>().delete(first.name(), &DeleteParams::default()).await.unwrap();
    cluster
        .eventually("what was deleted is back", async || {
            ours().await.is_some_and(|slice| slice.uid() != first.uid()) && serves().await
        })
        .await;
    let theirs = cluster.api::<EndpointSlice>().get("theirs").await.unwrap();
    assert_eq!(theirs.metadata.generation, Some(1), "nobody has touched it");
    cluster.stop().await;
}
