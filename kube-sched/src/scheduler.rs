//! One decision: filter, then score, then choose.

use crate::cluster::{Cluster, NodeInfo};
use crate::engine::{Decision, Engine};
#[cfg(feature = "driver")]
use crate::framework::Victims;
use crate::framework::{Attempt, FitError, PERMIT_WAIT_MAX, PermitDecision, Profile, Refusal, Refusals};
use crate::inventory::Change;
use crate::model::Pod;
use crate::oracle::{self, Explanation};
use std::sync::Arc;
use std::time::Duration;

/// Where a pod goes, and how that came about. [`Scheduler::explain`] tells the scores.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placement {
    /// The node.
    pub node: Arc<str>,
    /// How many nodes were looked at.
    pub evaluated: usize,
    /// How many of them could take the pod.
    pub feasible: usize,
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
/// Every node is considered. Of n tied nodes, in the order of their names, the k-th wins, where k is a hash of the seed and
/// the pod's uid, modulo n.
///
/// What plugins say of nodes is kept from one decision to the next, as long as their declarations allow
/// ([`Depends`](crate::framework::Depends)), and only nodes that changed are asked about again. Decisions on a cluster and
/// its forks share what is kept. One scheduler decides on one pod at a time; a clone keeps its own.
#[derive(Clone, Debug)]
pub struct Scheduler {
    profile: Profile,
    seed: u64,
    ties: Ties,
    engine: Engine,
}

impl Scheduler {
    /// A scheduler with these plugins. The seed decides ties.
    pub fn new(profile: Profile, seed: u64) -> Self {
        Self { profile, seed, ties: Ties::default(), engine: Engine::default() }
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
    #[expect(clippy::missing_panics_doc, reason = "the engine knows positions of nodes only")]
    pub fn schedule(&self, cluster: &Cluster, pod: &Pod) -> Result<Placement, Box<FitError>> {
        if self.profile.sample(cluster.len()).is_some() {
            return self.schedule_naively(cluster, pod);
        }
        let tie = match self.ties {
            Ties::PerPod => Tie::Nth(hash(self.seed, &pod.uid)),
            Ties::NodeOrder => Tie::Order(self.seed),
        };
        match self.engine.decide(&self.profile, cluster, pod, tie) {
            Decision::Node { position, feasible } => {
                cluster.table().expect(position);
                // The node itself lies further away than its name.
                let node = cluster.table().name(position).expect("the engine knows positions of nodes only").clone();
                Ok(Placement { node, evaluated: cluster.len(), feasible })
            }
            Decision::Nowhere(error) => Err(error),
            Decision::Unknown => self.schedule_naively(cluster, pod),
        }
    }

    /// Where the pod goes, by asking every plugin about every node: the same as [`Scheduler::schedule`], at the cost of all
    /// nodes. This is what a decision means; tests hold the fast path against it.
    ///
    /// # Errors
    /// Why no node can take it, and which one could be cleared for it.
    pub fn schedule_naively(&self, cluster: &Cluster, pod: &Pod) -> Result<Placement, Box<FitError>> {
        let refused = |refusal| FitError { nodes: cluster.len(), pre_filter: refusal, ..FitError::default() };
        if cluster.is_empty() {
            return Err(Box::new(refused(None)));
        }
        let sample = self.profile.sample(cluster.len());
        let sample = sample.map(|wanted| (wanted, nth(hash(self.seed, &pod.uid), cluster.len())));
        let found =
            oracle::filter(&self.profile, cluster, pod, sample).map_err(|refusal| Box::new(refused(Some(refusal))))?;
        if found.feasible.is_empty() {
            let attempt = Attempt { cluster, pod, cycles: &found.cycles, refusals: &found.refusals, kept: None };
            return Err(Box::new(oracle::nowhere(&self.profile, &attempt)));
        }
        let evaluated = found.feasible.len() + found.refusals.len();
        match self.choose(cluster, pod, &found.feasible) {
            Ok(node) => Ok(Placement { node, evaluated, feasible: found.feasible.len() }),
            Err(refusal) => Err(Box::new(refused(Some(refusal)))),
        }
    }

    /// Where the pod goes of the nodes of these names, while plugins see all nodes; nobody goes for it.
    ///
    /// # Errors
    /// Why none of these can take it.
    pub(crate) fn schedule_within(
        &self,
        cluster: &Cluster,
        pod: &Pod,
        nodes: &[Arc<str>],
    ) -> Result<Placement, Box<FitError>> {
        let refused = |pre_filter, refusals| {
            Box::new(FitError { nodes: nodes.len(), pre_filter, refusals, ..FitError::default() })
        };
        let (feasible, refusals) = oracle::filter_within(&self.profile, cluster, pod, nodes)
            .map_err(|refusal| refused(Some(refusal), Refusals::default()))?;
        if feasible.is_empty() {
            return Err(refused(None, refusals));
        }
        match self.choose(cluster, pod, &feasible) {
            Ok(node) => Ok(Placement { node, evaluated: nodes.len(), feasible: feasible.len() }),
            Err(refusal) => Err(refused(Some(refusal), Refusals::default())),
        }
    }

    /// How many decisions of this scheduler did not have to ask all plugins about all nodes.
    pub fn kept_decisions(&self) -> u64 {
        self.engine.kept()
    }

    /// What every plugin says of every node: per node the one that refused it and why, or the score of each. For people and
    /// tests; it costs what [`Scheduler::schedule_naively`] does.
    pub fn explain(&self, cluster: &Cluster, pod: &Pod) -> Explanation {
        oracle::explain(&self.profile, cluster, pod)
    }

    /// Whether a node takes the pod: PreFilter, and Filter on this node.
    ///
    /// # Errors
    /// The refusal of the first plugin that does not agree.
    pub fn fits(&self, cluster: &Cluster, pod: &Pod, node: &str) -> Result<(), Refusal> {
        let gone = || Refusal::unresolvable("NodeName", "node(s) didn't match the requested node name");
        let info = cluster.node(node).ok_or_else(gone)?;
        let started = oracle::pre_filter(&self.profile, cluster, pod)?;
        if started.only.is_some_and(|only| !only.nodes.iter().any(|name| name == node)) {
            return Err(gone());
        }
        oracle::run_filters(cluster, &started.cycles, pod, info, Some(&pod.uid))
    }

    /// PostFilter for a pod that found no node, where others than plugins had a say too.
    #[cfg(feature = "driver")]
    pub(crate) fn post_filter_for(&self, cluster: &Cluster, pod: &Pod, error: &mut FitError) {
        if let Some(found) = self.retry(cluster, pod, error, |attempt| oracle::nowhere(&self.profile, attempt)) {
            *error = found;
        }
    }

    /// The nodes that could be cleared for a pod that no node takes, with what would have to go from each: what extenders
    /// choose among. None where the plugin that nominates a node offers no choice.
    #[cfg(feature = "driver")]
    pub(crate) fn candidates(&self, cluster: &Cluster, pod: &Pod, error: &FitError) -> Vec<(Arc<str>, Arc<Victims>)> {
        // A plugin that nominated another node, or none, has no say in it.
        let nominated = error.nomination.as_ref().map(|nomination| nomination.node.as_str());
        let offered = |attempt: &Attempt<'_>| {
            let mut offers = self.profile.post_filters.iter().map(|plugin| plugin.candidates(attempt));
            offers.find(|offer| offer.iter().any(|(node, _)| Some(&**node) == nominated))
        };
        self.retry(cluster, pod, error, offered).flatten().unwrap_or_default()
    }

    /// Asks something about the attempt that ended with an error; `None` where PreFilter refuses the pod by now.
    #[cfg(feature = "driver")]
    fn retry<T>(
        &self,
        cluster: &Cluster,
        pod: &Pod,
        error: &FitError,
        ask: impl FnOnce(&Attempt<'_>) -> T,
    ) -> Option<T> {
        let started = oracle::pre_filter(&self.profile, cluster, pod).ok()?;
        let mut refusals = Refusals::new(cluster.table().names());
        for (name, refusal) in error.refusals.iter() {
            if let Some(position) = cluster.table().find(name) {
                refusals.set(position as usize, Some(refusal.clone()));
            }
        }
        Some(ask(&Attempt { cluster, pod, cycles: &started.cycles, refusals: &refusals, kept: None }))
    }

    /// Which of equal nodes is drawn for a pod.
    pub(crate) fn tie(&self, pod: &Pod) -> u64 {
        hash(self.seed, &pod.uid)
    }

    /// Reserve: what remains to be asked before the pod is assumed on a node.
    ///
    /// # Errors
    /// The refusal of the first plugin that does not agree; whatever was reserved is given back.
    pub fn reserve(&self, cluster: &Cluster, pod: &Pod, node: &str) -> Result<(), Refusal> {
        for plugin in &self.profile.reserves {
            if let Err(refusal) = plugin.reserve(cluster, pod, node) {
                self.unreserve(cluster, pod, node);
                return Err(refusal);
            }
        }
        Ok(())
    }

    /// Permit: the plugins that want the pod to wait before it is bound, each at most so long; none when it may be bound
    /// now.
    ///
    /// # Errors
    /// The refusal of the first plugin that denies it. What was reserved is then to be given back ([`Scheduler::unreserve`]), as
    /// when the waiting ends in vain.
    pub fn permit(&self, cluster: &Cluster, pod: &Pod, node: &str) -> Result<Vec<(&'static str, Duration)>, Refusal> {
        let mut waits = Vec::new();
        for plugin in &self.profile.permits {
            match plugin.permit(cluster, pod, node) {
                PermitDecision::Allow => {}
                PermitDecision::Wait(at_most) => waits.push((plugin.name(), at_most.min(PERMIT_WAIT_MAX))),
                PermitDecision::Deny(refusal) => return Err(refusal),
            }
        }
        Ok(waits)
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

    fn choose(&self, cluster: &Cluster, pod: &Pod, feasible: &[&NodeInfo]) -> Result<Arc<str>, Refusal> {
        if let [only] = feasible {
            return Ok(only.node().name.clone());
        }
        let totals = oracle::score(&self.profile, cluster, pod, feasible)?.totals;
        let best = totals.iter().copied().max().expect("at least two nodes are feasible");
        let mut tied: Vec<&Arc<str>> = feasible
            .iter()
            .zip(totals)
            .filter(|(_, total)| *total == best)
            .map(|(node, _)| &node.node().name)
            .collect();
        tied.sort_unstable();
        let chosen = match self.ties {
            Ties::PerPod => tied[nth(hash(self.seed, &pod.uid), tied.len())],
            Ties::NodeOrder => {
                tied.into_iter().max_by_key(|name| hash(self.seed, name)).expect("the best is tied with itself")
            }
        };
        Ok(chosen.clone())
    }
}

/// How one of several equal nodes is chosen.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Tie {
    /// In the order of names the one of this number, modulo their number.
    Nth(u64),
    /// The one whose name has the greatest hash with this seed.
    Order(u64),
}

/// Which of `count` is meant.
pub(crate) fn nth(hash: u64, count: usize) -> usize {
    usize::try_from(hash % count as u64).expect("a remainder is below its divisor")
}

/// FNV-1a over the seed and a name, with the finalizer of MurmurHash3: cheap, well mixed, stable over releases and
/// platforms.
pub(crate) fn hash(seed: u64, name: &str) -> u64 {
    let bytes = seed.to_le_bytes().into_iter().chain(name.bytes());
    let mut hash =
        bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    for factor in [0xff51_afd7_ed55_8ccd_u64, 0xc4ce_b9fe_1a85_ec53] {
        hash = (hash ^ (hash >> 33)).wrapping_mul(factor);
    }
    hash ^ (hash >> 33)
}

#[cfg(test)]
mod tests;
