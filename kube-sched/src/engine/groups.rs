//! Nodes of which the plugins that look at labels and taints say the same, for one class.
//!
//! A normalised score depends on which raw scores occur among the feasible nodes, and those change rarely: while every
//! group keeps a feasible node, or none, a group's score stands.

use crate::cluster::{Cluster, NodeInfo, NodeTable};
use crate::framework::{FilterCycle, MAX_NODE_SCORE, Prospect, ScoreCycle, Verdict};
use crate::model::Pod;
use hashbrown::HashMap;
use std::sync::Arc;

#[derive(Debug)]
struct Group {
    /// The raw score of each plugin.
    raws: Vec<i64>,
    /// Number of nodes of it that can take the pod.
    feasible: usize,
    /// The weighted sum of normalised scores.
    total: i16,
    /// One of its nodes.
    node: Arc<NodeInfo>,
}

/// What is known of the nodes of one kind.
#[derive(Clone, Copy, Debug, Default)]
enum Kind {
    #[default]
    Unknown,
    /// A filter refuses them.
    Refused,
    /// They take the pod, and one of them is of this group.
    Group(u16),
}

/// The groups of one class.
#[derive(Debug, Default)]
pub(super) struct Groups {
    scores: Vec<(Box<dyn ScoreCycle>, i64)>,
    /// Whether a score looks at more than the node's profile.
    by_node: bool,
    /// By the number of the nodes' profile.
    kinds: Vec<Kind>,
    numbers: HashMap<Vec<i64>, u16>,
    groups: Vec<Group>,
    /// The group of each position, where there is more than one.
    positions: Vec<u16>,
    changed: bool,
}

/// More groups than this, and nodes have nothing in common.
const GROUPS_MAX: usize = 60_000;

impl Groups {
    /// Adds a score; `by_node` when nodes of one profile may differ in it.
    pub(super) fn add_score(&mut self, score: Box<dyn ScoreCycle>, weight: i64, by_node: bool) {
        self.scores.push((score, weight));
        self.by_node |= by_node;
    }

    /// Gives up the memory that is kept for nodes.
    pub(super) fn release(&mut self) {
        self.positions = Vec::new();
        self.kinds = Vec::new();
    }

    /// Roughly how much memory is kept for nodes, in bytes.
    pub(super) fn bytes(&self) -> usize {
        size_of_val(&self.positions[..]) + size_of_val(&self.kinds[..])
    }

    /// Whether nodes have too little in common for groups.
    pub(super) fn are_too_many(&self) -> bool {
        self.groups.len() >= GROUPS_MAX
    }

    /// Finds the groups of nodes; those that a filter refuses have none.
    pub(super) fn assign<'a>(
        &mut self,
        filters: impl ExactSizeIterator<Item = &'a Box<dyn FilterCycle>> + Clone,
        pod: &Pod,
        table: &NodeTable,
        prospects: &mut [Prospect<'_>],
    ) {
        let all_alike = filters.len() == 0 && self.scores.is_empty();
        for prospect in prospects.iter_mut().filter(|prospect| !prospect.row.is_gone()) {
            let group = match self.kinds.get(prospect.row.profile as usize) {
                _ if all_alike => Some(0),
                Some(Kind::Refused) => None,
                Some(Kind::Group(_)) if self.by_node => Some(self.number(pod, table.info(prospect.position))),
                Some(Kind::Group(group)) => Some(*group),
                Some(Kind::Unknown) | None => self.learn(filters.clone(), pod, table, prospect),
            };
            prospect.verdict = group.map(|group| (group, 0));
        }
    }

    /// Asks about a node that is the first of its kind.
    fn learn<'a>(
        &mut self,
        mut filters: impl Iterator<Item = &'a Box<dyn FilterCycle>>,
        pod: &Pod,
        table: &NodeTable,
        prospect: &Prospect<'_>,
    ) -> Option<u16> {
        let profile = prospect.row.profile;
        // A row of the log may be older than the node, of which nothing is learnt then about nodes of the row's kind. What is
        // said here does not matter: a later entry of the log has the node's present row.
        if table.row(prospect.position).is_none_or(|now| now.profile != profile) {
            return None;
        }
        let (profile, info) = (profile as usize, table.info(prospect.position));
        if profile >= self.kinds.len() {
            self.kinds.resize(profile + 1, Kind::Unknown);
        }
        if filters.any(|filter| filter.filter(pod, info).is_err()) {
            self.kinds[profile] = Kind::Refused;
            return None;
        }
        let group = if self.scores.is_empty() { 0 } else { self.number(pod, info) };
        self.kinds[profile] = Kind::Group(group);
        Some(group)
    }

    fn number(&mut self, pod: &Pod, info: &Arc<NodeInfo>) -> u16 {
        let raws: Vec<i64> = self.scores.iter().map(|(score, _)| score.score(pod, info)).collect();
        if let Some(number) = self.numbers.get(&raws) {
            return *number;
        }
        let number = u16::try_from(self.groups.len().min(GROUPS_MAX)).expect("the bound is below 2^16");
        self.numbers.insert(raws.clone(), number);
        if self.groups.len() < GROUPS_MAX {
            self.groups.push(Group { raws, feasible: 0, total: 0, node: info.clone() });
        }
        number
    }

    /// Notes a node's verdict; gives its score.
    pub(super) fn set(&mut self, position: usize, was_feasible: bool, verdict: Verdict) -> Option<i16> {
        if self.scores.is_empty() {
            return verdict.map(|(_, score)| score);
        }
        if was_feasible {
            let old = &mut self.groups[usize::from(self.positions[position])];
            old.feasible -= 1;
            self.changed |= old.feasible == 0;
        }
        let (number, score) = verdict?;
        self.positions[position] = number;
        let group = &mut self.groups[usize::from(number)];
        self.changed |= group.feasible == 0;
        group.feasible += 1;
        Some(score + group.total)
    }

    /// Takes over the verdicts on all positions; gives their scores.
    pub(super) fn fill(&mut self, verdicts: &[Verdict]) -> Vec<Option<i16>> {
        if self.scores.is_empty() {
            return verdicts.iter().map(|verdict| verdict.map(|(_, score)| score)).collect();
        }
        self.positions.clear();
        self.positions.resize(verdicts.len(), 0);
        self.groups.iter_mut().for_each(|group| group.feasible = 0);
        for (position, verdict) in verdicts.iter().enumerate() {
            if let Some((group, _)) = verdict {
                self.groups[usize::from(*group)].feasible += 1;
                self.positions[position] = *group;
            }
        }
        self.changed = false;
        self.total();
        let total = |group: u16| self.groups[usize::from(group)].total;
        verdicts.iter().map(|verdict| verdict.map(|(group, score)| score + total(group))).collect()
    }

    /// By how much the scores of each group have changed since; `None` when they have not.
    pub(super) fn shifts(&mut self) -> Option<Vec<i16>> {
        if !std::mem::take(&mut self.changed) {
            return None;
        }
        let before: Vec<i16> = self.groups.iter().map(|group| group.total).collect();
        self.total();
        let shifts: Vec<i16> = self.groups.iter().zip(before).map(|(group, before)| group.total - before).collect();
        shifts.iter().any(|shift| *shift != 0).then_some(shifts)
    }

    /// The group at a position that can take the pod.
    pub(super) fn at(&self, position: usize) -> usize {
        usize::from(self.positions[position])
    }

    /// Normalises over the groups that have feasible nodes; others keep what they had.
    fn total(&mut self) {
        let live: Vec<usize> = (0..self.groups.len()).filter(|i| self.groups[*i].feasible > 0).collect();
        for (i, total) in live.iter().zip(self.normalized(&live)) {
            self.groups[*i].total = total;
        }
    }

    /// The totals of these groups, if they are those that have feasible nodes.
    fn normalized(&self, live: &[usize]) -> Vec<i16> {
        let nodes: Vec<&NodeInfo> = live.iter().map(|i| &*self.groups[*i].node).collect();
        let mut totals = vec![0; live.len()];
        for (plugin, (cycle, weight)) in self.scores.iter().enumerate() {
            let mut scores: Vec<i64> = live.iter().map(|i| self.groups[*i].raws[plugin]).collect();
            cycle.normalize(&nodes, &mut scores);
            for (total, score) in totals.iter_mut().zip(scores) {
                *total += score.clamp(0, MAX_NODE_SCORE) * weight;
            }
        }
        let narrow = |total| i16::try_from(total).expect("the engine takes no profile with larger weights");
        totals.into_iter().map(narrow).collect()
    }

    /// By how much scores differ when only these positions are feasible, by position in the list; nothing where no score is
    /// normalised.
    pub(super) fn corrections(&self, feasible: &[usize]) -> Vec<i16> {
        if self.scores.is_empty() {
            return Vec::new();
        }
        let mut seen = vec![false; self.groups.len()];
        feasible.iter().for_each(|at| seen[self.at(*at)] = true);
        let live: Vec<usize> = (0..seen.len()).filter(|group| seen[*group]).collect();
        let mut corrections = vec![0; seen.len()];
        for (group, total) in live.iter().zip(self.normalized(&live)) {
            corrections[*group] = total - self.groups[*group].total;
        }
        feasible.iter().map(|at| corrections[self.at(*at)]).collect()
    }
}

/// One node of each profile.
pub(super) fn representatives(cluster: &Cluster) -> Vec<&NodeInfo> {
    let mut seen = Vec::new();
    let mut found = Vec::new();
    for (rows, infos) in cluster.table().chunks() {
        for (row, info) in rows.iter().zip(infos).filter(|(row, _)| !row.is_gone()) {
            let profile = row.profile as usize;
            if profile >= seen.len() {
                seen.resize(profile + 1, false);
            }
            if !std::mem::replace(&mut seen[profile], true) {
                found.push(&**info);
            }
        }
    }
    found
}
