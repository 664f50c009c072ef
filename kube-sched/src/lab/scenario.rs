//! What is simulated: nodes, the pods that come and how long they run, and nodes that fail.

use super::openb::OpenbTrace;
use super::rng::Rng;
use crate::model::{GpuRequest, Gpus, Labels, Node, Pod, Resources};
use std::sync::Arc;
use std::time::Duration;

/// A pod that comes at some time.
#[derive(Clone, Debug, PartialEq)]
pub struct Job {
    /// When it is created.
    pub arrives: Duration,
    /// How long it runs once it is placed; for ever when absent.
    pub runs: Option<Duration>,
    /// The pod, unbound. Its namespace is the tenant that fairness is measured between.
    pub pod: Pod,
}

/// A node that is away for a while.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outage {
    /// The node.
    pub node: Arc<str>,
    /// When it fails; its pods are lost and start anew elsewhere.
    pub from: Duration,
    /// When it is back.
    pub until: Duration,
}

/// A cluster and its load over time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scenario {
    /// What it is, for people.
    pub name: String,
    /// The nodes.
    pub nodes: Vec<Node>,
    /// The pods, in any order.
    pub jobs: Vec<Job>,
    /// Failures, in any order.
    pub outages: Vec<Outage>,
    /// When to stop.
    pub horizon: Duration,
}

/// A shape of generated pods.
#[derive(Clone, Debug, PartialEq)]
pub struct Shape {
    /// How often it comes, relative to the others.
    pub weight: f64,
    /// CPU in thousandths of a core.
    pub cpu_milli: i64,
    /// Memory in bytes.
    pub memory_bytes: i64,
    /// Devices.
    pub gpu: Option<GpuRequest>,
    /// Priority.
    pub priority: i32,
    /// How long such a pod runs on average; run times are exponentially distributed.
    pub runs_mean: Duration,
}

/// A load to generate. The defaults are a small cluster with web, batch and GPU pods that keep it nearly full.
#[derive(Clone, Debug, PartialEq)]
pub struct Generator {
    /// Groups of equal nodes: how many, cores, GiB, devices, and their model.
    pub nodes: Vec<(usize, i64, i64, usize, String)>,
    /// Shapes of pods.
    pub shapes: Vec<Shape>,
    /// Number of tenants; each is a namespace with a weight of its own among arrivals (1, 1/2, 1/3, …).
    pub tenants: usize,
    /// The mean number of pods that come in a minute; arrivals are a Poisson process.
    pub arrivals_per_minute: f64,
    /// The mean time between failures of one node; none fails when absent.
    pub failure_mean: Option<Duration>,
    /// The mean time until a failed node is back.
    pub repair_mean: Duration,
    /// When to stop.
    pub horizon: Duration,
}

const GIB: i64 = 1 << 30;
/// Pods per node: kubelet's default.
const PODS_PER_NODE: i64 = 110;

impl Default for Generator {
    fn default() -> Self {
        let minutes = |n: u64| Duration::from_secs(n * 60);
        let shape = |weight, cpu_milli, gib: i64, gpu, priority, runs_mean| Shape {
            weight,
            cpu_milli,
            memory_bytes: gib * GIB,
            gpu,
            priority,
            runs_mean,
        };
        Self {
            nodes: vec![
                (24, 32, 128, 0, String::new()),
                (12, 96, 384, 8, "A".to_owned()),
                (8, 64, 256, 2, "B".to_owned()),
            ],
            shapes: vec![
                shape(30.0, 500, 1, None, 100, minutes(240)),
                shape(25.0, 4_000, 8, None, 0, minutes(45)),
                shape(6.0, 16_000, 48, None, 0, minutes(60)),
                shape(14.0, 4_000, 16, Some(GpuRequest::share(450)), 0, minutes(60)),
                shape(8.0, 3_000, 8, Some(GpuRequest::share(800)), 0, minutes(60)),
                shape(12.0, 11_000, 44, Some(GpuRequest::whole(1)), 0, minutes(60)),
                shape(3.0, 11_000, 44, Some(GpuRequest::whole(1).of(["B"])), 0, minutes(60)),
                shape(1.0, 80_000, 300, Some(GpuRequest::whole(8)), 50, minutes(90)),
            ],
            tenants: 4,
            arrivals_per_minute: 4.8,
            failure_mean: Some(Duration::from_secs(72 * 3600)),
            repair_mean: minutes(30),
            horizon: Duration::from_secs(12 * 3600),
        }
    }
}

impl Generator {
    /// The scenario of a seed. Arrivals, run times and failures are drawn apart, so that changing one leaves the others.
    pub fn scenario(&self, seed: u64) -> Scenario {
        let nodes = self.make_nodes();
        Scenario {
            name: format!("generated, {} nodes, {:.1} pods a minute", nodes.len(), self.arrivals_per_minute),
            jobs: self.make_jobs(seed),
            outages: self.make_outages(seed, &nodes),
            nodes,
            horizon: self.horizon,
        }
    }

    fn make_nodes(&self) -> Vec<Node> {
        let mut nodes = Vec::new();
        for (group, (count, cores, gib, devices, model)) in self.nodes.iter().enumerate() {
            for i in 0..*count {
                let amounts = Resources::new(cores * 1000, gib * GIB, PODS_PER_NODE);
                nodes.push(Node::new(&format!("node-{group}-{i:04}"), amounts).gpus(Gpus::new(*devices, model)));
            }
        }
        nodes
    }

    fn make_jobs(&self, seed: u64) -> Vec<Job> {
        let mut arrivals = Rng::stream(seed, 1);
        let mut kinds = Rng::stream(seed, 2);
        let mut times = Rng::stream(seed, 3);
        let mut jobs = Vec::new();
        if self.shapes.is_empty() || self.arrivals_per_minute <= 0.0 {
            return jobs;
        }
        let tenant_weights: Vec<f64> = (1..=self.tenants.max(1)).map(|i| 1.0 / super::stats::number(i)).collect();
        let shape_weights: Vec<f64> = self.shapes.iter().map(|shape| shape.weight).collect();
        let mut now = 0.0;
        loop {
            now += arrivals.exponential(60.0 / self.arrivals_per_minute);
            if now >= self.horizon.as_secs_f64() {
                return jobs;
            }
            let shape = &self.shapes[weighted(&mut kinds, &shape_weights)];
            let tenant = weighted(&mut kinds, &tenant_weights);
            let mut pod = Pod::new(&format!("pod-{:06}", jobs.len())).in_namespace(&format!("tenant-{tenant}"));
            pod = pod.request(Resources::new(shape.cpu_milli, shape.memory_bytes, 0)).priority(shape.priority);
            pod.gpu = shape.gpu.clone().map(Arc::new);
            pod.labels = Labels::new([("app", format!("tenant-{tenant}"))]);
            let runs = Duration::from_secs_f64(times.exponential(shape.runs_mean.as_secs_f64()));
            jobs.push(Job { arrives: Duration::from_secs_f64(now), runs: Some(runs), pod });
        }
    }

    fn make_outages(&self, seed: u64, nodes: &[Node]) -> Vec<Outage> {
        let mut rng = Rng::stream(seed, 4);
        let mut outages = Vec::new();
        let Some(mean) = self.failure_mean.filter(|mean| !mean.is_zero()) else { return outages };
        for node in nodes {
            let mut now = rng.exponential(mean.as_secs_f64());
            while now < self.horizon.as_secs_f64() {
                let until = now + rng.exponential(self.repair_mean.as_secs_f64());
                outages.push(Outage {
                    node: node.name.clone(),
                    from: Duration::from_secs_f64(now),
                    until: Duration::from_secs_f64(until),
                });
                now = until + rng.exponential(mean.as_secs_f64());
            }
        }
        outages
    }
}

/// An index, each as likely as its weight.
fn weighted(rng: &mut Rng, weights: &[f64]) -> usize {
    let mut left = rng.unit() * weights.iter().sum::<f64>();
    for (index, weight) in weights.iter().enumerate() {
        left -= weight;
        if left < 0.0 {
            return index;
        }
    }
    weights.len().saturating_sub(1)
}

impl OpenbTrace {
    /// The trace as a scenario in the times that its pods were created and deleted, pressed into `horizon`. Pods without a
    /// creation time come at the start; a seed draws which `share` (0 to 1) of the pods takes part.
    pub fn scenario(&self, name: &str, horizon: Duration, share: f64, seed: u64) -> Scenario {
        let mut rng = Rng::stream(seed, 5);
        let seconds = |at: i64| f64::from(u32::try_from(at.max(0)).unwrap_or(u32::MAX));
        let times = self.pods.iter().flat_map(|row| row.created_seconds.into_iter().chain(row.deleted_seconds));
        let last = times.max().map_or(1.0, seconds).max(1.0);
        let scale = |at: f64| horizon.mul_f64((at / last).clamp(0.0, 1.0));
        let jobs = self.pods.iter().filter(|_| rng.unit() < share).map(|row| {
            let created = row.created_seconds.map_or(0.0, seconds);
            let runs = row.deleted_seconds.map(|deleted| scale((seconds(deleted) - created).max(0.0)));
            Job { arrives: scale(created), runs, pod: row.pod.clone() }
        });
        Scenario {
            name: name.to_owned(),
            jobs: jobs.collect(),
            nodes: self.nodes.clone(),
            outages: Vec::new(),
            horizon,
        }
    }
}

#[cfg(test)]
mod tests;
