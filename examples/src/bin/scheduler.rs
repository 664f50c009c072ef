//! The scheduler as a process of its own: of several, one leads.

use anyhow::Context;
use clap::Parser;
use kubekit_examples::{election, metrics, process};
use kubekit_runtime::environment::Environment;
use kubekit_runtime::{Client, Kubeconfig};
use kubekit_sched::config::SchedulerConfiguration;
use kubekit_sched::driver::{Config, Driver};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::process::ExitCode;
use tokio_util::sync::CancellationToken;

/// Assigns pods to nodes.
#[derive(Parser)]
#[command(name = "scheduler", version)]
struct Arguments {
    /// How the API server is reached.
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// A KubeSchedulerConfiguration (kubescheduler.config.k8s.io/v1), in YAML or JSON.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Serves `/metrics` and `/healthz` there, over plain HTTP: an address that others cannot reach, as 127.0.0.1:10251.
    #[arg(long, value_name = "ADDRESS")]
    metrics_address: Option<SocketAddr>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    process::run(|shutdown| run(arguments, shutdown))
}

async fn run(arguments: Arguments, shutdown: CancellationToken) -> anyhow::Result<()> {
    let file = arguments.config.as_deref().map(read_configuration).transpose()?;
    let (kubeconfig, leader_elect) = match &file {
        Some(file) => (file.kubeconfig.as_ref().map(PathBuf::from), file.leader_elect),
        None => (None, true),
    };
    let kubeconfig = arguments
        .kubeconfig
        .or(kubeconfig)
        .context("no kubeconfig: give --kubeconfig, or clientConnection.kubeconfig in the configuration")?;
    let kubeconfig = Kubeconfig::from_file(&kubeconfig)?;
    let client = Client::from_kubeconfig(&kubeconfig)?.with_user_agent("kube-scheduler")?;
    let config = file.map_or_else(Config::default, Config::from);
    let driver = Driver::new(client.clone(), config, Environment::system());
    let metrics = driver.metrics();
    let listener = metrics::listen(arguments.metrics_address).await?;
    let serving = metrics::serve(listener, move || metrics.text(), shutdown.clone());
    let mut work = pin!(schedule(client, driver, leader_elect, shutdown));
    tokio::select! {
        done = &mut work => done,
        () = serving => work.await,
    }
}

async fn schedule(
    client: Client,
    driver: Driver,
    leader_elect: bool,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    if !leader_elect {
        return Ok(Box::pin(driver.run(shutdown)).await?);
    }
    election::lead(client, "kube-scheduler", shutdown, |stop| async move { Ok(Box::pin(driver.run(stop)).await?) })
        .await
}

fn read_configuration(path: &Path) -> anyhow::Result<SchedulerConfiguration> {
    let text = std::fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))?;
    SchedulerConfiguration::parse(&text).with_context(|| path.display().to_string())
}
