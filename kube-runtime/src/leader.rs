//! Leader election by a Lease: of several replicas, one works.
//!
//! As client-go's `tools/leaderelection`, and stricter in one point: the lease is renewed until the work has ended, and
//! work that does not end in time is dropped before anybody else can hold the lease. Expiry is judged by the monotonic
//! clock alone, from the moment at which the last successful renewal was *sent*; the times in the Lease are for people.

mod candidate;

use crate::api::Api;
use crate::client::Client;
use crate::environment::Environment;
use crate::error::Error;
use candidate::{Candidate, Decision};
use k8s_openapi::api::coordination::v1::Lease;
use std::pin::pin;
use std::time::Duration;
use tokio::time::Instant;
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
    /// How long others wait after the last renewal that they saw; a Lease says it in whole seconds, rounded up. 15 s.
    pub lease_duration: Duration,
    /// How long the leader tries to renew before it gives up; less than `lease_duration`. 10 s.
    pub renew_deadline: Duration,
    /// How long between tries, which jitter more than doubles; so much less than `renew_deadline`. 2 s.
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

    /// Source: client-go's `NewLeaderElector`.
    fn check(&self) -> Result<(), InvalidConfig> {
        let problem = if self.identity.is_empty() {
            "the identity is empty"
        } else if self.name.is_empty() || self.namespace.is_empty() {
            "the Lease needs a namespace and a name"
        } else if self.retry_period.is_zero() {
            "retry_period must be greater than zero"
        } else if self.renew_deadline.as_secs_f64() <= self.retry_period.as_secs_f64() * JITTER {
            "renew_deadline must be greater than 1.2 times retry_period"
        } else if self.lease_duration <= self.renew_deadline {
            "lease_duration must be greater than renew_deadline: else another leads before this one gives up"
        } else {
            return Ok(());
        };
        Err(InvalidConfig { lease: self.name.clone(), problem })
    }

    /// After which time without renewal the work is dropped: nine tenths of the way from giving up to expiry, so that
    /// dropping it is over when the lease expires.
    fn drop_after(&self) -> Duration {
        self.renew_deadline + self.lease_duration.saturating_sub(self.renew_deadline) * 9 / 10
    }
}

/// By how much, at random, the wait between tries is lengthened, so that candidates do not try together. client-go's
/// `JitterFactor`.
const JITTER: f64 = 1.2;

/// A configuration by which there might be two leaders, or none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("leader election by the Lease {lease:?}: {problem}")]
pub struct InvalidConfig {
    lease: String,
    problem: &'static str,
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
    api: Api<Lease>,
    config: Config,
    environment: Environment,
}

impl LeaderElector {
    /// A candidate.
    ///
    /// # Errors
    ///
    /// If there might be two leaders, or none, by this configuration.
    pub fn new(client: Client, config: Config, environment: Environment) -> Result<Self, InvalidConfig> {
        config.check()?;
        // A request that hangs must leave time for the next before the deadline.
        let client = client.with_timeout(config.renew_deadline / 2);
        Ok(Self { api: Api::namespaced(client, config.namespace.as_str()), config, environment })
    }

    /// Waits for the lease, then runs `work` while it is held. `work` gets a token that is cancelled on `shutdown` and
    /// when the lease is lost, and must then return: before the lease has expired, its future is dropped. What `work`
    /// has spawned elsewhere is its own to stop.
    pub async fn run<F, Fut>(self, shutdown: CancellationToken, work: F) -> Outcome
    where
        F: FnOnce(CancellationToken) -> Fut,
        Fut: Future<Output = ()>,
    {
        let mut candidate = Candidate::new(&self.config);
        let renewed = tokio::select! {
            biased;
            () = shutdown.cancelled() => return Outcome::Stopped,
            renewed = self.acquire(&mut candidate) => renewed,
        };
        tracing::info!(lease = %self.config.name, identity = %self.config.identity, "became the leader");
        let stop = CancellationToken::new();
        let mut work = pin!(work(stop.clone()));
        let lost_at = {
            let mut renewing = pin!(self.renew(&mut candidate, renewed));
            loop {
                tokio::select! {
                    biased;
                    () = &mut work => break None,
                    lost_at = &mut renewing => break Some(lost_at),
                    () = shutdown.cancelled(), if !stop.is_cancelled() => stop.cancel(),
                }
            }
        };
        let Some(renewed) = lost_at else {
            self.release(&mut candidate).await;
            return Outcome::Stopped;
        };
        tracing::error!(lease = %self.config.name, identity = %self.config.identity, "lost the lease");
        stop.cancel();
        if tokio::time::timeout_at(renewed + self.config.drop_after(), work).await.is_err() {
            tracing::error!(lease = %self.config.name, "the work did not stop in time and was dropped");
        }
        Outcome::Lost
    }

    /// Tries until the lease is held. The moment since which it is.
    async fn acquire(&self, candidate: &mut Candidate) -> Instant {
        loop {
            let sent = Instant::now();
            match self.attempt(candidate).await {
                Ok(Attempt::Held) => return sent,
                Ok(Attempt::HeldBy(holder)) => {
                    tracing::debug!(lease = %self.config.name, holder, "another holds the lease");
                }
                Ok(Attempt::Raced) => tracing::debug!(lease = %self.config.name, "another wrote the lease"),
                Err(error) => {
                    tracing::warn!(lease = %self.config.name, error = %error.chain(), "cannot acquire the lease");
                }
            }
            tokio::time::sleep(self.retry_wait()).await;
        }
    }

    /// Renews until that fails for too long or another holds the lease. The moment of the last renewal.
    async fn renew(&self, candidate: &mut Candidate, mut renewed: Instant) -> Instant {
        loop {
            tokio::time::sleep(self.config.retry_period).await;
            let deadline = renewed + self.config.renew_deadline;
            loop {
                let sent = Instant::now();
                match tokio::time::timeout_at(deadline, self.attempt(candidate)).await {
                    Ok(Ok(Attempt::Held)) => {
                        renewed = sent;
                        break;
                    }
                    Ok(Ok(Attempt::HeldBy(_))) | Err(_) => return renewed,
                    // Whoever has written the lease need not have taken it.
                    Ok(Ok(Attempt::Raced)) => {
                        tracing::debug!(lease = %self.config.name, "another wrote the lease while it was renewed");
                    }
                    Ok(Err(error)) => {
                        tracing::warn!(lease = %self.config.name, error = %error.chain(), "cannot renew the lease");
                    }
                }
                let again = Instant::now() + self.config.retry_period;
                tokio::time::sleep_until(again.min(deadline)).await;
                if again >= deadline {
                    return renewed;
                }
            }
        }
    }

    /// Reads the lease unless it is known, and writes it if that is this candidate's right.
    async fn attempt(&self, candidate: &mut Candidate) -> Result<Attempt, Error> {
        if let Some(lease) = candidate.renewal(self.environment.clock.now()) {
            match self.api.replace(&lease).await {
                Ok(lease) => {
                    candidate.observe(lease, Instant::now());
                    return Ok(Attempt::Held);
                }
                Err(error) if error.is_conflict() || error.is_not_found() => {}
                Err(error) => return Err(error),
            }
        }
        let found = self.api.get_opt(&self.config.name).await?;
        let written = match candidate.decide(found, Instant::now(), self.environment.clock.now()) {
            Decision::HeldBy(holder) => return Ok(Attempt::HeldBy(holder)),
            Decision::Create(lease) => self.api.create(&lease).await,
            Decision::Update(lease) => self.api.replace(&lease).await,
        };
        match written {
            Ok(lease) => {
                candidate.observe(lease, Instant::now());
                Ok(Attempt::Held)
            }
            Err(error) if error.is_conflict() || error.is_already_exists() => Ok(Attempt::Raced),
            Err(error) => Err(error),
        }
    }

    /// Lets others have the lease at once. That this fails only makes them wait.
    async fn release(&self, candidate: &mut Candidate) {
        let Some(lease) = candidate.release(self.environment.clock.now()) else { return };
        match tokio::time::timeout(self.config.retry_period, self.api.replace(&lease)).await {
            Ok(Ok(_)) => tracing::info!(lease = %self.config.name, "released the lease"),
            Ok(Err(error)) => {
                tracing::warn!(lease = %self.config.name, error = %error.chain(), "cannot release the lease")
            }
            Err(_) => tracing::warn!(lease = %self.config.name, "cannot release the lease in time"),
        }
    }

    fn retry_wait(&self) -> Duration {
        let policy = crate::BackoffPolicy {
            min: self.config.retry_period,
            max: self.config.retry_period,
            factor: 1.0,
            jitter: JITTER,
        };
        crate::Backoff::new(policy).next(&*self.environment.random)
    }
}

/// What came of a try.
enum Attempt {
    Held,
    HeldBy(String),
    /// Somebody else has written the lease between the read and the write.
    Raced,
}

#[cfg(test)]
mod tests {
    //! Which configurations are safe.

    use super::*;

    #[track_caller]
    fn check(change: impl FnOnce(&mut Config), expected: &str) {
        let mut config = Config::new("kube-system", "work", "me");
        change(&mut config);
        let outcome = config.check().map_or_else(|error| error.problem, |()| "good");
        assert!(outcome.starts_with(expected), "{outcome:?} does not begin with {expected:?}");
    }

    #[test]
    fn configurations() {
        let seconds = Duration::from_secs;
        check(|_| {}, "good");
        check(|config| config.identity.clear(), "the identity is empty");
        check(|config| config.name.clear(), "the Lease needs a namespace and a name");
        check(|config| config.lease_duration = seconds(10), "lease_duration must be greater than renew_deadline");
        check(|config| config.lease_duration = seconds(0), "lease_duration must be greater than renew_deadline");
        check(|config| config.renew_deadline = seconds(15), "lease_duration must be greater than renew_deadline");
        check(|config| config.renew_deadline = Duration::from_millis(2400), "renew_deadline must be greater than 1.2");
        check(|config| config.renew_deadline = Duration::from_millis(2401), "good");
        check(|config| config.retry_period = Duration::MAX, "renew_deadline must be greater than 1.2");
        check(|config| config.retry_period = seconds(0), "retry_period must be greater than zero");
    }
}
