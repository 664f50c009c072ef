//! Answers by node: what is set is what is found, whatever was there before.

use super::*;
use crate::framework::Code;

fn refusals(names: &[&str]) -> Refusals {
    Refusals::new(names.iter().map(|name| Arc::from(*name)).collect())
}

fn refusal(reason: &str) -> Refusal {
    Refusal::unschedulable("P", reason.to_owned())
}

/// After these changes (position, reason) the refusals are these, by name.
#[track_caller]
fn check(changes: &[(usize, Option<&str>)], expected: &[(&str, &str)]) {
    let mut refusals = refusals(&["a", "b", "b", "c"]);
    for (position, reason) in changes {
        refusals.set(*position, reason.map(refusal));
    }
    let found: Vec<(&str, &str)> = refusals.iter().map(|(name, why)| (&**name, &*why.reasons[0])).collect();
    assert_eq!(found, expected);
    assert_eq!(refusals.len(), expected.len());
    assert_eq!(refusals.is_empty(), expected.is_empty());
    for name in ["a", "b", "c", "d"] {
        let wanted = expected.iter().find(|(other, _)| *other == name).map(|(_, why)| *why);
        assert_eq!(refusals.get(name).map(|why| &*why.reasons[0]), wanted, "{name}");
    }
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    expected.iter().for_each(|(_, why)| *counts.entry(why).or_default() += 1);
    assert_eq!(refusals.answers().map(|(why, nodes)| (&*why.reasons[0], nodes)).collect::<BTreeMap<_, _>>(), counts);
}

#[test]
fn what_was_set_last_counts() {
    check(&[], &[]);
    check(&[(0, Some("x")), (1, Some("x")), (3, Some("y"))], &[("a", "x"), ("b", "x"), ("c", "y")]);
    check(&[(0, Some("x")), (0, Some("x"))], &[("a", "x")]);
    check(&[(0, Some("x")), (0, Some("y"))], &[("a", "y")]);
    check(&[(0, Some("x")), (0, None)], &[]);
    check(&[(3, Some("x")), (3, None), (3, Some("x"))], &[("c", "x")]);
}

#[test]
fn a_copy_does_not_follow() {
    let mut refusals = refusals(&["a", "b"]);
    refusals.set(0, Some(refusal("x")));
    let copy = refusals.clone();
    assert_eq!(copy, refusals);
    refusals.set(1, Some(refusal("x")));
    assert_ne!(copy, refusals);
    assert_eq!((copy.len(), refusals.len()), (1, 2));
    refusals.set(1, None);
    assert_eq!(copy, refusals);
}

#[test]
fn equality_is_of_nodes_and_reasons_and_not_of_positions() {
    let (mut with_gap, mut without) = (refusals(&["a", "a", "b"]), refusals(&["a", "b"]));
    with_gap.set(2, Some(refusal("x")));
    without.set(0, Some(refusal("y")));
    without.set(0, None);
    without.set(1, Some(refusal("x")));
    assert_eq!(with_gap, without);
    assert_eq!(format!("{with_gap:?}"), format!("{without:?}"));
}

#[test]
fn positions_are_those_of_wanted_answers() {
    let mut refusals = refusals(&["a", "b", "c"]);
    refusals.set(0, Some(refusal("x")));
    refusals.set(1, Some(Refusal::unresolvable("P", "z")));
    refusals.set(2, Some(refusal("y")));
    let mendable: Vec<usize> = refusals.positions(|why| why.code == Code::Unschedulable).collect();
    assert_eq!(mendable, [0, 2]);
}

#[test]
fn answers_that_nobody_gives_any_more_are_forgotten() {
    let mut refusals = refusals(&["a", "b"]);
    refusals.set(1, Some(refusal("stays")));
    for i in 0..10 * UNUSED_MAX {
        refusals.set(0, Some(refusal(&format!("{i}"))));
    }
    assert!(refusals.0.answers.len() <= UNUSED_MAX + 8, "{}", refusals.0.answers.len());
    assert_eq!(refusals.get("b").map(|why| &*why.reasons[0]), Some("stays"));
    assert_eq!(refusals.get("a").map(|why| why.reasons[0].to_string()), Some(format!("{}", 10 * UNUSED_MAX - 1)));
    assert_eq!(refusals.answers().count(), 2);
}

#[test]
fn refusals_by_name_are_put_in_order() {
    let found: Refusals = [("b", "x"), ("a", "y")].map(|(name, why)| (name.into(), refusal(why))).into_iter().collect();
    let listed: Vec<(&str, &str)> = found.iter().map(|(name, why)| (&**name, &*why.reasons[0])).collect();
    assert_eq!(listed, [("a", "y"), ("b", "x")]);
    assert_eq!(found.get("b").map(|why| &*why.reasons[0]), Some("x"));
}

#[test]
fn the_rest_is_what_has_said_nothing() {
    let mut refusals = refusals(&["a", "b", "c", "c"]);
    refusals.set(1, Some(refusal("x")));
    refusals.set_rest([0, 1, 2].into_iter(), refusal("rest"));
    let listed: Vec<&str> = refusals.iter().map(|(_, why)| &*why.reasons[0]).collect();
    assert_eq!((listed, refusals.len()), (vec!["rest", "x", "rest"], 3));
    assert_eq!(refusals.answers().map(|(_, nodes)| nodes).collect::<Vec<_>>(), [1, 2]);
}
