//! Rules that no kernel needs: a table of where packets go, which a test or a simulated network looks up.

use super::{ProxyBackend, RuleSet};
use crate::port::{Protocol, ServicePort};
use std::fmt::Write;
use std::net::{IpAddr, SocketAddr};

const TABLE: &str = "routes";

/// Renders one line per address of a port: `10.96.0.10 udp 53 > 10.244.0.2:53 10.244.1.2:53`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Simulated;

impl Simulated {
    /// Where the `nth` connection to an address goes; `None` where nobody answers. Node ports have no address.
    pub fn route(rules: &RuleSet, ip: Option<IpAddr>, protocol: Protocol, port: u16, nth: usize) -> Option<SocketAddr> {
        let targets = rules.elements.get(TABLE)?.get(&key(ip, protocol, port))?;
        let count = targets.split_whitespace().count().max(1);
        targets.split_whitespace().nth(nth % count)?.parse().ok()
    }
}

fn key(ip: Option<IpAddr>, protocol: Protocol, port: u16) -> String {
    let ip = ip.map_or_else(|| "node".to_owned(), |ip| ip.to_string());
    format!("{ip} {} {port}", protocol.as_str())
}

impl ProxyBackend for Simulated {
    fn render(&self, ports: &[ServicePort]) -> RuleSet {
        let mut rules = RuleSet::default();
        for port in ports {
            let targets = |policy| {
                let endpoints = port.endpoints(policy).iter();
                endpoints.map(|e| SocketAddr::new(e.ip, e.port).to_string()).collect::<Vec<_>>().join(" ")
            };
            for ip in &port.cluster_ips {
                rules.element(TABLE, key(Some(*ip), port.name.protocol, port.port), targets(port.internal_policy));
            }
            for ip in port.outside_ips() {
                rules.element(TABLE, key(Some(*ip), port.name.protocol, port.port), targets(port.external_policy));
            }
            if port.node_port != 0 {
                rules.element(TABLE, key(None, port.name.protocol, port.node_port), targets(port.external_policy));
            }
        }
        rules
    }

    fn replace(&self, rules: &RuleSet) -> String {
        format!("clear\n{}", self.difference(&RuleSet::default(), rules))
    }

    fn difference(&self, old: &RuleSet, new: &RuleSet) -> String {
        let mut text = String::new();
        for (_, key, _) in old.elements_beyond(new) {
            writeln!(text, "- {key}").expect("writing to a String cannot fail");
        }
        for (_, key, targets) in new.elements_beyond(old) {
            writeln!(text, "+ {key} > {targets}").expect("writing to a String cannot fail");
        }
        text
    }

    fn remove(&self) -> String {
        "clear\n".to_owned()
    }
}
