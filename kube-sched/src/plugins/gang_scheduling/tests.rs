//! GangScheduling. Source: KEP-4671, "Workload API" and "Gang Scheduling" of the documentation, and kube-scheduler's texts.

use super::*;
use crate::framework::Profile;
use crate::inventory::PodGroup;
use crate::model::{Node, Resources};
use crate::plugins::testing::cluster;
use crate::storage::{Claim, PodVolume, StorageClass, Volume};

fn node(name: &str, cpu: i64) -> Node {
    Node::new(name, Resources::new(cpu, 1 << 30, 110))
}

fn pod(name: &str, cpu: i64) -> Pod {
    Pod::new(name).request(Resources::new(cpu, 0, 0)).in_group("g")
}

fn told(outcome: Result<Gang, GangError>) -> String {
    match outcome {
        Ok(gang) => {
            let members = gang.members.iter().map(|m| format!("{}={}", m.pod.name, m.placement.node));
            let left = gang.left.iter().map(|(pod, _)| format!("-{}", pod.name));
            members.chain(left).collect::<Vec<_>>().join(" ")
        }
        Err(GangError::NeedsPreemption { nominated, .. }) => {
            let told = |(pod, error): (Arc<Pod>, Box<FitError>)| {
                assert_eq!(error.to_string(), "pod group is waiting for preemption to complete");
                let nomination = error.nomination.unwrap();
                let victims: Vec<String> = nomination.victims.iter().map(|victim| victim.name.to_string()).collect();
                format!("{}->{}[{}]", pod.name, nomination.node, victims.join(" "))
            };
            nominated.into_iter().map(told).collect::<Vec<_>>().join(" ")
        }
        Err(error) => error.to_string(),
    }
}

/// Pods of these sizes on nodes of these sizes; `placed` of the group run already.
#[track_caller]
fn check(_source: &str, nodes: &[i64], pods: &[i64], min_count: usize, placed: usize, expected: &str) {
    let state = cluster(nodes.iter().enumerate().map(|(i, cpu)| node(&format!("n{i}"), *cpu)), []);
    let pods: Vec<Arc<Pod>> = pods.iter().enumerate().map(|(i, cpu)| Arc::new(pod(&format!("p{i}"), *cpu))).collect();
    let scheduler = Scheduler::new(Profile::default(), 0);
    assert_eq!(told(GangScheduling.place(&scheduler, &state, &pods, min_count, placed)), expected);
    assert!(state.nodes().all(|node| node.pods().is_empty()), "the cluster is as it was");
}

#[test]
fn all_or_nothing() {
    check("KEP-4671: all find a place", &[1000, 1000], &[1000, 1000], 2, 0, "p0=n1 p1=n0");
    check(
        "KEP-4671: one too few: nobody is placed",
        &[1000],
        &[1000, 1000],
        2,
        0,
        "minCount (2) cannot be satisfied: 1 scheduled, 0 remaining",
    );
    check(
        "KEP-4671: the search ends as soon as it is hopeless",
        &[1000],
        &[1000, 1000, 1000, 1000],
        4,
        0,
        "minCount (4) cannot be satisfied: 1 scheduled, 2 remaining",
    );
    check("KEP-4671: those beyond minCount take what is left", &[1000], &[500, 500, 500], 2, 0, "p0=n0 p1=n0 -p2");
    check("KEP-4671: pods that run already count", &[1000], &[1000], 3, 2, "p0=n0");
    check(
        "KEP-4671: and still too few",
        &[1000],
        &[1000],
        3,
        1,
        "minCount (3) cannot be satisfied: 2 scheduled, 0 remaining",
    );
    check("KEP-4671: the basic policy needs one", &[1000], &[500, 1000], 1, 0, "p0=n0 -p1");
    check(
        "KEP-4671: a large pod that fits nowhere",
        &[1000, 1000],
        &[2000, 500],
        2,
        0,
        "minCount (2) cannot be satisfied: 0 scheduled, 1 remaining",
    );
    check("no nodes", &[], &[1], 1, 0, "minCount (1) cannot be satisfied: 0 scheduled, 0 remaining");
    check(
        "bad input: fewer pods than needed",
        &[1000],
        &[1],
        2,
        0,
        "minCount (2) cannot be satisfied: 1 scheduled, 0 remaining",
    );
    check("bad input: no pods", &[1000], &[], 0, 0, "");
    check(
        "bad input: no pods of a gang",
        &[1000],
        &[],
        1,
        0,
        "minCount (1) cannot be satisfied: 0 scheduled, 0 remaining",
    );
}

#[track_caller]
fn check_waiting(_source: &str, group: Option<PodGroup>, pod: &Pod, known: usize, expected: &str) {
    let mut inventory = Inventory::default();
    group.into_iter().for_each(|group| inventory.groups.set(group));
    let said = match GangScheduling.pre_enqueue(&inventory, pod, known) {
        Ok(()) => "ready".to_owned(),
        Err(refusal) => format!("{:?}: {}", refusal.code, refusal.reasons.join(", ")),
    };
    assert_eq!(said, expected);
}

#[test]
fn a_gang_waits_for_its_pods() {
    let group =
        |min_count| Some(PodGroup { namespace: "default".into(), name: "g".into(), min_count, topology_key: None });
    let member = pod("p", 1);
    check_waiting("KEP-4671: a pod of no group", None, &Pod::new("p"), 1, "ready");
    check_waiting(
        "KEP-4671: the group is not there yet",
        None,
        &member,
        1,
        "Unresolvable: waiting for pod's pod group \"g\" to appear in scheduling queue",
    );
    check_waiting(
        "KEP-4671: too few",
        group(Some(3)),
        &member,
        2,
        "Unresolvable: waiting for minCount pods from a gang to appear in scheduling queue",
    );
    check_waiting("KEP-4671: enough", group(Some(3)), &member, 3, "ready");
    check_waiting("KEP-4671: the basic policy waits for nobody", group(None), &member, 1, "ready");
    check_waiting(
        "a group of another namespace is another group",
        group(None),
        &pod("p", 1).in_namespace("other"),
        1,
        "Unresolvable: waiting for pod's pod group \"g\" to appear in scheduling queue",
    );
}

#[test]
fn a_placed_gang_is_committed_with_what_it_changes() {
    let mut state = cluster([node("n0", 1000), node("n1", 1000)], []);
    let inventory = state.inventory_mut();
    inventory.storage_classes.set(StorageClass::waiting("local", StorageClass::NO_PROVISIONER));
    inventory.claims.set(Claim::new("default", "c0", "local", 1));
    inventory.claims.set(Claim::new("default", "c1", "local", 1));
    inventory.volumes.set(Volume::new("only", "local", 1));
    let with = |name: &str, claim: &str| {
        Arc::new(pod(name, 600).volume(PodVolume::Claim { name: claim.into(), ephemeral: false }))
    };
    let scheduler = Scheduler::new(Profile::default(), 0);
    let both = [with("p0", "c0"), with("p1", "c1")];
    // There is one volume for two claims.
    let error = GangScheduling.place(&scheduler, &state, &both, 2, 0).unwrap_err();
    assert_eq!(error.to_string(), "minCount (2) cannot be satisfied: 1 scheduled, 0 remaining");
    state.inventory_mut().volumes.set(Volume::new("other", "local", 1));
    let gang = GangScheduling.place(&scheduler, &state, &both, 2, 0).unwrap();
    let members = gang.commit(&mut state).unwrap();
    assert_eq!(members.len(), 2);
    assert!(members.iter().all(|member| member.changes.len() == 1));
    assert!(state.inventory().volumes.iter().all(|volume| volume.claim.is_some()));
    assert_eq!(state.nodes().map(|node| node.pods().len()).collect::<Vec<_>>(), [1, 1]);
}

#[test]
fn the_more_important_pods_of_a_gang_are_placed_first() {
    let state = cluster([node("n0", 1000)], []);
    let pods = [Arc::new(pod("lesser", 1000)), Arc::new(pod("greater", 1000).priority(5))];
    let scheduler = Scheduler::new(Profile::default(), 0);
    assert_eq!(told(GangScheduling.place(&scheduler, &state, &pods, 1, 0)), "greater=n0 -lesser");
}

/// Two nodes of 1000, each with a lesser pod of 700, and a gang of pods of these sizes.
#[track_caller]
fn check_preemption(_source: &str, sizes: &[i64], min_count: usize, expected: &str) {
    let lesser = |name: &str, node: &str| Pod::new(name).request(Resources::new(700, 0, 0)).priority(-1).on(node);
    let state = cluster([node("n0", 1000), node("n1", 1000)], [lesser("l0", "n0"), lesser("l1", "n1")]);
    let pods: Vec<Arc<Pod>> = sizes.iter().enumerate().map(|(i, cpu)| Arc::new(pod(&format!("p{i}"), *cpu))).collect();
    let scheduler = Scheduler::new(Profile::default(), 0);
    assert_eq!(told(GangScheduling.place(&scheduler, &state, &pods, min_count, 0)), expected);
    assert_eq!(state.nodes().map(|node| node.pods().len()).collect::<Vec<_>>(), [1, 1], "the cluster is as it was");
}

#[test]
fn a_gang_for_which_others_have_to_go_waits_for_them() {
    check_preemption("KEP-4671: room for one, victims for the other", &[300, 1000], 2, "p0->n1[] p1->n0[l0]");
    check_preemption("KEP-4671: victims for both", &[1000, 1000], 2, "p0->n0[l0] p1->n1[l1]");
    check_preemption(
        "KEP-4671: nobody goes for a gang that does not fit then either",
        &[1000, 1000, 1000],
        3,
        "minCount (3) cannot be satisfied: 2 scheduled, 0 remaining",
    );
}

#[test]
fn what_a_gang_was_promised_does_not_count_against_it() {
    let mut state = cluster([node("n0", 1000), node("n1", 1000)], []);
    let pods: Vec<Arc<Pod>> = (0..2).map(|i| Arc::new(pod(&format!("p{i}"), 1000))).collect();
    for (i, pod) in pods.iter().enumerate() {
        state.nominate(Pod { nominated_node: Some(format!("n{i}").into()), ..Pod::clone(pod) });
    }
    let scheduler = Scheduler::new(Profile::default(), 0);
    assert_eq!(told(GangScheduling.place(&scheduler, &state, &pods, 2, 0)), "p0=n0 p1=n1");
}
