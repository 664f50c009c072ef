//! Which pods must leave a node that has `NoExecute` taints, and when.
//!
//! Source: `pkg/controller/tainteviction`. There the time that a pod tolerates a taint runs from when the controller saw
//! it, so that a restart of the controller grants it anew. Here it runs from when the taint was added, or the pod bound.
//! Only a taint that does not say when it was added, as users write them, counts from when it was seen.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::{Pod, PodCondition, Taint, Toleration};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::pods;

/// What becomes of a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It may stay for ever.
    Stays,
    /// It must go when this time has passed, if nothing changes.
    GoesAfter(Duration),
    /// It must go now.
    Goes,
}

/// Decides what becomes of a pod on a node with these taints, under which it was seen at `seen` for the first time.
pub fn fate(pod: &Pod, taints: &[Taint], seen: Timestamp, now: Timestamp) -> Fate {
    let tolerations = pod.spec.as_ref().and_then(|s| s.tolerations.as_deref()).unwrap_or_default();
    let mut fate = Fate::Stays;
    for taint in taints.iter().filter(|t| t.effect == "NoExecute") {
        let Some(toleration) = tolerations.iter().find(|t| tolerates(t, taint)) else { return Fate::Goes };
        let Some(seconds) = toleration.toleration_seconds else { continue };
        let added = taint.time_added.as_ref().map_or(seen, |t| t.0);
        let since = bound(pod).map_or(added, |bound| bound.max(added));
        let until = since.saturating_add(SignedDuration::from_secs(seconds.max(0))).unwrap_or(Timestamp::MAX);
        if until <= now {
            return Fate::Goes;
        }
        let left = Duration::try_from(until.duration_since(now)).unwrap_or_default();
        fate = match fate {
            Fate::GoesAfter(sooner) => Fate::GoesAfter(sooner.min(left)),
            _ => Fate::GoesAfter(left),
        };
    }
    fate
}

/// When the pod was bound to its node.
fn bound(pod: &Pod) -> Option<Timestamp> {
    let scheduled = pods::condition(pod, "PodScheduled").and_then(|c| c.last_transition_time.as_ref());
    scheduled.or(pod.metadata.creation_timestamp.as_ref()).map(|t| t.0)
}

/// Whether a toleration covers a taint.
pub fn tolerates(toleration: &Toleration, taint: &Taint) -> bool {
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    let effect = text(&toleration.effect);
    if !effect.is_empty() && effect != taint.effect {
        return false;
    }
    let key = text(&toleration.key);
    if !key.is_empty() && key != taint.key {
        return false;
    }
    match toleration.operator.as_deref().unwrap_or("Equal") {
        "Exists" => true,
        "Equal" | "" => !key.is_empty() && text(&toleration.value) == text(&taint.value),
        _ => false,
    }
}

/// The condition that tells why the pod was deleted.
pub fn disruption_target(now: Timestamp) -> PodCondition {
    PodCondition {
        type_: "DisruptionTarget".into(),
        status: "True".into(),
        reason: Some("DeletionByTaintManager".into()),
        message: Some("Taint manager: deleting due to NoExecute taint".into()),
        last_transition_time: Some(Time(now)),
        ..PodCondition::default()
    }
}
