//! The provider against a service in this process: rotation, absence, damage, and the rules for answers.

use super::cache::{Cache, KEPT_MAX};
use super::messages::EncryptedObject;
use super::seed::Seed;
use super::simulated::Simulated;
use super::*;
use async_trait::async_trait;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use zeroize::Zeroizing;

const KEY: &str = "/core/secrets/default/a";

async fn kms() -> (Kms, Arc<Simulated>) {
    let service = Arc::new(Simulated::default());
    let kms = Kms::new("vault", Arc::clone(&service) as Arc<dyn KeyService>);
    kms.refresh().await.unwrap();
    (kms, service)
}

/// Another server with the same service.
async fn other(service: &Arc<Simulated>) -> Kms {
    Kms::new("vault", Arc::clone(service) as Arc<dyn KeyService>)
}

#[tokio::test]
async fn what_is_sealed_is_opened_here_and_elsewhere() {
    let (kms, service) = kms().await;
    assert_eq!(kms.prefix(), "k8s:enc:kms:v2:vault:");
    let (one, two) = (kms.seal(b"plain", KEY).unwrap(), kms.seal(b"plain", KEY).unwrap());
    assert_ne!(one, two, "no two values look the same");
    assert!(!one.windows(5).any(|window| window == b"plain"));
    assert_eq!(kms.open(&one, KEY).unwrap(), Opened { plain: b"plain".to_vec(), stale: false });
    assert_eq!(service.unwrapped(), 0, "its own data key need not be unwrapped");
    let elsewhere = other(&service).await;
    assert!(elsewhere.open(&one, KEY).unwrap_err().contains("has not been unwrapped"));
    for _ in 0..2 {
        elsewhere.prepare(&one).await.unwrap();
        elsewhere.prepare_blocking(&two).unwrap();
    }
    assert_eq!(elsewhere.open(&two, KEY).unwrap().plain, b"plain");
    assert_eq!(service.unwrapped(), 1, "once for all values of a data key");
}

/// Answers after a while by the clock, so that it needs a runtime; or not at all, until it is given up.
#[derive(Debug, Default)]
struct Slow {
    service: Simulated,
    hangs: AtomicBool,
    asked: AtomicUsize,
}

#[async_trait]
impl KeyService for Slow {
    async fn status(&self) -> Result<Status, String> {
        self.service.status().await
    }

    async fn encrypt(&self, uid: &str, plain: &[u8]) -> Result<Wrapped, String> {
        self.service.encrypt(uid, plain).await
    }

    async fn decrypt(&self, uid: &str, wrapped: &Wrapped) -> Result<Zeroizing<Vec<u8>>, String> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        if self.hangs.load(Ordering::Relaxed) {
            tokio::time::sleep(Duration::from_secs(3)).await;
            return Err("no answer within 3s".to_owned());
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
        self.service.decrypt(uid, wrapped).await
    }
}

/// A value, and a server that has not unwrapped its data key.
async fn locked(slow: &Arc<Slow>) -> (Vec<u8>, Kms) {
    let kms = Kms::new("vault", Arc::clone(slow) as Arc<dyn KeyService>);
    kms.refresh().await.unwrap();
    let sealed = kms.seal(b"plain", KEY).unwrap();
    (sealed, Kms::new("vault", Arc::clone(slow) as Arc<dyn KeyService>))
}

#[test]
fn a_data_key_is_unwrapped_where_there_is_no_runtime() {
    let (sealed, elsewhere) = futures::executor::block_on(locked(&Arc::default()));
    elsewhere.prepare_blocking(&sealed).unwrap();
    assert_eq!(elsewhere.open(&sealed, KEY).unwrap().plain, b"plain");
}

#[tokio::test]
async fn a_data_key_is_unwrapped_where_the_runtime_is_blocked() {
    let (sealed, elsewhere) = locked(&Arc::default()).await;
    elsewhere.prepare_blocking(&sealed).unwrap();
    assert_eq!(elsewhere.open(&sealed, KEY).unwrap().plain, b"plain");
}

#[tokio::test(start_paused = true)]
async fn readers_do_not_wait_for_a_service_that_hangs_one_after_the_other() {
    let slow = Arc::new(Slow::default());
    let (sealed, elsewhere) = locked(&slow).await;
    slow.hangs.store(true, Ordering::Relaxed);
    let began = Instant::now();
    let outcomes = futures::future::join_all((0..10).map(|_| elsewhere.prepare(&sealed))).await;
    for outcome in outcomes {
        assert_eq!(outcome, Err("KMS plugin \"vault\": no answer within 3s".to_owned()));
    }
    assert_eq!((began.elapsed(), slow.asked.load(Ordering::Relaxed)), (Duration::from_secs(3), 1));
    elsewhere.prepare(&sealed).await.unwrap_err();
    assert_eq!(slow.asked.load(Ordering::Relaxed), 2, "who comes later asks again");
    slow.hangs.store(false, Ordering::Relaxed);
    elsewhere.prepare(&sealed).await.unwrap();
}

#[tokio::test]
async fn what_was_changed_or_moved_is_refused() {
    let (kms, service) = kms().await;
    let sealed = kms.seal(b"plain", KEY).unwrap();
    assert!(kms.open(&sealed, "/core/secrets/default/b").is_err(), "a value stays under its key");
    let mut accepted = Vec::new();
    for place in 0..sealed.len() {
        let mut changed = sealed.clone();
        changed[place] ^= 1;
        // What is wrong shows when the data key is unwrapped, or when the value is opened.
        let opened = match kms.prepare(&changed).await {
            Ok(()) => kms.open(&changed, KEY).map(|opened| opened.plain),
            Err(why) => Err(why),
        };
        match opened {
            Ok(plain) if plain == b"plain" => accepted.push(place),
            Ok(_) => panic!("byte {place} makes another value of it"),
            Err(_) => {}
        }
    }
    // The decoder does not look at the wire type of a map's field, and understands what it was.
    assert!(accepted.len() <= 1, "{accepted:?}");
    for length in 0..sealed.len() {
        let prepared = kms.prepare(&sealed[..length]).await;
        assert!(prepared.is_err() || kms.open(&sealed[..length], KEY).is_err(), "{length} bytes");
    }
    assert!(service.status().await.is_ok());
}

#[tokio::test]
async fn another_key_of_the_service_makes_another_data_key() {
    let (kms, service) = kms().await;
    let before = kms.seal(b"plain", KEY).unwrap();
    service.rotate("key-2");
    assert!(!kms.open(&before, KEY).unwrap().stale, "nobody has asked yet");
    kms.refresh().await.unwrap();
    assert!(kms.open(&before, KEY).unwrap().stale);
    let after = kms.seal(b"plain", KEY).unwrap();
    assert!(!kms.open(&after, KEY).unwrap().stale);
    service.forget("key-1");
    assert_eq!(kms.open(&before, KEY).unwrap().plain, b"plain", "its data key is kept");
    let elsewhere = other(&service).await;
    let why = elsewhere.prepare(&before).await.unwrap_err();
    assert_eq!(why, "KMS plugin \"vault\": there is no key \"key-1\"");
    elsewhere.prepare(&after).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn writes_end_a_while_after_the_service_and_reads_go_on() {
    let (kms, service) = kms().await;
    let sealed = kms.seal(b"plain", KEY).unwrap();
    service.set_down(true);
    tokio::time::advance(WRITES_MAX - Duration::from_secs(1)).await;
    assert_eq!(kms.refresh().await, Err("KMS plugin \"vault\": it is down".to_owned()));
    assert!(kms.ready().is_ok() && kms.health().is_err());
    tokio::time::advance(Duration::from_secs(2)).await;
    for refused in [kms.seal(b"plain", KEY).map(drop), kms.ready(), kms.health()] {
        assert_eq!(refused, Err("KMS plugin \"vault\": it is down".to_owned()));
    }
    assert_eq!(kms.open(&sealed, KEY).unwrap().plain, b"plain");
    service.set_down(false);
    service.set_healthz("sealed");
    let why = kms.refresh().await.unwrap_err();
    assert!(why.contains("it says \"sealed\" where \"ok\" is expected"), "{why}");
    service.set_healthz("ok");
    kms.refresh().await.unwrap();
    assert!(kms.health().is_ok());
    let again = kms.seal(b"plain", KEY).unwrap();
    let head = |sealed: &[u8]| kms.parse(sealed).unwrap().head;
    assert_eq!(head(&again), head(&sealed), "the same key of the service needs no other data key");
    tokio::time::advance(WRITES_MAX * 2).await;
    let why = kms.seal(b"plain", KEY).unwrap_err();
    assert!(why.contains("has not said for 180s that it is well"), "{why}");
}

#[tokio::test]
async fn nothing_is_encrypted_before_the_service_was_asked() {
    let kms = other(&Arc::default()).await;
    for refused in [kms.seal(b"plain", KEY).map(drop), kms.ready(), kms.health()] {
        assert_eq!(refused, Err("the KMS plugin \"vault\" has not been asked yet".to_owned()));
    }
}

#[track_caller]
fn check(change: impl FnOnce(&mut Wrapped), expected: &str) {
    let annotations = BTreeMap::from([("a.example.com".to_owned(), vec![1])]);
    let mut wrapped = Wrapped { ciphertext: vec![1; 60], key_id: "k".to_owned(), annotations };
    wrapped.check().unwrap();
    change(&mut wrapped);
    let why = wrapped.check().unwrap_err();
    assert!(why.contains(expected), "{why}");
}

#[test]
fn answers_of_services_are_checked() {
    check(|wrapped| wrapped.key_id.clear(), "it names no key");
    check(|wrapped| wrapped.key_id = "k".repeat(1025), "1025 bytes");
    check(|wrapped| wrapped.ciphertext.clear(), "into 0 bytes");
    check(|wrapped| wrapped.ciphertext = vec![0; 1025], "into 1025 bytes");
    check(
        |wrapped| drop(wrapped.annotations.insert("b.example.com".to_owned(), vec![0; 32 << 10])),
        "annotations have",
    );
    for name in ["", "local", "-a.b", "a..b", "A.b", "a_b.c"] {
        check(|wrapped| drop(wrapped.annotations.insert(name.to_owned(), vec![])), "no fully qualified domain name");
    }
    let status = |version: &str, key_id: &str| {
        Status { version: version.to_owned(), healthz: "ok".to_owned(), key_id: key_id.to_owned() }.check()
    };
    assert!(status("v2", "k").is_ok() && status("v2beta1", "k").is_ok());
    assert!(status("v1", "k").is_err() && status("v2", "").is_err());
}

#[test]
fn the_cache_keeps_what_is_used() {
    let mut cache = Cache::default();
    let seed = Arc::new(Seed::generate().unwrap());
    cache.put(b"first".to_vec(), Arc::clone(&seed));
    for i in 0..2 * KEPT_MAX {
        cache.put(i.to_be_bytes().to_vec(), Arc::clone(&seed));
        assert!(cache.get(b"first").is_some());
    }
    assert_eq!(cache.len(), KEPT_MAX);
    assert!(cache.get(&0usize.to_be_bytes()).is_none());
    cache.put(b"first".to_vec(), seed);
    assert_eq!(cache.len(), KEPT_MAX);
}

#[test]
fn the_stored_form_is_that_of_the_published_messages() {
    let annotations = BTreeMap::from([("a.b".to_owned(), b"v".to_vec())]);
    let wrapped = Wrapped { ciphertext: b"w".to_vec(), key_id: "k".to_owned(), annotations };
    // Field and wire type, length, bytes: key, wrapped data key, a map's entry, the kind of data key.
    assert_eq!(EncryptedObject::head(wrapped), b"\x12\x01k\x1a\x01w\x22\x08\x0a\x03a.b\x12\x01v\x28\x01");
}
