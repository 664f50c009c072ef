//! What the driver writes: bindings, conditions, nominations, evictions of victims, and events.

use super::devices::{Consumer, DeviceWriter};
use super::extender::{Answer, Extenders, VictimsAnswer};
use super::state::Binding;
use super::volumes::{ChangeError, VolumeWriter};
use crate::framework::FitError;
use crate::inventory::Change;
use k8s_openapi::api::core::v1 as api;
use k8s_openapi::api::scheduling::v1alpha2::PodGroup;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kubekit_runtime::environment::Environment;
use kubekit_runtime::{
    Api, Client, DeleteParams, Error, EventType, ObjectKey, Patch, PatchParams, Preconditions, Reader, Recorder,
    object_reference,
};
use serde::de::IgnoredAny;
use serde_json::{Value, json};
use std::sync::Arc;

/// What became of a write.
#[derive(Debug)]
pub(super) enum Written {
    Bound(Binding),
    BindFailed(Binding),
    Gang { bound: Vec<Binding>, failed: Vec<Binding> },
    Consulted(Answer),
    ConsultedOnVictims(Box<VictimsAnswer>),
    Reported,
}

/// What is known of objects that are written, to leave out writes that would change nothing.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) pods: Reader<api::Pod>,
    pub(super) groups: Option<Reader<PodGroup>>,
}

#[derive(Clone, Debug)]
pub(super) struct Writer {
    client: Client,
    recorder: Recorder,
    environment: Environment,
    known: Known,
    extenders: Extenders,
    volumes: VolumeWriter,
    devices: DeviceWriter,
}

impl Writer {
    pub(super) fn new(
        client: Client,
        recorder: Recorder,
        environment: Environment,
        known: Known,
        extenders: Extenders,
        (volumes, devices): (VolumeWriter, DeviceWriter),
    ) -> Self {
        Self { client, recorder, environment, known, extenders, volumes, devices }
    }

    pub(super) fn extenders(&self) -> Extenders {
        self.extenders.clone()
    }

    pub(super) async fn bind(self, binding: Binding) -> Written {
        if self.prepare(&binding).await && self.bind_prepared(&binding).await {
            Written::Bound(binding)
        } else {
            Written::BindFailed(binding)
        }
    }

    /// Carries out what comes before the binding; whether that worked.
    pub(super) async fn prepare(&self, binding: &Binding) -> bool {
        let Binding { pod, node, changes, .. } = binding;
        let Err((plugin, error)) = self.carry_out(changes).await else { return true };
        let message = format!("running PreBind plugin {plugin:?}: {error}");
        tracing::warn!(namespace = %pod.namespace, name = %pod.name, node = &**node, %error, plugin, "preparing a binding failed");
        self.failed(pod, &message);
        false
    }

    /// Binds; whether that worked.
    pub(super) async fn bind_prepared(&self, binding: &Binding) -> bool {
        let Binding { pod, node, .. } = binding;
        let outcome = match self.extenders.bind(pod, node).await {
            Some(outcome) => outcome.map_err(Some),
            None => self.send_binding(pod, node).await.map_err(|error| {
                // Gone, or bound by another scheduler: the watch will tell.
                let told = error.is_not_found() || error.is_conflict();
                (!told).then(|| format!("running Bind plugin \"DefaultBinder\": {}", error.chain()))
            }),
        };
        match outcome {
            Ok(()) => {
                let message = format!("Successfully assigned {}/{} to {node}", pod.namespace, pod.name);
                self.recorder.event(&reference(pod), EventType::Normal, "Scheduled", message);
                true
            }
            Err(reason) => {
                if let Some(reason) = reason {
                    tracing::warn!(namespace = %pod.namespace, name = %pod.name, node = &**node, reason, "binding failed");
                    self.failed(pod, &reason);
                }
                false
            }
        }
    }

    async fn send_binding(&self, pod: &crate::Pod, node: &str) -> Result<(), Error> {
        let binding = api::Binding {
            // The uid keeps a pod of the same name that came later from being bound by this decision.
            metadata: ObjectMeta {
                namespace: Some(pod.namespace.to_string()),
                name: Some(pod.name.to_string()),
                uid: Some(pod.uid.to_string()),
                ..ObjectMeta::default()
            },
            target: api::ObjectReference {
                kind: Some("Node".to_owned()),
                name: Some(node.to_owned()),
                ..api::ObjectReference::default()
            },
        };
        let sent: Result<IgnoredAny, Error> = self.api(pod).create_subresource(&pod.name, "binding", &binding).await;
        sent.map(drop)
    }

    /// What the placement changes besides the pod; an error comes with its plugin.
    async fn carry_out(&self, changes: &[Change]) -> Result<(), (&'static str, ChangeError)> {
        if changes.is_empty() {
            return Ok(());
        }
        for change in changes {
            if let Change::UseResourceClaim { namespace, claim, allocation, pod, pod_uid } = change {
                let consumer = Consumer { name: pod, uid: pod_uid };
                let done = self.devices.use_claim(namespace, claim, allocation.as_ref(), consumer).await;
                done.map_err(|error| ("DynamicResources", error))?;
            }
        }
        self.volumes.carry_out(changes).await.map_err(|error| ("VolumeBinding", error))
    }

    /// Says on a pod why it cannot be placed and which node is promised to it, or is no more, and clears that node.
    pub(super) async fn report(self, pod: Arc<crate::Pod>, error: Box<FitError>, withdrawn: bool) -> Written {
        let message = error.to_string();
        self.failed(&pod, &message);
        if let Err(error) = self.set_unscheduled(&pod, &error, &message, withdrawn).await
            && !error.is_not_found()
        {
            tracing::warn!(namespace = %pod.namespace, name = %pod.name, error = %error.chain(), "writing the PodScheduled condition failed");
        }
        if let Some(nomination) = &error.nomination {
            for victim in &nomination.victims {
                self.evict(&pod, victim, &nomination.node).await;
            }
        }
        Written::Reported
    }

    fn failed(&self, pod: &crate::Pod, message: &str) {
        self.recorder.event(&reference(pod), EventType::Warning, "FailedScheduling", note(message));
    }

    /// Writes `PodScheduled=False`, unless the pod says so already.
    async fn set_unscheduled(
        &self,
        pod: &crate::Pod,
        error: &FitError,
        message: &str,
        withdrawn: bool,
    ) -> Result<(), Error> {
        let nomination = error.nomination.as_ref();
        let reason = if error.is_error() { "SchedulerError" } else { "Unschedulable" };
        let key = ObjectKey::new(pod.namespace.to_string(), pod.name.to_string());
        let known = self.known.pods.get(&key);
        let status = known.as_ref().and_then(|object| object.status.as_ref());
        let condition =
            status.into_iter().flat_map(|s| s.conditions.iter().flatten()).find(|c| c.type_ == "PodScheduled");
        let same = condition.is_some_and(|c| {
            c.status == "False" && c.reason.as_deref() == Some(reason) && c.message.as_deref() == Some(message)
        });
        if same && nomination.is_none() && !withdrawn {
            return Ok(());
        }
        let transition = match condition.filter(|c| c.status == "False").and_then(|c| c.last_transition_time.as_ref()) {
            Some(since) => since.0,
            None => self.environment.clock.now(),
        };
        let mut status = json!({"conditions": [{
            "type": "PodScheduled", "status": "False", "reason": reason, "message": message,
            "lastProbeTime": null, "lastTransitionTime": seconds(transition),
        }]});
        if nomination.is_some() || withdrawn {
            status["nominatedNodeName"] = json!(nomination.map(|nomination| &nomination.node));
        }
        self.patch_status(pod, status).await
    }

    /// Deletes a victim, after saying on it why.
    async fn evict(&self, preemptor: &crate::Pod, victim: &crate::Pod, node: &str) {
        if victim.terminating {
            return;
        }
        let condition = json!({"conditions": [{
            "type": "DisruptionTarget", "status": "True", "reason": "PreemptionByScheduler",
            "message": "default-scheduler: preempting to accommodate a higher priority pod",
            "lastProbeTime": null, "lastTransitionTime": seconds(self.environment.clock.now()),
        }]});
        let params = DeleteParams {
            preconditions: Preconditions { uid: Some(victim.uid.to_string()), resource_version: None },
            ..DeleteParams::default()
        };
        let done = match self.patch_status(victim, condition).await {
            Ok(()) => self.api(victim).delete(&victim.name, &params).await.map(drop),
            Err(error) => Err(error),
        };
        match done {
            Ok(()) => {
                let message = format!("Preempted by pod {} on node {node}", preemptor.uid);
                self.recorder.event(&reference(victim), EventType::Normal, "Preempted", message);
            }
            Err(error) if error.is_not_found() || error.is_conflict() => {}
            Err(error) => {
                tracing::warn!(namespace = %victim.namespace, name = %victim.name, error = %error.chain(), "preempting failed");
            }
        }
    }

    pub(super) fn known_group(&self, key: &ObjectKey) -> Option<Arc<PodGroup>> {
        self.known.groups.as_ref()?.get(key)
    }

    pub(super) fn client(&self) -> Client {
        self.client.clone()
    }

    pub(super) fn now(&self) -> k8s_openapi::jiff::Timestamp {
        self.environment.clock.now()
    }

    async fn patch_status(&self, pod: &crate::Pod, status: Value) -> Result<(), Error> {
        let patch = Patch::Strategic(json!({"metadata": {"uid": *pod.uid}, "status": status}));
        let params = PatchParams::default();
        let patched = self.api(pod).patch_subresource(&pod.name, "status", &params, &patch).await;
        patched.map(|IgnoredAny| ())
    }

    fn api(&self, pod: &crate::Pod) -> Api<api::Pod> {
        Api::namespaced(self.client.clone(), &*pod.namespace)
    }
}

/// Times of conditions are whole seconds.
pub(super) fn seconds(time: k8s_openapi::jiff::Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// What an event may say at most, in bytes. Source: `NoteLengthLimit`.
const NOTE_BYTES_MAX: usize = 1024;

/// A message as an event has it: cut where it is too long, as kube-scheduler does.
fn note(message: &str) -> String {
    const CUT: &str = " ...";
    if message.len() <= NOTE_BYTES_MAX {
        return message.to_owned();
    }
    let end = message.floor_char_boundary(NOTE_BYTES_MAX - CUT.len());
    format!("{}{CUT}", &message[..end])
}

fn reference(pod: &crate::Pod) -> api::ObjectReference {
    object_reference(&api::Pod {
        metadata: ObjectMeta {
            namespace: Some(pod.namespace.to_string()),
            name: Some(pod.name.to_string()),
            uid: Some(pod.uid.to_string()),
            ..ObjectMeta::default()
        },
        ..api::Pod::default()
    })
}

#[cfg(test)]
mod tests;
