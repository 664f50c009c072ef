//! The API server as a process of its own.

use anyhow::Context as _;
use clap::Parser;
use kubekit_cluster::{Cluster, EncryptionAtRest, kubeconfig};
use kubekit_examples::storage::StorageArguments;
use kubekit_examples::{data, process};
use kubekit_server::pki::Subject;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use tokio_util::sync::CancellationToken;

/// Serves the Kubernetes API, and writes a kubeconfig for each component.
#[derive(Parser)]
#[command(name = "apiserver", version)]
struct Arguments {
    /// Where to listen; port 0 picks one.
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:6443")]
    listen: SocketAddr,
    /// Where certificates are kept, and objects unless they are in etcd. [default: kubekit in the user's data directory]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    #[command(flatten)]
    storage: StorageArguments,
    /// Where the kubeconfigs are written. [default: DIR/kubeconfigs]
    #[arg(long, value_name = "DIR")]
    kubeconfig_dir: Option<PathBuf>,
    /// A node for whose kubelet to write a kubeconfig and a serving certificate; may be given several times.
    #[arg(long = "node", value_name = "NAME", default_value = "node-1")]
    nodes: Vec<String>,
    /// Prints nothing.
    #[arg(long)]
    quiet: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    process::run(|shutdown| run(arguments, shutdown))
}

#[expect(clippy::print_stdout, reason = "this is where a program says what it has done")]
async fn run(arguments: Arguments, shutdown: CancellationToken) -> anyhow::Result<()> {
    let directory = match arguments.data_dir {
        Some(directory) => directory,
        None => data::directory()?,
    };
    let kubeconfigs = arguments.kubeconfig_dir.unwrap_or_else(|| directory.join("kubeconfigs"));
    let cluster = Cluster::builder()
        .storage(arguments.storage.storage(directory))
        .encryption(arguments.storage.encryption(EncryptionAtRest::AsFound))
        .listen(arguments.listen)
        .without_controllers()
        .without_scheduler()
        .start()
        .await?;
    for (name, subject) in components(&arguments.nodes) {
        kubeconfig::write(&kubeconfigs.join(name), &cluster.kubeconfig(&subject)?)?;
    }
    for node in &arguments.nodes {
        write_serving(&cluster, &kubeconfigs, node)?;
    }
    if !arguments.quiet {
        println!("Kubernetes is served at {}", cluster.url().unwrap_or_default());
        println!("The kubeconfigs are in {}", kubeconfigs.display());
    }
    Ok(cluster.run(shutdown).await?)
}

/// Each component's file and name.
fn components(nodes: &[String]) -> Vec<(String, Subject)> {
    let mut all = vec![
        ("admin.conf".to_owned(), Subject::administrator()),
        ("controller-manager.conf".to_owned(), Subject::controller_manager()),
        ("scheduler.conf".to_owned(), Subject::scheduler()),
        ("kube-proxy.conf".to_owned(), Subject::proxy()),
    ];
    all.extend(nodes.iter().map(|node| (format!("kubelet-{node}.conf"), Subject::node(node))));
    all
}

/// The certificate that a kubelet shows to the API server, which asks for one of the cluster's authority.
fn write_serving(cluster: &Cluster, directory: &Path, node: &str) -> anyhow::Result<()> {
    let names = [node, "localhost", "127.0.0.1", "::1"].map(str::to_owned);
    let now = cluster.environment().clock.now();
    let credential = cluster.pki().authority.serving(&Subject::node(node), &names, now)?;
    for (ending, text) in [("crt", &credential.certificate), ("key", &credential.key)] {
        let path = directory.join(format!("kubelet-{node}.{ending}"));
        kubeconfig::write_secret(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}
