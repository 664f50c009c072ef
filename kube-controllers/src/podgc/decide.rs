//! Which pods to collect.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Node, Pod, PodCondition};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kubekit_runtime::Object as _;

use crate::nodelifecycle::health::{Readiness, readiness};
use crate::nodelifecycle::taints::{self, OUT_OF_SERVICE};
use crate::pods;

/// Periods and limits. The defaults are kube-controller-manager's.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// How often to look: 20 s.
    pub period: Duration,
    /// How long a node must be missing before its pods are collected: 40 s.
    pub quarantine: Duration,
    /// How many ended pods may be kept: 12,500. Zero keeps all.
    pub terminated_max: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self { period: Duration::from_secs(20), quarantine: Duration::from_secs(40), terminated_max: 12_500 }
    }
}

/// Why a pod is collected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// Too many pods have ended, and this is one of the oldest.
    Terminated,
    /// Its node is gone.
    Orphaned,
    /// It was deleted before it had a node.
    UnscheduledTerminating,
    /// It was deleted, and its node is out of service.
    OutOfService,
}

impl Reason {
    /// The condition that tells why, where the pod did not end by itself.
    pub fn condition(self, now: Timestamp) -> Option<PodCondition> {
        // The others were deleted by somebody, or have ended: it is not the collection that disrupts them.
        (self == Self::Orphaned).then(|| PodCondition {
            type_: "DisruptionTarget".into(),
            status: "True".into(),
            reason: Some("DeletionByPodGC".into()),
            message: Some("PodGC: node no longer exists".into()),
            last_transition_time: Some(Time(now)),
            ..PodCondition::default()
        })
    }
}

/// What is remembered from one look to the next: since when nodes that pods name are missing.
#[derive(Debug, Default)]
pub struct Collector {
    missing: BTreeMap<String, Duration>,
}

impl Collector {
    /// The pods to collect, and why. `uptime` is the monotonic clock's.
    pub fn look(
        &mut self,
        config: &Config,
        pods: &[Arc<Pod>],
        nodes: &[Arc<Node>],
        uptime: Duration,
    ) -> Vec<(Arc<Pod>, Reason)> {
        let by_name: BTreeMap<&str, &Arc<Node>> = nodes.iter().map(|node| (node.name(), node)).collect();
        let gone = self.gone(config, pods, &by_name, uptime);
        let mut collected: Vec<(Arc<Pod>, Reason)> = Vec::new();
        for pod in pods {
            let name = pods::node_name(pod);
            let reason = if gone.contains(name) {
                Reason::Orphaned
            } else if !pods::is_terminating(pod) {
                continue;
            } else if name.is_empty() {
                Reason::UnscheduledTerminating
            } else if by_name.get(name).is_some_and(|node| is_out_of_service(node)) {
                Reason::OutOfService
            } else {
                continue;
            };
            collected.push((Arc::clone(pod), reason));
        }
        collected.extend(terminated(config, pods).into_iter().map(|pod| (pod, Reason::Terminated)));
        collected
    }

    /// The nodes that have been missing for long enough.
    fn gone(
        &mut self,
        config: &Config,
        pods: &[Arc<Pod>],
        nodes: &BTreeMap<&str, &Arc<Node>>,
        uptime: Duration,
    ) -> BTreeSet<String> {
        let named: BTreeSet<&str> = pods.iter().map(|pod| pods::node_name(pod)).collect();
        let missing = named.into_iter().filter(|name| !name.is_empty() && !nodes.contains_key(name));
        self.missing =
            missing.map(|name| (name.to_owned(), self.missing.get(name).copied().unwrap_or(uptime))).collect();
        let long = self.missing.iter().filter(|(_, since)| uptime.saturating_sub(**since) >= config.quarantine);
        long.map(|(name, _)| name.clone()).collect()
    }
}

fn is_out_of_service(node: &Node) -> bool {
    readiness(node) != Readiness::Ready && taints::of(node).iter().any(|t| t.key == OUT_OF_SERVICE)
}

/// The ended pods beyond the limit: evicted ones first, then the oldest.
fn terminated(config: &Config, pods: &[Arc<Pod>]) -> Vec<Arc<Pod>> {
    if config.terminated_max == 0 {
        return Vec::new();
    }
    // What is being deleted already is on its way, and what failed to be scheduled is its controller's.
    let mut ended: Vec<&Arc<Pod>> = pods.iter().filter(|p| pods::is_terminal(p) && !pods::is_terminating(p)).collect();
    let surplus = ended.len().saturating_sub(config.terminated_max);
    if surplus == 0 {
        return Vec::new();
    }
    let evicted = |pod: &Pod| pod.status.as_ref().and_then(|s| s.reason.as_deref()) == Some("Evicted");
    let created = |pod: &Pod| pod.metadata.creation_timestamp.as_ref().map(|t| t.0);
    ended.sort_by(|a, b| {
        evicted(b).cmp(&evicted(a)).then_with(|| created(a).cmp(&created(b))).then_with(|| a.name().cmp(b.name()))
    });
    ended.into_iter().take(surplus).cloned().collect()
}
