//! What was encoded is read back, and what is nothing of ours is not taken for it.

use super::{decode, encode};
use crate::{Attributes, Value};
use bytes::Bytes;
use proptest::prelude::*;

#[track_caller]
fn check(value: &[u8], splice: u32, pairs: &[(&str, &str)]) {
    let value = Value { bytes: Bytes::copy_from_slice(value), splice };
    let attributes = Attributes::new(pairs.iter().copied());
    let mut stored = Vec::new();
    encode(&value, &attributes, &mut stored);
    assert_eq!(decode(&stored.into()), Some((value, attributes)));
}

#[test]
fn what_was_encoded_is_read_back() {
    check(b"", 0, &[]);
    check(b"{}", 1, &[("label:a", "b"), ("field:metadata.name", "x")]);
    check(&vec![0xff; 300], 300, &[("", "")]);
    check("ünïcode".as_bytes(), 3, &[("ключ", "значение")]);
}

#[test]
fn foreign_bytes_are_refused() {
    let rows: [&[u8]; 8] = [
        b"",
        b"{\"kind\":\"Secret\"}",
        b"k8s\0\x0a\x0c",
        b"k8s:enc:aesgcm:v1:key1:xxxx",
        b"\x02\x00\x00{}",
        // The splice lies behind the end.
        b"\x01\x03\x00{}",
        // Fewer attributes than announced, and more than there could be.
        b"\x01\x00\x02\x01a\x01b",
        b"\x01\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
    ];
    for bytes in rows {
        assert_eq!(decode(&Bytes::copy_from_slice(bytes)), None, "{bytes:?}");
    }
}

proptest! {
    #[test]
    fn no_bytes_bring_it_down(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = decode(&Bytes::from(bytes));
    }

    #[test]
    fn any_version_survives(
        value in proptest::collection::vec(any::<u8>(), 0..100),
        pairs in proptest::collection::vec((".{0,9}", ".{0,9}"), 0..6),
    ) {
        let value = Value { splice: u32::try_from(value.len() / 2).unwrap(), bytes: value.into() };
        let attributes = Attributes::new(pairs);
        let mut stored = Vec::new();
        encode(&value, &attributes, &mut stored);
        prop_assert_eq!(decode(&stored.into()), Some((value, attributes)));
    }
}
