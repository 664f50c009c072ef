//! What the driver has done, under the names that dashboards and alerts for kube-scheduler look for.
//!
//! Source: `pkg/scheduler/metrics`, whose names, labels and buckets these are. The text is OpenMetrics 1.0.

use crate::framework::FitError;
use crate::queue::QueueCounts;
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// The metrics of one driver. Clones are handles of the same.
#[derive(Clone)]
pub struct Metrics(Arc<Inner>);

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Attempt {
    result: &'static str,
    profile: Arc<str>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Attempts {
    attempts: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Queue {
    queue: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Cached {
    r#type: &'static str,
}

struct Inner {
    registry: Registry,
    attempts: Family<Attempt, Counter>,
    attempt_durations: Family<Attempt, Histogram, fn() -> Histogram>,
    algorithm_durations: Histogram,
    sli_durations: Family<Attempts, Histogram, fn() -> Histogram>,
    pod_attempts: Histogram,
    pending: Family<Queue, Gauge>,
    preemption_attempts: Counter,
    preemption_victims: Histogram,
    cache: Family<Cached, Gauge>,
}

/// How an attempt to schedule a pod ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Scheduled,
    Unschedulable,
    Error,
}

/// From when on a pod's scheduling is measured, and how often it was tried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tried {
    /// From when on nothing held it back from being tried.
    pub(super) since: Duration,
    /// When this attempt began.
    pub(super) started: Duration,
    pub(super) attempts: u32,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Default for Metrics {
    fn default() -> Self {
        let millis = || Histogram::new(exponential_buckets(0.001, 2.0, 15));
        let mut inner = Inner {
            registry: Registry::default(),
            attempts: Family::default(),
            attempt_durations: Family::new_with_constructor(|| Histogram::new(exponential_buckets(0.001, 2.0, 15))),
            algorithm_durations: millis(),
            sli_durations: Family::new_with_constructor(|| Histogram::new(exponential_buckets(0.01, 2.0, 20))),
            pod_attempts: Histogram::new(exponential_buckets(1.0, 2.0, 5)),
            pending: Family::default(),
            preemption_attempts: Counter::default(),
            preemption_victims: Histogram::new(exponential_buckets(1.0, 2.0, 7)),
            cache: Family::default(),
        };
        inner.register();
        Self(Arc::new(inner))
    }
}

impl Inner {
    fn register(&mut self) {
        let mut registry = Registry::with_prefix("scheduler");
        // The encoding adds `_total` to the names of counters.
        let attempts = "Number of attempts to schedule pods, by the result: unschedulable where no node takes the pod, error where something failed";
        registry.register("schedule_attempts", attempts, self.attempts.clone());
        let durations = "Time from the beginning of an attempt until the pod is bound or refused, in seconds";
        registry.register("scheduling_attempt_duration_seconds", durations, self.attempt_durations.clone());
        let algorithm = "Time of a decision, in seconds";
        registry.register("scheduling_algorithm_duration_seconds", algorithm, self.algorithm_durations.clone());
        let sli = "Time from when nothing holds a pod back until it is bound, all attempts included, in seconds";
        registry.register("pod_scheduling_sli_duration_seconds", sli, self.sli_durations.clone());
        let tries = "Number of attempts until a pod was bound";
        registry.register("pod_scheduling_attempts", tries, self.pod_attempts.clone());
        let pending = "Number of pending pods, by the queue: to be tried now, in back-off, unschedulable, held back";
        registry.register("pending_pods", pending, self.pending.clone());
        let preemptions = "Number of attempts to make room for a pod";
        registry.register("preemption_attempts", preemptions, self.preemption_attempts.clone());
        registry.register("preemption_victims", "Number of pods that go for another", self.preemption_victims.clone());
        let cache = "Number of nodes, of pods on them, and of pods that are assumed on them";
        registry.register("cache_size", cache, self.cache.clone());
        self.registry = registry;
    }
}

impl Metrics {
    /// All of them, as text (`application/openmetrics-text; version=1.0.0`).
    #[expect(clippy::missing_panics_doc, reason = "writing to a string does not fail")]
    pub fn text(&self) -> String {
        let mut text = String::new();
        text::encode(&mut text, &self.0.registry).expect("writing to a string does not fail");
        text
    }

    /// A decision took this long.
    pub(super) fn decided(&self, elapsed: Duration) {
        self.0.algorithm_durations.observe(elapsed.as_secs_f64());
    }

    /// An attempt has ended.
    pub(super) fn tried(&self, profile: &Arc<str>, outcome: Outcome, tried: Tried, now: Duration) {
        let result = match outcome {
            Outcome::Scheduled => "scheduled",
            Outcome::Unschedulable => "unschedulable",
            Outcome::Error => "error",
        };
        let attempt = Attempt { result, profile: profile.clone() };
        let elapsed = now.saturating_sub(tried.started).as_secs_f64();
        self.0.attempt_durations.get_or_create(&attempt).observe(elapsed);
        self.0.attempts.get_or_create(&attempt).inc();
        if outcome == Outcome::Scheduled {
            self.0.pod_attempts.observe(f64::from(tried.attempts));
            let attempts = if tried.attempts >= 15 { "15+".to_owned() } else { tried.attempts.to_string() };
            let total = now.saturating_sub(tried.since).as_secs_f64();
            self.0.sli_durations.get_or_create(&Attempts { attempts }).observe(total);
        }
    }

    /// A pod was refused. Was room looked for, so many pods go for it, if any was found; a pod of a gang that waits for the
    /// victims of the others has looked for none.
    pub(super) fn refused(&self, error: &FitError) {
        let victims = error.nomination.as_ref().map(|nomination| nomination.victims.len());
        if victims == Some(0) || (victims.is_none() && error.post_filter.is_none()) {
            return;
        }
        self.0.preemption_attempts.inc();
        if let Some(victims) = victims {
            self.0.preemption_victims.observe(f64::from(u32::try_from(victims).unwrap_or(u32::MAX)));
        }
    }

    /// How many pods wait where.
    pub(super) fn pending(&self, counts: QueueCounts) {
        let QueueCounts { active, backoff, unschedulable, gated } = counts;
        for (queue, count) in
            [("active", active), ("backoff", backoff), ("unschedulable", unschedulable), ("gated", gated)]
        {
            self.0.pending.get_or_create(&Queue { queue }).set(number(count));
        }
    }

    /// What decisions are made on.
    pub(super) fn cached(&self, nodes: usize, pods: usize, assumed: usize) {
        for (kind, count) in [("nodes", nodes), ("pods", pods), ("assumed_pods", assumed)] {
            self.0.cache.get_or_create(&Cached { r#type: kind }).set(number(count));
        }
    }
}

fn number(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
