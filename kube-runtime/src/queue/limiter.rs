//! How long a failed item waits. Source: client-go `util/workqueue/default_rate_limiters.go`.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;
use tokio::time::Instant;

/// How failures are delayed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RateLimit {
    /// An item's first failure; each further one doubles it. 5 ms.
    pub min: Duration,
    /// However many failures. 1000 s.
    pub max: Duration,
    /// Over all items; none is no limit.
    pub bucket: Option<Bucket>,
}

/// A token bucket over all items.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bucket {
    /// How many retries a second in the long run.
    pub per_second: f64,
    /// How many may come at once.
    pub burst: u32,
}

impl Default for RateLimit {
    fn default() -> Self {
        Self { min: Duration::from_millis(5), max: Duration::from_secs(1000), bucket: None }
    }
}

impl RateLimit {
    /// With the bucket of client-go's default: 10 retries a second, 100 at once.
    pub fn with_default_bucket() -> Self {
        Self { bucket: Some(Bucket { per_second: 10.0, burst: 100 }), ..Self::default() }
    }
}

#[derive(Debug)]
pub(super) struct Limiter<T> {
    limit: RateLimit,
    failures: HashMap<T, u32>,
    /// The bucket's tokens at a time; below zero, they are promised to those who wait.
    tokens: f64,
    tokens_at: Option<Instant>,
}

impl<T: Clone + Eq + Hash> Limiter<T> {
    pub(super) fn new(limit: RateLimit) -> Self {
        let tokens = limit.bucket.map_or(0.0, |bucket| f64::from(bucket.burst));
        Self { limit, failures: HashMap::new(), tokens, tokens_at: None }
    }

    /// One more failure of the item: how long it waits.
    pub(super) fn failed(&mut self, item: &T, now: Instant) -> Duration {
        let failures = self.failures.entry(item.clone()).or_insert(0);
        // 2^62 times any delay is above every maximum.
        let doublings = (*failures).min(62);
        *failures = failures.saturating_add(1);
        let nanos = self.limit.min.as_nanos().saturating_mul(1 << doublings);
        let own = u64::try_from(nanos).map_or(Duration::MAX, Duration::from_nanos).min(self.limit.max);
        own.max(self.take_token(now))
    }

    pub(super) fn forget(&mut self, item: &T) {
        self.failures.remove(item);
    }

    pub(super) fn failures(&self, item: &T) -> u32 {
        self.failures.get(item).copied().unwrap_or(0)
    }

    fn take_token(&mut self, now: Instant) -> Duration {
        let Some(bucket) = self.limit.bucket else { return Duration::ZERO };
        let elapsed = self.tokens_at.map_or(Duration::ZERO, |at| now.saturating_duration_since(at));
        self.tokens_at = Some(now);
        let filled = elapsed.as_secs_f64().mul_add(bucket.per_second, self.tokens);
        self.tokens = filled.min(f64::from(bucket.burst)) - 1.0;
        if self.tokens >= 0.0 {
            return Duration::ZERO;
        }
        // A bucket that is never filled has no end to the wait.
        Duration::try_from_secs_f64(-self.tokens / bucket.per_second).unwrap_or(Duration::MAX)
    }
}
