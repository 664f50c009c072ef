//! The area `scale`: 5,000 pods of one Deployment on 1,000 simulated nodes, over TLS, on disk.

use crate::child::ClusterProcess;
use crate::process;
use crate::report::Report;
use anyhow::{Result, ensure};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Node;
use kubekit_runtime::{Api, ListParams};
use serde_json::json;
use std::time::{Duration, Instant};

const NODES: usize = 1_000;
const PODS: i32 = 5_000;
const PATIENCE: Duration = Duration::from_secs(300);
/// The first reports of status are over by then.
const SETTLE: Duration = Duration::from_secs(5);

/// Measures the area; with a thousandth of the work when `smoke`.
pub(crate) async fn measure(report: &mut Report, smoke: bool) -> Result<()> {
    let (nodes, pods) = if smoke { (NODES / 1_000, PODS / 1_000) } else { (NODES, PODS) };
    let dir = tempfile::tempdir()?;
    let start = Instant::now();
    let cluster = ClusterProcess::start(dir.path(), nodes).await?;
    let client = cluster.client()?;
    let all: Api<Node> = Api::all(client.clone());
    while ready_nodes(&all).await? < nodes {
        ensure!(start.elapsed() < PATIENCE, "the nodes did not become ready");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    report.add("scale.1k_nodes_ready", start.elapsed().as_secs_f64(), "s");
    tokio::time::sleep(SETTLE).await;

    let before = process::cpu_seconds(cluster.pid());
    let start = Instant::now();
    let deployments: Api<Deployment> = Api::namespaced(client, "default");
    deployments.create(&serde_json::from_value(deployment(pods))?).await?;
    loop {
        let status = deployments.get("web").await?.status.unwrap_or_default();
        if status.ready_replicas == Some(pods) {
            break;
        }
        ensure!(start.elapsed() < PATIENCE, "the pods did not run: {status:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    report.add("scale.5k_pods_running", start.elapsed().as_secs_f64(), "s");
    if let (Some(before), Some(after)) = (before, process::cpu_seconds(cluster.pid())) {
        report.add("scale.5k_pods_cpu", after - before, "CPU seconds");
    }
    if let Some(resident) = process::resident_peak_mib(cluster.pid()) {
        report.add("scale.5k_pods_rss_peak", resident, "MiB");
    }
    if let Some(resident) = process::resident_mib(cluster.pid()) {
        report.add("scale.5k_pods_rss", resident, "MiB");
    }
    Ok(())
}

async fn ready_nodes(nodes: &Api<Node>) -> Result<usize> {
    let items = nodes.list(&ListParams::default()).await?.items;
    let ready = |node: &&Node| {
        let conditions = node.status.iter().flat_map(|status| status.conditions.iter().flatten());
        conditions.clone().any(|condition| condition.type_ == "Ready" && condition.status == "True")
    };
    Ok(items.iter().filter(ready).count())
}

fn deployment(replicas: i32) -> serde_json::Value {
    json!({
        "metadata": {"name": "web"},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {"containers": [{"name": "web", "image": "nginx", "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}}}]},
            },
        },
    })
}
