//! A Pod, as scheduling sees it.

use super::{affinity, labels, node::effect, normalised_image, requests, volumes};
use crate::model::decimal;
use crate::{HostPort, Labels, Pod, PodAffinityTerm, Protocol, Toleration, TolerationOperator};
use k8s_openapi::api::core::v1 as api;
use std::sync::Arc;

/// What scheduling sees of a Pod.
pub fn pod(object: &api::Pod) -> Pod {
    static NO_SPEC: std::sync::LazyLock<api::PodSpec> = std::sync::LazyLock::new(api::PodSpec::default);
    let spec = object.spec.as_ref().unwrap_or(&NO_SPEC);
    let status = object.status.as_ref();
    let metadata = &object.metadata;
    let text = |value: Option<&String>| -> Arc<str> { value.map_or("", String::as_str).into() };
    let named = |value: Option<&String>| value.filter(|name| !name.is_empty()).map(|name| name.as_str().into());
    let own_labels = labels(metadata.labels.as_ref());
    let namespace = text(metadata.namespace.as_ref());
    let wishes = spec.affinity.as_ref();
    let node_affinity = wishes.and_then(|wishes| wishes.node_affinity.as_ref());
    let containers = || spec.init_containers.iter().flatten().chain(&spec.containers);
    let image_volumes =
        || spec.volumes.iter().flatten().filter_map(|volume| volume.image.as_ref()?.reference.as_deref());
    Pod {
        uid: text(metadata.uid.as_ref()),
        name: text(metadata.name.as_ref()),
        requests: requests::pod_requests(spec),
        assumed: requests::assumed_usage(spec),
        priority: spec.priority.unwrap_or(0),
        may_preempt: spec.preemption_policy.as_deref() != Some("Never"),
        created_seconds: metadata.creation_timestamp.as_ref().map_or(0, |time| time.0.as_second()),
        // A pod that has not started is taken to start last.
        started_seconds: status.and_then(|s| s.start_time.as_ref()).map_or(i64::MAX, |time| time.0.as_second()),
        node: named(spec.node_name.as_ref()),
        nominated_node: named(status.and_then(|status| status.nominated_node_name.as_ref())),
        terminating: metadata.deletion_timestamp.is_some(),
        node_selector: labels(spec.node_selector.as_ref()),
        node_affinity: node_affinity
            .and_then(|a| a.required_during_scheduling_ignored_during_execution.as_ref())
            .map(affinity::node_selector),
        preferred_nodes: affinity::preferred_nodes(node_affinity),
        tolerations: spec.tolerations.iter().flatten().filter_map(toleration).collect(),
        host_ports: host_ports(spec),
        spread: spec.topology_spread_constraints.iter().flatten().map(|c| affinity::spread(c, &own_labels)).collect(),
        affinity: required(
            wishes
                .and_then(|w| w.pod_affinity.as_ref())
                .and_then(|a| a.required_during_scheduling_ignored_during_execution.as_ref()),
            &namespace,
            &own_labels,
        ),
        anti_affinity: required(
            wishes
                .and_then(|w| w.pod_anti_affinity.as_ref())
                .and_then(|a| a.required_during_scheduling_ignored_during_execution.as_ref()),
            &namespace,
            &own_labels,
        ),
        preferred_pods: wishes.map_or_else(Vec::new, |w| affinity::preferred_pods(w, &namespace, &own_labels)),
        gates: spec.scheduling_gates.iter().flatten().map(|gate| gate.name.clone()).collect(),
        images: containers().filter_map(|c| c.image.as_deref()).chain(image_volumes()).map(normalised_image).collect(),
        containers: u32::try_from(containers().count() + image_volumes().count()).unwrap_or(u32::MAX),
        gpu: None,
        gpu_devices: Vec::new(),
        preempted: preempted(status),
        owner: volumes::owner(metadata),
        volumes: volumes::pod_volumes(object),
        group: spec.scheduling_group.as_ref().and_then(|group| named(group.pod_group_name.as_ref())),
        resource_claims: super::devices::pod_claims(object),
        labels: own_labels,
        namespace,
    }
}

/// Whether the scheduler is what removes the pod.
fn preempted(status: Option<&api::PodStatus>) -> bool {
    let condition = status.iter().flat_map(|s| s.conditions.iter().flatten()).find(|c| c.type_ == "DisruptionTarget");
    condition.is_some_and(|c| c.status == "True" && c.reason.as_deref() == Some("PreemptionByScheduler"))
}

fn required(terms: Option<&Vec<api::PodAffinityTerm>>, namespace: &str, labels: &Labels) -> Vec<PodAffinityTerm> {
    terms.into_iter().flatten().map(|term| affinity::pod_term(term, namespace, labels)).collect()
}

/// `None` for a toleration that tolerates nothing: an operator or effect that does not exist, or a bound that is no integer.
fn toleration(toleration: &api::Toleration) -> Option<Toleration> {
    let value = toleration.value.as_deref().unwrap_or_default();
    let operator = match toleration.operator.as_deref() {
        Some("Exists") => TolerationOperator::Exists,
        None | Some("" | "Equal") => TolerationOperator::Equal(value.to_owned()),
        Some("Gt") => TolerationOperator::Gt(decimal(value)?),
        Some("Lt") => TolerationOperator::Lt(decimal(value)?),
        Some(_) => return None,
    };
    let effect = match toleration.effect.as_deref() {
        None | Some("") => None,
        Some(name) => Some(effect(name)?),
    };
    Some(Toleration { key: toleration.key.clone().filter(|key| !key.is_empty()), operator, effect })
}

fn host_ports(spec: &api::PodSpec) -> Vec<HostPort> {
    let sidecar = |container: &&api::Container| container.restart_policy.as_deref() == Some("Always");
    spec.containers
        .iter()
        .chain(spec.init_containers.iter().flatten().filter(sidecar))
        .flat_map(|container| container.ports.iter().flatten())
        .filter_map(|port| {
            let number = u16::try_from(port.host_port?).ok().filter(|number| *number > 0)?;
            let protocol = match port.protocol.as_deref() {
                Some("UDP") => Protocol::Udp,
                Some("SCTP") => Protocol::Sctp,
                _ => Protocol::Tcp,
            };
            let ip = port.host_ip.clone().filter(|ip| !ip.is_empty()).unwrap_or_else(|| "0.0.0.0".to_owned());
            Some(HostPort { protocol, ip, port: number })
        })
        .collect()
}
