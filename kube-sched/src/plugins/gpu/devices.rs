//! GpuDevices: which devices of its node a pod gets, as Reserve.

use super::Spare;
use crate::cluster::Cluster;
use crate::framework::{Refusal, Reserve};
use crate::model::{GpuRequest, Pod};
use std::fmt::Debug;

/// A rule for choosing devices.
pub trait ChooseDevices: Send + Sync + Debug {
    /// The devices of a node with this much to spare, by index; `None` where they do not suffice.
    fn choose(&self, pod: &Pod, request: &GpuRequest, spare: &Spare) -> Option<Vec<usize>>;
}

/// Gives pods their devices.
#[derive(Clone, Debug)]
pub struct GpuDevices<C>(pub C);

impl<C: ChooseDevices> GpuDevices<C> {
    fn devices(&self, cluster: &Cluster, pod: &Pod, node: &str) -> Option<Vec<usize>> {
        let Some(request) = pod.gpu.as_deref() else { return Some(Vec::new()) };
        self.0.choose(pod, request, &Spare::of(cluster.node(node)?))
    }
}

impl<C: ChooseDevices> Reserve for GpuDevices<C> {
    fn name(&self) -> &'static str {
        "GpuDevices"
    }

    fn reserve(&self, cluster: &Cluster, pod: &Pod, node: &str) -> Result<(), Refusal> {
        match self.devices(cluster, pod, node) {
            Some(_) => Ok(()),
            None => Err(Refusal::unschedulable(self.name(), "Insufficient GPU devices")),
        }
    }

    fn assume(&self, cluster: &Cluster, pod: &mut Pod, node: &str) {
        pod.gpu_devices = self.devices(cluster, pod, node).unwrap_or_default();
    }

    fn unreserve(&self, _cluster: &Cluster, _pod: &Pod, _node: &str) {}
}

/// The device with the least free that suffices; whole devices in order.
#[derive(Clone, Copy, Debug)]
pub struct TightestFit;

impl ChooseDevices for TightestFit {
    fn choose(&self, _pod: &Pod, request: &GpuRequest, spare: &Spare) -> Option<Vec<usize>> {
        spare.tightest(request)
    }
}

/// For a share, any device that suffices, by a hash of the seed and the pod; whole devices in order.
#[derive(Clone, Copy, Debug)]
pub struct RandomFit {
    /// Decides which.
    pub seed: u64,
}

impl ChooseDevices for RandomFit {
    fn choose(&self, pod: &Pod, request: &GpuRequest, spare: &Spare) -> Option<Vec<usize>> {
        if !request.is_share() {
            return spare.tightest(request);
        }
        let fitting: Vec<usize> = (0..spare.devices.len()).filter(|i| spare.devices[*i] >= request.milli).collect();
        let index = super::random::draw(self.seed ^ DEVICE_DRAW, &pod.uid, fitting.len())?;
        Some(vec![fitting[index]])
    }
}

/// Keeps the draw of a device apart from that of a node under the same seed: the words "device" in ASCII.
const DEVICE_DRAW: u64 = 0x6465_7669_6365;
