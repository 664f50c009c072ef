//! What an embedder does: nodes and pods of one's own, a loop of decisions, and a cluster that fills up.

use kubekit_sched::{Cluster, Node, Pod, Profile, Resources, Scheduler};
use proptest::prelude::*;

fn fill(nodes: usize, pods: usize, cpu_milli: i64, seed: u64) -> (Cluster, usize) {
    let mut cluster = Cluster::new();
    for i in 0..nodes {
        cluster.add_node(Node::new(&format!("node-{i}"), Resources::new(4000, 16 << 30, 110)));
    }
    let scheduler = Scheduler::new(Profile::default(), seed);
    let mut unplaced = 0;
    for i in 0..pods {
        let pod = Pod::new(&format!("pod-{i}")).request(Resources::new(cpu_milli, 1 << 20, 0));
        match scheduler.schedule(&cluster, &pod) {
            Ok(placement) => cluster.add_pod(pod.on(placement.node)).expect("the node exists"),
            Err(error) => {
                assert!(error.to_string().contains("Insufficient cpu"), "{error}");
                unplaced += 1;
            }
        }
    }
    (cluster, unplaced)
}

#[test]
fn pods_are_spread_until_nothing_fits() {
    let (cluster, unplaced) = fill(10, 45, 1000, 3);
    assert_eq!(unplaced, 5);
    assert!(cluster.nodes().all(|node| node.pods().len() == 4));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn no_node_is_overcommitted_and_nothing_is_refused_in_vain(nodes in 1usize..6, pods in 0usize..40, cpu in 1i64..3000, seed: u64) {
        let (cluster, unplaced) = fill(nodes, pods, cpu, seed);
        for node in cluster.nodes() {
            prop_assert!(node.requested().cpu_milli <= 4000);
            if unplaced > 0 {
                prop_assert!(4000 - node.requested().cpu_milli < cpu);
            }
        }
        prop_assert_eq!(cluster.nodes().map(|node| node.pods().len()).sum::<usize>() + unplaced, pods);
    }
}
