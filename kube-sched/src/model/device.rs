//! GPU devices of a node, and a pod's request for a share of some.
//!
//! A device is divided into thousandths; a pod takes either a share of one device or whole devices. This is the model of
//! the OpenB trace (FGD, ATC'23), where a GPU pod names a number of devices, how much of each, and models it accepts.

use std::sync::Arc;

/// A whole device, in thousandths.
pub const DEVICE_MILLI: i64 = 1000;

/// The most devices that a node is taken to have; further ones are not used.
pub const DEVICES_MAX: usize = 64;

/// The GPU devices of a node, all of one model.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Gpus {
    /// How many there are; at most [`DEVICES_MAX`] are used.
    pub count: usize,
    /// Their model, such as `T4`; empty where none is known.
    pub model: Arc<str>,
}

impl Gpus {
    /// Devices of a model.
    pub fn new(count: usize, model: &str) -> Self {
        Self { count, model: model.into() }
    }

    /// What is free of each device while no pod uses any.
    pub(crate) fn all_free(&self) -> Vec<i64> {
        vec![DEVICE_MILLI; self.count.min(DEVICES_MAX)]
    }
}

/// A pod's request for devices.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct GpuRequest {
    /// Number of devices, at least 1.
    pub count: usize,
    /// How much of each, in thousandths of a device: 1 to [`DEVICE_MILLI`].
    pub milli: i64,
    /// Models that will do; any when empty.
    pub models: Vec<Arc<str>>,
}

impl GpuRequest {
    /// A share of one device, in thousandths.
    pub fn share(milli: i64) -> Self {
        Self { count: 1, milli, models: Vec::new() }
    }

    /// Whole devices.
    pub fn whole(count: usize) -> Self {
        Self { count, milli: DEVICE_MILLI, models: Vec::new() }
    }

    /// Of one of these models.
    #[must_use]
    pub fn of<M: AsRef<str>>(mut self, models: impl IntoIterator<Item = M>) -> Self {
        self.models = models.into_iter().map(|model| model.as_ref().into()).collect();
        self
    }

    /// Whether it takes less than a device.
    pub fn is_share(&self) -> bool {
        self.count == 1 && self.milli < DEVICE_MILLI
    }

    /// What it takes in all, in thousandths of a device.
    pub fn total_milli(&self) -> i64 {
        self.milli.saturating_mul(i64::try_from(self.count).unwrap_or(i64::MAX))
    }

    /// Whether a device of this model will do.
    pub fn accepts(&self, model: &str) -> bool {
        self.models.is_empty() || self.models.iter().any(|accepted| **accepted == *model)
    }

    /// Whether a node with this much free of each device could serve it.
    pub fn fits(&self, free: &[i64]) -> bool {
        free.iter().filter(|free| **free >= self.milli).count() >= self.count
    }
}
