//! One run of the protocol of the FGD study (ATC'23): pods come in random order and stay, until their requests for GPUs
//! exceed the cluster by 30 %.

use super::policy::Policy;
use super::trace::OpenbTrace;
use crate::cluster::Cluster;
use crate::lab::rng::Rng;
use crate::lab::stats::Summary;
use crate::model::{GpuRequest, Pod};
use std::collections::BTreeMap;

/// Requests for GPUs by which a run ends, as a multiple of the cluster's GPUs.
const ARRIVALS: f64 = 1.3;

/// What a run came to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OpenbRun {
    /// By percent of the cluster's GPUs that were asked for, how many percent were allocated: the mean over the arrivals at
    /// which the rounded percentage was this one.
    pub allocated: BTreeMap<u32, f64>,
    /// Pods that came.
    pub arrived: usize,
    /// Pods that found no node.
    pub unplaced: usize,
}

impl OpenbTrace {
    /// The pods of a run, in the order in which they come: a shuffle of all, then pods drawn with replacement until the
    /// next one would ask for more than 1.3 times the GPUs there are. A trace that asks for more than that to begin with is
    /// thinned at random instead, as the published runs do.
    pub fn arrivals(&self, seed: u64) -> Vec<Pod> {
        let mut rng = Rng::stream(seed, ARRIVAL_STREAM);
        let mut pods: Vec<&Pod> = self.pods.iter().map(|row| &row.pod).collect();
        rng.shuffle(&mut pods);
        let most = ARRIVALS * as_number(self.gpu_milli());
        let mut wanted: i64 = pods.iter().map(|pod| gpu_milli(pod)).sum();
        while as_number(wanted) > most {
            let removed = pods.remove(rng.below(pods.len()));
            wanted -= gpu_milli(removed);
        }
        let drawn_from = pods.len();
        let mut arrivals: Vec<Pod> = pods.into_iter().cloned().collect();
        if drawn_from < self.pods.len() || wanted == 0 {
            return arrivals;
        }
        loop {
            let drawn = &self.pods[rng.below(self.pods.len())].pod;
            // The published runs look at the share of one device here; so do we.
            let next = drawn.gpu.as_deref().map_or(0, |request| request.milli);
            if as_number(wanted + next) > most {
                return arrivals;
            }
            wanted += gpu_milli(drawn);
            let mut pod = drawn.clone();
            pod.name = format!("{}-{}", drawn.name, arrivals.len()).into();
            pod.uid = pod.name.clone();
            arrivals.push(pod);
        }
    }

    /// Runs a policy under a seed. `progress` is told after every pod how many of how many have come.
    ///
    /// # Panics
    /// Never: a node that was chosen is in the cluster, and every arrival has a uid of its own.
    pub fn run(&self, policy: Policy, seed: u64, mut progress: impl FnMut(usize, usize)) -> OpenbRun {
        let arrivals = self.arrivals(seed);
        let scheduler = policy.scheduler(self.pods.iter().map(|row| &row.pod), &self.nodes, seed);
        let mut cluster = Cluster::new();
        self.nodes.iter().for_each(|node| cluster.add_node(node.clone()));
        let total = as_number(self.gpu_milli().max(1));
        let (mut arrived, mut allocated) = (0, 0);
        let mut curve = BTreeMap::<u32, (f64, u32)>::new();
        let mut run = OpenbRun { arrived: arrivals.len(), ..OpenbRun::default() };
        for (index, pod) in arrivals.into_iter().enumerate() {
            let wanted = gpu_milli(&pod);
            arrived += wanted;
            let placed = scheduler
                .schedule(&cluster, &pod)
                .ok()
                .filter(|placement| scheduler.reserve(&cluster, &pod, &placement.node).is_ok());
            match placed {
                Some(placement) => {
                    let pod = scheduler.assume(&cluster, pod, &placement.node);
                    cluster.add_pod(pod).expect("the node was found in this cluster, and the pod is new");
                    allocated += wanted;
                }
                None => run.unplaced += 1,
            }
            let point = curve.entry(percent(as_number(arrived) / total)).or_default();
            point.0 += as_number(allocated) / total * 100.0;
            point.1 += 1;
            progress(index + 1, run.arrived);
        }
        run.allocated = curve.into_iter().map(|(at, (sum, count))| (at, sum / f64::from(count))).collect();
        run
    }
}

impl OpenbRun {
    /// How many percent of the GPUs were allocated when this many percent had been asked for; where no arrival fell on
    /// that percentage, the value next to it.
    pub fn allocated_at(&self, percent: u32) -> Option<f64> {
        let below = self.allocated.range(..=percent).next_back();
        let above = self.allocated.range(percent..).next();
        let near = |point: &(&u32, &f64)| point.0.abs_diff(percent);
        below.into_iter().chain(above).min_by_key(near).map(|(_, value)| *value)
    }
}

/// The mean at 100 % over runs.
pub fn allocated_at_100(runs: &[OpenbRun]) -> Summary {
    let values: Vec<f64> = runs.iter().filter_map(|run| run.allocated_at(100)).collect();
    Summary::of(&values)
}

/// Keeps the order of arrivals apart from other draws under the same seed: "arrival" in ASCII.
const ARRIVAL_STREAM: u64 = 0x61_7272_6976_616c;

fn gpu_milli(pod: &Pod) -> i64 {
    pod.gpu.as_deref().map_or(0, GpuRequest::total_milli)
}

#[expect(clippy::cast_precision_loss, reason = "sums of thousandths of devices are far below 2^52")]
fn as_number(milli: i64) -> f64 {
    milli as f64
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a percentage of 0 to 131")]
fn percent(share: f64) -> u32 {
    (share * 100.0).round() as u32
}
