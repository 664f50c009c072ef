//! The agent of a node as a process of its own.

use anyhow::{Context as _, bail};
use clap::{Parser, ValueEnum};
use kubekit_examples::{duration, process};
use kubekit_node::agent::{Agent, Config, machine};
use kubekit_node::runtime::ContainerRuntime;
use kubekit_node::runtime::simulated::{self, Simulated};
use kubekit_node::server::NodeServer;
use kubekit_node::tls::server_config;
use kubekit_runtime::environment::SystemClock;
use kubekit_runtime::{Client, Kubeconfig};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// Registers a node and runs its pods.
#[derive(Parser)]
#[command(name = "kubelet", version)]
struct Arguments {
    /// How the API server is reached; as the user `system:node:NAME`.
    #[arg(long, value_name = "FILE")]
    kubeconfig: PathBuf,
    /// The name of the node.
    #[arg(long, value_name = "NAME", default_value = "node-1")]
    node_name: String,
    /// What runs containers.
    #[arg(long, value_enum, default_value_t = Runtime::Simulated)]
    runtime: Runtime,
    /// The socket of the container runtime.
    #[arg(long, value_name = "ENDPOINT", default_value = "unix:///run/containerd/containerd.sock")]
    runtime_endpoint: String,
    /// Where the API server reaches the containers of this node.
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:10250")]
    listen: SocketAddr,
    /// What the node keeps. [default: /var/lib/kubekit/node]
    #[arg(long, value_name = "DIR")]
    root_dir: Option<PathBuf>,
    /// Where the container runtime finds the configuration of its network.
    #[arg(long, value_name = "DIR", default_value = "/etc/cni/net.d")]
    cni_conf_dir: PathBuf,
    /// Where the logs of containers are written.
    #[arg(long, value_name = "DIR", default_value = "/var/log/pods")]
    pod_logs_dir: PathBuf,
    /// How long the node's lease holds; it is renewed four times in that time.
    #[arg(long, value_name = "DURATION", default_value = "40s", value_parser = duration::parse)]
    node_lease_duration: Duration,
    /// The certificate to serve with, PEM. [default: beside the kubeconfig, ending in .crt]
    #[arg(long, value_name = "FILE")]
    tls_cert_file: Option<PathBuf>,
    /// Its key, PEM. [default: beside the kubeconfig, ending in .key]
    #[arg(long, value_name = "FILE")]
    tls_private_key_file: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Runtime {
    /// Containers that are nothing but a state.
    Simulated,
    /// Containers of containerd, or of another runtime with the CRI.
    Containerd,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    process::run(|shutdown| run(arguments, shutdown))
}

async fn run(arguments: Arguments, shutdown: CancellationToken) -> anyhow::Result<()> {
    let kubeconfig = Kubeconfig::from_file(&arguments.kubeconfig)?;
    let client = Client::from_kubeconfig(&kubeconfig)?.with_user_agent("kubelet")?;
    let tls = tls(&arguments, &kubeconfig)?;
    let listener =
        TcpListener::bind(arguments.listen).await.with_context(|| format!("cannot listen on {}", arguments.listen))?;
    let address = listener.local_addr()?;

    let mut config = Config::new(arguments.node_name.as_str());
    config.addresses = vec![address.ip().to_string()];
    config.port = address.port();
    config.lease_duration = arguments.node_lease_duration;
    config.log_directory.clone_from(&arguments.pod_logs_dir);
    if let Some(directory) = &arguments.root_dir {
        config.root_directory.clone_from(directory);
    }
    if arguments.runtime == Runtime::Simulated {
        config.capacity = machine::Capacity::of(8, 32 << 30);
    }
    let (handle, agent) = Agent::new(config, client, runtime(&arguments)?).start();
    let access = NodeServer::default();
    access.add(handle);
    // Whichever ends first ends the other.
    let stop = shutdown.child_token();
    let serving = async {
        let outcome = access.serve(listener, Arc::new(tls), stop.clone()).await;
        stop.cancel();
        outcome
    };
    let working = async {
        let outcome = Box::pin(agent.run(stop.clone())).await;
        stop.cancel();
        outcome
    };
    let (worked, served) = tokio::join!(working, serving);
    worked?;
    Ok(served?)
}

fn runtime(arguments: &Arguments) -> anyhow::Result<Arc<dyn ContainerRuntime>> {
    match arguments.runtime {
        Runtime::Simulated => {
            let config = simulated::Config { node_name: arguments.node_name.clone(), ..simulated::Config::default() };
            Ok(Arc::new(Simulated::new(config, Arc::new(SystemClock))))
        }
        Runtime::Containerd => containerd(arguments),
    }
}

#[cfg(unix)]
fn containerd(arguments: &Arguments) -> anyhow::Result<Arc<dyn ContainerRuntime>> {
    use kubekit_cluster::cri;
    let endpoint = &arguments.runtime_endpoint;
    let path = endpoint.strip_prefix("unix://").unwrap_or(endpoint);
    if !Path::new(path).exists() {
        bail!("there is no container runtime at {endpoint}; start it, or name its socket with --runtime-endpoint");
    }
    Ok(Arc::new(cri::with_bridge(endpoint, &arguments.cni_conf_dir)))
}

#[cfg(not(unix))]
fn containerd(_arguments: &Arguments) -> anyhow::Result<Arc<dyn ContainerRuntime>> {
    bail!("--runtime containerd works on Linux only")
}

/// The agent's own TLS: it shows the cluster's certificate for this node, and serves whom the cluster's authority vouches for.
fn tls(arguments: &Arguments, kubeconfig: &Kubeconfig) -> anyhow::Result<rustls::ServerConfig> {
    let beside =
        |file: &Option<PathBuf>, ending| file.clone().unwrap_or_else(|| arguments.kubeconfig.with_extension(ending));
    let (certificate, key) = (beside(&arguments.tls_cert_file, "crt"), beside(&arguments.tls_private_key_file, "key"));
    let authority = kubeconfig.certificate_authority()?.context("the kubeconfig has no certificate-authority")?;
    let authorities: Vec<_> = CertificateDer::pem_slice_iter(authority.as_bytes()).collect::<Result<_, _>>()?;
    let chain: Vec<_> = CertificateDer::pem_file_iter(&certificate)
        .and_then(Iterator::collect)
        .with_context(|| format!("cannot read the certificate {}", certificate.display()))?;
    let key = PrivateKeyDer::from_pem_file(&key).with_context(|| format!("cannot read the key {}", key.display()))?;
    server_config(chain, key, authorities).context("cannot set up TLS")
}
