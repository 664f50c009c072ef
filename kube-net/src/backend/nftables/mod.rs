//! nftables: one table per IP family, with verdict maps from address, protocol and port to the chain of a service port, so
//! that a packet costs one look-up whatever the number of Services (KEP-3866).

mod skeleton;

use super::{ProxyBackend, RuleSet};
use crate::name::hash;
use crate::port::{Affinity, Endpoint, ServicePort, TrafficPolicy};
use std::fmt::Write;
use std::net::IpAddr;

const SERVICES: &str = "service-ips";
const NODE_PORTS: &str = "service-nodeports";
const NO_ENDPOINTS: &str = "no-endpoint-services";
const NO_ENDPOINTS_NODE_PORTS: &str = "no-endpoint-nodeports";
const CLUSTER_IPS: &str = "cluster-ips";

/// Renders for `nft -f`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nftables {
    ipv6: bool,
    pod_cidr: Option<ipnet::IpNet>,
}

impl Nftables {
    /// For IPv4, or for IPv6. Traffic to cluster IPs that does not come from `pod_cidr` (the range of all Pods) is
    /// masqueraded, since answers to it might not come back through this node; without a range none is.
    pub fn new(ipv6: bool, pod_cidr: Option<ipnet::IpNet>) -> Self {
        Self { ipv6, pod_cidr }
    }

    fn ip(&self) -> &'static str {
        if self.ipv6 { "ip6" } else { "ip" }
    }

    fn address_type(&self) -> &'static str {
        if self.ipv6 { "ipv6_addr" } else { "ipv4_addr" }
    }

    fn socket(ip: IpAddr, port: u16) -> String {
        match ip {
            IpAddr::V4(ip) => format!("{ip}:{port}"),
            IpAddr::V6(ip) => format!("[{ip}]:{port}"),
        }
    }

    fn render_port(&self, port: &ServicePort, rules: &mut RuleSet) {
        let protocol = port.name.protocol.as_str();
        let internal = self.balance(port, port.internal_policy, rules);
        for ip in &port.cluster_ips {
            let key = format!("{ip} . {protocol} . {}", port.port);
            rules.element(CLUSTER_IPS, ip.to_string(), String::new());
            match &internal {
                Some(chain) => rules.element(SERVICES, key, format!("goto {chain}")),
                None => rules.element(NO_ENDPOINTS, key, refusal(!port.cluster_endpoints.is_empty())),
            }
        }
        if !port.is_external() {
            return;
        }
        let chosen = self.balance(port, port.external_policy, rules);
        let external = self.external_chain(port, chosen.as_deref(), rules);
        for ip in port.outside_ips() {
            let key = format!("{ip} . {protocol} . {}", port.port);
            self.outside_entry(external.as_deref(), chosen.is_some(), (SERVICES, NO_ENDPOINTS), key, rules);
        }
        if port.node_port != 0 {
            let key = format!("{protocol} . {}", port.node_port);
            let maps = (NODE_PORTS, NO_ENDPOINTS_NODE_PORTS);
            self.outside_entry(external.as_deref(), chosen.is_some(), maps, key, rules);
        }
    }

    /// Where a packet for an address from outside goes. Under the policy `Local` there may be a chain although there are no
    /// endpoints to choose from: it is for traffic from within, and what is left over is dropped.
    fn outside_entry(
        &self,
        chain: Option<&str>,
        chosen: bool,
        (services, none): (&str, &str),
        key: String,
        rules: &mut RuleSet,
    ) {
        if !chosen {
            rules.element(none, key.clone(), refusal(chain.is_some()));
        }
        if let Some(chain) = chain {
            rules.element(services, key, format!("goto {chain}"));
        }
    }

    /// The chain that chooses among the endpoints under a policy; none without endpoints.
    fn balance(&self, port: &ServicePort, policy: TrafficPolicy, rules: &mut RuleSet) -> Option<String> {
        let endpoints = port.endpoints(policy);
        if endpoints.is_empty() {
            return None;
        }
        let kind = if policy == TrafficPolicy::Local { "local" } else { "service" };
        let chain = format!("{kind}-{}", short(port));
        let mut own = Vec::new();
        if let Some(cidr) = &self.pod_cidr {
            for ip in &port.cluster_ips {
                own.push(format!(
                    "{family} daddr {ip} {protocol} dport {number} {family} saddr != {cidr} jump mark-for-masquerade",
                    family = self.ip(),
                    protocol = port.name.protocol.as_str(),
                    number = port.port,
                ));
            }
        }
        let chains: Vec<String> = endpoints.iter().map(|endpoint| self.endpoint_chain(port, endpoint, rules)).collect();
        if port.affinity != Affinity::None {
            for chain in &chains {
                own.push(format!("{} saddr @{} goto {chain}", self.ip(), affinity_set(chain, port.affinity)));
            }
        }
        let choices: Vec<String> = chains.iter().enumerate().map(|(i, chain)| format!("{i} : goto {chain}")).collect();
        own.push(format!("numgen random mod {} vmap {{ {} }}", chains.len(), choices.join(", ")));
        rules.chain(chain.clone(), own);
        Some(chain)
    }

    fn endpoint_chain(&self, port: &ServicePort, endpoint: &Endpoint, rules: &mut RuleSet) -> String {
        let target = Self::socket(endpoint.ip, endpoint.port);
        let id = format!("{}{target}", port.name);
        let address = endpoint.ip.to_string().replace(':', ".");
        let chain = format!("endpoint-{}-{address}/{}", hash(&id), endpoint.port);
        let mut own = vec![
            // A Pod that reaches itself through its Service must see another's address.
            format!("{} saddr {} jump mark-for-masquerade", self.ip(), endpoint.ip),
        ];
        if let Affinity::ClientIp(timeout) = port.affinity {
            let set = affinity_set(&chain, port.affinity);
            let seconds = timeout.as_secs();
            own.push(format!("update @{set} {{ {} saddr }}", self.ip()));
            rules.sets.insert(
                set,
                format!("{{ type {}; size 65535; flags dynamic,timeout; timeout {seconds}s; }}", self.address_type()),
            );
        }
        own.push(format!("meta l4proto {} dnat to {target}", port.name.protocol.as_str()));
        rules.chain(chain.clone(), own);
        chain
    }

    /// What happens to traffic for an address from outside before an endpoint is chosen by the chain `chosen`; none where
    /// no endpoint is left anywhere.
    fn external_chain(&self, port: &ServicePort, chosen: Option<&str>, rules: &mut RuleSet) -> Option<String> {
        // Traffic from within the cluster is treated as if it had gone out to a balancer and come back: under any policy
        // it may go to every endpoint.
        let anywhere = self.balance(port, TrafficPolicy::Cluster, rules)?;
        let chain = format!("external-{}", short(port));
        let family = self.ip();
        let mut own = Vec::new();
        if !port.source_ranges.is_empty() && !port.load_balancer_ips.is_empty() {
            let ips: Vec<String> = port.load_balancer_ips.iter().map(ToString::to_string).collect();
            let ranges: Vec<String> = port.source_ranges.iter().map(ToString::to_string).collect();
            own.push(format!(
                "{family} daddr {{ {} }} {family} saddr != {{ {} }} drop",
                ips.join(", "),
                ranges.join(", ")
            ));
        }
        match port.external_policy {
            // The endpoint may be on another node: the answer must come back through this one.
            TrafficPolicy::Cluster => own.push("jump mark-for-masquerade".to_owned()),
            TrafficPolicy::Local => {
                own.extend(self.pod_cidr.map(|cidr| format!("{family} saddr {cidr} goto {anywhere}")));
                // This node may have the balancer's address, and would take it for its own when it answers itself.
                own.push("fib saddr type local jump mark-for-masquerade".to_owned());
                own.push(format!("fib saddr type local goto {anywhere}"));
            }
        }
        own.extend(chosen.map(|chosen| format!("goto {chosen}")));
        rules.chain(chain.clone(), own);
        Some(chain)
    }

    /// A transaction's lines for the chains, sets and elements in `new` and not in `old`.
    fn additions(&self, old: &RuleSet, new: &RuleSet, text: &mut String) {
        let table = format!("{} {}", self.ip(), skeleton::TABLE);
        let mut line = |line: std::fmt::Arguments<'_>| {
            text.write_fmt(line).expect("writing to a String cannot fail");
            text.push('\n');
        };
        for (set, definition) in new.sets.iter().filter(|(name, _)| !old.sets.contains_key(*name)) {
            line(format_args!("add set {table} {set} {definition}"));
        }
        // Chains may jump to one another: all exist before any gets its rules.
        for (chain, _) in new.changed_chains(old) {
            line(format_args!("add chain {table} {chain}"));
            if old.chains.contains_key(chain) {
                line(format_args!("flush chain {table} {chain}"));
            }
        }
        for (chain, rules) in new.changed_chains(old) {
            for rule in rules {
                line(format_args!("add rule {table} {chain} {rule}"));
            }
        }
        for (map, key, _) in old.elements_beyond(new) {
            line(format_args!("delete element {table} {map} {{ {key} }}"));
        }
        for (map, key, value) in new.elements_beyond(old) {
            let separator = if value.is_empty() { "" } else { " : " };
            line(format_args!("add element {table} {map} {{ {key}{separator}{value} }}"));
        }
        // Nothing leads to what is gone any more: first it loses its own jumps, then its name.
        for chain in old.gone_chains(new) {
            line(format_args!("flush chain {table} {chain}"));
        }
        for chain in old.gone_chains(new) {
            line(format_args!("delete chain {table} {chain}"));
        }
        for set in old.sets.keys().filter(|name| !new.sets.contains_key(*name)) {
            line(format_args!("delete set {table} {set}"));
        }
    }
}

/// What becomes of connections that no endpoint may have: refused, and dropped where only this node has no endpoints, so that
/// a balancer outside tries another.
fn refusal(elsewhere: bool) -> String {
    if elsewhere { "drop".to_owned() } else { "goto reject-chain".to_owned() }
}

/// The part of a chain's name that tells a service port: readable, and short enough (nftables allows 127 bytes).
fn short(port: &ServicePort) -> String {
    let name = port.name.to_string();
    let readable: String = name.chars().take(80).collect();
    format!("{}-{readable}", hash(&name)).trim_end_matches('/').to_owned()
}

/// A set's timeout cannot be changed in place: it is part of the name.
fn affinity_set(endpoint_chain: &str, affinity: Affinity) -> String {
    let seconds = match affinity {
        Affinity::None => 0,
        Affinity::ClientIp(timeout) => timeout.as_secs(),
    };
    format!("{}-{seconds}", endpoint_chain.replacen("endpoint", "affinity", 1))
}

impl ProxyBackend for Nftables {
    fn render(&self, ports: &[ServicePort]) -> RuleSet {
        let mut rules = RuleSet::default();
        for port in ports {
            self.render_port(port, &mut rules);
        }
        rules
    }

    fn replace(&self, rules: &RuleSet) -> String {
        let mut text = skeleton::table(self.ip(), self.address_type());
        self.additions(&RuleSet::default(), rules, &mut text);
        text
    }

    fn difference(&self, old: &RuleSet, new: &RuleSet) -> String {
        let mut text = String::new();
        self.additions(old, new, &mut text);
        text
    }

    fn remove(&self) -> String {
        // Adding first makes the deletion valid where there is no table.
        let table = format!("{} {}", self.ip(), skeleton::TABLE);
        format!("add table {table}\ndelete table {table}\n")
    }
}

#[cfg(test)]
mod tests;
