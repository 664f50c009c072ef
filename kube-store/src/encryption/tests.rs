//! Ciphers, against what Kubernetes' own implementations wrote, and rules.

use super::{AesCbc, AesGcm, Encryption, Identity, Key, Opened, Provider, Rule, Secretbox};
use crate::Error;
use proptest::prelude::*;
use std::sync::Arc;

fn key(name: &str, bytes: usize) -> Key {
    Key::new(name, (0..bytes).map(|i| u8::try_from(i).unwrap() ^ name.as_bytes()[0]).collect())
}

/// Every provider with a key of its own.
fn all(name: &str) -> Vec<Arc<dyn Provider>> {
    let mut all: Vec<Arc<dyn Provider>> = vec![Arc::new(Secretbox::new(&key(name, 32)).unwrap())];
    for bytes in [16, 24, 32] {
        all.push(Arc::new(AesGcm::new(&key(name, bytes)).unwrap()));
        all.push(Arc::new(AesCbc::new(&key(name, bytes)).unwrap()));
    }
    all
}

fn rules(providers: Vec<Arc<dyn Provider>>) -> Vec<Rule> {
    vec![Rule { prefixes: vec!["/core/secrets/".to_owned()], providers }]
}

const SECRET: &str = "/core/secrets/default/a";

#[track_caller]
fn damaged<T: std::fmt::Debug>(result: Result<T, Error>, expected: &[&str]) {
    let error = result.expect_err("it must not be read");
    assert!(matches!(error, Error::Damaged(_)), "{error}");
    for expected in expected {
        assert!(error.to_string().contains(expected), "{error} lacks {expected:?}");
    }
}

#[test]
fn what_is_sealed_is_opened_by_the_same_key_only() {
    for (provider, other) in all("a").into_iter().zip(all("b")) {
        for plain in [&b""[..], b"x", b"sixteen bytes ..", &[7; 5000]] {
            let sealed = provider.seal(plain, SECRET).unwrap();
            assert_ne!(sealed, provider.seal(plain, SECRET).unwrap(), "{provider:?}: a nonce is used once");
            assert!(plain.len() < 8 || !sealed.windows(plain.len()).any(|window| window == plain));
            let opened = provider.open(&sealed, SECRET).unwrap();
            assert_eq!(opened, Opened { plain: plain.to_vec(), stale: false }, "{provider:?}");
            // CBC authenticates nothing: another key may give anything, but not this.
            assert_ne!(other.open(&sealed, SECRET).ok().map(|opened| opened.plain), Some(plain.to_vec()));
        }
    }
}

#[test]
fn a_value_cannot_be_moved_under_another_key() {
    let provider = AesGcm::new(&key("a", 32)).unwrap();
    let sealed = provider.seal(b"x", SECRET).unwrap();
    assert!(provider.open(&sealed, "/core/secrets/default/b").unwrap_err().contains("is not the one"));
}

#[test]
fn every_changed_bit_is_noticed() {
    for provider in [all("a").remove(0), all("a").remove(1)] {
        let sealed = provider.seal(b"attack at dawn", SECRET).unwrap();
        for bit in 0..sealed.len() * 8 {
            let mut changed = sealed.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(provider.open(&changed, SECRET).is_err(), "{provider:?}: bit {bit}");
        }
        for length in 0..sealed.len() {
            assert!(provider.open(&sealed[..length], SECRET).is_err(), "{provider:?}: {length} bytes");
        }
    }
}

#[test]
fn keys_of_another_length_are_refused() {
    for bytes in [0, 15, 17, 31, 33, 64] {
        assert!(AesGcm::new(&key("a", bytes)).unwrap_err().contains(&bytes.to_string()));
        assert!(AesCbc::new(&key("a", bytes)).unwrap_err().contains(&bytes.to_string()));
        assert!(Secretbox::new(&key("a", bytes)).unwrap_err().contains(&bytes.to_string()));
    }
}

#[test]
fn nothing_secret_is_shown() {
    let encryption = Encryption::new(rules(vec![all("a").remove(0), Arc::new(Identity)]));
    let shown = format!("{encryption:?} {:?} {:?}", key("a", 32), Opened { plain: b"hidden".to_vec(), stale: false });
    assert!(
        shown.contains("k8s:enc:secretbox:v1:a:") && !shown.contains("hidden") && !shown.contains("96, 97"),
        "{shown}"
    );
}

#[test]
fn keys_rotate() {
    let (old, new) = (all("a").remove(1), all("b").remove(1));
    let encryption = Encryption::new(rules(vec![Arc::clone(&old), Arc::new(Identity)]));
    let first = encryption.seal(SECRET, b"plain").unwrap().unwrap();
    assert!(first.starts_with(b"k8s:enc:aesgcm:v1:a:"));
    assert!(!encryption.open(SECRET, &first).unwrap().unwrap().stale);

    encryption.clone().replace(rules(vec![Arc::clone(&new), old]));
    let opened = encryption.open(SECRET, &first).unwrap().unwrap();
    assert_eq!((&opened.plain[..], opened.stale), (&b"plain"[..], true));
    let second = encryption.seal(SECRET, b"plain").unwrap().unwrap();
    assert!(second.starts_with(b"k8s:enc:aesgcm:v1:b:"));
    damaged(encryption.open(SECRET, b"\x01plain"), &["plain text", "identity"]);

    encryption.replace(rules(vec![new]));
    damaged(encryption.open(SECRET, &first), &[SECRET, "k8s:enc:aesgcm:v1:a:", "add the key back"]);
    assert_eq!(encryption.open(SECRET, &second).unwrap().unwrap().plain, b"plain");
}

#[test]
fn only_what_a_rule_is_about_is_encrypted() {
    let encryption = Encryption::new(rules(all("a")));
    assert!(encryption.concerns(SECRET) && !encryption.concerns("/core/pods/default/a"));
    assert_eq!(encryption.seal("/core/pods/default/a", b"x").unwrap(), None);
    assert_eq!(encryption.open("/core/pods/default/a", b"x").unwrap(), None);
    damaged(encryption.open("/core/pods/default/a", b"k8s:enc:aesgcm:v1:a:xyz"), &["no provider"]);
    // Plain text first: what was encrypted before can be read, and is to be written anew.
    let decrypting = Encryption::new(rules(vec![Arc::new(Identity), all("a").remove(0)]));
    assert_eq!(decrypting.seal(SECRET, b"x").unwrap(), None);
    let sealed = encryption.seal(SECRET, b"x").unwrap().unwrap();
    assert!(decrypting.open(SECRET, &sealed).unwrap().unwrap().stale);
}

proptest! {
    #[test]
    fn no_bytes_bring_it_down(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let encryption = Encryption::new(rules(all("a")));
        for prefix in ["", "k8s:enc:", "k8s:enc:aesgcm:v1:a:", "k8s:enc:aescbc:v1:a:", "k8s:enc:secretbox:v1:a:"] {
            let _ = encryption.open(SECRET, &[prefix.as_bytes(), &bytes].concat());
        }
    }
}
