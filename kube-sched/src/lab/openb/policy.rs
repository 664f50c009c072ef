//! The policies of the FGD study, and ours, as profiles of the scheduling framework.

use crate::framework::{Profile, ProfileBuilder};
use crate::plugins::NodeResourcesFit;
use crate::plugins::gpu::{
    BalanceWeights, DotProduct, Fgd, GpuBalance, GpuBestFit, GpuClustering, GpuDevices, GpuPacking, GpuRandom,
    GpuShare, RandomFit, TightestFit, TypicalPods,
};
use crate::scheduler::{Scheduler, Ties};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// How many of the pods the typical shapes cover, 0 to 1. Source: the published runs.
const TYPICAL_COVERAGE: f64 = 0.95;

/// A policy that can be run on a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Policy {
    /// Any feasible node, any fitting device.
    Random,
    /// Least alignment of what is free with what is wanted.
    DotProd,
    /// Pods of one class together.
    GpuClustering,
    /// Devices in use first.
    GpuPacking,
    /// Least remains.
    BestFit,
    /// Fragmentation gradient descent.
    Fgd,
    /// This project's own: fragmentation, the balance of CPU and GPU, and what is scarce.
    GpuBalance,
}

impl Policy {
    /// Those of the study, in its order, then our own.
    pub const ALL: [Self; 7] = [
        Self::Random,
        Self::DotProd,
        Self::GpuClustering,
        Self::GpuPacking,
        Self::BestFit,
        Self::Fgd,
        Self::GpuBalance,
    ];

    /// Its name in the study's tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Random => "Random",
            Self::DotProd => "DotProd",
            Self::GpuClustering => "GpuClustering",
            Self::GpuPacking => "GpuPacking",
            Self::BestFit => "BestFit",
            Self::Fgd => "FGD",
            Self::GpuBalance => "GpuBalance",
        }
    }

    /// A scheduler that follows this policy, for a load that is known by its pods. The seed decides ties and draws.
    pub fn scheduler<'a>(
        self,
        load: impl IntoIterator<Item = &'a crate::Pod> + Clone,
        nodes: &[crate::Node],
        seed: u64,
    ) -> Scheduler {
        let typical = || Arc::new(TypicalPods::of(load.clone(), TYPICAL_COVERAGE));
        let profile = match self {
            Self::Random => fitting(self).reserve(GpuDevices(RandomFit { seed })).score(GpuRandom { seed }, 1),
            Self::DotProd => fitting(self).reserve(GpuDevices(TightestFit)).score(DotProduct, 1),
            Self::GpuClustering => fitting(self).reserve(GpuDevices(TightestFit)).score(GpuClustering, 1),
            Self::GpuPacking => fitting(self).reserve(GpuDevices(TightestFit)).score(GpuPacking, 1),
            Self::BestFit => fitting(self).reserve(GpuDevices(TightestFit)).score(GpuBestFit, 1),
            Self::Fgd => {
                let fgd = Fgd::new(typical());
                fitting(self).reserve(GpuDevices(fgd.clone())).score(fgd, 1)
            }
            Self::GpuBalance => {
                let balance = GpuBalance::new(load, nodes, TYPICAL_COVERAGE, BalanceWeights::default());
                fitting(self).reserve(GpuDevices(balance.clone())).score(balance, 1)
            }
        };
        Scheduler::new(profile.build(), seed).with_ties(Ties::NodeOrder)
    }
}

/// What every policy filters by: CPU, memory, and devices of an accepted model.
fn fitting(policy: Policy) -> ProfileBuilder {
    Profile::builder(policy.name()).filter(NodeResourcesFit::default()).filter(GpuShare)
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// There is no policy of this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no policy {name:?}; there are Random, DotProd, GpuClustering, GpuPacking, BestFit, FGD and GpuBalance")]
pub struct NoPolicy {
    /// The name.
    pub name: String,
}

impl FromStr for Policy {
    type Err = NoPolicy;

    /// By name, whatever the case, with or without the number that the study's tables put before it (`06-FGD`).
    fn from_str(name: &str) -> Result<Self, NoPolicy> {
        let bare = name.trim_start_matches(|c: char| c.is_ascii_digit()).trim_start_matches('-');
        let found = Self::ALL.into_iter().find(|policy| policy.name().eq_ignore_ascii_case(bare));
        found.ok_or_else(|| NoPolicy { name: name.to_owned() })
    }
}
