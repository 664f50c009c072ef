//! Which pods back a Service, and under which ports: the ground of Endpoints and EndpointSlices.
//!
//! Source: `k8s.io/endpointslice` and `pkg/controller/endpoint`.

mod trigger;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use k8s_openapi::api::core::v1::{Container, ObjectReference, Pod, Service, ServicePort};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kubekit_runtime::{Change, Object as _, ObjectKey, Reader};

pub use trigger::TriggerTimes;

use crate::pods;

/// The annotation with the time of the change that brought a write about.
pub const LAST_CHANGE_TRIGGER_TIME: &str = "endpoints.kubernetes.io/last-change-trigger-time";
/// The label on the endpoints of a Service without a cluster IP.
pub const HEADLESS: &str = "service.kubernetes.io/headless";

/// The selector, none where somebody else manages the endpoints, or where there are none.
pub fn selector(service: &Service) -> Option<&BTreeMap<String, String>> {
    let spec = service.spec.as_ref()?;
    let external = spec.type_.as_deref() == Some("ExternalName");
    spec.selector.as_ref().filter(|s| !external && !s.is_empty())
}

/// Whether an object with these labels is selected.
pub fn selects(selector: &BTreeMap<String, String>, labels: &BTreeMap<String, String>) -> bool {
    selector.iter().all(|(key, value)| labels.get(key) == Some(value))
}

/// Whether the Service has no cluster IP.
pub fn is_headless(service: &Service) -> bool {
    let ip = service.spec.as_ref().and_then(|s| s.cluster_ip.as_deref()).unwrap_or_default();
    ip.is_empty() || ip == "None"
}

/// Whether pods that are not ready are published as if they were.
pub fn publishes_not_ready(service: &Service) -> bool {
    service.spec.as_ref().and_then(|s| s.publish_not_ready_addresses).unwrap_or(false)
}

/// The ports of the Service.
pub fn ports(service: &Service) -> &[ServicePort] {
    service.spec.as_ref().and_then(|s| s.ports.as_deref()).unwrap_or_default()
}

/// Whether a pod may back a Service: it has an address and has not ended.
pub fn may_back(pod: &Pod, include_terminating: bool) -> bool {
    !pods::is_terminal(pod) && addresses(pod).next().is_some() && (include_terminating || !pods::is_terminating(pod))
}

/// The addresses of a pod.
pub fn addresses(pod: &Pod) -> impl Iterator<Item = &str> {
    let status = pod.status.as_ref();
    let all = status.and_then(|s| s.pod_ips.as_deref()).unwrap_or_default();
    let only = status.and_then(|s| s.pod_ip.as_deref()).filter(|ip| all.is_empty() && !ip.is_empty());
    all.iter().map(|ip| ip.ip.as_str()).chain(only)
}

/// Whether an address is of a family, `IPv4` or `IPv6`.
pub fn is_of_family(address: &str, family: &str) -> bool {
    match address.parse() {
        Ok(IpAddr::V4(_)) => family == "IPv4",
        Ok(IpAddr::V6(_)) => family == "IPv6",
        Err(_) => false,
    }
}

/// The families of a Service's addresses, the first first.
pub fn families(service: &Service) -> Vec<&str> {
    let spec = service.spec.as_ref();
    if let Some(families) = spec.and_then(|s| s.ip_families.as_ref()).filter(|f| !f.is_empty()) {
        return families.iter().map(String::as_str).collect();
    }
    match spec.and_then(|s| s.cluster_ip.as_deref()).unwrap_or_default().parse() {
        Ok(IpAddr::V4(_)) => vec!["IPv4"],
        Ok(IpAddr::V6(_)) => vec!["IPv6"],
        // A headless Service that was stored before families were: it may have endpoints of both.
        Err(_) => vec!["IPv4", "IPv6"],
    }
}

/// The port of a pod that a Service's port leads to; none where the pod has no port of that name.
pub fn target_port(pod: &Pod, port: &ServicePort) -> Option<i32> {
    let name = match &port.target_port {
        None => return Some(port.port),
        Some(IntOrString::Int(0)) => return Some(port.port),
        Some(IntOrString::Int(number)) => return Some(*number),
        Some(IntOrString::String(name)) => name,
    };
    let wanted = port.protocol.as_deref().unwrap_or("TCP");
    let spec = pod.spec.as_ref()?;
    let sidecars = spec.init_containers.iter().flatten().filter(|c| c.restart_policy.as_deref() == Some("Always"));
    let ports = spec.containers.iter().chain(sidecars).filter_map(|c: &Container| c.ports.as_ref()).flatten();
    let mut matching =
        ports.filter(|p| p.name.as_ref() == Some(name) && p.protocol.as_deref().unwrap_or("TCP") == wanted);
    matching.next().map(|p| p.container_port)
}

/// The host name under which the Service's DNS zone knows the pod.
pub fn hostname(pod: &Pod, service: &Service) -> Option<String> {
    let spec = pod.spec.as_ref()?;
    let hostname = spec.hostname.as_ref().filter(|h| !h.is_empty())?;
    let in_zone = spec.subdomain.as_deref() == Some(service.name()) && pod.namespace() == service.namespace();
    in_zone.then(|| hostname.clone())
}

/// The reference to the pod behind an address.
pub fn target(pod: &Pod) -> ObjectReference {
    ObjectReference {
        kind: Some("Pod".into()),
        namespace: pod.metadata.namespace.clone(),
        name: pod.metadata.name.clone(),
        uid: pod.metadata.uid.clone(),
        ..ObjectReference::default()
    }
}

/// The pods that the Service selects.
pub fn selected(reader: &Reader<Pod>, service: &Service) -> Vec<Arc<Pod>> {
    let Some(selector) = selector(service) else { return Vec::new() };
    let mut pods = reader.in_namespace(service.namespace());
    pods.retain(|pod| selects(selector, pod.labels()));
    pods
}

/// The Services whose endpoints a change of a pod may alter.
pub fn affected(services: &Reader<Service>, change: &Change<Pod>) -> Vec<ObjectKey> {
    let pod = change.object();
    let old = match change {
        Change::Applied { old: Some(old), .. } if !matters(old, pod) => return Vec::new(),
        Change::Applied { old, .. } => old.as_ref(),
        Change::Deleted(_) => None,
    };
    let all = services.in_namespace(pod.namespace()).into_iter();
    let affected = all.filter(|service| {
        selector(service).is_some_and(|s| selects(s, pod.labels()) || old.is_some_and(|old| selects(s, old.labels())))
    });
    affected.map(|service| service.key()).collect()
}

/// Whether a change of a pod can be seen in endpoints: most changes of a pod's status cannot.
fn matters(old: &Pod, new: &Pod) -> bool {
    let seen = |pod: &Pod| {
        let spec = pod.spec.as_ref();
        (
            pod.metadata.uid.clone(),
            pods::is_terminating(pod),
            pods::is_terminal(pod),
            pods::is_ready(pod),
            spec.and_then(|s| s.node_name.clone()),
            spec.and_then(|s| s.hostname.clone()),
            spec.and_then(|s| s.subdomain.clone()),
        )
    };
    old.labels() != new.labels() || seen(old) != seen(new) || !addresses(old).eq(addresses(new))
}

#[cfg(test)]
mod tests;
