//! What is to be done for a pod now. Pure: the pod, what the runtime shows, what is remembered and the time in; steps out.
//!
//! The rules are those of the kubelet: one usable sandbox; init containers one after the other, sidecars among them in
//! their turn; main containers side by side; restarts by policy, with back-off; an end in the reverse order.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;

use super::backoff::go_duration;
use super::members::{self, Member, Role, spec_of};
use super::memory::{Failure, Memory, Verdict};
use super::observed::{Observed, ObservedContainer};
use super::phase::Phase;
use super::probes::word;
use crate::runtime::container::HASH_ANNOTATION;
use crate::runtime::{ContainerState, SandboxState};

/// The least that a container gets for its end, so that it is not killed needlessly.
const GRACE_MIN: Duration = Duration::from_secs(2);

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Make a sandbox.
    RunSandbox {
        /// With this number.
        attempt: u32,
    },
    /// Make and start a container in the usable sandbox.
    Start {
        /// The container's name.
        name: String,
        /// With this number.
        attempt: u32,
    },
    /// End a container: its hook, its signal, its grace.
    Stop {
        /// The runtime's identifier.
        id: String,
        /// The container's name.
        name: String,
        /// How long it may take.
        grace: Duration,
        /// For the event.
        message: String,
        /// Whether its preStop hook runs first.
        hook: bool,
    },
    /// Remove a dead container.
    Remove {
        /// The runtime's identifier.
        id: String,
    },
    /// Stop a sandbox.
    StopSandbox {
        /// The runtime's identifier.
        id: String,
    },
    /// Remove a stopped sandbox with its containers.
    RemoveSandbox {
        /// The runtime's identifier.
        id: String,
    },
    /// Nothing runs and nothing is left: the pod's volumes, logs and its object may go.
    Finish,
}

/// What to do, and when to look again without being told to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// In this order; neighbouring stops side by side.
    pub steps: Vec<Step>,
    /// Whether the pod is on its way out, so that nothing is started any more.
    pub ending: bool,
    /// When time alone will have changed something.
    pub wake: Option<Timestamp>,
    /// Containers that wait for their back-off now, for their events.
    pub backing_off: Vec<String>,
}

impl Plan {
    fn wake_at(&mut self, at: Timestamp) {
        self.wake = Some(self.wake.map_or(at, |known| known.min(at)));
    }
}

/// Decides. `gone` says that the pod's object does not exist any more, or is another's of the same name.
pub fn decide(pod: &Pod, observed: &Observed, memory: &mut Memory, gone: bool, now: Timestamp) -> Plan {
    let mut plan = Plan::default();
    deadline(pod, memory, now, &mut plan);
    let deleted = gone || pod.metadata.deletion_timestamp.is_some();
    let over = memory.verdict.is_some()
        || memory.refused.is_some()
        || Phase::is_terminal(memory.status.phase.as_deref())
        || Phase::is_terminal(pod.status.as_ref().and_then(|status| status.phase.as_deref()))
        || has_ended(pod, observed, memory);
    if deleted || over {
        plan.ending = true;
        end(pod, observed, deleted, gone, now, &mut plan);
        return plan;
    }
    let Some(sandbox) = observed.sandbox() else {
        renew_sandbox(observed, memory, now, &mut plan);
        return plan;
    };
    for other in observed.sandboxes.iter().filter(|other| other.id != sandbox.id) {
        // Its containers are kept as history; only what still works in it is stopped.
        if other.state == SandboxState::Ready {
            plan.steps.push(Step::StopSandbox { id: other.id.clone() });
        }
    }
    prune(pod, observed, &mut plan);
    if initialize(pod, observed, memory, now, &mut plan) {
        for member in members::main(spec_of(pod)) {
            advance(pod, &member, observed, memory, now, &mut plan);
        }
    }
    plan
}

/// Notes when the pod has used up its time (`spec.activeDeadlineSeconds`).
fn deadline(pod: &Pod, memory: &mut Memory, now: Timestamp, plan: &mut Plan) {
    let Some(seconds) = spec_of(pod).active_deadline_seconds else { return };
    let Some(start) = &memory.status.start_time else { return };
    if memory.verdict.is_some() || Phase::is_terminal(memory.status.phase.as_deref()) {
        return;
    }
    let until = start.0 + Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
    if now >= until {
        memory.verdict = Some(Verdict {
            reason: "DeadlineExceeded".into(),
            message: "Pod was active on the node longer than the specified deadline".into(),
        });
    } else {
        plan.wake_at(until);
    }
}

/// Whether every main container has ended for good, or an init container has failed for good.
fn has_ended(pod: &Pod, observed: &Observed, memory: &Memory) -> bool {
    let spec = spec_of(pod);
    let final_code = |member: &Member<'_>| -> Option<i32> {
        let code = match observed.latest(&member.spec.name) {
            Some(seen) if seen.status.state == ContainerState::Exited => seen.verdict(),
            Some(_) => return None,
            None => {
                let statuses = if member.role == Role::Main {
                    &memory.status.container_statuses
                } else {
                    &memory.status.init_container_statuses
                };
                let status = statuses.iter().flatten().find(|status| status.name == member.spec.name)?;
                status.state.as_ref()?.terminated.as_ref()?.exit_code
            }
        };
        (!members::restarts(member, spec, code)).then_some(code)
    };
    let failed_init = members::initial(spec)
        .filter(|member| member.role == Role::Init)
        .any(|member| final_code(&member).is_some_and(|code| code != 0));
    let mut main = members::main(spec).peekable();
    failed_init || (main.peek().is_some() && main.all(|member| final_code(&member).is_some()))
}

/// No sandbox is usable: stop what is left of the last and make another.
fn renew_sandbox(observed: &Observed, memory: &Memory, now: Timestamp, plan: &mut Plan) {
    for container in observed.running() {
        plan.steps.push(stop(
            container,
            GRACE_MIN,
            "Pod sandbox changed, it will be killed and re-created.".into(),
            false,
        ));
    }
    if let Some(at) = memory.retries.get("").filter(|at| **at > now) {
        plan.wake_at(*at);
        return;
    }
    let attempt = observed.sandboxes.iter().map(|sandbox| sandbox.attempt + 1).max().unwrap_or(0);
    if let Some(last) = observed.sandboxes.first() {
        // Gives its network back before another is set up.
        plan.steps.push(Step::StopSandbox { id: last.id.clone() });
    }
    plan.steps.push(Step::RunSandbox { attempt });
}

/// Removes dead containers but the newest of each name, and containers and sandboxes that hold nothing of interest.
fn prune(pod: &Pod, observed: &Observed, plan: &mut Plan) {
    let mut kept_dead: Vec<&str> = Vec::new();
    for (position, container) in observed.containers.iter().enumerate() {
        let name = container.status.name.as_str();
        let newest = !observed.containers[..position].iter().any(|newer| newer.status.name == name);
        let dead = matches!(container.status.state, ContainerState::Exited | ContainerState::Created);
        let unknown = members::find(spec_of(pod), name).is_none();
        if !dead || (newest && !unknown) {
            continue;
        }
        if kept_dead.contains(&name) || unknown || container.status.state == ContainerState::Created {
            plan.steps.push(Step::Remove { id: container.status.id.clone() });
        } else {
            kept_dead.push(name);
        }
    }
    for sandbox in observed.sandboxes.iter().skip(1) {
        let empty = !observed.containers.iter().any(|container| container.sandbox_id == sandbox.id);
        if empty && sandbox.state == SandboxState::NotReady {
            plan.steps.push(Step::RemoveSandbox { id: sandbox.id.clone() });
        }
    }
}

/// Advances init containers and sidecars; whether the main containers may run.
fn initialize(pod: &Pod, observed: &Observed, memory: &mut Memory, now: Timestamp, plan: &mut Plan) -> bool {
    let spec = spec_of(pod);
    let began = |member: Member<'_>| {
        observed.current(&member.spec.name).is_some_and(|seen| seen.status.state != ContainerState::Created)
    };
    let initialized = members::main(spec).any(began);
    // An init container that somebody has removed from the runtime had ended, where one after it was begun.
    let reached = members::initial(spec).enumerate().filter(|(_, member)| began(*member)).map(|(at, _)| at).last();
    for (position, member) in members::initial(spec).enumerate() {
        let name = &member.spec.name;
        let current = observed.current(name);
        match member.role {
            Role::Init if initialized || reached.is_some_and(|reached| position < reached) => {}
            Role::Init => {
                let done = current
                    .is_some_and(|seen| seen.status.state == ContainerState::Exited && seen.status.exit_code == 0);
                if !done {
                    advance(pod, &member, observed, memory, now, plan);
                    return false;
                }
            }
            Role::Sidecar | Role::Main => {
                advance(pod, &member, observed, memory, now, plan);
                let started = current.is_some_and(|seen| {
                    seen.status.state == ContainerState::Running && memory.probes.started(member.spec, &seen.status.id)
                });
                if !started && !initialized {
                    return false;
                }
            }
        }
    }
    true
}

/// Starts, restarts or stops one container, as its state asks for.
fn advance(pod: &Pod, member: &Member<'_>, observed: &Observed, memory: &mut Memory, now: Timestamp, plan: &mut Plan) {
    let name = &member.spec.name;
    let Some(seen) = observed.latest(name) else {
        let attempt = known_restarts(memory, name);
        start(name, attempt, memory, now, plan);
        return;
    };
    let current = observed.current(name).is_some();
    let next = seen.status.attempt + 1;
    match seen.status.state {
        ContainerState::Created if current => {
            // It was made and never started, by an agent that has ended or by a start that failed.
            plan.steps.push(Step::Remove { id: seen.status.id.clone() });
            start(name, seen.status.attempt, memory, now, plan);
        }
        ContainerState::Created => start(name, next, memory, now, plan),
        ContainerState::Running if current => supervise(pod, member, seen, observed, memory, now, plan),
        ContainerState::Running | ContainerState::Unknown => {
            plan.steps.push(stop(seen, GRACE_MIN, format!("Stopping container {name}"), false));
        }
        ContainerState::Exited => {
            let code = seen.verdict();
            let first_of_sandbox = !current && member.role != Role::Main;
            if !first_of_sandbox && !members::restarts(member, spec_of(pod), code) {
                return;
            }
            let ended = seen.status.ended_at();
            let backoff = memory.crashes.entry(name.clone()).or_default();
            if let Some((delay, until)) = backoff.waiting(ended, now) {
                let message = format!(
                    "back-off {} restarting failed container={name} pod={}",
                    go_duration(delay),
                    members::display(pod)
                );
                let failure = Failure { reason: "CrashLoopBackOff".into(), message, at: now };
                memory.failures.insert(name.clone(), failure);
                plan.backing_off.push(name.clone());
                plan.wake_at(until);
                return;
            }
            start(name, next, memory, now, plan);
        }
    }
}

/// Starts a container unless a failure that is not a crash asks to wait.
fn start(name: &str, attempt: u32, memory: &Memory, now: Timestamp, plan: &mut Plan) {
    match memory.retries.get(name) {
        Some(at) if *at > now => plan.wake_at(*at),
        _ => plan.steps.push(Step::Start { name: name.to_owned(), attempt }),
    }
}

/// Stops a running container whose probe has failed or whose image has been changed, and starts it again: for a new image
/// whatever the restart policy says, for a probe unless that is never to restart, whichever code it ends with.
fn supervise(
    pod: &Pod,
    member: &Member<'_>,
    seen: &ObservedContainer,
    observed: &Observed,
    memory: &mut Memory,
    now: Timestamp,
    plan: &mut Plan,
) {
    let name = &member.spec.name;
    let made_from = seen.status.annotations.get(HASH_ANNOTATION);
    if made_from.is_some_and(|hash| *hash != members::hash(member.spec)) {
        let message = format!("Container {name} definition changed, will be restarted");
        plan.steps.push(stop(seen, members::grace(pod), message, true));
        start_again(seen, observed, memory, now, plan);
        return;
    }
    let Some(kind) = memory.probes.condemned(&seen.status.id) else { return };
    let restarts = members::restarts(member, spec_of(pod), 137);
    let after = if restarts { ", will be restarted" } else { "" };
    let message = format!("Container {name} failed {} probe{after}", word(kind).to_lowercase());
    let probe = match kind {
        crate::runtime::ProbeKind::Startup => &member.spec.startup_probe,
        _ => &member.spec.liveness_probe,
    };
    let own = probe.as_ref().and_then(|probe| probe.termination_grace_period_seconds);
    let grace = own.and_then(|own| u64::try_from(own).ok()).map_or_else(|| members::grace(pod), Duration::from_secs);
    plan.steps.push(stop(seen, grace, message, true));
    if restarts {
        // Where nothing is restarted, its exit code alone says how it ended, as with the kubelet.
        memory.condemned.insert(seen.status.id.clone());
        start_again(seen, observed, memory, now, plan);
    }
}

/// Starts a container again once it has been stopped, unless the back-off since the one before it asks to wait.
fn start_again(seen: &ObservedContainer, observed: &Observed, memory: &Memory, now: Timestamp, plan: &mut Plan) {
    let name = &seen.status.name;
    let waits = observed.ended(name).is_some_and(|before| {
        memory.crashes.get(name).is_some_and(|backoff| backoff.waiting(before.status.ended_at(), now).is_some())
    });
    if !waits {
        start(name, seen.status.attempt + 1, memory, now, plan);
    }
}

/// How often the API says that a container was started, when the runtime has forgotten it.
fn known_restarts(memory: &Memory, name: &str) -> u32 {
    let status = &memory.status;
    let lists = [&status.container_statuses, &status.init_container_statuses];
    let known = lists.into_iter().flatten().flatten().find(|known| known.name == name);
    known.map_or(0, |known| {
        let ran = known.container_id.is_some()
            || known.state.as_ref().is_some_and(|state| state.running.is_some() || state.terminated.is_some());
        u32::try_from(known.restart_count).unwrap_or(0) + u32::from(ran)
    })
}

fn stop(container: &ObservedContainer, grace: Duration, message: String, hook: bool) -> Step {
    let status = &container.status;
    Step::Stop { id: status.id.clone(), name: status.name.clone(), grace, message, hook }
}

/// Ends a pod: main containers, then sidecars from the last to the first, then the sandbox; and when it is deleted, all
/// traces.
fn end(pod: &Pod, observed: &Observed, deleted: bool, gone: bool, now: Timestamp, plan: &mut Plan) {
    let spec = spec_of(pod);
    let grace = if gone { GRACE_MIN } else { remaining(pod, now) };
    let sidecar = |name: &str| members::find(spec, name).is_some_and(|member| member.role == Role::Sidecar);
    let mut first: Vec<Step> = Vec::new();
    for container in observed.running().filter(|container| !sidecar(&container.status.name)) {
        let message = format!("Stopping container {}", container.status.name);
        first.push(stop(container, grace, message, true));
    }
    if first.is_empty() {
        let last = members::initial(spec)
            .rev()
            .filter(|member| member.role == Role::Sidecar)
            .find_map(|member| observed.running().find(|container| container.status.name == member.spec.name));
        if let Some(container) = last {
            first.push(stop(container, grace, format!("Stopping container {}", container.status.name), true));
        }
    }
    if !first.is_empty() {
        plan.steps = first;
        return;
    }
    for sandbox in &observed.sandboxes {
        if sandbox.state == SandboxState::Ready || deleted {
            plan.steps.push(Step::StopSandbox { id: sandbox.id.clone() });
        }
    }
    if deleted {
        plan.steps.extend(observed.sandboxes.iter().map(|sandbox| Step::RemoveSandbox { id: sandbox.id.clone() }));
        plan.steps.extend(
            observed
                .containers
                .iter()
                .filter(|container| !observed.sandboxes.iter().any(|sandbox| sandbox.id == container.sandbox_id))
                .map(|container| Step::Remove { id: container.status.id.clone() }),
        );
        plan.steps.push(Step::Finish);
    }
}

/// How long the pod has until its deadline for deletion, and never less than the least.
fn remaining(pod: &Pod, now: Timestamp) -> Duration {
    let grace = members::grace(pod);
    let left = match &pod.metadata.deletion_timestamp {
        Some(at) => Duration::try_from(at.0.duration_since(now)).unwrap_or_default() + Duration::from_secs(1),
        None => grace,
    };
    left.min(grace).max(GRACE_MIN)
}

#[cfg(test)]
mod tests;
