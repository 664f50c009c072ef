//! Claims: the records in the store that say that a cluster IP or a node port is taken, and by which Service.
//!
//! A claim is one key, written only where it is absent, before the Service that needs it is stored, by whichever server
//! stores it. So no two Services get the same, however many servers share a store. The claim of a cluster IP is an
//! IPAddress; that of a node port is a record that the API does not serve.
//!
//! A claim is deleted at the version that was read while its Service still had it, so that one made since, for whatever
//! Service, stays. What a crash leaves behind is for [`repair`](super::repair).
//!
//! Source: KEP-1880, `pkg/registry/core/service/ipallocator/ipallocator.go`.

use crate::keys;
use crate::registry::kind::Kind;
use crate::registry::{Registry, attributes, encode, failure};
use futures::future::join_all;
use kubekit_core::status::ApiError;
use kubekit_store::{Attributes, Entry, Op, Precondition, ReadAt, Revision, Txn, TxnOutcome};
use kubekit_store::{Error, Value as Stored};
use serde_json::{Value, json};
use std::net::IpAddr;

const GROUP: &str = "networking.k8s.io";
const ADDRESSES: &str = "ipaddresses";
/// The resource under which Kubernetes keeps node ports; it has no REST API.
const PORTS: &str = "servicenodeportallocations";

/// The label of an IPAddress that says who looks after it, and what it says of those made here.
const MANAGED_BY: &str = "ipaddress.kubernetes.io/managed-by";
const MANAGER: &str = "ipallocator.k8s.io";
const FAMILY: &str = "ipaddress.kubernetes.io/ip-family";

/// What a Service can hold, and no other at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Claimable {
    /// A cluster IP.
    Address(IpAddr),
    /// A node port, of every protocol.
    Port(u16),
}

impl Claimable {
    /// The key of its claim.
    pub(super) fn key(self) -> String {
        match self {
            Self::Address(ip) => keys::object_key(GROUP, ADDRESSES, "", &ip.to_string()),
            Self::Port(port) => keys::object_key("", PORTS, "", &port.to_string()),
        }
    }

    /// What the claim under a key is about.
    fn of_key(key: &str) -> Option<Self> {
        let (prefix, name) = key.rsplit_once('/')?;
        if prefix.ends_with(PORTS) { name.parse().ok().map(Self::Port) } else { name.parse().ok().map(Self::Address) }
    }
}

/// The Service that a claim is for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Owner {
    pub(super) namespace: String,
    pub(super) name: String,
}

impl Owner {
    /// The Service itself.
    pub(super) fn of(service: &Value) -> Self {
        let text = |field| crate::registry::create::text(&service["metadata"], field);
        Self { namespace: text("namespace"), name: text("name") }
    }

    fn reference(&self) -> Value {
        json!({"group": "", "resource": "services", "namespace": self.namespace, "name": self.name})
    }
}

impl std::fmt::Display for Owner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// One version of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Claim {
    pub(super) what: Claimable,
    pub(super) revision: Revision,
}

/// A claim as it is stored.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) claim: Claim,
    /// `None` where it is not for a Service.
    pub(super) owner: Option<Owner>,
    /// Whether it was made by a server, and not by a user for purposes of his own.
    pub(super) managed: bool,
}

impl Found {
    fn of(what: Claimable, entry: &Entry) -> Self {
        let object: Value = serde_json::from_slice(&entry.value.bytes).unwrap_or_default();
        let reference = &object["spec"]["parentRef"];
        let of_service =
            reference["group"].as_str().unwrap_or_default().is_empty() && reference["resource"] == "services";
        let text = |field| crate::registry::create::text(reference, field);
        Self {
            claim: Claim { what, revision: entry.revision },
            owner: of_service.then(|| Owner { namespace: text("namespace"), name: text("name") }),
            managed: matches!(what, Claimable::Port(_)) || object["metadata"]["labels"][MANAGED_BY] == MANAGER,
        }
    }
}

impl Registry {
    /// Writes a claim where the precondition holds; `None` where it does not.
    ///
    /// # Errors
    /// When the store fails. The claim may have been made all the same, and nobody knows of it then.
    pub(super) async fn claim(
        &self,
        what: Claimable,
        owner: &Owner,
        precondition: Precondition,
    ) -> Result<Option<Claim>, ApiError> {
        let (value, attributes) = self.record(what, owner)?;
        let op = Op::Put { value, attributes: Some(attributes), ttl_seconds: None };
        match self.store.txn(Txn { key: what.key(), precondition, op }).await.map_err(failure::of_store)? {
            TxnOutcome::Committed { revision, .. } => Ok(Some(Claim { what, revision })),
            TxnOutcome::Refused { .. } => Ok(None),
        }
    }

    /// Deletes these versions of claims. One that cannot be deleted is left to the repair.
    pub(super) async fn disclaim(&self, claims: &[Claim]) {
        let deletes = claims.iter().map(|claim| async {
            let key = claim.what.key();
            let deleted: Result<_, Error> = self.store.delete(&key, Precondition::Revision(claim.revision)).await;
            if let Err(error) = deleted {
                tracing::warn!(key, %error, "a claim could not be released; the repair will do it");
            }
        });
        join_all(deletes).await;
    }

    /// The claim of something, at least as fresh as the revision.
    ///
    /// # Errors
    /// When the store fails.
    pub(super) async fn claim_of(&self, what: Claimable, at: ReadAt) -> Result<Option<Found>, ApiError> {
        let entry = self.store.get(&what.key(), at).await.map_err(failure::of_store)?;
        Ok(entry.map(|entry| Found::of(what, &entry)))
    }

    /// The claims of these things that are for this Service.
    ///
    /// # Errors
    /// When the store fails.
    pub(super) async fn claims_for(
        &self,
        owner: &Owner,
        things: Vec<Claimable>,
        at: ReadAt,
    ) -> Result<Vec<Claim>, ApiError> {
        let found = join_all(things.into_iter().map(|what| self.claim_of(what, at))).await;
        let found = found.into_iter().collect::<Result<Vec<_>, _>>()?.into_iter().flatten();
        Ok(found.filter(|found| found.owner.as_ref() == Some(owner)).map(|found| found.claim).collect())
    }

    /// All claims of addresses, or of ports, with what is stored.
    async fn claim_entries(
        &self,
        group: &str,
        plural: &str,
    ) -> Result<impl Iterator<Item = (Claimable, std::sync::Arc<Entry>)>, ApiError> {
        let entries = self.all(keys::resource_prefix(group, plural)).await?.into_iter();
        Ok(entries.filter_map(|entry| Claimable::of_key(&entry.key).map(|what| (what, entry))))
    }

    /// The addresses that are claimed.
    ///
    /// # Errors
    /// When the store fails.
    pub(super) async fn claimed_addresses(&self) -> Result<impl Iterator<Item = IpAddr>, ApiError> {
        Ok(self.claim_entries(GROUP, ADDRESSES).await?.filter_map(|(what, _)| match what {
            Claimable::Address(ip) => Some(ip),
            Claimable::Port(_) => None,
        }))
    }

    /// The ports that are claimed.
    ///
    /// # Errors
    /// When the store fails.
    pub(super) async fn claimed_ports(&self) -> Result<impl Iterator<Item = u16>, ApiError> {
        Ok(self.claim_entries("", PORTS).await?.filter_map(|(what, _)| match what {
            Claimable::Port(port) => Some(port),
            Claimable::Address(_) => None,
        }))
    }

    /// Every claim.
    ///
    /// # Errors
    /// When the store fails.
    pub(super) async fn claims(&self) -> Result<Vec<Found>, ApiError> {
        let (addresses, ports) = (self.claim_entries(GROUP, ADDRESSES).await?, self.claim_entries("", PORTS).await?);
        Ok(addresses.chain(ports).map(|(what, entry)| Found::of(what, &entry)).collect())
    }

    /// The stored form of a claim.
    fn record(&self, what: Claimable, owner: &Owner) -> Result<(Stored, Attributes), ApiError> {
        let ip = match what {
            Claimable::Address(ip) => ip,
            Claimable::Port(_) => {
                let record = json!({"spec": {"parentRef": owner.reference()}});
                let bytes = serde_json::to_vec(&record).map_err(ApiError::internal)?.into();
                return Ok((Stored { bytes, splice: 0 }, Attributes::default()));
            }
        };
        let kind =
            Kind::find(GROUP, "v1", ADDRESSES).ok_or_else(|| ApiError::internal("the catalog lacks IPAddress"))?;
        let mut object = json!({
            "apiVersion": "networking.k8s.io/v1", "kind": "IPAddress",
            "metadata": {
                "name": ip.to_string(),
                "labels": {FAMILY: super::family_of(ip), MANAGED_BY: MANAGER},
            },
            "spec": {"parentRef": owner.reference()},
        });
        self.stamp(&mut object);
        let value = encode::encode(&mut object, None);
        Ok((value, attributes::of(kind.storage, &object)))
    }
}
