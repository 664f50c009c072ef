//! GpuBalance: fragmentation gradient descent that also minds what the gradient cannot see.
//!
//! FGD asks how much of a node's GPUs typical pods could not use, one pod at a time. It takes no account of what a node has
//! in the wrong proportion, of remainders of a device that only rare pods fill, nor of models that only some nodes have.
//! This score is the fall, from before the pod to after it, of
//!
//! - the fragmentation of FGD, in devices;
//! - `remainders` × what is left of each device that no combination of shares is likely to fill ([`Remainders`]);
//! - `stranded` × the devices that the node's free CPU cannot serve, at the mean ratio of CPU to GPU of all GPU pods;
//!
//! less
//!
//! - `scarcity` × the devices that the pod takes × how far requests that name this node's model exceed its supply;
//! - `cpu_on_gpu` × the node's devices as a share of the largest node's, for a pod that wants none of them;
//! - `best_fit` × the GPU and CPU that remain, as shares of the largest node's: among equal nodes, the fullest.
//!
//! The best feasible node gets 100, and the others less by how much worse they are. `docs/lab.md` has its figures.

use super::devices::ChooseDevices;
use super::memo::{ClassMemo, Memo};
use super::spare::cpu_of;
use super::{CPU_MILLI_MAX, GPU_MILLI_MAX, Spare, TypicalPods, amount};
use crate::cluster::{Cluster, NodeInfo};
use crate::framework::{MAX_NODE_SCORE, Score};
use crate::model::{DEVICE_MILLI, GpuRequest, Node, Pod};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What the parts of [`GpuBalance`] weigh. The defaults were chosen on seeds that no published figure uses.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BalanceWeights {
    /// Of remainders that are unlikely to be filled.
    pub remainders: f64,
    /// How unlikely a shape is taken to be, by its rarity; in thousandths of a device for a shape that every pod has.
    pub rarity: f64,
    /// Of devices that the free CPU cannot serve.
    pub stranded: f64,
    /// Of models that are scarce.
    pub scarcity: f64,
    /// Of pods without GPUs on nodes with many.
    pub cpu_on_gpu: f64,
    /// Of what remains, among nodes that are equal otherwise.
    pub best_fit: f64,
}

impl Default for BalanceWeights {
    fn default() -> Self {
        Self { remainders: 2.25, rarity: 0.6, stranded: 1.4, scarcity: 1.5, cpu_on_gpu: 0.57, best_fit: 0.03 }
    }
}

/// Prefers the steepest fall of fragmentation, imbalance and unlikely remainders.
#[derive(Clone, Debug)]
pub struct GpuBalance {
    load: Arc<Load>,
    weights: BalanceWeights,
    memo: Memo,
}

/// What is known of the pods that are expected.
#[derive(Debug)]
struct Load {
    typical: TypicalPods,
    remainders: Remainders,
    /// CPU that GPU pods want for each thousandth of a device, in thousandths of a core; 0 where none wants any.
    cpu_per_gpu: f64,
    /// By model, what is asked for by name over what there is.
    scarcity: BTreeMap<Arc<str>, f64>,
}

impl GpuBalance {
    /// For a load like these pods on these nodes; typical shapes cover `coverage` (0 to 1) of the pods.
    pub fn new<'a>(
        pods: impl IntoIterator<Item = &'a Pod> + Clone,
        nodes: &[Node],
        coverage: f64,
        weights: BalanceWeights,
    ) -> Self {
        let load = Load {
            typical: TypicalPods::of(pods.clone(), coverage),
            remainders: Remainders::of(pods.clone(), weights.rarity),
            cpu_per_gpu: cpu_per_gpu(pods.clone()),
            scarcity: scarcity(pods, nodes),
        };
        Self { load: Arc::new(load), weights, memo: Memo::default() }
    }

    /// The best score on a node, higher being better, and the devices that give it.
    pub fn rate(&self, pod: &Pod, spare: &Spare) -> (f64, Vec<usize>) {
        let before = self.potential(spare);
        let mut best = None::<(f64, Vec<usize>)>;
        for devices in spare.choices(pod) {
            let after = spare.without(pod, &devices);
            let score = before - self.potential(&after) - self.weights.best_fit * remaining(&after);
            if best.as_ref().is_none_or(|(most, _)| score > *most) {
                best = Some((score, devices));
            }
        }
        let (score, devices) = best.unwrap_or((f64::NEG_INFINITY, Vec::new()));
        (score - self.price(pod, spare), devices)
    }

    /// What is to be kept low, in devices.
    fn potential(&self, spare: &Spare) -> f64 {
        let fragmentation = self.load.typical.fragmentation(spare) / amount(DEVICE_MILLI);
        let remainders: f64 = spare.devices.iter().map(|free| self.load.remainders.waste(*free)).sum();
        let served =
            if self.load.cpu_per_gpu > 0.0 { amount(spare.cpu_milli) / self.load.cpu_per_gpu } else { f64::MAX };
        let stranded = (amount(spare.gpu_milli()) - served).max(0.0) / amount(DEVICE_MILLI);
        fragmentation + self.weights.remainders * remainders + self.weights.stranded * stranded
    }

    /// What the pod costs on this node whichever devices it gets.
    fn price(&self, pod: &Pod, spare: &Spare) -> f64 {
        match pod.gpu.as_deref() {
            Some(request) => {
                let scarcity = self.load.scarcity.get(&spare.model).copied().unwrap_or(0.0);
                self.weights.scarcity * scarcity * amount(request.total_milli()) / amount(DEVICE_MILLI)
            }
            None => {
                let devices = i64::try_from(spare.devices.len()).unwrap_or(i64::MAX);
                self.weights.cpu_on_gpu * amount(devices.saturating_mul(DEVICE_MILLI)) / GPU_MILLI_MAX
            }
        }
    }
}

/// What remains of CPU and GPU, as shares of the largest node's.
fn remaining(spare: &Spare) -> f64 {
    amount(spare.gpu_milli()) / GPU_MILLI_MAX + amount(spare.cpu_milli) / CPU_MILLI_MAX
}

fn cpu_per_gpu<'a>(pods: impl IntoIterator<Item = &'a Pod>) -> f64 {
    let (mut cpu, mut gpu) = (0, 0);
    for pod in pods {
        if let Some(request) = pod.gpu.as_deref() {
            cpu += cpu_of(pod);
            gpu += request.total_milli();
        }
    }
    if gpu == 0 { 0.0 } else { amount(cpu) / amount(gpu) }
}

/// By model, what pods ask for by name over what the nodes have. A pod that names several models asks each of them in
/// proportion to its supply.
fn scarcity<'a>(pods: impl IntoIterator<Item = &'a Pod>, nodes: &[Node]) -> BTreeMap<Arc<str>, f64> {
    let mut supply = BTreeMap::<Arc<str>, f64>::new();
    for node in nodes {
        let milli = i64::try_from(node.gpus.count).unwrap_or(0).saturating_mul(DEVICE_MILLI);
        *supply.entry(node.gpus.model.clone()).or_default() += amount(milli);
    }
    let mut asked = BTreeMap::<Arc<str>, f64>::new();
    for request in pods.into_iter().filter_map(|pod| pod.gpu.as_deref()) {
        let mut models: Vec<&Arc<str>> = request.models.iter().filter(|model| supply.contains_key(*model)).collect();
        models.sort();
        models.dedup();
        let together: f64 = models.iter().map(|model| supply[*model]).sum();
        for model in models {
            if together > 0.0 {
                *asked.entry(model.clone()).or_default() += supply[model] / together * amount(request.total_milli());
            }
        }
    }
    asked
        .into_iter()
        .map(|(model, milli)| (milli / supply[&model].max(1.0), model))
        .map(|(s, model)| (model, s))
        .collect()
}

/// What is likely to be wasted of a device of which this much is free: the least over all combinations of shares that fit,
/// of what they leave plus, for each share, its rarity. A whole device that is free wastes nothing.
#[derive(Debug)]
struct Remainders {
    /// By thousandths that are free, in devices.
    waste: Vec<f64>,
}

impl Remainders {
    fn of<'a>(pods: impl IntoIterator<Item = &'a Pod>, rarity: f64) -> Self {
        let mut shares = BTreeMap::<i64, u32>::new();
        let mut all = 0u32;
        for request in pods.into_iter().filter_map(|pod| pod.gpu.as_deref()) {
            all += 1;
            if request.is_share() {
                *shares.entry(request.milli).or_default() += 1;
            }
        }
        let whole = usize::try_from(DEVICE_MILLI).unwrap_or(0);
        let mut waste = vec![0.0; whole + 1];
        for free in 1..whole {
            let mut least = amount(i64::try_from(free).unwrap_or(0));
            for (milli, count) in &shares {
                if let Some(rest) = usize::try_from(*milli).ok().and_then(|milli| free.checked_sub(milli)) {
                    least = least.min(rarity * f64::from(all) / f64::from(*count) + waste[rest]);
                }
            }
            waste[free] = least;
        }
        waste.iter_mut().for_each(|milli| *milli /= amount(DEVICE_MILLI));
        Self { waste }
    }

    fn waste(&self, free: i64) -> f64 {
        usize::try_from(free).ok().and_then(|free| self.waste.get(free)).copied().unwrap_or(0.0)
    }
}

/// Scores are compared to a millionth of a device.
const RESOLUTION: f64 = 1e6;

impl Score for GpuBalance {
    /// What is known of the pod's class.
    type State = BalanceState;

    fn name(&self) -> &'static str {
        "GpuBalance"
    }

    fn pre_score(&self, _cluster: &Cluster, pod: &Pod, _feasible: &[&NodeInfo]) -> Option<Self::State> {
        Some(BalanceState(self.memo.class(pod)))
    }

    fn score(&self, state: &Self::State, pod: &Pod, node: &NodeInfo) -> i64 {
        state.0.get(Spare::of(node), |spare| super::truncated(self.rate(pod, spare).0 * RESOLUTION))
    }

    fn normalize(&self, _state: &Self::State, _nodes: &[&NodeInfo], scores: &mut [i64]) {
        let best = scores.iter().copied().max().unwrap_or(0);
        let worst = scores.iter().copied().min().unwrap_or(0);
        let range = i128::from(best) - i128::from(worst);
        for score in scores.iter_mut() {
            // Only the best get 100: a plain stretch would make those that are nearly as good equal to them.
            *score = if *score == best {
                MAX_NODE_SCORE
            } else {
                let above = i128::from(*score) - i128::from(worst);
                i64::try_from(above * i128::from(MAX_NODE_SCORE - 1) / range).unwrap_or(0)
            };
        }
    }
}

/// What is known of a pod's class.
#[derive(Clone, Debug)]
pub struct BalanceState(ClassMemo);

impl ChooseDevices for GpuBalance {
    fn choose(&self, pod: &Pod, request: &GpuRequest, spare: &Spare) -> Option<Vec<usize>> {
        request.fits(&spare.devices).then(|| self.rate(pod, spare).1)
    }
}
