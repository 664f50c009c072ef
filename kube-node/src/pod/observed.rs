//! What the runtime shows of one pod.

use std::collections::BTreeMap;

use crate::runtime::container::{HASH_ANNOTATION, RESTART_COUNT_ANNOTATION};
use crate::runtime::{ContainerState, ContainerStatus, SandboxState, SandboxStatus};

/// The annotations that are looked at between two looks at the runtime.
const KEPT: [&str; 2] = [HASH_ANNOTATION, RESTART_COUNT_ANNOTATION];

/// A container with the sandbox it is in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObservedContainer {
    /// The sandbox.
    pub sandbox_id: String,
    /// Its state.
    pub status: ContainerStatus,
    /// Whether it was ended because a probe had failed.
    pub condemned: bool,
}

impl ObservedContainer {
    /// The code by which its end is judged: what was ended because it did not work has failed, even if it went in peace.
    #[must_use]
    pub fn verdict(&self) -> i32 {
        if self.condemned && self.status.exit_code == 0 { 137 } else { self.status.exit_code }
    }
}

/// The sandboxes and containers of a pod, newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observed {
    /// Sandboxes; the first ready one is the pod's.
    pub sandboxes: Vec<SandboxStatus>,
    /// Containers of all sandboxes.
    pub containers: Vec<ObservedContainer>,
}

impl Observed {
    /// Lets go of what nobody looks at again: a worker keeps what it has seen as long as its pod runs, and labels,
    /// annotations and mounts are most of that.
    #[must_use]
    pub(crate) fn slim(mut self) -> Self {
        for sandbox in &mut self.sandboxes {
            (sandbox.labels, sandbox.annotations) = (BTreeMap::new(), BTreeMap::new());
        }
        for ObservedContainer { status, .. } in &mut self.containers {
            (status.labels, status.mounts) = (BTreeMap::new(), Vec::new());
            status.annotations.retain(|name, _| KEPT.contains(&name.as_str()));
        }
        self.sandboxes.shrink_to_fit();
        self.containers.shrink_to_fit();
        self
    }

    /// The usable sandbox.
    #[must_use]
    pub fn sandbox(&self) -> Option<&SandboxStatus> {
        self.sandboxes.first().filter(|sandbox| sandbox.state == SandboxState::Ready)
    }

    /// The newest container of a name.
    #[must_use]
    pub fn latest(&self, name: &str) -> Option<&ObservedContainer> {
        self.containers.iter().find(|container| container.status.name == name)
    }

    /// The newest container of a name, if it is in the usable sandbox.
    #[must_use]
    pub fn current(&self, name: &str) -> Option<&ObservedContainer> {
        let sandbox = self.sandbox()?;
        self.latest(name).filter(|container| container.sandbox_id == sandbox.id)
    }

    /// The newest container of a name that has ended.
    #[must_use]
    pub fn ended(&self, name: &str) -> Option<&ObservedContainer> {
        let has_ended = |container: &&ObservedContainer| container.status.state == ContainerState::Exited;
        self.containers.iter().filter(has_ended).find(|container| container.status.name == name)
    }

    /// Containers that run, or may.
    pub fn running(&self) -> impl Iterator<Item = &ObservedContainer> {
        self.containers
            .iter()
            .filter(|container| matches!(container.status.state, ContainerState::Running | ContainerState::Unknown))
    }
}

#[cfg(test)]
mod tests;
