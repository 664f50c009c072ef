//! The shell: watches namespaces, lists and deletes what is in those that go.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::Namespace;
use kubekit_runtime::{
    Action, Api, ApiResource, Controller, DeleteParams, Error, ListParams, Object as _, ObjectKey, PartialObject,
    Reader,
};
use tokio_util::sync::CancellationToken;

use super::decide::{self, Progress};
use crate::context::Context;
use crate::discovery::{self, Discovered, Served};

const CONTROLLER: &str = "namespace-controller";
/// Source: `--concurrent-namespace-syncs`.
const WORKERS: usize = 10;
/// How soon to look again while pods end or finalizers work.
const RECHECK: Duration = Duration::from_secs(1);

/// Empties namespaces that are being deleted, until `shutdown`.
pub async fn run(context: Context, shutdown: CancellationToken) {
    let namespaces = context.informers.informer::<Namespace>();
    let shell = Arc::new(Shell { namespaces: namespaces.reader(), context });
    Controller::new(CONTROLLER)
        .watches(&namespaces, |change| if decide::is_ours(change.object()) { vec![change.key()] } else { Vec::new() })
        .workers(WORKERS)
        .run(shutdown, move |key| {
            let shell = Arc::clone(&shell);
            async move { shell.reconcile(&key).await }
        })
        .await;
}

#[derive(Debug)]
struct Shell {
    context: Context,
    namespaces: Reader<Namespace>,
}

impl Shell {
    async fn reconcile(&self, key: &ObjectKey) -> Result<Action, Error> {
        let api = Api::<Namespace>::all(self.context.client.clone());
        if !self.namespaces.get(key).is_some_and(|cached| decide::is_ours(&cached)) {
            return Ok(Action::Done);
        }
        // The cache may be behind the last pass, whose conditions would then be written once more.
        let Some(mut namespace) = api.get_opt(&key.name).await?.filter(decide::is_ours) else {
            return Ok(Action::Done);
        };
        let progress = self.empty(&key.name).await;
        if let Some(reported) = decide::report(&namespace, &progress, self.context.now()) {
            namespace = match api.replace_status(&reported).await {
                Err(error) if error.is_not_found() => return Ok(Action::Done),
                result => result?,
            };
        }
        if !progress.is_done() {
            return Ok(Action::RequeueAfter(RECHECK));
        }
        let finalized = decide::finalized(&namespace);
        match api.replace_subresource::<_, Namespace>(&key.name, "finalize", &finalized).await {
            Err(error) if !error.is_not_found() => Err(error),
            _ => Ok(Action::Done),
        }
    }

    /// Deletes what is in a namespace: first pods, and when they are gone everything else.
    async fn empty(&self, namespace: &str) -> Progress {
        let mut progress = Progress::default();
        let Discovered { kinds, stale } = match discovery::discover(&self.context.client).await {
            Ok(discovered) => discovered,
            Err(error) => {
                progress.discovery_failures.push(error.chain());
                return progress;
            }
        };
        if !stale.is_empty() {
            let (count, list) = (stale.len(), stale.join(", "));
            let text = format!(
                "Discovery failed for some groups, {count} failing: unable to retrieve the complete \
                 list of server APIs: {list}"
            );
            progress.discovery_failures.push(text);
        }
        let (first, rest) = decide::order(&kinds);
        for kinds in [first, rest] {
            for kind in kinds {
                if let Err(error) = self.empty_kind(namespace, kind, &mut progress).await {
                    progress.deletion_failures.push(error.chain());
                }
            }
            // As long as it is not known whether pods are left, some may be.
            if !progress.remaining.is_empty() || !progress.deletion_failures.is_empty() {
                break;
            }
        }
        progress
    }

    async fn empty_kind(&self, namespace: &str, kind: &Served, progress: &mut Progress) -> Result<(), Error> {
        let api = Api::<PartialObject>::of(self.context.client.clone(), kind.resource.clone()).within(namespace);
        let present = list(&api).await?;
        if present.is_empty() {
            return Ok(());
        }
        if kind.supports(&["deletecollection"]) {
            api.delete_collection(&DeleteParams::background(), &ListParams::default()).await?;
        } else {
            for object in &present {
                delete(&api, object).await?;
            }
        }
        let left = list(&api).await?;
        let finalizers = left.iter().map(|o| o.metadata.finalizers.as_deref().unwrap_or_default());
        progress.note(&kind.resource, finalizers);
        if left.iter().any(|object| !object.is_being_deleted()) {
            progress.deletion_failures.push(unexpected(namespace, &kind.resource));
        }
        Ok(())
    }
}

fn unexpected(namespace: &str, resource: &ApiResource) -> String {
    let ApiResource { group, version, plural, .. } = resource;
    format!("unexpected items still remain in namespace: {namespace} for gvr: {group}/{version}, Resource={plural}",)
}

/// What is there. A kind that went away since discovery has nothing left.
async fn list(api: &Api<PartialObject>) -> Result<Vec<PartialObject>, Error> {
    match api.list(&ListParams::default()).await {
        Err(error) if error.is_not_found() => Ok(Vec::new()),
        result => Ok(result?.items),
    }
}

async fn delete(api: &Api<PartialObject>, object: &PartialObject) -> Result<(), Error> {
    match api.delete(object.name(), &DeleteParams::background().uid(object.uid())).await {
        Err(error) if !error.is_not_found() && !error.is_conflict() => Err(error),
        _ => Ok(()),
    }
}
