//! Claims of nodes follow their pods; limits follow what drivers say.

use crate::cluster::Cluster;
use crate::model::{Node, Pod, Resources};
use crate::storage::{CsiNode, PodVolume};

fn node(name: &str) -> Node {
    Node::new(name, Resources::new(4000, 1 << 30, 10))
}

fn pod(name: &str, claims: usize) -> Pod {
    let volume = |i: usize| PodVolume::Claim { name: format!("{name}-{i}").into(), ephemeral: false };
    (0..claims).fold(Pod::new(name), |pod, i| pod.volume(volume(i)))
}

#[track_caller]
fn check(cluster: &Cluster, claims: usize, expected: &[&str]) {
    let found: Vec<&str> = cluster.nodes_with_claims(claims).map(|name| &**name).collect();
    assert_eq!(found, expected);
}

#[test]
fn nodes_are_found_by_the_claims_of_their_pods() {
    let mut cluster = Cluster::new();
    cluster.add_node(node("a"));
    cluster.add_node(node("b"));
    cluster.add_pod(pod("one", 1).on("b")).unwrap();
    cluster.add_pod(pod("none", 0).on("a")).unwrap();
    check(&cluster, 1, &["b"]);
    let mut fork = cluster.fork();
    fork.add_pod(pod("two", 2).on("a")).unwrap();
    fork.add_pod(pod("three", 3).on("b")).unwrap();
    check(&cluster, 1, &["b"]);
    check(&fork, 2, &["a", "b"]);
    check(&fork, 3, &["b"]);
    fork.remove_pod("one");
    check(&fork, 3, &["b"]);
    check(&fork, 4, &[]);
    fork.remove_node("b");
    check(&fork, 1, &["a"]);
    fork.add_node(node("b"));
    check(&fork, 1, &["a", "b"]);
}

#[test]
fn the_least_limit_of_a_driver_follows_the_nodes() {
    let mut cluster = Cluster::new();
    let csi = |name: &str, limit| CsiNode { name: name.into(), drivers: vec![("x".into(), limit), ("y".into(), None)] };
    assert_eq!(cluster.least_volume_limit("x"), None);
    cluster.inventory_mut().csi_nodes.set(csi("a", Some(5)));
    assert_eq!(cluster.least_volume_limit("x"), Some(5));
    let fork = cluster.fork();
    cluster.inventory_mut().csi_nodes.set(csi("b", Some(3)));
    assert_eq!((cluster.least_volume_limit("x"), fork.least_volume_limit("x")), (Some(3), Some(5)));
    cluster.inventory_mut().csi_nodes.remove("", "b");
    assert_eq!((cluster.least_volume_limit("x"), cluster.least_volume_limit("y")), (Some(5), None));
}
