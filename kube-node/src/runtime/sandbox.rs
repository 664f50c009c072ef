//! A pod's sandbox: the namespaces, the address and the cgroup that its containers share.

use std::collections::BTreeMap;

use jiff::Timestamp;

/// Label of a sandbox and its containers: the pod's name.
pub const POD_NAME_LABEL: &str = "io.kubernetes.pod.name";
/// Label of a sandbox and its containers: the pod's namespace.
pub const POD_NAMESPACE_LABEL: &str = "io.kubernetes.pod.namespace";
/// Label of a sandbox and its containers: the pod's uid.
pub const POD_UID_LABEL: &str = "io.kubernetes.pod.uid";

/// Which namespace a process is put into.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NamespaceMode {
    /// Shared by the containers of the pod.
    #[default]
    Pod,
    /// Of one container alone.
    Container,
    /// That of the node.
    Node,
}

/// The namespaces of a sandbox and its containers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Namespaces {
    /// Network.
    pub network: NamespaceMode,
    /// Processes.
    pub pid: NamespaceMode,
    /// Inter-process communication.
    pub ipc: NamespaceMode,
}

/// What `/etc/resolv.conf` of the pod says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DnsConfig {
    /// Name servers' addresses.
    pub servers: Vec<String>,
    /// Search domains.
    pub searches: Vec<String>,
    /// Options, as `ndots:5`.
    pub options: Vec<String>,
}

/// A transport protocol.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// TCP.
    #[default]
    Tcp,
    /// UDP.
    Udp,
    /// SCTP.
    Sctp,
}

/// A port of the node that leads to a port of the pod.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PortMapping {
    /// Transport protocol.
    pub protocol: Protocol,
    /// Port in the pod.
    pub container_port: u16,
    /// Port on the node.
    pub host_port: u16,
    /// Address on the node; empty for all.
    pub host_ip: String,
}

/// What a sandbox is made from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SandboxConfig {
    /// The pod's name.
    pub name: String,
    /// The pod's namespace.
    pub namespace: String,
    /// The pod's uid.
    pub uid: String,
    /// How many sandboxes this pod had before.
    pub attempt: u32,
    /// Host name inside; empty with the node's network.
    pub hostname: String,
    /// Directory for the containers' log files.
    pub log_directory: String,
    /// Name resolution; none leaves the node's.
    pub dns: Option<DnsConfig>,
    /// Ports of the node.
    pub port_mappings: Vec<PortMapping>,
    /// Labels, by which a sandbox is found again.
    pub labels: BTreeMap<String, String>,
    /// Annotations; those of the pod are among them.
    pub annotations: BTreeMap<String, String>,
    /// The cgroup above the pod's, in the notation of cgroupfs; empty for the runtime's default.
    pub cgroup_parent: String,
    /// Kernel parameters of the pod's namespaces.
    pub sysctls: BTreeMap<String, String>,
    /// Namespaces.
    pub namespaces: Namespaces,
    /// Whether a privileged container is to run inside.
    pub privileged: bool,
    /// Groups added to every process.
    pub supplemental_groups: Vec<i64>,
    /// Named configuration of the runtime (RuntimeClass handler); empty for the default.
    pub runtime_handler: String,
}

/// Whether a sandbox is usable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SandboxState {
    /// Containers can run in it.
    Ready,
    /// It has stopped.
    NotReady,
}

/// A sandbox as the runtime sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SandboxStatus {
    /// The runtime's identifier.
    pub id: String,
    /// The pod's name.
    pub name: String,
    /// The pod's namespace.
    pub namespace: String,
    /// The pod's uid.
    pub uid: String,
    /// The attempt it was made with.
    pub attempt: u32,
    /// Whether it is usable.
    pub state: SandboxState,
    /// When it was made.
    pub created_at: Timestamp,
    /// Its addresses, the first is the pod's; empty with the node's network, and in lists.
    pub ips: Vec<String>,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its annotations.
    pub annotations: BTreeMap<String, String>,
}
