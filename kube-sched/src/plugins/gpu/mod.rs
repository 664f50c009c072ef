//! Plugins for GPU devices that pods share by thousandths, one file each.
//!
//! [`GpuShare`] filters; [`GpuDevices`] chooses devices as Reserve, by a [`ChooseDevices`] rule; and each policy of the FGD
//! study (ATC'23) is one Score: [`GpuRandom`], [`DotProduct`], [`GpuBestFit`], [`GpuPacking`], [`GpuClustering`], [`Fgd`].
//! [`GpuBalance`] is this project's own. Every file has the same shape: the plugin, what it computes on a [`Spare`], its
//! extension points.

mod balance;
mod best_fit;
mod clustering;
mod devices;
mod dot_product;
mod fgd;
mod memo;
mod packing;
mod random;
mod share;
mod spare;
mod typical;

pub use balance::{BalanceWeights, GpuBalance};
pub use best_fit::GpuBestFit;
pub use clustering::GpuClustering;
pub use devices::{ChooseDevices, GpuDevices, RandomFit, TightestFit};
pub use dot_product::DotProduct;
pub use fgd::Fgd;
pub use packing::GpuPacking;
pub use random::GpuRandom;
pub use share::GpuShare;
pub use spare::Spare;
pub use typical::{TypicalPod, TypicalPods};

/// The most CPU that a node of the study's cluster has, in thousandths of a core; scales scores.
const CPU_MILLI_MAX: f64 = 128_000.0;
/// The most GPU that a node of the study's cluster has, in thousandths of a device; scales scores.
const GPU_MILLI_MAX: f64 = 8_000.0;

/// The integer part of a score, as the study truncates it.
#[expect(clippy::cast_possible_truncation, reason = "scores are small, and truncation is the rule")]
fn truncated(score: f64) -> i64 {
    score as i64
}

/// An amount for a formula.
#[expect(clippy::cast_precision_loss, reason = "amounts of CPU and GPU in thousandths are far below 2^52")]
fn amount(milli: i64) -> f64 {
    milli as f64
}

#[cfg(test)]
mod tests;
