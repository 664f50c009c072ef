//! TaintToleration. Sources: "Taints and Tolerations" of the documentation and KEP-5471 (numeric operators).

use super::*;
use crate::model::{Taint, TolerationOperator};
use crate::plugins::testing::{cluster, node, scores, verdict};
use Effect::{NoExecute, NoSchedule, PreferNoSchedule};
use TolerationOperator::{Equal, Exists, Gt, Lt};

const NO: &str = "Unresolvable: node(s) had untolerated taint(s)";

fn tolerate(key: Option<&str>, operator: TolerationOperator, effect: Option<Effect>) -> Toleration {
    Toleration { key: key.map(Into::into), operator, effect }
}

fn equal(value: &str) -> TolerationOperator {
    Equal(value.to_owned())
}

fn tolerant(tolerations: Vec<Toleration>) -> Pod {
    Pod { tolerations, ..Pod::new("p") }
}

/// One node per effect with the taint `key=950`, and one without taints.
#[track_caller]
fn check(_source: &str, tolerations: Vec<Toleration>, expected: &str) {
    let taint = |effect| Taint::new("key", "950", effect);
    let state = cluster(
        [
            node("execute").taint(taint(NoExecute)),
            node("plain"),
            node("prefer").taint(taint(PreferNoSchedule)),
            node("schedule").taint(taint(NoSchedule)),
        ],
        [],
    );
    assert_eq!(verdict(&TaintToleration, &state, &tolerant(tolerations)), expected.replace("NO", NO));
}

#[test]
fn filter() {
    const ALL: &str = "execute plain prefer schedule";
    check("docs: no toleration", vec![], "plain prefer | NO");
    check("docs: an empty key with Exists tolerates everything", vec![Toleration::default()], ALL);
    check(
        "docs: Equal matches key, value and effect",
        vec![tolerate(Some("key"), equal("950"), Some(NoSchedule))],
        "plain prefer schedule | NO",
    );
    check("docs: an empty effect matches all effects", vec![tolerate(Some("key"), equal("950"), None)], ALL);
    check(
        "docs: Exists ignores the value",
        vec![tolerate(Some("key"), Exists, Some(NoExecute))],
        "execute plain prefer | NO",
    );
    check("docs: another value", vec![tolerate(Some("key"), equal("951"), None)], "plain prefer | NO");
    check("docs: another key", vec![tolerate(Some("other"), Exists, None)], "plain prefer | NO");
    check("KEP-5471: Gt, the taint above the bound", vec![tolerate(Some("key"), Gt(900), None)], ALL);
    check("KEP-5471: Gt is strict", vec![tolerate(Some("key"), Gt(950), None)], "plain prefer | NO");
    check("KEP-5471: Lt, the taint below the bound", vec![tolerate(Some("key"), Lt(951), None)], ALL);
    check("KEP-5471: Lt is strict", vec![tolerate(Some("key"), Lt(950), None)], "plain prefer | NO");
    check(
        "every taint needs a toleration of its own: two halves",
        vec![tolerate(Some("key"), Exists, Some(NoExecute)), tolerate(Some("key"), Exists, Some(NoSchedule))],
        ALL,
    );
}

#[track_caller]
fn check_number(_source: &str, value: &str, operator: TolerationOperator, expected: bool) {
    let taint = Taint::new("key", value, NoSchedule);
    assert_eq!(tolerate(Some("key"), operator, None).tolerates(&taint), expected);
}

#[test]
fn numbers_are_written_in_one_way() {
    check_number("KEP-5471: a leading zero is no number", "0950", Gt(0), false);
    check_number("KEP-5471: text is no number", "high", Gt(0), false);
    check_number("KEP-5471: a negative one is", "-5", Lt(0), true);
    check_number("KEP-5471: minus zero is none", "-0", Lt(1), false);
    check_number("KEP-5471: fractions are none", "95.5", Gt(0), false);
    check_number("bad input: beyond 64 bits", "99999999999999999999", Gt(0), false);
}

/// Nodes `a`, `b`, `c` with 0, 1 and 3 taints `k0…` of PreferNoSchedule; `c` also has one of NoSchedule.
#[track_caller]
fn check_score(_source: &str, tolerations: Vec<Toleration>, expected: &str) {
    let taint = |i: usize| Taint::new(&format!("k{i}"), "", PreferNoSchedule);
    let c = (0..3).fold(node("c"), |node, i| node.taint(taint(i))).taint(Taint::new("hard", "", NoSchedule));
    let state = cluster([node("a"), node("b").taint(taint(0)), c], []);
    assert_eq!(scores(&TaintToleration, &state, &tolerant(tolerations)), expected);
}

#[test]
fn score() {
    check_score("docs: the fewer the better: 0, 1, 3 of 3", vec![], "100 67 0");
    check_score("k0 tolerated: 0, 0, 2 of 2", vec![tolerate(Some("k0"), Exists, None)], "100 100 0");
    check_score(
        "a toleration of NoSchedule does not count",
        vec![tolerate(None, Exists, Some(NoSchedule))],
        "100 67 0",
    );
    check_score("one of PreferNoSchedule does", vec![tolerate(None, Exists, Some(PreferNoSchedule))], "100 100 100");
}

#[test]
fn ten_thousand_taints_are_held_against_each_toleration() {
    let many = (0..10_000).fold(node("a"), |node, i| node.taint(Taint::new(&format!("k{i}"), "", NoSchedule)));
    let state = cluster([many], []);
    assert_eq!(verdict(&TaintToleration, &state, &Pod::new("p")), format!("| {NO}"));
    assert_eq!(verdict(&TaintToleration, &state, &tolerant(vec![tolerate(None, Exists, Some(NoSchedule))])), "a");
}
