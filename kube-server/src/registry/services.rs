//! Cluster IPs and node ports: allocated before a Service is stored, released when it goes.
//!
//! The allocators are pure and live in memory; the Services themselves are what persists. On start they are filled from
//! the Services that exist, so that nothing is handed out twice.
//!
//! Source: `pkg/registry/core/service/storage/alloc.go`; KEP-563 (dual stack).

use super::Registry;
use super::encode;
use super::kind::Kind;
use crate::builder::Config;
use ipnet::IpNet;
use kubekit_core::alloc::{ip, port};
use kubekit_core::environment::Random;
use kubekit_core::field::{Error as FieldError, Path};
use kubekit_core::rules::service;
use kubekit_core::status::ApiError;
use kubekit_store::Entry;
use serde_json::{Value, json};
use std::net::IpAddr;

/// What is allocated: per family of addresses, and the node ports.
#[derive(Debug)]
pub(crate) struct Allocators {
    /// The first range's family is the default family.
    ranges: Vec<ip::Allocator>,
    ports: port::Allocator,
}

/// The name of an address family in a Service.
fn family_of(range: IpNet) -> &'static str {
    if range.addr().is_ipv4() { "IPv4" } else { "IPv6" }
}

impl Allocators {
    pub(crate) fn new(config: &Config) -> Result<Self, ApiError> {
        let ranges = config.service_cidrs.iter().map(|range| ip::Allocator::new(*range)).collect::<Result<_, _>>();
        let ranges: Vec<ip::Allocator> = ranges.map_err(ApiError::internal)?;
        let families: Vec<&str> = ranges.iter().map(|range| family_of(range.range())).collect();
        if families.is_empty() || families.len() > 2 || (families.len() == 2 && families[0] == families[1]) {
            return Err(ApiError::internal("one service range is needed, or one of each address family"));
        }
        Ok(Self { ranges, ports: port::Allocator::new(config.node_ports.clone()) })
    }

    fn range(&mut self, family: &str) -> Option<&mut ip::Allocator> {
        self.ranges.iter_mut().find(|range| family_of(range.range()) == family)
    }

    fn families(&self) -> Vec<&'static str> {
        self.ranges.iter().map(|range| family_of(range.range())).collect()
    }

    fn release(&mut self, taken: &Taken) {
        for ip in &taken.ips {
            for range in &mut self.ranges {
                range.release(*ip);
            }
        }
        for port in &taken.ports {
            self.ports.release(*port);
        }
    }
}

/// Addresses and ports.
#[derive(Clone, Debug, Default)]
struct Taken {
    ips: Vec<IpAddr>,
    ports: Vec<u16>,
}

/// What a write has taken, and what it gives back once it is stored. Dropped without [`Allocation::keep`], what was taken
/// is given back.
#[derive(Debug)]
pub(crate) struct Allocation<'a> {
    registry: &'a Registry,
    taken: Taken,
    given_up: Taken,
}

impl<'a> Allocation<'a> {
    /// Nothing taken, nothing given up.
    pub(crate) fn none(registry: &'a Registry) -> Self {
        Self { registry, taken: Taken::default(), given_up: Taken::default() }
    }

    /// The write has been stored.
    pub(crate) fn keep(mut self) {
        self.taken = Taken::default();
        let given_up = std::mem::take(&mut self.given_up);
        if !given_up.ips.is_empty() || !given_up.ports.is_empty() {
            self.registry.allocators.lock().release(&given_up);
        }
    }
}

impl Drop for Allocation<'_> {
    fn drop(&mut self) {
        if !self.taken.ips.is_empty() || !self.taken.ports.is_empty() {
            self.registry.allocators.lock().release(&self.taken);
        }
    }
}

impl Registry {
    /// Takes what a new or changed Service needs and writes it into its specification. The rules of the kind have already
    /// taken over from `old` what the author left out.
    ///
    /// # Errors
    /// 422 where an address or port that it asks for cannot be had; 500 where none is left.
    pub(crate) fn allocate(
        &self,
        kind: Kind,
        old: Option<&Value>,
        new: &mut Value,
    ) -> Result<Allocation<'_>, ApiError> {
        let mut allocation = Allocation::none(self);
        if !kind.is("", "services") {
            return Ok(allocation);
        }
        let name = super::create::text(&new["metadata"], "name");
        let mut allocators = self.allocators.lock();
        let work = Work { allocators: &mut allocators, random: &*self.random, old, name: &name };
        let done = work.run(new, &mut allocation.taken, &mut allocation.given_up);
        drop(allocators);
        done.map(|()| allocation)
    }

    /// Gives back what a removed Service had.
    pub(crate) fn released(&self, kind: Kind, entry: &Entry) {
        if kind.is("", "services") {
            let taken = held(&encode::decode(entry));
            self.allocators.lock().release(&taken);
        }
    }

    /// Fills the allocators from the Services that exist.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) async fn refill(&self) -> Result<(), ApiError> {
        let Some(kind) = Kind::find("", "v1", "services") else { return Ok(()) };
        for entry in self.all(kind, "").await? {
            let taken = held(&encode::decode(&entry));
            let mut allocators = self.allocators.lock();
            for ip in taken.ips {
                let taken = allocators.ranges.iter_mut().any(|range| range.allocate(ip).is_ok());
                if !taken {
                    tracing::warn!(service = %entry.key, %ip, "a stored cluster IP is outside the ranges, or held twice");
                }
            }
            for port in taken.ports {
                if allocators.ports.allocate(port).is_err() {
                    tracing::warn!(service = %entry.key, port, "a stored node port is outside the range, or held twice");
                }
            }
        }
        Ok(())
    }
}

/// What a Service holds.
fn held(service: &Value) -> Taken {
    let spec = &service["spec"];
    let mut taken = Taken::default();
    if spec["type"] != "ExternalName" {
        let ips = spec["clusterIPs"].as_array().into_iter().flatten().filter_map(Value::as_str);
        taken.ips = ips.filter_map(|ip| ip.parse().ok()).collect();
    }
    taken.ports = ports(spec);
    taken
}

/// The node ports of a specification, each once: two protocols may share one number.
fn ports(spec: &Value) -> Vec<u16> {
    let mut ports: Vec<u16> = spec["ports"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|port| port.get("nodePort").and_then(Value::as_u64))
        .chain(spec.get("healthCheckNodePort").and_then(Value::as_u64))
        .filter_map(|port| u16::try_from(port).ok().filter(|port| *port > 0))
        .collect();
    ports.sort_unstable();
    ports.dedup();
    ports
}

/// One Service at work.
struct Work<'a> {
    allocators: &'a mut Allocators,
    random: &'a dyn Random,
    old: Option<&'a Value>,
    name: &'a str,
}

impl Work<'_> {
    fn run(mut self, new: &mut Value, taken: &mut Taken, given_up: &mut Taken) -> Result<(), ApiError> {
        let before = self.old.map(held).unwrap_or_default();
        if !new["spec"].is_object() {
            return Ok(());
        }
        let spec = &mut new["spec"];
        if service::needs_cluster_ip(spec) {
            self.addresses(spec, &before, taken)?;
        }
        self.node_ports(spec, &before, taken)?;
        let after = held(new);
        given_up.ips = before.ips.into_iter().filter(|ip| !after.ips.contains(ip)).collect();
        given_up.ports = before.ports.into_iter().filter(|port| !after.ports.contains(port)).collect();
        Ok(())
    }

    fn invalid(&self, error: FieldError) -> ApiError {
        ApiError::invalid("", "Service", self.name, &[error])
    }

    fn addresses(&mut self, spec: &mut Value, before: &Taken, taken: &mut Taken) -> Result<(), ApiError> {
        let first = spec["clusterIP"].as_str().unwrap_or_default().to_owned();
        let mut asked: Vec<String> =
            spec["clusterIPs"].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect();
        if asked.is_empty() && !first.is_empty() {
            asked.push(first);
        }
        let families = self.families(spec, &asked)?;
        spec["ipFamilies"] = json!(families);
        if asked.first().is_some_and(|ip| ip == "None") {
            spec["clusterIP"] = json!("None");
            spec["clusterIPs"] = json!(["None"]);
            return Ok(());
        }
        let mut ips = Vec::new();
        for (i, family) in families.iter().enumerate() {
            let ip = match asked.get(i).filter(|ip| !ip.is_empty()) {
                Some(text) => self.take(text, i, before, taken)?,
                None => {
                    let range = self.allocators.range(family).expect("families are those of the ranges");
                    let ip = range
                        .allocate_next(self.random)
                        .map_err(|error| ApiError::internal(format!("failed to allocate a serviceIP: {error}")))?;
                    taken.ips.push(ip);
                    ip.to_string()
                }
            };
            ips.push(ip);
        }
        spec["clusterIP"] = json!(ips[0]);
        spec["clusterIPs"] = json!(ips);
        Ok(())
    }

    /// The families of a Service: those it names, those of its addresses, or the default; and its policy.
    fn families(&self, spec: &mut Value, asked: &[String]) -> Result<Vec<&'static str>, ApiError> {
        let available = self.allocators.families();
        let path = Path::new("spec").child("ipFamilies");
        let mut families: Vec<&'static str> = Vec::new();
        for (i, family) in spec["ipFamilies"].as_array().into_iter().flatten().enumerate() {
            match available.iter().find(|known| *family == **known) {
                Some(known) => families.push(known),
                None => {
                    let detail = "not configured on this cluster";
                    return Err(self.invalid(FieldError::invalid(&path.index(i), family, detail)));
                }
            }
        }
        for ip in asked.iter().skip(families.len()).filter_map(|ip| ip.parse::<IpAddr>().ok()) {
            let family = if ip.is_ipv4() { "IPv4" } else { "IPv6" };
            families.extend(available.iter().copied().find(|known| *known == family));
        }
        if families.is_empty() {
            families.push(available[0]);
        }
        let policy = match spec["ipFamilyPolicy"].as_str().unwrap_or_default() {
            "" if families.len() > 1 => "RequireDualStack".to_owned(),
            "" => "SingleStack".to_owned(),
            given => given.to_owned(),
        };
        let dual = policy != "SingleStack";
        if policy == "RequireDualStack" && available.len() < 2 {
            let path = Path::new("spec").child("ipFamilyPolicy");
            let detail = "this cluster is not configured for dual-stack services";
            return Err(self.invalid(FieldError::invalid(&path, &json!(policy), detail)));
        }
        if dual {
            let missing: Vec<&str> = available.iter().copied().filter(|f| !families.contains(f)).collect();
            families.extend(missing);
        } else {
            families.truncate(1);
        }
        spec["ipFamilyPolicy"] = json!(policy);
        Ok(families)
    }

    /// Takes an address that the Service asks for, unless it holds it already.
    fn take(&mut self, text: &str, i: usize, before: &Taken, taken: &mut Taken) -> Result<String, ApiError> {
        let path = Path::new("spec").child("clusterIPs").index(i);
        let refuse = |detail: String| {
            let error = FieldError::invalid(&path, &json!([text]), &detail);
            ApiError::invalid("", "Service", self.name, &[error])
        };
        let Ok(ip) = text.parse::<IpAddr>() else {
            return Err(refuse("must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)".to_owned()));
        };
        if before.ips.contains(&ip) {
            return Ok(text.to_owned());
        }
        let family = if ip.is_ipv4() { "IPv4" } else { "IPv6" };
        let Some(range) = self.allocators.range(family) else {
            return Err(refuse(format!("ipfamily {family} not configured on cluster")));
        };
        range.allocate(ip).map_err(|error| refuse(format!("failed to allocate IP {ip}: {error}")))?;
        taken.ips.push(ip);
        Ok(text.to_owned())
    }

    fn node_ports(&mut self, spec: &mut Value, before: &Taken, taken: &mut Taken) -> Result<(), ApiError> {
        let wanted = service::needs_node_port(spec);
        let mut mine: Vec<(u16, String)> = Vec::new();
        let count = spec["ports"].as_array().map_or(0, Vec::len);
        for i in 0..count {
            let port = &mut spec["ports"][i];
            let protocol = port["protocol"].as_str().unwrap_or("TCP").to_owned();
            let given = port.get("nodePort").and_then(Value::as_u64).and_then(|p| u16::try_from(p).ok()).unwrap_or(0);
            let number = if given > 0 {
                let shared = mine.iter().any(|(number, other)| *number == given && *other != protocol);
                if !shared && !before.ports.contains(&given) {
                    self.take_port(given, i, taken)?;
                }
                given
            } else if wanted {
                // One number serves both protocols of one port where it can, as DNS wants it.
                self.next_port(taken)?
            } else {
                continue;
            };
            port["nodePort"] = json!(number);
            mine.push((number, protocol));
        }
        let needs_check = service::needs_health_check(spec);
        let check = spec.get("healthCheckNodePort").and_then(Value::as_u64).unwrap_or(0);
        match (needs_check, u16::try_from(check).unwrap_or(0)) {
            (true, 0) => spec["healthCheckNodePort"] = json!(self.next_port(taken)?),
            (true, port) if !before.ports.contains(&port) => {
                self.allocators.ports.allocate(port).map_err(|error| {
                    let path = Path::new("spec").child("healthCheckNodePort");
                    self.invalid(FieldError::invalid(&path, &json!(port), &error.to_string()))
                })?;
                taken.ports.push(port);
            }
            _ => {}
        }
        Ok(())
    }

    fn take_port(&mut self, port: u16, i: usize, taken: &mut Taken) -> Result<(), ApiError> {
        self.allocators.ports.allocate(port).map_err(|error| {
            let path = Path::new("spec").child("ports").index(i).child("nodePort");
            self.invalid(FieldError::invalid(&path, &json!(port), &error.to_string()))
        })?;
        taken.ports.push(port);
        Ok(())
    }

    fn next_port(&mut self, taken: &mut Taken) -> Result<u16, ApiError> {
        let port = self
            .allocators
            .ports
            .allocate_next(self.random)
            .map_err(|error| ApiError::internal(format!("failed to allocate a nodePort: {error}")))?;
        taken.ports.push(port);
        Ok(port)
    }
}
