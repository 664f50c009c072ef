//! NodeResourcesFit: a node must have room for what the pod requests.
//!
//! Score, per configured resource of which the node has any: `LeastAllocated` (allocatable − used)·100/allocatable, 0 when
//! over; `MostAllocated` used·100/allocatable, 100 when over; `RequestedToCapacityRatio` a broken line over the utilisation.
//! Weighted means in integers. Used are the pod's and the node's requests, with assumed amounts of cpu and memory for
//! containers that request none. Source: kube-scheduler's `noderesources`.

use crate::cluster::{Cluster, NodeInfo, NodeRow};
use crate::framework::{Code, Depends, EventKind, Filter, MAX_NODE_SCORE, PreFilter, Reason, Refusal, Score};
use crate::model::{Pod, ResourceName, Resources};

/// Which nodes are best.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ScoringStrategy {
    /// The emptiest, which spreads load.
    #[default]
    LeastAllocated,
    /// The fullest, which packs.
    MostAllocated,
    /// By utilisation, along a line through these points, in the order of utilisation.
    RequestedToCapacityRatio(Vec<ShapePoint>),
}

/// A point of the line that maps utilisation to score.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShapePoint {
    /// Utilisation in percent, 0 to 100.
    pub utilization: i64,
    /// The score, 0 to 100 (ten times what a configuration file says).
    pub score: i64,
}

/// Refuses nodes without room for what the pod requests.
#[derive(Clone, Debug)]
pub struct NodeResourcesFit {
    /// Which nodes are best.
    pub strategy: ScoringStrategy,
    /// The resources that the strategy looks at, with their weights; cpu and memory with weight 1 by default.
    pub resources: Vec<(ResourceName, i64)>,
    /// Extended resources that the filter does not look at.
    pub ignored_resources: Vec<String>,
    /// Groups of extended resources (`example.com`) that the filter does not look at.
    pub ignored_resource_groups: Vec<String>,
}

impl Default for NodeResourcesFit {
    fn default() -> Self {
        Self::with_strategy(ScoringStrategy::default())
    }
}

impl NodeResourcesFit {
    /// With this strategy over cpu and memory.
    pub fn with_strategy(strategy: ScoringStrategy) -> Self {
        Self {
            strategy,
            resources: vec![(ResourceName::Cpu, 1), (ResourceName::Memory, 1)],
            ignored_resources: Vec::new(),
            ignored_resource_groups: Vec::new(),
        }
    }

    fn ignores(&self, resource: &str) -> bool {
        self.ignored_resources.iter().any(|ignored| ignored == resource)
            || resource
                .split_once('/')
                .is_some_and(|(group, _)| self.ignored_resource_groups.iter().any(|ignored| ignored == group))
    }

    /// In kube-scheduler's order: pods, cpu, memory, ephemeral storage, extended resources.
    fn shortages(&self, requests: &Resources, node: &NodeInfo) -> Vec<Shortage> {
        let (used, all) = (node.requested(), &node.node().allocatable);
        let mut found = Vec::new();
        if used.pods.saturating_add(1) > all.pods {
            found.push(Shortage { reason: "Too many pods".into(), fits_empty_node: true });
        }
        let mut hold = |reason: &dyn Fn() -> Reason, wanted: i64, used: i64, all: i64| {
            if wanted > 0 && wanted > all.saturating_sub(used) {
                found.push(Shortage { reason: reason(), fits_empty_node: wanted <= all });
            }
        };
        hold(&|| "Insufficient cpu".into(), requests.cpu_milli, used.cpu_milli, all.cpu_milli);
        hold(&|| "Insufficient memory".into(), requests.memory_bytes, used.memory_bytes, all.memory_bytes);
        hold(
            &|| "Insufficient ephemeral-storage".into(),
            requests.ephemeral_storage_bytes,
            used.ephemeral_storage_bytes,
            all.ephemeral_storage_bytes,
        );
        for (name, wanted) in requests.scalars().filter(|(name, _)| !self.ignores(name)) {
            hold(&|| format!("Insufficient {name}").into(), wanted, used.scalar(name), all.scalar(name));
        }
        found
    }
}

struct Shortage {
    reason: Reason,
    fits_empty_node: bool,
}

impl Filter for NodeResourcesFit {
    type State = ();

    fn name(&self) -> &'static str {
        "NodeResourcesFit"
    }

    fn pre_filter(&self, _cluster: &Cluster, _pod: &Pod) -> PreFilter<()> {
        PreFilter::Run(())
    }

    fn filter(&self, (): &(), pod: &Pod, node: &NodeInfo) -> Result<(), Refusal> {
        let shortages = self.shortages(&pod.requests, node);
        if shortages.is_empty() {
            return Ok(());
        }
        // Where the pod is larger than the whole node, removing others does not help.
        let resolvable = shortages.iter().all(|shortage| shortage.fits_empty_node);
        Err(Refusal {
            plugin: Filter::name(self),
            code: if resolvable { Code::Unschedulable } else { Code::Unresolvable },
            reasons: shortages.into_iter().map(|shortage| shortage.reason).collect(),
        })
    }

    fn depends(&self, _pod: &Pod) -> Depends {
        Depends::Node
    }

    fn sees_pod_labels(&self) -> bool {
        false
    }

    fn filter_row(&self, (): &(), pod: &Pod, row: &NodeRow) -> Option<bool> {
        let wanted = &pod.requests;
        if wanted.ephemeral_storage_bytes != 0 || wanted.scalars().next().is_some() {
            return None;
        }
        let fits = |wanted: i64, used: i64, all: i64| wanted <= 0 || wanted <= all.saturating_sub(used);
        Some(
            row.pods < row.pods_max
                && fits(wanted.cpu_milli, row.requested_cpu_milli, row.allocatable_cpu_milli)
                && fits(wanted.memory_bytes, row.requested_memory_bytes, row.allocatable_memory_bytes),
        )
    }

    fn events_to_register(&self) -> &[EventKind] {
        &[EventKind::NodeAdd, EventKind::NodeAllocatable, EventKind::PodDelete, EventKind::PodUpdate]
    }
}

impl Score for NodeResourcesFit {
    type State = ();

    fn name(&self) -> &'static str {
        "NodeResourcesFit"
    }

    fn depends(&self, _pod: &Pod) -> Depends {
        Depends::Node
    }

    fn sees_pod_labels(&self) -> bool {
        false
    }

    fn pre_score(&self, _cluster: &Cluster, _pod: &Pod, _feasible: &[&NodeInfo]) -> Option<()> {
        Some(())
    }

    fn score(&self, (): &(), pod: &Pod, node: &NodeInfo) -> i64 {
        let (used, all) = (node.assumed(), &node.node().allocatable);
        let amounts = |resource: &ResourceName| Some((used.amount(resource), all.amount(resource)));
        self.score_over(pod, amounts).expect("a node knows of every resource how much it has")
    }

    /// The fullest nodes are best, whatever the strategy for single pods.
    fn score_placement(&self, nodes: &[&NodeInfo]) -> Option<i64> {
        let mut mean = Mean::default();
        for (resource, weight) in &self.resources {
            let amounts = nodes.iter().map(|node| (node.assumed(), &node.node().allocatable));
            let (used, all) = amounts.fold((0i64, 0i64), |(used, all), (node_used, node_all)| {
                (used.saturating_add(node_used.amount(resource)), all.saturating_add(node_all.amount(resource)))
            });
            if all > 0 && !(used == 0 && matches!(resource, ResourceName::Scalar(_))) {
                mean.add(fullness(used, all), *weight);
            }
        }
        Some(mean.floor())
    }

    fn score_row(&self, (): &(), pod: &Pod, row: &NodeRow) -> Option<i64> {
        self.score_over(pod, |resource| row.assumed_of(resource))
    }
}

impl NodeResourcesFit {
    /// The score, where `amounts` tells how much of every resource is used and allocatable.
    fn score_over(&self, pod: &Pod, amounts: impl Fn(&ResourceName) -> Option<(i64, i64)>) -> Option<i64> {
        match &self.strategy {
            ScoringStrategy::LeastAllocated => {
                let free = |used: i64, all: i64| if used > all { 0 } else { share(all.saturating_sub(used), all) };
                self.mean(pod, amounts, |used, all| Some(free(used, all))).map(Mean::floor)
            }
            ScoringStrategy::MostAllocated => {
                self.mean(pod, amounts, |used, all| Some(fullness(used, all))).map(Mean::floor)
            }
            ScoringStrategy::RequestedToCapacityRatio(shape) => {
                let utilization = |used: i64, all: i64| if used > all { 100 } else { share(used, all) };
                // Resources that score 0 are left out of the mean.
                let score = |used, all| Some(broken_line(shape, utilization(used, all))).filter(|score| *score > 0);
                let Mean { sum, weights } = self.mean(pod, amounts, score)?;
                // Rounded half up; scores are not negative.
                Some(if weights == 0 { 0 } else { sum.saturating_mul(2).saturating_add(weights) / (weights * 2) })
            }
        }
    }

    /// The mean of what resources score by how much of them is used with the pod and how much there is.
    fn mean(
        &self,
        pod: &Pod,
        amounts: impl Fn(&ResourceName) -> Option<(i64, i64)>,
        score: impl Fn(i64, i64) -> Option<i64>,
    ) -> Option<Mean> {
        let mut mean = Mean::default();
        for (resource, weight) in &self.resources {
            let (used, allocatable) = amounts(resource)?;
            let wanted = pod.assumed.amount(resource);
            // An extended resource counts only for pods that want it.
            if allocatable <= 0 || (wanted == 0 && matches!(resource, ResourceName::Scalar(_))) {
                continue;
            }
            if let Some(score) = score(used.saturating_add(wanted), allocatable) {
                mean.add(score, *weight);
            }
        }
        Some(mean)
    }
}

#[derive(Default)]
struct Mean {
    sum: i64,
    weights: i64,
}

impl Mean {
    fn add(&mut self, score: i64, weight: i64) {
        self.sum = self.sum.saturating_add(score.saturating_mul(weight));
        self.weights = self.weights.saturating_add(weight);
    }

    fn floor(self) -> i64 {
        if self.weights == 0 { 0 } else { self.sum / self.weights }
    }
}

/// The score of `MostAllocated`. Assumed amounts may add up to more than there is.
fn fullness(used: i64, all: i64) -> i64 {
    share(used.min(all), all)
}

/// A part of what there is, in hundredths.
#[inline]
fn share(part: i64, all: i64) -> i64 {
    match part.checked_mul(MAX_NODE_SCORE) {
        Some(hundredfold) => hundredfold / all,
        None => share_of_much(part, all),
    }
}

/// Amounts of memory times 100 overflow 64 bits from 83 PiB on.
#[cold]
fn share_of_much(part: i64, all: i64) -> i64 {
    i64::try_from(i128::from(part) * i128::from(MAX_NODE_SCORE) / i128::from(all)).unwrap_or(0)
}

/// The score at a utilisation: constant before the first and after the last point, linear between, in integers.
fn broken_line(shape: &[ShapePoint], utilization: i64) -> i64 {
    let Some(last) = shape.last() else { return 0 };
    let Some(next) = shape.iter().position(|point| utilization <= point.utilization) else { return last.score };
    let (Some(before), to) = (next.checked_sub(1).map(|i| shape[i]), shape[next]) else { return shape[next].score };
    before.score
        + (to.score - before.score) * (utilization - before.utilization) / (to.utilization - before.utilization)
}

#[cfg(test)]
mod tests;
