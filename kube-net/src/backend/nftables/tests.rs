//! Rules as rows: what a port renders to, and what a change costs.

use super::*;
use crate::backend::check;
use crate::port::{Protocol, ServicePortName};
use std::collections::BTreeSet;
use std::time::Duration;

fn endpoint(ip: &str, local: bool) -> Endpoint {
    Endpoint { ip: ip.parse().unwrap(), port: 8080, local }
}

fn port(endpoints: Vec<Endpoint>) -> ServicePort {
    ServicePort {
        name: ServicePortName {
            namespace: "default".to_owned(),
            service: "web".to_owned(),
            port: String::new(),
            protocol: Protocol::Tcp,
        },
        cluster_ips: BTreeSet::from(["10.96.0.10".parse().unwrap()]),
        external_ips: BTreeSet::new(),
        load_balancer_ips: BTreeSet::new(),
        source_ranges: Vec::new(),
        port: 80,
        node_port: 0,
        affinity: Affinity::None,
        internal_policy: TrafficPolicy::Cluster,
        external_policy: TrafficPolicy::Cluster,
        local_endpoints: endpoints.iter().filter(|e| e.local).cloned().collect(),
        cluster_endpoints: endpoints,
    }
}

fn backend() -> Nftables {
    Nftables::new(false, Some("10.244.0.0/16".parse().unwrap()))
}

fn elements(rules: &RuleSet, map: &str) -> Vec<(String, String)> {
    rules.elements.get(map).into_iter().flatten().map(|(k, v)| (k.clone(), v.clone())).collect()
}

#[test]
fn it_keeps_the_contract() {
    check(&backend());
    check(&Nftables::new(false, None));
    check(&crate::backend::Simulated);
}

#[test]
fn a_cluster_ip_leads_to_every_endpoint() {
    let rules = backend().render(&[port(vec![endpoint("10.244.0.2", true), endpoint("10.244.1.2", false)])]);
    let [(key, verdict)] = elements(&rules, SERVICES).try_into().unwrap();
    assert_eq!(key, "10.96.0.10 . tcp . 80");
    let chain = &rules.chains[verdict.strip_prefix("goto ").unwrap()];
    assert!(chain[0].ends_with("ip saddr != 10.244.0.0/16 jump mark-for-masquerade"), "{chain:?}");
    assert!(chain[1].starts_with("numgen random mod 2 vmap { 0 : goto endpoint-"), "{chain:?}");
    let targets: Vec<&String> = rules.chains.values().flatten().filter(|rule| rule.contains("dnat")).collect();
    assert_eq!(targets.len(), 2);
    assert!(elements(&rules, NODE_PORTS).is_empty());
}

#[test]
fn without_endpoints_connections_are_refused() {
    let mut empty = port(vec![]);
    empty.node_port = 30080;
    let rules = backend().render(&[empty]);
    assert_eq!(elements(&rules, NO_ENDPOINTS), [("10.96.0.10 . tcp . 80".to_owned(), "goto reject-chain".to_owned())]);
    assert_eq!(elements(&rules, NO_ENDPOINTS_NODE_PORTS), [("tcp . 30080".to_owned(), "goto reject-chain".to_owned())]);
    assert!(rules.chains.is_empty());
}

#[test]
fn a_local_policy_keeps_the_clients_address_and_drops_without_local_endpoints() {
    let mut local = port(vec![endpoint("10.244.0.2", true), endpoint("10.244.1.2", false)]);
    local.node_port = 30080;
    local.external_policy = TrafficPolicy::Local;
    let rules = backend().render(std::slice::from_ref(&local));
    let [(_, verdict)] = elements(&rules, NODE_PORTS).try_into().unwrap();
    let external = &rules.chains[verdict.strip_prefix("goto ").unwrap()];
    assert_eq!(external.len(), 1, "no masquerading: {external:?}");
    assert!(external[0].starts_with("goto local-"));

    local.local_endpoints.clear();
    let rules = backend().render(&[local]);
    assert_eq!(elements(&rules, NO_ENDPOINTS_NODE_PORTS), [("tcp . 30080".to_owned(), "drop".to_owned())]);
}

#[test]
fn load_balancer_sources_are_held_to_their_ranges() {
    let mut balanced = port(vec![endpoint("10.244.0.2", true)]);
    balanced.load_balancer_ips = BTreeSet::from(["192.0.2.1".parse().unwrap()]);
    balanced.external_ips = BTreeSet::from(["203.0.113.1".parse().unwrap()]);
    balanced.source_ranges = vec!["198.51.100.0/24".parse().unwrap()];
    let rules = backend().render(std::slice::from_ref(&balanced));
    let external = rules.chains.iter().find(|(name, _)| name.starts_with("external-")).unwrap().1;
    assert_eq!(external[0], "ip daddr { 192.0.2.1 } ip saddr != { 198.51.100.0/24 } drop", "external IPs are open");
    let keys: Vec<String> = elements(&rules, SERVICES).into_iter().map(|(key, _)| key).collect();
    assert_eq!(keys, ["10.96.0.10 . tcp . 80", "192.0.2.1 . tcp . 80", "203.0.113.1 . tcp . 80"]);

    balanced.load_balancer_ips.clear();
    let rules = backend().render(&[balanced]);
    assert!(!rules.chains.values().flatten().any(|rule| rule.ends_with("drop")), "{rules:?}");
}

#[test]
fn affinity_remembers_clients_per_endpoint() {
    let mut sticky = port(vec![endpoint("10.244.0.2", true)]);
    sticky.affinity = Affinity::ClientIp(Duration::from_secs(60));
    let rules = backend().render(std::slice::from_ref(&sticky));
    assert!(rules.sets.values().next().unwrap().contains("timeout 60s"));
    // A new timeout is a new set, since a set's timeout cannot be changed in place.
    sticky.affinity = Affinity::ClientIp(Duration::from_secs(61));
    let text = backend().difference(&rules, &backend().render(&[sticky]));
    assert!(text.contains("add set") && text.contains("delete set"), "{text}");
}

#[test]
fn a_gone_service_leaves_nothing() {
    let rules = backend().render(&[port(vec![endpoint("10.244.0.2", true)])]);
    let text = backend().difference(&rules, &RuleSet::default());
    let flushes = text.lines().filter(|line| line.starts_with("flush chain")).count();
    let deletions = text.lines().filter(|line| line.starts_with("delete chain")).count();
    assert_eq!((flushes, deletions), (rules.chains.len(), rules.chains.len()));
    assert!(text.find("delete element").unwrap() < text.find("delete chain").unwrap());
}

#[test]
fn names_stay_within_what_the_kernel_allows() {
    let mut long = port(vec![endpoint("10.244.0.2", true)]);
    long.name.namespace = "n".repeat(63);
    long.name.service = "s".repeat(63);
    long.name.port = "p".repeat(15);
    let rules = backend().render(&[long]);
    assert!(rules.chains.keys().all(|name| name.len() < 128));
}

#[test]
fn ipv6_is_written_as_ipv6() {
    let mut six = port(vec![endpoint("fd00::2", true)]);
    six.cluster_ips = BTreeSet::from(["fd00:96::a".parse().unwrap()]);
    let rules = Nftables::new(true, None).render(&[six]);
    assert_eq!(elements(&rules, SERVICES)[0].0, "fd00:96::a . tcp . 80");
    assert!(rules.chains.values().flatten().any(|rule| rule == "meta l4proto tcp dnat to [fd00::2]:8080"));
}
