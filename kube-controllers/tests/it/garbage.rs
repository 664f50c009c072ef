//! No owned object survives its owner.

use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Pod};
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

fn reference(owner: &ConfigMap, blocks: bool) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "name": owner.name(), "uid": owner.uid(),
           "blockOwnerDeletion": blocks})
}

fn map(name: &str, owners: &[&ConfigMap]) -> Value {
    let owners: Vec<Value> = owners.iter().map(|owner| reference(owner, true)).collect();
    json!({"metadata": {"name": name, "ownerReferences": owners}})
}

fn owners(map: &ConfigMap) -> Vec<String> {
    map.metadata.owner_references.iter().flatten().map(|reference| reference.name.clone()).collect()
}

#[tokio::test(start_paused = true)]
async fn one_of_two_owners_is_enough() {
    let mut cluster = Cluster::start().await;
    let first: ConfigMap = cluster.create(map("first", &[])).await;
    let second: ConfigMap = cluster.create(map("second", &[])).await;
    cluster.create::<ConfigMap>(map("child", &[&first, &second])).await;
    cluster.api::<ConfigMap>().delete("first", &DeleteParams::background()).await.unwrap();
    cluster.until::<ConfigMap>("child", "it has lost one owner", |map| owners(map) == ["second"]).await;
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

#[tokio::test(start_paused = true)]
async fn a_foreground_deletion_waits_for_those_that_block_and_takes_the_others_too() {
    let mut cluster = Cluster::start().await;
    let owner: ConfigMap = cluster.create(map("owner", &[])).await;
    let mut held = map("held", &[&owner]);
    held["metadata"]["finalizers"] = json!(["example.com/hold"]);
    cluster.create::<ConfigMap>(held).await;
    let loose = json!({"metadata": {"name": "loose", "ownerReferences": [reference(&owner, false)]}});
    cluster.create::<ConfigMap>(loose).await;
    cluster.api::<ConfigMap>().delete("owner", &DeleteParams::foreground()).await.unwrap();
    cluster.until_gone::<ConfigMap>("loose").await;
    cluster.until::<ConfigMap>("held", "it is being deleted", ConfigMap::is_being_deleted).await;
    assert!(cluster.api::<ConfigMap>().get_opt("owner").await.unwrap().is_some(), "it waits for what blocks it");
    cluster.merge::<ConfigMap>("held", json!({"metadata": {"finalizers": null}})).await;
    cluster.until_gone::<ConfigMap>("owner").await;
    cluster.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_kind_that_cannot_be_listed_does_not_stop_the_collector() {
    let mut cluster = Cluster::stopped().await;
    let owner: ConfigMap = cluster.create(map("owner", &[])).await;
    cluster.create::<ConfigMap>(map("child", &[&owner])).await;
    cluster.refuse("/apis/batch/v1/cronjobs");
    cluster.run(Config::default());
    cluster.api::<ConfigMap>().delete("owner", &DeleteParams::background()).await.unwrap();
    cluster.until_gone::<ConfigMap>("child").await;
    cluster.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_object_that_took_the_name_of_an_owner_owns_nothing() {
    let mut cluster = Cluster::stopped().await;
    let owner: ConfigMap = cluster.create(map("owner", &[])).await;
    cluster.create::<ConfigMap>(map("child", &[&owner])).await;
    cluster.api::<ConfigMap>().delete("owner", &DeleteParams::background()).await.unwrap();
    let successor: ConfigMap = cluster.create(map("owner", &[])).await;
    cluster.create::<ConfigMap>(map("heir", &[&successor])).await;
    cluster.run(Config::default());
    cluster.until_gone::<ConfigMap>("child").await;
    assert_eq!(owners(&cluster.api::<ConfigMap>().get("heir").await.unwrap()), ["owner"]);
    cluster.stop().await;
}

/// An object whose owner cannot be told stays; one without an owner, made after it, shows that the collector had its turn.
#[tokio::test(start_paused = true)]
async fn what_has_an_owner_that_cannot_be_told_stays() {
    let mut cluster = Cluster::start().await;
    let gone: ConfigMap = cluster.create(map("gone", &[])).await;
    cluster.api::<ConfigMap>().delete("gone", &DeleteParams::background()).await.unwrap();
    let unknown = json!({"apiVersion": "example.com/v1", "kind": "Widget", "name": "w", "uid": "w-1"});
    cluster.create::<ConfigMap>(json!({"metadata": {"name": "kept", "ownerReferences": [unknown]}})).await;
    // An object of cluster scope cannot have an owner in a namespace.
    let invalid = json!({"metadata": {"name": "kept", "ownerReferences": [reference(&gone, true)]}});
    cluster.create::<Namespace>(invalid).await;
    cluster.create::<ConfigMap>(map("child", &[&gone])).await;
    cluster.until_gone::<ConfigMap>("child").await;
    assert!(cluster.api::<ConfigMap>().get_opt("kept").await.unwrap().is_some());
    assert!(!cluster.api::<Namespace>().get("kept").await.unwrap().is_being_deleted());
    cluster.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_orphan_keeps_its_other_owners() {
    let mut cluster = Cluster::start().await;
    let first: ConfigMap = cluster.create(map("first", &[])).await;
    let second: ConfigMap = cluster.create(map("second", &[])).await;
    cluster.create::<ConfigMap>(map("child", &[&first, &second])).await;
    cluster.api::<ConfigMap>().delete("first", &DeleteParams::orphan()).await.unwrap();
    cluster.until_gone::<ConfigMap>("first").await;
    assert_eq!(owners(&cluster.api::<ConfigMap>().get("child").await.unwrap()), ["second"]);
    cluster.stop().await;
}
