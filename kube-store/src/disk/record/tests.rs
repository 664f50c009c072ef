//! Records: there and back, and every way of not being one.

use super::{Present, Record, encode_change, encode_entry, size_estimate};
use crate::entry::Lifetime;
use crate::index::history::Change;
use crate::{Attributes, Encryption, Entry, Value};
use proptest::prelude::*;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};
use tokio::time::Instant;

fn present(wall_millis: u64) -> Present {
    Present { instant: Instant::now(), wall: UNIX_EPOCH + Duration::from_millis(wall_millis) }
}

fn entry(lifetime: Option<Lifetime>) -> Entry {
    let value = Value { bytes: "{\"kind\":\"Pod\"}".into(), splice: 5 };
    let attributes = Attributes::new([("field:spec.nodeName", "n1"), ("label:app", "web")]);
    let mut entry = Entry::new("/pods/default/a".into(), value, 300, attributes);
    entry.lifetime = lifetime;
    entry
}

fn encoded(entry: &Entry) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode_entry(entry, &Encryption::default(), &mut bytes).unwrap();
    bytes
}

fn decode(bytes: &mut &[u8], present: Present) -> Option<Record> {
    super::decode(bytes, present, &Encryption::default()).ok()
}

#[test]
fn a_put_comes_back_as_it_was() {
    let before = entry(None);
    let bytes = encoded(&before);
    let mut rest = &bytes[..];
    let Some(Record::Put(after)) = decode(&mut rest, present(0)) else { panic!("a put") };
    assert!(rest.is_empty());
    assert_eq!((after.key, after.revision, after.lifetime), (before.key, before.revision, None));
    assert_eq!((after.value, after.attributes), (before.value, before.attributes));
}

#[test]
fn a_delete_comes_back_as_it_was() {
    let previous = Some(Arc::new(entry(None)));
    let change = Change { revision: 301, previous, entry: None, at: Instant::now() };
    let mut bytes = Vec::new();
    encode_change(&change, &Encryption::default(), &mut bytes).unwrap();
    assert!(bytes.len() <= size_estimate(&change));
    let Some(Record::Delete { key, revision }) = decode(&mut &bytes[..], present(0)) else { panic!("a delete") };
    assert_eq!((&*key, revision), ("/pods/default/a", 301));
}

#[track_caller]
fn check_lifetime(wall_now: u64, expected_left: Duration) {
    let lifetime = Lifetime { deadline: Instant::now(), wall_millis: 100_000, ttl_seconds: 60 };
    let bytes = encoded(&entry(Some(lifetime)));
    let present = present(wall_now);
    let Some(Record::Put(entry)) = decode(&mut &bytes[..], present) else { panic!("a put") };
    let read = entry.lifetime.unwrap();
    assert_eq!((read.wall_millis, read.ttl_seconds), (100_000, 60));
    assert_eq!(read.deadline - present.instant, expected_left);
}

#[test]
fn a_lifetime_is_what_is_left_of_it() {
    check_lifetime(90_000, Duration::from_secs(10));
    check_lifetime(100_000, Duration::ZERO);
    check_lifetime(500_000, Duration::ZERO);
    // A clock that was set back does not prolong it.
    check_lifetime(0, Duration::from_secs(60));
}

#[test]
fn a_part_of_a_record_is_none() {
    for lifetime in [None, Some(Lifetime { deadline: Instant::now(), wall_millis: u64::MAX, ttl_seconds: u32::MAX })] {
        let bytes = encoded(&entry(lifetime));
        for length in 0..bytes.len() {
            assert!(decode(&mut &bytes[..length], present(0)).is_none(), "{length} bytes");
        }
    }
}

#[test]
fn a_splice_behind_the_value_is_refused() {
    let mut entry = entry(None);
    entry.value.splice = 500;
    assert!(decode(&mut &encoded(&entry)[..], present(0)).is_none());
}

#[cfg(feature = "encryption")]
#[test]
fn an_encrypted_put_is_read_with_its_key_only() {
    use super::Unreadable;
    use crate::encryption::{AesGcm, Key, Rule};

    let with = |name: &str| {
        let provider = AesGcm::new(&Key::new(name, vec![7; 32])).unwrap();
        Encryption::new(vec![Rule { prefixes: vec!["/pods/".to_owned()], providers: vec![Arc::new(provider)] }])
    };
    let lifetime = Lifetime { deadline: Instant::now(), wall_millis: 100_000, ttl_seconds: 60 };
    for lifetime in [None, Some(lifetime)] {
        let before = entry(lifetime);
        let mut bytes = Vec::new();
        encode_entry(&before, &with("a"), &mut bytes).unwrap();
        for plain in ["Pod", "spec.nodeName", "web"] {
            assert!(!bytes.windows(plain.len()).any(|window| window == plain.as_bytes()), "{plain} is there to read");
        }
        let mut rest = &bytes[..];
        let Ok(Record::Put(after)) = super::decode(&mut rest, present(0), &with("a")) else { panic!("a put") };
        assert!(rest.is_empty());
        assert_eq!((after.key, after.value, after.attributes), (before.key, before.value, before.attributes));
        assert_eq!(after.lifetime.map(|read| read.wall_millis), lifetime.map(|lifetime| lifetime.wall_millis));
        let other = super::decode(&mut &bytes[..], present(0), &with("b"));
        let Err(Unreadable::Locked(error)) = other else { panic!("it has another key: {other:?}") };
        assert!(error.to_string().contains("k8s:enc:aesgcm:v1:a:"), "{error}");
        for length in 0..bytes.len() {
            let part = super::decode(&mut &bytes[..length], present(0), &with("a"));
            assert!(matches!(part, Err(Unreadable::Damaged)), "{length} bytes: {part:?}");
        }
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = decode(&mut &bytes[..], present(0));
    }

    #[test]
    fn any_entry_fits_its_estimate(key in ".{1,60}", value in prop::collection::vec(any::<u8>(), 0..300), names in prop::collection::vec(".{0,9}", 0..9)) {
        let splice = u32::try_from(value.len() / 2).unwrap();
        let attributes = Attributes::new(names.iter().map(|name| (name.as_str(), "v")));
        let entry = Arc::new(Entry::new(key.as_str().into(), Value { bytes: value.into(), splice }, u64::MAX, attributes));
        let bytes = encoded(&entry);
        let change = Change { revision: u64::MAX, previous: None, entry: Some(Arc::clone(&entry)), at: Instant::now() };
        prop_assert!(bytes.len() <= size_estimate(&change));
        let Some(Record::Put(after)) = decode(&mut &bytes[..], present(0)) else { panic!("a put") };
        prop_assert_eq!(&after.key, &entry.key);
        prop_assert_eq!(&after.value, &entry.value);
        prop_assert_eq!(&after.attributes, &entry.attributes);
    }
}
