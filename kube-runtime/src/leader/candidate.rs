//! Whose right it is to write the lease: what was observed, and when.

use super::Config;
use crate::object::Object as _;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use std::time::Duration;
use tokio::time::Instant;

/// A candidate's view of the lease.
#[derive(Debug)]
pub(super) struct Candidate {
    namespace: String,
    name: String,
    identity: String,
    lease_duration: Duration,
    observed: Option<Observed>,
}

/// The lease as it was last seen, and when it was first seen so: by this clock, not by the times in it.
#[derive(Debug)]
struct Observed {
    lease: Lease,
    since: Instant,
}

/// What to do about the lease.
#[derive(Debug, PartialEq)]
pub(super) enum Decision {
    Create(Lease),
    Update(Lease),
    HeldBy(String),
}

impl Candidate {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            namespace: config.namespace.clone(),
            name: config.name.clone(),
            identity: config.identity.clone(),
            lease_duration: config.lease_duration,
            observed: None,
        }
    }

    /// The lease with a new time, if it was last seen held by this candidate: saves the read.
    pub(super) fn renewal(&self, wall: jiff::Timestamp) -> Option<Lease> {
        let observed = self.observed.as_ref()?;
        let spec = observed.lease.spec.as_ref()?;
        (spec.holder_identity.as_deref() == Some(&self.identity)).then(|| {
            let mut lease = observed.lease.clone();
            lease.spec = Some(self.held(Some(spec), wall));
            lease
        })
    }

    /// What to do about the lease as it was found.
    pub(super) fn decide(&mut self, found: Option<Lease>, now: Instant, wall: jiff::Timestamp) -> Decision {
        let Some(found) = found else {
            let mut lease = Lease { spec: Some(self.held(None, wall)), ..Lease::default() };
            lease.metadata.namespace = Some(self.namespace.clone());
            lease.metadata.name = Some(self.name.clone());
            return Decision::Create(lease);
        };
        self.observe(found, now);
        let observed = self.observed.as_ref().expect("it has just been observed");
        let spec = observed.lease.spec.as_ref();
        let holder = spec.and_then(|spec| spec.holder_identity.as_deref()).unwrap_or_default();
        let duration = spec.and_then(|spec| spec.lease_duration_seconds).unwrap_or_default();
        let duration = Duration::from_secs(u64::try_from(duration).unwrap_or_default());
        if !holder.is_empty() && holder != self.identity && observed.since + duration > now {
            return Decision::HeldBy(holder.to_owned());
        }
        let mut lease = observed.lease.clone();
        lease.spec = Some(self.held(spec, wall));
        Decision::Update(lease)
    }

    /// The lease was seen like this. A lease that has not changed keeps the moment at which it was first seen so.
    pub(super) fn observe(&mut self, lease: Lease, now: Instant) {
        match &mut self.observed {
            Some(observed) if observed.lease.spec == lease.spec && observed.lease.uid() == lease.uid() => {
                observed.lease = lease;
            }
            observed => *observed = Some(Observed { lease, since: now }),
        }
    }

    /// The lease held by nobody, if this candidate holds it.
    pub(super) fn release(&mut self, wall: jiff::Timestamp) -> Option<Lease> {
        let mut lease = self.renewal(wall)?;
        let spec = lease.spec.as_mut().expect("a renewal has a spec");
        spec.holder_identity = Some(String::new());
        spec.lease_duration_seconds = Some(1);
        spec.acquire_time = spec.renew_time.clone();
        self.observed = None;
        Some(lease)
    }

    /// The spec of a lease that this candidate holds from now on, or still.
    fn held(&self, before: Option<&LeaseSpec>, wall: jiff::Timestamp) -> LeaseSpec {
        let wall = Some(MicroTime(wall));
        let still = before.filter(|spec| spec.holder_identity.as_deref() == Some(&self.identity));
        let transitions = before.and_then(|spec| spec.lease_transitions).unwrap_or_default();
        LeaseSpec {
            holder_identity: Some(self.identity.clone()),
            lease_duration_seconds: Some(whole_seconds(self.lease_duration)),
            acquire_time: still.map_or(wall.clone(), |spec| spec.acquire_time.clone()),
            renew_time: wall,
            lease_transitions: Some(match (before, still) {
                (Some(_), None) => transitions.saturating_add(1),
                _ => transitions,
            }),
            ..LeaseSpec::default()
        }
    }
}

/// Rounded up: others must not begin before this candidate has ended.
fn whole_seconds(duration: Duration) -> i32 {
    let seconds = duration.as_secs().saturating_add(u64::from(duration.subsec_nanos() > 0));
    i32::try_from(seconds).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests;
