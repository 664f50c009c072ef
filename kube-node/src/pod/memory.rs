//! What an agent remembers of a pod beyond what the runtime shows. It is lost with the agent, and may be.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::PodStatus;

use super::backoff::Backoff;
use super::probes::Probes;

/// Why a container could not be started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The waiting reason: `ErrImagePull`, `CreateContainerConfigError`, `CrashLoopBackOff`…
    pub reason: String,
    /// In words.
    pub message: String,
    /// When.
    pub at: Timestamp,
}

/// Why a pod has ended for another reason than its containers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// `DeadlineExceeded`, `Evicted`…
    pub reason: String,
    /// In words.
    pub message: String,
}

/// Memory of one pod.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    /// The status written last, or read at the start.
    pub status: Arc<PodStatus>,
    /// Back-off by container.
    pub crashes: BTreeMap<String, Backoff>,
    /// Back-off by image, with the time of the last failure.
    pub pulls: BTreeMap<String, (Backoff, Timestamp)>,
    /// The last failure to start, by container.
    pub failures: BTreeMap<String, Failure>,
    /// When a failure other than a crash may be tried again, by container; the empty name is the pod's sandbox.
    pub retries: BTreeMap<String, Timestamp>,
    /// Probes.
    pub probes: Probes,
    /// The runtime's identifiers of containers that were ended because a probe had failed.
    pub condemned: BTreeSet<String>,
    /// Set once, when the pod has to end.
    pub verdict: Option<Verdict>,
    /// Why the node has not taken the pod; see [`super::admission`].
    pub refused: Option<Verdict>,
}
