//! Several policies on the same scenarios, and what the seeds make of them together.

use super::measure::{CURVES, METRICS, Measurements};
use super::stats::Summary;

/// What one policy came to over all seeds.
#[derive(Clone, Debug, PartialEq)]
pub struct Contender {
    /// The policy.
    pub name: String,
    /// One per figure of [`METRICS`], over the seeds.
    pub figures: Vec<Summary>,
    /// The figures of each seed.
    pub runs: Vec<Vec<f64>>,
    /// One per curve of [`CURVES`]: at each time the values' summary over the seeds.
    pub curves: Vec<Vec<Summary>>,
    /// What pods waited, in seconds, at 0, 1 %, …, 100 % of the pods: the mean over the seeds.
    pub waits: Vec<f64>,
}

/// Policies side by side.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// What was simulated, for people.
    pub scenario: String,
    /// More of it: names and values.
    pub facts: Vec<(String, String)>,
    /// The seeds; every policy had the same.
    pub seeds: Vec<u64>,
    /// When the curves were sampled, in hours.
    pub times: Vec<f64>,
    /// The policies.
    pub contenders: Vec<Contender>,
}

impl Comparison {
    /// From the runs of each policy, one per seed and in the order of the seeds.
    pub fn new(
        scenario: impl Into<String>,
        facts: Vec<(String, String)>,
        seeds: Vec<u64>,
        runs: impl IntoIterator<Item = (String, Vec<Measurements>)>,
    ) -> Self {
        let mut times = Vec::new();
        let contenders = runs
            .into_iter()
            .map(|(name, runs)| {
                if let Some(run) = runs.first() {
                    times.clone_from(&run.times);
                }
                Contender::new(name, &runs)
            })
            .collect();
        Self { scenario: scenario.into(), facts, seeds, times, contenders }
    }
}

impl Contender {
    fn new(name: String, runs: &[Measurements]) -> Self {
        let over_seeds = |value: &dyn Fn(&Measurements) -> Option<f64>| {
            Summary::of(&runs.iter().filter_map(value).collect::<Vec<_>>())
        };
        let points = runs.iter().map(|run| run.times.len()).min().unwrap_or(0);
        Self {
            figures: (0..METRICS.len()).map(|i| over_seeds(&|run| run.values.get(i).copied())).collect(),
            runs: runs.iter().map(|run| run.values.clone()).collect(),
            curves: (0..CURVES.len())
                .map(|curve| (0..points).map(|i| over_seeds(&|run| run.curves[curve].get(i).copied())).collect())
                .collect(),
            waits: (0..=100).map(|i| over_seeds(&|run| run.waits.get(i).copied()).mean).collect(),
            name,
        }
    }
}
