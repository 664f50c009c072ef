//! What an agent's parts share.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::core::v1::{ObjectReference, Pod, PodStatus, Service};
use kubekit_runtime::environment::Environment;
use kubekit_runtime::{Api, Client, EventType, Informer, ObjectKey, Recorder, object_reference};
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};

use super::Config;
use super::objects::Objects;
use crate::pod::configuration::NodeDefaults;
use crate::pod::downward::Place;
use crate::pod::phase::Phase;
use crate::runtime::ContainerRuntime;

/// What the agent and its pod workers work with.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) client: Client,
    pub(crate) runtime: Arc<dyn ContainerRuntime>,
    /// The prefix of container identifiers.
    pub(crate) runtime_name: Mutex<String>,
    pub(crate) environment: Environment,
    pub(crate) recorder: Recorder,
    /// None where containers do not look for Services in their environment.
    pub(crate) services: Option<Informer<Service>>,
    pub(crate) objects: Objects,
    pub(crate) defaults: NodeDefaults,
    pub(crate) pods: Mutex<BTreeMap<String, PodEntry>>,
}

/// One pod on this node, as its worker and others see it.
#[derive(Clone, Debug)]
pub(crate) struct PodEntry {
    pub(crate) key: ObjectKey,
    /// The newest object, and whether it still exists.
    pub(crate) updates: watch::Sender<Update>,
    /// Something has happened in the runtime.
    pub(crate) changed: Arc<Notify>,
    /// The status reported last.
    pub(crate) status: Arc<Mutex<Arc<PodStatus>>>,
    /// Whether the node has not taken the pod.
    pub(crate) refused: bool,
}

/// The newest that is known of a pod's object.
#[derive(Clone, Debug)]
pub(crate) struct Update {
    pub(crate) pod: Arc<Pod>,
    /// Whether it has been deleted, or replaced by another of its name.
    pub(crate) gone: bool,
}

impl PodEntry {
    /// Whether the pod takes room on the node. One whose object is gone takes none, though its containers may still be
    /// ending. Source: the kubelet's `filterOutInactivePods`, and its pod manager, which forgets such a pod at once.
    pub(crate) fn is_active(&self) -> bool {
        !self.refused && !self.updates.borrow().gone && !Phase::is_terminal(self.status.lock().phase.as_deref())
    }
}

impl Shared {
    pub(crate) fn now(&self) -> jiff::Timestamp {
        self.environment.clock.now()
    }

    pub(crate) fn pod_api(&self, namespace: &str) -> Api<Pod> {
        Api::namespaced(self.client.clone(), namespace)
    }

    pub(crate) fn place(&self, pod_ips: Vec<String>) -> Place {
        Place {
            node_name: self.config.node_name.clone(),
            host_ips: self.config.addresses.clone(),
            pod_ips,
            cpu_millis: self.config.capacity.cpu_millis,
            memory_bytes: self.config.capacity.memory_bytes,
            ephemeral_bytes: self.config.capacity.ephemeral_bytes,
        }
    }

    /// Records what happened to a pod, or to one of its containers.
    pub(crate) fn event(&self, pod: &Pod, container: Option<&str>, kind: EventType, reason: &str, message: String) {
        let mut reference: ObjectReference = object_reference(pod);
        if let Some(name) = container {
            let init = crate::pod::members::initial(crate::pod::members::spec_of(pod)).any(|m| m.spec.name == name);
            let list = if init { "initContainers" } else { "containers" };
            reference.field_path = Some(format!("spec.{list}{{{name}}}"));
        }
        self.recorder.event(&reference, kind, reason, message);
    }

    /// The entry of a pod by name; the newest if there are several of that name.
    pub(crate) fn pod(&self, key: &ObjectKey) -> Option<PodEntry> {
        let pods = self.pods.lock();
        let mut found: Option<&PodEntry> = None;
        for entry in pods.values().filter(|entry| entry.key == *key) {
            if found.is_none() || !entry.updates.borrow().gone {
                found = Some(entry);
            }
        }
        found.cloned()
    }
}
