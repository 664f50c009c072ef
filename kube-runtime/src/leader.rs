//! Leader election by a Lease: of several replicas, one works.

use crate::client::Client;
use crate::environment::Environment;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Which lease, and how fast a dead leader is replaced. Source: client-go `tools/leaderelection`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Config {
    /// Namespace of the Lease.
    pub namespace: String,
    /// Name of the Lease.
    pub name: String,
    /// Who this is; unique among the candidates.
    pub identity: String,
    /// How long others wait after the last renewal that they saw. 15 s.
    pub lease_duration: Duration,
    /// How long the leader tries to renew before it gives up. 10 s.
    pub renew_deadline: Duration,
    /// How long between tries. 2 s.
    pub retry_period: Duration,
}

impl Config {
    /// A Lease with client-go's durations.
    pub fn new(namespace: impl Into<String>, name: impl Into<String>, identity: impl Into<String>) -> Self {
        Self {
            namespace: namespace.into(),
            name: name.into(),
            identity: identity.into(),
            lease_duration: Duration::from_secs(15),
            renew_deadline: Duration::from_secs(10),
            retry_period: Duration::from_secs(2),
        }
    }
}

/// How a term of leadership ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// `shutdown` was cancelled, or the work ended by itself. A lease that was held has been released.
    Stopped,
    /// The lease could not be renewed or was taken by another. The work has been stopped.
    Lost,
}

/// A candidate for leadership.
#[derive(Debug)]
pub struct LeaderElector {
    client: Client,
    config: Config,
    environment: Environment,
}

impl LeaderElector {
    /// A candidate.
    pub fn new(client: Client, config: Config, environment: Environment) -> Self {
        Self { client, config, environment }
    }

    /// Waits for the lease, then runs `work` while it is held. `work` gets a token that is cancelled on `shutdown` and
    /// when the lease is lost, and must then return: before the lease has expired by this process's monotonic clock, its
    /// future is dropped.
    pub async fn run<F, Fut>(self, shutdown: CancellationToken, work: F) -> Outcome
    where
        F: FnOnce(CancellationToken) -> Fut,
        Fut: Future<Output = ()>,
    {
        let _ = (shutdown, work, self.client, self.config, self.environment);
        todo!()
    }
}
