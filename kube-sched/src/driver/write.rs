//! What the driver writes: bindings, conditions, nominations, evictions of victims, and events.

use super::devices::{Consumer, DeviceWriter};
use super::state::Binding;
use super::volumes::{ChangeError, VolumeWriter};
use crate::framework::FitError;
use crate::inventory::Change;
use k8s_openapi::api::core::v1 as api;
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
    Reported,
}

#[derive(Clone, Debug)]
pub(super) struct Writer {
    client: Client,
    recorder: Recorder,
    environment: Environment,
    pods: Reader<api::Pod>,
    volumes: VolumeWriter,
    devices: DeviceWriter,
}

impl Writer {
    pub(super) fn new(
        client: Client,
        recorder: Recorder,
        environment: Environment,
        pods: Reader<api::Pod>,
        volumes: VolumeWriter,
        devices: DeviceWriter,
    ) -> Self {
        Self { client, recorder, environment, pods, volumes, devices }
    }

    pub(super) async fn bind(self, binding: Binding) -> Written {
        let Binding { pod, node, changes, .. } = &binding;
        if let Err((plugin, error)) = self.carry_out(changes).await {
            let message = format!("running PreBind plugin {plugin:?}: {error}");
            tracing::warn!(namespace = %pod.namespace, name = %pod.name, node = &**node, %error, plugin, "preparing a binding failed");
            self.recorder.event(&reference(pod), EventType::Warning, "FailedScheduling", message);
            return Written::BindFailed(binding);
        }
        match self.send_binding(pod, node).await {
            Ok(()) => {
                let message = format!("Successfully assigned {}/{} to {node}", pod.namespace, pod.name);
                self.recorder.event(&reference(pod), EventType::Normal, "Scheduled", message);
                Written::Bound(binding)
            }
            Err(error) => {
                // Gone, or bound by another scheduler: the watch will tell.
                if !error.is_not_found() && !error.is_conflict() {
                    tracing::warn!(namespace = %pod.namespace, name = %pod.name, node = &**node, error = %error.chain(), "binding failed");
                    let message = format!("running Bind plugin \"DefaultBinder\": {error}");
                    self.recorder.event(&reference(pod), EventType::Warning, "FailedScheduling", message);
                }
                Written::BindFailed(binding)
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

    pub(super) async fn report(self, pod: Arc<crate::Pod>, error: Box<FitError>) -> Written {
        let message = error.to_string();
        self.recorder.event(&reference(&pod), EventType::Warning, "FailedScheduling", message.as_str());
        if let Err(error) = self.set_unscheduled(&pod, &error, &message).await
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

    /// Writes `PodScheduled=False`, unless the pod says so already.
    async fn set_unscheduled(&self, pod: &crate::Pod, error: &FitError, message: &str) -> Result<(), Error> {
        let nomination = error.nomination.as_ref();
        let reason = if error.is_error() { "SchedulerError" } else { "Unschedulable" };
        let key = ObjectKey::new(pod.namespace.to_string(), pod.name.to_string());
        let known = self.pods.get(&key);
        let status = known.as_ref().and_then(|object| object.status.as_ref());
        let condition =
            status.into_iter().flat_map(|s| s.conditions.iter().flatten()).find(|c| c.type_ == "PodScheduled");
        let same = condition.is_some_and(|c| {
            c.status == "False" && c.reason.as_deref() == Some(reason) && c.message.as_deref() == Some(message)
        });
        if same && nomination.is_none() {
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
        if let Some(nomination) = nomination {
            status["nominatedNodeName"] = json!(nomination.node);
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

    async fn patch_status(&self, pod: &crate::Pod, status: Value) -> Result<(), Error> {
        let patch = Patch::Strategic(json!({"metadata": {"uid": *pod.uid}, "status": status}));
        self.api(pod).patch_status(&pod.name, &PatchParams::default(), &patch).await.map(drop)
    }

    fn api(&self, pod: &crate::Pod) -> Api<api::Pod> {
        Api::namespaced(self.client.clone(), &*pod.namespace)
    }
}

/// Times of conditions are whole seconds.
fn seconds(time: k8s_openapi::jiff::Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
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
