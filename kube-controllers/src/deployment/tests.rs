//! Rows for the arithmetic, and whole rollouts played through step by step.

mod conditions;
mod lag;
mod rollouts;
mod rows;
mod steps;

use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::{
    Deployment, DeploymentSpec, DeploymentStrategy, ReplicaSet, ReplicaSetStatus, RollingUpdateDeployment,
};
use k8s_openapi::api::core::v1::PodTemplateSpec;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta, Time};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kubekit_runtime::Object as _;

use super::decide::{Decision, Effect, Observed, decide};
use crate::objects::{at, labels, meta, pod};

/// A template that runs this image.
fn template(image: &str) -> PodTemplateSpec {
    let mut web = pod("template");
    web.spec.get_or_insert_default().containers[0].image = Some(image.into());
    let metadata = ObjectMeta { labels: Some(labels(&[("app", "web")])), ..ObjectMeta::default() };
    PodTemplateSpec { metadata: Some(metadata), spec: web.spec }
}

fn percent_or_number(text: &str) -> IntOrString {
    text.parse().map_or_else(|_| IntOrString::String(text.into()), IntOrString::Int)
}

/// A Deployment of so many pods of the image `v1`.
fn deployment(replicas: i32, surge: &str, unavailable: &str) -> Deployment {
    let rolling = RollingUpdateDeployment {
        max_surge: Some(percent_or_number(surge)),
        max_unavailable: Some(percent_or_number(unavailable)),
    };
    let spec = DeploymentSpec {
        replicas: Some(replicas),
        selector: LabelSelector { match_labels: Some(labels(&[("app", "web")])), match_expressions: None },
        template: template("v1"),
        strategy: Some(DeploymentStrategy { type_: Some("RollingUpdate".into()), rolling_update: Some(rolling) }),
        progress_deadline_seconds: Some(600),
        revision_history_limit: Some(10),
        ..DeploymentSpec::default()
    };
    Deployment { metadata: meta("web"), spec: Some(spec), status: None }
}

fn spec(deployment: &mut Deployment) -> &mut DeploymentSpec {
    deployment.metadata.generation = deployment.metadata.generation.map(|g| g + 1);
    deployment.spec.get_or_insert_default()
}

/// A Deployment with its ReplicaSets, and what else of a cluster matters to it: sets that follow their specs.
#[derive(Debug)]
struct World {
    deployment: Deployment,
    sets: Vec<ReplicaSet>,
    events: Vec<String>,
    now: Timestamp,
    /// How many writes of ReplicaSets there were.
    writes: usize,
}

impl World {
    fn new(deployment: Deployment) -> Self {
        Self { deployment, sets: Vec::new(), events: Vec::new(), now: at(1000), writes: 0 }
    }

    fn look(&self) -> Decision {
        let sets: Vec<Arc<ReplicaSet>> = self.sets.iter().cloned().map(Arc::new).collect();
        decide(&Observed { deployment: &self.deployment, sets: &sets, pods: &[] }, self.now)
    }

    /// One pass of the controller, carried out; whether anything was written.
    fn pass(&mut self) -> bool {
        let decision = self.look();
        let any = !decision.effects.is_empty();
        for effect in decision.effects {
            match effect {
                Effect::Create(mut set) => {
                    set.metadata.uid = Some(format!("uid-{}", set.name()));
                    set.metadata.creation_timestamp = Some(Time(self.now));
                    set.metadata.generation = Some(1);
                    self.sets.push(*set);
                    self.writes += 1;
                }
                Effect::Update(set) => {
                    let index = self.sets.iter().position(|s| s.name() == set.name()).unwrap();
                    self.sets[index] = *set;
                    self.writes += 1;
                }
                Effect::Delete(set) => self.sets.retain(|s| s.name() != set.name()),
                Effect::Scaled(message) => self.events.push(message),
                Effect::UpdateStatus(deployment) => self.deployment = *deployment,
                Effect::SelectsAll => self.events.push("SelectingAll".into()),
            }
        }
        any
    }

    /// The ReplicaSets follow their specs; at most `ready` more pods become available.
    fn pods_follow(&mut self, ready: i32) {
        let mut left = ready;
        for set in &mut self.sets {
            let wanted = super::replicas::of(set);
            let available = super::replicas::available(set).min(wanted);
            let more = (wanted - available).min(left);
            left -= more;
            let up = Some(available + more).filter(|&n| n > 0);
            set.status = Some(ReplicaSetStatus {
                replicas: wanted,
                ready_replicas: up,
                available_replicas: up,
                observed_generation: set.metadata.generation,
                terminating_replicas: Some(0),
                ..ReplicaSetStatus::default()
            });
        }
    }

    /// Runs until nothing is written any more; `check` sees every state between.
    #[track_caller]
    fn settle(&mut self, check: impl Fn(&Self)) {
        for _ in 0..200 {
            self.now += jiff::SignedDuration::from_secs(1);
            let wrote = self.pass();
            check(self);
            let before = self.sets.clone();
            self.pods_follow(1);
            check(self);
            if !wrote && before == self.sets {
                return;
            }
        }
        panic!("the rollout does not settle: {self:?}");
    }

    fn total(&self) -> i32 {
        self.sets.iter().map(super::replicas::of).sum()
    }

    fn available(&self) -> i32 {
        self.sets.iter().map(|s| super::replicas::available(s).min(super::replicas::of(s))).sum()
    }

    fn condition(&self, kind: &str) -> (String, String) {
        let status = self.deployment.status.clone().unwrap_or_default();
        let condition = super::progress::condition(&status, kind).cloned().unwrap_or_default();
        (condition.status, condition.reason.unwrap_or_default())
    }
}
