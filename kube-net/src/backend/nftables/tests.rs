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

/// The rules of the chain of the node port, each cut off before the hash of a chain's name.
#[track_caller]
fn check_external(backend: &Nftables, port: &ServicePort, expected: &[&str]) {
    let rules = backend.render(std::slice::from_ref(port));
    let [(_, verdict)] = elements(&rules, NODE_PORTS).try_into().unwrap();
    let chain = rules.chains[verdict.strip_prefix("goto ").unwrap()].iter();
    let cut = |rule: &String| match rule.split_once("goto ") {
        Some((before, chain)) => format!("{before}goto {}", chain.split('-').next().unwrap()),
        None => rule.clone(),
    };
    assert_eq!(chain.map(cut).collect::<Vec<_>>(), expected);
}

#[test]
fn a_local_policy_keeps_the_clients_address_but_for_what_comes_from_within() {
    let mut local = port(vec![endpoint("10.244.0.2", true), endpoint("10.244.1.2", false)]);
    local.node_port = 30080;
    check_external(&backend(), &local, &["jump mark-for-masquerade", "goto service"]);

    local.external_policy = TrafficPolicy::Local;
    let pods = "ip saddr 10.244.0.0/16 goto service";
    let node = ["fib saddr type local jump mark-for-masquerade", "fib saddr type local goto service"];
    check_external(&backend(), &local, &[pods, node[0], node[1], "goto local"]);
    check_external(&Nftables::new(false, None), &local, &[node[0], node[1], "goto local"]);

    local.local_endpoints.clear();
    check_external(&backend(), &local, &[pods, node[0], node[1]]);
}

/// What becomes of connections to the cluster IP and to the node port that no endpoint may have.
#[track_caller]
fn check_refused(internal: TrafficPolicy, external: TrafficPolicy, local: bool, expected: [Option<&str>; 2]) {
    let mut port = port(vec![endpoint("10.244.1.2", local)]);
    (port.internal_policy, port.external_policy, port.node_port) = (internal, external, 30080);
    let rules = backend().render(&[port]);
    let verdict = |map| elements(&rules, map).pop().map(|(_, verdict)| verdict);
    let seen = [verdict(NO_ENDPOINTS), verdict(NO_ENDPOINTS_NODE_PORTS)];
    assert_eq!(seen.each_ref().map(Option::as_deref), expected);
}

#[test]
fn without_local_endpoints_connections_are_dropped_for_another_node_to_answer() {
    use TrafficPolicy::{Cluster, Local};
    check_refused(Cluster, Cluster, false, [None, None]);
    check_refused(Cluster, Local, false, [None, Some("drop")]);
    check_refused(Local, Cluster, false, [Some("drop"), None]);
    check_refused(Local, Local, false, [Some("drop"), Some("drop")]);
    check_refused(Local, Local, true, [None, None]);
}

#[test]
fn an_internal_policy_does_not_bind_traffic_from_outside() {
    let mut port = port(vec![endpoint("10.244.0.2", true), endpoint("10.244.1.2", false)]);
    (port.internal_policy, port.node_port) = (TrafficPolicy::Local, 30080);
    let rules = backend().render(std::slice::from_ref(&port));
    let [(_, verdict)] = elements(&rules, SERVICES).try_into().unwrap();
    let balance = rules.chains[verdict.strip_prefix("goto ").unwrap()].last().unwrap();
    assert!(balance.starts_with("numgen random mod 1 vmap"), "{balance}");
    check_external(&backend(), &port, &["jump mark-for-masquerade", "goto service"]);
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

#[test]
fn every_protocol_has_its_own_port_number() {
    let ports: Vec<ServicePort> = [Protocol::Tcp, Protocol::Udp, Protocol::Sctp]
        .into_iter()
        .map(|protocol| {
            let mut port = port(vec![endpoint("10.244.0.2", true)]);
            (port.name.protocol, port.node_port) = (protocol, 30080);
            port
        })
        .collect();
    let rules = backend().render(&ports);
    let keys = |map| elements(&rules, map).into_iter().map(|(key, _)| key).collect::<Vec<_>>();
    assert_eq!(keys(SERVICES), ["10.96.0.10 . sctp . 80", "10.96.0.10 . tcp . 80", "10.96.0.10 . udp . 80"]);
    assert_eq!(keys(NODE_PORTS), ["sctp . 30080", "tcp . 30080", "udp . 30080"]);
    let targets: BTreeSet<&str> =
        rules.chains.values().flatten().filter(|rule| rule.contains("dnat")).map(String::as_str).collect();
    let expected = ["sctp", "tcp", "udp"].map(|protocol| format!("meta l4proto {protocol} dnat to 10.244.0.2:8080"));
    assert_eq!(targets, expected.iter().map(String::as_str).collect());
}

#[test]
fn a_client_with_affinity_is_looked_up_before_dice_are_thrown() {
    let mut sticky = port(vec![endpoint("10.244.0.2", true), endpoint("10.244.1.2", false)]);
    sticky.affinity = Affinity::ClientIp(Duration::from_secs(60));
    let rules = backend().render(&[sticky]);
    let (_, chain) = rules.chains.iter().find(|(name, _)| name.starts_with("service-")).unwrap();
    let [_masquerade, first, second, dice] = chain.as_slice() else { panic!("{chain:?}") };
    for rule in [first, second] {
        assert!(rule.starts_with("ip saddr @affinity-") && rule.contains("-60 goto endpoint-"), "{rule}");
    }
    assert!(dice.starts_with("numgen random mod 2"), "{dice}");
    assert_eq!(rules.sets.len(), 2, "each endpoint remembers its own clients");
}

#[test]
fn a_pod_may_reach_itself_through_its_service() {
    let rules = backend().render(&[port(vec![endpoint("10.244.0.2", true)])]);
    let (_, chain) = rules.chains.iter().find(|(name, _)| name.starts_with("endpoint-")).unwrap();
    assert_eq!(chain[0], "ip saddr 10.244.0.2 jump mark-for-masquerade");
}

/// The lines of a change that are not about chains.
#[track_caller]
fn check_difference(change: impl FnOnce(&mut ServicePort), expected: &[&str]) {
    let mut port = port(vec![endpoint("10.244.0.2", true), endpoint("10.244.1.2", false)]);
    port.node_port = 30080;
    let old = backend().render(std::slice::from_ref(&port));
    change(&mut port);
    let text = backend().difference(&old, &backend().render(&[port]));
    let lines = text.lines().filter(|line| line.contains(" element "));
    let seen: Vec<&str> = lines.map(|line| line.split(" : ").next().unwrap().trim_end_matches(" }")).collect();
    assert_eq!(seen, expected);
}

#[test]
fn a_change_touches_what_it_concerns() {
    check_difference(|_| {}, &[]);
    check_difference(|port| port.cluster_endpoints.truncate(1), &[]);
    let (gone, added) = (
        "delete element ip kube-proxy service-nodeports { tcp . 30080",
        "add element ip kube-proxy service-nodeports { tcp . 30081",
    );
    check_difference(|port| port.node_port = 30081, &[gone, added]);
    let ip = "203.0.113.7".parse().unwrap();
    check_difference(
        |port| port.external_ips = BTreeSet::from([ip]),
        &["add element ip kube-proxy service-ips { 203.0.113.7 . tcp . 80"],
    );
    check_difference(
        |port| {
            port.cluster_endpoints.clear();
            port.local_endpoints.clear();
        },
        &[
            "delete element ip kube-proxy service-ips { 10.96.0.10 . tcp . 80",
            gone,
            "add element ip kube-proxy no-endpoint-nodeports { tcp . 30080",
            "add element ip kube-proxy no-endpoint-services { 10.96.0.10 . tcp . 80",
        ],
    );
}
