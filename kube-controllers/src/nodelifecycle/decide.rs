//! One look at all nodes: what to write.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{Node, NodeCondition, Taint};
use kubekit_runtime::Object as _;

use super::health::{self, Health, Readiness};
use super::taints::{self, NOT_READY, UNREACHABLE};
use super::zones::{self, Zone, ZoneState};

/// Nodes with this label do not count when the state of a zone is judged.
const EXCLUDE_DISRUPTION: &str = "node.kubernetes.io/exclude-disruption";

/// Periods and rates. The defaults are kube-controller-manager's.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// How often nodes are looked at: 5 s.
    pub monitor_period: Duration,
    /// How long a node may be silent: 50 s.
    pub monitor_grace_period: Duration,
    /// How long a new node may take to say something: 60 s.
    pub startup_grace_period: Duration,
    /// Nodes a second that are given up in a zone: 0.1.
    pub eviction_rate: f64,
    /// The same in a large zone of which much fails: 0.01. In a small one it is none.
    pub secondary_eviction_rate: f64,
    /// A zone of more nodes is large: 50.
    pub large_cluster_threshold: usize,
    /// The part of a zone's nodes, 0 to 1, that must fail for it to count as disrupted: 0.55.
    pub unhealthy_zone_threshold: f64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            monitor_period: Duration::from_secs(5),
            monitor_grace_period: Duration::from_secs(50),
            startup_grace_period: Duration::from_secs(60),
            eviction_rate: 0.1,
            secondary_eviction_rate: 0.01,
            large_cluster_threshold: 50,
            unhealthy_zone_threshold: 0.55,
        }
    }
}

/// One write. All carry the node's resourceVersion.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// A node was seen for the first time: record `RegisteredNode`.
    Registered(Arc<Node>),
    /// A node is gone: record `RemovingNode`.
    Removed(Arc<Node>),
    /// The node fell silent: replace its conditions.
    Silence(Arc<Node>, Vec<NodeCondition>),
    /// The node was ready and is not any more: record `NodeNotReady`.
    NotReady(Arc<Node>),
    /// Mark the pods of a node that cannot be reached as not ready.
    MarkPodsNotReady(Arc<Node>),
    /// Replace the node's taints.
    Taint(Arc<Node>, Vec<Taint>),
}

/// What is remembered from one look to the next.
#[derive(Debug, Default)]
pub struct Monitor {
    config: Config,
    known: BTreeMap<String, Known>,
    zones: HashMap<String, Zone>,
}

#[derive(Debug)]
struct Known {
    node: Arc<Node>,
    health: Health,
}

/// Ready and not ready nodes of a zone.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    ready: usize,
    not_ready: usize,
}

impl Monitor {
    /// Has seen nothing yet.
    pub fn new(config: Config) -> Self {
        Self { config, known: BTreeMap::new(), zones: HashMap::new() }
    }

    /// Looks at all nodes, with their leases, at `uptime` of the monotonic clock and `now` of the wall clock.
    pub fn look(
        &mut self,
        nodes: &[Arc<Node>],
        lease: impl Fn(&str) -> Option<Arc<Lease>>,
        uptime: Duration,
        now: Timestamp,
    ) -> Vec<Effect> {
        let mut effects = Vec::new();
        self.forget_removed(nodes, &mut effects);
        let mut counts: HashMap<String, Count> = HashMap::new();
        for node in nodes {
            let lease = lease(node.name());
            let readiness = self.judge(node, lease.as_deref(), uptime, now, &mut effects);
            let zone = zones::key(node);
            self.zones.entry(zone.clone()).or_default();
            if !node.labels().contains_key(EXCLUDE_DISRUPTION) {
                let count = counts.entry(zone).or_default();
                *if readiness == Readiness::Ready { &mut count.ready } else { &mut count.not_ready } += 1;
            }
            self.queue_taint(node, readiness, now, &mut effects);
        }
        self.judge_zones(&counts, nodes, uptime, now, &mut effects);
        effects.extend(self.pass(uptime, now));
        effects
    }

    /// Takes the newest state of the nodes that wait, so that what is written between two looks meets no conflict.
    pub fn refresh(&mut self, node: impl Fn(&str) -> Option<Arc<Node>>) {
        for (name, known) in &mut self.known {
            if let Some(newest) = node(name) {
                known.node = newest;
            }
        }
    }

    /// Taints the nodes whose turn has come.
    pub fn pass(&mut self, uptime: Duration, now: Timestamp) -> Vec<Effect> {
        let mut effects = Vec::new();
        for zone in self.zones.values_mut() {
            while let Some(name) = zone.pop(uptime) {
                let Some(known) = self.known.get(&name) else { continue };
                let key = match health::readiness(&known.node) {
                    Readiness::NotReady => NOT_READY,
                    Readiness::Unknown => UNREACHABLE,
                    Readiness::Ready => continue,
                };
                if let Some(taints) = taints::no_execute(&known.node, Some(key), now) {
                    effects.push(Effect::Taint(Arc::clone(&known.node), taints));
                }
            }
        }
        effects
    }

    /// When the next node's turn comes before the next look, on the monotonic clock.
    pub fn next_pass(&self) -> Option<Duration> {
        self.zones.values().filter_map(Zone::next_at).min()
    }

    fn forget_removed(&mut self, nodes: &[Arc<Node>], effects: &mut Vec<Effect>) {
        let present: BTreeSet<&str> = nodes.iter().map(|node| node.name()).collect();
        let gone: Vec<String> = self.known.keys().filter(|n| !present.contains(n.as_str())).cloned().collect();
        for name in gone {
            for zone in self.zones.values_mut() {
                zone.remove(&name);
            }
            effects.extend(self.known.remove(&name).map(|known| Effect::Removed(known.node)));
        }
    }

    /// Whether the node is ready; tells of it where that is news.
    fn judge(
        &mut self,
        node: &Arc<Node>,
        lease: Option<&Lease>,
        uptime: Duration,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) -> Readiness {
        let config = &self.config;
        let known = self.known.entry(node.name().to_owned()).or_insert_with(|| {
            effects.push(Effect::Registered(Arc::clone(node)));
            Known { node: Arc::clone(node), health: Health::new(node, lease, uptime) }
        });
        known.node = Arc::clone(node);
        known.health.observe(node, lease, uptime);
        let posted = health::condition(node, "Ready").is_some();
        let grace = if posted { config.monitor_grace_period } else { config.startup_grace_period };
        let observed = health::readiness(node);
        let silent = known.health.is_silent(uptime, grace);
        let conditions = if silent { health::silenced(node, now) } else { None };
        let readiness = if silent { Readiness::Unknown } else { observed };
        if let Some(conditions) = conditions {
            effects.push(Effect::Silence(Arc::clone(node), conditions));
        }
        if observed == Readiness::Ready && readiness != Readiness::Ready {
            effects.push(Effect::NotReady(Arc::clone(node)));
        }
        if posted && readiness == Readiness::Unknown {
            effects.push(Effect::MarkPodsNotReady(Arc::clone(node)));
        }
        readiness
    }

    /// A node that is ready loses its taints at once; one that is tainted already gets the right taint at once; any other
    /// waits for its turn.
    fn queue_taint(&mut self, node: &Arc<Node>, readiness: Readiness, now: Timestamp, effects: &mut Vec<Effect>) {
        let zone = self.zones.entry(zones::key(node)).or_default();
        let (wanted, other) = match readiness {
            Readiness::Ready => {
                zone.remove(node.name());
                let taints = taints::no_execute(node, None, now);
                effects.extend(taints.map(|taints| Effect::Taint(Arc::clone(node), taints)));
                return;
            }
            Readiness::NotReady => (NOT_READY, UNREACHABLE),
            Readiness::Unknown => (UNREACHABLE, NOT_READY),
        };
        if health::condition(node, "Ready").is_none_or(|_| health::readiness(node) != readiness) {
            // Its status is only being written. The next look, which sees it, taints.
            return;
        }
        if taints::has(node, other, "NoExecute") {
            let taints = taints::no_execute(node, Some(wanted), now);
            effects.extend(taints.map(|taints| Effect::Taint(Arc::clone(node), taints)));
        } else if !taints::has(node, wanted, "NoExecute") {
            zone.add(node.name());
        }
    }

    /// Sets the zones' rates by how they fare. When every node of every zone fails, the fault is more likely ours: nothing
    /// is evicted, and what was tainted is freed.
    fn judge_zones(
        &mut self,
        counts: &HashMap<String, Count>,
        nodes: &[Arc<Node>],
        uptime: Duration,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) {
        let threshold = self.config.unhealthy_zone_threshold;
        let states: HashMap<&String, ZoneState> =
            counts.iter().map(|(zone, c)| (zone, zones::state(c.ready, c.not_ready, threshold))).collect();
        let full = |state: ZoneState| state == ZoneState::FullDisruption;
        let all_full = !states.is_empty() && states.values().all(|state| full(*state));
        let were_full = !self.zones.is_empty() && self.zones.values().all(|zone| full(zone.state));
        if all_full {
            if !were_full {
                for node in nodes {
                    let taints = taints::no_execute(node, None, now);
                    effects.extend(taints.map(|taints| Effect::Taint(Arc::clone(node), taints)));
                }
            }
            for zone in self.zones.values_mut() {
                zone.state = ZoneState::FullDisruption;
                zone.set_rate(0.0, uptime);
            }
            return;
        }
        if were_full {
            self.known.values_mut().for_each(|known| known.health.forgive(uptime));
        }
        for (name, zone) in &mut self.zones {
            zone.state = states.get(name).copied().unwrap_or(ZoneState::Normal);
            let size = counts.get(name).map_or(0, |c| c.ready + c.not_ready);
            zone.set_rate(zones::rate(zone.state, size, &self.config), uptime);
        }
    }
}
