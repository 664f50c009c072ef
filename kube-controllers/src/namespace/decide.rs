//! What to delete, in which order, and what the conditions say.
//!
//! Source: `pkg/controller/namespace/deletion`.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Namespace, NamespaceCondition};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kubekit_runtime::{ApiResource, Object as _};

use crate::discovery::Served;

/// The finalizer in `spec.finalizers` that waits for this controller.
pub const FINALIZER: &str = "kubernetes";

/// What of a namespace's content was found and done in one pass.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Why kinds are not known.
    pub discovery_failures: Vec<String>,
    /// Why objects could not be deleted.
    pub deletion_failures: Vec<String>,
    /// How many objects of a kind (`pods.`, `deployments.apps`) are left.
    pub remaining: BTreeMap<String, usize>,
    /// How many objects wait for a finalizer.
    pub finalizers: BTreeMap<String, usize>,
}

impl Progress {
    /// Whether everything is gone.
    pub fn is_done(&self) -> bool {
        self.discovery_failures.is_empty() && self.deletion_failures.is_empty() && self.remaining.is_empty()
    }

    /// Notes what is left of a kind.
    pub fn note<'a>(&mut self, resource: &ApiResource, finalizers: impl IntoIterator<Item = &'a [String]>) {
        let mut count = 0;
        for of_object in finalizers {
            count += 1;
            for finalizer in of_object {
                *self.finalizers.entry(finalizer.clone()).or_default() += 1;
            }
        }
        if count > 0 {
            self.remaining.insert(format!("{}.{}", resource.plural, resource.group), count);
        }
    }
}

/// Whether this controller has to work on the namespace.
pub fn is_ours(namespace: &Namespace) -> bool {
    namespace.is_being_deleted()
        && namespace.spec.as_ref().and_then(|s| s.finalizers.as_ref()).is_some_and(|f| f.iter().any(|f| f == FINALIZER))
}

/// The kinds to empty. Pods come first and alone: what runs must end before its network policies, secrets and
/// permissions go (KEP-5080). Second are all others.
pub fn order(kinds: &[Served]) -> (Vec<&Served>, Vec<&Served>) {
    let deletable = kinds.iter().filter(|k| k.resource.namespaced && k.supports(&["list", "delete"]));
    deletable.partition(|k| k.resource.group.is_empty() && k.resource.plural == "pods")
}

/// The namespace with conditions that tell of this pass; none where they do so already.
pub fn report(namespace: &Namespace, progress: &Progress, now: Timestamp) -> Option<Namespace> {
    let mut reported = namespace.clone();
    let status = reported.status.get_or_insert_default();
    status.phase = Some("Terminating".into());
    let conditions = status.conditions.get_or_insert_default();
    for condition in conditions_of(progress, now) {
        match conditions.iter_mut().find(|c| c.type_ == condition.type_) {
            None => conditions.push(condition),
            Some(old) => {
                let since = if old.status == condition.status { old.last_transition_time.clone() } else { None };
                let last_transition_time = since.or(condition.last_transition_time.clone());
                *old = NamespaceCondition { last_transition_time, ..condition };
            }
        }
    }
    (reported != *namespace).then_some(reported)
}

fn conditions_of(progress: &Progress, now: Timestamp) -> Vec<NamespaceCondition> {
    let condition = |kind: &str, ok: (&str, &str), bad: Option<(&str, String)>| NamespaceCondition {
        type_: kind.into(),
        status: if bad.is_some() { "True" } else { "False" }.into(),
        reason: Some(bad.as_ref().map_or(ok.0, |b| b.0).into()),
        message: Some(bad.map_or_else(|| ok.1.into(), |b| b.1)),
        last_transition_time: Some(Time(now)),
    };
    let joined = |list: &[String]| (!list.is_empty()).then(|| list.join(", "));
    let counted = |map: &BTreeMap<String, usize>, text: &dyn Fn(&str, usize) -> String| {
        joined(&map.iter().map(|(name, count)| text(name, *count)).collect::<Vec<_>>())
    };
    let failed = progress.deletion_failures.len();
    vec![
        condition(
            "NamespaceDeletionDiscoveryFailure",
            ("ResourcesDiscovered", "All resources successfully discovered"),
            joined(&progress.discovery_failures).map(|text| ("DiscoveryFailed", text)),
        ),
        condition(
            "NamespaceDeletionGroupVersionParsingFailure",
            ("ParsedGroupVersions", "All legacy kube types successfully parsed"),
            None,
        ),
        condition(
            "NamespaceDeletionContentFailure",
            ("ContentDeleted", "All content successfully deleted, may be waiting on finalization"),
            joined(&progress.deletion_failures).map(|text| {
                ("ContentDeletionFailed", format!("Failed to delete all resource types, {failed} remaining: {text}"))
            }),
        ),
        condition(
            "NamespaceContentRemaining",
            ("ContentRemoved", "All content successfully removed"),
            counted(&progress.remaining, &|name, count| format!("{name} has {count} resource instances"))
                .map(|text| ("SomeResourcesRemain", format!("Some resources are remaining: {text}"))),
        ),
        condition(
            "NamespaceFinalizersRemaining",
            ("ContentRemoved", "All content successfully removed"),
            counted(&progress.finalizers, &|name, count| format!("{name} in {count} resource instances"))
                .map(|text| ("SomeFinalizersRemain", format!("Some finalizers are remaining: {text}"))),
        ),
    ]
}

/// The namespace without our finalizer, for its subresource `finalize`.
pub fn finalized(namespace: &Namespace) -> Namespace {
    let mut finalized = namespace.clone();
    if let Some(finalizers) = finalized.spec.as_mut().and_then(|s| s.finalizers.as_mut()) {
        finalizers.retain(|f| f != FINALIZER);
    }
    finalized
}
