//! What a simulation measures while it runs.

use super::scenario::Scenario;
use super::stats::{jain, number, quantile};
use crate::cluster::Cluster;
use crate::model::{GpuRequest, Pod};
use crate::plugins::gpu::{Spare, TypicalPods};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Points of the curves over time.
const SAMPLES: u32 = 96;
/// How many of the pods the typical shapes cover, 0 to 1.
const TYPICAL_COVERAGE: f64 = 0.95;

/// What a run came to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Measurements {
    /// The figures, in the order of [`METRICS`].
    pub values: Vec<f64>,
    /// Curves over time, in the order of [`CURVES`]; each has one value per entry of `times`.
    pub curves: Vec<Vec<f64>>,
    /// When the curves were sampled, in hours.
    pub times: Vec<f64>,
    /// What pods waited for their first place, in seconds, at these shares of the pods: 0, 1 %, …, 100 %.
    pub waits: Vec<f64>,
}

/// A figure of [`Measurements`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metric {
    /// A short name, for columns and keys.
    pub key: &'static str,
    /// For people.
    pub title: &'static str,
    /// Its unit.
    pub unit: &'static str,
    /// Whether more is better.
    pub more_is_better: bool,
}

const fn metric(key: &'static str, title: &'static str, unit: &'static str, more_is_better: bool) -> Metric {
    Metric { key, title, unit, more_is_better }
}

/// The figures of a run.
pub const METRICS: [Metric; 13] = [
    metric("throughput", "Throughput", "pods finished an hour", true),
    metric("pending_mean", "Mean pending time", "s", false),
    metric("pending_p50", "Median pending time", "s", false),
    metric("pending_p99", "Pending time, 99th percentile", "s", false),
    metric("cpu_utilisation", "CPU allocated", "%", true),
    metric("memory_utilisation", "Memory allocated", "%", true),
    metric("gpu_utilisation", "GPU allocated", "%", true),
    metric("fragmentation", "Idle GPU (or CPU) that typical pods cannot use", "%", false),
    metric("fairness", "Fairness between tenants (Jain, of their mean slowdown)", "0 to 1", true),
    metric("unplaced", "Pods never placed", "pods", false),
    metric("preempted", "Pods preempted", "pods", false),
    metric("lost", "Pods lost with their node", "pods", false),
    metric("attempts", "Scheduling attempts", "attempts", false),
];

/// The curves of a run: key, and title for people.
pub const CURVES: [(&str, &str); 4] = [
    ("cpu", "CPU allocated, %"),
    ("gpu", "GPU allocated, %"),
    ("fragmentation", "Idle GPU (or CPU) that typical pods cannot use, %"),
    ("pending", "Pods pending"),
];

/// Amounts of CPU, memory and GPU.
type Amounts = [f64; 3];

/// Keeps account during a run.
pub(super) struct Sampler {
    typical: TypicalPods,
    has_gpus: bool,
    horizon: Duration,
    used: Amounts,
    capacity: Amounts,
    /// Amount × seconds.
    used_time: Amounts,
    capacity_time: Amounts,
    times: Vec<f64>,
    curves: Vec<Vec<f64>>,
    waits: Vec<f64>,
    waits_by_tenant: BTreeMap<Arc<str>, (f64, usize)>,
    pub(super) attempts: usize,
    pub(super) preempted: usize,
    pub(super) lost: usize,
}

impl Sampler {
    pub(super) fn new(scenario: &Scenario) -> Self {
        let mut cluster = Cluster::new();
        scenario.nodes.iter().for_each(|node| cluster.add_node(node.clone()));
        let mut sampler = Self {
            typical: TypicalPods::of(scenario.jobs.iter().map(|job| &job.pod), TYPICAL_COVERAGE),
            has_gpus: scenario.nodes.iter().any(|node| node.gpus.count > 0),
            horizon: scenario.horizon,
            used: Amounts::default(),
            capacity: Amounts::default(),
            used_time: Amounts::default(),
            capacity_time: Amounts::default(),
            times: Vec::new(),
            curves: vec![Vec::new(); CURVES.len()],
            waits: Vec::new(),
            waits_by_tenant: BTreeMap::new(),
            attempts: 0,
            preempted: 0,
            lost: 0,
        };
        sampler.capacity_changed(&cluster);
        sampler
    }

    /// When to sample.
    pub(super) fn times(&self) -> impl Iterator<Item = Duration> + use<> {
        let horizon = self.horizon;
        (0..=SAMPLES).map(move |i| horizon.mul_f64(f64::from(i) / f64::from(SAMPLES)))
    }

    /// Time passes with things as they are.
    pub(super) fn pass(&mut self, time: Duration) {
        for i in 0..3 {
            self.used_time[i] += self.used[i] * time.as_secs_f64();
            self.capacity_time[i] += self.capacity[i] * time.as_secs_f64();
        }
    }

    pub(super) fn capacity_changed(&mut self, cluster: &Cluster) {
        self.capacity = Amounts::default();
        for node in cluster.nodes() {
            let all = &node.node().allocatable;
            self.capacity[0] += amount(all.cpu_milli);
            self.capacity[1] += amount(all.memory_bytes);
            self.capacity[2] += 1000.0 * number(node.gpu_free().len());
        }
    }

    pub(super) fn added(&mut self, pod: &Pod) {
        add(&mut self.used, &wanted(pod), 1.0);
    }

    pub(super) fn removed(&mut self, pod: &Pod) {
        add(&mut self.used, &wanted(pod), -1.0);
    }

    pub(super) fn waited(&mut self, tenant: &Arc<str>, time: Duration) {
        self.waits.push(time.as_secs_f64());
        let of_tenant = self.waits_by_tenant.entry(tenant.clone()).or_default();
        of_tenant.0 += time.as_secs_f64();
        of_tenant.1 += 1;
    }

    pub(super) fn sample(&mut self, now: Duration, cluster: &Cluster, pending: usize) {
        self.times.push(now.as_secs_f64() / 3600.0);
        let fragmentation = self.fragmentation(cluster);
        let values = [
            share(self.used[0], self.capacity[0]),
            share(self.used[2], self.capacity[2]),
            fragmentation,
            number(pending),
        ];
        for (curve, value) in self.curves.iter_mut().zip(values) {
            curve.push(value);
        }
    }

    /// Percent of what is idle that a typical pod cannot use: of GPUs where the cluster has any, else of CPU.
    fn fragmentation(&self, cluster: &Cluster) -> f64 {
        let (mut idle, mut unusable) = (0.0, 0.0);
        for node in cluster.nodes() {
            let spare = Spare::of(node);
            if self.has_gpus {
                idle += amount(spare.gpu_milli());
                unusable += self.typical.fragmentation(&spare);
            } else {
                let free = amount(spare.cpu_milli.max(0));
                idle += free;
                let too_large = self.typical.pods().iter().filter(|pod| pod.cpu_milli > spare.cpu_milli);
                unusable += free * too_large.map(|pod| pod.popularity).sum::<f64>();
            }
        }
        share(unusable, idle)
    }

    pub(super) fn finish(
        mut self,
        scenario: &Scenario,
        finished: usize,
        unplaced: &[(Arc<str>, Duration)],
    ) -> Measurements {
        for (tenant, waited) in unplaced {
            self.waited(tenant, *waited);
        }
        let hours = self.horizon.as_secs_f64() / 3600.0;
        let utilisation = |i: usize| share(self.used_time[i], self.capacity_time[i]);
        let curve_mean = |i: usize| mean(&self.curves[i]);
        let mean_wait = mean(&self.waits);
        let waits = (0..=100).map(|percent| quantile(&mut self.waits, f64::from(percent) / 100.0)).collect::<Vec<_>>();
        let values = vec![
            if hours > 0.0 { number(finished) / hours } else { 0.0 },
            mean_wait,
            waits[50],
            waits[99],
            utilisation(0),
            utilisation(1),
            utilisation(2),
            curve_mean(2),
            fairness(scenario, &self.waits_by_tenant),
            number(unplaced.len()),
            number(self.preempted),
            number(self.lost),
            number(self.attempts),
        ];
        debug_assert_eq!(values.len(), METRICS.len());
        Measurements { values, curves: self.curves, times: self.times, waits }
    }
}

/// Jain's index over the tenants' mean slowdown: waiting and running over running.
fn fairness(scenario: &Scenario, waits: &BTreeMap<Arc<str>, (f64, usize)>) -> f64 {
    let mut runs = BTreeMap::<&Arc<str>, (f64, usize)>::new();
    for job in &scenario.jobs {
        let time = job.runs.unwrap_or(scenario.horizon.saturating_sub(job.arrives));
        let of_tenant = runs.entry(&job.pod.namespace).or_default();
        of_tenant.0 += time.as_secs_f64();
        of_tenant.1 += 1;
    }
    let ratio = |(sum, count): (f64, usize)| if count == 0 { 0.0 } else { sum / number(count) };
    let slowdown = |(tenant, wait): (&Arc<str>, &(f64, usize))| {
        let run = runs.get(tenant).map_or(1.0, |run| ratio(*run)).max(1.0);
        (ratio(*wait) + run) / run
    };
    jain(&waits.iter().map(slowdown).collect::<Vec<_>>())
}

fn wanted(pod: &Pod) -> Amounts {
    let gpu = pod.gpu.as_deref().map_or(0, GpuRequest::total_milli);
    [amount(pod.requests.cpu_milli), amount(pod.requests.memory_bytes), amount(gpu)]
}

fn add(sum: &mut Amounts, amounts: &Amounts, sign: f64) {
    sum.iter_mut().zip(amounts).for_each(|(sum, amount)| *sum += sign * amount);
}

fn mean(values: &[f64]) -> f64 {
    if values.is_empty() { 0.0 } else { values.iter().sum::<f64>() / number(values.len()) }
}

/// Percent.
fn share(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole * 100.0 } else { 0.0 }
}

#[expect(clippy::cast_precision_loss, reason = "amounts are far below 2^52, or need no more than three digits")]
fn amount(value: i64) -> f64 {
    value as f64
}
