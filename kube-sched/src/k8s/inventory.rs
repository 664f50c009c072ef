//! Budgets, services, workloads and pod groups, as scheduling sees them.

use super::affinity::selector;
use crate::inventory::{DisruptionBudget, Owner, PodGroup, Service, Workload};
use crate::model::Selector;
use k8s_openapi::api::apps::v1 as apps;
use k8s_openapi::api::core::v1 as api;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::api::scheduling::v1alpha2 as scheduling;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use std::collections::BTreeMap;
use std::sync::Arc;

fn text(value: Option<&String>) -> Arc<str> {
    value.map_or("", String::as_str).into()
}

/// A selector that is a map of labels; an absent or empty one selects nothing.
fn by_labels(labels: Option<&BTreeMap<String, String>>) -> Selector {
    match labels {
        Some(labels) if !labels.is_empty() => Selector::labels(labels.iter().map(|(k, v)| (k.as_str(), v.as_str()))),
        _ => Selector::Nothing,
    }
}

/// What scheduling sees of a PodDisruptionBudget.
pub fn budget(object: &PodDisruptionBudget) -> DisruptionBudget {
    let status = object.status.as_ref();
    DisruptionBudget {
        namespace: text(object.metadata.namespace.as_ref()),
        name: text(object.metadata.name.as_ref()),
        selector: selector(object.spec.as_ref().and_then(|spec| spec.selector.as_ref())),
        disruptions_allowed: status.and_then(|status| status.disruptions_allowed).unwrap_or(0).into(),
        disrupted_pods: status
            .into_iter()
            .flat_map(|status| status.disrupted_pods.iter().flatten())
            .map(|(pod, _)| pod.clone())
            .collect(),
    }
}

/// What scheduling sees of a Service.
pub fn service(object: &api::Service) -> Service {
    Service {
        namespace: text(object.metadata.namespace.as_ref()),
        name: text(object.metadata.name.as_ref()),
        selector: by_labels(object.spec.as_ref().and_then(|spec| spec.selector.as_ref())),
    }
}

fn workload(metadata: &ObjectMeta, kind: &str, selector: Selector) -> Workload {
    Workload {
        namespace: text(metadata.namespace.as_ref()),
        owner: Owner { kind: kind.into(), name: text(metadata.name.as_ref()) },
        selector,
    }
}

/// What scheduling sees of a ReplicaSet.
pub fn replica_set(object: &apps::ReplicaSet) -> Workload {
    let pods = selector(object.spec.as_ref().map(|spec| &spec.selector));
    workload(&object.metadata, "ReplicaSet", pods)
}

/// What scheduling sees of a StatefulSet.
pub fn stateful_set(object: &apps::StatefulSet) -> Workload {
    let pods = selector(object.spec.as_ref().map(|spec| &spec.selector));
    workload(&object.metadata, "StatefulSet", pods)
}

/// What scheduling sees of a ReplicationController.
pub fn replication_controller(object: &api::ReplicationController) -> Workload {
    let pods = by_labels(object.spec.as_ref().and_then(|spec| spec.selector.as_ref()));
    workload(&object.metadata, "ReplicationController", pods)
}

/// What scheduling sees of a PodGroup.
pub fn pod_group(object: &scheduling::PodGroup) -> PodGroup {
    let gang = object.spec.scheduling_policy.gang.as_ref();
    // The API takes one constraint.
    let topology = object.spec.scheduling_constraints.iter().flat_map(|all| all.topology.iter().flatten()).next();
    PodGroup {
        namespace: text(object.metadata.namespace.as_ref()),
        name: text(object.metadata.name.as_ref()),
        min_count: gang.map(|gang| usize::try_from(gang.min_count).unwrap_or(0)),
        topology_key: topology.map(|constraint| constraint.key.as_str().into()),
    }
}
