//! No owned object survives its owner.

use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kubekit_controllers::Config;
use kubekit_runtime::{DeleteParams, Object as _};
use serde_json::{Value, json};

use crate::cluster::{Cluster, workload};

async fn deployed() -> Cluster {
    let cluster = Cluster::start().await;
    cluster.create::<Deployment>(workload("web", 3, "live-1")).await;
    cluster
        .until::<Deployment>("web", "it is there", |d| {
            d.status.as_ref().is_some_and(|s| s.available_replicas == Some(3))
        })
        .await;
    cluster
}

#[tokio::test(start_paused = true)]
async fn a_background_deletion_takes_all_dependents() {
    let mut cluster = deployed().await;
    cluster.api::<Deployment>().delete("web", &DeleteParams::background()).await.unwrap();
    cluster.eventually("the sets are gone", async || cluster.list::<ReplicaSet>().await.is_empty()).await;
    cluster.eventually("the pods are gone", async || cluster.list::<Pod>().await.is_empty()).await;
    cluster.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_foreground_deletion_waits_for_all_dependents() {
    let mut cluster = deployed().await;
    cluster.api::<Deployment>().delete("web", &DeleteParams::foreground()).await.unwrap();
    cluster.until_gone::<Deployment>("web").await;
    assert!(cluster.list::<ReplicaSet>().await.is_empty());
    assert!(cluster.list::<Pod>().await.is_empty());
    cluster.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_orphaning_deletion_leaves_dependents_without_their_owner() {
    let mut cluster = deployed().await;
    cluster.api::<Deployment>().delete("web", &DeleteParams::orphan()).await.unwrap();
    cluster.until_gone::<Deployment>("web").await;
    let sets = cluster.list::<ReplicaSet>().await;
    assert_eq!(sets.len(), 1);
    assert!(sets[0].metadata.owner_references.as_ref().is_none_or(Vec::is_empty));
    assert_eq!(cluster.list::<Pod>().await.len(), 3);
    cluster.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_lost_its_owner_while_nobody_watched_is_collected() {
    let mut cluster = deployed().await;
    cluster.stop().await;
    cluster.api::<Deployment>().delete("web", &DeleteParams::background()).await.unwrap();
    let sets = cluster.list::<ReplicaSet>().await;
    cluster.api::<ReplicaSet>().delete(sets[0].name(), &DeleteParams::background()).await.unwrap();
    assert_eq!(cluster.list::<Pod>().await.len(), 3);
    cluster.run(Config::default());
    cluster.eventually("the pods are gone", async || cluster.list::<Pod>().await.is_empty()).await;
    cluster.stop().await;
}

fn map(name: &str, owners: &[&ConfigMap]) -> Value {
    let reference = |owner: &&ConfigMap| {
        json!({"apiVersion": "v1", "kind": "ConfigMap", "name": owner.name(), "uid": owner.uid(),
               "blockOwnerDeletion": true})
    };
    let owners: Vec<Value> = owners.iter().map(reference).collect();
    json!({"metadata": {"name": name, "ownerReferences": owners}})
}

#[tokio::test(start_paused = true)]
async fn one_of_two_owners_is_enough() {
    let mut cluster = Cluster::start().await;
    let first: ConfigMap = cluster.create(map("first", &[])).await;
    let second: ConfigMap = cluster.create(map("second", &[])).await;
    cluster.create::<ConfigMap>(map("child", &[&first, &second])).await;
    cluster.api::<ConfigMap>().delete("first", &DeleteParams::background()).await.unwrap();
    let owners = |map: &ConfigMap| map.metadata.owner_references.as_ref().map_or(0, Vec::len);
    cluster.until::<ConfigMap>("child", "it has lost one owner", |map| owners(map) == 1).await;
    cluster.api::<ConfigMap>().delete("second", &DeleteParams::background()).await.unwrap();
    cluster.until_gone::<ConfigMap>("child").await;
    cluster.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_owner_in_another_namespace_counts_as_absent_and_is_reported() {
    let mut cluster = Cluster::start().await;
    let owner: ConfigMap = cluster.create_in("kube-system", map("owner", &[])).await;
    cluster.create::<ConfigMap>(map("child", &[&owner])).await;
    cluster.until_gone::<ConfigMap>("child").await;
    let text = format!(
        "OwnerRefInvalidNamespace: ownerRef [v1/ConfigMap, namespace: default, name: owner, uid: {}] does not exist in \
         namespace \"default\"",
        owner.uid()
    );
    cluster.eventually("it is reported", async || cluster.events("child").await.contains(&text)).await;
    cluster.stop().await;
}

#[tokio::test(start_paused = true)]
async fn objects_that_own_each_other_can_be_deleted_in_the_foreground() {
    let mut cluster = Cluster::start().await;
    let first: ConfigMap = cluster.create(map("first", &[])).await;
    let second: ConfigMap = cluster.create(map("second", &[&first])).await;
    let circle = map("first", &[&second])["metadata"]["ownerReferences"].clone();
    cluster.merge::<ConfigMap>("first", json!({"metadata": {"ownerReferences": circle}})).await;
    cluster.api::<ConfigMap>().delete("first", &DeleteParams::foreground()).await.unwrap();
    cluster.until_gone::<ConfigMap>("first").await;
    cluster.until_gone::<ConfigMap>("second").await;
    cluster.stop().await;
}
