//! What the `Endpoints` of a Service should say.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{EndpointAddress, EndpointPort, EndpointSubset, Endpoints, Pod, Service};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kubekit_runtime::Object as _;

use crate::endpointslice::decide::stamp;
use crate::{backends, pods};

/// The label that names who writes an `Endpoints`.
pub const MANAGED_BY: &str = "endpoints.kubernetes.io/managed-by";
/// The value of [`MANAGED_BY`] for this controller.
pub const MANAGER: &str = "endpoint-controller";
/// The annotation on an `Endpoints` that does not hold all addresses.
pub const OVER_CAPACITY: &str = "endpoints.kubernetes.io/over-capacity";
/// The most addresses of an `Endpoints`. Source: `maxCapacity`.
pub const ADDRESSES_MAX: usize = 1000;

/// One write.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Create it.
    Create(Box<Endpoints>),
    /// Replace it, under its resourceVersion.
    Update(Box<Endpoints>),
}

/// Decides the `Endpoints` of a Service with a selector, of which `pods` are selected; none where `current` is right.
pub fn decide(
    service: &Service,
    pods: &[Arc<Pod>],
    current: Option<&Endpoints>,
    trigger: Option<Timestamp>,
) -> Option<Effect> {
    let mut subsets = subsets(service, pods);
    let truncated = truncate(&mut subsets, ADDRESSES_MAX);
    let labels = labels(service);
    if let Some(current) = current {
        let marked = current.annotations().get(OVER_CAPACITY).map(String::as_str);
        let capacity_right = marked == truncated.then_some("truncated");
        let same = current.subsets.as_deref().unwrap_or_default() == subsets;
        if same && capacity_right && *current.labels() == labels {
            return None;
        }
    } else if service.is_being_deleted() {
        return None;
    }
    let mut metadata = current.map_or_else(|| new_metadata(service), |c| c.metadata.clone());
    metadata.labels = Some(labels);
    let annotations = metadata.annotations.get_or_insert_default();
    if truncated {
        annotations.insert(OVER_CAPACITY.into(), "truncated".into());
    } else {
        annotations.remove(OVER_CAPACITY);
    }
    stamp(&mut metadata, trigger);
    let endpoints = Box::new(Endpoints { metadata, subsets: Some(subsets) });
    Some(if current.is_some() { Effect::Update(endpoints) } else { Effect::Create(endpoints) })
}

fn new_metadata(service: &Service) -> ObjectMeta {
    ObjectMeta {
        name: service.metadata.name.clone(),
        namespace: service.metadata.namespace.clone(),
        ..ObjectMeta::default()
    }
}

fn labels(service: &Service) -> BTreeMap<String, String> {
    let mut labels = service.labels().clone();
    labels.remove(backends::HEADLESS);
    if backends::is_headless(service) {
        labels.insert(backends::HEADLESS.into(), String::new());
    }
    labels.insert(MANAGED_BY.into(), MANAGER.into());
    labels
}

/// Protocol, port, name and application protocol: what the addresses of a subset share.
type Port = (String, i32, String, Option<String>);

#[derive(Debug, Default)]
struct Group {
    ready: Vec<EndpointAddress>,
    not_ready: Vec<EndpointAddress>,
}

/// The addresses of the pods, those with the same ports together.
fn subsets(service: &Service, pods: &[Arc<Pod>]) -> Vec<EndpointSubset> {
    let publish = backends::publishes_not_ready(service);
    let families = backends::families(service);
    let family = families.first().copied().unwrap_or("IPv4");
    let mut groups: BTreeMap<Vec<Port>, Group> = BTreeMap::new();
    for pod in pods.iter().filter(|pod| backends::may_back(pod, publish)) {
        let Some(address) = address(pod, service, family) else { continue };
        let ports = ports(service, pod);
        if ports.is_empty() && !backends::ports(service).is_empty() {
            continue;
        }
        let group = groups.entry(ports).or_default();
        if publish || pods::is_ready(pod) { &mut group.ready } else { &mut group.not_ready }.push(address);
    }
    groups.into_iter().map(|(ports, group)| subset(ports, group)).collect()
}

fn address(pod: &Pod, service: &Service, family: &str) -> Option<EndpointAddress> {
    let ip = backends::addresses(pod).find(|ip| backends::is_of_family(ip, family))?;
    let node_name = Some(pods::node_name(pod)).filter(|n| !n.is_empty());
    Some(EndpointAddress {
        ip: ip.to_owned(),
        hostname: backends::hostname(pod, service),
        node_name: node_name.map(str::to_owned),
        target_ref: Some(backends::target(pod)),
    })
}

fn ports(service: &Service, pod: &Pod) -> Vec<Port> {
    let found = backends::ports(service).iter().filter_map(|port| {
        let protocol = port.protocol.clone().unwrap_or_else(|| "TCP".into());
        let number = backends::target_port(pod, port)?;
        Some((protocol, number, port.name.clone().unwrap_or_default(), port.app_protocol.clone()))
    });
    let mut ports: Vec<Port> = found.collect();
    ports.sort();
    ports
}

fn subset(ports: Vec<Port>, group: Group) -> EndpointSubset {
    let sorted = |mut addresses: Vec<EndpointAddress>| {
        let uid = |a: &EndpointAddress| a.target_ref.as_ref().and_then(|t| t.uid.clone());
        addresses.sort_by(|a, b| a.ip.cmp(&b.ip).then_with(|| uid(a).cmp(&uid(b))));
        (!addresses.is_empty()).then_some(addresses)
    };
    let ports: Vec<EndpointPort> = ports
        .into_iter()
        .map(|(protocol, port, name, app_protocol)| EndpointPort {
            name: (!name.is_empty()).then_some(name),
            port,
            protocol: Some(protocol),
            app_protocol,
        })
        .collect();
    EndpointSubset {
        addresses: sorted(group.ready),
        not_ready_addresses: sorted(group.not_ready),
        ports: (!ports.is_empty()).then_some(ports),
    }
}

/// Keeps at most `max` addresses, ready ones before others, and of each subset its part; whether any was dropped.
fn truncate(subsets: &mut Vec<EndpointSubset>, max: usize) -> bool {
    let count = |list: &Option<Vec<EndpointAddress>>| list.as_ref().map_or(0, Vec::len);
    let ready: usize = subsets.iter().map(|subset| count(&subset.addresses)).sum();
    let not_ready: usize = subsets.iter().map(|subset| count(&subset.not_ready_addresses)).sum();
    if ready + not_ready <= max {
        return false;
    }
    share(subsets.iter_mut().map(|subset| &mut subset.addresses), ready, max);
    share(subsets.iter_mut().map(|subset| &mut subset.not_ready_addresses), not_ready, max.saturating_sub(ready));
    subsets.retain(|subset| subset.addresses.is_some() || subset.not_ready_addresses.is_some());
    true
}

/// Cuts lists of `total` addresses to `max`. The part of each is rounded up while there is room, so that the last may get
/// less. Source: `truncateEndpoints`.
fn share<'a>(lists: impl Iterator<Item = &'a mut Option<Vec<EndpointAddress>>>, total: usize, max: usize) {
    let mut room = max;
    for list in lists {
        let Some(addresses) = list else { continue };
        addresses.truncate((addresses.len() * max).div_ceil(total).min(room));
        room -= addresses.len();
        if addresses.is_empty() {
            *list = None;
        }
    }
}
