//! Rows for who gets which range.

use ipnet::IpNet;
use k8s_openapi::api::core::v1::Node;

use super::decide::{Config, Ranges, written};
use crate::objects::node;

fn ranges(clusters: &[&str], prefix_v4: u8) -> Ranges {
    let cluster_cidrs = clusters.iter().map(|c| c.parse().unwrap()).collect();
    Ranges::new(&Config { cluster_cidrs, node_prefix_v4: prefix_v4, ..Config::default() }).unwrap()
}

fn with(name: &str, cidrs: &[&str]) -> Node {
    let mut node = node(name, "True", 1);
    let spec = node.spec.get_or_insert_default();
    spec.pod_cidr = cidrs.first().map(|c| (*c).to_owned());
    spec.pod_cidrs = Some(cidrs.iter().map(|c| (*c).to_owned()).collect());
    node
}

fn texts(ranges: &[IpNet]) -> Vec<String> {
    ranges.iter().map(ToString::to_string).collect()
}

#[test]
fn nodes_get_different_ranges_and_keep_them() {
    let mut ranges = ranges(&["10.244.0.0/16"], 24);
    assert_eq!(texts(&ranges.allocate("a").unwrap()), ["10.244.0.0/24"]);
    assert_eq!(texts(&ranges.allocate("b").unwrap()), ["10.244.1.0/24"]);
    assert_eq!(texts(&ranges.allocate("a").unwrap()), ["10.244.0.0/24"], "a write that failed is repeated");
}

#[test]
fn what_nodes_have_is_not_given_out_again() {
    let mut ranges = ranges(&["10.244.0.0/23"], 24);
    ranges.occupy(&with("a", &["10.244.0.0/24"]));
    ranges.occupy(&with("foreign", &["192.168.0.0/24"]));
    assert_eq!(texts(&ranges.allocate("b").unwrap()), ["10.244.1.0/24"]);
    let error = ranges.allocate("c").unwrap_err().to_string();
    assert!(error.contains("no remaining CIDRs"), "{error}");
    ranges.release("a");
    assert_eq!(texts(&ranges.allocate("c").unwrap()), ["10.244.0.0/24"]);
}

#[test]
fn a_cluster_of_two_families_gives_one_of_each_or_none() {
    let mut ranges = ranges(&["10.244.0.0/24", "fd00::/48"], 24);
    assert_eq!(texts(&ranges.allocate("a").unwrap()), ["10.244.0.0/24", "fd00::/64"]);
    assert!(ranges.allocate("b").is_err());
    ranges.release("a");
    assert_eq!(texts(&ranges.allocate("b").unwrap())[0], "10.244.0.0/24");
}

#[test]
fn the_spec_is_read_in_both_its_forms() {
    assert_eq!(texts(&written(&with("a", &["10.0.0.0/24", "fd00::/64"]))), ["10.0.0.0/24", "fd00::/64"]);
    let mut old = with("a", &["10.0.0.0/24"]);
    old.spec.get_or_insert_default().pod_cidrs = None;
    assert_eq!(texts(&written(&old)), ["10.0.0.0/24"]);
    assert!(written(&node("a", "True", 1)).is_empty());
}

#[test]
fn a_range_that_cannot_be_divided_is_refused() {
    let config = Config { node_prefix_v4: 8, ..Config::default() };
    assert!(Ranges::new(&config).is_err());
}

#[test]
fn a_node_that_took_the_name_of_one_that_is_gone_has_its_own_range() {
    let mut ranges = ranges(&["10.244.0.0/22"], 24);
    ranges.occupy(&with("a", &["10.244.0.0/24"]));
    ranges.occupy(&with("a", &["10.244.1.0/24"]));
    assert_eq!(texts(&ranges.allocate("b").unwrap()), ["10.244.0.0/24"], "the range of the first is free");
    assert_eq!(texts(&ranges.allocate("c").unwrap()), ["10.244.2.0/24"], "the range of the second is not");
}

#[test]
fn a_range_that_somebody_else_wrote_first_counts() {
    let mut ranges = ranges(&["10.244.0.0/23"], 24);
    assert_eq!(texts(&ranges.allocate("a").unwrap()), ["10.244.0.0/24"]);
    // The write was refused: a node's range cannot be changed.
    ranges.occupy(&with("a", &["10.244.1.0/24"]));
    assert_eq!(texts(&ranges.allocate("b").unwrap()), ["10.244.0.0/24"]);
    assert!(ranges.allocate("c").is_err());
}

#[test]
fn a_range_of_two_nodes_is_the_firsts() {
    let mut ranges = ranges(&["10.244.0.0/23"], 24);
    ranges.occupy(&with("a", &["10.244.0.0/24"]));
    ranges.occupy(&with("b", &["10.244.0.0/24"]));
    ranges.release("b");
    assert_eq!(texts(&ranges.allocate("c").unwrap()), ["10.244.1.0/24"], "the first still has it");
}
