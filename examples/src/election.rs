//! Of several processes of one kind, one works.

use anyhow::bail;
use kubekit_runtime::environment::Environment;
use kubekit_runtime::leader::{Config, Outcome};
use kubekit_runtime::{Client, LeaderElector};
use tokio_util::sync::CancellationToken;

/// Runs `work` while this process holds the Lease `name` in `kube-system`.
///
/// # Errors
///
/// If the work fails; if the lease is lost: the process must end then, so that nothing of the work goes on.
pub async fn lead<F, Fut>(client: Client, name: &str, shutdown: CancellationToken, work: F) -> anyhow::Result<()>
where
    F: FnOnce(CancellationToken) -> Fut,
    Fut: Future<Output = anyhow::Result<()>>,
{
    let environment = Environment::system();
    let host = std::env::var("HOSTNAME").unwrap_or_else(|_| "localhost".to_owned());
    let identity = format!("{host}_{}_{:016x}", std::process::id(), environment.random.next_u64());
    let elector = LeaderElector::new(client, Config::new("kube-system", name, identity), environment)?;
    let mut outcome = Ok(());
    let led = elector.run(shutdown, |stop| async { outcome = work(stop).await }).await;
    match led {
        Outcome::Stopped => outcome,
        Outcome::Lost => bail!("lost the lease {name:?}; another process leads now"),
    }
}
