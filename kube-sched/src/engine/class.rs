//! One class of pods: the plugins that have a say about it, and what they say of every node.

use super::diagnosis::Diagnosis;
use super::domains::Domains;
use super::groups::Groups;
use super::index::{Index, NONE};
use super::log::Log;
use crate::cluster::{CHUNK, Cluster, NodeRow, Position};
use crate::framework::{
    Depends, DynScore, FilterCycle, FitError, Names, Profile, Prospect, ScoreCycle, Started, Verdict,
};
use crate::model::{Pod, Selector};
use crate::oracle;
use crate::scheduler::{Tie, hash, nth};
use std::sync::Arc;

/// What a class keeps of plugins at work.
#[derive(Debug, Default)]
struct Plugins {
    /// All filters but those on domains, in the profile's order.
    filters: Vec<Box<dyn FilterCycle>>,
    /// Which of them look at the node's kind alone.
    by_kind: Vec<usize>,
    /// Which of them look at the node and its pods.
    by_node: Vec<usize>,
    /// Scores that are final for a node, with weights.
    node_scores: Vec<(Box<dyn ScoreCycle>, i16)>,
}

/// One class of pods.
#[derive(Debug)]
pub(super) struct Class {
    /// One of its pods.
    pub(super) pod: Arc<Pod>,
    pub(super) hash: u64,
    /// When it was last used, in decisions.
    pub(super) used: u64,
    /// How many bytes of it are counted, see [`Self::bytes`].
    pub(super) counted: usize,
    plugins: Plugins,
    groups: Groups,
    domains: Option<Domains>,
    /// The selector of pods like it, where default spreading has one.
    pub(super) alike: Selector,
    index: Index,
    diagnosis: Diagnosis,
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
            counted: 0,
            plugins: Plugins::default(),
            groups: Groups::default(),
            index: Index::default(),
            diagnosis: Diagnosis::default(),
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
                Depends::Node | Depends::NodeSpecs => {
                    let weight = i16::try_from(*weight).expect("the engine takes no profile with larger weights");
                    class.plugins.node_scores.push((cycle, weight));
                }
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
            Started::Run(cycle) | Started::AllBut(_, cycle) => cycle,
            Started::Only(..) | Started::Refuse(_) => return Err(Unkept),
        };
        match depends {
            Depends::Profile => self.plugins.by_kind.push(self.plugins.filters.len()),
            Depends::Spec | Depends::Node => self.plugins.by_node.push(self.plugins.filters.len()),
            Depends::Anything | Depends::NodeSpecs | Depends::Domains(_) => return Err(Unkept),
        }
        self.plugins.filters.push(cycle);
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
        self.diagnosis.forget();
    }

    /// Gives up the memory that is kept for nodes.
    pub(super) fn release(&mut self) {
        self.synced = None;
        self.index = Index::default();
        self.diagnosis.forget();
        self.groups.release();
        self.domains.iter_mut().for_each(Domains::forget);
    }

    /// Roughly how much memory is kept for nodes, in bytes.
    pub(super) fn bytes(&self) -> usize {
        let domains = self.domains.as_ref().map_or(0, Domains::bytes);
        self.index.bytes() + self.groups.bytes() + self.diagnosis.bytes() + domains
    }

    /// Why no node takes a pod of this class, when [`Self::choose`] has said that none does.
    pub(super) fn nowhere(
        &mut self,
        profile: &Profile,
        cluster: &Cluster,
        pod: &Pod,
        (log, names): (&Log, &Names),
    ) -> Box<FitError> {
        self.diagnosis.follow(cluster, &self.pod, &self.plugins.filters, (log, names));
        self.diagnosis.fit_error(profile, cluster, pod, &self.plugins.filters)
    }

    /// Brings the index to the present state of the cluster.
    pub(super) fn follow(&mut self, cluster: &Cluster, log: &Log) {
        self.follow_domains(cluster, log);
        match self.synced.and_then(|synced| log.since(synced)) {
            // Evaluating a node out of order costs about three times as much as one in a row.
            Some((missed, rows)) if missed.len() <= cluster.len() / 3 + 16 => {
                self.look(cluster, (missed, rows), None);
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
            Some((missed, _)) if domains.holds(cluster) => {
                missed.iter().for_each(|position| domains.look(cluster, *position));
            }
            _ => domains.rebuild(cluster),
        }
    }

    /// Looks at nodes again, in this order; for `itself`, a promise to that pod takes no room.
    fn look(&mut self, cluster: &Cluster, (positions, rows): (&[Position], &[NodeRow]), itself: Option<&str>) {
        let mut prospects = Vec::with_capacity(positions.len().min(CHUNK));
        for (positions, rows) in positions.chunks(CHUNK).zip(rows.chunks(CHUNK)) {
            // Reads that do not wait for each other, before those that do.
            std::hint::black_box(positions.iter().fold(0, |sum, position| sum ^ self.index.touch(*position)));
            prospects.clear();
            prospects.extend(positions.iter().zip(rows).map(|(position, row)| Prospect::new(*position, row)));
            self.ask(cluster, &mut prospects, itself);
            for Prospect { position, verdict, .. } in &prospects {
                let at = *position as usize;
                // A change that concerns no node is at a position past all.
                let Some(before) = self.index.scores().get(at) else { continue };
                let score = self.groups.set(at, *before != NONE, *verdict);
                self.index.set(at, score.unwrap_or(NONE));
            }
        }
    }

    /// Looks at one node as it is now.
    fn look_at(&mut self, cluster: &Cluster, position: Position, itself: Option<&str>) {
        if let Some(row) = cluster.table().row(position) {
            self.look(cluster, (&[position], std::slice::from_ref(row)), itself);
        }
    }

    /// Adds to all scores what normalisation has changed.
    fn shift(&mut self) {
        let Some(shifts) = self.groups.shifts() else { return };
        let scores = self.index.scores().iter().enumerate();
        let shifted = scores.map(|(at, score)| if *score == NONE { NONE } else { score + shifts[self.groups.at(at)] });
        self.index.fill(shifted.collect());
    }

    fn rebuild(&mut self, cluster: &Cluster) {
        let mut verdicts: Vec<Verdict> = Vec::with_capacity(cluster.table().positions());
        let mut prospects = Vec::with_capacity(CHUNK);
        for (rows, _) in cluster.table().chunks() {
            let first = verdicts.len();
            prospects.clear();
            let places = rows.iter().enumerate();
            prospects.extend(places.map(|(place, row)| Prospect::new(narrow(first + place), row)));
            self.ask(cluster, &mut prospects, None);
            verdicts.extend(prospects.iter().map(|prospect| prospect.verdict));
            verdicts.resize(first + CHUNK, None);
        }
        let scores = self.groups.fill(&verdicts);
        self.index.fill(scores.into_iter().map(|score| score.unwrap_or(NONE)).collect());
    }

    /// Asks the plugins about nodes.
    fn ask(&mut self, cluster: &Cluster, prospects: &mut [Prospect<'_>], itself: Option<&str>) {
        let (pod, table) = (&*self.pod, cluster.table());
        let Plugins { filters, by_kind, by_node, node_scores } = &self.plugins;
        self.groups.assign(by_kind.iter().map(|i| &filters[*i]), pod, table, prospects);
        by_node.iter().for_each(|i| filters[*i].keep(pod, table, prospects));
        if cluster.has_nominations() {
            for prospect in prospects.iter_mut().filter(|prospect| prospect.verdict.is_some()) {
                let info = table.info(prospect.position);
                if oracle::beside_nominated(cluster, filters, pod, info, itself).is_err() {
                    prospect.verdict = None;
                }
            }
        }
        node_scores.iter().for_each(|(score, weight)| score.add(pod, *weight, table, prospects));
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
        self.look_at(cluster, own, Some(&pod.uid));
        self.shift();
        let chosen = self.best(cluster, tie);
        self.look_at(cluster, own, None);
        self.shift();
        chosen
    }

    /// Where a pod goes that is of this class but for these nodes, which refuse it.
    pub(super) fn choose_but(&mut self, cluster: &Cluster, pod: &Pod, tie: Tie, refusing: &[Position]) -> Choice {
        for at in refusing.iter().map(|position| *position as usize) {
            self.groups.set(at, self.index.get(at) != NONE, None);
            self.index.set(at, NONE);
        }
        self.shift();
        let chosen = self.choose(cluster, pod, tie);
        refusing.iter().for_each(|position| self.look_at(cluster, *position, None));
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
            // What a node says of its pods alone does not tell why.
            [] => return Choice::Unknown,
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
