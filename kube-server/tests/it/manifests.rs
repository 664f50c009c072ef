//! Manifests as people write them, of most kinds: taken without a word, and changed by nothing that changes nothing.

use crate::harness::Harness;
use http::Method;
use kubekit_core::catalog::{self, Resource};
use serde_json::json;

const MANIFESTS: &str = include_str!("manifests.yaml");

/// What a manifest says at its top level.
fn field<'a>(manifest: &'a str, name: &str) -> &'a str {
    manifest.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).unwrap()
}

fn resource(manifest: &str) -> &'static Resource {
    let (version, kind) = (field(manifest, "apiVersion"), field(manifest, "kind"));
    let found = catalog::builtin().iter().find(|resource| resource.api_version() == version && resource.kind == kind);
    found.unwrap_or_else(|| panic!("no {version} {kind}"))
}

async fn check(h: &Harness, manifest: &str) {
    let resource = resource(manifest);
    let kind = resource.kind;
    let group = if resource.group.is_empty() { "/api" } else { "/apis" };
    let namespace = if resource.is_namespaced() { "/namespaces/default" } else { "" };
    let all = format!("{group}/{}{namespace}/{}", resource.api_version(), resource.plural);
    let strict = format!("{all}?fieldValidation=Strict");
    let made = h.call(Method::POST, &strict, "application/yaml", manifest.to_owned()).await;
    assert_eq!(made.code, 201, "{kind}: {}", made.text);
    assert_eq!(made.headers.get("warning"), None, "{kind}");
    let uri = &format!("{all}/{}", made.body["metadata"]["name"].as_str().unwrap());
    let version = &made.body["metadata"]["resourceVersion"];
    let same = h.put(uri, &made.body).await.ok();
    assert_eq!(&same["metadata"]["resourceVersion"], version, "{kind} is what it was");
    let apply = format!("{uri}?fieldManager=me&force=true&fieldValidation=Strict");
    let applied = h.call(Method::PATCH, &apply, "application/apply-patch+yaml", manifest.to_owned()).await;
    assert_eq!(applied.code, 200, "{kind}: {}", applied.text);
    let rest = |object: &serde_json::Value| {
        let mut object = object.clone();
        object["metadata"] = json!(null);
        object
    };
    assert_eq!(rest(&applied.body), rest(&made.body), "{kind} is what it was");
    let labels = json!({"metadata": {"labels": {"x": "y"}}});
    assert_eq!(h.patch(uri, "strategic", &labels).await.ok()["metadata"]["labels"]["x"], "y", "{kind}");
    let protobuf = h.accept(uri, "application/vnd.kubernetes.protobuf").await;
    assert!(protobuf.text.starts_with("k8s\0"), "{kind}: {}", protobuf.text);
    assert_eq!(h.delete(uri).await.code, 200, "{kind}");
}

#[tokio::test]
async fn what_people_write_is_taken() {
    let h = Harness::new().await;
    for manifest in MANIFESTS.split("\n---\n") {
        check(&h, manifest).await;
    }
}
