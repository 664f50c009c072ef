//! Probes: when the next one is due, and what a run of outcomes means.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Container, Pod, PodStatus, Probe};

use super::members::{self, Role, spec_of};
use super::observed::Observed;
use crate::runtime::{ContainerState, ProbeKind};

/// What one probe found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All is well.
    Success,
    /// It is not, with the words for the event.
    Failure(String),
}

/// Which probe of which container.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// The runtime's identifier of the container.
    pub container_id: String,
    /// Which probe.
    pub kind: ProbeKind,
}

/// A probe to run now.
#[derive(Clone, Debug)]
pub struct Due {
    /// Which.
    pub key: Key,
    /// The container's name in the pod.
    pub container: String,
    /// What to do.
    pub probe: Probe,
}

#[derive(Clone, Debug)]
struct Track {
    /// None before the first decision.
    passed: Option<bool>,
    last_ok: Option<bool>,
    run: u32,
    next: Timestamp,
    running: bool,
}

/// The probes of one pod.
#[derive(Clone, Debug, Default)]
pub struct Probes(BTreeMap<Key, Track>);

impl Probes {
    /// Takes over what an agent before this one has reported: containers that had started and were ready still are, until
    /// a probe says otherwise. A restart of the agent is no reason to take traffic from a pod.
    pub fn adopt(&mut self, status: &PodStatus) {
        let statuses = [&status.init_container_statuses, &status.container_statuses];
        for status in statuses.into_iter().flatten().flatten() {
            let Some((_, id)) = status.container_id.as_deref().and_then(|id| id.split_once("://")) else { continue };
            let passed = [(ProbeKind::Startup, status.started == Some(true)), (ProbeKind::Readiness, status.ready)];
            for (kind, _) in passed.into_iter().filter(|(_, passed)| *passed) {
                let next = Timestamp::MIN;
                let track = Track { passed: Some(true), last_ok: Some(true), run: 1, next, running: false };
                self.0.insert(Key { container_id: id.to_owned(), kind }, track);
            }
        }
    }

    /// Whether the container counts as started: it has no startup probe, or that has succeeded.
    #[must_use]
    pub fn started(&self, container: &Container, id: &str) -> bool {
        container.startup_probe.is_none() || self.passed(id, ProbeKind::Startup) == Some(true)
    }

    /// Whether a running container is ready.
    #[must_use]
    pub fn ready(&self, container: &Container, id: &str) -> bool {
        self.started(container, id)
            && (container.readiness_probe.is_none() || self.passed(id, ProbeKind::Readiness) == Some(true))
    }

    /// The probe that wants the container killed.
    #[must_use]
    pub fn condemned(&self, id: &str) -> Option<ProbeKind> {
        [ProbeKind::Startup, ProbeKind::Liveness].into_iter().find(|kind| self.passed(id, *kind) == Some(false))
    }

    fn passed(&self, id: &str, kind: ProbeKind) -> Option<bool> {
        self.0.get(&Key { container_id: id.to_owned(), kind })?.passed
    }

    /// The probes that are due now, marked as running, and when the next one will be.
    pub fn due(&mut self, pod: &Pod, observed: &Observed, now: Timestamp) -> (Vec<Due>, Option<Timestamp>) {
        let deleting = pod.metadata.deletion_timestamp.is_some();
        let mut alive = BTreeMap::new();
        let mut due = Vec::new();
        let mut wake: Option<Timestamp> = None;
        for member in members::all(spec_of(pod)).filter(|member| member.role != Role::Init) {
            let Some(container) = observed.current(&member.spec.name) else { continue };
            let status = &container.status;
            if status.state != ContainerState::Running {
                continue;
            }
            let started = self.started(member.spec, &status.id);
            for (kind, probe) in probes_of(member.spec) {
                let key = Key { container_id: status.id.clone(), kind };
                let begins = status.started_at.unwrap_or(now) + seconds(probe.initial_delay_seconds, 0);
                let mut track = self.0.remove(&key).unwrap_or(Track {
                    passed: None,
                    last_ok: None,
                    run: 0,
                    next: begins,
                    running: false,
                });
                let held = match kind {
                    ProbeKind::Startup => started || deleting || track.passed == Some(false),
                    ProbeKind::Liveness => !started || deleting || track.passed == Some(false),
                    ProbeKind::Readiness => !started,
                };
                if !held && !track.running {
                    if track.next <= now {
                        track.running = true;
                        track.next = now + seconds(probe.period_seconds, 10);
                        due.push(Due { key: key.clone(), container: member.spec.name.clone(), probe: probe.clone() });
                    } else {
                        wake = Some(wake.map_or(track.next, |at| at.min(track.next)));
                    }
                }
                alive.insert(key, track);
            }
        }
        // What is left belongs to containers that have ended.
        self.0 = alive;
        (due, wake)
    }

    /// Notes an outcome; whether it changed what [`Probes`] says of the container.
    pub fn note(&mut self, key: &Key, probe: &Probe, outcome: &Outcome) -> bool {
        let Some(track) = self.0.get_mut(key) else { return false };
        track.running = false;
        let ok = *outcome == Outcome::Success;
        if track.last_ok == Some(ok) {
            track.run = track.run.saturating_add(1);
        } else {
            track.last_ok = Some(ok);
            track.run = 1;
        }
        let threshold = if ok { probe.success_threshold.unwrap_or(1) } else { probe.failure_threshold.unwrap_or(3) };
        if track.run < u32::try_from(threshold).unwrap_or(1) {
            return false;
        }
        track.passed.replace(ok) != Some(ok)
    }
}

/// The probes of a container.
fn probes_of(container: &Container) -> impl Iterator<Item = (ProbeKind, &Probe)> {
    [
        (ProbeKind::Startup, &container.startup_probe),
        (ProbeKind::Liveness, &container.liveness_probe),
        (ProbeKind::Readiness, &container.readiness_probe),
    ]
    .into_iter()
    .filter_map(|(kind, probe)| probe.as_ref().map(|probe| (kind, probe)))
}

/// A number of seconds of a probe.
pub(crate) fn seconds(value: Option<i32>, default: u64) -> Duration {
    Duration::from_secs(value.and_then(|value| u64::try_from(value).ok()).filter(|v| *v > 0).unwrap_or(default))
}

/// The word for a kind in events.
#[must_use]
pub fn word(kind: ProbeKind) -> &'static str {
    match kind {
        ProbeKind::Startup => "Startup",
        ProbeKind::Liveness => "Liveness",
        ProbeKind::Readiness => "Readiness",
    }
}

#[cfg(test)]
mod tests;
