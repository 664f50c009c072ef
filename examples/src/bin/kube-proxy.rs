//! The service proxy as a process of its own: one on each node.

use clap::Parser;
use kubekit_examples::process;
use kubekit_net::applier::Nft;
use kubekit_net::{Config, Nftables, Proxy};
use kubekit_runtime::{Client, Kubeconfig};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// Turns Services into nftables rules of this machine.
#[derive(Parser)]
#[command(name = "kube-proxy", version)]
struct Arguments {
    /// How the API server is reached.
    #[arg(long, value_name = "FILE")]
    kubeconfig: PathBuf,
    /// The name of this node, which tells its own endpoints from others.
    #[arg(long, value_name = "NAME", default_value = "node-1")]
    node_name: String,
    /// The range of all pods' addresses; traffic to Services from elsewhere is masqueraded.
    #[arg(long, value_name = "CIDR", default_value = "10.244.0.0/16")]
    cluster_cidr: String,
    /// Takes every rule away and ends.
    #[arg(long)]
    cleanup: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    process::run(|shutdown| run(arguments, shutdown))
}

async fn run(arguments: Arguments, shutdown: CancellationToken) -> anyhow::Result<()> {
    let kubeconfig = Kubeconfig::from_file(&arguments.kubeconfig)?;
    let client = Client::from_kubeconfig(&kubeconfig)?.with_user_agent("kube-proxy")?;
    let backend = Nftables::new(false, Some(arguments.cluster_cidr.parse()?));
    let proxy = Proxy::new(client, Config::new(arguments.node_name), Arc::new(backend), Arc::new(Nft::default()));
    if arguments.cleanup {
        return Ok(proxy.clean_up().await?);
    }
    proxy.run(shutdown).await;
    Ok(())
}
