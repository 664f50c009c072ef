//! Groups that are to be in one domain of a label of nodes, a rack say (KEP-5732).
//!
//! Each domain is tried, on a fork: the group's pods fit no other nodes, while plugins see all. Of those where the group fits the best is taken: where
//! more of its pods have places, and whose nodes are then the fullest. Pods that have a place already decide the domain for
//! those that come after them. Nobody goes for such a group. Source: kube-scheduler's `topologyaware`,
//! `podgrouppodscount` and the scoring of placements in `noderesources`.

use super::{Gang, GangError, GangScheduling, NAME};
use crate::cluster::{Cluster, NodeInfo};
use crate::framework::{Code, MAX_NODE_SCORE};
use crate::model::Pod;
use crate::scheduler::{Scheduler, nth};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A domain in which a group was tried, and what came of it.
#[derive(Debug)]
pub struct Domain {
    /// The value of the label.
    pub name: Arc<str>,
    /// What it was given, by plugin, 0 to 100 times the plugin's weight each; or why the group does not fit.
    pub verdict: Result<Vec<(&'static str, i64)>, GangError>,
}

impl Domain {
    /// The sum of its scores; `None` where the group does not fit.
    pub fn total(&self) -> Option<i64> {
        let scores = self.verdict.as_ref().ok()?;
        Some(scores.iter().fold(0, |total, (_, score)| total.saturating_add(*score)))
    }
}

impl GangScheduling {
    /// Places a group within one domain of the label `key` of nodes. `placed` has the nodes of its pods that have a place
    /// already.
    ///
    /// # Errors
    /// When there is no domain in which `min_count` pods would run, it cannot be said in which domain the pods with a place
    /// are, or a plugin fails.
    pub fn place_in_domain(
        self,
        scheduler: &Scheduler,
        cluster: &Cluster,
        pods: &[Arc<Pod>],
        min_count: usize,
        key: &str,
        placed: &[&str],
    ) -> Result<Gang, GangError> {
        let nodes = domains_of(cluster, key, placed)?;
        let place =
            |within: &[Arc<str>]| self.try_place(scheduler, cluster, pods, min_count, placed.len(), Some(within));
        let mut domains = Vec::with_capacity(nodes.len());
        // How many pods would run, by the number of the domain.
        let mut running = Vec::new();
        for (name, nodes) in &nodes {
            let verdict = match place(nodes) {
                Ok(gang) => {
                    running.push((domains.len(), placed.len() + gang.members.len()));
                    Ok(fullness(scheduler, &gang.fork, nodes))
                }
                Err(error) if is_failure(&error) => return Err(error),
                Err(error) => Err(error),
            };
            domains.push(Domain { name: name.clone(), verdict });
        }
        let most = running.iter().map(|(_, pods)| *pods).max().unwrap_or(0).max(1);
        for (index, pods) in &running {
            let share = pods * usize::try_from(MAX_NODE_SCORE).unwrap_or(0) / most;
            if let Ok(scores) = &mut domains[*index].verdict {
                scores.push((NAME, i64::try_from(share).unwrap_or(MAX_NODE_SCORE)));
            }
        }
        let best = domains.iter().filter_map(Domain::total).max();
        running.retain(|(index, _)| domains[*index].total() == best);
        if running.is_empty() {
            return Err(GangError::NoDomain { domains });
        }
        let (chosen, _) = running[nth(pods.first().map_or(0, |pod| scheduler.tie(pod)), running.len())];
        let name = domains[chosen].name.clone();
        // The same again: to keep what was found in every domain takes more than to find it twice in one.
        let gang = place(&nodes[&name])?;
        Ok(Gang { domain: Some(name), domains, ..gang })
    }
}

/// Whether no other domain need be tried: something failed, rather than that the group has no places in this one.
fn is_failure(error: &GangError) -> bool {
    match error {
        GangError::TooFew { .. } => false,
        GangError::Refused { refusal, .. } => refusal.code == Code::Error,
        _ => true,
    }
}

/// The domains and the names of their nodes: all, or the one that pods with a place are in.
fn domains_of(cluster: &Cluster, key: &str, placed: &[&str]) -> Result<BTreeMap<Arc<str>, Vec<Arc<str>>>, GangError> {
    let known = |what: String| GangError::Domain(format!("cannot determine domain for already scheduled pods: {what}"));
    let mut required: Option<&str> = None;
    for node in placed {
        let info = cluster.node(node).ok_or_else(|| known(format!("nodeinfo not found for node name {node:?}")))?;
        let domain = info.node().labels.get(key);
        let domain = domain.ok_or_else(|| known(format!("no topology domain found for node {node:?}")))?;
        match required {
            Some(other) if other != domain => {
                return Err(known(format!("more than 1 domain found for pod group: {other}, {domain}")));
            }
            _ => required = Some(domain),
        }
    }
    let mut domains = BTreeMap::<Arc<str>, Vec<Arc<str>>>::new();
    for node in cluster.nodes().map(NodeInfo::node) {
        let Some(domain) = node.labels.get(key) else { continue };
        if required.is_none_or(|required| required == domain) {
            match domains.get_mut(domain) {
                Some(nodes) => nodes.push(node.name.clone()),
                None => drop(domains.insert(domain.into(), vec![node.name.clone()])),
            }
        }
    }
    Ok(domains)
}

/// What plugins think of the domain's nodes with the group on them.
fn fullness(scheduler: &Scheduler, fork: &Cluster, nodes: &[Arc<str>]) -> Vec<(&'static str, i64)> {
    let nodes: Vec<&NodeInfo> = nodes.iter().filter_map(|name| fork.node(name)).collect();
    let weighed = |(plugin, weight): &(Arc<dyn crate::framework::DynScore>, i64)| {
        let score = plugin.score_placement(&nodes)?;
        Some((plugin.name(), score.clamp(0, MAX_NODE_SCORE).saturating_mul(*weight)))
    };
    scheduler.profile().scores.iter().filter_map(weighed).collect()
}

/// `0/2 placements are available, first placement status: …`
pub(super) fn no_domain(domains: &[Domain]) -> String {
    let first = domains.iter().find_map(|domain| domain.verdict.as_ref().err());
    let first = first.map_or_else(String::new, |error| format!(", first placement status: {error}"));
    format!("0/{} placements are available{first}", domains.len())
}

#[cfg(test)]
mod tests;
