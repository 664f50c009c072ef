//! What each call sends, and what it makes of the answer.

use crate::fake::{Fake, map};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Node};
use kubekit_runtime::{
    Api, DeleteParams, Deletion, DynamicObject, ListParams, Object as _, PartialObject, Patch, PatchParams,
    TypedObject as _,
};
use serde_json::json;

#[tokio::test]
async fn an_object_from_its_creation_to_its_deletion() {
    let server = Fake::default();
    let api: Api<ConfigMap> = Api::namespaced(server.client(), "ns");
    let created = api.create(&map("ns", "a", "1")).await.unwrap();
    assert!(api.create(&map("ns", "a", "1")).await.unwrap_err().is_already_exists());
    assert_eq!(api.get("a").await.unwrap(), created);

    let mut changed = created.clone();
    changed.data.as_mut().unwrap().insert("value".into(), "2".into());
    let replaced = api.replace(&changed).await.unwrap();
    assert_ne!(replaced.resource_version(), created.resource_version());
    assert!(api.replace(&changed).await.unwrap_err().is_conflict(), "the version is stale");

    let patch = Patch::Merge(json!({"data": {"more": "3"}}));
    let patched = api.patch("a", &PatchParams::default(), &patch).await.unwrap();
    assert_eq!(patched.data.unwrap().len(), 2);

    assert!(matches!(api.delete("a", &DeleteParams::default()).await.unwrap(), Deletion::Done(_)));
    assert!(api.get("a").await.unwrap_err().is_not_found());
    assert_eq!(api.get_opt("a").await.unwrap(), None);
    assert!(api.delete("a", &DeleteParams::default()).await.unwrap_err().is_not_found());
}

#[track_caller]
fn check(server: &Fake, expected: &str) {
    assert_eq!(server.requests(), [expected]);
}

#[tokio::test]
async fn paths() {
    let server = Fake::default();
    let client = server.client();
    let maps: Api<ConfigMap> = Api::all(client.clone());

    let _ = Api::<Node>::all(client.clone()).get("n1").await;
    check(&server, "GET /api/v1/nodes/n1");
    let _ =
        Api::<Deployment>::namespaced(client.clone(), "ns").get_subresource::<serde_json::Value>("web", "scale").await;
    check(&server, "GET /apis/apps/v1/namespaces/ns/deployments/web/scale");
    let _ = maps.list(&ListParams::default().labels("app=web").limit(5)).await;
    check(&server, "GET /api/v1/configmaps?labelSelector=app%3Dweb&limit=5");
    let _ = maps.create(&map("other", "a", "1")).await;
    check(&server, "POST /api/v1/namespaces/other/configmaps");
    let _ = maps.within("ns").patch_status("a", &PatchParams::apply("me").force(), &Patch::Apply(json!({}))).await;
    check(&server, "PATCH /api/v1/namespaces/ns/configmaps/a/status?fieldManager=me&force=true");
    let _ = maps.within("ns").get("a/../b").await;
    check(&server, "GET /api/v1/namespaces/ns/configmaps/a%2F..%2Fb");
}

#[tokio::test]
async fn a_request_for_nothing_is_not_sent() {
    let server = Fake::default();
    let maps: Api<ConfigMap> = Api::all(server.client());
    let error = maps.get("a").await.unwrap_err().to_string();
    assert_eq!(error, "cannot make the request: configmaps \"a\": no namespace is given");
    let error = maps.within("ns").delete("", &DeleteParams::default()).await.unwrap_err().to_string();
    assert_eq!(error, "cannot make the request: configmaps: the name is empty");
    assert_eq!(server.requests(), [""; 0]);
}

#[tokio::test]
async fn what_stands_in_a_path_cannot_lead_out_of_it() {
    let server = Fake::default();
    let maps: Api<ConfigMap> = Api::all(server.client());
    let _ = maps.within("a/../../nodes?x=").list(&ListParams::default()).await;
    check(&server, "GET /api/v1/namespaces/a%2F..%2F..%2Fnodes%3Fx%3D/configmaps");
    for (error, expected) in [
        (maps.within("..").list(&ListParams::default()).await.err(), "configmaps: the namespace may not be '..'"),
        (maps.within(".").get("a").await.err(), "configmaps: the namespace may not be '.'"),
        (maps.within("ns").get("..").await.err(), "configmaps: the name may not be '..'"),
        (maps.create(&map("", "a", "1")).await.err(), "configmaps \"a\": no namespace is given"),
        (maps.create(&map("..", "a", "1")).await.err(), "configmaps: the namespace may not be '..'"),
    ] {
        assert_eq!(error.unwrap().to_string(), format!("cannot make the request: {expected}"));
    }
    assert_eq!(server.requests(), [""; 0]);
}

#[tokio::test]
async fn kinds_that_are_known_only_at_run_time() {
    let server = Fake::default();
    server.put_map("ns", "a", "1");
    let api: Api<DynamicObject> = Api::of(server.client(), ConfigMap::api_resource()).within("ns");
    let mut object = api.get("a").await.unwrap();
    assert_eq!((object.kind.as_str(), object.api_version.as_str()), ("ConfigMap", "v1"));
    object.data["data"]["value"] = json!("2");
    assert_eq!(api.replace(&object).await.unwrap().data["data"]["value"], "2");

    let api: Api<PartialObject> = Api::of(server.client(), ConfigMap::api_resource()).within("ns");
    let list = api.list(&ListParams::default()).await.unwrap();
    assert_eq!(server.last_headers()["accept"], "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1");
    assert_eq!((list.items[0].kind.as_str(), list.items[0].name()), ("ConfigMap", "a"));
}
