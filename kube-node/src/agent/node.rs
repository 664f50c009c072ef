//! The Node object: how it is registered and what its status says. Pure.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{
    ContainerImage, DaemonEndpoint, Node, NodeAddress, NodeCondition, NodeDaemonEndpoints, NodeSpec, NodeStatus,
    NodeSystemInfo,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kubekit_core::quantity::{Format, Quantity as Amount};

use super::Config;
use super::machine::{Capacity, architecture, operating_system};
use crate::pod::status::time;
use crate::runtime::{Image, RuntimeStatus};

/// The most images that a Node names (the kubelet's default).
const IMAGES_MAX: usize = 50;
/// The most names of one image.
const IMAGE_NAMES_MAX: usize = 5;

/// The labels that every node has.
#[must_use]
pub fn labels(config: &Config) -> BTreeMap<String, String> {
    let mut labels = config.labels.clone();
    for (key, value) in [
        ("kubernetes.io/hostname", config.node_name.as_str()),
        ("kubernetes.io/os", operating_system()),
        ("kubernetes.io/arch", architecture()),
        ("beta.kubernetes.io/os", operating_system()),
        ("beta.kubernetes.io/arch", architecture()),
    ] {
        labels.entry(key.to_owned()).or_insert_with(|| value.to_owned());
    }
    labels
}

/// The Node as it is registered.
#[must_use]
pub fn node(config: &Config, status: NodeStatus) -> Node {
    Node {
        metadata: ObjectMeta {
            name: Some(config.node_name.clone()),
            labels: Some(labels(config)),
            ..ObjectMeta::default()
        },
        spec: Some(NodeSpec {
            taints: (!config.taints.is_empty()).then(|| config.taints.clone()),
            provider_id: config.provider_id.clone(),
            ..NodeSpec::default()
        }),
        status: Some(status),
    }
}

/// What a node's status is made from.
#[derive(Debug)]
pub struct Inputs<'a> {
    /// The settings.
    pub config: &'a Config,
    /// Facts of the machine.
    pub info: &'a NodeSystemInfo,
    /// The runtime's state, or why it cannot be asked.
    pub runtime: Result<&'a RuntimeStatus, String>,
    /// The images on the node.
    pub images: &'a [Image],
    /// The conditions there were.
    pub old: &'a [NodeCondition],
    /// The time.
    pub now: Timestamp,
}

/// The status of the node now.
#[must_use]
pub fn status(inputs: &Inputs<'_>) -> NodeStatus {
    let config = inputs.config;
    let mut addresses: Vec<NodeAddress> = config
        .addresses
        .iter()
        .map(|address| NodeAddress { type_: "InternalIP".into(), address: address.clone() })
        .collect();
    addresses.push(NodeAddress { type_: "Hostname".into(), address: config.node_name.clone() });
    NodeStatus {
        addresses: Some(addresses),
        capacity: Some(resources(&config.capacity)),
        allocatable: Some(resources(&config.capacity)),
        conditions: Some(conditions(inputs)),
        daemon_endpoints: Some(NodeDaemonEndpoints {
            kubelet_endpoint: Some(DaemonEndpoint { port: i32::from(config.port) }),
        }),
        images: (!inputs.images.is_empty()).then(|| images(inputs.images)),
        node_info: Some(inputs.info.clone()),
        ..NodeStatus::default()
    }
}

fn resources(capacity: &Capacity) -> BTreeMap<String, Quantity> {
    let amount = |amount: Amount| Quantity(amount.to_string());
    BTreeMap::from([
        ("cpu".into(), amount(Amount::from_millis(capacity.cpu_millis, Format::DecimalSi))),
        ("memory".into(), Quantity(format!("{}Ki", capacity.memory_bytes / 1_024))),
        ("ephemeral-storage".into(), Quantity(format!("{}Ki", capacity.ephemeral_bytes / 1_024))),
        ("pods".into(), amount(Amount::from_units(i64::from(capacity.pods), Format::DecimalSi))),
    ])
}

/// The largest images first.
fn images(images: &[Image]) -> Vec<ContainerImage> {
    let mut sorted: Vec<&Image> = images.iter().collect();
    sorted.sort_by(|a, b| b.size_bytes.cmp(&a.size_bytes).then_with(|| a.id.cmp(&b.id)));
    sorted
        .into_iter()
        .take(IMAGES_MAX)
        .map(|image| ContainerImage {
            names: Some(image.repo_digests.iter().chain(&image.repo_tags).take(IMAGE_NAMES_MAX).cloned().collect()),
            size_bytes: i64::try_from(image.size_bytes).ok(),
        })
        .collect()
}

fn conditions(inputs: &Inputs<'_>) -> Vec<NodeCondition> {
    let problem = match &inputs.runtime {
        Err(problem) => Some(format!("container runtime is down: {problem}")),
        Ok(status) => {
            let problems: Vec<String> = [
                status.runtime_problem.as_ref().map(|problem| format!("container runtime status check may not have completed yet: {problem}")),
                status.network_problem.as_ref().map(|problem| {
                    format!("container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady message:{problem}")
                }),
            ]
            .into_iter()
            .flatten()
            .collect();
            (!problems.is_empty()).then(|| problems.join(", "))
        }
    };
    let ready = match problem {
        None => ("Ready", "True", "KubeletReady", "kubelet is posting ready status".to_owned()),
        Some(problem) => ("Ready", "False", "KubeletNotReady", problem),
    };
    let rows = [
        ("MemoryPressure", "False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available".to_owned()),
        ("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure".to_owned()),
        ("PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available".to_owned()),
        ready,
    ];
    let now = time(inputs.now);
    rows.into_iter()
        .map(|(type_, status, reason, message)| {
            let before = inputs.old.iter().find(|condition| condition.type_ == type_);
            let since = before.filter(|condition| condition.status == status);
            NodeCondition {
                type_: type_.into(),
                status: status.into(),
                reason: Some(reason.into()),
                message: Some(message),
                last_heartbeat_time: Some(now.clone()),
                last_transition_time: since
                    .and_then(|before| before.last_transition_time.clone())
                    .or(Some(now.clone())),
            }
        })
        .collect()
}

/// Whether two statuses say the same, whatever the time of the heartbeat.
#[must_use]
pub fn same(old: &NodeStatus, new: &NodeStatus) -> bool {
    let still = |status: &NodeStatus| {
        let mut status = status.clone();
        for condition in status.conditions.iter_mut().flatten() {
            condition.last_heartbeat_time = None;
        }
        status
    };
    still(old) == still(new)
}

/// Whether somebody else has changed a condition that was `reported`. Conditions of others do not count.
#[must_use]
pub fn overwritten(reported: &NodeStatus, found: &NodeStatus) -> bool {
    let said = |condition: &NodeCondition| {
        (condition.type_.clone(), condition.status.clone(), condition.reason.clone(), condition.message.clone())
    };
    let found: Vec<_> = found.conditions.iter().flatten().map(said).collect();
    reported.conditions.iter().flatten().any(|condition| !found.contains(&said(condition)))
}

#[cfg(test)]
mod tests {
    //! Settings and states in, Nodes out.

    use super::*;
    use crate::pod::fixture::at;

    fn of(runtime: Result<&RuntimeStatus, String>, old: &[NodeCondition], seconds: i64) -> NodeStatus {
        let mut config = Config::new("n1");
        config.addresses = vec!["192.0.2.1".into()];
        config.capacity = Capacity::of(2, 4 << 30);
        let info = NodeSystemInfo::default();
        let image = Image { id: "i".into(), repo_tags: vec!["busybox:1".into()], size_bytes: 7, ..Image::default() };
        status(&Inputs { config: &config, info: &info, runtime, images: &[image], old, now: at(seconds) })
    }

    #[track_caller]
    fn check_ready(runtime: Result<&RuntimeStatus, String>, expected: (&str, &str, &str)) {
        let status = of(runtime, &[], 0);
        let ready = status.conditions.expect("conditions").pop().expect("the last");
        assert_eq!(ready.type_, "Ready");
        let shown =
            (ready.status.as_str(), ready.reason.as_deref().unwrap_or(""), ready.message.as_deref().unwrap_or(""));
        assert_eq!(shown, expected);
    }

    #[test]
    fn readiness_follows_the_runtime() {
        let fine = RuntimeStatus::default();
        check_ready(Ok(&fine), ("True", "KubeletReady", "kubelet is posting ready status"));
        let network = RuntimeStatus { network_problem: Some("no cni".into()), ..RuntimeStatus::default() };
        let text =
            "container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady message:no cni";
        check_ready(Ok(&network), ("False", "KubeletNotReady", text));
        check_ready(Err("gone".into()), ("False", "KubeletNotReady", "container runtime is down: gone"));
    }

    #[test]
    fn resources_and_addresses() {
        let status = of(Ok(&RuntimeStatus::default()), &[], 0);
        let capacity = status.capacity.as_ref().expect("capacity");
        assert_eq!(capacity["cpu"].0, "2");
        assert_eq!(capacity["memory"].0, "4194304Ki");
        assert_eq!(capacity["pods"].0, "110");
        let addresses = status.addresses.as_ref().expect("addresses");
        assert_eq!((addresses[0].type_.as_str(), addresses[1].address.as_str()), ("InternalIP", "n1"));
        assert_eq!(status.images.as_ref().expect("images")[0].size_bytes, Some(7));
    }

    #[test]
    fn times_of_change_are_kept_and_heartbeats_do_not_count() {
        let first = of(Ok(&RuntimeStatus::default()), &[], 0);
        let second = of(Ok(&RuntimeStatus::default()), first.conditions.as_deref().expect("conditions"), 60);
        assert!(same(&first, &second));
        assert_ne!(first, second);
        let third = of(Err("x".into()), second.conditions.as_deref().expect("conditions"), 90);
        assert!(!same(&second, &third));
        let ready = third.conditions.expect("conditions").pop().expect("the last");
        assert_eq!(ready.last_transition_time, Some(time(at(90))));
    }

    #[test]
    fn what_the_node_controller_wrote_is_noticed() {
        let reported = of(Ok(&RuntimeStatus::default()), &[], 0);
        let mut found = of(Ok(&RuntimeStatus::default()), &[], 300);
        let other =
            NodeCondition { type_: "KernelDeadlock".into(), status: "False".into(), ..NodeCondition::default() };
        found.conditions.as_mut().expect("conditions").push(other);
        assert!(!overwritten(&reported, &found));
        found.conditions.as_mut().expect("conditions")[3].status = "Unknown".into();
        assert!(overwritten(&reported, &found));
        assert!(overwritten(&reported, &NodeStatus::default()));
    }

    #[test]
    fn labels_are_the_usual_ones() {
        let mut config = Config::new("n1");
        config.labels.insert("kubernetes.io/hostname".into(), "other".into());
        let labels = labels(&config);
        assert_eq!(labels["kubernetes.io/hostname"], "other");
        assert_eq!(labels["kubernetes.io/os"], operating_system());
        assert_eq!(labels.len(), 5);
    }

    #[test]
    fn both_problems_of_a_runtime_are_told() {
        let broken = RuntimeStatus { runtime_problem: Some("starting".into()), network_problem: Some("no cni".into()) };
        let text = "container runtime status check may not have completed yet: starting, container runtime network not \
                    ready: NetworkReady=false reason:NetworkPluginNotReady message:no cni";
        check_ready(Ok(&broken), ("False", "KubeletNotReady", text));
    }

    #[test]
    fn pressures_are_false_whatever_the_runtime_does() {
        let status = of(Err("gone".into()), &[], 0);
        let others: Vec<(String, String)> = status
            .conditions
            .into_iter()
            .flatten()
            .take(3)
            .map(|condition| (condition.type_, condition.status))
            .collect();
        let named =
            ["MemoryPressure", "DiskPressure", "PIDPressure"].map(|type_| (type_.to_owned(), "False".to_owned()));
        assert_eq!(others, named);
    }

    /// Cores in thousandths, bytes of memory, and how they are written.
    #[track_caller]
    fn check_resources(cpu_millis: i64, memory_bytes: i64, expected: (&str, &str)) {
        let made = resources(&Capacity { cpu_millis, memory_bytes, ..Capacity::default() });
        assert_eq!((made["cpu"].0.as_str(), made["memory"].0.as_str()), expected);
    }

    #[test]
    fn amounts_are_written_as_kubernetes_does() {
        check_resources(1_500, 1 << 30, ("1500m", "1048576Ki"));
        check_resources(64_000, 1_500, ("64", "1Ki"));
    }

    #[test]
    fn of_many_images_the_largest_are_named_with_few_names() {
        let image = |number: u64| Image {
            id: format!("{number:03}"),
            repo_tags: (0..4).map(|tag| format!("i{number}:{tag}")).collect(),
            repo_digests: (0..4).map(|digest| format!("i{number}@sha256:{digest}")).collect(),
            size_bytes: number % 40,
            ..Image::default()
        };
        let all: Vec<Image> = (0..60).map(image).collect();
        let named = images(&all);
        assert_eq!(named.len(), 50);
        assert_eq!(named[0].size_bytes, Some(39));
        let names = named[0].names.as_ref().expect("names");
        assert_eq!(names.len(), 5);
        assert_eq!((names[0].as_str(), names[4].as_str()), ("i39@sha256:0", "i39:0"), "digests first");
        // Of equal ones always the same: the status would change for ever otherwise.
        let mut turned = all;
        turned.reverse();
        assert_eq!(images(&turned), named);
    }

    #[test]
    fn a_node_is_registered_with_what_its_settings_say() {
        let mut config = Config::new("n1");
        config.provider_id = Some("kind://docker/n1".into());
        config.labels.insert("zone".into(), "a".into());
        let plain = node(&config, NodeStatus::default());
        let spec = plain.spec.expect("a spec");
        assert_eq!((spec.taints, spec.provider_id.as_deref()), (None, Some("kind://docker/n1")));
        assert_eq!(plain.metadata.labels.expect("labels")["zone"], "a");
        let taint = k8s_openapi::api::core::v1::Taint {
            key: "dedicated".into(),
            effect: "NoSchedule".into(),
            ..Default::default()
        };
        config.taints.push(taint.clone());
        assert_eq!(node(&config, NodeStatus::default()).spec.and_then(|spec| spec.taints), Some(vec![taint]));
    }

    #[test]
    fn every_address_is_told_and_then_the_name() {
        let mut config = Config::new("n1");
        config.addresses = vec!["192.0.2.1".into(), "2001:db8::1".into()];
        let (info, fine) = (NodeSystemInfo::default(), RuntimeStatus::default());
        let inputs = Inputs { config: &config, info: &info, runtime: Ok(&fine), images: &[], old: &[], now: at(0) };
        let told: Vec<String> =
            status(&inputs).addresses.into_iter().flatten().map(|a| format!("{}={}", a.type_, a.address)).collect();
        assert_eq!(told, ["InternalIP=192.0.2.1", "InternalIP=2001:db8::1", "Hostname=n1"]);
        assert_eq!(status(&inputs).images, None);
    }
}
