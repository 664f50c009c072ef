//! Conversions of objects as an API server gives them.

use super::*;
use crate::{Effect, Resources};
use k8s_openapi::api::core::v1 as api;

fn parse<T: serde::de::DeserializeOwned>(json: serde_json::Value) -> T {
    serde_json::from_value(json).unwrap()
}

#[track_caller]
fn check_requests(spec: serde_json::Value, expected: Resources) {
    assert_eq!(pod_requests(&parse(spec)), expected);
}

fn container(name: &str, cpu: &str) -> serde_json::Value {
    serde_json::json!({"name": name, "resources": {"requests": {"cpu": cpu}}})
}

#[test]
fn requests_are_the_most_that_is_needed_at_one_time() {
    let cpu = |milli| Resources::new(milli, 0, 0);
    let sidecar = |cpu: &str| {
        let mut sidecar = container("s", cpu);
        sidecar["restartPolicy"] = "Always".into();
        sidecar
    };
    check_requests(serde_json::json!({"containers": [container("a", "100m"), container("b", "1")]}), cpu(1100));
    check_requests(
        serde_json::json!({"containers": [container("a", "1")], "initContainers": [container("i", "3")]}),
        cpu(3000),
    );
    check_requests(
        serde_json::json!({"containers": [container("a", "1")], "initContainers": [sidecar("500m"), container("i", "2")]}),
        cpu(2500),
    );
    check_requests(
        serde_json::json!({"containers": [container("a", "2")], "initContainers": [container("i", "1"), sidecar("500m")]}),
        cpu(2500),
    );
    check_requests(serde_json::json!({"containers": [container("a", "1")], "overhead": {"cpu": "250m"}}), cpu(1250));
    check_requests(
        serde_json::json!({"containers": [container("a", "1")], "resources": {"requests": {"cpu": "4"}}}),
        cpu(4000),
    );
    check_requests(serde_json::json!({"containers": [container("a", "not a quantity")]}), cpu(0));
}

#[test]
fn a_node_shows_what_pods_may_use_of_it() {
    let object: api::Node = parse(serde_json::json!({
        "metadata": {"name": "n", "labels": {"zone": "x"}},
        "spec": {"unschedulable": true, "taints": [{"key": "k", "effect": "NoExecute"}, {"key": "k", "effect": "Strange"}]},
        "status": {
            "allocatable": {"cpu": "3900m", "memory": "8Gi", "pods": "110", "nvidia.com/gpu": "2"},
            "images": [{"names": ["nginx"], "sizeBytes": 5}],
        },
    }));
    let node = node(&object);
    assert_eq!(node.allocatable, Resources::new(3900, 8 << 30, 110).with_scalar("nvidia.com/gpu", 2));
    assert_eq!((node.taints.len(), node.taints[0].effect), (1, Effect::NoExecute));
    assert!(node.unschedulable);
    assert_eq!(node.images, [("nginx:latest".to_owned(), 5)]);
}

#[test]
fn a_pod_shows_what_it_asks_for() {
    let object: api::Pod = parse(serde_json::json!({
        "metadata": {"name": "p", "namespace": "ns", "uid": "u", "labels": {"app": "web", "hash": "1"}},
        "spec": {
            "containers": [{"name": "c", "image": "registry:5000/nginx", "ports": [{"containerPort": 80, "hostPort": 8080}, {"containerPort": 1}]}],
            "tolerations": [{"operator": "Exists"}, {"key": "k", "value": "v", "effect": "NoSchedule"}],
            "topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule",
                "labelSelector": {"matchLabels": {"app": "web"}}, "matchLabelKeys": ["hash", "absent"]}],
            "affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [
                {"topologyKey": "zone", "labelSelector": {"matchExpressions": [{"key": "app", "operator": "Exists"}]}}]}},
            "schedulingGates": [{"name": "g"}],
        },
    }));
    let pod = pod(&object);
    assert_eq!(pod.host_ports.len(), 1);
    assert_eq!(pod.tolerations[0], crate::Toleration::default());
    assert!(pod.spread[0].selector.matches(&crate::Labels::new([("app", "web"), ("hash", "1")])));
    assert!(!pod.spread[0].selector.matches(&crate::Labels::new([("app", "web"), ("hash", "2")])));
    assert_eq!(pod.anti_affinity[0].namespaces.names, ["ns"]);
    assert_eq!(pod.images, ["registry:5000/nginx:latest"]);
    assert_eq!(pod.gates, ["g"]);
    assert_eq!((pod.requests.cpu_milli, pod.assumed.cpu_milli), (0, 100));
}

#[test]
fn tolerations_that_tolerate_nothing_are_left_out() {
    let of = |toleration: serde_json::Value| {
        pod(&parse(serde_json::json!({"spec": {"containers": [], "tolerations": [toleration]}}))).tolerations
    };
    use crate::TolerationOperator::{Equal, Exists, Gt};
    let first = |toleration| of(toleration).first().map(|t| (t.operator.clone(), t.effect));
    assert_eq!(first(serde_json::json!({"operator": "Exists"})), Some((Exists, None)));
    assert_eq!(first(serde_json::json!({"key": "k"})), Some((Equal(String::new()), None)));
    assert_eq!(
        first(serde_json::json!({"key": "k", "operator": "Gt", "value": "5", "effect": "NoSchedule"})),
        Some((Gt(5), Some(Effect::NoSchedule))),
    );
    assert_eq!(first(serde_json::json!({"key": "k", "operator": "Lt", "value": "05"})), None);
    assert_eq!(first(serde_json::json!({"key": "k", "operator": "Near", "value": "5"})), None);
    assert_eq!(first(serde_json::json!({"key": "k", "effect": "Strange"})), None);
}

#[test]
fn a_pod_shows_its_volumes_claims_owner_and_group() {
    use crate::PodResourceClaim::{Made, Named, None as Nothing, NotMade};
    use crate::storage::{DiskKind, PodVolume};
    let object: api::Pod = parse(serde_json::json!({
        "metadata": {"name": "p", "namespace": "ns", "uid": "u", "ownerReferences": [
            {"apiVersion": "v1", "kind": "Other", "name": "o", "uid": "1"},
            {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "rs", "uid": "2", "controller": true}]},
        "spec": {
            "containers": [{"name": "c", "image": "i"}],
            "volumes": [
                {"name": "a", "persistentVolumeClaim": {"claimName": "data"}},
                {"name": "b", "ephemeral": {}},
                {"name": "c", "awsElasticBlockStore": {"volumeID": "vol", "readOnly": true}},
                {"name": "d", "rbd": {"monitors": ["m"], "image": "i"}},
                {"name": "e", "image": {"reference": "model"}},
                {"name": "f", "emptyDir": {}}],
            "resourceClaims": [
                {"name": "w", "resourceClaimName": "own"},
                {"name": "x", "resourceClaimTemplateName": "t"},
                {"name": "y", "resourceClaimTemplateName": "t"},
                {"name": "z", "resourceClaimTemplateName": "t"}],
            "schedulingGroup": {"podGroupName": "g"}},
        "status": {
            "resourceClaimStatuses": [{"name": "x", "resourceClaimName": "p-x"}, {"name": "y"}],
            "conditions": [{"type": "DisruptionTarget", "status": "True", "reason": "PreemptionByScheduler"}]},
    }));
    let pod = pod(&object);
    let claim = |name: &str, ephemeral| PodVolume::Claim { name: name.into(), ephemeral };
    assert_eq!(pod.volumes[..2], [claim("data", false), claim("p-b", true)]);
    let disks = |volume: &PodVolume| match volume {
        PodVolume::Disk(disk) => (disk.kind, disk.id.clone(), disk.read_only),
        PodVolume::Claim { .. } => panic!("a disk"),
    };
    assert_eq!(disks(&pod.volumes[2]), (DiskKind::Aws, "vol".to_owned(), true));
    assert_eq!(disks(&pod.volumes[3]), (DiskKind::Rbd, "rbd/i".to_owned(), false));
    assert_eq!(pod.volumes.len(), 4);
    assert_eq!((pod.images.len(), pod.containers), (2, 2));
    assert_eq!(pod.resource_claims, [Named("own".into()), Made("p-x".into()), Nothing, NotMade]);
    assert_eq!(pod.owner.unwrap().key(), "ReplicaSet/rs");
    assert_eq!((pod.group.as_deref(), pod.preempted), (Some("g"), true));
}

#[test]
fn storage_shows_what_binding_needs() {
    use crate::storage::{AccessModes, Source};
    let claim = claim(&parse(serde_json::json!({
        "metadata": {"namespace": "ns", "name": "c", "uid": "u", "annotations": {
            "pv.kubernetes.io/bind-completed": "yes", "volume.kubernetes.io/selected-node": "n"}},
        "spec": {"storageClassName": "fast", "volumeName": "v", "accessModes": ["ReadWriteOncePod"], "volumeMode": "Block",
            "resources": {"requests": {"storage": "1Gi"}}},
        "status": {"phase": "Lost"},
    })));
    assert_eq!((&*claim.class, claim.volume.as_deref(), claim.bound, claim.lost), ("fast", Some("v"), true, true));
    assert_eq!((claim.request_bytes, claim.access_modes, claim.block), (1 << 30, AccessModes::ONCE_POD, true));
    assert_eq!((claim.selected_node.as_deref(), &claim.selector), (Some("n"), &None));
    let volume_of = |phase: &str| {
        volume(&parse(serde_json::json!({
            "metadata": {"name": "v", "labels": {"topology.kubernetes.io/zone": "x"}},
            "spec": {"storageClassName": "fast", "capacity": {"storage": "2Gi"}, "accessModes": ["ReadWriteOnce"],
                "csi": {"driver": "d", "volumeHandle": "h"}, "claimRef": {"namespace": "ns", "name": "c"}},
            "status": {"phase": phase},
        })))
    };
    let volume = volume_of("Available");
    assert_eq!(volume.source, Source::Csi { driver: "d".into(), handle: "h".into() });
    assert!(volume.promised_to(&claim));
    assert!(volume.available && !volume_of("Released").available);
    let class = storage_class(&parse(serde_json::json!({
        "metadata": {"name": "fast"}, "provisioner": "d", "volumeBindingMode": "WaitForFirstConsumer",
        "allowedTopologies": [{"matchLabelExpressions": [{"key": "zone", "values": ["x"]}]}],
    })));
    assert!(class.wait_for_first_consumer);
    assert!(class.allowed_topologies.matches(&crate::Labels::new([("zone", "x")]), "n"));
    let node = csi_node(&parse(serde_json::json!({
        "metadata": {"name": "n"}, "spec": {"drivers": [
            {"name": "d", "nodeID": "i", "allocatable": {"count": 5}}, {"name": "e", "nodeID": "i"}]},
    })));
    assert_eq!(node.drivers, [("d".into(), Some(5)), ("e".into(), None)]);
}

#[test]
fn budgets_services_and_groups() {
    let budget = budget(&parse(serde_json::json!({
        "metadata": {"namespace": "ns", "name": "b"}, "spec": {"selector": {"matchLabels": {"app": "db"}}},
        "status": {"disruptionsAllowed": 1, "currentHealthy": 1, "desiredHealthy": 1, "expectedPods": 1,
            "disruptedPods": {"gone": "2026-01-01T00:00:00Z"}},
    })));
    let labels = crate::Labels::new([("app", "db")]);
    assert_eq!(budget.disruptions_allowed, 1);
    assert!(budget.protects("ns", "db-0", &labels) && !budget.protects("ns", "gone", &labels));
    let headless = service(&parse(serde_json::json!({"metadata": {"name": "s"}, "spec": {}})));
    assert_eq!(headless.selector, crate::Selector::Nothing);
    let gang = |spec: serde_json::Value| {
        let group = pod_group(&parse(serde_json::json!({"metadata": {"name": "g"}, "spec": spec})));
        (group.min_count, group.topology_key.as_deref().map(str::to_owned))
    };
    assert_eq!(gang(serde_json::json!({"schedulingPolicy": {"gang": {"minCount": 4}}})), (Some(4), None));
    let together = serde_json::json!({"schedulingPolicy": {"basic": {}}, "schedulingConstraints": {"topology": [{"key": "rack"}]}});
    assert_eq!(gang(together), (None, Some("rack".to_owned())));
}

#[test]
fn devices_and_claims_on_them() {
    use crate::dra::{Attribute, DeviceAmount, NodeScope};
    let slice = resource_slice(&parse(serde_json::json!({
        "metadata": {"name": "s"},
        "spec": {"driver": "gpu.example.com", "nodeName": "n", "pool": {"name": "p", "generation": 3, "resourceSliceCount": 2},
            "devices": [{"name": "d",
                "attributes": {"model": {"string": "x"}, "other.example.com/index": {"int": 1}},
                "capacity": {"memory": {"value": "40Gi"}},
                "taints": [{"key": "k", "effect": "NoSchedule"}, {"key": "k", "effect": "Strange"}]}]},
    })));
    assert_eq!((slice.scope, slice.generation, slice.slices_in_pool), (NodeScope::Node("n".into()), 3, 2));
    let device = &slice.devices[0];
    assert_eq!(device.attributes.get("gpu.example.com/model"), Some(&Attribute::Text("x".into())));
    assert_eq!(device.attributes.get("other.example.com/index"), Some(&Attribute::Int(1)));
    assert_eq!(device.capacity.get("gpu.example.com/memory"), Some(&(40 << 30).into()));
    assert_eq!(device.taints.len(), 1);
    let claim = resource_claim(&parse(serde_json::json!({
        "metadata": {"namespace": "ns", "name": "c", "uid": "u"},
        "spec": {"devices": {
            "requests": [
                {"name": "a", "exactly": {"deviceClassName": "gpu", "allocationMode": "All", "adminAccess": true}},
                {"name": "b", "firstAvailable": [{"name": "x", "deviceClassName": "big", "count": 2}, {"name": "y", "deviceClassName": "gpu"}]}],
            "constraints": [{"requests": ["a", "b"], "matchAttribute": "gpu.example.com/parent"}]}},
        "status": {"reservedFor": [{"resource": "pods", "name": "p", "uid": "pu"}]},
    })));
    let [all, first] = &claim.requests[..] else { panic!("two requests") };
    assert_eq!((all.alternatives[0].amount, all.alternatives[0].admin_access), (DeviceAmount::All, true));
    assert_eq!(
        first.alternatives.iter().map(|a| (&*a.name, a.amount)).collect::<Vec<_>>(),
        [("x", DeviceAmount::Exactly(2)), ("y", DeviceAmount::Exactly(1))]
    );
    assert_eq!((claim.constraints.len(), claim.allocation, claim.reserved_for.len()), (1, None, 1));
}

#[test]
fn devices_that_are_shared() {
    use crate::dra::{Amount, Capacity, ConstraintRule, RequestPolicy, ValidAmounts};
    let slice = resource_slice(&parse(serde_json::json!({
        "metadata": {"name": "s"},
        "spec": {"driver": "nic.example.com", "nodeName": "n", "pool": {"name": "p", "generation": 1, "resourceSliceCount": 1},
            "devices": [{"name": "d", "allowMultipleAllocations": true, "capacity": {
                "a": {"value": "1500m"},
                "b": {"value": "10Gi", "requestPolicy": {"default": "1Gi", "validRange": {"min": "1Gi", "step": "1Gi"}}},
                "other.example.com/c": {"value": "4", "requestPolicy": {"default": "1", "validValues": ["1", "2"]}}}}]},
    })));
    let device = &slice.devices[0];
    let (one, gi) = (Amount::units(1), Amount::units(1 << 30));
    let range = ValidAmounts::Range { min: gi, max: None, step: Some(gi) };
    let values = ValidAmounts::Values(vec![one, Amount::units(2)]);
    let policy = |default, valid| Some(RequestPolicy { default: Some(default), valid });
    let expected = [
        ("nic.example.com/a", Capacity { value: Amount::nanos(1_500_000_000), policy: None }),
        ("nic.example.com/b", Capacity { value: Amount::units(10 << 30), policy: policy(gi, range) }),
        ("other.example.com/c", Capacity { value: Amount::units(4), policy: policy(one, values) }),
    ];
    assert!(device.shared);
    assert_eq!(device.capacity, expected.map(|(name, capacity)| (name.to_owned(), capacity)).into());
    let claim = resource_claim(&parse(serde_json::json!({
        "metadata": {"namespace": "ns", "name": "c", "uid": "u"},
        "spec": {"devices": {
            "requests": [{"name": "a", "exactly": {"deviceClassName": "nic", "capacity": {"requests": {"b": "2Gi"}}}}],
            "constraints": [{"distinctAttribute": "nic.example.com/card"}, {"requests": ["a"]}]}},
        "status": {"allocation": {"devices": {"results": [
            {"request": "a", "driver": "nic.example.com", "pool": "p", "device": "d", "shareID": "x", "consumedCapacity": {"b": "2Gi"}},
            {"request": "a", "driver": "nic.example.com", "pool": "p", "device": "e"}]}}},
    })));
    assert_eq!(claim.requests[0].alternatives[0].capacity, [("b".to_owned(), Amount::units(2 << 30))].into());
    let rules: Vec<_> = claim.constraints.into_iter().map(|constraint| constraint.rule).collect();
    assert_eq!(rules, [ConstraintRule::Distinct("nic.example.com/card".into()), ConstraintRule::Unknown]);
    let consumed: Vec<_> = claim.allocation.unwrap().results.into_iter().map(|result| result.consumed).collect();
    assert_eq!(consumed, [Some([("nic.example.com/b".to_owned(), Amount::units(2 << 30))].into()), None]);
}

/// What becomes of a toleration of this form; `None` where it tolerates nothing.
#[track_caller]
fn check_toleration(_source: &str, toleration: serde_json::Value, expected: Option<&str>) {
    let request = serde_json::json!({"name": "a", "exactly": {"deviceClassName": "gpu", "tolerations": [toleration]}});
    let claim = resource_claim(&parse(serde_json::json!({
        "metadata": {"name": "c"}, "spec": {"devices": {"requests": [request]}},
    })));
    let any = |text: &Option<String>| text.clone().unwrap_or_else(|| "*".to_owned());
    let told = claim.requests[0].alternatives[0].tolerations.first().map(|toleration| {
        let effect = toleration.effect.map_or_else(|| "*".to_owned(), |effect| format!("{effect:?}"));
        format!("{}={}:{effect}", any(&toleration.key), any(&toleration.value))
    });
    assert_eq!(told.as_deref(), expected);
}

#[test]
fn tolerations_of_devices() {
    let json = |text: &str| serde_json::from_str(text).unwrap();
    check_toleration("API: Equal is the default", json(r#"{"key": "k", "value": "v"}"#), Some("k=v:*"));
    check_toleration("API: Equal", json(r#"{"key": "k", "operator": "Equal"}"#), Some("k=:*"));
    check_toleration("API: Exists", json(r#"{"key": "k", "operator": "Exists"}"#), Some("k=*:*"));
    check_toleration("API: every key", json(r#"{"operator": "Exists"}"#), Some("*=*:*"));
    let executing = json(r#"{"key": "k", "operator": "Exists", "effect": "NoExecute"}"#);
    check_toleration("API: an effect", executing, Some("k=*:NoExecute"));
    check_toleration("API: every effect", json(r#"{"operator": "Exists", "effect": ""}"#), Some("*=*:*"));
    check_toleration("of a later version: an operator", json(r#"{"key": "k", "operator": "Gt", "value": "1"}"#), None);
    check_toleration("of a later version: an effect", json(r#"{"operator": "Exists", "effect": "NoTouch"}"#), None);
}

#[cfg(feature = "driver")]
#[test]
fn amounts_as_quantities() {
    use crate::dra::Amount;
    let told = [0, 500_000_000, 3_000_000_000, 1_073_741_824_000_000_000].map(|nanos| quantity(Amount::nanos(nanos)));
    assert_eq!(told, ["0", "500m", "3", "1Gi"]);
}
