//! A whole Kubernetes cluster from one command.

use anyhow::bail;
use clap::{Parser, Subcommand, ValueEnum};
use kubekit_cluster::{Builder, Cluster, EncryptionAtRest, Error, Storage, Watching, kubeconfig};
use kubekit_examples::storage::StorageArguments;
use kubekit_examples::{backup, data, process, reencrypt};
use std::io::{IsTerminal as _, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
#[cfg(unix)]
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How often the live line is written at most.
const LINE_PERIOD: Duration = Duration::from_millis(500);

/// Runs a whole Kubernetes cluster in this process: API server, controllers, scheduler and nodes.
#[derive(Parser)]
#[command(name = "cluster", version, args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// Where the API server listens; port 0 picks one.
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:6443")]
    listen: SocketAddr,
    /// Where objects (unless they are in etcd) and certificates are kept, to be taken up again by the next start; `memory` keeps nothing.
    /// [default: kubekit in the user's data directory]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    #[command(flatten)]
    storage: StorageArguments,
    /// Where to write the kubeconfig. [default: DIR/kubeconfig; required with `--data-dir memory`]
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// How many nodes. [default: 3; with containerd 1, which is also the most]
    #[arg(long, value_name = "N")]
    nodes: Option<usize>,
    /// What runs containers.
    #[arg(long, value_enum, default_value_t = Runtime::Simulated)]
    runtime: Runtime,
    /// The socket of the container runtime. [default: unix:///run/containerd/containerd.sock]
    #[arg(long, value_name = "ENDPOINT")]
    runtime_endpoint: Option<String>,
    /// Where the container runtime finds the configuration of its network. [default: /etc/cni/net.d]
    #[arg(long, value_name = "DIR")]
    cni_conf_dir: Option<PathBuf>,
    /// Prints nothing.
    #[arg(long)]
    quiet: bool,
}

#[derive(Subcommand)]
enum Command {
    /// Writes the state of a running cluster into a file, while the cluster goes on.
    Backup {
        /// The file. It holds every Secret in plain text: keep it as safe as the cluster.
        file: PathBuf,
        /// The kubeconfig of an administrator. [default: that of the data directory]
        #[arg(long, value_name = "FILE")]
        kubeconfig: Option<PathBuf>,
        /// The data directory of the cluster, for its kubeconfig. [default: kubekit in the user's data directory]
        #[arg(long, value_name = "DIR")]
        data_dir: Option<PathBuf>,
    },
    /// Makes a data directory of a backup, for a cluster to be started on. Revisions go on past any that the cluster which
    /// was backed up can have served, so that every client takes the state anew.
    Restore {
        /// The backup.
        file: PathBuf,
        /// Where to. There must be no store in it, running or not.
        #[arg(long, value_name = "DIR")]
        data_dir: PathBuf,
    },
    /// Has a running cluster write anew, under the first key of its encryption configuration, every object that is stored
    /// under another one or in plain text. Afterwards the other keys can be removed from the configuration.
    Reencrypt {
        /// The kubeconfig of an administrator. [default: that of the data directory]
        #[arg(long, value_name = "FILE")]
        kubeconfig: Option<PathBuf>,
        /// The data directory of the cluster, for its kubeconfig. [default: kubekit in the user's data directory]
        #[arg(long, value_name = "DIR")]
        data_dir: Option<PathBuf>,
    },
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Runtime {
    /// Containers that are nothing but a state.
    Simulated,
    /// Containers of containerd, or of another runtime with the CRI.
    Containerd,
}

fn main() -> ExitCode {
    let mut arguments = Arguments::parse();
    match arguments.command.take() {
        Some(command) => process::run(|_| carry_out(command)),
        None => process::run(|shutdown| run(arguments, shutdown)),
    }
}

/// The kubeconfig of an administrator: the one that is named, or that of a data directory.
fn administrator(kubeconfig: Option<PathBuf>, data_dir: Option<PathBuf>) -> anyhow::Result<PathBuf> {
    Ok(match (kubeconfig, data_dir) {
        (Some(kubeconfig), _) => kubeconfig,
        (None, Some(directory)) => directory.join("kubeconfig"),
        (None, None) => data::directory()?.join("kubeconfig"),
    })
}

async fn carry_out(command: Command) -> anyhow::Result<()> {
    let mut out = std::io::stdout();
    match command {
        Command::Backup { file, kubeconfig, data_dir } => {
            let kubeconfig = administrator(kubeconfig, data_dir)?;
            let contents = backup::take(&kubeconfig, &file).await?;
            writeln!(out, "{}: {} objects at revision {}", file.display(), contents.entries, contents.revision)?;
        }
        Command::Reencrypt { kubeconfig, data_dir } => {
            writeln!(out, "{}", reencrypt::ask(&administrator(kubeconfig, data_dir)?).await?)?;
        }
        Command::Restore { file, data_dir } => {
            let (contents, revision) = backup::restore(&file, &data_dir)?;
            let (objects, of) = (contents.entries, contents.revision);
            writeln!(out, "{}: {objects} objects of revision {of}, from revision {revision} on", data_dir.display())?;
        }
    }
    Ok(())
}

async fn run(arguments: Arguments, shutdown: CancellationToken) -> anyhow::Result<()> {
    let storage = storage(&arguments)?;
    let kubeconfig = kubeconfig_path(&arguments, &storage)?;
    kubeconfig::check(&kubeconfig)?;
    let builder = Cluster::builder()
        .storage(storage.clone())
        .encryption(arguments.storage.encryption(EncryptionAtRest::Secrets))
        .listen(arguments.listen);
    let builder = nodes(builder, &arguments, &storage)?;
    let cluster = builder.start().await.map_err(explain)?;
    cluster.write_kubeconfig(&kubeconfig)?;
    if arguments.quiet {
        return Ok(cluster.run(shutdown).await?);
    }
    introduce(&cluster, &kubeconfig)?;
    let watching = Watching::new(&cluster.client(), &cluster.environment().random);
    let line = tokio::spawn(show(watching));
    let outcome = cluster.run(shutdown).await;
    line.abort();
    let _ = line.await;
    writeln!(std::io::stdout(), "\nstopped")?;
    Ok(outcome?)
}

fn storage(arguments: &Arguments) -> anyhow::Result<Storage> {
    Ok(match &arguments.data_dir {
        Some(directory) if directory == Path::new("memory") => {
            if arguments.storage.is_etcd() {
                bail!("with --etcd-servers, --data-dir names the directory of the certificates: it cannot be memory");
            }
            Storage::Memory
        }
        Some(directory) => arguments.storage.storage(directory.clone()),
        None => arguments.storage.storage(data::directory()?),
    })
}

fn kubeconfig_path(arguments: &Arguments, storage: &Storage) -> anyhow::Result<PathBuf> {
    match (&arguments.kubeconfig, storage.directory()) {
        (Some(path), _) => Ok(path.clone()),
        (None, Some(directory)) => Ok(directory.join("kubeconfig")),
        (None, None) => bail!("with --data-dir memory, --kubeconfig FILE is required"),
    }
}

fn nodes(builder: Builder, arguments: &Arguments, storage: &Storage) -> anyhow::Result<Builder> {
    match arguments.runtime {
        Runtime::Simulated if arguments.runtime_endpoint.is_some() => {
            bail!("--runtime-endpoint is for --runtime containerd")
        }
        Runtime::Simulated => Ok(builder.simulated_nodes(arguments.nodes.unwrap_or(3))),
        Runtime::Containerd => containerd(builder, arguments, storage),
    }
}

#[cfg(unix)]
fn containerd(builder: Builder, arguments: &Arguments, storage: &Storage) -> anyhow::Result<Builder> {
    use kubekit_cluster::cri;
    match arguments.nodes {
        Some(0) => return Ok(builder),
        Some(2..) => bail!("--runtime containerd makes one node of this machine: --nodes can be 0 or 1"),
        _ => {}
    }
    let endpoint = arguments.runtime_endpoint.as_deref().unwrap_or("unix:///run/containerd/containerd.sock");
    let path = endpoint.strip_prefix("unix://").unwrap_or(endpoint);
    if !Path::new(path).exists() {
        bail!("there is no container runtime at {endpoint}; start it, or name its socket with --runtime-endpoint");
    }
    let directory = match storage.directory() {
        Some(directory) => directory.join("node"),
        None => std::env::temp_dir().join(format!("kubekit-{}", std::process::id())),
    };
    let network = arguments.cni_conf_dir.clone().unwrap_or_else(|| cri::CNI_DIRECTORY.into());
    let runtime = Arc::new(cri::with_bridge(endpoint, network));
    Ok(builder.node("node-1", runtime, directory).nftables())
}

#[cfg(not(unix))]
fn containerd(_builder: Builder, _arguments: &Arguments, _storage: &Storage) -> anyhow::Result<Builder> {
    bail!("--runtime containerd works on Linux only")
}

/// What to try about the failures that users meet.
fn explain(error: Error) -> anyhow::Error {
    use std::io::ErrorKind::{AddrInUse, AddrNotAvailable, PermissionDenied};
    let advice = match &error {
        Error::Listen { source, .. } if source.kind() == AddrInUse => {
            "another process listens there; choose another address with --listen, or let --listen 127.0.0.1:0 pick one"
        }
        Error::Listen { source, .. } if source.kind() == AddrNotAvailable => "this machine has no such address",
        Error::Listen { source, .. } if source.kind() == PermissionDenied => {
            "ports below 1024 take the right to use them"
        }
        Error::Store { source: kubekit_store::Error::Locked(_), .. } => {
            "another cluster runs on this directory; stop it, or choose another with --data-dir"
        }
        _ => return error.into(),
    };
    let error = anyhow::Error::new(error);
    anyhow::anyhow!("{error:#} ({advice})")
}

fn introduce(cluster: &Cluster, kubeconfig: &Path) -> std::io::Result<()> {
    let mut out = std::io::stdout();
    writeln!(out, "Kubernetes is served at {}", cluster.url().unwrap_or_default())?;
    writeln!(out, "The kubeconfig is {}", kubeconfig.display())?;
    writeln!(out, "\nType:\n  export KUBECONFIG={}\n  kubectl get nodes\n", kubeconfig.display())?;
    out.flush()
}

/// Keeps one line up to date: on a terminal in place, else a new line whenever it has changed.
async fn show(mut watching: Watching) {
    let terminal = std::io::stdout().is_terminal();
    let mut shown = String::new();
    loop {
        watching.changed().await;
        // What happens together is shown together.
        let pause = tokio::time::sleep(LINE_PERIOD);
        tokio::pin!(pause);
        loop {
            tokio::select! {
                () = watching.changed() => {}
                () = &mut pause => break,
            }
        }
        let line = watching.summary().to_string();
        if line != shown {
            let mut out = std::io::stdout();
            // Nobody to read the line is no reason to stop the cluster.
            let _ = if terminal { write!(out, "\r\x1b[K{line}") } else { writeln!(out, "{line}") };
            let _ = out.flush();
            shown = line;
        }
    }
}
