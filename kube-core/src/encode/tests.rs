use super::value;
use proptest::prelude::*;
use serde_json::{Value, json};

#[track_caller]
fn check(object: &Value) {
    let mut out = b"before".to_vec();
    value(object, &mut out);
    assert_eq!(String::from_utf8_lossy(&out), format!("before{object}"));
}

#[test]
fn values_are_written_as_serde_json_writes_them() {
    for object in [
        json!(null),
        json!([true, false, null, [], {}, [[]]]),
        json!({"b": 1, "a": {"d": [1, 2, {"e": ""}]}}),
        json!([0, -1, i64::MIN, i64::MAX, u64::MAX, 0.5, -0.0, 1e300, 1.0]),
        json!("Größe \u{7f} 🎉"),
        json!({"a\"b": "c\\d", "\n": "\u{0}\u{1f}"}),
    ] {
        check(&object);
    }
}

#[test]
fn every_byte_is_escaped_wherever_it_stands() {
    for c in (0..=0x100).filter_map(char::from_u32) {
        for before in 0..17 {
            for after in [0, 1, 2, 3, 4, 7, 8, 17 - before] {
                check(&json!(format!("{}{c}{}", "x".repeat(before), "y".repeat(after))));
            }
            check(&json!(format!("{}{c}", "ÿ".repeat(before))));
        }
    }
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        "[ -~\u{0}-\u{20}]{0,40}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 64, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(any::<String>(), inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn any_value_is_written_as_serde_json_writes_it(object in any_value()) {
        check(&object);
    }
}
