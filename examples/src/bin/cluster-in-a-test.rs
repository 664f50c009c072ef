//! A whole cluster inside a test: control plane and nodes in this process, ready in milliseconds, gone without a trace.
//!
//! What stands in `main` here would stand in a `#[tokio::test]`: it makes a Deployment and waits until its pods run.

use k8s_openapi::api::apps::v1::Deployment;
use kubekit_cluster::Cluster;
use kubekit_runtime::{Api, Client};
use serde_json::json;
use std::time::{Duration, Instant};

#[tokio::main(flavor = "current_thread")]
#[expect(clippy::print_stdout, reason = "a test would assert this")]
async fn main() -> anyhow::Result<()> {
    let start = Instant::now();
    let cluster = Cluster::builder().simulated_nodes(3).start().await?;
    println!("control plane after {:?}", start.elapsed());

    let deployments: Api<Deployment> = Api::namespaced(cluster.client(), "default");
    deployments.create(&deployment("web", 5)?).await?;
    println!("first create after {:?}", start.elapsed());

    tokio::time::timeout(Duration::from_secs(30), available(cluster.client(), "web", 5)).await??;
    println!("5 pods run after {:?}", start.elapsed());

    cluster.stop().await?;
    println!("stopped after {:?}", start.elapsed());
    Ok(())
}

fn deployment(name: &str, replicas: u32) -> serde_json::Result<Deployment> {
    serde_json::from_value(json!({
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
}

/// Returns when so many replicas of a Deployment are available.
async fn available(client: Client, name: &str, replicas: i32) -> Result<(), kubekit_runtime::Error> {
    let deployments: Api<Deployment> = Api::namespaced(client, "default");
    loop {
        let status = deployments.get(name).await?.status.unwrap_or_default();
        if status.available_replicas == Some(replicas) {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
