//! The client of kube-rs, unchanged and without a socket.

use futures::StreamExt as _;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams, WatchEvent, WatchParams};
use kube::runtime::controller::Action;
use kube::runtime::{Controller, watcher};
use kubekit_cluster::{Cluster, identity};
use std::sync::Arc;
use std::time::Duration;

async fn cluster() -> (Cluster, kube::Client) {
    let cluster = Cluster::in_memory().await.expect("a cluster");
    let service = cluster.api_server().as_user(identity::administrator());
    let client = kube::Client::new(service, "default");
    (cluster, client)
}

#[tokio::test]
async fn create_list_watch_patch_delete() {
    let (cluster, client) = cluster().await;
    let maps: Api<ConfigMap> = Api::default_namespaced(client);
    let created = maps.create(&PostParams::default(), &crate::map("a")).await.unwrap();
    assert!(maps.create(&PostParams::default(), &crate::map("a")).await.is_err());
    let list = maps.list(&ListParams::default().fields("metadata.name=a")).await.unwrap();
    assert_eq!(list.items[0].metadata.uid, created.metadata.uid);

    let version = list.metadata.resource_version.unwrap();
    let mut events = maps.watch(&WatchParams::default(), &version).await.unwrap().boxed();
    let patch = serde_json::json!({"data": {"k": "v"}});
    maps.patch("a", &PatchParams::default(), &Patch::Merge(patch)).await.unwrap();
    maps.delete("a", &DeleteParams::default()).await.unwrap();
    let mut seen = Vec::new();
    while seen.len() < 2 {
        match events.next().await.unwrap().unwrap() {
            WatchEvent::Modified(map) => seen.push(format!("modified {}", map.data.unwrap()["k"])),
            WatchEvent::Deleted(_) => seen.push("deleted".to_owned()),
            _ => {}
        }
    }
    assert_eq!(seen, ["modified v", "deleted"]);
    cluster.stop().await.unwrap();
}

#[tokio::test]
async fn server_side_apply_reports_conflicts() {
    let (cluster, client) = cluster().await;
    let maps: Api<ConfigMap> = Api::default_namespaced(client);
    let apply = |value: &str| serde_json::json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"k": value}});
    maps.patch("a", &PatchParams::apply("one"), &Patch::Apply(apply("1"))).await.unwrap();
    let error = maps.patch("a", &PatchParams::apply("two"), &Patch::Apply(apply("2"))).await.unwrap_err();
    let kube::Error::Api(status) = error else { panic!("{error}") };
    assert_eq!((status.code, status.reason.as_str()), (409, "Conflict"));
    let forced = maps.patch("a", &PatchParams::apply("two").force(), &Patch::Apply(apply("2"))).await.unwrap();
    assert_eq!(forced.data.unwrap()["k"], "2");
    cluster.stop().await.unwrap();
}

#[tokio::test]
async fn a_controller_of_kube_rs_reconciles() {
    let (cluster, client) = cluster().await;
    let maps: Api<ConfigMap> = Api::default_namespaced(client);
    let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
    let controller = Controller::new(maps.clone(), watcher::Config::default().fields("metadata.name=wanted"))
        .run(
            |map: Arc<ConfigMap>, sender: Arc<tokio::sync::mpsc::UnboundedSender<Option<String>>>| async move {
                let _ = sender.send(map.metadata.name.clone());
                Ok::<_, std::io::Error>(Action::await_change())
            },
            |_, _, _| Action::requeue(Duration::from_secs(1)),
            Arc::new(sender),
        )
        .for_each(|_| async {});
    let running = tokio::spawn(controller);
    maps.create(&PostParams::default(), &crate::map("other")).await.unwrap();
    maps.create(&PostParams::default(), &crate::map("wanted")).await.unwrap();
    let name = tokio::time::timeout(Duration::from_secs(60), receiver.recv()).await.unwrap().unwrap();
    assert_eq!(name.as_deref(), Some("wanted"));
    running.abort();
    cluster.stop().await.unwrap();
}
