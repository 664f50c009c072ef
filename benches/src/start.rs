//! The area `start`: from nothing to ready, what a cluster needs while it does nothing, and a control plane in a test.

use crate::child::ClusterProcess;
use crate::process;
use crate::report::Report;
use anyhow::Result;
use k8s_openapi::api::core::v1::ConfigMap;
use kubekit_cluster::Cluster;
use kubekit_runtime::Api;
use std::time::{Duration, Instant};

const NODES: usize = 3;
const STARTS: usize = 9;
/// Registration and the first reconciliations are over by then.
const SETTLE: Duration = Duration::from_secs(10);
const IDLE: Duration = Duration::from_secs(60);

/// Measures the area; with less waiting when `smoke`.
pub(crate) async fn measure(report: &mut Report, smoke: bool) -> Result<()> {
    let (settle, idle) = if smoke { (SETTLE / 10, IDLE / 60) } else { (SETTLE, IDLE) };
    report.add("start.inprocess_first_create", first_create().await?.as_secs_f64() * 1e3, "ms");
    let mut times = Vec::new();
    for _ in 1..STARTS {
        let dir = tempfile::tempdir()?;
        times.push(ClusterProcess::start(dir.path(), NODES).await?.ready_after);
    }
    let dir = tempfile::tempdir()?;
    let cluster = ClusterProcess::start(dir.path(), NODES).await?;
    times.push(cluster.ready_after);
    report.add("start.readyz", median(times).as_secs_f64() * 1e3, "ms");
    tokio::time::sleep(settle).await;
    if let Some(resident) = process::resident_mib(cluster.pid()) {
        report.add("start.rss_idle", resident, "MiB");
    }
    if let Some(before) = process::cpu_seconds(cluster.pid()) {
        tokio::time::sleep(idle).await;
        let after = process::cpu_seconds(cluster.pid()).unwrap_or(before);
        report.add("start.cpu_idle", (after - before) / idle.as_secs_f64() * 100.0, "% of a core");
    }
    Ok(())
}

/// A control plane in this process, from nothing to its first create.
async fn first_create() -> Result<Duration> {
    let mut times = Vec::new();
    for _ in 0..STARTS {
        let start = Instant::now();
        let cluster = Cluster::in_memory().await?;
        let maps: Api<ConfigMap> = Api::namespaced(cluster.client(), "default");
        let mut object = ConfigMap::default();
        object.metadata.name = Some("first".to_owned());
        maps.create(&object).await?;
        times.push(start.elapsed());
        cluster.stop().await?;
    }
    Ok(median(times))
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}
