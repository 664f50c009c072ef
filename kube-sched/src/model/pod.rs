//! A pod, as scheduling sees it.

use super::{
    GpuRequest, Labels, NodeSelector, PodAffinityTerm, PreferredNodeTerm, Resources, Selector, SpreadConstraint,
    Toleration, Weighted,
};
use crate::inventory::Owner;
use crate::storage::PodVolume;
use std::sync::Arc;

/// CPU that a container which requests none is taken to use when nodes are scored, in thousandths of a core.
/// Source: `DefaultMilliCPURequest` of kube-scheduler.
pub(crate) const ASSUMED_CPU_MILLI: i64 = 100;
/// Memory that a container which requests none is taken to use when nodes are scored, in bytes.
/// Source: `DefaultMemoryRequest` of kube-scheduler.
pub(crate) const ASSUMED_MEMORY_BYTES: i64 = 200 << 20;

/// A transport protocol of a host port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// SCTP.
    Sctp,
}

/// A port of the host that a pod takes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HostPort {
    /// The protocol.
    pub protocol: Protocol,
    /// The address on the host; `0.0.0.0` is all of them.
    pub ip: String,
    /// The port, 1 to 65535.
    pub port: u16,
}

impl HostPort {
    /// Whether both cannot be taken on one host.
    pub fn conflicts(&self, other: &Self) -> bool {
        const ANY: &str = "0.0.0.0";
        self.port == other.port
            && self.protocol == other.protocol
            && (self.ip == other.ip || self.ip == ANY || other.ip == ANY)
    }
}

/// How a pod refers to a claim on devices.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum PodResourceClaim {
    /// A claim of this name.
    Named(Arc<str>),
    /// A claim of this name that was made for the pod from a template.
    Made(Arc<str>),
    /// A claim that is to be made from a template, and is not yet.
    NotMade,
    /// None: the template called for nothing.
    None,
}

/// A pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pod {
    /// Unique over time.
    pub uid: Arc<str>,
    /// Its namespace.
    pub namespace: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
    /// Its labels.
    pub labels: Labels,
    /// What it requests.
    pub requests: Resources,
    /// What scoring takes it to use: requests, with assumed amounts for containers that request none.
    pub assumed: Resources,
    /// Larger is more important.
    pub priority: i32,
    /// Whether it may preempt others (`preemptionPolicy` is not `Never`).
    pub may_preempt: bool,
    /// When it was created, in seconds since 1970; orders pods of one priority.
    pub created_seconds: i64,
    /// When it started, in seconds since 1970; decides between victims of preemption.
    pub started_seconds: i64,
    /// The node that it is bound to.
    pub node: Option<Arc<str>>,
    /// The node that was cleared for it by preemption.
    pub nominated_node: Option<Arc<str>>,
    /// Whether it is being deleted.
    pub terminating: bool,
    /// Labels that a node must have.
    pub node_selector: Labels,
    /// Terms that a node must meet.
    pub node_affinity: Option<NodeSelector>,
    /// Wishes for nodes.
    pub preferred_nodes: Vec<PreferredNodeTerm>,
    /// Taints that it tolerates.
    pub tolerations: Vec<Toleration>,
    /// Ports of the host that it takes.
    pub host_ports: Vec<HostPort>,
    /// How pods like it are spread.
    pub spread: Vec<SpreadConstraint>,
    /// Pods that must be in its domain.
    pub affinity: Vec<PodAffinityTerm>,
    /// Pods that must not be in its domain.
    pub anti_affinity: Vec<PodAffinityTerm>,
    /// Pods that it prefers in its domain; negative weights for those that it avoids.
    pub preferred_pods: Vec<Weighted<PodAffinityTerm>>,
    /// Names of gates that hold it back (KEP-3521).
    pub gates: Vec<String>,
    /// Normalised images of its containers.
    pub images: Vec<String>,
    /// Number of its containers, init containers and image volumes; scales the threshold of image locality.
    pub containers: u32,
    /// What it takes of GPU devices.
    pub gpu: Option<Arc<GpuRequest>>,
    /// The devices of its node that it was given, by index.
    pub gpu_devices: Vec<usize>,
    /// Whether preemption is what removes it (the condition `DisruptionTarget` with the reason `PreemptionByScheduler`).
    pub preempted: bool,
    /// Its controller.
    pub owner: Option<Owner>,
    /// Its volumes, as far as they bear on where it may run.
    pub volumes: Vec<PodVolume>,
    /// The group that it is scheduled with (`schedulingGroup.podGroupName`, KEP-4671).
    pub group: Option<Arc<str>>,
    /// Its claims on devices.
    pub resource_claims: Vec<PodResourceClaim>,
}

impl Pod {
    /// A pod in the namespace `default`, with one container that requests nothing; its uid is its name.
    pub fn new(name: &str) -> Self {
        Self {
            uid: name.into(),
            namespace: "default".into(),
            name: name.into(),
            labels: Labels::default(),
            requests: Resources::default(),
            assumed: Resources::new(ASSUMED_CPU_MILLI, ASSUMED_MEMORY_BYTES, 0),
            priority: 0,
            may_preempt: true,
            created_seconds: 0,
            started_seconds: 0,
            node: None,
            nominated_node: None,
            terminating: false,
            node_selector: Labels::default(),
            node_affinity: None,
            preferred_nodes: Vec::new(),
            tolerations: Vec::new(),
            host_ports: Vec::new(),
            spread: Vec::new(),
            affinity: Vec::new(),
            anti_affinity: Vec::new(),
            preferred_pods: Vec::new(),
            gates: Vec::new(),
            images: Vec::new(),
            containers: 1,
            gpu: None,
            gpu_devices: Vec::new(),
            preempted: false,
            owner: None,
            volumes: Vec::new(),
            group: None,
            resource_claims: Vec::new(),
        }
    }

    /// In another namespace.
    #[must_use]
    pub fn in_namespace(mut self, namespace: &str) -> Self {
        self.namespace = namespace.into();
        self.uid = format!("{namespace}/{}", self.name).into();
        self
    }

    /// With these requests.
    #[must_use]
    pub fn request(mut self, requests: Resources) -> Self {
        self.assumed = requests.clone();
        if requests.cpu_milli == 0 {
            self.assumed.cpu_milli = ASSUMED_CPU_MILLI;
        }
        if requests.memory_bytes == 0 {
            self.assumed.memory_bytes = ASSUMED_MEMORY_BYTES;
        }
        self.requests = requests;
        self
    }

    /// With a label more.
    #[must_use]
    pub fn label(mut self, key: &str, value: &str) -> Self {
        self.labels = self.labels.with(key, value);
        self
    }

    /// With this priority.
    #[must_use]
    pub fn priority(mut self, priority: i32) -> Self {
        self.priority = priority;
        self
    }

    /// Bound to this node.
    #[must_use]
    pub fn on(mut self, node: impl Into<Arc<str>>) -> Self {
        self.node = Some(node.into());
        self
    }

    /// With a toleration more.
    #[must_use]
    pub fn tolerate(mut self, toleration: Toleration) -> Self {
        self.tolerations.push(toleration);
        self
    }

    /// With a share of GPU devices.
    #[must_use]
    pub fn gpu(mut self, request: GpuRequest) -> Self {
        self.gpu = Some(Arc::new(request));
        self
    }

    /// With a volume more.
    #[must_use]
    pub fn volume(mut self, volume: PodVolume) -> Self {
        self.volumes.push(volume);
        self
    }

    /// With a claim on devices more.
    #[must_use]
    pub fn claim(mut self, claim: PodResourceClaim) -> Self {
        self.resource_claims.push(claim);
        self
    }

    /// Scheduled together with the others of this group.
    #[must_use]
    pub fn in_group(mut self, group: &str) -> Self {
        self.group = Some(group.into());
        self
    }

    /// Whether a node meets its node selector and its required node affinity.
    pub fn accepts_node(&self, labels: &Labels, name: &str) -> bool {
        self.node_selector.iter().all(|(key, value)| labels.get(key) == Some(value))
            && self.node_affinity.as_ref().is_none_or(|affinity| affinity.matches(labels, name))
    }

    /// The label keys that its terms on other pods look at.
    pub(crate) fn term_keys(&self) -> impl Iterator<Item = &str> {
        let preferred = self.preferred_pods.iter().map(|wish| &wish.term);
        let terms = self.affinity.iter().chain(&self.anti_affinity).chain(preferred);
        terms
            .flat_map(|term| match &term.selector {
                Selector::All(requirements) => requirements.as_slice(),
                Selector::Nothing => &[],
            })
            .map(|requirement| requirement.key.as_str())
    }

    /// The claims of its volumes, by name.
    pub(crate) fn claims(&self) -> impl Iterator<Item = &Arc<str>> {
        self.volumes.iter().filter_map(|volume| match volume {
            PodVolume::Claim { name, .. } => Some(name),
            PodVolume::Disk(_) => None,
        })
    }

    /// Whether it says anything about other pods.
    pub fn has_pod_terms(&self) -> bool {
        !(self.affinity.is_empty() && self.anti_affinity.is_empty() && self.preferred_pods.is_empty())
    }
}
