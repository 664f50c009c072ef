//! The controllers as a process of their own: of several, one leads.

use anyhow::Context as _;
use clap::Parser;
use kubekit_cluster::accounts::ServiceAccountClients;
use kubekit_controllers::{Config, SHARED_INFORMERS, run_all};
use kubekit_examples::{duration, election, process};
use kubekit_runtime::environment::Environment;
use kubekit_runtime::{Client, Kubeconfig};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Runs the built-in controllers, each under a service account of its own.
#[derive(Parser)]
#[command(name = "controller-manager", version)]
struct Arguments {
    /// How the API server is reached.
    #[arg(long, value_name = "FILE")]
    kubeconfig: PathBuf,
    /// How often nodes are looked at.
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = duration::parse)]
    node_monitor_period: Duration,
    /// How long a node may be silent before it counts as failed. More than the time in which kubelets renew their leases.
    #[arg(long, value_name = "DURATION", default_value = "50s", value_parser = duration::parse)]
    node_monitor_grace_period: Duration,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    process::run(|shutdown| run(arguments, shutdown))
}

async fn run(arguments: Arguments, shutdown: CancellationToken) -> anyhow::Result<()> {
    let kubeconfig = Kubeconfig::from_file(&arguments.kubeconfig)?;
    let client = Client::from_kubeconfig(&kubeconfig)?.with_user_agent("kube-controller-manager")?;
    let anonymous = Client::from_kubeconfig(&kubeconfig.without_user()?)?.with_user_agent("kube-controller-manager")?;
    let mut config = Config::default();
    config.root_ca = kubeconfig.certificate_authority()?.context("the kubeconfig has no certificate-authority")?;
    config.node_lifecycle.monitor_period = arguments.node_monitor_period;
    config.node_lifecycle.monitor_grace_period = arguments.node_monitor_grace_period;
    let accounts = Arc::new(ServiceAccountClients::new(client.clone(), anonymous, "kube-system"));
    let led = election::lead(client.clone(), "kube-controller-manager", shutdown, |stop| async move {
        let asked = Arc::clone(&accounts);
        let clients = move |name: &str| if name == SHARED_INFORMERS { client.clone() } else { asked.client(name) };
        // Controllers write to the end, so their tokens are renewed until they have ended.
        let renewing = CancellationToken::new();
        let working = async {
            let outcome = run_all(config, &clients, Environment::system(), stop).await;
            renewing.cancel();
            outcome
        };
        let (outcome, ()) = tokio::join!(working, accounts.run(renewing.clone()));
        Ok(outcome?)
    });
    Box::pin(led).await
}
