//! Scaling outside a rollout step: while paused, or when `spec.replicas` changes in the middle of a rollout.
//!
//! Source: `pkg/controller/deployment/sync.go`, `scale`, and `util.GetReplicaSetProportion`.

use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};

use super::replicas;
use super::revision::{DESIRED_REPLICAS, MAX_REPLICAS, number_annotation};

/// Whether `spec.replicas` changed since the active ReplicaSets were last scaled, and they can follow. Under `Recreate`
/// several cannot: the old ones go first.
pub fn is_scaling_event(deployment: &Deployment, sets: &[&ReplicaSet]) -> bool {
    let mut active = sets.iter().filter(|set| replicas::of(set) > 0);
    if !replicas::is_rolling_update(deployment) && active.clone().count() > 1 {
        return false;
    }
    active.any(|set| {
        number_annotation(set, DESIRED_REPLICAS).is_some_and(|desired| desired != replicas::wanted(deployment))
    })
}

/// The size of each of `sets` (the new one, if any, is at `new`), none where it stays as it is.
pub fn resize(deployment: &Deployment, sets: &[&ReplicaSet], new: Option<usize>) -> Vec<Option<i32>> {
    let mut sizes = vec![None; sets.len()];
    let wanted = replicas::wanted(deployment);
    if let Some(only) = active_or_latest(sets, new) {
        // Also one of that size already: if somebody else gave it to it, its annotations must follow, or every later pass
        // would be taken for scaling and none would roll anything out.
        sizes[only] = Some(wanted);
        return sizes;
    }
    if new.is_some_and(|new| is_saturated(deployment, sets[new])) {
        for (index, set) in sets.iter().enumerate() {
            if Some(index) != new && replicas::of(set) > 0 {
                sizes[index] = Some(0);
            }
        }
        return sizes;
    }
    if replicas::is_rolling_update(deployment) {
        spread(deployment, sets, &mut sizes);
    }
    sizes
}

/// The only active set; the newest where none is active; none where several are.
fn active_or_latest(sets: &[&ReplicaSet], new: Option<usize>) -> Option<usize> {
    let mut active = (0..sets.len()).filter(|&index| replicas::of(sets[index]) > 0);
    match (active.next(), active.next()) {
        (Some(only), None) => Some(only),
        (Some(_), Some(_)) => None,
        (None, _) => new.or_else(|| (0..sets.len()).max_by_key(|&index| created(sets[index]))),
    }
}

fn created(set: &ReplicaSet) -> Option<jiff::Timestamp> {
    set.metadata.creation_timestamp.as_ref().map(|t| t.0)
}

/// Whether the new set has all that the Deployment wants, available.
fn is_saturated(deployment: &Deployment, new: &ReplicaSet) -> bool {
    let wanted = replicas::wanted(deployment);
    replicas::of(new) == wanted
        && number_annotation(new, DESIRED_REPLICAS) == Some(wanted)
        && replicas::available(new) == wanted
}

/// Spreads what is to be added or taken over the active sets, in proportion to their sizes: a rollout that fails must not
/// put all new pods at risk. What rounding leaves over goes to the largest.
fn spread(deployment: &Deployment, sets: &[&ReplicaSet], sizes: &mut [Option<i32>]) {
    let mut active: Vec<usize> = (0..sets.len()).filter(|&index| replicas::of(sets[index]) > 0).collect();
    let total: i32 = active.iter().map(|&index| replicas::of(sets[index])).sum();
    let wanted = replicas::wanted(deployment);
    let allowed = if wanted > 0 { wanted.saturating_add(replicas::max_surge(deployment)) } else { 0 };
    let to_add = allowed - total;
    // Larger first; of equals the newer grows first and the older shrinks first.
    active.sort_by(|&a, &b| {
        let by_age =
            created(sets[b]).cmp(&created(sets[a])).then_with(|| sets[b].metadata.name.cmp(&sets[a].metadata.name));
        let by_age = if to_add > 0 { by_age } else { by_age.reverse() };
        replicas::of(sets[b]).cmp(&replicas::of(sets[a])).then(by_age)
    });
    let mut added = 0;
    for &index in &active {
        let share = if to_add == 0 { 0 } else { proportion(deployment, sets[index], to_add, added) };
        sizes[index] = Some(replicas::of(sets[index]) + share);
        added += share;
    }
    if let Some(&largest) = active.first() {
        let size = sizes[largest].unwrap_or_default();
        sizes[largest] = Some((size + (to_add - added)).max(0));
    }
}

/// How many of `to_add` one set gets, when `added` are given away already.
fn proportion(deployment: &Deployment, set: &ReplicaSet, to_add: i32, added: i32) -> i32 {
    if to_add == added {
        return 0;
    }
    let share = fraction(deployment, set);
    let left = to_add - added;
    if to_add > 0 { share.min(left) } else { share.max(left) }
}

/// By how much the set would grow if it kept its part of the whole.
fn fraction(deployment: &Deployment, set: &ReplicaSet) -> i32 {
    let size = replicas::of(set);
    let wanted = replicas::wanted(deployment);
    if wanted == 0 {
        return -size;
    }
    let most = i64::from(wanted) + i64::from(replicas::max_surge(deployment));
    let observed = deployment.status.as_ref().and_then(|s| s.replicas).unwrap_or(0);
    let before = number_annotation(set, MAX_REPLICAS).filter(|&n| n > 0).unwrap_or(observed);
    if before <= 0 {
        return 0;
    }
    // Rounds to the nearest, halves away from zero; all values are positive.
    let scaled = (2 * i64::from(size) * most + i64::from(before)) / (2 * i64::from(before));
    i32::try_from(scaled).unwrap_or(i32::MAX) - size
}
