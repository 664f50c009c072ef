//! Finalizers, added and removed.

use crate::fake::{Fake, map};
use k8s_openapi::api::core::v1::ConfigMap;
use kubekit_runtime::{Api, DeleteParams, Object as _, finalizer};

const MINE: &str = "example.com/cleanup";

#[tokio::test]
async fn a_finalizer_is_added_once_and_removed_alone() {
    let server = Fake::default();
    let api: Api<ConfigMap> = Api::all(server.client());
    let mut object = map("ns", "a", "1");
    object.metadata.finalizers = Some(vec!["other/one".to_owned()]);
    let object = api.create(&object).await.unwrap();

    let with = finalizer::add(&api, &object, MINE).await.unwrap();
    assert!(finalizer::has(&with, MINE));
    assert_eq!(finalizer::add(&api, &with, MINE).await.unwrap().resource_version(), with.resource_version());
    assert!(finalizer::add(&api, &object, "third/one").await.unwrap_err().is_conflict(), "the object is stale");

    finalizer::remove(&api, &with, MINE).await.unwrap();
    let without = api.within("ns").get("a").await.unwrap();
    assert_eq!(without.metadata.finalizers.as_deref(), Some(&["other/one".to_owned()][..]));
}

#[tokio::test]
async fn an_object_that_is_gone_needs_no_removal() {
    let server = Fake::default();
    let api: Api<ConfigMap> = Api::namespaced(server.client(), "ns");
    let object = api.create(&map("ns", "a", "1")).await.unwrap();
    let object = finalizer::add(&api, &object, MINE).await.unwrap();
    api.delete("a", &DeleteParams::default()).await.unwrap();
    finalizer::remove(&api, &object, MINE).await.unwrap();
}
