//! The state keeps sums that equal what its pods say, in whatever order nodes and pods come and go.

use super::*;
use crate::model::{HostPort, Protocol, Resources};
use proptest::prelude::*;

fn node(name: &str) -> Node {
    Node::new(name, Resources::new(4000, 1 << 30, 10))
}

fn pod(name: &str, node: &str, cpu: i64) -> Pod {
    Pod::new(name).request(Resources::new(cpu, 0, 0)).on(node)
}

#[test]
fn a_pod_counts_on_its_node_until_it_is_removed() {
    let mut cluster = Cluster::new();
    cluster.add_node(node("a"));
    cluster.add_pod(pod("p", "a", 500)).unwrap();
    assert_eq!(cluster.node("a").unwrap().requested().cpu_milli, 500);
    assert_eq!(cluster.location("p"), Some("a"));
    assert_eq!(cluster.remove_pod("p").unwrap().name.as_ref(), "p");
    assert_eq!(cluster.node("a").unwrap().requested(), &Resources::default());
    assert!(cluster.remove_pod("p").is_none());
}

#[test]
fn a_pod_that_comes_before_its_node_counts_when_the_node_comes() {
    let mut cluster = Cluster::new();
    assert!(matches!(cluster.add_pod(pod("p", "a", 500)), Err(ClusterError::NoNode { .. })));
    cluster.track_pod(pod("p", "a", 500)).unwrap();
    cluster.add_node(node("a"));
    assert_eq!(cluster.node("a").unwrap().requested().cpu_milli, 500);
}

#[test]
fn a_node_that_goes_and_comes_back_finds_its_pods() {
    let mut cluster = Cluster::new();
    cluster.add_node(node("a"));
    cluster.add_pod(pod("p", "a", 500)).unwrap();
    assert!(cluster.remove_node("a"));
    assert!(cluster.node("a").is_none());
    cluster.add_node(node("a"));
    assert_eq!(cluster.node("a").unwrap().pods().len(), 1);
}

#[test]
fn a_pod_cannot_be_on_two_nodes() {
    let mut cluster = Cluster::new();
    cluster.add_node(node("a"));
    cluster.add_node(node("b"));
    cluster.add_pod(pod("p", "a", 1)).unwrap();
    assert_eq!(cluster.add_pod(pod("p", "b", 1)), Err(ClusterError::Elsewhere { uid: "p".into(), node: "a".into() }));
    assert!(matches!(cluster.add_pod(Pod::new("q")), Err(ClusterError::NotBound { .. })));
}

#[test]
fn images_are_counted_by_node() {
    let mut cluster = Cluster::new();
    cluster.add_node(node("a").image("nginx", 10));
    cluster.add_node(node("b").image("nginx", 10));
    assert_eq!(cluster.nodes_with_image("nginx"), 2);
    cluster.add_node(node("b"));
    assert_eq!(cluster.nodes_with_image("nginx"), 1);
    cluster.remove_node("a");
    assert_eq!(cluster.nodes_with_image("nginx"), 0);
}

#[test]
fn host_ports_conflict_by_address() {
    let port = |ip: &str, port| HostPort { protocol: Protocol::Tcp, ip: ip.to_owned(), port };
    assert!(port("0.0.0.0", 80).conflicts(&port("10.0.0.1", 80)));
    assert!(!port("10.0.0.2", 80).conflicts(&port("10.0.0.1", 80)));
    assert!(!port("0.0.0.0", 81).conflicts(&port("0.0.0.0", 80)));
}

proptest! {
    #[test]
    fn sums_equal_what_the_pods_say(steps in prop::collection::vec((0u8..4, 0usize..6, 0usize..3, 0i64..1000), 0..60)) {
        let mut cluster = Cluster::new();
        for (step, p, n, cpu) in steps {
            let (p, n) = (format!("p{p}"), format!("n{n}"));
            match step {
                0 => cluster.add_node(node(&n)),
                1 => { cluster.remove_node(&n); }
                2 => { let _ = cluster.track_pod(pod(&p, &n, cpu)); }
                _ => { cluster.remove_pod(&p); }
            }
            for info in cluster.nodes() {
                let sum: i64 = info.pods().iter().map(|p| p.requests.cpu_milli).sum();
                prop_assert_eq!(info.requested().cpu_milli, sum);
                prop_assert_eq!(info.requested().pods, i64::try_from(info.pods().len()).unwrap());
            }
        }
    }
}
