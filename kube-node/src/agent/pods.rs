//! Gives each pod of the node a worker, and tells it what happens to its pod.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::{FutureExt, StreamExt};
use k8s_openapi::api::core::v1::{Pod, PodSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kubekit_runtime::{Change, EventType, Informer, ObjectKey};
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::shared::{PodEntry, Shared, Update};
use crate::pod::admission;
use crate::pod::members::spec_of;
use crate::pod::memory::Verdict;
use crate::pod::phase::Phase;
use crate::pod::worker::Worker;
use crate::runtime::{Filter, SandboxStatus};

/// How long a pod whose worker has panicked waits for another.
const PANIC_PAUSE: Duration = Duration::from_secs(10);

/// Serves the pods of the node until `shutdown`, and returns when all workers have ended.
pub(crate) async fn run(shared: Arc<Shared>, pods: Informer<Pod>, shutdown: CancellationToken) {
    let mut dispatcher =
        Dispatcher { shared: Arc::clone(&shared), workers: JoinSet::new(), shutdown: shutdown.clone() };
    let mut changes = pods.subscribe();
    let mut runtime = shared.runtime.changes();
    tokio::select! {
        biased;
        () = shutdown.cancelled() => return,
        synced = pods.wait_synced() => if !synced { return },
    }
    let reader = pods.reader();
    Box::pin(dispatcher.adopt(&reader.list())).await;
    dispatcher.begin_with(std::iter::from_fn(|| changes.next().now_or_never().flatten()).collect());
    loop {
        tokio::select! {
            biased;
            () = shutdown.cancelled() => break,
            change = changes.next() => match change {
                Some(change) => dispatcher.change(change),
                None => break,
            },
            Some(change) = runtime.next() => {
                let entry = shared.pods.lock().get(&change.pod_uid).cloned();
                if let Some(entry) = entry {
                    entry.changed.notify_one();
                }
            }
            Some(ended) = dispatcher.workers.join_next(), if !dispatcher.workers.is_empty() => {
                if let Ok((uid, outcome)) = ended {
                    dispatcher.end(uid, outcome);
                }
            }
        }
    }
    while dispatcher.workers.join_next().await.is_some() {}
}

#[derive(Debug)]
struct Dispatcher {
    shared: Arc<Shared>,
    workers: JoinSet<(String, std::thread::Result<()>)>,
    shutdown: CancellationToken,
}

impl Dispatcher {
    /// Takes up what is there already: first the pods that have their room, then the others in the order in which they
    /// came. Source: the kubelet's `HandlePodAdditions`, which sorts by the time of creation.
    fn begin_with(&mut self, mut present: Vec<Change<Pod>>) {
        present.sort_by_key(|change| {
            let pod = change.object();
            (!is_taken_up(pod), pod.metadata.creation_timestamp.as_ref().map(|time| time.0))
        });
        for change in present {
            self.change(change);
        }
    }

    fn change(&mut self, change: Change<Pod>) {
        match change {
            Change::Applied { new, .. } => self.apply(new, false),
            Change::Deleted(old) => self.apply(old, true),
        }
    }

    /// Hands the newest state of a pod to its worker.
    fn apply(&mut self, pod: Arc<Pod>, gone: bool) {
        let meta = &pod.metadata;
        let uid = meta.uid.clone().unwrap_or_default();
        let key = ObjectKey::new(meta.namespace.clone().unwrap_or_default(), meta.name.clone().unwrap_or_default());
        {
            let pods = self.shared.pods.lock();
            // A pod that was deleted and made again under its name between two events.
            for (other, entry) in pods.iter().filter(|(other, entry)| **other != uid && entry.key == key) {
                tracing::debug!(%key, uid = other, "a pod has been replaced by another of its name");
                entry.updates.send_modify(|update| update.gone = true);
            }
            if let Some(entry) = pods.get(&uid) {
                entry.updates.send_replace(Update { pod, gone });
                return;
            }
        }
        if !gone {
            self.begin(uid, key, Update { pod, gone }, Duration::ZERO);
        }
    }

    /// Lets go of a pod whose worker is done. One that has panicked is followed by another, which takes up what it left.
    fn end(&mut self, uid: String, outcome: std::thread::Result<()>) {
        let entry = self.shared.pods.lock().remove(&uid);
        if let (Err(_), Some(entry)) = (outcome, entry) {
            tracing::error!(pod = %entry.key, uid, "the worker of a pod has panicked: another takes up the pod");
            let update = entry.updates.borrow().clone();
            self.begin(uid, entry.key, update, PANIC_PAUSE);
        }
    }

    /// Why the node does not take a pod that nobody has taken up yet.
    fn refusal(&self, pod: &Pod) -> Option<Verdict> {
        if is_taken_up(pod) || pod.metadata.deletion_timestamp.is_some() {
            return None;
        }
        let active: Vec<Arc<Pod>> = {
            let pods = self.shared.pods.lock();
            pods.values()
                .filter(|entry| entry.is_active())
                .map(|entry| Arc::clone(&entry.updates.borrow().pod))
                .collect()
        };
        let others: Vec<&PodSpec> = active.iter().map(|pod| spec_of(pod)).collect();
        let refused = admission::refuse(spec_of(pod), &others, &self.shared.config.capacity)?;
        self.shared.event(pod, None, EventType::Warning, &refused.reason, refused.message.clone());
        Some(admission::rejection(&refused))
    }

    fn begin(&mut self, uid: String, key: ObjectKey, update: Update, pause: Duration) {
        let refused = if update.gone { None } else { self.refusal(&update.pod) };
        let status = Arc::new(Mutex::new(Arc::new(update.pod.status.clone().unwrap_or_default())));
        let (updates, receiver) = watch::channel(update);
        let changed = Arc::new(Notify::new());
        let entry = PodEntry {
            key: key.clone(),
            updates,
            changed: Arc::clone(&changed),
            status: Arc::clone(&status),
            refused: refused.is_some(),
        };
        self.shared.pods.lock().insert(uid.clone(), entry);
        let worker = Worker {
            shared: Arc::clone(&self.shared),
            key,
            uid: uid.clone(),
            updates: receiver,
            changed,
            published: status,
            refused,
        };
        let shutdown = self.shutdown.clone();
        self.workers.spawn(async move {
            if !pause.is_zero() {
                // On the heap: few workers ever pause, and all would carry the room for it.
                Box::pin(shutdown.run_until_cancelled(tokio::time::sleep(pause))).await;
            }
            (uid, AssertUnwindSafe(worker.run(shutdown)).catch_unwind().await)
        });
    }

    /// Takes up what an agent before this one has left: sandboxes of pods that are no more get a worker that ends them.
    async fn adopt(&mut self, present: &[Arc<Pod>]) {
        let known: BTreeSet<&str> = present.iter().filter_map(|pod| pod.metadata.uid.as_deref()).collect();
        let sandboxes = loop {
            match self.shared.runtime.list_sandboxes(&Filter::default()).await {
                Ok(sandboxes) => break sandboxes,
                Err(error) => {
                    tracing::warn!(%error, "cannot list the sandboxes of the node");
                    tokio::select! {
                        () = self.shutdown.cancelled() => return,
                        () = tokio::time::sleep(Duration::from_secs(1)) => {}
                    }
                }
            }
        };
        let mut orphans: BTreeMap<String, SandboxStatus> = BTreeMap::new();
        for sandbox in sandboxes {
            if !sandbox.uid.is_empty() && !known.contains(sandbox.uid.as_str()) {
                orphans.insert(sandbox.uid.clone(), sandbox);
            }
        }
        if self.shared.runtime.uses_host_files() {
            self.sweep(&known, &orphans).await;
        }
        for (uid, sandbox) in orphans {
            tracing::info!(namespace = sandbox.namespace, name = sandbox.name, uid, "ending what is left of a pod");
            let key = ObjectKey::new(sandbox.namespace.clone(), sandbox.name.clone());
            let metadata = ObjectMeta {
                name: Some(sandbox.name),
                namespace: Some(sandbox.namespace),
                uid: Some(uid.clone()),
                ..ObjectMeta::default()
            };
            let pod = Arc::new(Pod { metadata, ..Pod::default() });
            self.begin(uid, key, Update { pod, gone: true }, Duration::ZERO);
        }
    }

    /// Removes directories of pods that are neither known nor about to be ended.
    async fn sweep(&self, known: &BTreeSet<&str>, orphans: &BTreeMap<String, SandboxStatus>) {
        let kept: BTreeSet<String> = known.iter().map(|uid| (*uid).to_owned()).chain(orphans.keys().cloned()).collect();
        let pods = self.shared.config.root_directory.join("pods");
        let logs = self.shared.config.log_directory.clone();
        let work = move || {
            for entry in std::fs::read_dir(&pods).into_iter().flatten().flatten() {
                if !kept.contains(entry.file_name().to_string_lossy().as_ref()) {
                    #[cfg(unix)]
                    if let Err(error) = crate::volumes::disk::remove_pod(&entry.path()) {
                        tracing::warn!(path = %entry.path().display(), %error, "cannot remove an old pod's directory");
                    }
                }
            }
            for entry in std::fs::read_dir(&logs).into_iter().flatten().flatten() {
                let name = entry.file_name().to_string_lossy().into_owned();
                let uid = name.rsplit('_').next().unwrap_or_default();
                if name.matches('_').count() == 2
                    && !kept.contains(uid)
                    && let Err(error) = std::fs::remove_dir_all(entry.path())
                {
                    tracing::warn!(path = %entry.path().display(), %error, "cannot remove an old pod's logs");
                }
            }
        };
        if let Err(error) = tokio::task::spawn_blocking(work).await {
            tracing::error!(%error, "sweeping old directories has failed");
        }
    }
}

/// Whether an agent has decided on the pod before.
fn is_taken_up(pod: &Pod) -> bool {
    pod.status.as_ref().is_some_and(|status| status.start_time.is_some() || Phase::is_terminal(status.phase.as_deref()))
}
