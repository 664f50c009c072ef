//! Small makers of objects for this crate's unit tests.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Container, Node, NodeCondition, NodeStatus, Pod, PodCondition, PodIP, PodSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};

/// The time so many seconds after the epoch.
pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap()
}

/// Labels from pairs.
pub(crate) fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
}

/// Metadata in the namespace `default`, with a uid made from the name.
pub(crate) fn meta(name: &str) -> ObjectMeta {
    ObjectMeta {
        name: Some(name.to_owned()),
        namespace: Some("default".into()),
        uid: Some(format!("uid-{name}")),
        creation_timestamp: Some(Time(at(0))),
        generation: Some(1),
        resource_version: Some("1".into()),
        ..ObjectMeta::default()
    }
}

/// A pending pod labelled `app=web`.
pub(crate) fn pod(name: &str) -> Pod {
    let mut pod = Pod { metadata: meta(name), ..Pod::default() };
    pod.metadata.labels = Some(labels(&[("app", "web")]));
    pod.spec = Some(PodSpec {
        containers: vec![Container { name: "c".into(), ..Container::default() }],
        ..PodSpec::default()
    });
    pod.status.get_or_insert_default().phase = Some("Pending".into());
    pod
}

/// A running pod that became ready at this second.
pub(crate) fn pod_ready_since(name: &str, seconds: i64) -> Pod {
    let mut pod = pod(name);
    let status = pod.status.get_or_insert_default();
    status.phase = Some("Running".into());
    status.conditions = Some(vec![PodCondition {
        type_: "Ready".into(),
        status: "True".into(),
        last_transition_time: Some(Time(at(seconds))),
        ..PodCondition::default()
    }]);
    pod
}

/// The pod, bound to a node.
pub(crate) fn on_node(mut pod: Pod, node: &str) -> Pod {
    pod.spec.get_or_insert_default().node_name = Some(node.to_owned());
    pod
}

/// The pod, with an address.
pub(crate) fn with_ip(mut pod: Pod, ip: &str) -> Pod {
    let status = pod.status.get_or_insert_default();
    status.pod_ip = Some(ip.to_owned());
    status.pod_ips = Some(vec![PodIP { ip: ip.to_owned() }]);
    pod
}

/// The pod, asked to go.
pub(crate) fn terminating(mut pod: Pod) -> Pod {
    pod.metadata.deletion_timestamp = Some(Time(at(50)));
    pod
}

/// A node whose `Ready` condition has this status, with its heartbeat at this second.
pub(crate) fn node(name: &str, ready: &str, heartbeat: i64) -> Node {
    let condition = NodeCondition {
        type_: "Ready".into(),
        status: ready.into(),
        last_heartbeat_time: Some(Time(at(heartbeat))),
        last_transition_time: Some(Time(at(heartbeat))),
        ..NodeCondition::default()
    };
    Node {
        metadata: ObjectMeta { namespace: None, ..meta(name) },
        status: Some(NodeStatus { conditions: Some(vec![condition]), ..NodeStatus::default() }),
        ..Node::default()
    }
}
