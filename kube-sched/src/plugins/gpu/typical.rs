//! The pods that are expected, and how much of a node's GPUs they could not use: the measure of fragmentation of the FGD
//! paper (Beware of Fragmentation, ATC'23, §3).

use super::{Spare, amount, spare::cpu_of};
use crate::model::{GpuRequest, Pod};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A shape of pods and how often it comes.
#[derive(Clone, Debug, PartialEq)]
pub struct TypicalPod {
    /// CPU in thousandths of a core.
    pub cpu_milli: i64,
    /// Devices, where it wants any.
    pub gpu: Option<Arc<GpuRequest>>,
    /// Its share of all pods, 0 to 1.
    pub popularity: f64,
}

/// The most frequent shapes of a load.
#[derive(Clone, Debug, Default)]
pub struct TypicalPods {
    pods: Vec<TypicalPod>,
    /// The shapes as nodes of each model named by a request see them.
    by_model: BTreeMap<Arc<str>, View>,
    /// The shapes as nodes of any other model see them.
    other: View,
}

/// The shapes, as the devices of one model can serve them.
#[derive(Clone, Debug, Default)]
struct View {
    /// Popularity of what could never use the devices: pods without GPUs, and those that want another model.
    never: f64,
    /// CPU, thousandths per device, devices and popularity of the others.
    served: Vec<(i64, i64, usize, f64)>,
}

/// CPU, thousandths of each device, number of devices, models: what tells shapes apart, in the order that breaks ties.
type Shape = (i64, i64, usize, Vec<Arc<str>>);

impl TypicalPods {
    /// The most frequent shapes until `coverage` (0 to 1) of the pods is covered, their popularity adding up to 1.
    pub fn of<'a>(pods: impl IntoIterator<Item = &'a Pod>, coverage: f64) -> Self {
        let mut counts = BTreeMap::<Shape, (Option<Arc<GpuRequest>>, u32)>::new();
        let mut total = 0u32;
        for pod in pods {
            let gpu = pod.gpu.as_deref();
            let shape = (
                cpu_of(pod),
                gpu.map_or(0, |request| request.milli),
                gpu.map_or(0, |request| request.count),
                gpu.map_or_else(Vec::new, |request| request.models.clone()),
            );
            counts.entry(shape).or_insert_with(|| (pod.gpu.clone(), 0)).1 += 1;
            total += 1;
        }
        let mut sorted: Vec<_> = counts.into_iter().collect();
        // The most frequent first, and of equally frequent shapes the larger: the published order.
        sorted.sort_by(|a, b| b.1.1.cmp(&a.1.1).then_with(|| b.0.cmp(&a.0)));
        let mut covered = 0;
        let mut kept = Vec::new();
        for ((cpu_milli, ..), (gpu, count)) in sorted {
            if f64::from(covered) >= coverage * f64::from(total) {
                break;
            }
            covered += count;
            kept.push(TypicalPod { cpu_milli, gpu, popularity: f64::from(count) });
        }
        for pod in &mut kept {
            pod.popularity /= f64::from(covered);
        }
        Self::from_pods(kept)
    }

    /// From shapes whose popularity adds up to 1.
    pub fn from_pods(pods: Vec<TypicalPod>) -> Self {
        let named = pods.iter().filter_map(|pod| pod.gpu.as_deref()).flat_map(|request| request.models.iter().cloned());
        let by_model = named.map(|model| (model.clone(), View::of(&pods, &model))).collect();
        Self { other: View::of(&pods, ""), by_model, pods }
    }

    /// The shapes.
    pub fn pods(&self) -> &[TypicalPod] {
        &self.pods
    }

    /// Fragmentation, in thousandths of a device: over all shapes, popularity times what such a pod cannot use here. A pod
    /// that does not fit can use nothing, and one that fits cannot use devices with less free than it wants of each.
    pub fn fragmentation(&self, spare: &Spare) -> f64 {
        let view = self.by_model.get(&spare.model).unwrap_or(&self.other);
        let all = amount(spare.gpu_milli());
        let mut sum = view.never * all;
        for (cpu_milli, milli, count, popularity) in &view.served {
            let fitting = spare.devices.iter().filter(|free| *free >= milli).count();
            sum += popularity
                * if fitting >= *count && spare.cpu_milli >= *cpu_milli {
                    amount(spare.devices.iter().filter(|free| *free < milli).sum())
                } else {
                    all
                };
        }
        sum
    }
}

impl View {
    fn of(pods: &[TypicalPod], model: &str) -> Self {
        let mut view = Self::default();
        for pod in pods {
            match pod.gpu.as_deref() {
                Some(request) if request.accepts(model) => {
                    view.served.push((pod.cpu_milli, request.milli, request.count, pod.popularity));
                }
                _ => view.never += pod.popularity,
            }
        }
        view
    }
}
