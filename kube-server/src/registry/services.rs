//! Cluster IPs and node ports: claimed before a Service is stored, released when it goes.
//!
//! What is handed out next is decided purely, by the allocators of `kubekit-core`. That it is handed out once is decided
//! by the store, in which every server claims what it hands out ([`claims`]). What a crash between the claim and the
//! Service leaves behind is found by [`repair`].
//!
//! Source: `pkg/registry/core/service/storage/alloc.go`; KEP-563 (dual stack), KEP-1880 (IPAddress).

pub(crate) mod allocation;
pub(crate) mod claims;
pub(crate) mod repair;
mod specification;

use super::Registry;
use super::encode;
use super::kind::Kind;
use crate::builder::Config;
use allocation::Allocation;
use claims::{Claim, Claimable, Owner};
use kubekit_core::alloc::{ip, port};
use kubekit_core::rules::service::needs_health_check;
use kubekit_core::status::ApiError;
use kubekit_store::{Entry, Precondition, ReadAt};
use serde_json::Value;
use specification::Work;
use std::borrow::Cow;
use std::net::IpAddr;

/// What there is to hand out: allocators with nothing allocated.
#[derive(Debug)]
pub(crate) struct Ranges {
    /// The first range's family is the default family.
    addresses: Vec<ip::Allocator>,
    ports: port::Allocator,
}

/// How often the server's own address is claimed while others take and release it.
const CLAIM_ATTEMPTS: usize = 3;

/// The name of an address family in a Service.
pub(crate) fn family_of(ip: IpAddr) -> &'static str {
    if ip.is_ipv4() { "IPv4" } else { "IPv6" }
}

impl Ranges {
    pub(crate) fn new(config: &Config) -> Result<Self, ApiError> {
        let addresses = config.service_cidrs.iter().map(|range| ip::Allocator::new(*range)).collect::<Result<_, _>>();
        let ranges = Self {
            addresses: addresses.map_err(ApiError::internal)?,
            ports: port::Allocator::new(config.node_ports.clone()),
        };
        let families = ranges.families();
        if families.is_empty() || families.len() > 2 || (families.len() == 2 && families[0] == families[1]) {
            return Err(ApiError::internal("one service range is needed, or one of each address family"));
        }
        Ok(ranges)
    }

    fn of_family(&self, family: &str) -> Option<&ip::Allocator> {
        self.addresses.iter().find(|range| family_of(range.range().addr()) == family)
    }

    fn families(&self) -> Vec<&'static str> {
        self.addresses.iter().map(|range| family_of(range.range().addr())).collect()
    }

    /// A new Service as validation is to see it before anything is claimed for it: what it must have, and will be given,
    /// counts as there.
    pub(crate) fn foreseen<'s>(&self, service: &'s Value) -> Cow<'s, Value> {
        let spec = &service["spec"];
        let lacks_check = spec["healthCheckNodePort"].as_u64().unwrap_or(0) == 0;
        if !lacks_check || !spec.is_object() || !needs_health_check(spec) {
            return Cow::Borrowed(service);
        }
        let mut foreseen = service.clone();
        foreseen["spec"]["healthCheckNodePort"] = (*self.ports.range().start()).into();
        Cow::Owned(foreseen)
    }

    /// Whether this can be handed out at all.
    fn has(&self, what: Claimable) -> bool {
        match what {
            Claimable::Address(ip) => self.addresses.iter().any(|range| range.contains(ip)),
            Claimable::Port(port) => self.ports.range().contains(&port),
        }
    }
}

/// Addresses and ports.
#[derive(Clone, Debug, Default)]
struct Held {
    ips: Vec<IpAddr>,
    ports: Vec<u16>,
}

impl Held {
    fn claimables(self) -> impl Iterator<Item = Claimable> {
        let ips = self.ips.into_iter().map(Claimable::Address);
        ips.chain(self.ports.into_iter().map(Claimable::Port))
    }
}

/// Whether objects of this kind claim anything.
pub(crate) fn is_service(kind: Kind) -> bool {
    kind.is("", "services")
}

impl Registry {
    /// Claims what a new or changed Service needs and writes it into its specification. The rules of the kind have already
    /// taken over from `old` what the author left out.
    ///
    /// # Errors
    /// 422 where an address or port that it asks for cannot be had; 500 where none is left, or the store fails.
    pub(crate) async fn allocate(
        &self,
        kind: Kind,
        old: Option<&Value>,
        new: &mut Value,
        dry_run: bool,
    ) -> Result<Allocation<'_>, ApiError> {
        let mut allocation = Allocation::none(self);
        if !is_service(kind) || !new["spec"].is_object() {
            return Ok(allocation);
        }
        allocation.owner = Owner::of(new);
        allocation.dry_run = dry_run;
        // Boxed: a write of any kind would carry the size of this.
        let done = Box::pin(Work { old, allocation: &mut allocation }.run(new)).await;
        if let Err(error) = done {
            // Whatever went wrong: the Service has not been written yet.
            allocation.give_back().await;
            return Err(error);
        }
        Ok(allocation)
    }

    /// The claims of a stored Service: to be released when it has gone.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) async fn claims_of_stored(&self, kind: Kind, entry: &Entry) -> Result<Vec<Claim>, ApiError> {
        if !is_service(kind) {
            return Ok(Vec::new());
        }
        let service = encode::decode(entry);
        let things = held(&service).claimables().collect();
        // They are older than the Service.
        Box::pin(self.claims_for(&Owner::of(&service), things, ReadAt::NotOlderThan(entry.revision))).await
    }

    /// Releases claims.
    pub(crate) async fn release(&self, claims: Vec<Claim>) {
        if !claims.is_empty() {
            Box::pin(self.disclaim(&claims)).await;
        }
    }

    /// Claims the address of the Service through which Pods reach the API server. Of several servers that start at the same
    /// time all succeed, for it is the same Service, and nobody gives this claim back.
    ///
    /// # Errors
    /// When the store fails, or another Service has the address.
    pub(crate) async fn claim_own_address(&self, ip: IpAddr, service: &Value) -> Result<(), ApiError> {
        let (what, owner) = (Claimable::Address(ip), Owner::of(service));
        for _ in 0..CLAIM_ATTEMPTS {
            if self.claim(what, &owner, Precondition::Absent).await?.is_some() {
                return Ok(());
            }
            match self.claim_of(what, ReadAt::Latest).await? {
                // Whoever had it has released it since.
                None => {}
                Some(found) if found.owner.as_ref() == Some(&owner) => return Ok(()),
                Some(found) => {
                    let other = || "an object that is no Service".to_owned();
                    let holder = found.owner.map_or_else(other, |owner| owner.to_string());
                    let text = format!("the address {ip} of the API server is claimed by {holder}");
                    return Err(ApiError::internal(text));
                }
            }
        }
        // The repair claims what a Service has without a claim.
        Ok(())
    }
}

/// What a Service holds.
fn held(service: &Value) -> Held {
    let spec = &service["spec"];
    let mut held = Held::default();
    if spec["type"] != "ExternalName" {
        let ips = spec["clusterIPs"].as_array().into_iter().flatten().filter_map(Value::as_str);
        held.ips = ips.filter_map(|ip| ip.parse().ok()).collect();
    }
    held.ports = ports(spec);
    held
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
