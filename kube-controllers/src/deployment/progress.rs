//! The status: counts, and the conditions `Available`, `Progressing` and `ReplicaFailure`.
//!
//! Source: `pkg/controller/deployment/progress.go` and `sync.go`.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::{Deployment, DeploymentCondition, DeploymentStatus, ReplicaSet};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kubekit_runtime::Object as _;

use super::replicas;
use crate::pods;
use crate::replicaset::status::REPLICA_FAILURE;

/// The condition that follows a rollout.
pub const PROGRESSING: &str = "Progressing";
/// The condition that says whether enough pods serve.
pub const AVAILABLE: &str = "Available";

/// Reasons of [`PROGRESSING`]. Source: `pkg/controller/deployment/util`.
pub mod reason {
    /// The ReplicaSet could not be created.
    pub const REPLICA_SET_CREATE_ERROR: &str = "ReplicaSetCreateError";
    /// The ReplicaSet was created.
    pub const NEW_REPLICA_SET_CREATED: &str = "NewReplicaSetCreated";
    /// A ReplicaSet of the template was there already.
    pub const FOUND_NEW_REPLICA_SET: &str = "FoundNewReplicaSet";
    /// Pods come or go.
    pub const REPLICA_SET_UPDATED: &str = "ReplicaSetUpdated";
    /// The rollout is done.
    pub const NEW_REPLICA_SET_AVAILABLE: &str = "NewReplicaSetAvailable";
    /// Nothing moved for `progressDeadlineSeconds`.
    pub const PROGRESS_DEADLINE_EXCEEDED: &str = "ProgressDeadlineExceeded";
    /// The user paused it.
    pub const DEPLOYMENT_PAUSED: &str = "DeploymentPaused";
    /// The user resumed it.
    pub const DEPLOYMENT_RESUMED: &str = "DeploymentResumed";
}

/// The deadline for progress, none where there is none.
pub fn deadline(deployment: &Deployment) -> Option<Duration> {
    let seconds = deployment.spec.as_ref().and_then(|s| s.progress_deadline_seconds)?;
    (seconds != i32::MAX).then(|| Duration::from_secs(u64::try_from(seconds).unwrap_or(0)))
}

/// The condition of one type.
pub fn condition<'a>(status: &'a DeploymentStatus, kind: &str) -> Option<&'a DeploymentCondition> {
    status.conditions.as_ref()?.iter().find(|c| c.type_ == kind)
}

/// A condition that begins now.
pub fn new_condition(kind: &str, status: &str, reason: &str, message: String, now: Timestamp) -> DeploymentCondition {
    DeploymentCondition {
        type_: kind.to_owned(),
        status: status.to_owned(),
        reason: Some(reason.to_owned()),
        message: Some(message),
        last_update_time: Some(Time(now)),
        last_transition_time: Some(Time(now)),
    }
}

/// Puts a condition in place of the one of its type, unless that says the same already.
pub fn set_condition(status: &mut DeploymentStatus, mut condition: DeploymentCondition) {
    if let Some(current) = self::condition(status, &condition.type_) {
        if current.status == condition.status && current.reason == condition.reason {
            return;
        }
        if current.status == condition.status {
            condition.last_transition_time.clone_from(&current.last_transition_time);
        }
    }
    remove_condition(status, &condition.type_);
    status.conditions.get_or_insert_default().push(condition);
}

/// Takes away the condition of one type.
pub fn remove_condition(status: &mut DeploymentStatus, kind: &str) {
    let Some(conditions) = &mut status.conditions else { return };
    conditions.retain(|c| c.type_ != kind);
    if conditions.is_empty() {
        status.conditions = None;
    }
}

/// The counts and the `Available` condition, from what the ReplicaSets report.
pub fn calculate(
    deployment: &Deployment,
    sets: &[&ReplicaSet],
    new: Option<&ReplicaSet>,
    now: Timestamp,
) -> DeploymentStatus {
    let old = deployment.status.clone().unwrap_or_default();
    let available: i32 = sets.iter().map(|set| replicas::available(set)).sum();
    let asked: i32 = sets.iter().map(|set| replicas::of(set)).sum();
    let terminating = sets.iter().map(|set| set.status.as_ref().and_then(|s| s.terminating_replicas)).sum();
    let mut status = DeploymentStatus {
        observed_generation: deployment.metadata.generation,
        replicas: written(sets.iter().map(|set| replicas::actual(set)).sum()),
        updated_replicas: written(new.map_or(0, replicas::actual)),
        ready_replicas: written(sets.iter().map(|set| replicas::ready(set)).sum()),
        available_replicas: written(available),
        unavailable_replicas: written((asked - available).max(0)),
        terminating_replicas: terminating,
        collision_count: old.collision_count,
        conditions: old.conditions,
    };
    let enough = available >= replicas::wanted(deployment) - replicas::max_unavailable(deployment);
    let (value, reason, message) = if enough {
        ("True", "MinimumReplicasAvailable", "Deployment has minimum availability.")
    } else {
        ("False", "MinimumReplicasUnavailable", "Deployment does not have minimum availability.")
    };
    set_condition(&mut status, new_condition(AVAILABLE, value, reason, message.to_owned(), now));
    status
}

/// A count that the API leaves out where it is zero.
fn written(count: i32) -> Option<i32> {
    (count != 0).then_some(count)
}

/// The status after a step of a rollout: [`calculate`], and how the rollout stands.
pub fn rollout(
    deployment: &Deployment,
    sets: &[&ReplicaSet],
    new: Option<&ReplicaSet>,
    now: Timestamp,
) -> DeploymentStatus {
    let old = deployment.status.clone().unwrap_or_default();
    let mut status = calculate(deployment, sets, new, now);
    if deadline(deployment).is_none() {
        remove_condition(&mut status, PROGRESSING);
    } else if !was_complete(&old, &status) {
        let subject = match new {
            Some(set) => format!("ReplicaSet \"{}\"", set.name()),
            None => format!("Deployment \"{}\"", deployment.name()),
        };
        follow(deployment, &old, &mut status, &subject, now);
    }
    match failure(sets, new) {
        Some(failure) => set_condition(&mut status, failure),
        None => remove_condition(&mut status, REPLICA_FAILURE),
    }
    status
}

/// Whether the rollout had ended before and no other has begun: later scaling is not progress.
fn was_complete(old: &DeploymentStatus, status: &DeploymentStatus) -> bool {
    let done = Some(reason::NEW_REPLICA_SET_AVAILABLE);
    status.replicas == status.updated_replicas
        && condition(old, PROGRESSING).is_some_and(|c| c.reason.as_deref() == done)
}

fn follow(
    deployment: &Deployment,
    old: &DeploymentStatus,
    status: &mut DeploymentStatus,
    subject: &str,
    now: Timestamp,
) {
    if is_complete(deployment, status) {
        let message = format!("{subject} has successfully progressed.");
        let done = reason::NEW_REPLICA_SET_AVAILABLE;
        set_condition(status, new_condition(PROGRESSING, "True", done, message, now));
    } else if has_moved(old, status) {
        let message = format!("{subject} is progressing.");
        let mut condition = new_condition(PROGRESSING, "True", reason::REPLICA_SET_UPDATED, message, now);
        if let Some(current) = self::condition(old, PROGRESSING).filter(|c| c.status == "True") {
            condition.last_transition_time.clone_from(&current.last_transition_time);
        }
        // Taken away first, so that the time of the last progress is renewed though nothing else changed.
        remove_condition(status, PROGRESSING);
        set_condition(status, condition);
    } else if is_timed_out(deployment, status, now) {
        let message = format!("{subject} has timed out progressing.");
        let late = reason::PROGRESS_DEADLINE_EXCEEDED;
        set_condition(status, new_condition(PROGRESSING, "False", late, message, now));
    }
}

/// Whether every wanted pod is of the new template and available, and no other is left.
pub fn is_complete(deployment: &Deployment, status: &DeploymentStatus) -> bool {
    let wanted = replicas::wanted(deployment);
    status.updated_replicas.unwrap_or(0) == wanted
        && status.replicas.unwrap_or(0) == wanted
        && status.available_replicas.unwrap_or(0) == wanted
        && status.observed_generation.unwrap_or(0) >= deployment.metadata.generation.unwrap_or(0)
}

/// Whether new pods came up, old ones went, or pods became ready or available.
fn has_moved(old: &DeploymentStatus, new: &DeploymentStatus) -> bool {
    let updated = |s: &DeploymentStatus| s.updated_replicas.unwrap_or(0);
    let outdated = |s: &DeploymentStatus| s.replicas.unwrap_or(0) - updated(s);
    updated(new) > updated(old)
        || outdated(new) < outdated(old)
        || new.ready_replicas.unwrap_or(0) > old.ready_replicas.unwrap_or(0)
        || new.available_replicas.unwrap_or(0) > old.available_replicas.unwrap_or(0)
}

fn is_timed_out(deployment: &Deployment, status: &DeploymentStatus, now: Timestamp) -> bool {
    let (Some(deadline), Some(condition)) = (deadline(deployment), condition(status, PROGRESSING)) else {
        return false;
    };
    match condition.reason.as_deref() {
        Some(reason::NEW_REPLICA_SET_AVAILABLE) => false,
        Some(reason::PROGRESS_DEADLINE_EXCEEDED) => true,
        _ => condition.last_update_time.as_ref().is_some_and(|from| pods::elapsed(from.0, now) > deadline),
    }
}

/// When to look again whether the rollout ran out of time; none where it cannot.
pub fn recheck_after(deployment: &Deployment, status: &DeploymentStatus, now: Timestamp) -> Option<Duration> {
    let deadline = deadline(deployment)?;
    let condition = condition(status, PROGRESSING)?;
    let stands = [reason::PROGRESS_DEADLINE_EXCEEDED, reason::NEW_REPLICA_SET_AVAILABLE, reason::DEPLOYMENT_PAUSED];
    let runs = condition.reason.as_deref().is_some_and(|reason| !stands.contains(&reason));
    if !runs || deployment.is_being_deleted() || is_complete(deployment, status) {
        return None;
    }
    let since = condition.last_update_time.as_ref()?;
    // A second more, because times are written in whole seconds.
    Some(deadline.saturating_sub(pods::elapsed(since.0, now)) + Duration::from_secs(1))
}

/// The failure of a ReplicaSet to create or delete pods, as a condition of the Deployment; the new one's first.
fn failure(sets: &[&ReplicaSet], new: Option<&ReplicaSet>) -> Option<DeploymentCondition> {
    new.into_iter().chain(sets.iter().copied()).find_map(|set| {
        let conditions = set.status.as_ref()?.conditions.as_ref()?;
        let failure = conditions.iter().find(|c| c.type_ == REPLICA_FAILURE)?;
        Some(DeploymentCondition {
            type_: failure.type_.clone(),
            status: failure.status.clone(),
            reason: failure.reason.clone(),
            message: failure.message.clone(),
            last_update_time: failure.last_transition_time.clone(),
            last_transition_time: failure.last_transition_time.clone(),
        })
    })
}

/// Notes in `Progressing` that the user paused or resumed the Deployment, so that its deadline does not run meanwhile.
pub fn note_pause(deployment: &mut Deployment, now: Timestamp) {
    if deadline(deployment).is_none() {
        return;
    }
    let paused = deployment.spec.as_ref().and_then(|s| s.paused).unwrap_or(false);
    let status = deployment.status.get_or_insert_default();
    let current = condition(status, PROGRESSING).and_then(|c| c.reason.as_deref());
    if current == Some(reason::PROGRESS_DEADLINE_EXCEEDED) {
        return;
    }
    let noted = current == Some(reason::DEPLOYMENT_PAUSED);
    let (reason, message) = match (paused, noted) {
        (true, false) => (reason::DEPLOYMENT_PAUSED, "Deployment is paused"),
        (false, true) => (reason::DEPLOYMENT_RESUMED, "Deployment is resumed"),
        _ => return,
    };
    set_condition(status, new_condition(PROGRESSING, "Unknown", reason, message.to_owned(), now));
}
