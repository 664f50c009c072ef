//! A cluster on disk, stopped and started again.

use crate::{deployment, eventually, map};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Node, Pod};
use kubekit_cluster::{Builder, Cluster, Error, Storage};
use kubekit_runtime::{Api, ListParams};
use std::collections::BTreeMap;
use std::path::Path;

fn on(directory: &Path) -> Builder {
    Cluster::builder().storage(Storage::Directory(directory.to_owned()))
}

/// The uids of all objects of a kind, by name.
async fn uids<K: kubekit_runtime::TypedObject>(cluster: &Cluster) -> BTreeMap<String, String> {
    let list = Api::<K>::all(cluster.client()).list(&ListParams::default()).await.expect("a list");
    list.items.iter().map(|object| (object.key().to_string(), object.uid().to_owned())).collect()
}

#[tokio::test]
async fn it_carries_on_where_it_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let cluster = on(folder.path()).simulated_nodes(2).start().await.unwrap();
    Api::<ConfigMap>::namespaced(cluster.client(), "default").create(&map("kept")).await.unwrap();
    let deployments: Api<Deployment> = Api::namespaced(cluster.client(), "default");
    deployments.create(&deployment("web", 2)).await.unwrap();
    eventually("the pods run", async || available(&cluster, "web").await == Some(2)).await;
    let (maps, nodes, pods) =
        (uids::<ConfigMap>(&cluster).await, uids::<Node>(&cluster).await, uids::<Pod>(&cluster).await);
    let authority = cluster.pki().authority.certificate().to_owned();
    cluster.stop().await.unwrap();
    let error = deployments.get("web").await.unwrap_err();
    assert!(error.chain().ends_with("the cluster has stopped"), "{}", error.chain());

    let cluster = on(folder.path()).simulated_nodes(2).start().await.unwrap();
    assert_eq!(uids::<ConfigMap>(&cluster).await, maps);
    assert_eq!(uids::<Node>(&cluster).await, nodes);
    assert_eq!(uids::<Pod>(&cluster).await, pods);
    assert_eq!(cluster.pki().authority.certificate(), authority);
    eventually("the pods run again", async || available(&cluster, "web").await == Some(2)).await;
    Api::<ConfigMap>::namespaced(cluster.client(), "default").create(&map("new")).await.unwrap();
    cluster.stop().await.unwrap();
}

async fn available(cluster: &Cluster, name: &str) -> Option<i32> {
    let deployments: Api<Deployment> = Api::namespaced(cluster.client(), "default");
    deployments.get(name).await.expect("the Deployment").status?.available_replicas
}

#[tokio::test]
async fn two_clusters_cannot_have_one_directory() {
    let folder = tempfile::tempdir().unwrap();
    let first = on(folder.path()).start().await.unwrap();
    let error = on(folder.path()).start().await.unwrap_err();
    let Error::Store { source: kubekit_store::Error::Locked(_), .. } = &error else { panic!("{error}") };
    first.stop().await.unwrap();
    on(folder.path()).start().await.unwrap().stop().await.unwrap();
}

#[tokio::test]
async fn a_directory_that_cannot_be_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let error = on(&file.join("data")).start().await.unwrap_err();
    assert!(error.to_string().starts_with("cannot create ") && error.to_string().contains("file/data"), "{error}");
}
