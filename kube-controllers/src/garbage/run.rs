//! The shell: watches, looks up owners, and writes.

use std::sync::Arc;
use std::time::Duration;

use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kubekit_runtime::{
    Action, Api, Controller, DeleteParams, Error, EventType, Object as _, PartialObject, Patch, PatchParams,
    Propagation,
};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::decide::{self, Owner, Verdict};
use super::graph::{FOREGROUND, ORPHAN, Uid, Vertex, Work, group};
use super::owners::{self, Absent};
use super::watch::Watches;
use crate::context::Context;

const CONTROLLER: &str = "generic-garbage-collector";
/// Source: `--concurrent-gc-syncs`.
const WORKERS: usize = 20;
/// Dependents of one object that are made to forget it at the same time.
const REQUESTS_MAX: usize = 32;
/// How long to wait at the start until every kind was listed. Source: `initialSyncTimeout`.
const LISTED_MAX: Duration = Duration::from_secs(30);
/// How soon to look again at an object whose owner is there but was not seen.
const RECHECK: Duration = Duration::from_secs(2);

/// Why an object could not be judged.
#[derive(Debug, thiserror::Error)]
enum Failure {
    /// A request failed.
    #[error("{0}")]
    Request(#[from] Error),
    /// The kind of an owner is not served (yet).
    #[error("the owner's kind {kind} in {api_version} is not served")]
    UnknownKind { api_version: String, kind: String },
}

/// Collects garbage until `shutdown`.
pub async fn run(context: Context, shutdown: CancellationToken) {
    let controller = Controller::<Work>::keyed(CONTROLLER).workers(WORKERS);
    let queue = controller.queue();
    let queue: Box<dyn Fn(Work) + Send + Sync> = Box::new(move |work| queue.add(work));
    // Metadata is watched as the other informers watch: by their client.
    let reader = context.informers.client().clone();
    let watches = Arc::new(Watches::new(reader, Arc::clone(&context.environment.random), queue));
    let collector = Arc::new(Collector { context, watches: Arc::clone(&watches), absent: Absent::default() });
    let collect = async {
        // Before every kind was listed, dependents that must be orphaned may be unknown. One that cannot be listed must not
        // keep all others from being collected.
        let listed = tokio::time::timeout(LISTED_MAX, watches.wait_listed());
        match shutdown.run_until_cancelled(listed).await {
            None => return,
            Some(Ok(())) => {}
            Some(Err(_)) => {
                let kinds = watches.unlisted().join(", ");
                tracing::warn!(kinds, "garbage is collected though some kinds could not be listed");
            }
        }
        let reconcile = move |work: Work| {
            let collector = Arc::clone(&collector);
            async move { collector.reconcile(work).await }
        };
        controller.run(shutdown.clone(), reconcile).await;
    };
    tokio::join!(watches.run(&shutdown), collect);
}

struct Collector {
    context: Context,
    watches: Arc<Watches>,
    absent: Absent,
}

impl Collector {
    async fn reconcile(&self, work: Work) -> Result<Action, Failure> {
        match work {
            Work::Delete(uid) => self.delete(&uid).await,
            Work::Orphan(uid) => self.orphan(&uid).await,
            Work::InvalidNamespace { dependent, owner } => {
                self.report(&dependent, &owner);
                Ok(Action::Done)
            }
        }
    }

    fn vertex(&self, uid: &str) -> Option<Vertex> {
        self.watches.graph().get(uid).cloned()
    }

    fn api(&self, vertex: &Vertex) -> Api<PartialObject> {
        Api::of(self.context.client.clone(), (*vertex.resource).clone()).within(&*vertex.namespace)
    }

    /// The object as it is now, if it is still the one that was seen.
    async fn live(&self, uid: &str, vertex: &Vertex) -> Result<Option<PartialObject>, Error> {
        let live = self.api(vertex).get_opt(&vertex.name).await?;
        Ok(live.filter(|live| live.uid() == uid))
    }

    /// Deletes an object if none of its owners is left, or its owner waits for its end.
    async fn delete(&self, uid: &Uid) -> Result<Action, Failure> {
        let Some(vertex) = self.vertex(uid) else { return Ok(Action::Done) };
        if vertex.foreground {
            self.await_dependents(uid, &vertex).await?;
            return Ok(Action::Done);
        }
        if vertex.deleting || !self.watches.graph().is_in_doubt(uid) {
            return Ok(Action::Done);
        }
        let Some(live) = self.live(uid, &vertex).await? else { return Ok(Action::Done) };
        let references = live.metadata.owner_references.clone().unwrap_or_default();
        let mut owners = Vec::with_capacity(references.len());
        for reference in &references {
            owners.push(self.owner(&vertex, reference).await?);
        }
        let dependents: Vec<bool> = {
            let graph = self.watches.graph();
            graph.dependents(uid).iter().map(|d| graph.get(d).is_some_and(|v| v.foreground)).collect()
        };
        match decide::decide(&live, &owners, &dependents) {
            Verdict::Keep => {
                // The owner is there though no watch has shown it: until one does, its end would go unnoticed.
                let unseen = self.watches.graph().is_in_doubt(uid);
                return Ok(if unseen { Action::RequeueAfter(RECHECK) } else { Action::Done });
            }
            Verdict::Disown(rest) => {
                self.patch(&vertex, &live, json!({"ownerReferences": rest})).await?;
            }
            Verdict::Delete { propagation, unblock } => {
                let mut live = live;
                if let Some(references) = unblock {
                    match self.patch(&vertex, &live, json!({"ownerReferences": references})).await? {
                        Some(patched) => live = patched,
                        None => return Ok(Action::Done),
                    }
                }
                self.delete_live(&vertex, &live, propagation).await?;
            }
        }
        Ok(Action::Done)
    }

    /// How an owner stands. What the graph shows to be there needs no look-up: its end will be told.
    async fn owner(&self, vertex: &Vertex, reference: &OwnerReference) -> Result<Owner, Failure> {
        let seen = self.watches.graph().owner(vertex, reference).map(|owner| owner.foreground);
        match seen {
            Some(false) => return Ok(Owner::Solid),
            Some(true) => return Ok(Owner::Waiting),
            None => {}
        }
        let group = group(&reference.api_version);
        let Some(resource) = self.watches.resource(group, &reference.kind) else {
            let (api_version, kind) = (reference.api_version.clone(), reference.kind.clone());
            return Err(Failure::UnknownKind { api_version, kind });
        };
        Ok(owners::look_up(&self.context.client, &self.absent, &resource, reference, &vertex.namespace).await?)
    }

    async fn delete_live(&self, vertex: &Vertex, live: &PartialObject, propagation: Propagation) -> Result<(), Error> {
        let params = DeleteParams { propagation: Some(propagation), ..DeleteParams::default() };
        // Under the version whose owners were judged: an owner added meanwhile saves it.
        let params = params.uid(live.uid()).resource_version(live.resource_version());
        match self.api(vertex).delete(&vertex.name, &params).await {
            Err(error) if !error.is_not_found() => Err(error),
            _ => Ok(()),
        }
    }

    /// Lets an object go that waited for its dependents, or has those looked at that it still waits for.
    async fn await_dependents(&self, uid: &Uid, vertex: &Vertex) -> Result<(), Error> {
        let (blocking, waiting) = {
            let graph = self.watches.graph();
            let blocking = graph.blocking(uid);
            let open = blocking.iter().filter(|d| graph.get(d).is_some_and(|v| !v.foreground)).cloned();
            (!blocking.is_empty(), open.collect::<Vec<_>>())
        };
        if blocking {
            waiting.into_iter().map(Work::Delete).for_each(&self.watches.queue);
            return Ok(());
        }
        self.remove_finalizer(uid, vertex, FOREGROUND).await
    }

    async fn remove_finalizer(&self, uid: &Uid, vertex: &Vertex, finalizer: &str) -> Result<(), Error> {
        let Some(live) = self.live(uid, vertex).await? else { return Ok(()) };
        let Some(rest) = decide::without_finalizer(&live, finalizer) else { return Ok(()) };
        self.patch(vertex, &live, json!({"finalizers": rest})).await.map(drop)
    }

    /// Makes the dependents of an object forget it, then lets it go.
    async fn orphan(&self, uid: &Uid) -> Result<Action, Failure> {
        let Some(vertex) = self.vertex(uid).filter(|vertex| vertex.orphaning) else { return Ok(Action::Done) };
        let dependents: Vec<(Uid, Vertex)> = {
            let graph = self.watches.graph();
            let all = graph.dependents(uid).into_iter();
            all.filter_map(|d| graph.get(&d).cloned().map(|vertex| (d, vertex))).collect()
        };
        let forget = dependents.into_iter().map(|(dependent, vertex)| self.forget_owner(dependent, vertex, uid));
        stream::iter(forget).buffer_unordered(REQUESTS_MAX).try_collect::<()>().await?;
        self.remove_finalizer(uid, &vertex, ORPHAN).await?;
        Ok(Action::Done)
    }

    async fn forget_owner(&self, dependent: Uid, vertex: Vertex, owner: &Uid) -> Result<(), Error> {
        let Some(live) = self.live(&dependent, &vertex).await? else { return Ok(()) };
        let Some(rest) = decide::without_owner(&live, owner) else { return Ok(()) };
        self.patch(&vertex, &live, json!({"ownerReferences": rest})).await.map(drop)
    }

    /// Changes metadata of the version that was read; none where the object is gone. A merge patch, because kinds that were
    /// added have no strategic one.
    async fn patch(
        &self,
        vertex: &Vertex,
        live: &PartialObject,
        mut metadata: Value,
    ) -> Result<Option<PartialObject>, Error> {
        metadata["resourceVersion"] = json!(live.resource_version());
        metadata["uid"] = json!(live.uid());
        let patch = Patch::Merge(json!({"metadata": metadata}));
        match self.api(vertex).patch(&vertex.name, &PatchParams::default(), &patch).await {
            Err(error) if error.is_not_found() => Ok(None),
            result => result.map(Some),
        }
    }

    fn report(&self, dependent: &Uid, owner: &Uid) {
        let Some(vertex) = self.vertex(dependent) else { return };
        let Some(reference) = vertex.owners.iter().find(|o| *o.uid == **owner) else { return };
        let object = ObjectReference {
            api_version: Some(vertex.resource.api_version().into_owned()),
            kind: Some(vertex.resource.kind.clone().into_owned()),
            namespace: Some(vertex.namespace.to_string()).filter(|n| !n.is_empty()),
            name: Some(vertex.name.to_string()),
            uid: Some(dependent.to_string()),
            ..ObjectReference::default()
        };
        let OwnerReference { api_version, kind, name, uid, .. } = reference;
        let namespace = &vertex.namespace;
        let message = format!(
            "ownerRef [{api_version}/{kind}, namespace: {namespace}, name: {name}, uid: {uid}] does not exist in \
             namespace {namespace:?}",
        );
        self.context.recorder.event(&object, EventType::Warning, "OwnerRefInvalidNamespace", message);
    }
}
