//! Creates over TLS, by the project's own client with a client certificate: HTTP/2, as most clients of Kubernetes.

use super::{CLIENTS, CREATES, PODS, Server, WARM_UP, count, pod};
use crate::process;
use crate::report::Report;
use anyhow::{Context, Result};
use kubekit_runtime::{Client, Kubeconfig};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Connections; each carries several requests at a time.
const CONNECTIONS: usize = 4;

/// Measures creates, `less` times fewer than usual.
pub(super) async fn measure(report: &mut Report, less: usize) -> Result<()> {
    let dir = tempfile::tempdir()?;
    let server = Server::start(&["serve-tls", dir.path().to_str().context("a path of text")?])?;
    let kubeconfig = Kubeconfig::from_file(&dir.path().join("kubeconfig"))?;
    let clients: Vec<Client> =
        (0..CONNECTIONS).map(|_| Client::from_kubeconfig(&kubeconfig)).collect::<Result<_, _>>()?;
    let (creates, warm_up) = (CREATES / less, WARM_UP / less);
    create(&clients, 0, warm_up).await?;
    let before = process::cpu_seconds(server.pid());
    create(&clients, warm_up, creates).await?;
    if let (Some(before), Some(after)) = (before, process::cpu_seconds(server.pid())) {
        report.add("server.create_tls", count(creates) / (after - before), "requests/s and core");
    }
    Ok(())
}

/// Creates pods `from..from + count`, several at once; answers are read whole.
async fn create(clients: &[Client], from: usize, count: usize) -> Result<()> {
    let next = Arc::new(AtomicUsize::new(from));
    let end = from + count;
    let mut tasks = tokio::task::JoinSet::new();
    for i in 0..CLIENTS {
        let client = clients[i % clients.len()].clone();
        let next = Arc::clone(&next);
        tasks.spawn(async move {
            loop {
                let i = next.fetch_add(1, Ordering::Relaxed);
                if i >= end {
                    return anyhow::Ok(());
                }
                let request = http::Request::post(PODS).header("content-type", "application/json");
                client.request_bytes(request.body(pod(i))?).await?;
            }
        });
    }
    while let Some(result) = tasks.join_next().await {
        result??;
    }
    Ok(())
}
