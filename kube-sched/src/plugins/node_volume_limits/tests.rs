//! NodeVolumeLimits. Sources: "Node-specific Volume Limits" of the documentation, KEP-554, kube-scheduler's
//! `nodevolumelimits`.

use super::*;
use crate::plugins::testing::{cluster, node, verdict};
use crate::storage::{Attachment, Claim, CsiNode, PodVolume, StorageClass, Volume};

const NO: &str = "Unschedulable: node(s) exceed max volume count";
const DRIVER: &str = "csi.example.com";

fn using(name: &str, claims: &[&str]) -> Pod {
    let volume = |pod: Pod, claim: &&str| pod.volume(PodVolume::Claim { name: (*claim).into(), ephemeral: false });
    claims.iter().fold(Pod::new(name), volume)
}

/// Claims `c0…c4` are bound to volumes of the driver, `o` to one of another driver, `nfs` to one of none; `new` and `new2`
/// are not bound.
fn state(limit: Option<i64>, used: &[&str], attached: &[&str]) -> Cluster {
    let mut state = cluster([node("a")], [using("x", used).on("a")]);
    let inventory = state.inventory_mut();
    let mut bound = |claim: &str, source: Source| {
        let volume = format!("pv-{claim}");
        inventory.claims.set(Claim::new("default", claim, "fast", 1).bound_to(&volume));
        inventory.volumes.set(Volume { source, ..Volume::new(&volume, "fast", 1) });
    };
    let csi = |driver: &str, handle: &str| Source::Csi { driver: driver.into(), handle: handle.into() };
    for i in 0..5 {
        bound(&format!("c{i}"), csi(DRIVER, &format!("h{i}")));
    }
    bound("o", csi("other.example.com", "h0"));
    bound("nfs", Source::Other);
    for claim in ["new", "new2"] {
        inventory.claims.set(Claim::new("default", claim, "fast", 1));
    }
    inventory.storage_classes.set(StorageClass::waiting("fast", DRIVER));
    inventory.csi_nodes.set(CsiNode { name: "a".into(), drivers: vec![(DRIVER.into(), limit)] });
    for claim in attached {
        let volume = format!("pv-{claim}");
        let name = format!("va-{claim}");
        let attachment =
            Attachment { name: name.as_str().into(), attacher: DRIVER.into(), node: "a".into(), volume: volume.into() };
        inventory.attachments.set(attachment);
    }
    state
}

/// A node whose pod uses some claims and to which some volumes are attached besides; a pod with the wanted claims comes.
#[track_caller]
fn check(_source: &str, limit: Option<i64>, used: &[&str], attached: &[&str], wanted: &[&str], expected: &str) {
    let state = state(limit, used, attached);
    assert_eq!(verdict(&NodeVolumeLimits, &state, &using("p", wanted)), expected.replace("NO", NO));
}

#[test]
fn filter() {
    check("a pod without claims", Some(1), &["c0"], &[], &[], "skip");
    check("KEP-554: room for one more", Some(2), &["c0"], &[], &["c1"], "a");
    check("KEP-554: no room", Some(1), &["c0"], &[], &["c1"], "| NO");
    check("KEP-554: two at once", Some(2), &["c0"], &[], &["c1", "c2"], "| NO");
    check("KEP-554: a volume that two pods share counts once", Some(1), &["c0"], &[], &["c0"], "a");
    check("KEP-554: drivers without a limit", None, &["c0"], &[], &["c1"], "a");
    check("KEP-554: other drivers have limits of their own", Some(1), &["c0"], &[], &["o"], "a");
    check("csi.go: what no driver serves does not count", Some(0), &["c0"], &[], &["nfs"], "skip");
    check("csi.go: an unbound claim counts as its class's", Some(1), &["c0"], &[], &["new"], "| NO");
    check("csi.go: each of them", Some(2), &["c0"], &[], &["new", "new2"], "| NO");
    check("csi.go: a volume still attached counts", Some(2), &["c0"], &["c3"], &["c1"], "| NO");
    check("csi.go: once, if a pod uses it as well", Some(2), &["c0"], &["c0"], &["c1"], "a");
    check("csi.go: a full node takes what is attached there", Some(1), &[], &["c1"], &["c1"], "a");
    check("bad input: a limit of 0", Some(0), &[], &[], &["c1"], "| NO");
    check(
        "bad input: a claim that does not exist",
        Some(1),
        &[],
        &[],
        &["none"],
        "| Unresolvable: looking up PVC default/none: persistentvolumeclaim \"none\" not found",
    );
}

#[test]
fn a_node_of_which_no_driver_speaks_has_no_limits() {
    let mut state = state(Some(0), &[], &[]);
    state.inventory_mut().csi_nodes.remove("", "a");
    assert_eq!(verdict(&NodeVolumeLimits, &state, &using("p", &["c1"])), "a");
}
