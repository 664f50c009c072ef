//! NodeName. Source: "Assigning Pods to Nodes", nodeName.

use super::*;
use crate::plugins::testing::{cluster, node, verdict};

const NO: &str = "Unresolvable: node(s) didn't match the requested node name";

#[track_caller]
fn check(_source: &str, nodes: &[&str], named: Option<&str>, expected: &str) {
    let mut pod = Pod::new("p");
    pod.node = named.map(Into::into);
    let state = cluster(nodes.iter().map(|name| node(name)), []);
    assert_eq!(verdict(&NodeName, &state, &pod), expected.replace("NO", NO));
}

#[test]
fn filter() {
    check("docs: a pod without a name goes anywhere", &["a", "b"], None, "skip");
    check("docs: it goes to that node", &["a", "b"], Some("a"), "a | NO");
    check("docs: also to the last", &["a", "b"], Some("b"), "b | NO");
    check("docs: a node that does not exist", &["a", "b"], Some("c"), "| NO");
    check("names are compared whole", &["node-1", "node-10"], Some("node-1"), "node-1 | NO");
    check("names are compared exactly", &["a", "A"], Some("A"), "A | NO");
    check("one node that is it", &["a"], Some("a"), "a");
    check("one node that is not", &["a"], Some("b"), "| NO");
    check("no nodes", &[], Some("a"), "");
}

#[track_caller]
fn check_event(_source: &str, kind: EventKind, may_help: bool) {
    assert_eq!(NodeName.events_to_register().contains(&kind), may_help);
}

#[test]
fn hints() {
    check_event("KEP-4247: a new node may be the one", EventKind::NodeAdd, true);
    check_event("KEP-4247: a node does not change its name", EventKind::NodeLabel, false);
    check_event("KEP-4247: pods have nothing to do with it", EventKind::PodDelete, false);
}
