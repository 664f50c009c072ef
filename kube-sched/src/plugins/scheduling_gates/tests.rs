//! SchedulingGates. Source: KEP-3521 and "Pod Scheduling Readiness".

use super::*;

#[track_caller]
fn check(_source: &str, gates: &[&str], expected: &str) {
    let mut pod = Pod::new("p");
    pod.gates = gates.iter().map(|gate| (*gate).to_owned()).collect();
    let said = match SchedulingGates.pre_enqueue(&pod) {
        Ok(()) => "ready".to_owned(),
        Err(refusal) => format!("{}: {:?}: {}", refusal.plugin, refusal.code, refusal.reasons.join(", ")),
    };
    assert_eq!(said, expected);
}

#[test]
fn gates_hold_a_pod_back() {
    let waiting = |gates: &str| format!("SchedulingGates: Unresolvable: waiting for scheduling gates: [{gates}]");
    check("KEP-3521: without gates a pod is ready", &[], "ready");
    check(
        "docs: example.com/foo and example.com/bar",
        &["example.com/foo", "example.com/bar"],
        &waiting("example.com/foo example.com/bar"),
    );
    check("docs: one gate removed", &["example.com/bar"], &waiting("example.com/bar"));
    check("KEP-3521: a plain name", &["foo"], &waiting("foo"));
    check("KEP-3521: the order is the pod's", &["b", "a"], &waiting("b a"));
    check("KEP-3521: three", &["a", "b", "c"], &waiting("a b c"));
    check("KEP-3521: a name that looks like none", &["-"], &waiting("-"));
    check("bad input: an empty name", &[""], &waiting(""));
    check("bad input: the same twice", &["a", "a"], &waiting("a a"));
    check("bad input: a name with spaces is told as it is", &["a b"], &waiting("a b"));
}
