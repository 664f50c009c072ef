//! The status of a pod, as the agent reports it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{
    Container, ContainerState, ContainerStateRunning, ContainerStateTerminated, ContainerStateWaiting, ContainerStatus,
    HostIP, Pod, PodIP, PodStatus, VolumeMountStatus,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::admission;
use super::conditions::{self, Inputs, any_main_started};
use super::members::{self, Member, Role, host_network, spec_of};
use super::memory::Memory;
use super::observed::{Observed, ObservedContainer};
use super::phase::{Phase, phase};
use crate::runtime;

/// What a status is made from besides the pod.
#[derive(Debug)]
pub struct Situation<'a> {
    /// What the runtime shows.
    pub observed: &'a Observed,
    /// What is remembered.
    pub memory: &'a Memory,
    /// The node's addresses.
    pub host_ips: &'a [String],
    /// The prefix of container identifiers: the runtime's name.
    pub runtime_name: &'a str,
    /// Whether nothing will be started again.
    pub ending: bool,
    /// The time.
    pub now: Timestamp,
}

/// A time as the API keeps it: to the second.
#[must_use]
pub fn time(at: Timestamp) -> Time {
    Time(Timestamp::from_second(at.as_second()).unwrap_or(at))
}

/// The pod's status now.
#[must_use]
pub fn status(pod: &Pod, inputs: &Situation<'_>) -> PodStatus {
    let spec = spec_of(pod);
    let old = &inputs.memory.status;
    let api = pod.status.clone().unwrap_or_default();
    if let Some(verdict) = &inputs.memory.refused {
        return admission::status(api, pod.metadata.generation, verdict);
    }
    let has_init = spec.init_containers.as_ref().is_some_and(|containers| !containers.is_empty());
    let of = |members: Vec<Member<'_>>, old: &Option<Vec<ContainerStatus>>| -> Vec<ContainerStatus> {
        let old: BTreeMap<&str, &ContainerStatus> = old.iter().flatten().map(|s| (s.name.as_str(), s)).collect();
        members
            .iter()
            .map(|member| container_status(pod, member, old.get(member.spec.name.as_str()).copied(), inputs, has_init))
            .collect()
    };
    let mut init = of(members::initial(spec).collect(), &old.init_container_statuses);
    let mut main = of(members::main(spec).collect(), &old.container_statuses);
    main.sort_by(|a, b| a.name.cmp(&b.name));
    let initialized = any_main_started(&main);
    let judged = judged(&main, inputs.observed);
    let mut phase = phase(spec, &init, judged.as_deref().unwrap_or(&main), inputs.ending, initialized);
    if inputs.ending && inputs.observed.running().next().is_none() {
        phase = close(phase, &mut init, &mut main);
    }
    let mut words = (api.reason.clone(), api.message.clone());
    if let Some(verdict) = &inputs.memory.verdict {
        phase = Phase::Failed;
        words = (Some(verdict.reason.clone()), Some(verdict.message.clone()));
    }
    // A pod never leaves a final phase.
    for terminal in [&api.phase, &old.phase] {
        match terminal.as_deref() {
            Some("Succeeded") => phase = Phase::Succeeded,
            Some("Failed") => phase = Phase::Failed,
            _ => {}
        }
    }
    let old_conditions = old.conditions.clone().unwrap_or_default();
    let conditions = conditions::conditions(&Inputs {
        pod,
        old: &old_conditions,
        init: &init,
        main: &main,
        phase,
        sandbox: inputs.observed.sandbox().is_some(),
        now: inputs.now,
    });
    let (pod_ips, host_ips) = addresses(pod, inputs);
    PodStatus {
        observed_generation: pod.metadata.generation,
        phase: Some(phase.as_str().into()),
        reason: words.0,
        message: words.1,
        conditions: Some(conditions),
        init_container_statuses: (!init.is_empty()).then_some(init),
        container_statuses: Some(main),
        pod_ip: pod_ips.first().cloned(),
        pod_ips: (!pod_ips.is_empty()).then(|| pod_ips.iter().map(|ip| PodIP { ip: ip.clone() }).collect()),
        host_ip: host_ips.first().cloned(),
        host_ips: (!host_ips.is_empty()).then(|| host_ips.iter().map(|ip| HostIP { ip: ip.clone() }).collect()),
        start_time: old.start_time.clone().or(api.start_time.clone()).or_else(|| Some(time(inputs.now))),
        qos_class: api.qos_class.clone().or_else(|| Some(super::qos::class(spec).as_str().into())),
        ..api
    }
}

/// The statuses by which the phase is told, where that is by other codes than the containers have ended with.
fn judged(statuses: &[ContainerStatus], observed: &Observed) -> Option<Vec<ContainerStatus>> {
    let otherwise = |seen: &ObservedContainer| {
        seen.status.state == runtime::ContainerState::Exited && seen.verdict() != seen.status.exit_code
    };
    observed.containers.iter().any(otherwise).then(|| {
        let mut statuses = statuses.to_vec();
        for status in &mut statuses {
            let Some(seen) = observed.latest(&status.name).filter(|seen| otherwise(seen)) else { continue };
            for state in [&mut status.state, &mut status.last_state].into_iter().flatten() {
                if let Some(end) = &mut state.terminated {
                    end.exit_code = seen.verdict();
                }
            }
        }
        statuses
    })
}

/// The last word on a pod of which nothing runs and nothing will: a phase that is final, and an end of every container that
/// had its turn. Whoever waits for a deleted pod, as a Job does, waits for that phase (KEP-3329). Source: `TerminatePod` of
/// `pkg/kubelet/status/status_manager.go`.
fn close(phase: Phase, init: &mut [ContainerStatus], main: &mut [ContainerStatus]) -> Phase {
    let ended = |state: &Option<ContainerState>| state.as_ref().and_then(|state| state.terminated.clone());
    let began = |status: &ContainerStatus| {
        ended(&status.last_state).is_some() || status.state.as_ref().is_some_and(|state| state.waiting.is_none())
    };
    let initialized = match init.last() {
        None => true,
        Some(last) => {
            let done = [ended(&last.state), ended(&last.last_state)];
            main.iter().any(began) || done.into_iter().flatten().any(|end| end.exit_code == 0)
        }
    };
    // The first init container has had its turn in any case.
    let turns = init.iter().rposition(began).unwrap_or(0).saturating_add(1).min(init.len());
    let main = if initialized { main } else { &mut [] };
    for status in init[..turns].iter_mut().chain(main).filter(|status| ended(&status.state).is_none()) {
        let lost = unknown_end("The container could not be located when the pod was terminated");
        status.state = Some(ContainerState { terminated: Some(lost), ..ContainerState::default() });
    }
    if phase == Phase::Succeeded { phase } else { Phase::Failed }
}

/// The end of a container of which nothing is known.
fn unknown_end(message: &str) -> ContainerStateTerminated {
    ContainerStateTerminated {
        reason: Some("ContainerStatusUnknown".into()),
        message: Some(message.into()),
        exit_code: 137,
        ..ContainerStateTerminated::default()
    }
}

/// The pod's addresses and the node's.
fn addresses(pod: &Pod, inputs: &Situation<'_>) -> (Vec<String>, Vec<String>) {
    let host: Vec<String> = inputs.host_ips.to_vec();
    if host_network(spec_of(pod)) {
        return (host.clone(), host);
    }
    let known = || inputs.memory.status.pod_ips.iter().flatten().map(|ip| ip.ip.clone()).collect();
    let ips = match inputs.observed.sandbox() {
        Some(sandbox) if !sandbox.ips.is_empty() => sandbox.ips.clone(),
        // A pod that has ended keeps the address it had, for people to read.
        _ if inputs.ending || Phase::is_terminal(inputs.memory.status.phase.as_deref()) => known(),
        _ => Vec::new(),
    };
    (ips, host)
}

fn container_status(
    pod: &Pod,
    member: &Member<'_>,
    old: Option<&ContainerStatus>,
    inputs: &Situation<'_>,
    has_init: bool,
) -> ContainerStatus {
    let container = member.spec;
    let mut instances = inputs.observed.containers.iter().filter(|seen| seen.status.name == container.name);
    let mut status = match instances.next() {
        Some(seen) => {
            let mut status = from_runtime(container, seen, inputs.runtime_name);
            status.last_state = instances
                .next()
                .map(|previous| state_of(&previous.status, inputs.runtime_name))
                .or_else(|| {
                    // The runtime has forgotten the instance before; the API has not.
                    old.filter(|old| old.container_id == status.container_id).and_then(|old| old.last_state.clone())
                })
                .or_else(|| {
                    let gone = old.filter(|old| old.container_id != status.container_id)?;
                    gone.state.clone().filter(|state| state.terminated.is_some()).or_else(|| gone.last_state.clone())
                });
            status
        }
        None => absent(pod, container, old, has_init),
    };
    let running = status.state.as_ref().is_some_and(|state| state.running.is_some());
    let id = inputs.observed.latest(&container.name).map_or("", |seen| seen.status.id.as_str());
    status.started = Some(running && inputs.memory.probes.started(container, id));
    status.ready = match member.role {
        Role::Init => {
            status.state.as_ref().and_then(|state| state.terminated.as_ref()).is_some_and(|end| end.exit_code == 0)
        }
        Role::Sidecar | Role::Main => running && inputs.memory.probes.ready(container, id),
    };
    let verdict = inputs.observed.latest(&container.name).map(ObservedContainer::verdict);
    waiting_to_start(pod, member, &mut status, verdict, inputs);
    status
}

/// A container that is to be started and could not be is waiting, with the reason.
fn waiting_to_start(
    pod: &Pod,
    member: &Member<'_>,
    status: &mut ContainerStatus,
    verdict: Option<i32>,
    inputs: &Situation<'_>,
) {
    if inputs.ending {
        return;
    }
    let Some(failure) = inputs.memory.failures.get(&member.spec.name) else { return };
    let state = status.state.take().unwrap_or_default();
    let restarts = match &state.terminated {
        Some(end) => members::restarts(member, spec_of(pod), verdict.unwrap_or(end.exit_code)),
        None => state.running.is_none(),
    };
    if !restarts {
        status.state = Some(state);
        return;
    }
    if state.terminated.is_some() {
        status.last_state = Some(state);
    }
    let waiting = ContainerStateWaiting {
        reason: Some(failure.reason.clone()),
        message: (!failure.message.is_empty()).then(|| failure.message.clone()),
    };
    status.state = Some(ContainerState { waiting: Some(waiting), ..ContainerState::default() });
}

fn from_runtime(container: &Container, seen: &ObservedContainer, runtime_name: &str) -> ContainerStatus {
    let seen = &seen.status;
    let restart_count = seen
        .annotations
        .get(runtime::container::RESTART_COUNT_ANNOTATION)
        .and_then(|count| count.parse().ok())
        .unwrap_or_else(|| i32::try_from(seen.attempt).unwrap_or(i32::MAX));
    let mut status = basis(container);
    status.restart_count = restart_count;
    if !seen.image.is_empty() && !seen.image.starts_with("sha256:") {
        status.image.clone_from(&seen.image);
    }
    status.image_id.clone_from(&seen.image_ref);
    status.container_id = Some(format!("{runtime_name}://{}", seen.id));
    status.state = Some(state_of(seen, runtime_name));
    status
}

/// What a status says whatever the runtime knows.
fn basis(container: &Container) -> ContainerStatus {
    let mounts: Vec<VolumeMountStatus> = container
        .volume_mounts
        .iter()
        .flatten()
        .map(|mount| VolumeMountStatus {
            name: mount.name.clone(),
            mount_path: mount.mount_path.clone(),
            read_only: mount.read_only,
            recursive_read_only: (mount.read_only == Some(true)).then(|| "Disabled".to_owned()),
            ..VolumeMountStatus::default()
        })
        .collect();
    ContainerStatus {
        name: container.name.clone(),
        image: container.image.clone().unwrap_or_default(),
        volume_mounts: (!mounts.is_empty()).then_some(mounts),
        resources: Some(container.resources.clone().unwrap_or_default()),
        allocated_resources: container.resources.as_ref().and_then(|resources| resources.requests.clone()),
        ..ContainerStatus::default()
    }
}

/// The status of a container that the runtime does not know: what the API said of it, or that it waits.
fn absent(pod: &Pod, container: &Container, old: Option<&ContainerStatus>, has_init: bool) -> ContainerStatus {
    if let Some(old) = old.filter(|old| old.state.as_ref().is_some_and(|state| state.terminated.is_some())) {
        return old.clone();
    }
    let mut status = basis(container);
    let reason = if has_init { "PodInitializing" } else { "ContainerCreating" };
    let waiting = ContainerStateWaiting { reason: Some(reason.into()), message: None };
    status.state = Some(ContainerState { waiting: Some(waiting), ..ContainerState::default() });
    let Some(old) = old else { return status };
    status.restart_count = old.restart_count;
    status.last_state.clone_from(&old.last_state);
    let ran = old.state.as_ref().is_some_and(|state| state.running.is_some());
    if ran && status.last_state.as_ref().is_none_or(|last| last.terminated.is_none()) {
        let lost = unknown_end(
            "The container could not be located when the pod was deleted.  The container used to be Running",
        );
        status.last_state = Some(ContainerState { terminated: Some(lost), ..ContainerState::default() });
        if pod.metadata.deletion_timestamp.is_none() {
            status.restart_count += 1;
        }
    }
    status
}

fn state_of(seen: &runtime::ContainerStatus, runtime_name: &str) -> ContainerState {
    match seen.state {
        runtime::ContainerState::Running => {
            let running = ContainerStateRunning { started_at: seen.started_at.map(time) };
            ContainerState { running: Some(running), ..ContainerState::default() }
        }
        runtime::ContainerState::Exited => {
            let terminated = ContainerStateTerminated {
                exit_code: seen.exit_code,
                reason: (!seen.reason.is_empty()).then(|| seen.reason.clone()),
                message: (!seen.message.is_empty()).then(|| seen.message.clone()),
                started_at: seen.started_at.map(time),
                finished_at: seen.finished_at.map(time),
                container_id: Some(format!("{runtime_name}://{}", seen.id)),
                signal: None,
            };
            ContainerState { terminated: Some(terminated), ..ContainerState::default() }
        }
        runtime::ContainerState::Created | runtime::ContainerState::Unknown => {
            ContainerState { waiting: Some(ContainerStateWaiting::default()), ..ContainerState::default() }
        }
    }
}

#[cfg(test)]
mod tests;
