//! The status that a set reports.
//!
//! Source: `calculateStatus` in `k8s.io/kubernetes/pkg/controller/replicaset/replica_set_utils.go`.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::{ReplicaSet, ReplicaSetCondition, ReplicaSetStatus};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::pods::{self, Availability};

/// The condition that tells of a failure to create or delete pods.
pub const REPLICA_FAILURE: &str = "ReplicaFailure";

/// Why a pass could not bring the number of pods to what is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// `FailedCreate` or `FailedDelete`.
    pub reason: &'static str,
    /// The error's text.
    pub message: String,
}

/// The status of `set` with these pods: `active` count as replicas, `terminating` are on their way out.
pub fn calculate(
    set: &ReplicaSet,
    active: &[Arc<Pod>],
    terminating: usize,
    failure: Option<&Failure>,
    now: Timestamp,
) -> ReplicaSetStatus {
    let spec = set.spec.as_ref();
    let min_ready = min_ready_seconds(set);
    let template_labels =
        spec.and_then(|s| s.template.as_ref()).and_then(|t| t.metadata.as_ref()).and_then(|m| m.labels.as_ref());
    let fully_labeled = |pod: &&Arc<Pod>| {
        template_labels.is_none_or(|wanted| {
            let labels = pod.metadata.labels.as_ref();
            wanted.iter().all(|(key, value)| labels.and_then(|l| l.get(key)) == Some(value))
        })
    };
    let old = set.status.clone().unwrap_or_default();
    ReplicaSetStatus {
        replicas: pods::count(active.len()),
        fully_labeled_replicas: written(active.iter().filter(fully_labeled).count()),
        ready_replicas: written(active.iter().filter(|p| pods::is_ready(p)).count()),
        available_replicas: written(active.iter().filter(|p| pods::is_available(p, min_ready, now)).count()),
        terminating_replicas: Some(pods::count(terminating)),
        observed_generation: set.metadata.generation,
        conditions: conditions(old.conditions, failure, now),
    }
}

/// A count that the API leaves out where it is zero.
fn written(count: usize) -> Option<i32> {
    (count > 0).then(|| pods::count(count))
}

/// The seconds for which a pod must have been ready to count as available.
pub fn min_ready_seconds(set: &ReplicaSet) -> i32 {
    set.spec.as_ref().and_then(|s| s.min_ready_seconds).unwrap_or(0)
}

fn conditions(
    old: Option<Vec<ReplicaSetCondition>>,
    failure: Option<&Failure>,
    now: Timestamp,
) -> Option<Vec<ReplicaSetCondition>> {
    let mut conditions = old.unwrap_or_default();
    let present = conditions.iter().any(|c| c.type_ == REPLICA_FAILURE);
    match failure {
        Some(failure) if !present => conditions.push(ReplicaSetCondition {
            type_: REPLICA_FAILURE.into(),
            status: "True".into(),
            reason: Some(failure.reason.into()),
            message: Some(failure.message.clone()),
            last_transition_time: Some(Time(now)),
        }),
        Some(_) => {}
        None => conditions.retain(|c| c.type_ != REPLICA_FAILURE),
    }
    (!conditions.is_empty()).then_some(conditions)
}

/// When the next ready pod becomes available, if one waits for `minReadySeconds`.
pub fn next_available(set: &ReplicaSet, active: &[Arc<Pod>], now: Timestamp) -> Option<Duration> {
    let min_ready = min_ready_seconds(set);
    let waits = active.iter().filter_map(|pod| match pods::availability(pod, min_ready, now) {
        Availability::After(wait) => Some(wait),
        Availability::Available | Availability::Unready => None,
    });
    waits.min()
}
