//! Makes claims and Services agree again: after a crash between the two writes, and over data of a version that made no
//! claims.
//!
//! A Service that holds what nobody has claimed gets its claim, at every start and at every pass. A claim whose Service
//! does not hold it may belong to a Service that is being created this moment, on whatever server: it is suspected in one
//! pass, and released in a later one where it is still the same version and still without its Service. Passes are further
//! apart than any request may last, by the clock of whoever makes them; times in objects, which other machines wrote,
//! play no part.
//!
//! One server of those that share a store makes each pass: who finds the record of the last pass unchanged since its own
//! last look an interval ago writes the next one. Source: `pkg/registry/core/service/ipallocator/controller`.

use super::claims::{Claim, Claimable, Found, Owner};
use crate::keys;
use crate::registry::kind::Kind;
use crate::registry::{Registry, encode, failure};
use kubekit_core::status::ApiError;
use kubekit_store::{Attributes, Op, Precondition, Revision, Txn, TxnOutcome, Value as Stored};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

/// How often claims are looked at, as in Kubernetes; requests that may last longer make it longer.
const INTERVAL: Duration = Duration::from_secs(3 * 60);
/// How many times the longest request an interval is.
const REQUESTS: u32 = 3;

/// Services that are decoded before others have a turn.
const AT_ONCE: usize = 64;

/// The time between two passes, where a request may take so long.
pub(crate) fn interval(request_timeout: Duration) -> Duration {
    INTERVAL.max(request_timeout * REQUESTS)
}

/// The key of the record of the last pass: the claims that were suspected, by key, with their revisions.
fn record_key() -> String {
    keys::object_key("", "serviceallocationrepairs", "", "last")
}

type Suspects = BTreeMap<String, Revision>;

/// What one server knows from its last look.
#[derive(Debug, Default)]
pub(crate) struct Repair {
    /// The revision of the record of the last pass.
    seen: Option<Revision>,
}

impl Repair {
    /// Looks, and makes a pass if it is this server's turn. To be called an [`interval`] apart.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) async fn look(&mut self, registry: &Registry) -> Result<(), ApiError> {
        let record = registry.entry(&record_key()).await?;
        let version = record.as_ref().map(|entry| entry.revision);
        if version != self.seen {
            // Another server made a pass, and less than an interval may have gone since.
            self.seen = version;
            return Ok(());
        }
        let before = record.map(|entry| serde_json::from_slice(&entry.value.bytes).unwrap_or_default());
        let before: Suspects = before.unwrap_or_default();
        let survey = Survey::of(registry).await?;
        let (guilty, suspected): (Vec<_>, Vec<_>) =
            survey.suspects().into_iter().partition(|claim| before.get(&claim.what.key()) == Some(&claim.revision));
        let suspects: Suspects = suspected.iter().map(|claim| (claim.what.key(), claim.revision)).collect();
        let bytes = serde_json::to_vec(&suspects).map_err(ApiError::internal)?.into();
        let value = Stored { bytes, splice: 0 };
        let precondition = version.map_or(Precondition::Absent, Precondition::Revision);
        let op = Op::Put { value, attributes: Some(Attributes::default()), ttl_seconds: None };
        let txn = Txn { key: record_key(), precondition, op };
        match registry.store.txn(txn).await.map_err(failure::of_store)? {
            TxnOutcome::Committed { revision, .. } => self.seen = Some(revision),
            TxnOutcome::Refused { current } => {
                self.seen = current.map(|entry| entry.revision);
                return Ok(());
            }
        }
        for claim in guilty {
            release(registry, &survey, claim).await?;
        }
        survey.claim_what_is_missing(registry).await
    }
}

/// Releases a claim whose Service does not hold it; or gives it to the Service that does.
async fn release(registry: &Registry, survey: &Survey, claim: Claim) -> Result<(), ApiError> {
    let key = claim.what.key();
    match survey.held.get(&claim.what).and_then(|owners| owners.first()) {
        Some(owner) => {
            tracing::warn!(key, %owner, "a claim names a Service that does not hold it; it is given to the one that does");
            registry.claim(claim.what, owner, Precondition::Revision(claim.revision)).await?;
        }
        None => {
            tracing::warn!(key, "a claim without a Service is released");
            registry.disclaim(&[claim]).await;
        }
    }
    Ok(())
}

/// What Services hold, and what is claimed.
struct Survey {
    held: HashMap<Claimable, Vec<Owner>>,
    claims: Vec<Found>,
}

impl Survey {
    /// Claims are listed first: a claim that is listed has its Service in the later list, unless that has gone since or is
    /// yet to come.
    async fn of(registry: &Registry) -> Result<Self, ApiError> {
        let claims = registry.claims().await?;
        let mut held: HashMap<Claimable, Vec<Owner>> = HashMap::new();
        let Some(kind) = Kind::find("", "v1", "services") else { return Ok(Self { held, claims }) };
        for (i, entry) in registry.all(kind.prefix("")).await?.into_iter().enumerate() {
            if i % AT_ONCE == 0 {
                tokio::task::yield_now().await;
            }
            let service = encode::decode(&entry);
            for what in super::held(&service).claimables() {
                let owners = held.entry(what).or_default();
                owners.push(Owner::of(&service));
                if let [first, .., second] = &owners[..] {
                    tracing::error!(?what, %first, %second, "two Services hold the same; create one of them anew");
                }
                if !registry.ranges.has(what) {
                    tracing::warn!(service = %entry.key, ?what, "a Service holds what is outside of the ranges");
                }
            }
        }
        Ok(Self { held, claims })
    }

    /// The servers' own claims that name a Service which does not hold them.
    fn suspects(&self) -> Vec<Claim> {
        let holds = |found: &Found| {
            let owners = self.held.get(&found.claim.what);
            owners.is_some_and(|owners| owners.iter().any(|owner| found.owner.as_ref() == Some(owner)))
        };
        self.claims.iter().filter(|found| found.managed && !holds(found)).map(|found| found.claim).collect()
    }

    /// Makes the claims that Services lack. One that has been made meanwhile is left as it is.
    async fn claim_what_is_missing(&self, registry: &Registry) -> Result<(), ApiError> {
        let claimed: HashSet<Claimable> = self.claims.iter().map(|found| found.claim.what).collect();
        for (what, owners) in self.held.iter().filter(|(what, _)| !claimed.contains(what)) {
            if let Some(owner) = owners.first() {
                registry.claim(*what, owner, Precondition::Absent).await?;
            }
        }
        Ok(())
    }
}

impl Registry {
    /// Makes the claims that the stored Services lack: before anything is handed out.
    ///
    /// # Errors
    /// When the store fails.
    pub(crate) async fn restore_claims(&self) -> Result<(), ApiError> {
        Survey::of(self).await?.claim_what_is_missing(self).await
    }
}
