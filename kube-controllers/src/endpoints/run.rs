//! The shell: watches Services, Pods and Endpoints, and writes Endpoints.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use k8s_openapi::api::core::v1::{Endpoints, Pod, Service};
use kubekit_runtime::{
    Action, Api, Change, Controller, DeleteParams, Error, EventType, Object as _, ObjectKey, Reader, object_reference,
};
use tokio_util::sync::CancellationToken;

use super::decide::{self, Effect};
use crate::backends::{self, TriggerTimes};
use crate::batch::Batches;
use crate::context::Context;

const CONTROLLER: &str = "endpoint-controller";
/// Source: `--concurrent-endpoint-syncs`.
const WORKERS: usize = 5;
/// Marks an `Endpoints` that old versions of leader election keep their lock in.
const LEADER: &str = "control-plane.alpha.kubernetes.io/leader";

/// Writes Endpoints until `shutdown`.
pub async fn run(context: Context, shutdown: CancellationToken) {
    let services = context.informers.informer::<Service>();
    let pods = context.informers.informer::<Pod>();
    let endpoints = context.informers.informer::<Endpoints>();
    let known = services.reader();
    let shell = Arc::new(Shell {
        services: services.reader(),
        pods: pods.reader(),
        endpoints: endpoints.reader(),
        triggers: Mutex::default(),
        batches: Batches::default(),
        deleted: Mutex::default(),
        context,
    });
    let observer = Arc::clone(&shell);
    let controller = Controller::new(CONTROLLER);
    let (gathering, queue) = (Arc::clone(&shell), controller.queue());
    let controller = controller
        .watches(&services, move |change| {
            if matches!(change, Change::Deleted(_)) {
                observer.deleted().insert(change.key());
            }
            vec![change.key()]
        })
        .watches(&pods, move |change| gathering.batches.gather(backends::affected(&known, change), &queue))
        .watches(&endpoints, |change| match change {
            Change::Deleted(_) => vec![change.key()],
            // Also finds those whose Service was deleted while nobody watched.
            Change::Applied { old: None, new } if !new.annotations().contains_key(LEADER) => vec![change.key()],
            Change::Applied { .. } => Vec::new(),
        })
        .workers(WORKERS);
    let reconcile = move |key: ObjectKey| {
        let shell = Arc::clone(&shell);
        async move { shell.reconcile(&key).await }
    };
    controller.run(shutdown, reconcile).await;
}

#[derive(Debug)]
struct Shell {
    context: Context,
    services: Reader<Service>,
    pods: Reader<Pod>,
    endpoints: Reader<Endpoints>,
    triggers: Mutex<TriggerTimes>,
    batches: Batches,
    /// Services whose deletion was seen.
    deleted: Mutex<HashSet<ObjectKey>>,
}

impl Shell {
    fn triggers(&self) -> std::sync::MutexGuard<'_, TriggerTimes> {
        self.triggers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn deleted(&self) -> std::sync::MutexGuard<'_, HashSet<ObjectKey>> {
        self.deleted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn reconcile(&self, key: &ObjectKey) -> Result<Action, Error> {
        let Some(service) = self.services.get(key) else {
            self.triggers().forget(key);
            self.batches.looked_at(key, 0);
            self.delete(key).await?;
            self.deleted().remove(key);
            return Ok(Action::Done);
        };
        if backends::selector(&service).is_none() {
            return Ok(Action::Done);
        }
        let pods = backends::selected(&self.pods, &service);
        self.batches.looked_at(key, pods.len());
        let trigger = self.triggers().compute(&service, &pods);
        let current = self.endpoints.get(key);
        let Some(effect) = decide::decide(&service, &pods, current.as_deref(), trigger) else {
            return Ok(Action::Done);
        };
        let api = Api::<Endpoints>::all(self.context.client.clone());
        let (result, reason, verb) = match &effect {
            Effect::Create(endpoints) => (api.create(endpoints).await, "FailedToCreateEndpoint", "create"),
            Effect::Update(endpoints) => (api.replace(endpoints).await, "FailedToUpdateEndpoint", "update"),
        };
        match result {
            Ok(_) => Ok(Action::Done),
            Err(error) if error.is_namespace_terminating() => Ok(Action::Done),
            Err(error) => {
                // A conflict is no failure: the cache is behind, and the change under way calls again.
                if !error.is_conflict() && !error.is_already_exists() {
                    let message = format!("Failed to {verb} endpoint for service {key}: {error}");
                    let reference = object_reference(&*service);
                    self.context.recorder.event(&reference, EventType::Warning, reason, message);
                }
                Err(error)
            }
        }
    }

    /// Deletes what is left of a Service that was deleted. An `Endpoints` that somebody wrote before its Service, or without
    /// one, stays; one that we wrote goes, though we may not have been there when its Service did.
    async fn delete(&self, key: &ObjectKey) -> Result<(), Error> {
        let Some(endpoints) = self.endpoints.get(key) else { return Ok(()) };
        let ours = endpoints.labels().get(decide::MANAGED_BY).is_some_and(|manager| manager == decide::MANAGER);
        if !self.deleted().contains(key) && !ours {
            return Ok(());
        }
        let api = Api::<Endpoints>::namespaced(self.context.client.clone(), key.namespace.as_str());
        match api.delete(&key.name, &DeleteParams::default().uid(endpoints.uid())).await {
            Err(error) if !error.is_not_found() && !error.is_conflict() => Err(error),
            _ => Ok(()),
        }
    }
}
