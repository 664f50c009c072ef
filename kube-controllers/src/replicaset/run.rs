//! The shell: watches sets and pods, and carries the decisions out.

use std::sync::Arc;

use futures::{StreamExt as _, stream};
use k8s_openapi::api::apps::v1::ReplicaSet;
use k8s_openapi::api::core::v1::Pod;
use kubekit_runtime::{
    Action, Api, Change, Controller, DeleteParams, Error, EventType, Expectations, Object as _, ObjectKey,
    PartialObject, Reader, TypedObject, WorkQueue, controller_of, controller_reference, object_reference,
};
use tokio_util::sync::CancellationToken;

use super::decide::{self, Scale};
use super::kind::Replicated;
use super::status::{self, Failure};
use crate::batch::Batches;
use crate::claims::{self, Claimed};
use crate::context::Context;
use crate::{owners, pods, selectors};

/// How many sets are reconciled at a time. Source: `--concurrent-replicaset-syncs`.
const WORKERS: usize = 5;

/// Keeps the objects of one kind, [`ReplicaSet`] or `ReplicationController`, until `shutdown`.
pub async fn run<K: Replicated + TypedObject>(context: Context, shutdown: CancellationToken) {
    let sets = context.informers.informer::<K>();
    let pods = context.informers.informer::<Pod>();
    pods.add_index(owners::INDEX, owners::index);
    let expectations = Expectations::default();
    let batches = Arc::new(Batches::default());
    let controller = Controller::new(K::CONTROLLER);
    let observer = Observer::<K> {
        sets: sets.reader(),
        expectations: expectations.clone(),
        batches: Arc::clone(&batches),
        queue: controller.queue(),
    };
    let (gathering, queue) = (Arc::clone(&batches), controller.queue());
    let shell = Arc::new(Shell::<K> {
        context,
        sets: sets.reader(),
        pods: pods.reader(),
        expectations: expectations.clone(),
        batches,
    });
    controller
        .watches(&sets, move |change| {
            if matches!(change, Change::Deleted(_)) {
                expectations.forget(&change.key());
            }
            let keys = vec![change.key()];
            if is_report(change) { gathering.gather(keys, &queue) } else { keys }
        })
        .watches(&pods, move |change| observer.keys(change))
        .workers(WORKERS)
        .run(shutdown, move |key| {
            let shell = Arc::clone(&shell);
            async move { shell.reconcile(&key).await }
        })
        .await;
}

/// How many requests of one pass are under way at a time: more would only meet the server's limit (200 that change
/// something) and be told to come back a second later.
const REQUESTS_MAX: usize = 32;

/// Whether nothing was changed but the status: as a rule, what was reported here.
fn is_report<K: Replicated>(change: &Change<K>) -> bool {
    let Change::Applied { old: Some(old), new } = change else { return false };
    let asked = |set: &K| (set.meta().generation, set.is_being_deleted());
    asked(old) == asked(new) && old.labels() == new.labels() && owners::have_same_controller(&**old, &**new)
}

/// Turns changes of pods into keys of sets, and takes note of creations and deletions that were expected.
#[derive(Debug)]
struct Observer<K: Replicated> {
    sets: Reader<K>,
    expectations: Expectations,
    batches: Arc<Batches>,
    queue: WorkQueue<ObjectKey>,
}

impl<K: Replicated> Observer<K> {
    fn keys(&self, change: &Change<Pod>) -> Vec<ObjectKey> {
        let pod = change.object();
        let mut keys = Vec::new();
        if let Some(key) = self.owner(pod) {
            if change.is_creation() {
                self.expectations.creation_observed(&key);
            }
            if matches!(change, Change::Deleted(_)) || pod.is_being_deleted() {
                self.expectations.deletion_observed(&key, pod.uid());
            }
            if decide::can_wait(change, self.expectations.satisfied(&key)) {
                keys = self.batches.gather(vec![key], &self.queue);
            } else {
                keys.push(key);
            }
        }
        let Change::Applied { old, .. } = change else { return keys };
        let old_owner =
            old.as_ref().filter(|old| !owners::have_same_controller(&***old, &**pod)).and_then(|old| self.owner(old));
        if let Some(key) = old_owner.filter(|key| !keys.contains(key)) {
            keys.push(key);
        }
        let is_orphan = controller_of(&**pod).is_none() && !pod.is_being_deleted();
        let unchanged = old.as_ref().is_some_and(|old| {
            old.labels() == pod.labels() && controller_of(&**old).is_none() == controller_of(&**pod).is_none()
        });
        if is_orphan && !unchanged {
            keys.extend(self.matching(pod));
        }
        keys
    }

    /// The set that owns the pod, if it is of this kind and is the one that the reference means.
    fn owner(&self, pod: &Pod) -> Option<ObjectKey> {
        let owner = controller_of(pod).filter(|owner| owner.kind == K::KIND)?;
        let key = ObjectKey::new(pod.namespace(), owner.name.as_str());
        let set = self.sets.get(&key)?;
        (set.uid() == owner.uid).then_some(key)
    }

    /// The sets that would adopt the pod.
    fn matching(&self, pod: &Pod) -> Vec<ObjectKey> {
        let sets = self.sets.in_namespace(pod.namespace()).into_iter();
        let matching = sets.filter(|set| {
            let set = K::as_replica_set(set);
            let selector = set.spec.as_ref().and_then(|s| selectors::read(&s.selector));
            selector.is_some_and(|s| !s.is_everything() && selectors::matches(&s, pod.labels()))
        });
        matching.map(|set| set.key()).collect()
    }
}

#[derive(Debug)]
struct Shell<K: Replicated> {
    context: Context,
    sets: Reader<K>,
    pods: Reader<Pod>,
    expectations: Expectations,
    batches: Arc<Batches>,
}

impl<K: Replicated + TypedObject> Shell<K> {
    async fn reconcile(&self, key: &ObjectKey) -> Result<Action, Error> {
        let Some(object) = self.sets.get(key) else {
            self.expectations.forget(key);
            self.batches.looked_at(key, 0);
            return Ok(Action::Done);
        };
        let settled = self.expectations.satisfied(key);
        let set = K::as_replica_set(&object);
        let Some(selector) = set.spec.as_ref().and_then(|s| selectors::read(&s.selector)) else {
            return Ok(Action::Done);
        };
        let Claimed { owned, .. } = self.claim(&object, &selector).await?;
        self.batches.looked_at(key, owned.len());
        let (active, rest): (Vec<_>, Vec<_>) = owned.into_iter().partition(|pod| pods::is_active(pod));
        let terminating = rest.iter().filter(|p| pods::is_terminating(p) && !pods::is_terminal(p)).count();
        let managed = match settled && !set.is_being_deleted() {
            true => self.manage(&object, &set, &active).await,
            false => Ok(()),
        };
        let failure = managed.as_ref().err().map(|(reason, error)| Failure { reason, message: error.to_string() });
        let now = self.context.now();
        let status = status::calculate(&set, &active, terminating, failure.as_ref(), now);
        if !K::has_status(&object, &status) {
            self.write_status(&object, status).await?;
        }
        managed.map_err(|(_, error)| error)?;
        Ok(match status::next_available(&set, &active, now) {
            Some(wait) => Action::RequeueAfter(wait),
            None => Action::Done,
        })
    }

    async fn claim(
        &self,
        object: &Arc<K>,
        selector: &kubekit_core::selector::LabelSelector,
    ) -> Result<Claimed<Pod>, Error> {
        let matches = |pod: &Pod| selectors::matches(selector, pod.labels());
        // Of what does not run any more nothing is adopted and nothing released: it goes with whoever owned it.
        let is_own = |pod: &Pod| controller_of(pod).is_some() && matches(pod);
        let candidates = owners::candidates(&self.pods, &**object).into_iter();
        let claimable = candidates.filter(|pod| pods::is_active(pod) || is_own(pod));
        claims::claim(&self.context.client, &**object, claimable, matches).await
    }

    /// Creates or deletes pods. An error comes with the reason that the status gives for it.
    async fn manage(
        &self,
        object: &Arc<K>,
        set: &ReplicaSet,
        active: &[Arc<Pod>],
    ) -> Result<(), (&'static str, Error)> {
        // Only who goes first depends on other sets' pods.
        let related = if active.len() > decide::wanted(set) { self.related(object, active) } else { Vec::new() };
        match decide::manage(set, active, &related, self.context.now()) {
            Scale::Keep => Ok(()),
            Scale::Create(count) => self.create(object, set, count).await.map_err(|e| ("FailedCreate", e)),
            Scale::Delete(pods) => self.delete(object, pods).await.map_err(|e| ("FailedDelete", e)),
        }
    }

    /// The pods of all sets that have the same controller, this set's among them.
    fn related(&self, object: &Arc<K>, active: &[Arc<Pod>]) -> Vec<Arc<Pod>> {
        let Some(controller) = controller_of(&**object) else { return active.to_vec() };
        let siblings = self.sets.in_namespace(object.namespace()).into_iter();
        let siblings = siblings.filter(|set| owners::is_controlled_by(&**set, &controller.uid));
        siblings.flat_map(|set| self.pods.by_index(owners::INDEX, set.uid())).collect()
    }

    /// Creates pods in batches that grow while all goes well.
    async fn create(&self, object: &Arc<K>, set: &ReplicaSet, count: usize) -> Result<(), Error> {
        let key = object.key();
        let template = set.spec.as_ref().and_then(|s| s.template.clone()).unwrap_or_default();
        let pod = decide::pod_from_template(&template, object.meta(), controller_reference(&**object));
        self.expectations.expect_creations(&key, count);
        let mut left = count;
        for batch in decide::slow_start(count) {
            let requests = stream::iter(0..batch).map(|_| self.create_one(object, &pod));
            let created: Vec<Result<(), Error>> = requests.buffer_unordered(REQUESTS_MAX).collect().await;
            left -= batch;
            let failed: Vec<Error> = created.into_iter().filter_map(Result::err).collect();
            let skipped = if failed.is_empty() { 0 } else { left };
            for _ in 0..failed.len() + skipped {
                self.expectations.creation_observed(&key);
            }
            if let Some(error) = failed.into_iter().next() {
                // Nothing can be created in a namespace that is going away, and nobody needs to be told.
                return if error.is_namespace_terminating() { Ok(()) } else { Err(error) };
            }
        }
        Ok(())
    }

    async fn create_one(&self, object: &Arc<K>, pod: &Pod) -> Result<(), Error> {
        let reference = object_reference(&**object);
        let recorder = &self.context.recorder;
        let api = Api::<Pod>::namespaced(self.context.client.clone(), object.namespace());
        // The watch brings the pod; its name is all that is said of it here.
        match api.create_as::<PartialObject>(pod).await {
            Ok(created) => {
                let message = format!("Created pod: {}", created.name());
                recorder.event(&reference, EventType::Normal, "SuccessfulCreate", message);
                Ok(())
            }
            Err(error) => {
                if !error.is_namespace_terminating() {
                    recorder.event(&reference, EventType::Warning, "FailedCreate", format!("Error creating: {error}"));
                }
                Err(error)
            }
        }
    }

    async fn delete(&self, object: &Arc<K>, pods: Vec<Arc<Pod>>) -> Result<(), Error> {
        self.expectations.expect_deletions(&object.key(), pods.iter().map(|pod| pod.uid().to_owned()));
        let requests = stream::iter(pods).map(|pod| self.delete_one(object, pod));
        let results: Vec<Result<(), Error>> = requests.buffer_unordered(REQUESTS_MAX).collect().await;
        results.into_iter().collect()
    }

    async fn delete_one(&self, object: &Arc<K>, pod: Arc<Pod>) -> Result<(), Error> {
        let reference = object_reference(&**object);
        let recorder = &self.context.recorder;
        let api = Api::<Pod>::namespaced(self.context.client.clone(), pod.namespace());
        match api.delete(pod.name(), &DeleteParams::default().uid(pod.uid())).await {
            Ok(_) => {
                let message = format!("Deleted pod: {}", pod.name());
                recorder.event(&reference, EventType::Normal, "SuccessfulDelete", message);
                Ok(())
            }
            Err(error) => {
                self.expectations.deletion_observed(&object.key(), pod.uid());
                // Gone, or another pod by the same name: what was to be deleted is deleted.
                if error.is_not_found() || error.is_conflict() {
                    return Ok(());
                }
                recorder.event(&reference, EventType::Warning, "FailedDelete", format!("Error deleting: {error}"));
                Err(error)
            }
        }
    }

    async fn write_status(
        &self,
        object: &Arc<K>,
        status: k8s_openapi::api::apps::v1::ReplicaSetStatus,
    ) -> Result<(), Error> {
        let api = Api::<K>::namespaced(self.context.client.clone(), object.namespace());
        match api.replace_status(&K::with_status(object, status)).await {
            Ok(_) => Ok(()),
            Err(error) if error.is_not_found() => Ok(()),
            Err(error) => Err(error),
        }
    }
}
