//! VolumeRestrictions. Sources: "Volumes" (gcePersistentDisk, awsElasticBlockStore, iscsi, rbd) and "Persistent Volumes"
//! (access modes) of the documentation, KEP-2485, kube-scheduler's `volumerestrictions`.

use super::*;
use crate::framework::PreFilter;
use crate::plugins::testing::{cluster, node, verdict};
use crate::storage::{AccessModes, Claim, DiskKind};
use DiskKind::{Aws, Gce, Iscsi, Rbd};

const DISK: &str = "Unschedulable: node(s) had no available disk";
const ONE_POD: &str =
    "Unschedulable: node has pod using PersistentVolumeClaim with the same name and ReadWriteOncePod access mode";

fn disk(kind: DiskKind, id: &str, read_only: bool) -> Disk {
    Disk { kind, id: id.to_owned(), monitors: Vec::new(), read_only }
}

fn ceph(monitors: &[&str], id: &str, read_only: bool) -> Disk {
    Disk { monitors: monitors.iter().map(|m| (*m).to_owned()).collect(), ..disk(Rbd, id, read_only) }
}

/// A pod on node `a` uses the first disk; a pod that wants the second comes.
#[track_caller]
fn check(_source: &str, used: Disk, wanted: Disk, expected: &str) {
    let with = |name: &str, disk| Pod::new(name).volume(PodVolume::Disk(disk));
    let state = cluster([node("a"), node("b")], [with("x", used).on("a")]);
    assert_eq!(verdict(&VolumeRestrictions, &state, &with("p", wanted)), expected.replace("DISK", DISK));
}

#[test]
fn disks() {
    check("docs: a GCE disk for writing", disk(Gce, "d", false), disk(Gce, "d", false), "b | DISK");
    check("docs: many read a GCE disk", disk(Gce, "d", true), disk(Gce, "d", true), "a b");
    check("docs: one writer is enough", disk(Gce, "d", true), disk(Gce, "d", false), "b | DISK");
    check("docs: another disk", disk(Gce, "d", false), disk(Gce, "e", false), "a b");
    check("docs: an EBS volume even for reading", disk(Aws, "d", true), disk(Aws, "d", true), "b | DISK");
    check("docs: an iSCSI target has one writer", disk(Iscsi, "iqn.x", false), disk(Iscsi, "iqn.x", true), "b | DISK");
    check("docs: and many readers", disk(Iscsi, "iqn.x", true), disk(Iscsi, "iqn.x", true), "a b");
    check(
        "docs: a Ceph image at a shared monitor",
        ceph(&["m", "n"], "rbd/i", false),
        ceph(&["n"], "rbd/i", false),
        "b | DISK",
    );
    check("docs: of another cluster", ceph(&["m"], "rbd/i", false), ceph(&["n"], "rbd/i", false), "a b");
    check("docs: of another pool", ceph(&["m"], "rbd/i", false), ceph(&["m"], "other/i", false), "a b");
    check("kinds are told apart", disk(Gce, "d", false), disk(Aws, "d", false), "a b");
}

/// A claim `c` with these modes, used by a pod of a namespace on node `a`.
#[track_caller]
fn check_claim(_source: &str, modes: AccessModes, user: &str, expected: &str) {
    let using = |name: &str| Pod::new(name).volume(PodVolume::Claim { name: "c".into(), ephemeral: false });
    let mut state = cluster([node("a"), node("b")], [using("x").in_namespace(user).on("a")]);
    for namespace in ["default", "other"] {
        state.inventory_mut().claims.set(Claim { access_modes: modes, ..Claim::new(namespace, "c", "fast", 1) });
    }
    assert_eq!(verdict(&VolumeRestrictions, &state, &using("p")), expected.replace("ONE", ONE_POD));
}

#[test]
fn claims_for_one_pod() {
    check_claim("KEP-2485: in use on another node too", AccessModes::ONCE_POD, "default", "| ONE");
    check_claim("KEP-2485: a claim of that name elsewhere", AccessModes::ONCE_POD, "other", "skip");
    check_claim("docs: ReadWriteOnce is not for one pod", AccessModes::ONCE, "default", "skip");
}

#[test]
fn preemption_frees_the_claim() {
    let using = |name: &str| Pod::new(name).volume(PodVolume::Claim { name: "c".into(), ephemeral: false });
    let mut state = cluster([node("a")], [using("x").on("a")]);
    assert_eq!(
        verdict(&VolumeRestrictions, &state, &using("p")),
        "| Unresolvable: persistentvolumeclaim \"c\" not found"
    );
    state
        .inventory_mut()
        .claims
        .set(Claim { access_modes: AccessModes::ONCE_POD, ..Claim::new("default", "c", "", 1) });
    let PreFilter::Run(mut in_use) = VolumeRestrictions.pre_filter(&state, &using("p")) else { panic!("it has a say") };
    let a = state.node("a").unwrap();
    VolumeRestrictions.remove_pod(&mut in_use, &using("p"), &a.pods()[0], a, &state);
    assert!(VolumeRestrictions.filter(&in_use, &using("p"), a).is_ok());
    VolumeRestrictions.add_pod(&mut in_use, &using("p"), &a.pods()[0], a, &state);
    assert!(VolumeRestrictions.filter(&in_use, &using("p"), a).is_err());
}
