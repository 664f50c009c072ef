//! How fast nodes are given up: by zone, and slower where much of a zone fails at once, because then the network is the
//! likelier culprit.
//!
//! Source: `handleDisruption`, `ComputeZoneState` and `RateLimitedTimedQueue`.

use std::collections::VecDeque;
use std::time::Duration;

use k8s_openapi::api::core::v1::Node;
use kubekit_runtime::Object as _;

use super::decide::Config;

/// How a zone fares.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ZoneState {
    /// Not looked at yet.
    #[default]
    Initial,
    /// Well enough.
    Normal,
    /// More than [`Config::unhealthy_zone_threshold`] of its nodes, and more than two, are not ready.
    PartialDisruption,
    /// None of its nodes is ready.
    FullDisruption,
}

/// The zone of a node: region and zone label; empty where it has neither.
pub fn key(node: &Node) -> String {
    let label = |name: &str| node.labels().get(name).map(String::as_str).unwrap_or_default();
    match (label("topology.kubernetes.io/region"), label("topology.kubernetes.io/zone")) {
        ("", "") => String::new(),
        (region, zone) => format!("{region}:\0:{zone}"),
    }
}

/// The state of a zone with so many nodes ready and not ready.
pub fn state(ready: usize, not_ready: usize, threshold: f64) -> ZoneState {
    #[expect(clippy::cast_precision_loss, reason = "numbers of nodes are small")]
    let fraction = not_ready as f64 / (ready + not_ready).max(1) as f64;
    match (ready, not_ready) {
        (0, 1..) => ZoneState::FullDisruption,
        (_, 3..) if fraction >= threshold => ZoneState::PartialDisruption,
        _ => ZoneState::Normal,
    }
}

/// The nodes a second that may be tainted in a zone of so many nodes.
pub fn rate(state: ZoneState, nodes: usize, config: &Config) -> f64 {
    match state {
        ZoneState::PartialDisruption if nodes > config.large_cluster_threshold => config.secondary_eviction_rate,
        ZoneState::PartialDisruption => 0.0,
        ZoneState::Initial | ZoneState::Normal | ZoneState::FullDisruption => config.eviction_rate,
    }
}

/// The nodes of a zone that wait to be tainted, and the bucket of one token that lets them through.
#[derive(Clone, Debug, Default)]
pub struct Zone {
    /// How the zone fared when it was last looked at.
    pub state: ZoneState,
    queue: VecDeque<String>,
    /// Nodes a second; zero stops the queue.
    rate: f64,
    /// When the next node may pass, on the monotonic clock.
    next: Duration,
}

impl Zone {
    /// Lets nodes pass at this rate from now on. A changed rate starts with a full bucket, as in Kubernetes.
    pub fn set_rate(&mut self, rate: f64, uptime: Duration) {
        if (self.rate - rate).abs() > f64::EPSILON {
            self.rate = rate;
            self.next = uptime;
        }
    }

    /// Queues a node unless it is queued.
    pub fn add(&mut self, node: &str) {
        if !self.queue.iter().any(|queued| queued == node) {
            self.queue.push_back(node.to_owned());
        }
    }

    /// Takes a node out of the queue.
    pub fn remove(&mut self, node: &str) {
        self.queue.retain(|queued| queued != node);
    }

    /// The next node that may pass now.
    pub fn pop(&mut self, uptime: Duration) -> Option<String> {
        if self.rate <= 0.0 || uptime < self.next {
            return None;
        }
        let node = self.queue.pop_front()?;
        self.next = uptime + Duration::from_secs_f64(1.0 / self.rate);
        Some(node)
    }

    /// When the next node may pass, if any waits.
    pub fn next_at(&self) -> Option<Duration> {
        (self.rate > 0.0 && !self.queue.is_empty()).then_some(self.next)
    }
}
