//! What the driver writes for gangs: bindings of all pods of one, and what became of it.

use super::state::{Binding, GangBinding, GroupStatus};
use super::write::{Writer, Written, seconds};
use futures::StreamExt;
use k8s_openapi::api::scheduling::v1alpha2::PodGroup;
use kubekit_runtime::{Api, ObjectKey, Patch, PatchParams};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// How many bindings of one gang are under way at a time.
const BINDINGS_MAX: usize = 32;

const SCHEDULED: &str = "PodGroupScheduled";

impl Writer {
    /// Binds a gang. Nobody is bound before volumes and devices of all are ready; after a binding that fails none is sent
    /// any more, and what was not sent is given back.
    pub(super) async fn bind_gang(self, gang: GangBinding) -> Written {
        let GangBinding { key, members } = gang;
        let prepared: Vec<(Binding, bool)> = futures::stream::iter(members)
            .map(|binding| {
                let writer = self.clone();
                async move {
                    let ready = writer.prepare(&binding).await;
                    (binding, ready)
                }
            })
            .buffered(BINDINGS_MAX)
            .collect()
            .await;
        let all_ready = prepared.iter().all(|(_, ready)| *ready);
        let members: Vec<Binding> = prepared.into_iter().map(|(binding, _)| binding).collect();
        if !all_ready {
            return Written::Gang { bound: Vec::new(), failed: members };
        }
        let failure = Arc::new(AtomicBool::new(false));
        let outcomes: Vec<(Binding, bool)> = futures::stream::iter(members)
            .map(|binding| {
                let (writer, failure) = (self.clone(), failure.clone());
                async move {
                    let bound = !failure.load(Ordering::Relaxed) && writer.bind_prepared(&binding).await;
                    failure.fetch_or(!bound, Ordering::Relaxed);
                    (binding, bound)
                }
            })
            .buffered(BINDINGS_MAX)
            .collect()
            .await;
        let (bound, failed): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(|(_, bound)| *bound);
        if failed.is_empty() {
            let message = String::new();
            self.report_group(GroupStatus { key, scheduled: true, reason: "Scheduled", message }).await;
        }
        let bindings = |all: Vec<(Binding, bool)>| all.into_iter().map(|(binding, _)| binding).collect();
        Written::Gang { bound: bindings(bound), failed: bindings(failed) }
    }

    /// Writes the condition `PodGroupScheduled`. One that says that the group was scheduled stays.
    pub(super) async fn report_group(self, status: GroupStatus) -> Written {
        let GroupStatus { key: (namespace, name), scheduled, reason, message } = status;
        let Some(known) = self.known_group(&ObjectKey::new(namespace.to_string(), name.to_string())) else {
            return Written::Reported;
        };
        let conditions = known.status.iter().flat_map(|status| status.conditions.iter().flatten());
        let before = conditions.into_iter().find(|condition| condition.type_ == SCHEDULED);
        let value = if scheduled { "True" } else { "False" };
        let done = before.is_some_and(|before| {
            before.status == "True" || (before.status == value && before.reason == reason && before.message == message)
        });
        if done {
            return Written::Reported;
        }
        let since =
            before.filter(|before| before.status == value).map_or_else(|| self.now(), |b| b.last_transition_time.0);
        let condition = json!({
            "type": SCHEDULED, "status": value, "reason": reason, "message": message,
            "lastTransitionTime": seconds(since), "observedGeneration": known.metadata.generation,
        });
        let patch =
            Patch::Strategic(json!({"metadata": {"uid": known.metadata.uid}, "status": {"conditions": [condition]}}));
        let groups: Api<PodGroup> = Api::namespaced(self.client(), &*namespace);
        if let Err(error) = groups.patch_status(&name, &PatchParams::default(), &patch).await
            && !error.is_not_found()
            && !error.is_conflict()
        {
            tracing::warn!(%namespace, %name, error = %error.chain(), "writing the condition of a pod group failed");
        }
        Written::Reported
    }
}
