//! What is free on a node, small enough to be a key and to be changed in thought.

use super::amount;
use crate::cluster::NodeInfo;
use crate::model::{DEVICE_MILLI, GpuRequest, Pod};
use std::sync::Arc;

/// What is free on a node: CPU, and each of its devices.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Spare {
    /// The model of its devices.
    pub model: Arc<str>,
    /// CPU in thousandths of a core.
    pub cpu_milli: i64,
    /// Each device, in thousandths.
    pub devices: Vec<i64>,
}

impl Spare {
    /// What is free on a node now.
    pub fn of(node: &NodeInfo) -> Self {
        Self {
            model: node.node().gpus.model.clone(),
            cpu_milli: node.node().allocatable.cpu_milli.saturating_sub(node.requested().cpu_milli),
            devices: node.gpu_free().to_vec(),
        }
    }

    /// All devices together, in thousandths.
    pub fn gpu_milli(&self) -> i64 {
        self.devices.iter().sum()
    }

    /// The same in devices.
    pub fn gpus(&self) -> f64 {
        amount(self.gpu_milli()) / amount(DEVICE_MILLI)
    }

    /// How many devices nobody uses.
    pub fn idle_devices(&self) -> usize {
        self.devices.iter().filter(|free| **free == DEVICE_MILLI).count()
    }

    /// What remains once a pod has taken its CPU and these devices.
    #[must_use]
    pub fn without(&self, pod: &Pod, devices: &[usize]) -> Self {
        let mut rest = self.clone();
        rest.cpu_milli -= cpu_of(pod);
        if let Some(request) = &pod.gpu {
            for device in devices {
                rest.devices[*device] -= request.milli;
            }
        }
        rest
    }

    /// The devices that a pod would get by tightest fit, the lowest of equal ones: for a share the least that is free and
    /// suffices, for whole devices the first idle ones. `None` where they do not suffice.
    pub fn tightest(&self, request: &GpuRequest) -> Option<Vec<usize>> {
        let mut fitting: Vec<usize> = (0..self.devices.len()).filter(|i| self.devices[*i] >= request.milli).collect();
        fitting.sort_by_key(|i| self.devices[*i]);
        fitting.truncate(request.count);
        fitting.sort_unstable();
        (fitting.len() == request.count).then_some(fitting)
    }

    /// The choices of devices worth comparing: for a share one device of each amount that is free, else the tightest.
    pub(super) fn choices(&self, pod: &Pod) -> Vec<Vec<usize>> {
        match pod.gpu.as_deref() {
            None => vec![Vec::new()],
            Some(request) if request.is_share() => {
                let distinct = |i: &usize| !self.devices[..*i].contains(&self.devices[*i]);
                let fits = |i: &usize| self.devices[*i] >= request.milli;
                (0..self.devices.len()).filter(fits).filter(distinct).map(|i| vec![i]).collect()
            }
            Some(request) => self.tightest(request).into_iter().collect(),
        }
    }
}

/// What scores take a pod to use of the CPU: its request, or the assumed amount of one that requests none.
pub(super) fn cpu_of(pod: &Pod) -> i64 {
    pod.assumed.cpu_milli
}
