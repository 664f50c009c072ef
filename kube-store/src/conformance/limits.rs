//! Limits.

use super::{Subject, get, put, value};
use crate::{Attributes, Error, KEY_BYTES_MAX, Op, Precondition, ReadAt, Txn, VALUE_BYTES_MAX, Value};

pub(super) async fn the_largest_key_and_value_are_kept(store: Subject) {
    let key = "k".repeat(KEY_BYTES_MAX);
    let large = "v".repeat(VALUE_BYTES_MAX);
    put(&store, &key, &large).await;
    assert_eq!(get(&store, &key, ReadAt::Latest).await, Some(large));
    put(&store, &key, "").await;
    assert_eq!(get(&store, &key, ReadAt::Latest).await.as_deref(), Some(""));
}

pub(super) async fn beyond_the_limits_nothing_is_written(store: Subject) {
    let before = store.revision().await.expect("revision");
    let put = |value: Value| Op::Put { value, attributes: None, ttl_seconds: None };
    let huge_attributes = Some(Attributes::new([("a", "v".repeat(crate::ATTRIBUTE_BYTES_MAX))]));
    let rows = [
        (String::new(), put(value("x")), "the key is empty"),
        (String::new(), Op::Delete, "the key is empty"),
        ("k".repeat(KEY_BYTES_MAX + 1), put(value("x")), "the key is too long"),
        ("a\0b".to_owned(), put(value("x")), "the key has a NUL"),
        ("a".to_owned(), put(value(&"v".repeat(VALUE_BYTES_MAX + 1))), "the value is too large"),
        ("a".to_owned(), put(Value { bytes: "abc".into(), splice: 4 }), "the splice is outside"),
        ("a".to_owned(), Op::Put { value: value("x"), attributes: None, ttl_seconds: Some(0) }, "no time to live"),
        ("a".to_owned(), Op::Put { value: value("x"), attributes: huge_attributes, ttl_seconds: None }, "attributes"),
    ];
    for (key, op, what) in rows {
        let error = store.txn(Txn { key, precondition: Precondition::None, op }).await.expect_err(what);
        assert!(matches!(error, Error::Invalid(_)), "{what}: {error}");
        assert!(error.to_string().len() < 300, "{what}: an error does not repeat what was too large");
    }
    let error = store.put("a", Precondition::Revision(0), value("x")).await.expect_err("0 is no revision");
    assert!(matches!(error, Error::Invalid(_)), "{error}");
    assert_eq!(store.revision().await.expect("revision"), before);
}

pub(super) async fn values_are_opaque(store: Subject) {
    let bytes: Vec<u8> = (0..=255).cycle().take(3000).collect();
    let outcome = store.put("a", Precondition::None, Value { bytes: bytes.clone().into(), splice: 17 }).await;
    outcome.expect("put");
    let entry = store.get("a", ReadAt::Latest).await.expect("get").expect("present");
    assert_eq!(entry.value, Value { bytes: bytes.into(), splice: 17 });
}
