//! Revisions: the numbering of templates, and the annotations that carry it.
//!
//! Source: `pkg/controller/deployment/util/deployment_util.go`.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use kubekit_runtime::Object as _;

use super::replicas;

/// The revision, on ReplicaSets and on the Deployment.
pub const REVISION: &str = "deployment.kubernetes.io/revision";
/// Earlier revisions of a ReplicaSet that was rolled back to.
pub const REVISION_HISTORY: &str = "deployment.kubernetes.io/revision-history";
/// `spec.replicas` of the Deployment when the ReplicaSet was last scaled.
pub const DESIRED_REPLICAS: &str = "deployment.kubernetes.io/desired-replicas";
/// The same with the surge.
pub const MAX_REPLICAS: &str = "deployment.kubernetes.io/max-replicas";
/// Annotations of the Deployment that its ReplicaSets do not take over.
const NOT_COPIED: [&str; 6] = [
    "kubectl.kubernetes.io/last-applied-configuration",
    REVISION,
    REVISION_HISTORY,
    DESIRED_REPLICAS,
    MAX_REPLICAS,
    "deprecated.deployment.rollback.to",
];
/// The longest revision history. Source: `maxRevHistoryLengthInChars`.
const HISTORY_CHARS: usize = 2000;

/// The revision of a ReplicaSet; 0 where it has none.
pub fn of(set: &ReplicaSet) -> i64 {
    set.annotations().get(REVISION).and_then(|r| r.parse().ok()).unwrap_or(0)
}

/// The revision that follows all of these.
pub fn next<'a>(old: impl IntoIterator<Item = &'a ReplicaSet>) -> i64 {
    old.into_iter().map(of).max().unwrap_or(0) + 1
}

/// An annotation that holds a number.
pub fn number_annotation(set: &ReplicaSet, name: &str) -> Option<i32> {
    set.annotations().get(name)?.parse().ok()
}

/// Brings the annotations of the ReplicaSet that runs the current template up to date.
pub fn annotate(deployment: &Deployment, annotations: &mut BTreeMap<String, String>, revision: i64, exists: bool) {
    for (name, value) in deployment.annotations() {
        if !NOT_COPIED.contains(&name.as_str()) {
            annotations.insert(name.clone(), value.clone());
        }
    }
    let old = annotations.get(REVISION).cloned();
    let old_number: i64 = old.as_deref().and_then(|r| r.parse().ok()).unwrap_or(0);
    if old_number < revision {
        annotations.insert(REVISION.into(), revision.to_string());
        if let Some(old) = old {
            let history = annotations.get(REVISION_HISTORY).cloned().unwrap_or_default();
            annotations.insert(REVISION_HISTORY.into(), extend_history(&history, &old));
        }
    }
    if !exists {
        annotate_scale(deployment, annotations);
    }
}

/// The history with one more revision; the oldest fall off where it grows too long.
fn extend_history(history: &str, revision: &str) -> String {
    let mut revisions: Vec<&str> = history.split(',').filter(|r| !r.is_empty()).collect();
    revisions.push(revision);
    let mut chars = revisions.iter().map(|r| r.len() + 1).sum::<usize>() - 1;
    let mut start = 0;
    while chars > HISTORY_CHARS && start + 1 < revisions.len() {
        chars -= revisions[start].len() + 1;
        start += 1;
    }
    revisions[start..].join(",")
}

/// Notes what the Deployment asked for when it scaled a ReplicaSet; [`super::scale`] reads it.
pub fn annotate_scale(deployment: &Deployment, annotations: &mut BTreeMap<String, String>) {
    let wanted = replicas::wanted(deployment);
    let most = wanted.saturating_add(replicas::max_surge(deployment));
    annotations.insert(DESIRED_REPLICAS.into(), wanted.to_string());
    annotations.insert(MAX_REPLICAS.into(), most.to_string());
}
