//! kube-rs' own client on the server, unchanged and without a socket.

use crate::harness::Harness;
use futures::TryStreamExt;
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams, WatchEvent, WatchParams};
use kube::{Client, ResourceExt};
use kubekit_server::identity::UserInfo;
use serde_json::json;

async fn client() -> (Harness, Client) {
    let h = Harness::new().await;
    let client = Client::new(h.server.as_user(UserInfo::admin()), "default");
    (h, client)
}

fn config_map(name: &str) -> ConfigMap {
    serde_json::from_value(json!({"metadata": {"name": name}, "data": {"a": "1"}})).unwrap()
}

#[tokio::test]
async fn kube_rs_creates_lists_watches_patches_and_deletes() {
    let (_h, client) = client().await;
    let api: Api<ConfigMap> = Api::default_namespaced(client);
    let made = api.create(&PostParams::default(), &config_map("a")).await.unwrap();
    let version = made.resource_version().unwrap();
    let params = WatchParams::default().timeout(2);
    let mut events = Box::pin(api.watch(&params, &version).await.unwrap());

    let merge = Patch::Merge(json!({"data": {"merge": "1"}}));
    let patched = api.patch("a", &PatchParams::default(), &merge).await.unwrap();
    assert_eq!(patched.data.unwrap()["merge"], "1");
    let strategic = Patch::Strategic(json!({"data": {"strategic": "1"}}));
    api.patch("a", &PatchParams::default(), &strategic).await.unwrap();
    let operations = serde_json::from_value(json!([{"op": "remove", "path": "/data/merge"}])).unwrap();
    api.patch("a", &PatchParams::default(), &Patch::Json::<()>(operations)).await.unwrap();
    let apply = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"applied": "1"}});
    let applied = api.patch("a", &PatchParams::apply("me"), &Patch::Apply(apply)).await.unwrap();
    let data = applied.data.unwrap();
    let keys: Vec<&str> = data.keys().map(String::as_str).collect();
    assert_eq!(keys, ["a", "applied", "strategic"]);

    for _ in 0..4 {
        match events.try_next().await.unwrap() {
            Some(WatchEvent::Modified(object)) => assert_eq!(object.name_any(), "a"),
            other => panic!("{other:?}"),
        }
    }
    let list = api.list(&ListParams::default()).await.unwrap();
    assert_eq!(list.items.len(), 1);
    api.delete("a", &DeleteParams::default()).await.unwrap();
    assert!(matches!(events.try_next().await.unwrap(), Some(WatchEvent::Deleted(_))));
    assert!(api.get_opt("a").await.unwrap().is_none());
}

#[tokio::test]
async fn kube_rs_sees_errors_as_statuses() {
    let (_h, client) = client().await;
    let api: Api<ConfigMap> = Api::default_namespaced(client);
    api.create(&PostParams::default(), &config_map("a")).await.unwrap();
    match api.create(&PostParams::default(), &config_map("a")).await.unwrap_err() {
        kube::Error::Api(status) => assert_eq!((status.code, status.reason.as_str()), (409, "AlreadyExists")),
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn kube_rs_pages_and_reads_metadata() {
    let (_h, client) = client().await;
    let api: Api<ConfigMap> = Api::default_namespaced(client);
    for i in 0..5 {
        api.create(&PostParams::default(), &config_map(&format!("c{i}"))).await.unwrap();
    }
    let page = api.list(&ListParams::default().limit(2)).await.unwrap();
    let token = page.metadata.continue_.unwrap();
    let next = api.list(&ListParams::default().limit(2).continue_token(&token)).await.unwrap();
    assert_eq!(next.items[0].name_any(), "c2");
    let metadata = api.list_metadata(&ListParams::default()).await.unwrap();
    assert_eq!(metadata.items.len(), 5);
}

#[tokio::test]
async fn kube_rs_discovers_kinds() {
    let (_h, client) = client().await;
    let groups = client.list_api_groups().await.unwrap();
    assert!(groups.groups.iter().any(|group| group.name == "apps"));
    let discovery = kube::discovery::Discovery::new(client.clone()).run().await.unwrap();
    assert!(discovery.has_group("batch"));
    let pods: Api<Pod> = Api::all(client);
    assert!(pods.list(&ListParams::default()).await.unwrap().items.is_empty());
}
