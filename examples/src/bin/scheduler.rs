//! The scheduler as a process of its own: of several, one leads.

use clap::Parser;
use kubekit_examples::{election, process};
use kubekit_runtime::environment::Environment;
use kubekit_runtime::{Client, Kubeconfig};
use kubekit_sched::driver::{Config, Driver};
use std::path::PathBuf;
use std::process::ExitCode;
use tokio_util::sync::CancellationToken;

/// Assigns pods to nodes.
#[derive(Parser)]
#[command(name = "scheduler", version)]
struct Arguments {
    /// How the API server is reached.
    #[arg(long, value_name = "FILE")]
    kubeconfig: PathBuf,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    process::run(|shutdown| run(arguments, shutdown))
}

async fn run(arguments: Arguments, shutdown: CancellationToken) -> anyhow::Result<()> {
    let kubeconfig = Kubeconfig::from_file(&arguments.kubeconfig)?;
    let client = Client::from_kubeconfig(&kubeconfig)?.with_user_agent("kube-scheduler")?;
    let driver = Driver::new(client.clone(), Config::default(), Environment::system());
    election::lead(client, "kube-scheduler", shutdown, |stop| async move {
        Box::pin(driver.run(stop)).await;
        Ok(())
    })
    .await
}
