//! ReplicaSets, ReplicationControllers and Deployments, as a user sees them.

use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use k8s_openapi::api::core::v1::{Pod, ReplicationController, ServiceAccount};
use kubekit_runtime::{Api, DeleteParams, Object as _, controller_of};
use serde_json::json;

use crate::cluster::{Cluster, workload};

fn available(deployment: &Deployment) -> i32 {
    deployment.status.as_ref().and_then(|s| s.available_replicas).unwrap_or(0)
}

fn is_rolled_out(deployment: &Deployment) -> bool {
    let wanted = deployment.spec.as_ref().and_then(|s| s.replicas).unwrap_or(1);
    let status = deployment.status.clone().unwrap_or_default();
    status.observed_generation == deployment.metadata.generation
        && status.updated_replicas.unwrap_or(0) == wanted
        && status.replicas.unwrap_or(0) == wanted
        && available(deployment) == wanted
}

async fn living(cluster: &Cluster) -> Vec<Pod> {
    cluster.list::<Pod>().await.into_iter().filter(|pod| !pod.is_being_deleted()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_deployment_is_rolled_out_updated_undone_and_scaled() {
    let mut cluster = Cluster::start().await;
    cluster.create::<Deployment>(workload("web", 3, "live-1")).await;
    let first = cluster.until::<Deployment>("web", "three pods serve", is_rolled_out).await;
    assert_eq!(first.annotations()["deployment.kubernetes.io/revision"], "1");
    let sets = cluster.list::<ReplicaSet>().await;
    assert_eq!(sets.len(), 1);
    let scaled = format!("ScalingReplicaSet: Scaled up replica set {} from 0 to 3", sets[0].name());
    cluster.eventually("the event is recorded", async || cluster.events("web").await.contains(&scaled)).await;
    cluster
        .eventually("each pod's creation is recorded", async || {
            let events = cluster.events(sets[0].name()).await;
            events.iter().filter(|e| e.starts_with("SuccessfulCreate: Created pod: web-")).count() == 3
        })
        .await;

    let image =
        |image: &str| json!([{"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": image}]);
    let api = cluster.api::<Deployment>();
    let update = async |to: &str| {
        let patch = kubekit_runtime::Patch::Json(image(to));
        api.patch("web", &Default::default(), &patch).await.unwrap();
        cluster.until::<Deployment>("web", "the update is rolled out", is_rolled_out).await
    };
    let second = update("nginx:2").await;
    assert_eq!(second.annotations()["deployment.kubernetes.io/revision"], "2");
    let third = update("nginx:1").await;
    assert_eq!(third.annotations()["deployment.kubernetes.io/revision"], "3");
    assert_eq!(cluster.list::<ReplicaSet>().await.len(), 2, "the old set is used again");

    cluster.merge::<Deployment>("web", json!({"spec": {"replicas": 6}})).await;
    cluster.until::<Deployment>("web", "six pods serve", |d| is_rolled_out(d) && available(d) == 6).await;
    cluster.merge::<Deployment>("web", json!({"spec": {"replicas": 1}})).await;
    cluster.until::<Deployment>("web", "one pod serves", |d| is_rolled_out(d) && available(d) == 1).await;
    cluster.eventually("the others are gone", async || cluster.list::<Pod>().await.len() == 1).await;
    cluster.stop().await;
}

#[tokio::test(start_paused = true)]
async fn recreate_lets_the_old_go_before_the_new_come() {
    let mut cluster = Cluster::start().await;
    let mut object = workload("web", 2, "live-1");
    object["spec"]["strategy"] = json!({"type": "Recreate"});
    cluster.create::<Deployment>(object).await;
    cluster.until::<Deployment>("web", "it is rolled out", is_rolled_out).await;
    let old: Vec<String> = cluster.list::<Pod>().await.iter().map(|p| p.uid().to_owned()).collect();
    let patch = json!([{"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "nginx:2"}]);
    let patch = kubekit_runtime::Patch::Json(patch);
    cluster.api::<Deployment>().patch("web", &Default::default(), &patch).await.unwrap();
    cluster.until::<Deployment>("web", "it is rolled out again", is_rolled_out).await;
    let new = cluster.list::<Pod>().await;
    assert!(new.len() == 2 && new.iter().all(|pod| !old.iter().any(|uid| uid == pod.uid())));
    cluster.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_replica_set_adopts_releases_and_replaces() {
    let mut cluster = Cluster::start().await;
    let orphan = json!({"metadata": {"name": "orphan", "labels": {"app": "web"}},
                        "spec": {"nodeName": "live-1", "containers": [{"name": "c", "image": "x"}]}});
    cluster.create::<Pod>(orphan).await;
    cluster.create::<ReplicaSet>(workload("web", 2, "live-1")).await;
    let ready = |set: &ReplicaSet| set.status.as_ref().is_some_and(|s| s.ready_replicas == Some(2));
    let set = cluster.until::<ReplicaSet>("web", "two pods are ready", ready).await;
    let adopted = cluster.until::<Pod>("orphan", "it is adopted", |pod| controller_of(pod).is_some()).await;
    assert_eq!(controller_of(&adopted).unwrap().uid, set.uid());
    assert_eq!(living(&cluster).await.len(), 2);

    cluster.merge::<Pod>("orphan", json!({"metadata": {"labels": {"app": "other"}}})).await;
    cluster.until::<Pod>("orphan", "it is released", |pod| controller_of(pod).is_none()).await;
    cluster.eventually("it is replaced", async || living(&cluster).await.len() == 3).await;

    let victim = living(&cluster).await.into_iter().find(|pod| pod.name() != "orphan").unwrap();
    cluster.api::<Pod>().delete(victim.name(), &DeleteParams::default()).await.unwrap();
    cluster.until_gone::<Pod>(victim.name()).await;
    cluster.eventually("it is replaced", async || living(&cluster).await.len() == 3).await;
    cluster.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_replication_controller_keeps_its_pods() {
    let mut cluster = Cluster::start().await;
    let mut object = workload("old", 3, "live-1");
    object["spec"]["selector"] = json!({"app": "old"});
    cluster.create::<ReplicationController>(object).await;
    let ready = |rc: &ReplicationController| rc.status.as_ref().is_some_and(|s| s.ready_replicas == Some(3));
    cluster.until::<ReplicationController>("old", "three pods are ready", ready).await;
    let pods = cluster.list::<Pod>().await;
    assert!(pods.iter().all(|pod| controller_of(pod).is_some_and(|o| o.kind == "ReplicationController")));
    assert_eq!(pods.len(), 3);
    cluster.stop().await;
}

#[tokio::test(start_paused = true)]
async fn min_ready_seconds_holds_availability_back() {
    let mut cluster = Cluster::start().await;
    let mut object = workload("web", 1, "live-1");
    object["spec"]["minReadySeconds"] = json!(20);
    cluster.create::<Deployment>(object).await;
    let start = cluster.now();
    cluster.until::<Deployment>("web", "it is available", is_rolled_out).await;
    assert!(cluster.now().duration_since(start).as_secs() >= 19);
    cluster.stop().await;
}

#[tokio::test(start_paused = true)]
async fn many_pods_are_created_exactly_once_though_controllers_restart() {
    let mut cluster = Cluster::start().await;
    cluster.create::<Deployment>(workload("web", 40, "live-1")).await;
    cluster.eventually("some pods are there", async || cluster.list::<Pod>().await.len() >= 3).await;
    cluster.stop().await;
    cluster.run(kubekit_controllers::Config::default());
    cluster.until::<Deployment>("web", "all pods serve", is_rolled_out).await;
    let pods = Api::<Pod>::all(cluster.client()).list(&Default::default()).await.unwrap().items;
    assert_eq!(pods.len(), 40);
    cluster.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_failed_is_replaced_and_stays_its_sets_own() {
    let mut cluster = Cluster::start().await;
    cluster.create::<ReplicaSet>(workload("web", 2, "dead-1")).await;
    cluster.eventually("two pods are there", async || living(&cluster).await.len() == 2).await;
    let mut pods = living(&cluster).await.into_iter();
    let (failed, released) = (pods.next().unwrap(), pods.next().unwrap());
    let status = kubekit_runtime::Patch::Strategic(json!({"status": {"phase": "Failed"}}));
    cluster.api::<Pod>().patch_status(failed.name(), &Default::default(), &status).await.unwrap();
    cluster.eventually("it is replaced", async || living(&cluster).await.len() == 3).await;
    // A label that no longer matches releases a pod that runs, and not one that has ended.
    for pod in [&failed, &released] {
        cluster.merge::<Pod>(pod.name(), json!({"metadata": {"labels": {"app": "other"}}})).await;
    }
    cluster.until::<Pod>(released.name(), "it is released", |pod| controller_of(pod).is_none()).await;
    cluster.eventually("it is replaced", async || living(&cluster).await.len() == 4).await;
    assert!(controller_of(&cluster.api::<Pod>().get(failed.name()).await.unwrap()).is_some());
    let replicas = |set: &ReplicaSet| set.status.as_ref().map(|s| s.replicas);
    cluster.until::<ReplicaSet>("web", "it counts those that run", |set| replicas(set) == Some(2)).await;
    cluster.stop().await;
}

#[tokio::test(start_paused = true)]
async fn pods_left_as_orphans_are_adopted_by_the_next_set() {
    let mut cluster = Cluster::start().await;
    cluster.create::<ReplicaSet>(workload("web", 3, "live-1")).await;
    let ready = |set: &ReplicaSet| set.status.as_ref().is_some_and(|s| s.ready_replicas == Some(3));
    cluster.until::<ReplicaSet>("web", "three pods are ready", ready).await;
    let uids = async || {
        let mut uids: Vec<String> = cluster.list::<Pod>().await.iter().map(|pod| pod.uid().to_owned()).collect();
        uids.sort();
        uids
    };
    let before = uids().await;
    cluster.api::<ReplicaSet>().delete("web", &DeleteParams::orphan()).await.unwrap();
    cluster.until_gone::<ReplicaSet>("web").await;
    let successor: ReplicaSet = cluster.create(workload("web", 3, "live-1")).await;
    cluster.until::<ReplicaSet>("web", "three pods are its own", ready).await;
    assert_eq!(uids().await, before, "none was made, none was deleted");
    let pods = cluster.list::<Pod>().await;
    assert!(pods.iter().all(|pod| controller_of(pod).is_some_and(|owner| owner.uid == successor.uid())));
    cluster.stop().await;
}

#[tokio::test(start_paused = true)]
async fn pods_that_cannot_be_created_are_told_of_until_they_can() {
    let mut cluster = Cluster::start().await;
    let mut object = workload("web", 3, "live-1");
    object["spec"]["template"]["spec"]["serviceAccountName"] = json!("robot");
    cluster.create::<Deployment>(object).await;
    let failure = |deployment: &Deployment| {
        let conditions = deployment.status.as_ref().and_then(|s| s.conditions.clone()).unwrap_or_default();
        let failure = conditions.into_iter().find(|c| c.type_ == "ReplicaFailure");
        failure.map(|c| (c.reason.unwrap_or_default(), c.message.unwrap_or_default()))
    };
    let failing = cluster.until::<Deployment>("web", "it tells why", |d| failure(d).is_some()).await;
    let (reason, message) = failure(&failing).unwrap();
    assert_eq!(reason, "FailedCreate");
    assert!(message.contains("serviceaccount \"robot\" not found"), "{message}");
    let set = cluster.list::<ReplicaSet>().await.remove(0);
    cluster
        .eventually("the event is recorded", async || {
            cluster.events(set.name()).await.iter().any(|e| e.starts_with("FailedCreate: Error creating: "))
        })
        .await;
    cluster.create::<ServiceAccount>(json!({"metadata": {"name": "robot"}})).await;
    let done = cluster.until::<Deployment>("web", "it is rolled out", is_rolled_out).await;
    assert_eq!(failure(&done), None);
    cluster.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_set_whose_name_is_taken_gets_another() {
    let mut cluster = Cluster::start().await;
    cluster.create::<Deployment>(workload("web", 1, "live-1")).await;
    cluster.until::<Deployment>("web", "it is rolled out", is_rolled_out).await;
    let taken = cluster.list::<ReplicaSet>().await.remove(0);
    // A set of that name that is not the Deployment's is there before the Deployment is.
    cluster.api::<Deployment>().delete("web", &DeleteParams::orphan()).await.unwrap();
    cluster.until_gone::<Deployment>("web").await;
    cluster.api::<ReplicaSet>().delete(taken.name(), &DeleteParams::background()).await.unwrap();
    cluster.until_gone::<ReplicaSet>(taken.name()).await;
    let mut stranger = workload("stranger", 0, "live-1");
    stranger["metadata"]["name"] = json!(taken.name());
    cluster.create::<ReplicaSet>(stranger).await;
    cluster.create::<Deployment>(workload("web", 1, "live-1")).await;
    let done = cluster.until::<Deployment>("web", "it is rolled out", is_rolled_out).await;
    assert_eq!(done.status.unwrap().collision_count, Some(1));
    assert_eq!(cluster.list::<ReplicaSet>().await.len(), 2);
    cluster.stop().await;
}

/// Clients write the same template in more than one way.
#[tokio::test(start_paused = true)]
async fn a_template_that_means_the_same_is_rolled_back_to_and_not_rolled_out() {
    let mut cluster = Cluster::start().await;
    let mut object = workload("web", 1, "live-1");
    object["spec"]["template"]["spec"]["volumes"] = json!([]);
    object["spec"]["template"]["spec"]["containers"][0]["env"] = json!([]);
    object["spec"]["template"]["spec"]["containers"][0]["resources"] =
        json!({"limits": {"cpu": "1000m", "memory": "1024Mi"}});
    object["spec"]["template"]["metadata"]["annotations"] = json!({});
    cluster.create::<Deployment>(object.clone()).await;
    cluster.until::<Deployment>("web", "it is rolled out", is_rolled_out).await;
    let write = async |container: serde_json::Value| {
        let template = json!({"metadata": {"labels": {"app": "web"}},
                              "spec": {"nodeName": "live-1", "containers": [container]}});
        let patch = json!([{"op": "replace", "path": "/spec/template", "value": template}]);
        let patch = kubekit_runtime::Patch::Json(patch);
        cluster.api::<Deployment>().patch("web", &Default::default(), &patch).await.unwrap();
        cluster.until::<Deployment>("web", "it is rolled out", is_rolled_out).await
    };
    let limits = json!({"limits": {"cpu": "1", "memory": "1Gi"}});
    let same = write(json!({"name": "c", "image": "nginx:1", "resources": limits})).await;
    assert_eq!(same.annotations()["deployment.kubernetes.io/revision"], "1");
    assert_eq!(cluster.list::<ReplicaSet>().await.len(), 1);
    write(json!({"name": "c", "image": "nginx:2"})).await;
    let back = write(json!({"name": "c", "image": "nginx:1", "resources": limits})).await;
    assert_eq!(back.annotations()["deployment.kubernetes.io/revision"], "3");
    assert_eq!(cluster.list::<ReplicaSet>().await.len(), 2);
    cluster.stop().await;
}
