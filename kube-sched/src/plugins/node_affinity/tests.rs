//! NodeAffinity. Sources: "Assigning Pods to Nodes" of the documentation, KEP-1937 (added affinity), and the API reference of
//! NodeSelectorTerm and PreferredSchedulingTerm.

use super::*;
use crate::model::{Labels, NodeSelectorTerm, Requirement};
use crate::plugins::testing::{cluster, node, requirement, scores, verdict};

const NO: &str = "Unresolvable: node(s) didn't match Pod's node affinity/selector";

fn nodes() -> Cluster {
    cluster([node("a").label("zone", "x").label("size", "5"), node("b").label("zone", "y"), node("c")], [])
}

fn term(labels: Vec<Requirement>, names: Vec<Requirement>) -> NodeSelectorTerm {
    NodeSelectorTerm { labels, names }
}

fn zone(operator: Operator, values: &[&str]) -> NodeSelectorTerm {
    term(vec![requirement("zone", operator, values)], vec![])
}

fn size(operator: Operator, value: &str) -> NodeSelectorTerm {
    term(vec![requirement("size", operator, &[value])], vec![])
}

fn named(operator: Operator, values: &[&str]) -> NodeSelectorTerm {
    term(vec![], vec![requirement("metadata.name", operator, values)])
}

/// `expected` names the nodes that may take the pod; the others refuse it in the plugin's usual words.
#[track_caller]
fn check(_source: &str, terms: Vec<NodeSelectorTerm>, expected: &str) {
    let mut pod = Pod::new("p");
    pod.node_affinity = Some(NodeSelector(terms));
    let expected = expected.replace("NO", NO);
    assert_eq!(verdict(&NodeAffinity::default(), &nodes(), &pod), expected);
}

#[test]
fn required_terms() {
    use Operator::{DoesNotExist, Exists, Gt, In, Lt, NotIn};
    check("docs: In", vec![zone(In, &["x", "y"])], "a b | NO");
    check("docs: NotIn also holds without the label", vec![zone(NotIn, &["x"])], "b c | NO");
    check("docs: Exists", vec![zone(Exists, &[])], "a b | NO");
    check("docs: DoesNotExist", vec![zone(DoesNotExist, &[])], "c | NO");
    check("docs: Gt compares integers", vec![size(Gt, "4")], "a | NO");
    check("docs: Lt is strict", vec![size(Lt, "5")], "| NO");
    check(
        "API: a label that is no integer is neither Gt nor Lt",
        vec![term(vec![requirement("zone", Gt, &["4"])], vec![])],
        "| NO",
    );
    check("docs: terms are ORed", vec![zone(In, &["x"]), zone(In, &["y"])], "a b | NO");
    check(
        "docs: expressions of a term are ANDed",
        vec![term(vec![requirement("zone", Exists, &[]), requirement("size", Exists, &[])], vec![])],
        "a | NO",
    );
    check("API: an empty term matches nothing", vec![NodeSelectorTerm::default()], "| NO");
    check("API: no terms match nothing", vec![], "| NO");
    check("API: matchFields by name; other nodes are not looked at", vec![named(In, &["b", "zz"])], "b");
    check("API: names excluded", vec![named(NotIn, &["b"])], "a c | NO");
    check("names of two terms are united", vec![named(In, &["a"]), named(In, &["c"])], "a c");
    check("a term without names looks everywhere", vec![named(In, &["a"]), zone(In, &["y"])], "a b | NO");
    check(
        "nodeaffinity.go: names that exclude each other",
        vec![term(vec![], vec![requirement("metadata.name", In, &["a"]), requirement("metadata.name", In, &["b"])])],
        "| Unresolvable: pod affinity terms conflict",
    );
    check("bad input: a value that is no integer", vec![size(Gt, "many")], "| NO");
}

#[track_caller]
fn check_pod(_source: &str, plugin: &NodeAffinity, pod: &Pod, expected: &str) {
    assert_eq!(verdict(plugin, &nodes(), pod), expected.replace("NO", NO));
}

#[test]
fn node_selector_and_added_affinity() {
    let mut selecting = Pod::new("p");
    selecting.node_selector = Labels::new([("zone", "y")]);
    check_pod("docs: nodeSelector", &NodeAffinity::default(), &selecting, "b | NO");
    check_pod("a pod without wishes is skipped", &NodeAffinity::default(), &Pod::new("p"), "skip");
    let added = NodeAffinity { added: Some(NodeSelector(vec![zone(Operator::In, &["x"])])), ..NodeAffinity::default() };
    let enforced = "Unresolvable: node(s) didn't match scheduler-enforced node affinity";
    check_pod("KEP-1937: every pod must meet the profile's terms", &added, &Pod::new("p"), &format!("a | {enforced}"));
    check_pod("KEP-1937: both must hold", &added, &selecting, &format!("| NO; {enforced}"));
}

#[track_caller]
fn check_score(_source: &str, plugin: &NodeAffinity, wishes: &[(i64, NodeSelectorTerm)], expected: &str) {
    let mut pod = Pod::new("p");
    pod.preferred_nodes = wish(wishes);
    assert_eq!(scores(plugin, &nodes(), &pod), expected);
}

fn wish(wishes: &[(i64, NodeSelectorTerm)]) -> Vec<PreferredNodeTerm> {
    wishes.iter().map(|(weight, term)| PreferredNodeTerm { weight: *weight, term: term.clone() }).collect()
}

#[test]
fn score() {
    let plain = NodeAffinity::default();
    let (x, y) = (zone(Operator::In, &["x"]), zone(Operator::In, &["y"]));
    check_score("no wishes", &plain, &[], "skip");
    check_score(
        "docs: weights are summed; 10 and 40, scaled to the best",
        &plain,
        &[(10, x.clone()), (40, y.clone())],
        "25 100 0",
    );
    check_score(
        "docs: a node that matches two: 3 of 3, 1 of 3",
        &plain,
        &[(1, zone(Operator::Exists, &[])), (2, x.clone())],
        "100 33 0",
    );
    check_score("nothing matches: all 0", &plain, &[(5, zone(Operator::In, &["z"]))], "0 0 0");
    check_score(
        "API: an empty preferred term is a no-op",
        &plain,
        &[(50, NodeSelectorTerm::default()), (1, x.clone())],
        "100 0 0",
    );
    let added = NodeAffinity { added: None, added_preferred: wish(&[(10, y)]) };
    check_score("KEP-1937: the profile's wishes come on top", &added, &[(30, x)], "100 33 0");
}
