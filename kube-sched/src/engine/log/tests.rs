//! A model of what is computed from clusters: it must be right after every move from one to another.

use super::*;
use crate::model::{Node, Pod, Resources};
use proptest::prelude::*;

const NODES: usize = 5;

/// What an index would keep: here, the number of pods by position.
fn pods(cluster: &Cluster, position: Position) -> usize {
    cluster.table().row(position).map_or(0, |_| cluster.table().info(position).pods().len())
}

fn bind(cluster: &mut Cluster, name: usize, node: usize) {
    let pod = Pod::new(&format!("p{name}")).on(format!("n{node}"));
    if cluster.add_pod(pod).is_err() {
        cluster.remove_pod(&format!("p{name}"));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_view_follows_from_cluster_to_cluster(steps in prop::collection::vec((0u8..6, 0usize..8, 0usize..8), 0..200)) {
        let mut first = Cluster::new();
        (0..NODES).for_each(|i| first.add_node(Node::new(&format!("n{i}"), Resources::new(1, 1, 9))));
        let mut clusters = vec![first];
        let (mut log, mut synced, mut view) = (Log::default(), 0, vec![0; 64]);
        let mut kept = 0;
        for (step, a, b) in steps {
            let (at, count) = (a % clusters.len(), clusters.len());
            match step {
                0 if count < 6 => { let fork = clusters[at].fork(); clusters.push(fork); }
                1 if count > 1 => { clusters.swap_remove(at); }
                2 if count > 1 => {
                    let fork = clusters.swap_remove(at);
                    let _ = clusters[b % (count - 1)].commit(fork);
                }
                3 => bind(&mut clusters[at], b, a % NODES),
                _ => {
                    let known = log.follow(&clusters[at]);
                    match log.since(synced).filter(|_| known) {
                        Some((changed, rows)) => {
                            kept += 1;
                            assert_eq!(changed.len(), rows.len());
                            changed.iter().for_each(|p| if let Some(seen) = view.get_mut(*p as usize) { *seen = pods(&clusters[at], *p) });
                        }
                        None => (0..64).for_each(|p| view[p as usize] = pods(&clusters[at], p)),
                    }
                    synced = log.end();
                    (0..64).for_each(|p| assert_eq!(view[p as usize], pods(&clusters[at], p), "position {p}"));
                }
            }
        }
        prop_assert!(kept < 1000);
    }
}
