//! The conditions of a pod that the node agent owns.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ContainerStatus, Pod, PodCondition};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::members::{self, Role, spec_of};
use super::phase::Phase;

/// The conditions that the agent writes; others are left as they are.
pub const OWNED: [&str; 5] = ["PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled"];

struct Finding {
    status: bool,
    reason: Option<&'static str>,
    message: String,
}

impl Finding {
    fn yes() -> Self {
        Self { status: true, reason: None, message: String::new() }
    }

    fn no(reason: &'static str, message: String) -> Self {
        Self { status: false, reason: Some(reason), message }
    }
}

/// What the conditions are made from.
#[derive(Debug)]
pub struct Inputs<'a> {
    /// The pod.
    pub pod: &'a Pod,
    /// The conditions there were.
    pub old: &'a [PodCondition],
    /// Statuses of the init containers.
    pub init: &'a [ContainerStatus],
    /// Statuses of the main containers.
    pub main: &'a [ContainerStatus],
    /// The pod's phase.
    pub phase: Phase,
    /// Whether there is a usable sandbox.
    pub sandbox: bool,
    /// The time.
    pub now: Timestamp,
}

/// All conditions of the pod: those of others as they are, then the agent's.
#[must_use]
pub fn conditions(inputs: &Inputs<'_>) -> Vec<PodCondition> {
    let foreign = inputs.pod.status.as_ref().and_then(|status| status.conditions.as_ref());
    let mut all: Vec<PodCondition> =
        foreign.into_iter().flatten().filter(|condition| !OWNED.contains(&condition.type_.as_str())).cloned().collect();
    let containers = containers_ready(inputs);
    let ready = pod_ready(inputs, &containers, &all);
    let sandbox =
        if inputs.sandbox { Finding::yes() } else { Finding { status: false, reason: None, message: String::new() } };
    let findings = [sandbox, initialized(inputs), ready, containers, Finding::yes()];
    for (type_, finding) in OWNED.into_iter().zip(findings) {
        all.push(condition(inputs, type_, finding));
    }
    all
}

fn condition(inputs: &Inputs<'_>, type_: &str, finding: Finding) -> PodCondition {
    let status = if finding.status { "True" } else { "False" };
    let before = inputs.old.iter().find(|condition| condition.type_ == type_);
    let since = before
        .filter(|condition| condition.status == status)
        .and_then(|condition| condition.last_transition_time.clone())
        .unwrap_or_else(|| super::status::time(inputs.now));
    PodCondition {
        type_: type_.to_owned(),
        status: status.to_owned(),
        reason: finding.reason.map(str::to_owned),
        message: (!finding.message.is_empty()).then_some(finding.message),
        last_transition_time: Some(Time(since.0)),
        last_probe_time: None,
        observed_generation: inputs.pod.metadata.generation,
    }
}

fn find<'a>(statuses: &'a [ContainerStatus], name: &str) -> Option<&'a ContainerStatus> {
    statuses.iter().find(|status| status.name == name)
}

/// `containers with X status: [a b]`, in the notation of Go's lists.
fn listed(what: &str, names: &[&str]) -> Option<String> {
    (!names.is_empty()).then(|| format!("containers with {what} status: [{}]", names.join(" ")))
}

fn message(unknown: &[&str], what: &str, others: &[&str]) -> Option<String> {
    let parts: Vec<String> = [listed("unknown", unknown), listed(what, others)].into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

fn initialized(inputs: &Inputs<'_>) -> Finding {
    let (mut unknown, mut incomplete) = (Vec::new(), Vec::new());
    for member in members::initial(spec_of(inputs.pod)) {
        let name = member.spec.name.as_str();
        match find(inputs.init, name) {
            None => unknown.push(name),
            Some(status) => {
                let done = if member.role == Role::Sidecar { status.started == Some(true) } else { status.ready };
                if !done {
                    incomplete.push(name);
                }
            }
        }
    }
    if inputs.phase == Phase::Succeeded && unknown.is_empty() {
        return Finding { status: true, reason: Some("PodCompleted"), message: String::new() };
    }
    if any_main_started(inputs.main) {
        return Finding::yes();
    }
    match message(&unknown, "incomplete", &incomplete) {
        Some(message) => Finding::no("ContainersNotInitialized", message),
        None => Finding::yes(),
    }
}

/// Whether any main container has ever been started.
#[must_use]
pub fn any_main_started(main: &[ContainerStatus]) -> bool {
    main.iter().any(|status| {
        let ended = |state: &Option<k8s_openapi::api::core::v1::ContainerState>| {
            state.as_ref().is_some_and(|state| state.terminated.is_some())
        };
        status.state.as_ref().is_some_and(|state| state.running.is_some())
            || ended(&status.state)
            || ended(&status.last_state)
    })
}

fn containers_ready(inputs: &Inputs<'_>) -> Finding {
    let spec = spec_of(inputs.pod);
    let (mut unknown, mut unready) = (Vec::new(), Vec::new());
    let sidecars = members::initial(spec).filter(|member| member.role == Role::Sidecar);
    for member in sidecars.chain(members::main(spec)) {
        let name = member.spec.name.as_str();
        let statuses = if member.role == Role::Sidecar { inputs.init } else { inputs.main };
        match find(statuses, name) {
            None => unknown.push(name),
            Some(status) if !status.ready => unready.push(name),
            Some(_) => {}
        }
    }
    if inputs.phase == Phase::Succeeded && unknown.is_empty() {
        return Finding::no("PodCompleted", String::new());
    }
    if inputs.phase == Phase::Failed {
        return Finding::no("PodFailed", String::new());
    }
    match message(&unknown, "unready", &unready) {
        Some(message) => Finding::no("ContainersNotReady", message),
        None => Finding::yes(),
    }
}

fn pod_ready(inputs: &Inputs<'_>, containers: &Finding, others: &[PodCondition]) -> Finding {
    if !containers.status {
        return Finding { status: false, reason: containers.reason, message: containers.message.clone() };
    }
    let mut unmet = Vec::new();
    for gate in spec_of(inputs.pod).readiness_gates.iter().flatten() {
        let wanted = &gate.condition_type;
        match others.iter().find(|condition| condition.type_ == *wanted) {
            None => unmet.push(format!("corresponding condition of pod readiness gate {wanted:?} does not exist.")),
            Some(condition) if condition.status != "True" => unmet
                .push(format!("the status of pod readiness gate {wanted:?} is not \"True\", but {}", condition.status)),
            Some(_) => {}
        }
    }
    if unmet.is_empty() { Finding::yes() } else { Finding::no("ReadinessGatesNotReady", unmet.join(", ")) }
}
