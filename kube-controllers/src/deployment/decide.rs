//! One pass over a Deployment: what to write.
//!
//! The pass works on copies: it changes ReplicaSets and the Deployment as the writes will, so that each step sees the
//! one before. In the end, what differs from what was observed becomes the effects, in the order in which they must be
//! carried out. If one fails, the rest must not be carried out: the next pass decides anew.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet, ReplicaSetSpec};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use kubekit_runtime::{Object as _, controller_of, controller_reference};

use super::progress::{self, reason};
use super::{replicas, revision, rolling, scale, template};
use crate::pods;

/// What a pass looks at.
#[derive(Debug)]
pub struct Observed<'a> {
    /// The Deployment.
    pub deployment: &'a Deployment,
    /// The ReplicaSets that it owns.
    pub sets: &'a [Arc<ReplicaSet>],
    /// The pods of those ReplicaSets. Only the strategy `Recreate` looks at them.
    pub pods: &'a [Arc<Pod>],
}

/// One write.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Create the ReplicaSet of the current template. On a conflict of names see [`collide`], on another failure
    /// [`creation_failed`].
    Create(Box<ReplicaSet>),
    /// Replace a ReplicaSet, under its resourceVersion.
    Update(Box<ReplicaSet>),
    /// Record a `ScalingReplicaSet` event, when the write before it succeeded.
    Scaled(String),
    /// Delete a ReplicaSet that the history no longer holds.
    Delete(Box<ReplicaSet>),
    /// Replace the Deployment's status and annotations, under its resourceVersion.
    UpdateStatus(Box<Deployment>),
    /// Record that the selector selects every pod.
    SelectsAll,
}

/// What a pass decided.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Decision {
    /// The writes, in order.
    pub effects: Vec<Effect>,
    /// When to look again although nothing changed.
    pub requeue_after: Option<Duration>,
}

/// Decides what a Deployment needs now.
pub fn decide(observed: &Observed<'_>, now: Timestamp) -> Decision {
    let mut pass = Pass::new(observed, now);
    if pass.selects_all() {
        return pass.refuse();
    }
    if observed.deployment.is_being_deleted() {
        pass.find_new(false);
        pass.report();
        return pass.finish();
    }
    progress::note_pause(&mut pass.deployment, now);
    let paused = observed.deployment.spec.as_ref().and_then(|s| s.paused).unwrap_or(false);
    let scaled = {
        let sets: Vec<&ReplicaSet> = observed.sets.iter().map(AsRef::as_ref).collect();
        scale::is_scaling_event(observed.deployment, &sets)
    };
    if paused || scaled {
        pass.find_new(false);
        pass.resize();
        if paused {
            pass.clean_up();
        }
        pass.report();
    } else if replicas::is_rolling_update(observed.deployment) {
        pass.roll();
    } else {
        pass.recreate();
    }
    pass.finish()
}

/// A ReplicaSet in a pass.
#[derive(Debug)]
struct Member {
    set: ReplicaSet,
    /// As it was observed; none for one that the pass creates.
    observed: Option<Arc<ReplicaSet>>,
    /// The event to record once it is written.
    scaled: Option<String>,
    deleted: bool,
}

#[derive(Debug)]
struct Pass<'a> {
    observed: &'a Observed<'a>,
    deployment: Deployment,
    /// Oldest first.
    members: Vec<Member>,
    new: Option<usize>,
    now: Timestamp,
}

impl<'a> Pass<'a> {
    fn new(observed: &'a Observed<'a>, now: Timestamp) -> Self {
        let mut sets = observed.sets.to_vec();
        sets.sort_by(|a, b| {
            let created = |set: &ReplicaSet| set.metadata.creation_timestamp.as_ref().map(|t| t.0);
            created(a).cmp(&created(b)).then_with(|| a.name().cmp(b.name()))
        });
        let member = |set: Arc<ReplicaSet>| Member {
            set: ReplicaSet::clone(&set),
            observed: Some(set),
            scaled: None,
            deleted: false,
        };
        let members = sets.into_iter().map(member).collect();
        Self { observed, deployment: observed.deployment.clone(), members, new: None, now }
    }

    fn selects_all(&self) -> bool {
        self.deployment.spec.as_ref().is_none_or(|s| s.selector == LabelSelector::default())
    }

    /// An empty selector would adopt everything: say so, and do nothing else.
    fn refuse(mut self) -> Decision {
        let generation = self.deployment.metadata.generation;
        let status = self.deployment.status.get_or_insert_default();
        if status.observed_generation.unwrap_or(0) < generation.unwrap_or(0) {
            status.observed_generation = generation;
        }
        let mut decision = self.finish();
        decision.effects.insert(0, Effect::SelectsAll);
        decision
    }

    /// Finds the ReplicaSet of the current template and brings its annotations up to date; creates it if asked to.
    fn find_new(&mut self, create: bool) {
        let Some(spec) = self.deployment.spec.clone() else { return };
        self.new = self.members.iter().position(|m| template::is_of(&m.set, &spec.template));
        let old = self.members.iter().enumerate().filter(|(i, _)| Some(*i) != self.new).map(|(_, m)| &m.set);
        let next = revision::next(old);
        if let Some(index) = self.new {
            let set = &mut self.members[index].set;
            revision::annotate(self.observed.deployment, set.metadata.annotations.get_or_insert_default(), next, true);
            set.spec.get_or_insert_default().min_ready_seconds = spec.min_ready_seconds.filter(|&s| s != 0);
            let found = format!("Found new replica set \"{}\"", set.name());
            let revision = set.annotations().get(revision::REVISION).cloned();
            self.note_revision(revision);
            self.note_progress_once(reason::FOUND_NEW_REPLICA_SET, found, false);
        } else if create {
            let set = self.new_set(next);
            let created = format!("Created new replica set \"{}\"", set.name());
            let size = replicas::of(&set);
            let scaled = (size > 0).then(|| format!("Scaled up replica set {} from 0 to {size}", set.name()));
            self.new = Some(self.members.len());
            self.members.push(Member { set, observed: None, scaled, deleted: false });
            self.note_revision(Some(next.to_string()));
            self.note_progress_once(reason::NEW_REPLICA_SET_CREATED, created, true);
        }
    }

    fn new_set(&self, next: i64) -> ReplicaSet {
        let spec = self.deployment.spec.clone().unwrap_or_default();
        let collisions = self.deployment.status.as_ref().and_then(|s| s.collision_count);
        let hash = template::hash(&spec.template, collisions);
        let mut template = spec.template;
        let labels = template.metadata.get_or_insert_default().labels.get_or_insert_default();
        labels.insert(template::POD_TEMPLATE_HASH.into(), hash.clone());
        let labels = labels.clone();
        let mut selector = spec.selector;
        selector.match_labels.get_or_insert_default().insert(template::POD_TEMPLATE_HASH.into(), hash.clone());
        let total = self.members.iter().map(|m| replicas::of(&m.set)).sum();
        let mut annotations = std::collections::BTreeMap::new();
        revision::annotate(&self.deployment, &mut annotations, next, false);
        ReplicaSet {
            metadata: ObjectMeta {
                name: Some(format!("{}-{hash}", self.deployment.name())),
                namespace: self.deployment.metadata.namespace.clone(),
                labels: Some(labels),
                annotations: Some(annotations),
                owner_references: Some(vec![controller_reference(&self.deployment)]),
                ..ObjectMeta::default()
            },
            spec: Some(ReplicaSetSpec {
                replicas: Some(rolling::new_size(&self.deployment, total, 0)),
                min_ready_seconds: spec.min_ready_seconds,
                selector,
                template: Some(template),
            }),
            status: None,
        }
    }

    fn note_revision(&mut self, revision: Option<String>) {
        let Some(revision) = revision else { return };
        self.deployment.metadata.annotations.get_or_insert_default().insert(revision::REVISION.into(), revision);
    }

    /// Notes in `Progressing` how the ReplicaSet came about; one that was found only where nothing was noted yet.
    fn note_progress_once(&mut self, reason: &str, message: String, created: bool) {
        if progress::deadline(&self.deployment).is_none() {
            return;
        }
        let status = self.deployment.status.get_or_insert_default();
        if created || progress::condition(status, progress::PROGRESSING).is_none() {
            let condition = progress::new_condition(progress::PROGRESSING, "True", reason, message, self.now);
            progress::set_condition(status, condition);
        }
    }

    /// A rolling update: one step up, or one step down.
    fn roll(&mut self) {
        self.find_new(true);
        let total = self.members.iter().map(|m| replicas::of(&m.set)).sum();
        if let Some(index) = self.new {
            let size = replicas::of(&self.members[index].set);
            let wanted = rolling::reconcile_new(&self.deployment, total, size);
            if size != replicas::wanted(&self.deployment) && self.set_size(index, wanted) {
                return self.follow();
            }
        }
        let old = self.old();
        let sets: Vec<&ReplicaSet> = old.iter().map(|&i| &self.members[i].set).collect();
        let sizes = rolling::reconcile_old(&self.deployment, &sets, self.new.map(|i| &self.members[i].set));
        let mut any = false;
        for (index, size) in old.into_iter().zip(sizes) {
            if size != replicas::of(&self.members[index].set) {
                any |= self.set_size(index, size);
            }
        }
        if !any {
            self.clean_up_when_complete();
        }
        self.follow();
    }

    /// Everything old goes before anything new comes.
    fn recreate(&mut self) {
        self.find_new(false);
        let mut any = false;
        for index in self.old() {
            if replicas::of(&self.members[index].set) > 0 {
                any |= self.set_size(index, 0);
            }
        }
        if any || self.old_pods_run() {
            return self.follow();
        }
        if self.new.is_none() {
            self.find_new(true);
        }
        if let Some(index) = self.new {
            let wanted = replicas::wanted(&self.deployment);
            if replicas::of(&self.members[index].set) != wanted {
                self.set_size(index, wanted);
            }
        }
        self.clean_up_when_complete();
        self.follow();
    }

    fn old_pods_run(&self) -> bool {
        let counted: i32 = self.old().into_iter().map(|i| replicas::actual(&self.members[i].set)).sum();
        let new = self.new.map_or("", |i| self.members[i].set.uid());
        let is_old = |pod: &Pod| controller_of(pod).is_some_and(|owner| owner.uid != new);
        counted > 0 || self.observed.pods.iter().any(|pod| is_old(pod) && !pods::is_terminal(pod))
    }

    /// Scales to `spec.replicas` without rolling anything out.
    fn resize(&mut self) {
        let sets: Vec<&ReplicaSet> = self.members.iter().map(|m| &m.set).collect();
        let sizes = scale::resize(&self.deployment, &sets, self.new);
        for (index, size) in sizes.into_iter().enumerate() {
            if let Some(size) = size {
                self.set_size(index, size);
            }
        }
    }

    /// Sets the size of a ReplicaSet and the annotations that go with it; whether the size changed.
    fn set_size(&mut self, index: usize, size: i32) -> bool {
        let member = &mut self.members[index];
        revision::annotate_scale(&self.deployment, member.set.metadata.annotations.get_or_insert_default());
        let before = replicas::of(&member.set);
        if before == size {
            return false;
        }
        member.set.spec.get_or_insert_default().replicas = Some(size);
        let direction = if size > before { "up" } else { "down" };
        member.scaled = Some(format!("Scaled {direction} replica set {} from {before} to {size}", member.set.name()));
        true
    }

    fn old(&self) -> Vec<usize> {
        (0..self.members.len()).filter(|&i| Some(i) != self.new).collect()
    }

    fn clean_up_when_complete(&mut self) {
        if progress::is_complete(&self.deployment, &self.observed.deployment.status.clone().unwrap_or_default()) {
            self.clean_up();
        }
    }

    /// Deletes the oldest revisions beyond `revisionHistoryLimit`, if they are empty.
    fn clean_up(&mut self) {
        let limit = self.deployment.spec.as_ref().and_then(|s| s.revision_history_limit);
        let Some(limit) = limit.filter(|&l| l != i32::MAX) else { return };
        let mut old = self.old();
        old.retain(|&i| !self.members[i].set.is_being_deleted());
        let surplus = old.len().saturating_sub(usize::try_from(limit).unwrap_or(0));
        old.sort_by_key(|&i| revision::of(&self.members[i].set));
        for index in old.into_iter().take(surplus) {
            let member = &mut self.members[index];
            let set = &member.set;
            let observed = set.status.as_ref().and_then(|s| s.observed_generation).unwrap_or(0);
            let settled = set.metadata.generation.unwrap_or(0) <= observed;
            member.deleted = settled && replicas::actual(set) == 0 && replicas::of(set) == 0;
        }
    }

    fn sets(&self) -> Vec<&ReplicaSet> {
        self.members.iter().map(|m| &m.set).collect()
    }

    /// The status after a step of a rollout.
    fn follow(&mut self) {
        let new = self.new.map(|i| &self.members[i].set);
        self.deployment.status = Some(progress::rollout(&self.deployment, &self.sets(), new, self.now));
    }

    /// The status without regard to progress.
    fn report(&mut self) {
        let new = self.new.map(|i| &self.members[i].set);
        self.deployment.status = Some(progress::calculate(&self.deployment, &self.sets(), new, self.now));
    }

    /// What differs from what was observed: the new ReplicaSet first, the status last.
    fn finish(mut self) -> Decision {
        let mut effects = Vec::new();
        let new = self.new;
        let order = new.into_iter().chain((0..self.members.len()).filter(|&i| Some(i) != new));
        for index in order.collect::<Vec<_>>() {
            let member = &mut self.members[index];
            let set = Box::new(std::mem::take(&mut member.set));
            match &member.observed {
                _ if member.deleted => effects.push(Effect::Delete(set)),
                None => effects.push(Effect::Create(set)),
                Some(observed) if **observed != *set => effects.push(Effect::Update(set)),
                Some(_) => continue,
            }
            effects.extend(member.scaled.take().map(Effect::Scaled));
        }
        let status = self.deployment.status.clone().unwrap_or_default();
        let requeue_after = progress::recheck_after(&self.deployment, &status, self.now);
        let before = self.observed.deployment;
        let same = before.status.clone().unwrap_or_default() == status
            && before.annotations() == self.deployment.annotations();
        if !same {
            effects.push(Effect::UpdateStatus(Box::new(self.deployment)));
        }
        Decision { effects, requeue_after }
    }
}

/// The Deployment after the name of its new ReplicaSet met one of another template: the next hash is another one.
pub fn collide(deployment: &Deployment) -> Deployment {
    let mut deployment = deployment.clone();
    let status = deployment.status.get_or_insert_default();
    status.collision_count = Some(status.collision_count.unwrap_or(0).saturating_add(1));
    deployment
}

/// The Deployment after its new ReplicaSet could not be created; the condition's message is the event's, too.
pub fn creation_failed(deployment: &Deployment, set: &str, error: &str, now: Timestamp) -> (Deployment, String) {
    let mut deployment = deployment.clone();
    let message = format!("Failed to create new replica set \"{set}\": {error}");
    if progress::deadline(&deployment).is_some() {
        let failed = reason::REPLICA_SET_CREATE_ERROR;
        let condition = progress::new_condition(progress::PROGRESSING, "False", failed, message.clone(), now);
        progress::set_condition(deployment.status.get_or_insert_default(), condition);
    }
    (deployment, message)
}
