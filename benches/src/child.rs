//! A whole cluster in a process of its own, so that its start, its memory and its CPU seconds can be measured.

use anyhow::{Context, Result, ensure};
use kubekit_runtime::client::empty_request;
use kubekit_runtime::{Client, Kubeconfig};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

/// How long a start may take before the measurement is given up.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running cluster; killed when dropped.
pub(crate) struct ClusterProcess {
    child: Child,
    kubeconfig: PathBuf,
    /// From the start of the process to the first 200 of `/readyz`.
    pub(crate) ready_after: Duration,
}

impl ClusterProcess {
    /// Starts a cluster with this many simulated nodes on a fresh directory, and waits until it is ready.
    pub(crate) async fn start(dir: &Path, nodes: usize) -> Result<Self> {
        let start = Instant::now();
        let child = Command::new(std::env::current_exe()?)
            .arg("serve-cluster")
            .arg(dir)
            .arg(nodes.to_string())
            .spawn()
            .context("starting the cluster")?;
        let mut process = Self { child, kubeconfig: dir.join("kubeconfig"), ready_after: Duration::ZERO };
        while !process.is_ready().await {
            ensure!(start.elapsed() < PATIENCE, "the cluster did not become ready");
            ensure!(process.child.try_wait()?.is_none(), "the cluster ended");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        process.ready_after = start.elapsed();
        Ok(process)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// A client over TLS, with the administrator's certificate.
    pub(crate) fn client(&self) -> Result<Client> {
        Ok(Client::from_kubeconfig(&Kubeconfig::from_file(&self.kubeconfig)?)?)
    }

    async fn is_ready(&self) -> bool {
        let Ok(client) = self.client() else { return false };
        let Ok(request) = empty_request(http::Method::GET, "/readyz", "application/json") else { return false };
        client.request_bytes(request).await.is_ok()
    }
}

impl Drop for ClusterProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The process itself: serves until killed.
pub(crate) async fn serve(dir: &Path, nodes: usize) -> Result<()> {
    let cluster = kubekit_cluster::Cluster::builder()
        .storage(kubekit_cluster::Storage::Directory(dir.join("data")))
        .listen(std::net::SocketAddr::from(([127, 0, 0, 1], 0)))
        .simulated_nodes(nodes)
        .start()
        .await?;
    cluster.write_kubeconfig(&dir.join("kubeconfig"))?;
    cluster.run(tokio_util::sync::CancellationToken::new()).await?;
    Ok(())
}
