//! Whole clusters, as their users see them.

#![expect(clippy::unwrap_used, reason = "tests stop at what they do not expect")]

mod disk;
mod in_memory;
mod kube_rs;
mod requests;
mod socket;
mod workloads;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::ConfigMap;
use std::time::Duration;

/// A ConfigMap of this name.
fn map(name: &str) -> ConfigMap {
    let mut object = ConfigMap::default();
    object.metadata.name = Some(name.to_owned());
    object
}

/// A Deployment of this name and size.
fn deployment(name: &str, replicas: i32) -> Deployment {
    serde_json::from_value(serde_json::json!({
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": [{"name": name, "image": "nginx"}]},
            },
        },
    }))
    .expect("a Deployment")
}

/// Returns when `done` says so, asking again and again; fails after a generous time.
async fn eventually<F, Fut>(what: &str, mut done: F)
where
    F: FnMut() -> Fut,
    Fut: Future<Output = bool>,
{
    let asking = async {
        while !done().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    assert!(tokio::time::timeout(Duration::from_secs(120), asking).await.is_ok(), "not in time: {what}");
}
