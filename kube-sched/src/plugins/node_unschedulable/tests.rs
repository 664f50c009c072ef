//! NodeUnschedulable. Sources: "Nodes", manual node administration, and "Taints and Tolerations", taint nodes by condition.

use super::*;
use crate::model::{Toleration, TolerationOperator};
use crate::plugins::testing::{cluster, node, verdict};

const KEY: &str = "node.kubernetes.io/unschedulable";
const NO: &str = "Unresolvable: node(s) were unschedulable";

fn toleration(key: Option<&str>, operator: TolerationOperator, effect: Option<Effect>) -> Toleration {
    Toleration { key: key.map(Into::into), operator, effect }
}

/// A node `a` that is cordoned, and `b` that is not.
#[track_caller]
fn check(_source: &str, tolerations: Vec<Toleration>, expected: &str) {
    let state = cluster([node("a").cordoned(), node("b")], []);
    let mut pod = Pod::new("p");
    pod.tolerations = tolerations;
    assert_eq!(verdict(&NodeUnschedulable, &state, &pod), expected.replace("NO", NO));
}

#[test]
fn filter() {
    use TolerationOperator::{Equal, Exists, Gt};
    check("docs: kubectl cordon", vec![], "b | NO");
    check("docs: a DaemonSet's pods tolerate it", vec![toleration(Some(KEY), Exists, Some(Effect::NoSchedule))], "a b");
    check("any effect", vec![toleration(Some(KEY), Exists, None)], "a b");
    check("everything", vec![toleration(None, Exists, None)], "a b");
    check("the taint has no value", vec![toleration(Some(KEY), Equal(String::new()), None)], "a b");
    check("another value", vec![toleration(Some(KEY), Equal("true".into()), None)], "b | NO");
    check("another effect", vec![toleration(Some(KEY), Exists, Some(Effect::NoExecute))], "b | NO");
    check("another key", vec![toleration(Some("node.kubernetes.io/not-ready"), Exists, None)], "b | NO");
    check("no value is no number (KEP-5471)", vec![toleration(Some(KEY), Gt(-1), None)], "b | NO");
    check(
        "one of several",
        vec![toleration(Some("x"), Exists, None), toleration(None, Exists, Some(Effect::NoSchedule))],
        "a b",
    );
}

#[track_caller]
fn check_event(_source: &str, kind: EventKind, may_help: bool) {
    assert_eq!(NodeUnschedulable.events_to_register().contains(&kind), may_help);
}

#[test]
fn hints() {
    check_event("KEP-4247: kubectl uncordon", EventKind::NodeTaint, true);
    check_event("KEP-4247: a node was added", EventKind::NodeAdd, true);
    check_event("KEP-4247: a pod that goes does not uncordon", EventKind::PodDelete, false);
}
