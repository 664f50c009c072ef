//! The arithmetic of a rolling update: how far the new ReplicaSet may grow and the old ones must shrink.
//!
//! Source: `pkg/controller/deployment/rolling.go` and `util.NewRSNewReplicas`.

use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};

use super::replicas;

/// The size that the new ReplicaSet should have now, given the sizes of all.
pub fn new_size(deployment: &Deployment, total: i32, new: i32) -> i32 {
    let wanted = replicas::wanted(deployment);
    if !replicas::is_rolling_update(deployment) {
        return wanted;
    }
    let most = wanted.saturating_add(replicas::max_surge(deployment));
    if total >= most { new } else { new + (most - total).min(wanted - new) }
}

/// The size that the new ReplicaSet should have in this pass: scaled down at once, scaled up as the surge allows.
pub fn reconcile_new(deployment: &Deployment, total: i32, new: i32) -> i32 {
    let wanted = replicas::wanted(deployment);
    if new >= wanted { wanted } else { new_size(deployment, total, new) }
}

/// The sizes that the old ReplicaSets should have now, in the order given (oldest first): unhealthy pods go first, then as
/// many as the new ones make up for.
pub fn reconcile_old(deployment: &Deployment, old: &[&ReplicaSet], new: Option<&ReplicaSet>) -> Vec<i32> {
    let mut sizes: Vec<i32> = old.iter().map(|set| replicas::of(set)).collect();
    let new_size = new.map_or(0, replicas::of);
    let old_total: i32 = sizes.iter().sum();
    if old_total == 0 {
        return sizes;
    }
    let floor = replicas::wanted(deployment) - replicas::max_unavailable(deployment);
    let new_unavailable = new_size - new.map_or(0, serving);
    let most = old_total + new_size - floor - new_unavailable;
    if most <= 0 {
        return sizes;
    }
    clean_up_unhealthy(old, &mut sizes, most);
    let available: i32 = old.iter().map(|set| serving(set)).sum::<i32>() + new.map_or(0, serving);
    take(&mut sizes, available - floor);
    sizes
}

/// The available pods of a set that nobody has decided to delete. A set that was made smaller reports those it had until its
/// controller has looked: what it says then must not make room for more to go.
fn serving(set: &ReplicaSet) -> i32 {
    replicas::available(set).min(replicas::of(set))
}

/// Takes away pods that are not available: they serve nobody, and may never become healthy.
fn clean_up_unhealthy(old: &[&ReplicaSet], sizes: &mut [i32], most: i32) {
    let mut left = most;
    for (set, size) in old.iter().zip(sizes) {
        let unhealthy = (*size - serving(set)).clamp(0, left.max(0));
        *size -= unhealthy;
        left -= unhealthy;
    }
}

/// Takes `surplus` pods from the sizes, the first first.
fn take(sizes: &mut [i32], surplus: i32) {
    let mut left = surplus.max(0);
    for size in sizes {
        let taken = (*size).min(left);
        *size -= taken;
        left -= taken;
    }
}
