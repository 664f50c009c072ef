//! The policies that a simulation can compare: Kubernetes' defaults, packing, and those for GPUs.

use super::openb::{NoPolicy, Policy};
use super::scenario::Scenario;
use crate::framework::Profile;
use crate::plugins::gpu::{GpuDevices, GpuShare, TightestFit};
use crate::plugins::{NodeResourcesFit, ScoringStrategy};
use crate::scheduler::Scheduler;
use std::fmt;
use std::str::FromStr;

/// A policy in a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Contestant {
    /// Kubernetes' default plugins.
    Default,
    /// Kubernetes' default plugins, but nodes that are used most first.
    MostAllocated,
    /// A policy for GPUs.
    Gpu(Policy),
}

impl Contestant {
    /// Those that a comparison has unless told otherwise.
    pub const USUAL: [Self; 4] =
        [Self::Default, Self::MostAllocated, Self::Gpu(Policy::Fgd), Self::Gpu(Policy::GpuBalance)];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Default => "Default",
            Self::MostAllocated => "MostAllocated",
            Self::Gpu(policy) => policy.name(),
        }
    }

    /// A scheduler for a scenario. The seed decides ties and draws.
    pub fn scheduler(self, scenario: &Scenario, seed: u64) -> Scheduler {
        let with_gpus = || Profile::default_builder().filter(GpuShare).reserve(GpuDevices(TightestFit));
        match self {
            Self::Default => Scheduler::new(with_gpus().build(), seed),
            Self::MostAllocated => {
                let fit = NodeResourcesFit::with_strategy(ScoringStrategy::MostAllocated);
                let profile = with_gpus().disable("NodeResourcesFit").disable("NodeResourcesBalancedAllocation");
                Scheduler::new(profile.filter(fit.clone()).score(fit, 1).build(), seed)
            }
            Self::Gpu(policy) => policy.scheduler(scenario.jobs.iter().map(|job| &job.pod), &scenario.nodes, seed),
        }
    }
}

impl fmt::Display for Contestant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Contestant {
    type Err = NoPolicy;

    fn from_str(name: &str) -> Result<Self, NoPolicy> {
        match name.to_ascii_lowercase().as_str() {
            "default" => Ok(Self::Default),
            "mostallocated" => Ok(Self::MostAllocated),
            _ => name.parse().map(Self::Gpu),
        }
    }
}
