//! What one Service needs, written into its specification as it is claimed.

use super::allocation::Allocation;
use super::claims::Claimable;
use super::{Held, family_of, held};
use crate::registry::Registry;
use crate::registry::create::text;
use kubekit_core::alloc::{ip, port};
use kubekit_core::field::{Error as FieldError, Path};
use kubekit_core::rules::service;
use kubekit_core::status::ApiError;
use kubekit_store::{ReadAt, Revision};
use serde_json::{Value, json};
use std::net::IpAddr;

/// One Service at work.
pub(super) struct Work<'a, 'r> {
    /// What is stored; `None` for a new one.
    pub(super) old: Option<&'a Value>,
    pub(super) allocation: &'a mut Allocation<'r>,
}

impl<'r> Work<'_, 'r> {
    /// Claims what the new version needs.
    ///
    /// # Errors
    /// What cannot be had; what was claimed until then is in the allocation.
    pub(super) async fn run(mut self, new: &mut Value) -> Result<(), ApiError> {
        let before = self.old.map(held).unwrap_or_default();
        let spec = &mut new["spec"];
        if service::needs_cluster_ip(spec) {
            self.addresses(spec, &before).await?;
        }
        self.node_ports(spec, &before).await?;
        let (Some(old), after) = (self.old, held(new)) else { return Ok(()) };
        let given_up = Held {
            ips: before.ips.into_iter().filter(|ip| !after.ips.contains(ip)).collect(),
            ports: before.ports.into_iter().filter(|port| !after.ports.contains(port)).collect(),
        };
        let revision: Revision = text(&old["metadata"], "resourceVersion").parse().unwrap_or(0);
        let (given_up, at) = (given_up.claimables().collect(), ReadAt::NotOlderThan(revision));
        self.allocation.given_up = self.registry().claims_for(&self.allocation.owner, given_up, at).await?;
        Ok(())
    }

    fn registry(&self) -> &'r Registry {
        self.allocation.registry
    }

    fn invalid(&self, error: FieldError) -> ApiError {
        ApiError::invalid("", "Service", &self.allocation.owner.name, &[error])
    }

    async fn addresses(&mut self, spec: &mut Value, before: &Held) -> Result<(), ApiError> {
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
                Some(text) => self.take(text, &asked, before).await?,
                None => self.next_address(family).await?.to_string(),
            };
            ips.push(ip);
        }
        spec["clusterIP"] = json!(ips[0]);
        spec["clusterIPs"] = json!(ips);
        Ok(())
    }

    /// The families of a Service: those it names, those of its addresses, or the default; and its policy.
    fn families(&self, spec: &mut Value, asked: &[String]) -> Result<Vec<&'static str>, ApiError> {
        let available = self.registry().ranges.families();
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
            families.extend(available.iter().copied().find(|known| *known == family_of(ip)));
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

    /// Claims an address that the Service asks for, unless it holds it already.
    async fn take(&mut self, text: &str, asked: &[String], before: &Held) -> Result<String, ApiError> {
        let refuse = |work: &Self, detail: &str| {
            work.invalid(FieldError::invalid(&Path::new("spec").child("clusterIPs"), &json!(asked), detail))
        };
        let Ok(ip) = text.parse::<IpAddr>() else {
            return Err(refuse(self, "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"));
        };
        if before.ips.contains(&ip) {
            return Ok(text.to_owned());
        }
        let Some(mut range) = self.registry().ranges.of_family(family_of(ip)).cloned() else {
            return Err(refuse(self, &format!("ipfamily {} not configured on cluster", family_of(ip))));
        };
        let failed = |error: ip::Error| format!("failed to allocate IP {ip}: {error}");
        range.allocate(ip).map_err(|error| refuse(self, &failed(error)))?;
        if self.allocation.take(Claimable::Address(ip)).await? {
            Ok(text.to_owned())
        } else {
            Err(refuse(self, &failed(ip::Error::Allocated)))
        }
    }

    /// Claims an address that nobody has. Most often the first one tried is free; only where it is not, what is taken is
    /// looked up.
    async fn next_address(&mut self, family: &str) -> Result<IpAddr, ApiError> {
        let registry = self.registry();
        let empty = registry.ranges.of_family(family).expect("families are those of the ranges");
        let mut range = empty.clone();
        loop {
            let ip = range
                .allocate_next(&*registry.random)
                .map_err(|error| ApiError::internal(format!("failed to allocate a serviceIP: {error}")))?;
            if self.allocation.take(Claimable::Address(ip)).await? {
                return Ok(ip);
            }
            empty.clone_into(&mut range);
            for ip in registry.claimed_addresses().await?.chain(self.allocation.addresses()) {
                // Those of other ranges are no concern of this one's.
                let _ = range.allocate(ip);
            }
        }
    }

    async fn node_ports(&mut self, spec: &mut Value, before: &Held) -> Result<(), ApiError> {
        let wanted = service::needs_node_port(spec);
        let mut mine: Vec<(u16, String)> = Vec::new();
        let count = spec["ports"].as_array().map_or(0, Vec::len);
        for i in 0..count {
            let port = &spec["ports"][i];
            let protocol = port["protocol"].as_str().unwrap_or("TCP").to_owned();
            let given = match node_port(port) {
                // One number serves both protocols of one port of a new Service, as DNS wants it.
                0 if wanted && self.old.is_none() => twin(spec, i),
                given => given,
            };
            let number = if given > 0 {
                let shared = mine.iter().any(|(number, other)| *number == given && *other != protocol);
                if !shared && !before.ports.contains(&given) {
                    self.take_port(given, &Path::new("spec").child("ports").index(i).child("nodePort")).await?;
                }
                given
            } else if wanted {
                self.next_port().await?
            } else {
                continue;
            };
            spec["ports"][i]["nodePort"] = json!(number);
            mine.push((number, protocol));
        }
        let needs_check = service::needs_health_check(spec);
        let check = spec.get("healthCheckNodePort").and_then(Value::as_u64).unwrap_or(0);
        match (needs_check, u16::try_from(check).unwrap_or(0)) {
            (true, 0) => spec["healthCheckNodePort"] = json!(self.next_port().await?),
            (true, port) if !before.ports.contains(&port) => {
                self.take_port(port, &Path::new("spec").child("healthCheckNodePort")).await?;
            }
            _ => {}
        }
        Ok(())
    }

    /// Claims a port that the Service asks for.
    async fn take_port(&mut self, port: u16, path: &Path) -> Result<(), ApiError> {
        let refuse =
            |work: &Self, error: port::Error| work.invalid(FieldError::invalid(path, &json!(port), &error.to_string()));
        let mut range = self.registry().ranges.ports.clone();
        range.allocate(port).map_err(|error| refuse(self, error))?;
        if self.allocation.take(Claimable::Port(port)).await? {
            Ok(())
        } else {
            Err(refuse(self, port::Error::Allocated))
        }
    }

    /// Claims a port that nobody has, as [`Work::next_address`] does an address.
    async fn next_port(&mut self) -> Result<u16, ApiError> {
        let registry = self.registry();
        let mut range = registry.ranges.ports.clone();
        loop {
            let port = range
                .allocate_next(&*registry.random)
                .map_err(|error| ApiError::internal(format!("failed to allocate a nodePort: {error}")))?;
            if self.allocation.take(Claimable::Port(port)).await? {
                return Ok(port);
            }
            registry.ranges.ports.clone_into(&mut range);
            for port in registry.claimed_ports().await?.chain(self.allocation.ports()) {
                // Those outside of a range that was made smaller are no concern of this one's.
                let _ = range.allocate(port);
            }
        }
    }
}

/// The node port that a port asks for or has; 0 where it has none.
fn node_port(port: &Value) -> u16 {
    port["nodePort"].as_u64().and_then(|number| u16::try_from(number).ok()).unwrap_or(0)
}

/// The node port of another entry with the same port; 0 where there is none.
fn twin(spec: &Value, index: usize) -> u16 {
    let ports = spec["ports"].as_array().map_or(&[] as &[Value], Vec::as_slice);
    let same = |port: &&Value| port["port"] == ports[index]["port"];
    ports.iter().filter(same).map(node_port).find(|number| *number > 0).unwrap_or(0)
}
