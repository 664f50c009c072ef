//! Which pods must leave a node that has `NoExecute` taints, and when.
//!
//! Source: `pkg/controller/tainteviction`. There the time that a pod tolerates a taint runs from when the controller saw
//! it, so that a restart of the controller grants it anew. Here it runs from when the taint was added, or the pod bound.
//! Only a taint that does not say when it was added, as users write them, counts from when it was seen.

use std::collections::HashMap;
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

/// When a pod was seen for the first time under each taint that does not say when it was added.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen(HashMap<(String, Option<String>), Timestamp>);

impl Seen {
    /// As it is now, with these taints: those that were there keep their time, others begin.
    #[must_use]
    pub fn under(&self, taints: &[Taint], now: Timestamp) -> Self {
        let undated = taints.iter().filter(|taint| taint.effect == "NoExecute" && taint.time_added.is_none());
        Self(
            undated.map(|taint| ((taint.key.clone(), taint.value.clone()), self.since(taint).unwrap_or(now))).collect(),
        )
    }

    fn since(&self, taint: &Taint) -> Option<Timestamp> {
        self.0.get(&(taint.key.clone(), taint.value.clone())).copied()
    }
}

/// Decides what becomes of a pod on a node with these taints, which it was seen under as `seen` says.
pub fn fate(pod: &Pod, taints: &[Taint], seen: &Seen, now: Timestamp) -> Fate {
    let tolerations = pod.spec.as_ref().and_then(|s| s.tolerations.as_deref()).unwrap_or_default();
    let mut fate = Fate::Stays;
    for taint in taints.iter().filter(|t| t.effect == "NoExecute") {
        let Some(toleration) = tolerations.iter().find(|t| tolerates(t, taint)) else { return Fate::Goes };
        let Some(seconds) = toleration.toleration_seconds else { continue };
        let added = taint.time_added.as_ref().map(|t| t.0).or_else(|| seen.since(taint)).unwrap_or(now);
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
