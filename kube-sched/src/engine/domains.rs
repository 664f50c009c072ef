//! Rules on domains, for one class: topology spread, and affinity between pods.
//!
//! The engine keeps, per term and topology key, what each node's pods contribute and the sums by domain, and looks again at
//! nodes that changed. A decision compares the feasible nodes by their own scores and the sums of their domains: a pass over
//! columns, since one pod may change the scores of a whole domain. The rules themselves are the plugins'; what is here is
//! who contributes what.

use super::slot::{Slot, positions};
use crate::cluster::{Cluster, HOSTNAME, NodeInfo, Position};
use crate::framework::{Depends, DomainRule, MAX_NODE_SCORE, Profile};
use crate::model::{Pod, PodAffinityTerm, SpreadConstraint, WhenUnsatisfiable};
use crate::plugins::PodTopologySpread;
use crate::plugins::{inter_pod_affinity as affinity_rule, pod_topology_spread as spread_rule};
use std::sync::Arc;

/// What a slot counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    /// Pods that a hard constraint matches.
    Hard(usize),
    /// Pods that a soft constraint matches.
    Soft(usize),
    /// Pods that match all of the pod's affinity terms, by the key of one of them.
    Affinity,
    /// Pods that an anti-affinity term of the pod matches.
    Anti(usize),
    /// Anti-affinity terms of existing pods that match the pod.
    ExistingAnti,
    /// Weights of preferences, the pod's and existing pods'.
    Weight,
}

/// How affinity has a say in scores.
#[derive(Clone, Copy, Debug)]
struct Weighing {
    weight: i64,
    hard_weight: i64,
    ignore_preferred: bool,
}

/// The rules on domains for one class.
#[derive(Debug)]
pub(super) struct Domains {
    pod: Arc<Pod>,
    hard: Arc<[SpreadConstraint]>,
    soft: Arc<[SpreadConstraint]>,
    /// Whether nodes that lack a key of a soft constraint are left out.
    all_keys: bool,
    spread_weight: i64,
    filters_pods: bool,
    weighing: Option<Weighing>,
    attracts_itself: bool,
    slots: Vec<(Role, Slot)>,
    /// The namespaces and the layout that the slots hold for.
    versions: (u64, u64),
}

impl Domains {
    /// The rules of a profile; `None` when it has none.
    pub(super) fn new(profile: &Profile, cluster: &Cluster, pod: &Arc<Pod>) -> Option<Self> {
        let mut domains = Self {
            pod: pod.clone(),
            hard: Arc::default(),
            soft: Arc::default(),
            all_keys: true,
            spread_weight: 0,
            filters_pods: false,
            weighing: None,
            attracts_itself: affinity_rule::attracts_itself(cluster, pod),
            slots: Vec::new(),
            versions: (0, 0),
        };
        let mut any = false;
        for plugin in &profile.filters {
            let Depends::Domains(rule) = plugin.depends(pod) else { continue };
            any = true;
            match rule {
                DomainRule::Spread(defaults) => {
                    let plugin = PodTopologySpread { defaults };
                    domains.hard = plugin.constraints(cluster, pod, WhenUnsatisfiable::DoNotSchedule);
                }
                DomainRule::PodAffinity { .. } => domains.filters_pods = true,
            }
        }
        for (plugin, weight) in &profile.scores {
            let Depends::Domains(rule) = plugin.depends(pod) else { continue };
            any = true;
            match rule {
                DomainRule::Spread(defaults) => {
                    let plugin = PodTopologySpread { defaults };
                    domains.all_keys = plugin.needs_all_keys(pod);
                    domains.soft = plugin.constraints(cluster, pod, WhenUnsatisfiable::ScheduleAnyway);
                    domains.spread_weight = *weight;
                }
                DomainRule::PodAffinity { hard_weight, ignore_preferred } => {
                    domains.weighing = Some(Weighing { weight: *weight, hard_weight, ignore_preferred });
                }
            }
        }
        any.then_some(domains)
    }

    /// Counts everything anew.
    pub(super) fn rebuild(&mut self, cluster: &Cluster) {
        self.versions = versions(cluster);
        self.attracts_itself = affinity_rule::attracts_itself(cluster, &self.pod);
        self.slots.clear();
        let new = |key: &str| Slot::new(key, cluster);
        let hard = self.hard.iter().enumerate().map(|(i, c)| (Role::Hard(i), new(&c.topology_key)));
        let soft = self.soft.iter().enumerate().map(|(i, c)| (Role::Soft(i), new(&c.topology_key)));
        self.slots = hard.chain(soft).collect();
        if self.filters_pods {
            let affinity = self.pod.affinity.iter().map(|term| (Role::Affinity, new(&term.topology_key)));
            let anti = self.pod.anti_affinity.iter().enumerate();
            let anti = anti.map(|(i, term)| (Role::Anti(i), new(&term.topology_key)));
            self.slots.extend(affinity.chain(anti));
        }
        for position in positions(cluster) {
            self.look(cluster, position);
        }
    }

    /// Whether what is counted is about this state, but for nodes that changed.
    pub(super) fn holds(&self, cluster: &Cluster) -> bool {
        self.versions == versions(cluster)
    }

    /// Whether the rules may have a say at all.
    pub(super) fn are_needed(&self, cluster: &Cluster) -> bool {
        !(self.hard.is_empty() && self.soft.is_empty())
            || ((self.filters_pods || self.weighing.is_some())
                && (self.pod.has_pod_terms() || cluster.nodes_with_pod_terms().next().is_some()))
    }

    /// Forgets what was counted.
    pub(super) fn forget(&mut self) {
        self.versions = (0, 0);
        self.slots = Vec::new();
    }

    /// Roughly how much memory the counters take, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.slots.iter().map(|(_, slot)| slot.bytes()).sum()
    }

    /// Looks at one node again.
    pub(super) fn look(&mut self, cluster: &Cluster, position: Position) {
        let Some(row) = cluster.table().row(position) else { return };
        let node = (!row.is_gone()).then(|| &**cluster.table().info(position));
        let mut slots = std::mem::take(&mut self.slots);
        let mut terms: Vec<(Role, &str, i64)> = Vec::new();
        if let Some(node) = node {
            self.terms(cluster, node, &mut terms);
        }
        for (role, key, _) in &terms {
            if !slots.iter().any(|(other, slot)| other == role && *slot.key == **key) {
                slots.push((*role, Slot::with_domains(key, cluster)));
            }
        }
        for (role, slot) in &mut slots {
            let (amount, eligible) =
                node.map_or((0, false), |node| self.contribution(cluster, *role, slot, node, &terms));
            slot.set(position as usize, node, amount, eligible);
        }
        self.slots = slots;
    }

    /// What terms with any key say of a node's pods: anti-affinity of existing pods, and weights.
    fn terms<'a>(&'a self, cluster: &Cluster, node: &'a NodeInfo, found: &mut Vec<(Role, &'a str, i64)>) {
        let pod = &*self.pod;
        let matches = |term: &PodAffinityTerm, pod: &Pod| affinity_rule::matches(term, pod, cluster.namespaces());
        let weighing = self.weighing.filter(|w| !(w.ignore_preferred && pod.preferred_pods.is_empty()));
        if !node.has_pod_terms() && (weighing.is_none() || pod.preferred_pods.is_empty()) {
            return;
        }
        let mut add = |role: Role, key: &'a str, amount: i64| match found
            .iter_mut()
            .find(|(other, known, _)| *other == role && *known == key)
        {
            _ if amount == 0 => {}
            Some((_, _, sum)) => *sum = sum.saturating_add(amount),
            None => found.push((role, key, amount)),
        };
        for other in node.pods() {
            if self.filters_pods {
                for term in other.anti_affinity.iter().filter(|term| matches(term, pod)) {
                    add(Role::ExistingAnti, &term.topology_key, 1);
                }
            }
            let Some(weighing) = weighing else { continue };
            for wish in pod.preferred_pods.iter().filter(|wish| matches(&wish.term, other)) {
                add(Role::Weight, &wish.term.topology_key, wish.weight);
            }
            for wish in other.preferred_pods.iter().filter(|wish| matches(&wish.term, pod)) {
                add(Role::Weight, &wish.term.topology_key, wish.weight);
            }
            for term in other.affinity.iter().filter(|term| matches(term, pod)) {
                add(Role::Weight, &term.topology_key, weighing.hard_weight);
            }
        }
    }

    /// What a node contributes to a slot, and whether its domain is one because of it.
    fn contribution(
        &self,
        cluster: &Cluster,
        role: Role,
        slot: &Slot,
        node: &NodeInfo,
        terms: &[(Role, &str, i64)],
    ) -> (i64, bool) {
        let pod = &*self.pod;
        let count = |matches: &dyn Fn(&Pod) -> bool| {
            i64::try_from(node.pods().iter().filter(|other| matches(other)).count()).unwrap_or(i64::MAX)
        };
        match role {
            Role::Hard(i) => {
                let eligible =
                    spread_rule::has_keys(node, &self.hard) && spread_rule::counts_node(&self.hard[i], pod, node);
                (if eligible { spread_rule::matching(&self.hard[i], pod, node) } else { 0 }, eligible)
            }
            Role::Soft(i) => {
                let takes_part = !self.all_keys || spread_rule::has_keys(node, &self.soft);
                // By host, a node counts its own pods, whether it takes part or not.
                let counts =
                    *slot.key == *HOSTNAME || (takes_part && spread_rule::counts_node(&self.soft[i], pod, node));
                (if counts { spread_rule::matching(&self.soft[i], pod, node) } else { 0 }, takes_part)
            }
            Role::Affinity => {
                let namespaces = cluster.namespaces();
                let all = |other: &Pod| pod.affinity.iter().all(|term| affinity_rule::matches(term, other, namespaces));
                (if node.node().labels.contains(&slot.key) { count(&all) } else { 0 }, false)
            }
            Role::Anti(i) => {
                let term = &pod.anti_affinity[i];
                let any = |other: &Pod| affinity_rule::matches(term, other, cluster.namespaces());
                (if node.node().labels.contains(&slot.key) { count(&any) } else { 0 }, false)
            }
            Role::ExistingAnti | Role::Weight => {
                let found = terms.iter().find(|(other, key, _)| *other == role && **key == *slot.key);
                // Without the key the node is in no domain.
                (found.filter(|_| node.node().labels.contains(&slot.key)).map_or(0, |(_, _, amount)| *amount), false)
            }
        }
    }

    /// Whether the rules have nothing to say about any node.
    pub(super) fn are_silent(&self) -> bool {
        self.slots.iter().all(|(role, slot)| match role {
            Role::Hard(_) | Role::Soft(_) | Role::Affinity => false,
            Role::Anti(_) | Role::ExistingAnti | Role::Weight => slot.is_empty(),
        })
    }

    /// Keeps, of the positions, those that no rule refuses.
    pub(super) fn filter(&self, feasible: &mut Vec<usize>) {
        let first = self.attracts_itself && {
            let mut affinity = self.slots.iter().filter(|(role, _)| *role == Role::Affinity);
            affinity.all(|(_, slot)| slot.is_empty())
        };
        for (role, slot) in &self.slots {
            match role {
                Role::Hard(i) => {
                    let constraint = &self.hard[*i];
                    let (domains, least) = slot.least();
                    let enough = i64::try_from(domains).unwrap_or(i64::MAX) >= constraint.min_domains;
                    let own = i64::from(constraint.selector.matches(&self.pod.labels));
                    let most = constraint.max_skew - own + if enough { least } else { 0 };
                    feasible.retain(|at| slot.sum(*at).is_some_and(|sum| sum <= most));
                }
                Role::Affinity => feasible.retain(|at| slot.sum(*at).is_some_and(|sum| sum > 0 || first)),
                Role::Anti(_) | Role::ExistingAnti if !slot.is_empty() => {
                    feasible.retain(|at| slot.sum(*at).is_none_or(|sum| sum <= 0));
                }
                Role::Anti(_) | Role::ExistingAnti | Role::Soft(_) | Role::Weight => {}
            }
        }
    }

    /// Adds the scores of the rules to those of the feasible positions.
    pub(super) fn score(&self, feasible: &[usize], totals: &mut [i64]) {
        let mut add = |raws: Vec<i64>, weight: i64| {
            for (total, score) in totals.iter_mut().zip(raws) {
                *total += score.clamp(0, MAX_NODE_SCORE) * weight;
            }
        };
        if !self.soft.is_empty() {
            let mut raws = self.skews(feasible);
            spread_rule::normalize(&mut raws);
            add(raws, self.spread_weight);
        }
        let weights: Vec<&Slot> = self
            .slots
            .iter()
            .filter(|(role, slot)| *role == Role::Weight && !slot.is_empty())
            .map(|(_, s)| s)
            .collect();
        if let Some(weighing) = self.weighing.filter(|_| !weights.is_empty()) {
            let raw = |at: &usize| weights.iter().filter_map(|slot| slot.sum(*at)).fold(0, i64::saturating_add);
            let mut raws: Vec<i64> = feasible.iter().map(raw).collect();
            affinity_rule::normalize(&mut raws);
            add(raws, weighing.weight);
        }
    }

    /// The raw scores of the soft constraints.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        reason = "the rule is stated in doubles, rounded"
    )]
    fn skews(&self, feasible: &[usize]) -> Vec<i64> {
        let soft: Vec<(&SpreadConstraint, &Slot)> = self
            .slots
            .iter()
            .filter_map(|(role, slot)| if let Role::Soft(i) = role { Some((&self.soft[*i], slot)) } else { None })
            .collect();
        let takes_part = |at: usize| !self.all_keys || soft.iter().all(|(_, slot)| slot.sum(at).is_some());
        let scored: Vec<usize> = feasible.iter().copied().filter(|at| takes_part(*at)).collect();
        let sizes = soft.iter().map(|(_, slot)| {
            if *slot.key == *HOSTNAME {
                return scored.len();
            }
            let mut seen = vec![false; slot.domains()];
            scored.iter().filter(|at| !std::mem::replace(&mut seen[slot.domain(**at)], true)).count()
        });
        let weights: Vec<f64> = sizes.map(|size| ((size + 2) as f64).ln()).collect();
        let raw = |at: &usize| {
            let mut sum = 0.0;
            for ((constraint, slot), weight) in soft.iter().zip(&weights) {
                let Some(in_domain) = slot.sum(*at) else {
                    if self.all_keys {
                        return spread_rule::UNSCORED;
                    }
                    continue;
                };
                let count = if *slot.key == *HOSTNAME { slot.amount(*at) } else { in_domain };
                sum += count as f64 * weight + (constraint.max_skew - 1) as f64;
            }
            sum.round() as i64
        };
        feasible.iter().map(raw).collect()
    }
}

fn versions(cluster: &Cluster) -> (u64, u64) {
    (cluster.versions().1, cluster.table().layout())
}
