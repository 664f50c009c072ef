//! Exponential back-off with jitter.

use kubekit_core::environment::Random;
use std::time::Duration;

/// How long to wait after failures.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BackoffPolicy {
    /// After the first failure.
    pub min: Duration,
    /// However many failures there were.
    pub max: Duration,
    /// By how much each failure lengthens the wait.
    pub factor: f64,
    /// The part of the wait, 0 to 1, by which it is lengthened at random, so that clients do not return together.
    pub jitter: f64,
}

impl Default for BackoffPolicy {
    /// As client-go's reflector (doubling, up to 30 s, jitter 1), but from 100 ms: a client in the server's process should
    /// not wait 800 ms for a server that starts in 100.
    fn default() -> Self {
        Self { min: Duration::from_millis(100), max: Duration::from_secs(30), factor: 2.0, jitter: 1.0 }
    }
}

/// A run of failures.
#[derive(Clone, Debug)]
pub struct Backoff {
    policy: BackoffPolicy,
    failures: i32,
}

impl Backoff {
    /// None so far.
    pub fn new(policy: BackoffPolicy) -> Self {
        Self { policy, failures: 0 }
    }

    /// One more failure: how long to wait.
    pub fn next(&mut self, random: &dyn Random) -> Duration {
        let wait =
            (self.policy.min.as_secs_f64() * self.policy.factor.powi(self.failures)).min(self.policy.max.as_secs_f64());
        self.failures = self.failures.saturating_add(1).min(1000);
        // 53 random bits are the fraction of a double.
        #[expect(clippy::cast_precision_loss, reason = "53 bits fit a double exactly")]
        let fraction = (random.next_u64() >> 11) as f64 / (1u64 << 53) as f64;
        Duration::from_secs_f64(wait * (1.0 + self.policy.jitter * fraction))
    }

    /// It went well: the next failure is the first.
    pub fn reset(&mut self) {
        self.failures = 0;
    }

    /// How many failures in a row.
    pub fn failures(&self) -> i32 {
        self.failures
    }
}

#[cfg(test)]
mod tests {
    //! The growth, the cap, the jitter's bounds.

    use super::*;
    use crate::environment::SeededRandom;

    #[test]
    fn doubles_up_to_the_cap_and_starts_over() {
        let random = SeededRandom::new(1);
        let policy = BackoffPolicy { jitter: 0.0, max: Duration::from_secs(1), ..BackoffPolicy::default() };
        let mut backoff = Backoff::new(policy);
        let waits: Vec<u128> = (0..6).map(|_| backoff.next(&random).as_millis()).collect();
        assert_eq!(waits, [100, 200, 400, 800, 1000, 1000]);
        backoff.reset();
        assert_eq!(backoff.next(&random).as_millis(), 100);
    }

    #[test]
    fn jitter_lengthens_by_at_most_its_part() {
        let random = SeededRandom::new(2);
        for _ in 0..100 {
            let wait = Backoff::new(BackoffPolicy::default()).next(&random);
            assert!(wait >= Duration::from_millis(100) && wait <= Duration::from_millis(200), "{wait:?}");
        }
    }
}
