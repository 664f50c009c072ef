use super::*;
use crate::field::Path;
use proptest::prelude::*;
use serde_json::{Value, json};

#[track_caller]
fn check(text: &str, labels: &Value, selected: bool) {
    let selector = LabelSelector::parse(text).unwrap_or_else(|e| panic!("{text}: {e}"));
    assert_eq!(selector.matches_object(labels), selected, "{text} of {labels}");
    let again = LabelSelector::parse(&selector.to_string()).unwrap();
    assert_eq!(again, selector, "the text form of {text} reads back");
}

#[track_caller]
fn check_error(text: &str, error: &str) {
    let found = LabelSelector::parse(text).unwrap_err().to_string();
    assert!(found.contains(error), "{text}: {found}");
}

#[test]
fn label_selectors_select() {
    let labels = json!({"app": "web", "tier": "front", "n": "5"});
    for (text, selected) in [
        ("", true),
        ("app=web", true),
        ("app==web", true),
        (" app = web , tier = front ", true),
        ("app=db", false),
        ("app!=db", true),
        ("app!=web", false),
        ("missing!=x", true),
        ("app in (web, db)", true),
        ("app in (db)", false),
        ("app notin (db)", true),
        ("app notin (web)", false),
        ("missing notin (web)", true),
        ("app", true),
        ("missing", false),
        ("!missing", true),
        ("! app", false),
        ("n>4", true),
        ("n > 5", false),
        ("n<6", true),
        ("missing<6", false),
        ("app=web,tier in (front,back),!canary", true),
        ("app in (web,)", true),
        ("app=", false),
        ("in in (in)", false),
        ("example.com/a=b", false),
    ] {
        check(text, &labels, selected);
    }
    check("app=", &json!({"app": ""}), true);
    check("app", &Value::Null, false);
}

#[test]
fn broken_label_selectors_say_why() {
    check_error("app=web,", "found '', expected: identifier after ','");
    check_error("app in web", "found 'web' expected: '('");
    check_error("app in (", "expected: ',', ')' or identifier");
    check_error("=a", "found '=', expected: !, identifier, or 'end of string'");
    check_error("!", "found '', expected: identifier");
    check_error("a b", "found 'b', expected: in, notin, =, ==, !=, gt, lt");
    check_error("a>b", "for 'Gt', 'Lt' operators, the value must be an integer");
    check_error("-a=b", "name part must consist of alphanumeric characters");
    check_error("a=-b", "a valid label must be an empty string or consist of alphanumeric characters");
}

#[track_caller]
fn check_object(selector: Value, expected: Result<&str, &[&str]>) {
    let found = LabelSelector::from_object(&selector, &Path::new("spec").child("selector"));
    match (found, expected) {
        (Ok(found), Ok(text)) => assert_eq!(found.to_string(), text, "{selector}"),
        (Err(found), Err(texts)) => {
            let found: Vec<String> = found.iter().map(ToString::to_string).collect();
            assert_eq!(found.len(), texts.len(), "{found:?}");
            for (found, text) in found.iter().zip(texts) {
                assert!(found.starts_with(text), "{found}");
            }
        }
        (found, _) => panic!("{selector}: {found:?}"),
    }
}

#[test]
fn object_selectors_become_requirements() {
    check_object(json!({}), Ok(""));
    check_object(json!({"matchLabels": {"b": "2", "a": "1"}}), Ok("a=1,b=2"));
    check_object(
        json!({"matchExpressions": [
            {"key": "t", "operator": "In", "values": ["y", "x"]},
            {"key": "u", "operator": "NotIn", "values": ["z"]},
            {"key": "v", "operator": "Exists"},
            {"key": "w", "operator": "DoesNotExist"},
        ]}),
        Ok("t in (x,y),u notin (z),v,!w"),
    );
    check_object(
        json!({"matchExpressions": [{"key": "t", "operator": "In"}, {"key": "u", "operator": "Exists", "values": ["a"]}]}),
        Err(&[
            "spec.selector.matchExpressions[0].values: Required value: must be specified when `operator` is 'In' or 'NotIn'",
            "spec.selector.matchExpressions[1].values: Forbidden: may not be specified when `operator` is 'Exists' or 'DoesNotExist'",
        ]),
    );
    check_object(
        json!({"matchLabels": {"-a": "b"}, "matchExpressions": [{"key": "t", "operator": "Is"}]}),
        Err(&[
            "spec.selector.matchLabels: Invalid value: \"-a\": name part must consist of",
            "spec.selector.matchExpressions[0].operator: Invalid value: \"Is\": not a valid selector operator",
        ]),
    );
}

#[track_caller]
fn check_fields(text: &str, selected: bool) {
    let selector = FieldSelector::parse(text).unwrap_or_else(|e| panic!("{text}: {e}"));
    let found = selector.matches(|field| match field {
        "metadata.name" => Some("a"),
        "odd" => Some("x,y=z\\"),
        _ => None,
    });
    assert_eq!(found, selected, "{text}");
    assert_eq!(FieldSelector::parse(&selector.to_string()).unwrap(), selector, "{text}");
}

#[test]
fn field_selectors_select() {
    for (text, selected) in [
        ("", true),
        ("metadata.name=a", true),
        ("metadata.name==a", true),
        ("metadata.name!=a", false),
        ("metadata.name=b", false),
        ("metadata.name=a,spec.nodeName=", true),
        ("spec.nodeName!=", false),
        ("odd=x\\,y\\=z\\\\", true),
        (",metadata.name=a,", true),
    ] {
        check_fields(text, selected);
    }
    assert_eq!(FieldSelector::parse("a=1,b!=2").unwrap().requires("a"), Some("1"));
    assert_eq!(FieldSelector::parse("a=1,b!=2").unwrap().requires("b"), None);
}

#[test]
fn broken_field_selectors_say_why() {
    assert_eq!(FieldSelector::parse("a").unwrap_err().0, "invalid selector: 'a'; can't understand 'a'");
    assert_eq!(FieldSelector::parse("a=\\x").unwrap_err().0, "invalid field selector: invalid escape sequence: \\x");
}

proptest! {
    #[test]
    fn any_text_parses_or_fails(text in "\\PC*") {
        let _ = LabelSelector::parse(&text);
        let _ = FieldSelector::parse(&text);
    }

    #[test]
    fn near_selectors_read_back(text in "[ab!=,() <>]{0,20}|[ab]( in | notin )\\([ab,]{0,5}\\)") {
        if let Ok(selector) = LabelSelector::parse(&text) {
            prop_assert_eq!(LabelSelector::parse(&selector.to_string()).unwrap(), selector);
        }
    }
}
