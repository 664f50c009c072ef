//! One port of one Service: where its traffic comes in, and where it goes.

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

/// A transport protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// SCTP.
    Sctp,
}

impl Protocol {
    /// As rules write it: `tcp`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Sctp => "sctp",
        }
    }

    /// From the API's spelling; anything unknown is TCP, the API's default.
    pub fn parse(name: Option<&str>) -> Self {
        match name {
            Some("UDP") => Self::Udp,
            Some("SCTP") => Self::Sctp,
            _ => Self::Tcp,
        }
    }
}

/// Which port of which Service.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServicePortName {
    /// Namespace of the Service.
    pub namespace: String,
    /// Name of the Service.
    pub service: String,
    /// Name of the port; may be empty.
    pub port: String,
    /// Its protocol.
    pub protocol: Protocol,
}

impl fmt::Display for ServicePortName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}/{}", self.namespace, self.service, self.protocol.as_str(), self.port)
    }
}

/// Which endpoints traffic may go to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TrafficPolicy {
    /// All.
    #[default]
    Cluster,
    /// Those on this node.
    Local,
}

/// Whether a client keeps its endpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Affinity {
    /// No.
    #[default]
    None,
    /// By its address, until it has been silent this long.
    ClientIp(Duration),
}

/// An endpoint of a Service port.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Endpoint {
    /// Its address.
    pub ip: IpAddr,
    /// Its port, 1 to 65535.
    pub port: u16,
    /// Whether it is on this node.
    pub local: bool,
}

/// One port of one Service in one IP family, with the endpoints that get its traffic now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServicePort {
    /// Which it is.
    pub name: ServicePortName,
    /// Addresses inside the cluster.
    pub cluster_ips: BTreeSet<IpAddr>,
    /// Addresses from outside that the Service's owner brings (`externalIPs`).
    pub external_ips: BTreeSet<IpAddr>,
    /// Addresses of load balancers that hand packets on unchanged.
    pub load_balancer_ips: BTreeSet<IpAddr>,
    /// Sources that may use the addresses of load balancers (`loadBalancerSourceRanges`); empty is all.
    pub source_ranges: Vec<ipnet::IpNet>,
    /// The port, 1 to 65535.
    pub port: u16,
    /// The port on every node; 0 is none.
    pub node_port: u16,
    /// Whether clients keep their endpoint.
    pub affinity: Affinity,
    /// For traffic to the cluster IPs.
    pub internal_policy: TrafficPolicy,
    /// For traffic from outside.
    pub external_policy: TrafficPolicy,
    /// Endpoints for traffic that may go anywhere, sorted.
    pub cluster_endpoints: Vec<Endpoint>,
    /// Endpoints on this node, sorted.
    pub local_endpoints: Vec<Endpoint>,
}

impl ServicePort {
    /// The endpoints for traffic under this policy.
    pub fn endpoints(&self, policy: TrafficPolicy) -> &[Endpoint] {
        match policy {
            TrafficPolicy::Cluster => &self.cluster_endpoints,
            TrafficPolicy::Local => &self.local_endpoints,
        }
    }

    /// All addresses from outside.
    pub fn outside_ips(&self) -> impl Iterator<Item = &IpAddr> {
        self.external_ips.iter().chain(&self.load_balancer_ips)
    }

    /// Whether traffic comes in from outside of the cluster.
    pub fn is_external(&self) -> bool {
        self.node_port != 0 || self.outside_ips().next().is_some()
    }
}
