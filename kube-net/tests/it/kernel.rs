//! The kernel's opinion of the rules: each transaction is applied by `nft` in a network namespace of its own.
//!
//! Needs root, `unshare` and `nft`; where they are missing the test says so, and fails only under `CI=true`.

use kubekit_net::{Affinity, Endpoint, Nftables, Protocol, ProxyBackend, ServicePort, ServicePortName, TrafficPolicy};
use std::collections::BTreeSet;
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

fn port(index: u8, endpoints: u8) -> ServicePort {
    let endpoints: Vec<Endpoint> = (1..=endpoints)
        .map(|i| Endpoint { ip: format!("10.244.{index}.{i}").parse().unwrap(), port: 8080, local: true })
        .collect();
    ServicePort {
        name: ServicePortName {
            namespace: "default".to_owned(),
            service: format!("web-{index}"),
            port: "http".to_owned(),
            protocol: Protocol::Tcp,
        },
        cluster_ips: BTreeSet::from([format!("10.96.0.{index}").parse().unwrap()]),
        external_ips: BTreeSet::from([format!("203.0.113.{index}").parse().unwrap()]),
        load_balancer_ips: BTreeSet::from([format!("192.0.2.{index}").parse().unwrap()]),
        source_ranges: vec!["198.51.100.0/24".parse().unwrap()],
        port: 80,
        node_port: 30_000 + u16::from(index),
        affinity: if index.is_multiple_of(2) { Affinity::ClientIp(Duration::from_secs(60)) } else { Affinity::None },
        internal_policy: TrafficPolicy::Cluster,
        external_policy: if index.is_multiple_of(3) { TrafficPolicy::Local } else { TrafficPolicy::Cluster },
        local_endpoints: endpoints.clone(),
        cluster_endpoints: endpoints,
    }
}

/// Runs transactions one after the other in a fresh network namespace and gives the table that results; `None` where
/// this machine cannot.
fn apply(transactions: &[String]) -> Option<String> {
    if !has(&["unshare", "-n", "nft", "list", "ruleset"]) {
        return None;
    }
    Some(run(transactions, "nft list ruleset"))
}

/// Whether this works here; under `CI=true` it must.
fn has(command: &[&str]) -> bool {
    let possible = Command::new(command[0]).args(&command[1..]).output().is_ok_and(|output| output.status.success());
    if !possible {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "{command:?} must work under CI=true");
        println!("skipped: needs root and {command:?}");
    }
    possible
}

/// Runs transactions and then a script in a fresh network namespace; gives what the script says.
fn run(transactions: &[String], script: &str) -> String {
    let dir = tempfile::tempdir().unwrap();
    let mut all = String::from("set -e\n");
    for (i, transaction) in transactions.iter().enumerate() {
        let path = dir.path().join(format!("{i}.nft"));
        std::fs::File::create(&path).unwrap().write_all(transaction.as_bytes()).unwrap();
        all.push_str(&format!("nft -f {}\n", path.display()));
    }
    all.push_str(script);
    let output = Command::new("unshare").args(["-n", "sh", "-c", &all]).stderr(Stdio::piped()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// What a process on this node hears at an address, where its one endpoint says `hello` and is on another node.
#[track_caller]
fn check_reached(service: ServicePort, address: &str, expected: &str) {
    let (backend, policy) = (Nftables::new(false, Some("10.244.0.0/16".parse().unwrap())), service.external_policy);
    // The node's address, the endpoint's, and a way to everywhere are all on the loopback interface.
    let script = format!(
        "ip link set lo up
        ip address add 172.31.0.1/24 dev lo
        ip address add 10.244.1.1/32 dev lo
        ip route add default dev lo
        timeout 30 busybox nc -ll -p 8080 -e echo hello &
        server=$!
        for i in $(seq 100); do
            if busybox netstat -lnt | grep -q :8080; then break; fi
            busybox usleep 50000
        done
        busybox nc -w 2 {address} </dev/null || echo nobody
        kill $server"
    );
    assert_eq!(run(&[backend.replace(&backend.render(&[service]))], &script).trim(), expected, "{address} {policy:?}");
}

#[test]
fn this_node_reaches_a_service_whose_endpoints_are_elsewhere() {
    if !has(&["unshare", "-n", "nft", "list", "ruleset"]) || !has(&["busybox", "nc", "--help"]) || !has(&["ip", "-V"]) {
        return;
    }
    for (policy, elsewhere) in
        [(TrafficPolicy::Cluster, true), (TrafficPolicy::Local, true), (TrafficPolicy::Local, false)]
    {
        let mut service = port(1, if elsewhere { 1 } else { 0 });
        (service.external_policy, service.affinity, service.source_ranges) = (policy, Affinity::None, Vec::new());
        service.local_endpoints.clear();
        let expected = if elsewhere { "hello" } else { "nobody" };
        for address in ["10.96.0.1 80", "203.0.113.1 80", "192.0.2.1 80", "172.31.0.1 30001"] {
            check_reached(service.clone(), address, expected);
        }
    }
}

#[test]
fn a_difference_leads_to_the_same_table_as_a_replacement() {
    let backend = Nftables::new(false, Some("10.244.0.0/16".parse().unwrap()));
    let before = backend.render(&(1..=6).map(|i| port(i, 2)).collect::<Vec<_>>());
    let mut ports: Vec<ServicePort> = (3..=9).map(|i| port(i, i % 4)).collect();
    ports[0].affinity = Affinity::ClientIp(Duration::from_secs(90));
    let after = backend.render(&ports);
    let Some(stepwise) = apply(&[backend.replace(&before), backend.difference(&before, &after)]) else { return };
    let sorted = |text: &str| {
        // Elements and chains are listed in the order of their creation: compare them as sets of words.
        let mut words: Vec<String> = text.split([' ', ',', '\n', '\t']).map(str::to_owned).collect();
        words.sort();
        words.retain(|word| !word.is_empty());
        words
    };
    let whole = apply(&[backend.replace(&after)]).expect("it was possible before");
    assert_eq!(sorted(&stepwise), sorted(&whole));
    assert!(whole.contains("dnat to 10.244.5.1:8080"), "{whole}");
}

#[test]
fn a_replacement_and_a_removal_work_whatever_was_there() {
    let backend = Nftables::new(true, None);
    let rules = backend.render(&[]);
    let steps = [backend.remove(), backend.replace(&rules), backend.replace(&rules), backend.remove()];
    let Some(left) = apply(&steps) else { return };
    assert_eq!(left.trim(), "");
}

/// A port of an IPv6 Service with all that a port can have.
fn six(protocol: Protocol, external_policy: TrafficPolicy, local: bool) -> ServicePort {
    let endpoint = |ip: &str, local| Endpoint { ip: ip.parse().unwrap(), port: 8080, local };
    let cluster_endpoints = vec![endpoint("fd00:244::2", local), endpoint("fd00:244:1::2", false)];
    ServicePort {
        name: ServicePortName { protocol, ..port(1, 0).name },
        cluster_ips: BTreeSet::from(["fd00:96::1".parse().unwrap()]),
        external_ips: BTreeSet::from(["2001:db8::1".parse().unwrap()]),
        load_balancer_ips: BTreeSet::from(["2001:db8::2".parse().unwrap()]),
        // Ranges that overlap, with bits beyond their length, as people write them.
        source_ranges: ["2001:db8:1::/48", "2001:db8:1:2::7/64"].map(|range| range.parse().unwrap()).into(),
        affinity: Affinity::ClientIp(Duration::from_secs(60)),
        external_policy,
        local_endpoints: cluster_endpoints.iter().filter(|endpoint| endpoint.local).cloned().collect(),
        cluster_endpoints,
        ..port(1, 0)
    }
}

#[test]
fn the_kernel_takes_whatever_a_service_may_ask_for() {
    let backend = Nftables::new(true, Some("fd00:244::/32".parse().unwrap()));
    for protocol in [Protocol::Tcp, Protocol::Udp, Protocol::Sctp] {
        let states = [(TrafficPolicy::Cluster, true), (TrafficPolicy::Local, true), (TrafficPolicy::Local, false)];
        let rules = states.map(|(policy, local)| backend.render(&[six(protocol, policy, local)]));
        let steps: Vec<String> = std::iter::once(backend.replace(&rules[0]))
            .chain(rules.windows(2).map(|pair| backend.difference(&pair[0], &pair[1])))
            .collect();
        let Some(table) = apply(&steps) else { return };
        let name = protocol.as_str();
        assert!(table.contains(&format!("meta l4proto {name} dnat to [fd00:244:1::2]:8080")), "{table}");
        assert!(table.contains(&format!("{name} . 30001 : drop")), "nobody here answers on the node port: {table}");
    }
}
