//! One class of pods: the plugins that have a say about it, and what they say of every node.

use super::domains::Domains;
use super::groups::{Groups, Verdict};
use super::index::{Index, NONE};
use super::log::Log;
use crate::cluster::{CHUNK, Cluster, NodeInfo, NodeRow, Position};
use crate::framework::{Depends, DynScore, FilterCycle, MAX_NODE_SCORE, Profile, ScoreCycle, Started};
use crate::model::{Pod, Selector};
use crate::scheduler::{Tie, hash, nth};
use std::sync::Arc;

/// What a class keeps of plugins at work.
#[derive(Debug, Default)]
struct Plugins {
    /// Filters that look at the node's object alone.
    fixed_filters: Vec<Box<dyn FilterCycle>>,
    /// Filters that look at the node and its pods.
    node_filters: Vec<Box<dyn FilterCycle>>,
    /// Scores that are final for a node, with weights.
    node_scores: Vec<(Box<dyn ScoreCycle>, i64)>,
}

/// One class of pods.
#[derive(Debug)]
pub(super) struct Class {
    /// One of its pods.
    pub(super) pod: Arc<Pod>,
    pub(super) hash: u64,
    /// When it was last used, in decisions.
    pub(super) used: u64,
    plugins: Plugins,
    groups: Groups,
    domains: Option<Domains>,
    /// The selector of pods like it, where default spreading has one.
    pub(super) alike: Selector,
    index: Index,
    /// Up to where in the log the index is right; `None` before it was made.
    synced: Option<u64>,
    /// The version of the objects of nodes that the plugins started on.
    specs: u64,
    /// Whether a plugin depends on all of them.
    sees_all_specs: bool,
    /// Scores that had no say, which another kind of nodes may give them.
    silent: Vec<Arc<dyn DynScore>>,
}

/// A class cannot be kept: a plugin has to be asked anew for every decision, or refuses all nodes.
#[derive(Debug)]
pub(super) struct Unkept;

impl Class {
    /// A class with this pod in it; nothing is computed for nodes yet.
    pub(super) fn new(
        profile: &Profile,
        cluster: &Cluster,
        pod: &Pod,
        (hash, alike): (u64, Selector),
    ) -> Result<Self, Unkept> {
        let pod = &Arc::new(pod.clone());
        let mut class = Self {
            pod: pod.clone(),
            domains: Domains::new(profile, cluster, pod),
            alike,
            hash,
            used: 0,
            plugins: Plugins::default(),
            groups: Groups::default(),
            index: Index::default(),
            synced: None,
            specs: cluster.versions().0,
            sees_all_specs: false,
            silent: Vec::new(),
        };
        for plugin in &profile.filters {
            class.start_filter(plugin.depends(pod), || plugin.clone().start(cluster, pod))?;
        }
        // One node of each kind stands for all of them.
        let feasible = super::groups::representatives(cluster);
        for (plugin, weight) in &profile.scores {
            let depends = plugin.depends(pod);
            if depends == Depends::Anything {
                return Err(Unkept);
            }
            if matches!(depends, Depends::Domains(_)) {
                continue;
            }
            if depends == Depends::NodeSpecs {
                class.sees_all_specs = true;
            }
            let Some(cycle) = plugin.clone().start(cluster, pod, &feasible) else {
                class.silent.push(plugin.clone());
                continue;
            };
            match depends {
                Depends::Profile => class.groups.add_score(cycle, *weight, false),
                Depends::Spec => class.groups.add_score(cycle, *weight, true),
                Depends::Node | Depends::NodeSpecs => class.plugins.node_scores.push((cycle, *weight)),
                Depends::Anything | Depends::Domains(_) => return Err(Unkept),
            }
        }
        Ok(class)
    }

    fn start_filter(&mut self, depends: Depends, start: impl FnOnce() -> Started) -> Result<(), Unkept> {
        match depends {
            Depends::Anything => return Err(Unkept),
            Depends::Domains(_) => return Ok(()),
            _ => {}
        }
        let cycle = match start() {
            Started::Skip => return Ok(()),
            Started::Run(cycle) => cycle,
            Started::Only(..) | Started::Refuse(_) => return Err(Unkept),
        };
        match depends {
            Depends::Profile => self.plugins.fixed_filters.push(cycle),
            Depends::Spec | Depends::Node => self.plugins.node_filters.push(cycle),
            Depends::Anything | Depends::NodeSpecs | Depends::Domains(_) => return Err(Unkept),
        }
        Ok(())
    }

    /// Whether what its plugins started on still holds.
    pub(super) fn holds(&mut self, cluster: &Cluster) -> bool {
        let (specs, _) = cluster.versions();
        if specs == self.specs {
            return true;
        }
        if self.sees_all_specs {
            return false;
        }
        self.specs = specs;
        if self.silent.is_empty() {
            return true;
        }
        let feasible = super::groups::representatives(cluster);
        self.silent.iter().all(|plugin| plugin.clone().start(cluster, &self.pod, &feasible).is_none())
    }

    /// Forgets what is known of nodes.
    pub(super) fn forget(&mut self) {
        self.synced = None;
    }

    /// Brings the index to the present state of the cluster.
    pub(super) fn follow(&mut self, cluster: &Cluster, log: &Log) {
        self.follow_domains(cluster, log);
        let missed = self.synced.and_then(|synced| log.since(synced));
        match missed {
            // Evaluating a node out of order costs about three times as much as one in a row.
            Some(missed) if missed.len() <= cluster.len() / 3 + 16 => {
                for position in missed {
                    self.look(cluster, position, None);
                }
                self.shift();
            }
            _ => self.rebuild(cluster),
        }
        self.synced = Some(log.end());
    }

    fn follow_domains(&mut self, cluster: &Cluster, log: &Log) {
        let Some(domains) = &mut self.domains else { return };
        if !domains.are_needed(cluster) {
            domains.forget();
            return;
        }
        match self.synced.and_then(|synced| log.since(synced)) {
            Some(missed) if domains.holds(cluster) => missed.for_each(|position| domains.look(cluster, position)),
            _ => domains.rebuild(cluster),
        }
    }

    /// Looks at one node again; for `itself`, a promise to that pod takes no room.
    fn look(&mut self, cluster: &Cluster, position: Position, itself: Option<&str>) {
        let Some(row) = cluster.table().row(position) else { return };
        let at = position as usize;
        let verdict = self.evaluate(cluster, row, cluster.table().info(position), itself);
        let score = self.groups.set(at, self.index.get(at) != NONE, verdict);
        self.index.set(at, score.unwrap_or(NONE));
    }

    /// Adds to all scores what normalisation has changed.
    fn shift(&mut self) {
        let Some(shifts) = self.groups.shifts() else { return };
        let scores = self.index.scores().iter().enumerate();
        let shifted = scores.map(|(at, score)| if *score == NONE { NONE } else { score + shifts[self.groups.at(at)] });
        self.index.fill(shifted.collect());
    }

    fn rebuild(&mut self, cluster: &Cluster) {
        let mut verdicts = Vec::with_capacity(cluster.table().positions());
        for (rows, infos) in cluster.table().chunks() {
            for (row, info) in rows.iter().zip(infos) {
                verdicts.push(self.evaluate(cluster, row, info, None));
            }
            verdicts.resize(verdicts.len().next_multiple_of(CHUNK), None);
        }
        let scores = self.groups.fill(&verdicts);
        self.index.fill(scores.into_iter().map(|score| score.unwrap_or(NONE)).collect());
    }

    /// What the plugins say of a node: its group and its own score; `None` when it cannot take the pod.
    fn evaluate(&mut self, cluster: &Cluster, row: &NodeRow, info: &Arc<NodeInfo>, itself: Option<&str>) -> Verdict {
        if row.is_gone() {
            return None;
        }
        let group = self.groups.of(&self.plugins.fixed_filters, &self.pod, row, info)?;
        let pod = &*self.pod;
        for filter in &self.plugins.node_filters {
            if !filter.filter_row(pod, row).unwrap_or_else(|| filter.filter(pod, info).is_ok()) {
                return None;
            }
        }
        if cluster.has_nominations() && !self.fits_beside_nominated(cluster, info, itself) {
            return None;
        }
        let mut score = 0;
        for (plugin, weight) in &self.plugins.node_scores {
            let raw = plugin.score_row(pod, row).unwrap_or_else(|| plugin.score(pod, info));
            score += raw.clamp(0, MAX_NODE_SCORE) * weight;
        }
        Some((group, i16::try_from(score).expect("the engine takes no profile with larger weights")))
    }

    /// Whether the node takes the pod also with the pods that are promised room on it and are at least as important, but
    /// for one that is the pod itself.
    fn fits_beside_nominated(&self, cluster: &Cluster, info: &NodeInfo, itself: Option<&str>) -> bool {
        let pod = &*self.pod;
        let promised = cluster.nominated(&info.node().name).iter();
        let mut promised =
            promised.filter(|other| other.priority >= pod.priority && Some(&*other.uid) != itself).peekable();
        if promised.peek().is_none() {
            return true;
        }
        let mut with_them = info.clone();
        let mut cycles: Vec<_> = self.plugins.node_filters.iter().map(|cycle| cycle.fork()).collect();
        for other in promised {
            with_them.add(other.clone());
            for cycle in &mut cycles {
                cycle.add_pod(pod, other, &with_them, cluster);
            }
        }
        cycles.iter().all(|cycle| cycle.filter(pod, &with_them).is_ok())
    }

    /// Where a pod of this class goes.
    pub(super) fn choose(&mut self, cluster: &Cluster, pod: &Pod, tie: Tie) -> Choice {
        if self.groups.are_too_many() {
            return Choice::Unknown;
        }
        if let Some(domains) = self.domains.as_ref().filter(|domains| domains.are_needed(cluster)) {
            // Pods that are promised room count in the domains of their nodes.
            if cluster.has_nominations() {
                return Choice::Unknown;
            }
            if !domains.are_silent() {
                return self.best_by_domain(domains, cluster, tie);
            }
        }
        let own = cluster.nominated_node(&pod.uid).and_then(|name| cluster.table().find(name));
        let Some(own) = own else { return self.best(cluster, tie) };
        // The room that is promised to this very pod is not taken by it: its node's verdict differs for it alone.
        self.look(cluster, own, Some(&pod.uid));
        self.shift();
        let chosen = self.best(cluster, tie);
        self.look(cluster, own, None);
        self.shift();
        chosen
    }

    /// Compares all nodes, since the rules on domains may have changed the scores of any.
    fn best_by_domain(&self, domains: &Domains, cluster: &Cluster, tie: Tie) -> Choice {
        let scores = self.index.scores();
        let mut feasible: Vec<usize> = (0..scores.len()).filter(|at| scores[*at] != NONE).collect();
        domains.filter(&mut feasible);
        let found = |at: usize| Choice::Node { position: narrow(at), feasible: feasible.len() };
        match feasible[..] {
            [] => return Choice::Nowhere,
            [only] => return found(only),
            _ => {}
        }
        let mut totals: Vec<i64> = feasible.iter().map(|at| i64::from(scores[*at])).collect();
        for (total, correction) in totals.iter_mut().zip(self.groups.corrections(&feasible)) {
            *total += i64::from(correction);
        }
        domains.score(&feasible, &mut totals);
        let best = totals.iter().copied().max().expect("there are several");
        let tied: Vec<usize> =
            feasible.iter().zip(totals).filter(|(_, total)| *total == best).map(|(at, _)| *at).collect();
        let chosen = match tie {
            Tie::Nth(number) => Some(tied[nth(number, tied.len())]),
            Tie::Order(seed) => tied.into_iter().max_by_key(|at| place_in_order(seed, cluster, *at)),
        };
        found(chosen.expect("the best is tied with itself"))
    }

    fn best(&self, cluster: &Cluster, tie: Tie) -> Choice {
        let Some((score, count)) = self.index.best() else { return Choice::Nowhere };
        let chosen = match tie {
            Tie::Nth(number) => {
                let n = u32::try_from(nth(number, count as usize)).expect("it is below the count");
                self.index.nth_best(n)
            }
            Tie::Order(seed) => {
                let tied = self.index.scores().iter().enumerate().filter(|(_, other)| **other == score);
                tied.map(|(at, _)| at).max_by_key(|at| place_in_order(seed, cluster, *at))
            }
        };
        let position = narrow(chosen.expect("there are as many as are counted"));
        Choice::Node { position, feasible: self.index.feasible() }
    }
}

fn place_in_order(seed: u64, cluster: &Cluster, at: usize) -> u64 {
    hash(seed, &cluster.table().info(narrow(at)).node().name)
}

fn narrow(position: usize) -> Position {
    Position::try_from(position).expect("positions have 32 bits")
}

/// What a class says of one of its pods.
#[derive(Debug)]
pub(super) enum Choice {
    /// It goes here; so many nodes could take it.
    Node { position: Position, feasible: usize },
    /// No node can take it.
    Nowhere,
    /// All nodes have to be asked.
    Unknown,
}
