//! One decision: filter, then score, then choose.

use crate::cluster::{Cluster, NodeInfo};
use crate::framework::{Attempt, FilterCycle, FitError, MAX_NODE_SCORE, PermitDecision, Profile, Refusal, Started};
use crate::inventory::Change;
use crate::model::Pod;
use std::sync::Arc;

/// Where a pod goes, and how that came about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placement {
    /// The node.
    pub node: String,
    /// How many nodes were looked at.
    pub evaluated: usize,
    /// How many of them could take the pod.
    pub feasible: usize,
    /// The weighted score of each plugin that had a say; empty when only one node was feasible.
    pub scores: Vec<(&'static str, i64)>,
}

/// Which of equally good nodes wins. Always a pure function of the seed, the pod and the tied nodes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ties {
    /// Another one for every pod, as if drawn at random.
    #[default]
    PerPod,
    /// The first in one order of all nodes, which the seed decides: ties fill one node after the other.
    NodeOrder,
}

/// Decides where pods go. Pure: it changes nothing, and the same state, pod and seed give the same decision.
///
/// Every node is considered, and ties are broken by a hash of the seed, the pod's uid and the node's name.
#[derive(Clone, Debug)]
pub struct Scheduler {
    profile: Profile,
    seed: u64,
    ties: Ties,
}

impl Scheduler {
    /// A scheduler with these plugins. The seed decides ties.
    pub fn new(profile: Profile, seed: u64) -> Self {
        Self { profile, seed, ties: Ties::default() }
    }

    /// With another rule for ties.
    #[must_use]
    pub fn with_ties(mut self, ties: Ties) -> Self {
        self.ties = ties;
        self
    }

    /// The plugins.
    pub fn profile(&self) -> &Profile {
        &self.profile
    }

    /// Where the pod goes.
    ///
    /// # Errors
    /// Why no node can take it, and which one could be cleared for it.
    pub fn schedule(&self, cluster: &Cluster, pod: &Pod) -> Result<Placement, Box<FitError>> {
        let mut fit_error = FitError { nodes: cluster.len(), ..FitError::default() };
        if cluster.is_empty() {
            return Err(Box::new(fit_error));
        }
        let (cycles, only) = match self.pre_filter(cluster, pod) {
            Ok(started) => started,
            Err(refusal) => {
                fit_error.pre_filter = Some(refusal);
                return Err(Box::new(fit_error));
            }
        };
        let mut feasible = Vec::new();
        match only {
            None => {
                for node in cluster.nodes() {
                    examine(cluster, &cycles, pod, node, &mut feasible, &mut fit_error);
                }
            }
            Some(names) => {
                for node in names.iter().filter_map(|name| cluster.node(name)) {
                    examine(cluster, &cycles, pod, node, &mut feasible, &mut fit_error);
                }
            }
        }
        if feasible.is_empty() {
            self.post_filter(cluster, pod, cycles, &mut fit_error);
            return Err(Box::new(fit_error));
        }
        let evaluated = feasible.len() + fit_error.refusals.len();
        Ok(self.choose(cluster, pod, &feasible, evaluated))
    }

    /// Reserve, then Permit: what remains to be asked once the pod is assumed on a node.
    ///
    /// # Errors
    /// The refusal of the first plugin that does not agree; whatever was reserved is given back.
    pub fn reserve(&self, cluster: &Cluster, pod: &Pod, node: &str) -> Result<PermitDecision, Refusal> {
        for plugin in &self.profile.reserves {
            if let Err(refusal) = plugin.reserve(cluster, pod, node) {
                self.unreserve(cluster, pod, node);
                return Err(refusal);
            }
        }
        let mut decision = PermitDecision::Allow;
        for plugin in &self.profile.permits {
            match plugin.permit(cluster, pod, node) {
                PermitDecision::Allow => {}
                PermitDecision::Wait(at_most) => {
                    decision = match decision {
                        PermitDecision::Wait(other) => PermitDecision::Wait(other.min(at_most)),
                        _ => PermitDecision::Wait(at_most),
                    };
                }
                PermitDecision::Deny(refusal) => {
                    self.unreserve(cluster, pod, node);
                    return Err(refusal);
                }
            }
        }
        Ok(decision)
    }

    /// The pod as it is once it is placed: on the node, with what Reserve plugins give it there.
    #[must_use]
    pub fn assume(&self, cluster: &Cluster, mut pod: Pod, node: &str) -> Pod {
        for plugin in &self.profile.reserves {
            plugin.assume(cluster, &mut pod, node);
        }
        pod.on(node)
    }

    /// What a placement changes besides the pod.
    ///
    /// # Errors
    /// The refusal of the first plugin that finds the placement impossible after all.
    pub fn changes(&self, cluster: &Cluster, pod: &Pod, node: &str) -> Result<Vec<Change>, Refusal> {
        let mut changes = Vec::new();
        for plugin in &self.profile.reserves {
            changes.extend(plugin.changes(cluster, pod, node)?);
        }
        Ok(changes)
    }

    /// The placement came to nothing.
    pub fn unreserve(&self, cluster: &Cluster, pod: &Pod, node: &str) {
        for plugin in self.profile.reserves.iter().rev() {
            plugin.unreserve(cluster, pod, node);
        }
    }

    /// PreBind, just before whoever drives the engine binds the pod.
    ///
    /// # Errors
    /// The refusal of the first plugin that does not agree.
    pub fn pre_bind(&self, pod: &Pod, node: &str) -> Result<(), Refusal> {
        self.profile.pre_binds.iter().try_for_each(|plugin| plugin.pre_bind(pod, node))
    }

    /// PostBind, just after.
    pub fn post_bind(&self, pod: &Pod, node: &str) {
        for plugin in &self.profile.post_binds {
            plugin.post_bind(pod, node);
        }
    }

    fn pre_filter<'a>(&'a self, cluster: &Cluster, pod: &Pod) -> Result<Cycles<'a>, Refusal> {
        let mut cycles: Vec<Box<dyn FilterCycle + 'a>> = Vec::with_capacity(self.profile.filters.len());
        let mut only: Option<Vec<String>> = None;
        for plugin in &self.profile.filters {
            match plugin.start(cluster, pod) {
                Started::Skip => {}
                Started::Run(cycle) => cycles.push(cycle),
                Started::Only(names, cycle) => {
                    cycles.push(cycle);
                    let names = match only.take() {
                        Some(before) => before.into_iter().filter(|name| names.contains(name)).collect(),
                        None => names,
                    };
                    if names.is_empty() {
                        return Err(Refusal::unresolvable(
                            plugin.name(),
                            "node(s) didn't satisfy plugin(s) simultaneously",
                        ));
                    }
                    only = Some(names);
                }
                Started::Refuse(refusal) => return Err(refusal),
            }
        }
        Ok((cycles, only))
    }

    fn post_filter<'a>(
        &'a self,
        cluster: &'a Cluster,
        pod: &'a Pod,
        cycles: Vec<Box<dyn FilterCycle + 'a>>,
        error: &mut FitError,
    ) {
        let attempt = Attempt { cluster, pod, cycles, refusals: &error.refusals };
        let mut messages = Vec::new();
        let mut nomination = None;
        for plugin in &self.profile.post_filters {
            match plugin.post_filter(&attempt) {
                Ok(found) => {
                    nomination = Some(found);
                    break;
                }
                Err(message) => messages.push(message),
            }
        }
        drop(attempt);
        error.nomination = nomination;
        if error.nomination.is_none() && !messages.is_empty() {
            error.post_filter = Some(messages.join(", "));
        }
    }

    fn choose(&self, cluster: &Cluster, pod: &Pod, feasible: &[&NodeInfo], evaluated: usize) -> Placement {
        let name = |index: usize| feasible[index].node().name.to_string();
        if let [_] = feasible {
            return Placement { node: name(0), evaluated, feasible: 1, scores: Vec::new() };
        }
        let mut totals = vec![0i64; feasible.len()];
        let mut columns: Vec<(&'static str, Vec<i64>)> = Vec::with_capacity(self.profile.scores.len());
        for (plugin, weight) in &self.profile.scores {
            let mut scores = Vec::new();
            if plugin.run(cluster, pod, feasible, &mut scores) {
                for (total, score) in totals.iter_mut().zip(&mut scores) {
                    // A plugin whose scores are out of range must not drown the others.
                    *score = (*score).clamp(0, MAX_NODE_SCORE) * weight;
                    *total += *score;
                }
                columns.push((plugin.name(), scores));
            }
        }
        // In one order for all pods, the pod has no part in the hash.
        let uid = match self.ties {
            Ties::PerPod => &*pod.uid,
            Ties::NodeOrder => "",
        };
        let best = (0..feasible.len())
            .max_by_key(|&i| (totals[i], tie_break(self.seed, uid, &feasible[i].node().name)))
            .expect("at least two nodes are feasible");
        Placement {
            node: name(best),
            evaluated,
            feasible: feasible.len(),
            scores: columns.into_iter().map(|(plugin, scores)| (plugin, scores[best])).collect(),
        }
    }
}

type Cycles<'a> = (Vec<Box<dyn FilterCycle + 'a>>, Option<Vec<String>>);

fn examine<'a>(
    cluster: &Cluster,
    cycles: &[Box<dyn FilterCycle + '_>],
    pod: &Pod,
    node: &'a NodeInfo,
    feasible: &mut Vec<&'a NodeInfo>,
    error: &mut FitError,
) {
    match run_filters(cluster, cycles, pod, node) {
        Ok(()) => feasible.push(node),
        Err(refusal) => error.refusals.push((node.node().name.clone(), refusal)),
    }
}

/// A node must take the pod as it is, and also with the pods that were promised room on it and are at least as important.
pub(crate) fn run_filters(
    cluster: &Cluster,
    cycles: &[Box<dyn FilterCycle + '_>],
    pod: &Pod,
    node: &NodeInfo,
) -> Result<(), Refusal> {
    let nominated: Vec<&Arc<Pod>> = cluster
        .nominated(&node.node().name)
        .iter()
        .filter(|other| other.priority >= pod.priority && other.uid != pod.uid)
        .collect();
    if !nominated.is_empty() {
        let mut forked: Vec<_> = cycles.iter().map(|cycle| cycle.fork()).collect();
        let mut with_them = node.clone();
        for other in nominated {
            with_them.add(other.clone());
            for cycle in &mut forked {
                cycle.add_pod(pod, other, &with_them, cluster);
            }
        }
        forked.iter().try_for_each(|cycle| cycle.filter(pod, &with_them))?;
    }
    cycles.iter().try_for_each(|cycle| cycle.filter(pod, node))
}

/// FNV-1a over the seed, the pod and the node: cheap, stable over releases and platforms.
fn tie_break(seed: u64, pod: &str, node: &str) -> u64 {
    let bytes = seed.to_le_bytes().into_iter().chain(pod.bytes()).chain([0]).chain(node.bytes());
    let hash =
        bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    // The low bits of FNV mix well and the high ones do not; fold them so that a comparison sees all.
    hash ^ (hash << 32)
}

#[cfg(test)]
mod tests;
