//! Discovery, plain and aggregated.

use crate::harness::{Harness, request};
use http::Method;
use serde_json::{Value, json};

const V2: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
const V2BETA1: &str = "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList";

fn find<'a>(list: &'a Value, field: &str, value: &str) -> &'a Value {
    list.as_array()
        .unwrap()
        .iter()
        .find(|entry| entry[field] == value)
        .unwrap_or_else(|| panic!("no {value} in {list}"))
}

#[tokio::test]
async fn plain_documents() {
    let h = Harness::new().await;
    let api = h.get("/api").await.ok();
    assert_eq!((&api["kind"], &api["versions"]), (&json!("APIVersions"), &json!(["v1"])));
    let apis = h.get("/apis").await.ok();
    let apps = find(&apis["groups"], "name", "apps");
    assert_eq!(apps["preferredVersion"], json!({"groupVersion": "apps/v1", "version": "v1"}));
    let autoscaling = h.get("/apis/autoscaling/").await.ok();
    assert_eq!((&autoscaling["kind"], &autoscaling["preferredVersion"]["version"]), (&json!("APIGroup"), &json!("v2")));
    let scheduling = h.get("/apis/scheduling.k8s.io").await.ok();
    let versions: Vec<&str> =
        scheduling["versions"].as_array().unwrap().iter().filter_map(|v| v["version"].as_str()).collect();
    assert_eq!((versions, &scheduling["preferredVersion"]["version"]), (vec!["v1", "v1alpha2"], &json!("v1")));
    let core = h.get("/api/v1").await.ok();
    assert_eq!((&core["kind"], &core["groupVersion"]), (&json!("APIResourceList"), &json!("v1")));
    let pods = find(&core["resources"], "name", "pods");
    assert_eq!((&pods["shortNames"], &pods["categories"]), (&json!(["po"]), &json!(["all"])));
    assert_eq!(
        pods["verbs"],
        json!(["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"])
    );
    let eviction = find(&core["resources"], "name", "pods/eviction");
    assert_eq!((&eviction["group"], &eviction["kind"]), (&json!("policy"), &json!("Eviction")));
    let apps = h.get("/apis/apps/v1").await.ok();
    let scale = find(&apps["resources"], "name", "deployments/scale");
    assert_eq!(
        (&scale["group"], &scale["version"], &scale["kind"]),
        (&json!("autoscaling"), &json!("v1"), &json!("Scale"))
    );
}

#[tokio::test]
async fn aggregated_documents() {
    let h = Harness::new().await;
    for (accept, version) in [(V2, "v2"), (V2BETA1, "v2beta1")] {
        let both = format!("{accept},application/json");
        let answer = h.accept("/apis", &both).await;
        assert_eq!(answer.headers["content-type"], accept);
        assert_eq!(answer.body["apiVersion"], format!("apidiscovery.k8s.io/{version}"));
        let apps = answer.body["items"].as_array().unwrap().iter().find(|g| g["metadata"]["name"] == "apps").unwrap();
        let deployments = find(&apps["versions"][0]["resources"], "resource", "deployments");
        assert_eq!(deployments["responseKind"], json!({"group": "apps", "version": "v1", "kind": "Deployment"}));
        assert_eq!(deployments["scope"], "Namespaced");
        let scale = find(&deployments["subresources"], "subresource", "scale");
        assert_eq!(scale["responseKind"]["group"], "autoscaling");
        assert_eq!(apps["versions"][0]["freshness"], "Current");
        let etag = answer.headers["etag"].to_str().unwrap().to_owned();
        let headers = [("accept", both.as_str()), ("if-none-match", etag.as_str())];
        let known = h.send(request(Method::GET, "/apis", &headers, "")).await;
        assert_eq!((known.code, known.text.as_str()), (304, ""));
    }
    let core = h.accept("/api", &format!("{V2},{V2BETA1},application/json")).await;
    assert_eq!(core.headers["content-type"], V2);
    assert_eq!(core.body["items"][0]["versions"][0]["version"], "v1");
    let plain = h.accept("/apis", "application/json").await;
    assert_eq!(plain.body["kind"], "APIGroupList");
}
