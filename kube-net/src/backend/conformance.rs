//! What every [`ProxyBackend`] must do, for those who write one.

use super::{ProxyBackend, RuleSet};
use crate::port::{Affinity, Endpoint, Protocol, ServicePort, ServicePortName, TrafficPolicy};
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

fn port(index: u8, endpoints: u8) -> ServicePort {
    let endpoints: Vec<Endpoint> = (0..endpoints)
        .map(|i| Endpoint { ip: IpAddr::V4(Ipv4Addr::new(10, 244, index, i + 1)), port: 8080, local: i == 0 })
        .collect();
    ServicePort {
        name: ServicePortName {
            namespace: "default".to_owned(),
            service: format!("service-{index}"),
            port: "http".to_owned(),
            protocol: Protocol::Tcp,
        },
        cluster_ips: BTreeSet::from([IpAddr::V4(Ipv4Addr::new(10, 96, 0, index))]),
        external_ips: BTreeSet::new(),
        load_balancer_ips: BTreeSet::new(),
        source_ranges: Vec::new(),
        port: 80,
        node_port: 30_000 + u16::from(index),
        affinity: Affinity::None,
        internal_policy: TrafficPolicy::Cluster,
        external_policy: TrafficPolicy::Cluster,
        local_endpoints: endpoints.iter().filter(|endpoint| endpoint.local).cloned().collect(),
        cluster_endpoints: endpoints,
    }
}

/// Holds an IPv4 backend to the contract of [`ProxyBackend`].
///
/// # Panics
/// When the contract is broken; the message says how.
pub fn check(backend: &dyn ProxyBackend) {
    let some: Vec<ServicePort> = (1..=20).map(|index| port(index, 2)).collect();
    let rules = backend.render(&some);
    assert_eq!(rules, backend.render(&some), "rendering must be deterministic");
    assert_eq!(backend.difference(&rules, &rules), "", "the difference between equal rules must be empty");
    assert!(backend.render(&[]).elements.values().all(std::collections::BTreeMap::is_empty), "no ports, no elements");

    let mut more = some.clone();
    more.push(port(21, 2));
    let added = backend.difference(&rules, &backend.render(&more));
    let alone = backend.difference(&RuleSet::default(), &backend.render(&more[20..]));
    assert_eq!(added, alone, "the rules of one Service must not depend on the others");

    let whole = backend.replace(&backend.render(&more));
    for endpoint in more.iter().flat_map(|port| &port.cluster_endpoints) {
        let target = format!("{}:{}", endpoint.ip, endpoint.port);
        assert!(whole.contains(&target), "endpoint {target} is missing");
    }
    let mut fewer = some.clone();
    let gone = fewer[0].cluster_endpoints.remove(1);
    let whole = backend.replace(&backend.render(&fewer));
    assert!(!whole.contains(&format!("{}:{}", gone.ip, gone.port)), "an endpoint that is gone still gets traffic");
    let shrunk = backend.difference(&rules, &backend.render(&fewer));
    assert!(!shrunk.is_empty(), "an endpoint that goes must be taken out");
    assert!(!shrunk.contains("10.244.2."), "the change of one Service touches another");
    assert_ne!(backend.remove(), "", "there must be a way to take every rule away");
}
