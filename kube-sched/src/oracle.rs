//! The plain evaluation: every plugin is asked about every node, anew for every pod.
//!
//! This is what a decision means. The fast path ([`engine`](crate::engine)) must give the same; what it cannot keep, and
//! the reasons for people, come from here. A plugin that panics has failed: its answer is a refusal with
//! [`Code::Error`](crate::framework::Code::Error), and no other plugin notices.

use crate::cluster::{Cluster, NodeInfo, Position};
use crate::framework::{
    Attempt, FilterCycle, FitError, MAX_NODE_SCORE, Profile, Refusal, Refusals, ScoreCycle, Started as Verdict, guard,
};
use crate::model::Pod;
use std::sync::Arc;

/// What PreFilter found.
#[derive(Debug, Default)]
pub(crate) struct Started {
    pub(crate) cycles: Vec<Box<dyn FilterCycle>>,
    pub(crate) only: Option<Only>,
}

/// The only nodes that are to be looked at.
#[derive(Debug, Default)]
pub(crate) struct Only {
    pub(crate) nodes: Vec<String>,
    /// The plugins that named them.
    plugins: Vec<&'static str>,
}

impl Only {
    /// Leaves those that another plugin names too; an error when none is left. The texts are kube-scheduler's.
    fn and(mut self, plugin: &'static str, nodes: Vec<String>) -> Result<Self, Refusal> {
        let first = self.plugins.is_empty();
        self.nodes = if first { nodes } else { self.nodes.into_iter().filter(|name| nodes.contains(name)).collect() };
        self.plugins.push(plugin);
        match self.nodes.is_empty() {
            false => Ok(self),
            true if first => Err(Refusal::unresolvable(plugin, format!("node(s) didn't satisfy plugin {plugin}"))),
            true => Err(Refusal::unresolvable(plugin, format!("{} simultaneously", self.reason()))),
        }
    }

    fn reason(&self) -> String {
        let mut plugins = self.plugins.clone();
        plugins.sort_unstable();
        format!("node(s) didn't satisfy plugin(s) [{}]", plugins.join(" "))
    }
}

/// What filtering found.
#[derive(Debug, Default)]
pub(crate) struct Filtered<'a> {
    pub(crate) cycles: Vec<Box<dyn FilterCycle>>,
    pub(crate) feasible: Vec<&'a NodeInfo>,
    pub(crate) refusals: Refusals,
}

/// Asks all filters about all nodes; with a sample, until so many feasible ones are found, from the node of this number on.
pub(crate) fn filter<'a>(
    profile: &Profile,
    cluster: &'a Cluster,
    pod: &Pod,
    sample: Option<(usize, usize)>,
) -> Result<Filtered<'a>, Refusal> {
    let Started { cycles, only } = pre_filter(profile, cluster, pod)?;
    let table = cluster.table();
    let mut feasible = Vec::new();
    // Names of all nodes are taken down when one refuses: a pod for one node costs nothing for the others.
    let mut refusals: Option<Refusals> = None;
    let no_refusals = || Refusals::new(table.names());
    let (wanted, first) = sample.unwrap_or((usize::MAX, 0));
    let nodes: Box<dyn Iterator<Item = Position>> = match &only {
        None => Box::new(table.live().skip(first).chain(table.live().take(first))),
        Some(only) => Box::new(only.nodes.iter().filter_map(|name| table.find(name))),
    };
    for position in nodes {
        let node = &**table.info(position);
        match run_filters(cluster, &cycles, pod, node, Some(&pod.uid)) {
            Ok(()) => feasible.push(node),
            Err(refusal) => refusals.get_or_insert_with(no_refusals).set(position as usize, Some(refusal)),
        }
        if feasible.len() >= wanted {
            break;
        }
    }
    if let Some(only) = only.filter(|_| feasible.is_empty()) {
        let others = table.live().map(|position| position as usize);
        let refusal = Refusal::unresolvable(only.plugins[0], only.reason());
        refusals.get_or_insert_with(no_refusals).set_rest(others, refusal);
    }
    Ok(Filtered { cycles, feasible, refusals: refusals.unwrap_or_default() })
}

/// Asks all filters about the nodes of these names, while PreFilter sees all: those that take the pod, and why the others
/// refuse it.
pub(crate) fn filter_within<'a>(
    profile: &Profile,
    cluster: &'a Cluster,
    pod: &Pod,
    nodes: &[Arc<str>],
) -> Result<(Vec<&'a NodeInfo>, Refusals), Refusal> {
    let Started { cycles, only } = pre_filter(profile, cluster, pod)?;
    let (mut feasible, mut refusals) = (Vec::new(), Vec::new());
    for node in nodes.iter().filter_map(|name| cluster.node(name)) {
        let name = &node.node().name;
        let verdict = match &only {
            Some(only) if !only.nodes.iter().any(|named| **named == **name) => {
                Err(Refusal::unresolvable(only.plugins[0], only.reason()))
            }
            _ => run_filters(cluster, &cycles, pod, node, Some(&pod.uid)),
        };
        match verdict {
            Ok(()) => feasible.push(node),
            Err(refusal) => refusals.push((name.clone(), refusal)),
        }
    }
    // Where one node takes the pod nobody asks why others do not.
    let refusals = if feasible.is_empty() { refusals.into_iter().collect() } else { Refusals::default() };
    Ok((feasible, refusals))
}

/// Starts all filters on a pod.
pub(crate) fn pre_filter(profile: &Profile, cluster: &Cluster, pod: &Pod) -> Result<Started, Refusal> {
    let mut started = Started { cycles: Vec::with_capacity(profile.filters.len()), only: None };
    for plugin in &profile.filters {
        match guard(plugin.name(), || plugin.clone().start(cluster, pod))? {
            Verdict::Skip => {}
            // Those that need not be looked at say yes.
            Verdict::Run(cycle) | Verdict::AllBut(_, cycle) => started.cycles.push(cycle),
            Verdict::Only(names, cycle) => {
                started.cycles.push(cycle);
                started.only = Some(started.only.unwrap_or_default().and(plugin.name(), names)?);
            }
            Verdict::Refuse(refusal) => return Err(refusal),
        }
    }
    Ok(started)
}

/// A node must take the pod as it is, and also with the pods that were promised room on it. A promise to the pod itself,
/// which `itself` names, takes no room.
pub(crate) fn run_filters(
    cluster: &Cluster,
    cycles: &[Box<dyn FilterCycle>],
    pod: &Pod,
    node: &NodeInfo,
    itself: Option<&str>,
) -> Result<(), Refusal> {
    beside_nominated(cluster, cycles, pod, node, itself)?;
    ask(cycles, pod, node)
}

/// Whether a node takes the pod beside the pods that were promised room on it and are at least as important.
pub(crate) fn beside_nominated(
    cluster: &Cluster,
    cycles: &[Box<dyn FilterCycle>],
    pod: &Pod,
    node: &NodeInfo,
    itself: Option<&str>,
) -> Result<(), Refusal> {
    let promised = cluster.nominated(&node.node().name).iter();
    let mut promised =
        promised.filter(|other| other.priority >= pod.priority && Some(&*other.uid) != itself).peekable();
    if promised.peek().is_none() {
        return Ok(());
    }
    let mut forked: Vec<_> = cycles.iter().map(|cycle| cycle.fork()).collect();
    let mut with_them = node.clone();
    for other in promised {
        with_them.add(other.clone());
        for cycle in &mut forked {
            guard(cycle.name(), || cycle.add_pod(pod, other, &with_them, cluster))?;
        }
    }
    ask(&forked, pod, &with_them)
}

fn ask(cycles: &[Box<dyn FilterCycle>], pod: &Pod, node: &NodeInfo) -> Result<(), Refusal> {
    cycles.iter().try_for_each(|cycle| guard(cycle.name(), || cycle.filter(pod, node))?)
}

/// Scores of the feasible nodes.
#[derive(Debug)]
pub(crate) struct Scored {
    /// In the order of the nodes.
    pub(crate) totals: Vec<i64>,
    /// The weighted scores of each plugin that had a say, in the order of the nodes.
    pub(crate) columns: Vec<(&'static str, Vec<i64>)>,
}

/// Asks all scores about the feasible nodes.
pub(crate) fn score(
    profile: &Profile,
    cluster: &Cluster,
    pod: &Pod,
    feasible: &[&NodeInfo],
) -> Result<Scored, Refusal> {
    let mut totals = vec![0i64; feasible.len()];
    let mut columns = Vec::with_capacity(profile.scores.len());
    for (plugin, weight) in &profile.scores {
        let name = plugin.name();
        let scores = guard(name, || {
            let cycle: Box<dyn ScoreCycle> = plugin.clone().start(cluster, pod, feasible)?;
            let mut scores: Vec<i64> = feasible.iter().map(|node| cycle.score(pod, node)).collect();
            cycle.normalize(feasible, &mut scores);
            Some(scores)
        })?;
        let Some(mut scores) = scores else { continue };
        for (total, score) in totals.iter_mut().zip(&mut scores) {
            // A plugin whose scores are out of range must not drown the others.
            *score = (*score).clamp(0, MAX_NODE_SCORE).saturating_mul(*weight);
            *total = total.saturating_add(*score);
        }
        columns.push((name, scores));
    }
    Ok(Scored { totals, columns })
}

/// What every plugin says of every node, for one pod.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Explanation {
    /// A plugin that refused every node at once, before any was looked at.
    pub pre_filter: Option<Refusal>,
    /// Per node that was looked at, in the order of names.
    pub nodes: Vec<NodeExplanation>,
}

/// What every plugin says of one node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeExplanation {
    /// The node.
    pub node: Arc<str>,
    /// The first plugin that refused it, and why; `None` for a feasible node.
    pub refusal: Option<Refusal>,
    /// The weighted score of each plugin that had a say; empty for a node that was refused.
    pub scores: Vec<(&'static str, i64)>,
    /// Their sum: the feasible node with the largest is chosen.
    pub total: i64,
}

/// Asks everything, and keeps all answers.
pub(crate) fn explain(profile: &Profile, cluster: &Cluster, pod: &Pod) -> Explanation {
    let refused = |refusal| Explanation { pre_filter: Some(refusal), nodes: Vec::new() };
    let found = match filter(profile, cluster, pod, None) {
        Ok(found) => found,
        Err(refusal) => return refused(refusal),
    };
    let scored = match score(profile, cluster, pod, &found.feasible) {
        Ok(scored) => scored,
        Err(refusal) => return refused(refusal),
    };
    let feasible = found.feasible.iter().enumerate().map(|(i, node)| NodeExplanation {
        node: node.node().name.clone(),
        refusal: None,
        scores: scored.columns.iter().map(|(plugin, scores)| (*plugin, scores[i])).collect(),
        total: scored.totals[i],
    });
    let refusals = found.refusals.iter().map(|(node, refusal)| NodeExplanation {
        node: node.clone(),
        refusal: Some(refusal.clone()),
        scores: Vec::new(),
        total: 0,
    });
    let mut nodes: Vec<NodeExplanation> = feasible.chain(refusals).collect();
    nodes.sort_by(|a, b| a.node.cmp(&b.node));
    Explanation { pre_filter: None, nodes }
}

/// Why no node takes a pod that all of them refuse, and which one could be cleared for it.
pub(crate) fn nowhere(profile: &Profile, attempt: &Attempt<'_>) -> FitError {
    let mut error =
        FitError { nodes: attempt.cluster.len(), refusals: attempt.refusals.clone(), ..FitError::default() };
    let mut messages = Vec::new();
    for plugin in &profile.post_filters {
        match plugin.post_filter(attempt) {
            Ok(nomination) => {
                error.nomination = Some(nomination);
                return error;
            }
            Err(message) => messages.push(message),
        }
    }
    error.post_filter = (!messages.is_empty()).then(|| messages.join(", "));
    error
}
