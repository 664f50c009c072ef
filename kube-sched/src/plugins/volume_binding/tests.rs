//! VolumeBinding. Sources: "Persistent Volumes" and "Storage Classes" (volume binding mode) of the documentation, KEP-1472
//! (storage capacity), KEP-1698 (generic ephemeral volumes), kube-scheduler's `volumebinding`.

use super::*;
use crate::model::{Labels, NodeSelector, NodeSelectorTerm, Operator, Selector};
use crate::plugins::testing::{GIB, cluster, node, requirement, verdict, zoned};
use crate::storage::{AccessModes, Capacity, ClaimRef, CsiDriver};

const NODE: &str = "Unresolvable: node(s) didn't match PersistentVolume's node affinity";
const BIND: &str = "Unresolvable: node(s) didn't find available persistent volumes to bind";
const SPACE: &str = "Unresolvable: node(s) did not have enough free storage";

/// Class `local` has volumes made by hand, `fast` is provisioned; both wait. Class `now` does not.
fn cluster_with(claims: Vec<Claim>, volumes: Vec<Volume>) -> Cluster {
    let mut state = cluster([zoned("a", "x"), zoned("b", "y")], []);
    let inventory = state.inventory_mut();
    inventory.storage_classes.set(StorageClass::waiting("local", StorageClass::NO_PROVISIONER));
    inventory.storage_classes.set(StorageClass::waiting("fast", "csi.example.com"));
    inventory
        .storage_classes
        .set(StorageClass { wait_for_first_consumer: false, ..StorageClass::waiting("now", "csi.example.com") });
    claims.into_iter().for_each(|claim| inventory.claims.set(claim));
    volumes.into_iter().for_each(|volume| inventory.volumes.set(volume));
    state
}

fn claim(name: &str, class: &str, gib: i64) -> Claim {
    Claim::new("default", name, class, gib * GIB)
}

fn volume(name: &str, class: &str, gib: i64) -> Volume {
    Volume::new(name, class, gib * GIB)
}

fn zone(zone: &str) -> NodeSelector {
    NodeSelector(vec![NodeSelectorTerm { labels: vec![requirement("zone", Operator::In, &[zone])], names: vec![] }])
}

fn at(volume: Volume, to: &str) -> Volume {
    Volume { node_affinity: Some(zone(to)), ..volume }
}

fn using(names: &[&str]) -> Pod {
    let volume = |pod: Pod, name: &&str| pod.volume(PodVolume::Claim { name: (*name).into(), ephemeral: false });
    names.iter().fold(Pod::new("p"), volume)
}

#[track_caller]
fn check(_source: &str, claims: Vec<Claim>, volumes: Vec<Volume>, expected: &str) {
    let names: Vec<String> = claims.iter().map(|claim| claim.name.to_string()).collect();
    let state = cluster_with(claims, volumes);
    let pod = using(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let expected = expected.replace("NODE", NODE).replace("BIND", BIND).replace("SPACE", SPACE);
    assert_eq!(verdict(&VolumeBinding, &state, &pod), expected);
}

#[test]
fn bound_and_immediate_claims() {
    check("a pod without claims", vec![], vec![], "skip");
    check(
        "docs: a bound volume that all nodes reach",
        vec![claim("c", "fast", 1).bound_to("v")],
        vec![volume("v", "fast", 1)],
        "a b",
    );
    check(
        "docs: node affinity of a volume",
        vec![claim("c", "local", 1).bound_to("v")],
        vec![at(volume("v", "local", 1), "y")],
        "b | NODE",
    );
    check(
        "docs: two volumes in two zones",
        vec![claim("c", "local", 1).bound_to("v"), claim("d", "local", 1).bound_to("w")],
        vec![at(volume("v", "local", 1), "x"), at(volume("w", "local", 1), "y")],
        "| NODE",
    );
    check(
        "binder.go: the volume is gone",
        vec![claim("c", "fast", 1).bound_to("v")],
        vec![],
        "| Unresolvable: node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)",
    );
    let unbound = "| Unresolvable: pod has unbound immediate PersistentVolumeClaims";
    check("docs: Immediate", vec![claim("c", "now", 1)], vec![], unbound);
    check("docs: no class", vec![claim("c", "", 1)], vec![], unbound);
    check("docs: a class that does not exist", vec![claim("c", "unknown", 1)], vec![], unbound);
    check(
        "docs: bound by name, not complete",
        vec![Claim { volume: Some("v".into()), ..claim("c", "fast", 1) }],
        vec![volume("v", "fast", 1)],
        unbound,
    );
}

#[test]
fn waiting_claims() {
    let local = || claim("c", "local", 10);
    check("docs: local volumes: none", vec![local()], vec![], "| BIND");
    check("docs: local volumes: on one node", vec![local()], vec![at(volume("v", "local", 10), "x")], "a | BIND");
    check("docs: too small", vec![local()], vec![volume("v", "local", 9)], "| BIND");
    check("docs: another class", vec![local()], vec![volume("v", "fast", 10)], "| BIND");
    check(
        "docs: raw block for a file system",
        vec![local()],
        vec![Volume { block: true, ..volume("v", "local", 10) }],
        "| BIND",
    );
    check(
        "docs: an access mode that the volume has not",
        vec![Claim { access_modes: AccessModes::ONCE_POD, ..local() }],
        vec![volume("v", "local", 10)],
        "| BIND",
    );
    check(
        "docs: a selector",
        vec![Claim { selector: Some(Selector::labels([("kind", "ssd")])), ..local() }],
        vec![
            volume("v", "local", 10),
            at(Volume { labels: Labels::new([("kind", "ssd")]), ..volume("w", "local", 10) }, "y"),
        ],
        "b | BIND",
    );
    let promised = |name: &str, uid: Option<&str>| {
        let to = ClaimRef { namespace: "default".into(), name: name.into(), uid: uid.map(Into::into) };
        Volume { claim: Some(to), ..volume("v", "local", 10) }
    };
    check("docs: reserved for another claim", vec![local()], vec![promised("other", None)], "| BIND");
    check(
        "docs: reserved for this one",
        vec![local()],
        vec![promised("c", None), at(volume("w", "local", 10), "x")],
        "a b",
    );
    check("docs: for an earlier one of its name", vec![local()], vec![promised("c", Some("old"))], "| BIND");
    check(
        "docs: released volumes are not taken",
        vec![local()],
        vec![Volume { available: false, ..volume("v", "local", 10) }],
        "| BIND",
    );
    check(
        "binder.go: two claims need two volumes",
        vec![local(), claim("d", "local", 1)],
        vec![volume("v", "local", 10)],
        "| BIND",
    );
    check(
        "binder.go: the smaller claim chooses first",
        vec![local(), claim("d", "local", 1)],
        vec![volume("v", "local", 10), volume("w", "local", 2)],
        "a b",
    );
    check("docs: provisioned where the pod goes", vec![claim("c", "fast", 1)], vec![], "a b");
    check(
        "docs: a node was selected already",
        vec![Claim { selected_node: Some("b".into()), ..claim("c", "fast", 1) }],
        vec![],
        "b | BIND",
    );
}

#[track_caller]
fn check_capacity(_source: &str, opted_in: bool, capacities: Vec<Capacity>, expected: &str) {
    let mut state = cluster_with(vec![claim("c", "fast", 10)], vec![]);
    state.inventory_mut().csi_drivers.set(CsiDriver { name: "csi.example.com".into(), storage_capacity: opted_in });
    capacities.into_iter().for_each(|capacity| state.inventory_mut().capacities.set(capacity));
    assert_eq!(verdict(&VolumeBinding, &state, &using(&["c"])), expected.replace("SPACE", SPACE));
}

#[test]
fn capacities() {
    let here = |gib: Option<i64>, zone: &str| Capacity {
        namespace: "default".into(),
        name: zone.into(),
        class: "fast".into(),
        topology: Selector::labels([("zone", zone)]),
        capacity_bytes: gib.map(|gib| gib * GIB),
        maximum_volume_bytes: None,
    };
    check_capacity("KEP-1472: drivers that do not opt in", false, vec![], "a b");
    check_capacity("KEP-1472: nothing published: no room", true, vec![], "| SPACE");
    check_capacity("KEP-1472: room in one zone", true, vec![here(Some(10), "x"), here(Some(9), "y")], "a | SPACE");
    check_capacity("KEP-1472: an unset capacity is none", true, vec![here(None, "x")], "| SPACE");
    check_capacity(
        "KEP-1472: the largest volume decides where it is given",
        true,
        vec![Capacity { maximum_volume_bytes: Some(GIB), ..here(Some(100), "x") }],
        "| SPACE",
    );
    check_capacity(
        "KEP-1472: another class",
        true,
        vec![Capacity { class: "slow".into(), ..here(Some(100), "x") }],
        "| SPACE",
    );
    check_capacity(
        "KEP-1472: without topology no node has access",
        true,
        vec![Capacity { topology: Selector::Nothing, ..here(Some(100), "x") }],
        "| SPACE",
    );
}

#[track_caller]
fn check_claim(_source: &str, claim: Option<Claim>, ephemeral: bool, expected: &str) {
    let state = cluster_with(claim.into_iter().collect(), vec![volume("v", "fast", 1)]);
    let pod = Pod::new("p").volume(PodVolume::Claim { name: "c".into(), ephemeral });
    assert_eq!(verdict(&VolumeBinding, &state, &pod), expected);
}

#[test]
fn claims_that_cannot_be_used() {
    let bound = || claim("c", "fast", 1).bound_to("v");
    check_claim("no such claim", None, false, "| Unresolvable: persistentvolumeclaim \"c\" not found");
    check_claim(
        "KEP-1698: not made yet",
        None,
        true,
        "| Unresolvable: waiting for ephemeral volume controller to create the persistentvolumeclaim \"c\"",
    );
    check_claim(
        "KEP-1698: made for another pod",
        Some(bound()),
        true,
        "| Unresolvable: PVC default/c was not created for pod default/p (pod is not owner)",
    );
    check_claim("KEP-1698: made for this pod", Some(Claim { owner: Some("p".into()), ..bound() }), true, "a b");
    check_claim(
        "docs: phase Lost",
        Some(Claim { lost: true, ..bound() }),
        false,
        "| Unresolvable: persistentvolumeclaim \"c\" bound to non-existent persistentvolume \"v\"",
    );
    check_claim(
        "docs: storage object in use protection",
        Some(Claim { deleting: true, ..bound() }),
        false,
        "| Unresolvable: persistentvolumeclaim \"c\" is being deleted",
    );
}

#[test]
fn what_is_bound_comes_out_as_changes_that_the_next_decision_sees() {
    let mut state = cluster_with(
        vec![claim("c", "local", 5), claim("d", "fast", 1), claim("e", "local", 5)],
        vec![volume("big", "local", 20), volume("small", "local", 6)],
    );
    let changes = VolumeBinding.changes(&state, &using(&["c", "d"]), "a").unwrap();
    let bind = |volume: &str, claim: &str| Change::BindVolume {
        volume: volume.into(),
        namespace: "default".into(),
        claim: claim.into(),
    };
    let select = Change::SelectNode { namespace: "default".into(), claim: "d".into(), node: "a".into() };
    assert_eq!(changes, [select, bind("small", "c")]);
    changes.iter().for_each(|change| state.inventory_mut().apply(change));
    assert_eq!(VolumeBinding.changes(&state, &using(&["e"]), "b").unwrap(), [bind("big", "e")]);
    assert_eq!(verdict(&VolumeBinding, &state, &using(&["d"])), format!("a | {BIND}"));
    changes.iter().for_each(|change| state.inventory_mut().revert(change));
    assert_eq!(VolumeBinding.changes(&state, &using(&["e"]), "b").unwrap(), [bind("small", "e")]);
    assert_eq!(VolumeBinding.changes(&state, &Pod::new("none"), "a").unwrap(), []);
}

#[test]
fn allowed_topologies_bound_where_volumes_are_provisioned() {
    let mut state = cluster_with(vec![claim("c", "fast", 1)], vec![]);
    let class = StorageClass { allowed_topologies: zone("y"), ..StorageClass::waiting("fast", "csi.example.com") };
    state.inventory_mut().storage_classes.set(class);
    assert_eq!(verdict(&VolumeBinding, &state, &using(&["c"])), format!("b | {BIND}"));
    state.add_node(node("c"));
    assert_eq!(verdict(&VolumeBinding, &state, &using(&["c"])), format!("b | {BIND}"));
}
