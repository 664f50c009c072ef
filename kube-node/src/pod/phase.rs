//! The phase of a pod, from the statuses of its containers.

use k8s_openapi::api::core::v1::{ContainerStatus, PodSpec};

use super::members::{self, Member, Role};

/// Where a pod is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Not all containers have been started.
    Pending,
    /// At least one runs, or will again.
    Running,
    /// All have ended well and stay so.
    Succeeded,
    /// All have ended, one badly, or the pod had to end.
    Failed,
}

impl Phase {
    /// The word of the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::Running => "Running",
            Self::Succeeded => "Succeeded",
            Self::Failed => "Failed",
        }
    }

    /// Whether a phase of the API is one that a pod never leaves.
    #[must_use]
    pub fn is_terminal(phase: Option<&str>) -> bool {
        matches!(phase, Some("Succeeded" | "Failed"))
    }
}

/// How far a container is.
enum Progress {
    Unknown,
    Running {
        started: bool,
    },
    Ended(i32),
    /// Ended, and waiting to be started again.
    Again(i32),
    Waiting,
}

fn progress(statuses: &[ContainerStatus], name: &str) -> Progress {
    let Some(status) = statuses.iter().find(|status| status.name == name) else { return Progress::Unknown };
    let Some(state) = &status.state else { return Progress::Unknown };
    if state.running.is_some() {
        return Progress::Running { started: status.started == Some(true) };
    }
    if let Some(terminated) = &state.terminated {
        return Progress::Ended(terminated.exit_code);
    }
    if state.waiting.is_none() {
        return Progress::Unknown;
    }
    match status.last_state.as_ref().and_then(|last| last.terminated.as_ref()) {
        Some(terminated) => Progress::Again(terminated.exit_code),
        None => Progress::Waiting,
    }
}

#[derive(Default)]
struct Counts {
    unknown: u32,
    running: u32,
    waiting: u32,
    ended: u32,
    final_: u32,
    succeeded: u32,
}

/// The phase of a pod with these container statuses. `ending` says that nothing will be started again; `initialized` that
/// a main container has been started.
#[must_use]
pub fn phase(
    spec: &PodSpec,
    init: &[ContainerStatus],
    main: &[ContainerStatus],
    ending: bool,
    initialized: bool,
) -> Phase {
    let mut pending_init = false;
    let mut pending_sidecar = false;
    let mut counts = Counts::default();
    for member in members::initial(spec) {
        let progress = progress(init, &member.spec.name);
        match member.role {
            Role::Sidecar => match progress {
                Progress::Running { started } => {
                    pending_sidecar |= !started;
                    counts.running += 1;
                }
                Progress::Waiting => {
                    pending_sidecar = true;
                    counts.waiting += 1;
                }
                Progress::Unknown => {
                    pending_sidecar = true;
                    counts.unknown += 1;
                }
                Progress::Ended(_) | Progress::Again(_) => {}
            },
            _ => match progress {
                Progress::Ended(0) | Progress::Again(0) => {}
                Progress::Ended(code) | Progress::Again(code) => {
                    if ending || !members::restarts(&member, spec, code) {
                        return Phase::Failed;
                    }
                }
                Progress::Running { .. } | Progress::Waiting | Progress::Unknown => pending_init = true,
            },
        }
    }
    for member in members::main(spec) {
        count_main(&member, spec, progress(main, &member.spec.name), &mut counts);
    }
    conclude(&counts, pending_init, pending_sidecar && !initialized, ending)
}

fn count_main(member: &Member<'_>, spec: &PodSpec, progress: Progress, counts: &mut Counts) {
    match progress {
        Progress::Unknown => counts.unknown += 1,
        Progress::Running { .. } => counts.running += 1,
        Progress::Waiting => counts.waiting += 1,
        Progress::Ended(code) | Progress::Again(code) => {
            counts.ended += 1;
            if !members::restarts(member, spec, code) {
                counts.final_ += 1;
            }
            if code == 0 && matches!(progress, Progress::Ended(_)) {
                counts.succeeded += 1;
            }
        }
    }
}

fn conclude(counts: &Counts, pending_init: bool, pending_sidecar: bool, ending: bool) -> Phase {
    if pending_init || pending_sidecar || counts.waiting > 0 {
        return Phase::Pending;
    }
    if counts.unknown > 0 || (counts.running == 0 && counts.ended == 0) {
        return Phase::Pending;
    }
    if counts.running > 0 {
        return Phase::Running;
    }
    if !ending && counts.final_ < counts.ended {
        return Phase::Running;
    }
    if counts.ended == counts.succeeded { Phase::Succeeded } else { Phase::Failed }
}
