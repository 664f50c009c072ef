//! VolumeZone. Sources: "Running in multiple zones" of the documentation, the well-known labels, kube-scheduler's
//! `volumezone`.

use super::*;
use crate::model::Node;
use crate::plugins::testing::{cluster, node, verdict};
use crate::storage::{Claim, StorageClass, Volume};

const ZONE: &str = "topology.kubernetes.io/zone";
const REGION: &str = "topology.kubernetes.io/region";
const OLD_ZONE: &str = "failure-domain.beta.kubernetes.io/zone";
const NO: &str = "Unresolvable: node(s) had no available volume zone";

/// `a` in zone x of region r, `b` in zone y of region r, `c` with the old label of zone x, `d` nowhere.
fn nodes() -> [Node; 4] {
    [
        node("a").label(ZONE, "x").label(REGION, "r"),
        node("b").label(ZONE, "y").label(REGION, "r"),
        node("c").label(OLD_ZONE, "x"),
        node("d"),
    ]
}

fn verdict_of(claim: Option<Claim>, labels: &[(&str, &str)]) -> String {
    let mut state = cluster(nodes(), []);
    let inventory = state.inventory_mut();
    claim.into_iter().for_each(|claim| inventory.claims.set(claim));
    inventory.volumes.set(Volume { labels: Labels::new(labels.iter().copied()), ..Volume::new("v", "fast", 1) });
    inventory.storage_classes.set(StorageClass::waiting("fast", "csi"));
    inventory
        .storage_classes
        .set(StorageClass { wait_for_first_consumer: false, ..StorageClass::waiting("now", "csi") });
    let pod = Pod::new("p").volume(PodVolume::Claim { name: "c".into(), ephemeral: false });
    verdict(&VolumeZone, &state, &pod)
}

/// A claim bound to a volume with these labels.
#[track_caller]
fn check(_source: &str, labels: &[(&str, &str)], expected: &str) {
    let claim = Claim::new("default", "c", "fast", 1).bound_to("v");
    assert_eq!(verdict_of(Some(claim), labels), expected.replace("NO", NO));
}

#[test]
fn zones() {
    check("a volume without labels is everywhere", &[], "skip");
    check("docs: the volume's zone", &[(ZONE, "x")], "a c d | NO");
    check("docs: another zone", &[(ZONE, "y")], "b d | NO");
    check("docs: a zone without nodes", &[(ZONE, "z")], "d | NO");
    check("docs: the region; a node with a zone alone is in none", &[(REGION, "r")], "a b d | NO");
    check("docs: both must hold", &[(ZONE, "x"), (REGION, "r")], "a d | NO");
    check("docs: another region", &[(REGION, "s")], "d | NO");
    check("labels before 1.17 mean the same", &[(OLD_ZONE, "x")], "a c d | NO");
    check("volume_zone.go: a regional volume names its zones", &[(ZONE, "x__y")], "a b c d");
    check("volume_zone.go: with spaces", &[(ZONE, "z__ y")], "b d | NO");
    check("other labels do not matter", &[("zone", "x")], "skip");
    check("bad input: an empty zone is no node's", &[(ZONE, "")], "d | NO");
}

#[track_caller]
fn check_claim(_source: &str, claim: Option<Claim>, expected: &str) {
    assert_eq!(verdict_of(claim, &[(ZONE, "x")]), expected);
}

#[test]
fn claims() {
    let claim = |class: &str| Some(Claim::new("default", "c", class, 1));
    check_claim("no such claim", None, "| Unresolvable: persistentvolumeclaim \"c\" not found");
    check_claim("volume_zone.go: bound later", claim("fast"), "skip");
    check_claim("volume_zone.go: bound by now", claim("now"), "| Unresolvable: PersistentVolume had no name");
    check_claim(
        "volume_zone.go: neither volume nor class",
        claim(""),
        "| Unresolvable: PersistentVolumeClaim had no pv name and storageClass name",
    );
    check_claim(
        "volume_zone.go: no such class",
        claim("none"),
        "| Unresolvable: storageclass.storage.k8s.io \"none\" not found",
    );
    let gone = Claim::new("default", "c", "fast", 1).bound_to("w");
    check_claim("volume_zone.go: no such volume", Some(gone), "| Unresolvable: persistentvolume \"w\" not found");
}
