//! The two kinds that this controller keeps: ReplicaSet, and ReplicationController, which is read as a ReplicaSet.
//!
//! Source: `k8s.io/kubernetes/pkg/controller/replication/conversion.go`.

use std::sync::Arc;

use k8s_openapi::api::apps::v1::{ReplicaSet, ReplicaSetCondition, ReplicaSetSpec, ReplicaSetStatus};
use k8s_openapi::api::core::v1::{ReplicationController, ReplicationControllerCondition, ReplicationControllerStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kubekit_runtime::Object;

/// A kind whose objects want a number of equal pods.
pub trait Replicated: Object {
    /// `apps/v1` or `v1`.
    const API_VERSION: &'static str;
    /// The kind's name.
    const KIND: &'static str;
    /// The controller's name, which is also that of its service account and of its events' source.
    const CONTROLLER: &'static str;

    /// The object, read as a ReplicaSet.
    fn as_replica_set(object: &Arc<Self>) -> Arc<ReplicaSet>;

    /// Whether the object reports this status already.
    fn has_status(object: &Self, status: &ReplicaSetStatus) -> bool;

    /// The object with this status.
    fn with_status(object: &Self, status: ReplicaSetStatus) -> Self;
}

impl Replicated for ReplicaSet {
    const API_VERSION: &'static str = "apps/v1";
    const KIND: &'static str = "ReplicaSet";
    const CONTROLLER: &'static str = "replicaset-controller";

    fn as_replica_set(object: &Arc<Self>) -> Arc<ReplicaSet> {
        Arc::clone(object)
    }

    fn has_status(object: &Self, status: &ReplicaSetStatus) -> bool {
        object.status.as_ref() == Some(status)
    }

    fn with_status(object: &Self, status: ReplicaSetStatus) -> Self {
        Self { status: Some(status), ..object.clone() }
    }
}

impl Replicated for ReplicationController {
    const API_VERSION: &'static str = "v1";
    const KIND: &'static str = "ReplicationController";
    const CONTROLLER: &'static str = "replication-controller";

    fn as_replica_set(object: &Arc<Self>) -> Arc<ReplicaSet> {
        let spec = object.spec.clone().unwrap_or_default();
        let status = object.status.clone().unwrap_or_default();
        Arc::new(ReplicaSet {
            metadata: object.metadata.clone(),
            spec: Some(ReplicaSetSpec {
                replicas: spec.replicas,
                min_ready_seconds: spec.min_ready_seconds,
                selector: LabelSelector { match_labels: spec.selector, match_expressions: None },
                template: spec.template,
            }),
            status: Some(ReplicaSetStatus {
                replicas: status.replicas,
                fully_labeled_replicas: status.fully_labeled_replicas,
                ready_replicas: status.ready_replicas,
                available_replicas: status.available_replicas,
                observed_generation: status.observed_generation,
                conditions: status.conditions.map(|c| c.into_iter().map(read_condition).collect()),
                terminating_replicas: None,
            }),
        })
    }

    fn has_status(object: &Self, status: &ReplicaSetStatus) -> bool {
        object.status == Some(written_status(status.clone()))
    }

    fn with_status(object: &Self, status: ReplicaSetStatus) -> Self {
        Self { status: Some(written_status(status)), ..object.clone() }
    }
}

/// Without the pods that are on their way out, which a ReplicationController does not count.
fn written_status(status: ReplicaSetStatus) -> ReplicationControllerStatus {
    ReplicationControllerStatus {
        replicas: status.replicas,
        fully_labeled_replicas: status.fully_labeled_replicas,
        ready_replicas: status.ready_replicas,
        available_replicas: status.available_replicas,
        observed_generation: status.observed_generation,
        conditions: status.conditions.map(|c| c.into_iter().map(written_condition).collect()),
    }
}

fn read_condition(c: ReplicationControllerCondition) -> ReplicaSetCondition {
    ReplicaSetCondition {
        type_: c.type_,
        status: c.status,
        reason: c.reason,
        message: c.message,
        last_transition_time: c.last_transition_time,
    }
}

fn written_condition(c: ReplicaSetCondition) -> ReplicationControllerCondition {
    ReplicationControllerCondition {
        type_: c.type_,
        status: c.status,
        reason: c.reason,
        message: c.message,
        last_transition_time: c.last_transition_time,
    }
}
