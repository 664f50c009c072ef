//! The shell: watches Services, Pods, Nodes and slices, and writes slices.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use k8s_openapi::api::core::v1::{Node, Pod, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kubekit_runtime::{
    Action, Api, Change, Controller, DeleteParams, Error, EventType, Object as _, ObjectKey, Reader, object_reference,
};
use tokio_util::sync::CancellationToken;

use super::decide::{self, Effect, MANAGED_BY, MANAGER, Observed, SERVICE_NAME};
use super::tracker::Tracker;
use crate::backends::{self, TriggerTimes};
use crate::batch::Batches;
use crate::context::Context;
use crate::pods;

const CONTROLLER: &str = "endpointslice-controller";
/// Source: `--concurrent-service-endpoint-syncs`.
const WORKERS: usize = 5;
/// How long to wait for the node of a pod, or for the cache to catch up, when nothing else calls.
const RECHECK: Duration = Duration::from_secs(1);
const INDEX: &str = "service";

/// Writes EndpointSlices, of at most `endpoints_max` endpoints each, until `shutdown`.
pub async fn run(context: Context, endpoints_max: usize, shutdown: CancellationToken) {
    let services = context.informers.informer::<Service>();
    let pods = context.informers.informer::<Pod>();
    let nodes = context.informers.informer::<Node>();
    let slices = context.informers.informer::<EndpointSlice>();
    slices.add_index(INDEX, by_service);
    let tracker = Arc::new(Tracker::default());
    let observer = Arc::clone(&tracker);
    let known = services.reader();
    let shell = Arc::new(Shell {
        services: services.reader(),
        pods: pods.reader(),
        nodes: nodes.reader(),
        slices: slices.reader(),
        tracker,
        triggers: Mutex::default(),
        batches: Batches::default(),
        endpoints_max,
        context,
    });
    let controller = Controller::new(CONTROLLER);
    let (gathering, queue) = (Arc::clone(&shell), controller.queue());
    let (gathering_slices, slice_queue) = (Arc::clone(&shell), controller.queue());
    controller
        .watches(&services, |change| vec![change.key()])
        .watches(&pods, move |change| gathering.batches.gather(backends::affected(&known, change), &queue))
        .watches(&nodes, |_| Vec::new())
        .watches(&slices, move |change| match change {
            Change::Deleted(_) => slice_changed(&observer, change),
            // As a rule, what was written here.
            Change::Applied { .. } => gathering_slices.batches.gather(slice_changed(&observer, change), &slice_queue),
        })
        .workers(WORKERS)
        .run(shutdown, move |key| {
            let shell = Arc::clone(&shell);
            async move { shell.reconcile(&key).await }
        })
        .await;
}

/// Files our slices under `namespace/service`.
fn by_service(slice: &EndpointSlice) -> Vec<String> {
    let ours = slice.labels().get(MANAGED_BY).is_some_and(|manager| manager == MANAGER);
    let service = slice.labels().get(SERVICE_NAME).filter(|_| ours);
    service.map(|name| format!("{}/{name}", slice.namespace())).into_iter().collect()
}

/// Looks again where somebody else changed or deleted one of our slices, or where the cache caught up.
fn slice_changed(tracker: &Tracker, change: &Change<EndpointSlice>) -> Vec<ObjectKey> {
    let key = |slice: &EndpointSlice| {
        let name = slice.labels().get(SERVICE_NAME).filter(|_| !by_service(slice).is_empty())?;
        Some(ObjectKey::new(slice.namespace(), name.as_str()))
    };
    match change {
        Change::Deleted(slice) => key(slice).filter(|_| tracker.gone(slice)).into_iter().collect(),
        Change::Applied { old, new } => {
            let mut keys: Vec<_> = key(new).into_iter().collect();
            keys.extend(old.as_ref().and_then(|old| key(old)).filter(|k| !keys.contains(k)));
            keys
        }
    }
}

#[derive(Debug)]
struct Shell {
    context: Context,
    services: Reader<Service>,
    pods: Reader<Pod>,
    nodes: Reader<Node>,
    slices: Reader<EndpointSlice>,
    tracker: Arc<Tracker>,
    triggers: Mutex<TriggerTimes>,
    batches: Batches,
    endpoints_max: usize,
}

impl Shell {
    fn triggers(&self) -> std::sync::MutexGuard<'_, TriggerTimes> {
        self.triggers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn reconcile(&self, key: &ObjectKey) -> Result<Action, Error> {
        let Some(service) = self.services.get(key) else {
            // The garbage collector deletes its slices.
            self.triggers().forget(key);
            self.tracker.forget(key);
            self.batches.looked_at(key, 0);
            return Ok(Action::Done);
        };
        if backends::selector(&service).is_none() {
            return Ok(Action::Done);
        }
        let slices = self.slices.by_index(INDEX, &key.to_string());
        if self.tracker.is_stale(key, &slices) {
            return Ok(Action::RequeueAfter(RECHECK));
        }
        let pods = backends::selected(&self.pods, &service);
        self.batches.looked_at(key, pods.len());
        let nodes = self.nodes_of(&pods);
        let trigger = self.triggers().compute(&service, &pods);
        let observed = Observed { service: &service, pods: &pods, nodes: &nodes, slices: &slices };
        let decision = decide::decide(&observed, self.endpoints_max, trigger);
        for effect in decision.effects {
            if let Err(error) = self.carry_out(effect).await {
                // Nothing can be created in a namespace that is going away.
                if error.is_namespace_terminating() {
                    return Ok(Action::Done);
                }
                let message = format!("Error updating Endpoint Slices for Service {key}: {error}");
                let reference = object_reference(&*service);
                let recorder = &self.context.recorder;
                recorder.event(&reference, EventType::Warning, "FailedToUpdateEndpointSlices", message);
                return Err(error);
            }
        }
        Ok(if decision.incomplete { Action::RequeueAfter(RECHECK) } else { Action::Done })
    }

    fn nodes_of(&self, pods: &[Arc<Pod>]) -> BTreeMap<String, Arc<Node>> {
        let mut nodes = BTreeMap::new();
        for name in pods.iter().map(|pod| pods::node_name(pod)).filter(|name| !name.is_empty()) {
            if !nodes.contains_key(name)
                && let Some(node) = self.nodes.get(&ObjectKey::cluster(name))
            {
                nodes.insert(name.to_owned(), node);
            }
        }
        nodes
    }

    async fn carry_out(&self, effect: Effect) -> Result<(), Error> {
        let api = Api::<EndpointSlice>::all(self.context.client.clone());
        match effect {
            Effect::Create(slice) => self.tracker.written(&api.create(&slice).await?),
            Effect::Update(slice) => self.tracker.written(&api.replace(&slice).await?),
            Effect::Delete(slice) => {
                let params = DeleteParams::default().uid(slice.uid());
                match api.within(slice.namespace()).delete(slice.name(), &params).await {
                    Err(error) if !error.is_not_found() => return Err(error),
                    _ => self.tracker.deleted(&slice),
                }
            }
        }
        Ok(())
    }
}
