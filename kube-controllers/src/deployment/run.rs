//! The shell: watches Deployments, ReplicaSets and Pods, and carries the decisions out.

use std::sync::Arc;

use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use k8s_openapi::api::core::v1::Pod;
use kubekit_runtime::{
    Action, Api, Change, Controller, DeleteParams, Error, EventType, Object as _, ObjectKey, Reader, controller_of,
    object_reference,
};
use tokio_util::sync::CancellationToken;

use super::decide::{self, Effect, Observed};
use super::progress::reason;
use super::{replicas, template};
use crate::claims;
use crate::context::Context;
use crate::{owners, selectors};

/// The controller's name.
const CONTROLLER: &str = "deployment-controller";

/// How many Deployments are reconciled at a time. Source: `--concurrent-deployment-syncs`.
const WORKERS: usize = 5;

/// Rolls Deployments out until `shutdown`.
pub async fn run(context: Context, shutdown: CancellationToken) {
    let deployments = context.informers.informer::<Deployment>();
    let sets = context.informers.informer::<ReplicaSet>();
    let pods = context.informers.informer::<Pod>();
    sets.add_index(owners::INDEX, owners::index);
    pods.add_index(owners::INDEX, owners::index);
    let (known, known_sets) = (deployments.reader(), sets.reader());
    let by_pod = (deployments.reader(), sets.reader());
    let shell = Arc::new(Shell { deployments: deployments.reader(), sets: known_sets, pods: pods.reader(), context });
    Controller::new(CONTROLLER)
        .watches(&deployments, |change| vec![change.key()])
        .watches(&sets, move |change| set_changed(&known, change))
        .watches(&pods, move |change| pod_deleted(&by_pod.0, &by_pod.1, change))
        .workers(WORKERS)
        .run(shutdown, move |key| {
            let shell = Arc::clone(&shell);
            async move { shell.reconcile(&key).await }
        })
        .await;
}

/// The Deployment that owns a ReplicaSet.
fn owner(deployments: &Reader<Deployment>, set: &ReplicaSet) -> Option<ObjectKey> {
    let owner = controller_of(set).filter(|owner| owner.kind == "Deployment")?;
    let key = ObjectKey::new(set.namespace(), owner.name.as_str());
    (deployments.get(&key)?.uid() == owner.uid).then_some(key)
}

fn set_changed(deployments: &Reader<Deployment>, change: &Change<ReplicaSet>) -> Vec<ObjectKey> {
    let set = change.object();
    let mut keys: Vec<ObjectKey> = owner(deployments, set).into_iter().collect();
    let Change::Applied { old, .. } = change else { return keys };
    let old_owner = old.as_ref().and_then(|old| owner(deployments, old));
    keys.extend(old_owner.filter(|key| !keys.contains(key)));
    let unchanged = old.as_ref().is_some_and(|old| {
        old.labels() == set.labels() && controller_of(&**old).is_none() == controller_of(&**set).is_none()
    });
    if controller_of(&**set).is_none() && !set.is_being_deleted() && !unchanged {
        keys.extend(matching(deployments, set));
    }
    keys
}

/// The Deployments that would adopt a ReplicaSet.
fn matching(deployments: &Reader<Deployment>, set: &ReplicaSet) -> Vec<ObjectKey> {
    let all = deployments.in_namespace(set.namespace()).into_iter();
    let matching = all.filter(|deployment| {
        let selector = deployment.spec.as_ref().and_then(|s| selectors::read(&s.selector));
        selector.is_some_and(|s| !s.is_everything() && selectors::matches(&s, set.labels()))
    });
    matching.map(|deployment| deployment.key()).collect()
}

/// A pod's end matters to the strategy `Recreate`, which waits for the last old pod.
fn pod_deleted(deployments: &Reader<Deployment>, sets: &Reader<ReplicaSet>, change: &Change<Pod>) -> Vec<ObjectKey> {
    let Change::Deleted(pod) = change else { return Vec::new() };
    let Some(reference) = controller_of(&**pod).filter(|owner| owner.kind == "ReplicaSet") else { return Vec::new() };
    let set = sets.get(&ObjectKey::new(pod.namespace(), reference.name.as_str()));
    let key = set.filter(|set| set.uid() == reference.uid).and_then(|set| owner(deployments, &set));
    let waits = key.filter(|key| deployments.get(key).is_some_and(|d| !replicas::is_rolling_update(&d)));
    waits.into_iter().collect()
}

#[derive(Debug)]
struct Shell {
    context: Context,
    deployments: Reader<Deployment>,
    sets: Reader<ReplicaSet>,
    pods: Reader<Pod>,
}

impl Shell {
    async fn reconcile(&self, key: &ObjectKey) -> Result<Action, Error> {
        let Some(deployment) = self.deployments.get(key) else { return Ok(Action::Done) };
        let sets = self.claim(&deployment).await?;
        let pods = match replicas::is_rolling_update(&deployment) {
            true => Vec::new(),
            false => sets.iter().flat_map(|set| self.pods.by_index(owners::INDEX, set.uid())).collect(),
        };
        let observed = Observed { deployment: &deployment, sets: &sets, pods: &pods };
        let decision = decide::decide(&observed, self.context.now());
        for effect in decision.effects {
            if !self.carry_out(&deployment, effect).await? {
                break;
            }
        }
        Ok(decision.requeue_after.map_or(Action::Done, Action::RequeueAfter))
    }

    async fn claim(&self, deployment: &Arc<Deployment>) -> Result<Vec<Arc<ReplicaSet>>, Error> {
        let selector = deployment.spec.as_ref().and_then(|s| selectors::read(&s.selector));
        let Some(selector) = selector.filter(|s| !s.is_everything()) else { return Ok(Vec::new()) };
        let candidates = owners::candidates(&self.sets, &**deployment);
        let matches = |set: &ReplicaSet| selectors::matches(&selector, set.labels());
        Ok(claims::claim(&self.context.client, &**deployment, candidates, matches).await?.owned)
    }

    /// Carries one effect out; whether the pass may go on.
    async fn carry_out(&self, deployment: &Deployment, effect: Effect) -> Result<bool, Error> {
        let api = Api::<ReplicaSet>::namespaced(self.context.client.clone(), deployment.namespace());
        match effect {
            Effect::Create(set) => return self.create(deployment, &api, &set).await,
            Effect::Update(set) => {
                api.replace(&set).await?;
            }
            Effect::Scaled(message) => {
                let reference = object_reference(deployment);
                self.context.recorder.event(&reference, EventType::Normal, "ScalingReplicaSet", message);
            }
            Effect::Delete(set) => {
                let params = DeleteParams::background().uid(set.uid()).resource_version(set.resource_version());
                match api.delete(set.name(), &params).await {
                    Err(error) if !error.is_not_found() => return Err(error),
                    _ => {}
                }
            }
            Effect::UpdateStatus(changed) => self.write_status(&changed).await?,
            Effect::SelectsAll => {
                let message = "This deployment is selecting all pods. A non-empty selector is required.";
                let reference = object_reference(deployment);
                self.context.recorder.event(&reference, EventType::Warning, "SelectingAll", message);
            }
        }
        Ok(true)
    }

    async fn write_status(&self, deployment: &Deployment) -> Result<(), Error> {
        let api = Api::<Deployment>::namespaced(self.context.client.clone(), deployment.namespace());
        match api.replace_status(deployment).await {
            Err(error) if !error.is_not_found() => Err(error),
            _ => Ok(()),
        }
    }

    /// Creates the ReplicaSet of the current template, or finds out why it cannot be created.
    async fn create(&self, deployment: &Deployment, api: &Api<ReplicaSet>, set: &ReplicaSet) -> Result<bool, Error> {
        let Err(error) = api.create(set).await else { return Ok(true) };
        if error.is_already_exists() {
            let live = api.get(set.name()).await?;
            let spec = deployment.spec.as_ref();
            let same = owners::is_controlled_by(&live, deployment.uid())
                && spec.is_some_and(|spec| template::is_of(&live, &spec.template));
            // If it is ours, the cache is behind: its change will bring us back.
            if !same {
                self.write_status(&decide::collide(deployment)).await?;
            }
            return if same { Ok(false) } else { Err(error) };
        }
        if error.is_namespace_terminating() {
            return Ok(false);
        }
        let (failed, message) = decide::creation_failed(deployment, set.name(), &error.to_string(), self.context.now());
        self.write_status(&failed).await?;
        let reference = object_reference(deployment);
        let reason = reason::REPLICA_SET_CREATE_ERROR;
        self.context.recorder.event(&reference, EventType::Warning, reason, message);
        Err(error)
    }
}
