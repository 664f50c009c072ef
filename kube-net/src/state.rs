//! What the proxy knows: Services and EndpointSlices in, service ports with their endpoints out. Pure.
//!
//! An endpoint gets traffic while it is ready. Where none is ready, those that still serve while they terminate do
//! (KEP-1669). Traffic under a `Local` policy goes only to endpoints on this node (KEP-2086). Other traffic follows the hints
//! that all endpoints have for this node or its zone (KEP-2433, KEP-3015).

use crate::health::HealthCheck;
use crate::port::{Affinity, Endpoint, Protocol, ServicePort, ServicePortName, TrafficPolicy};
use k8s_openapi::api::core::v1::{Node, Service, ServicePort as ApiPort, ServiceSpec};
use k8s_openapi::api::discovery::v1::{EndpointHints, EndpointSlice};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

const SERVICE_NAME: &str = "kubernetes.io/service-name";
/// Set by whoever proxies a Service by other means (KEP-2447).
const PROXY_NAME: &str = "service.kubernetes.io/service-proxy-name";
const ZONE: &str = "topology.kubernetes.io/zone";
const HEADLESS: &str = "service.kubernetes.io/headless";
const AFFINITY_SECONDS_DEFAULT: u64 = 10_800;

type Key = (String, String);

/// All Services and their endpoints.
#[derive(Debug)]
pub struct ServiceMap {
    node: String,
    /// The zone that the node is in; empty if it is in none, or not known yet.
    zone: String,
    services: BTreeMap<Key, Service>,
    slices: BTreeMap<Key, BTreeMap<String, EndpointSlice>>,
    /// The Service of each EndpointSlice: the label that names it may change.
    owners: BTreeMap<Key, Key>,
}

impl ServiceMap {
    /// Nothing yet; `node` is the name of this node.
    pub fn new(node: impl Into<String>) -> Self {
        Self {
            node: node.into(),
            zone: String::new(),
            services: BTreeMap::new(),
            slices: BTreeMap::new(),
            owners: BTreeMap::new(),
        }
    }

    /// Takes in a Node, of which this one's zone is of interest; gives whether that can change rules.
    pub fn node_applied(&mut self, node: &Node) -> bool {
        let zone = node.metadata.labels.as_ref().and_then(|labels| labels.get(ZONE)).map_or("", String::as_str);
        if node.metadata.name.as_deref() != Some(self.node.as_str()) || zone == self.zone {
            return false;
        }
        zone.clone_into(&mut self.zone);
        true
    }

    /// Takes in a Service; gives whether that can change rules.
    pub fn service_applied(&mut self, service: &Service) -> bool {
        let key = key(service.metadata.namespace.as_ref(), service.metadata.name.as_ref());
        let labels = service.metadata.labels.as_ref();
        let foreign = labels.is_some_and(|labels| labels.contains_key(PROXY_NAME) || labels.contains_key(HEADLESS));
        if foreign {
            return self.services.remove(&key).is_some();
        }
        let rule_bearing = Service {
            metadata: k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta {
                namespace: service.metadata.namespace.clone(),
                name: service.metadata.name.clone(),
                ..Default::default()
            },
            spec: service.spec.clone(),
            status: service.status.clone(),
        };
        let changed = self.services.get(&key) != Some(&rule_bearing);
        self.services.insert(key, rule_bearing);
        changed
    }

    /// Forgets a Service; gives whether that can change rules.
    pub fn service_deleted(&mut self, service: &Service) -> bool {
        self.services.remove(&key(service.metadata.namespace.as_ref(), service.metadata.name.as_ref())).is_some()
    }

    /// Takes in an EndpointSlice; gives whether that can change rules.
    pub fn slice_applied(&mut self, slice: &EndpointSlice) -> bool {
        let own = key(slice.metadata.namespace.as_ref(), slice.metadata.name.as_ref());
        let service = service_of(slice);
        let moved = self.owners.get(&own) != service.as_ref() && self.forget(&own);
        let Some(service) = service else { return moved };
        self.owners.insert(own.clone(), service.clone());
        let slices = self.slices.entry(service).or_default();
        let same = slices.get(&own.1).is_some_and(|old| {
            old.endpoints == slice.endpoints && old.ports == slice.ports && old.address_type == slice.address_type
        });
        slices.insert(own.1, slice.clone());
        moved || !same
    }

    /// Forgets an EndpointSlice; gives whether that can change rules.
    pub fn slice_deleted(&mut self, slice: &EndpointSlice) -> bool {
        self.forget(&key(slice.metadata.namespace.as_ref(), slice.metadata.name.as_ref()))
    }

    /// Takes an EndpointSlice from the Service that it belonged to; whether there was one.
    fn forget(&mut self, own: &Key) -> bool {
        let Some(service) = self.owners.remove(own) else { return false };
        let Some(slices) = self.slices.get_mut(&service) else { return false };
        let removed = slices.remove(&own.1).is_some();
        if slices.is_empty() {
            self.slices.remove(&service);
        }
        removed
    }

    /// Every port of every Service that has an address of this family, in order of names.
    pub fn ports(&self, ipv6: bool) -> Vec<ServicePort> {
        let mut ports = Vec::new();
        for (key, service) in &self.services {
            let Some(spec) = &service.spec else { continue };
            let cluster_ips = cluster_ips(spec, ipv6);
            if cluster_ips.is_empty() || spec.type_.as_deref() == Some("ExternalName") {
                continue;
            }
            for port in spec.ports.iter().flatten() {
                let Some(number) = u16::try_from(port.port).ok().filter(|number| *number != 0) else { continue };
                let name = port_name(key, port);
                let candidates = self.candidates(key, &name, ipv6);
                ports.push(ServicePort {
                    cluster_endpoints: usable(candidates.iter(), preference(&candidates)),
                    local_endpoints: usable(candidates.iter().filter(|candidate| candidate.endpoint.local), None),
                    name,
                    cluster_ips: cluster_ips.clone(),
                    external_ips: of_family(spec.external_ips.iter().flatten(), ipv6),
                    load_balancer_ips: load_balancer_ips(service, ipv6),
                    source_ranges: source_ranges(spec, ipv6),
                    port: number,
                    node_port: node_port(port),
                    affinity: affinity(spec),
                    internal_policy: policy(spec.internal_traffic_policy.as_deref()),
                    external_policy: policy(spec.external_traffic_policy.as_deref()),
                });
            }
        }
        ports
    }

    /// What load balancers ask for on which port: of Services of this family whose traffic from outside stays on the node.
    pub fn health_checks(&self, ipv6: bool) -> BTreeMap<u16, HealthCheck> {
        let mut checks = BTreeMap::new();
        for (key, service) in &self.services {
            let Some(spec) = &service.spec else { continue };
            let port = spec.health_check_node_port.and_then(|port| u16::try_from(port).ok()).filter(|port| *port != 0);
            let Some(port) = port else { continue };
            let balanced = spec.type_.as_deref() == Some("LoadBalancer");
            let local = policy(spec.external_traffic_policy.as_deref()) == TrafficPolicy::Local;
            // A dual-stack node has a proxy for each family, and the port is opened by one.
            let first = spec.cluster_ips.iter().flatten().chain(&spec.cluster_ip).next();
            let ours = first.and_then(|ip| ip.parse::<IpAddr>().ok()).is_some_and(|ip| ip.is_ipv6() == ipv6);
            if balanced && local && ours {
                let (namespace, name) = key.clone();
                checks.insert(port, HealthCheck { namespace, name, local_endpoints: self.local_addresses(key, ipv6) });
            }
        }
        checks
    }

    /// How many addresses on this node are ready to take traffic of a Service, whatever the port.
    fn local_addresses(&self, service: &Key, ipv6: bool) -> usize {
        let ports = self.services.get(service).and_then(|service| service.spec.as_ref()?.ports.as_ref());
        let names = ports.into_iter().flatten().map(|port| port_name(service, port));
        let candidates: Vec<Candidate> = names.flat_map(|name| self.candidates(service, &name, ipv6)).collect();
        let here = candidates.iter().filter(|candidate| candidate.ready && candidate.endpoint.local);
        here.map(|candidate| candidate.endpoint.ip).collect::<BTreeSet<IpAddr>>().len()
    }

    fn candidates(&self, service: &Key, name: &ServicePortName, ipv6: bool) -> Vec<Candidate> {
        let family = if ipv6 { "IPv6" } else { "IPv4" };
        let mut found = Vec::new();
        for slice in self.slices.get(service).into_iter().flat_map(BTreeMap::values) {
            if slice.address_type != family {
                continue;
            }
            let numbers = slice.ports.iter().flatten().filter(|port| {
                port.name.as_deref().unwrap_or_default() == name.port
                    && Protocol::parse(port.protocol.as_deref()) == name.protocol
            });
            for number in numbers.filter_map(|port| u16::try_from(port.port?).ok()).filter(|number| *number != 0) {
                for endpoint in slice.endpoints.iter().flatten() {
                    // Consumers use the first address only, as the API says.
                    let ip = endpoint.addresses.first().and_then(|ip| ip.parse::<IpAddr>().ok());
                    // One address of the other family would make the kernel refuse the rules of all Services.
                    let Some(ip) = ip.filter(|ip| ip.is_ipv6() == ipv6) else { continue };
                    let conditions = endpoint.conditions.as_ref();
                    let ready = conditions.and_then(|c| c.ready).unwrap_or(true);
                    found.push(Candidate {
                        endpoint: Endpoint {
                            ip,
                            port: number,
                            local: endpoint.node_name.as_deref() == Some(self.node.as_str()),
                        },
                        ready,
                        serving: conditions.and_then(|c| c.serving).unwrap_or(ready),
                        terminating: conditions.and_then(|c| c.terminating).unwrap_or(false),
                        for_node: self.node_hint(endpoint.hints.as_ref()),
                        for_zone: self.zone_hint(endpoint.hints.as_ref()),
                    });
                }
            }
        }
        found
    }

    fn node_hint(&self, hints: Option<&EndpointHints>) -> Option<bool> {
        let nodes = hints?.for_nodes.as_ref().filter(|nodes| !nodes.is_empty())?;
        Some(nodes.iter().any(|node| node.name == self.node))
    }

    fn zone_hint(&self, hints: Option<&EndpointHints>) -> Option<bool> {
        let zones = hints?.for_zones.as_ref().filter(|zones| !zones.is_empty())?;
        Some(!self.zone.is_empty() && zones.iter().any(|zone| zone.name == self.zone))
    }
}

struct Candidate {
    endpoint: Endpoint,
    ready: bool,
    serving: bool,
    terminating: bool,
    /// Whether this node is among the nodes that the endpoint is for; none if it says of no node.
    for_node: Option<bool>,
    /// The same for zones.
    for_zone: Option<bool>,
}

/// Which endpoints are for this node.
type Preference = fn(&Candidate) -> bool;

/// By which hints to go: those for nodes before those for zones, and only where every ready endpoint has one and some are for
/// this node. Otherwise part of the endpoints would get no traffic, or this node would have none. Source: kube-proxy's
/// `topology.go`.
fn preference(candidates: &[Candidate]) -> Option<Preference> {
    let follows = |hint: fn(&Candidate) -> Option<bool>| {
        let hints = candidates.iter().filter(|candidate| candidate.ready).map(hint);
        let all: Option<Vec<bool>> = hints.collect();
        all.is_some_and(|all| all.contains(&true))
    };
    if follows(|candidate| candidate.for_node) {
        return Some(|candidate| candidate.for_node == Some(true));
    }
    follows(|candidate| candidate.for_zone).then_some(|candidate| candidate.for_zone == Some(true))
}

/// The ready ones that are preferred; without any, those that still serve while they terminate.
fn usable<'a>(candidates: impl Iterator<Item = &'a Candidate> + Clone, preferred: Option<Preference>) -> Vec<Endpoint> {
    let select = |keep: &dyn Fn(&Candidate) -> bool| -> Vec<Endpoint> {
        // Two slices may name one endpoint while it moves from one to the other.
        let unique: BTreeSet<Endpoint> = candidates
            .clone()
            .filter(|candidate| keep(candidate))
            .map(|candidate| candidate.endpoint.clone())
            .collect();
        unique.into_iter().collect()
    };
    let ready = select(&|candidate| candidate.ready && preferred.is_none_or(|preferred| preferred(candidate)));
    if ready.is_empty() { select(&|candidate| candidate.serving && candidate.terminating) } else { ready }
}

fn port_name(service: &Key, port: &ApiPort) -> ServicePortName {
    ServicePortName {
        namespace: service.0.clone(),
        service: service.1.clone(),
        port: port.name.clone().unwrap_or_default(),
        protocol: Protocol::parse(port.protocol.as_deref()),
    }
}

fn key(namespace: Option<&String>, name: Option<&String>) -> Key {
    (namespace.cloned().unwrap_or_default(), name.cloned().unwrap_or_default())
}

fn service_of(slice: &EndpointSlice) -> Option<Key> {
    let service = slice.metadata.labels.as_ref()?.get(SERVICE_NAME)?;
    Some(key(slice.metadata.namespace.as_ref(), Some(service)))
}

fn of_family<'a>(addresses: impl Iterator<Item = &'a String>, ipv6: bool) -> BTreeSet<IpAddr> {
    addresses.filter_map(|text| text.parse::<IpAddr>().ok()).filter(|ip| ip.is_ipv6() == ipv6).collect()
}

fn cluster_ips(spec: &ServiceSpec, ipv6: bool) -> BTreeSet<IpAddr> {
    of_family(spec.cluster_ips.iter().flatten().chain(&spec.cluster_ip), ipv6)
}

fn load_balancer_ips(service: &Service, ipv6: bool) -> BTreeSet<IpAddr> {
    let ingress = service.status.iter().flat_map(|status| status.load_balancer.iter());
    let balancers = ingress
        .flat_map(|balancer| balancer.ingress.iter().flatten())
        .filter(|ingress| ingress.ip_mode.as_deref() != Some("Proxy"))
        .filter_map(|ingress| ingress.ip.as_ref());
    of_family(balancers, ipv6)
}

fn source_ranges(spec: &ServiceSpec, ipv6: bool) -> Vec<ipnet::IpNet> {
    let ranges = spec.load_balancer_source_ranges.iter().flatten();
    ranges
        .filter_map(|text| text.trim().parse().ok())
        .filter(|net: &ipnet::IpNet| net.addr().is_ipv6() == ipv6)
        .collect()
}

fn node_port(port: &ApiPort) -> u16 {
    port.node_port.and_then(|number| u16::try_from(number).ok()).unwrap_or(0)
}

fn affinity(spec: &ServiceSpec) -> Affinity {
    if spec.session_affinity.as_deref() != Some("ClientIP") {
        return Affinity::None;
    }
    let seconds = spec
        .session_affinity_config
        .as_ref()
        .and_then(|config| config.client_ip.as_ref())
        .and_then(|client| client.timeout_seconds)
        .and_then(|seconds| u64::try_from(seconds).ok());
    Affinity::ClientIp(Duration::from_secs(seconds.unwrap_or(AFFINITY_SECONDS_DEFAULT)))
}

fn policy(name: Option<&str>) -> TrafficPolicy {
    if name == Some("Local") { TrafficPolicy::Local } else { TrafficPolicy::Cluster }
}

#[cfg(test)]
mod tests;
