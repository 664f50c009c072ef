//! Attributes and selectors.

use super::{Attributes, Operator, Requirement, Selector};

#[track_caller]
fn check(pairs: &[(&str, &str)], expected: &[(&str, &str)]) {
    let attributes = Attributes::new(pairs.iter().copied());
    assert_eq!(attributes.iter().collect::<Vec<_>>(), expected);
    assert_eq!((attributes.len(), attributes.is_empty()), (expected.len(), expected.is_empty()));
    for (name, value) in expected {
        assert_eq!(attributes.get(name), Some(*value));
    }
    assert_eq!(attributes.get("missing"), None);
    assert_eq!(attributes, Attributes::new(expected.iter().copied()), "order does not matter");
}

#[test]
fn pairs_are_sorted_and_the_last_of_a_name_wins() {
    check(&[], &[]);
    check(&[("a", "1")], &[("a", "1")]);
    check(&[("b", "2"), ("a", "1"), ("c", "")], &[("a", "1"), ("b", "2"), ("c", "")]);
    check(&[("a", "1"), ("b", "2"), ("a", "3"), ("a", "4")], &[("a", "4"), ("b", "2")]);
    check(&[("ü", "ö"), ("", "empty")], &[("", "empty"), ("ü", "ö")]);
}

#[track_caller]
fn check_match(operator: Operator, values: &[&str], attribute: Option<&str>, expected: bool) {
    let values = values.iter().map(|value| (*value).to_owned()).collect();
    let selector = Selector { requirements: vec![Requirement { name: "a".to_owned(), operator, values }] };
    let attributes = Attributes::new(attribute.map(|value| ("a", value)));
    assert_eq!(selector.matches(&attributes), expected, "{operator:?} of {attribute:?}");
}

#[test]
fn operators_are_those_of_label_selectors() {
    check_match(Operator::In, &["x", "y"], Some("y"), true);
    check_match(Operator::In, &["x", "y"], Some("z"), false);
    check_match(Operator::In, &["x", "y"], None, false);
    check_match(Operator::In, &[], Some(""), false);
    check_match(Operator::NotIn, &["x"], Some("x"), false);
    check_match(Operator::NotIn, &["x"], Some("y"), true);
    check_match(Operator::NotIn, &["x"], None, true);
    check_match(Operator::Exists, &[], Some(""), true);
    check_match(Operator::Exists, &[], None, false);
    check_match(Operator::DoesNotExist, &[], Some(""), false);
    check_match(Operator::DoesNotExist, &[], None, true);
}

#[test]
fn the_empty_selector_selects_everything() {
    assert!(Selector::default().is_everything());
    assert!(Selector::default().matches(&Attributes::default()));
}
