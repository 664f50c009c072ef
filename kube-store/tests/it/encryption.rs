//! Encryption at rest on disk: no plain text in any file, keys that rotate, and what a wrong key is told.

use kubekit_store::conformance::{Subject, extractor, run_all};
use kubekit_store::encryption::{AesCbc, AesGcm, Identity, Key, Provider, Rule, Secretbox};
use kubekit_store::medium::Simulated;
use kubekit_store::{
    CommitMode, Config, Disk, Encryption, Error, ListRequest, Precondition, ReadAt, Store, Value, WatchRequest,
};
use std::path::Path;
use std::sync::Arc;

pub(crate) const PREFIX: &str = "/core/secrets/";
/// Long and unlike anything else, so that it is found wherever it stands.
pub(crate) const PLAIN: &str = "correct-horse-battery-staple";

pub(crate) fn gcm(name: &str) -> Arc<dyn Provider> {
    Arc::new(AesGcm::new(&Key::new(name, name.bytes().cycle().take(32).collect())).unwrap())
}

pub(crate) fn rules(providers: Vec<Arc<dyn Provider>>) -> Vec<Rule> {
    vec![Rule { prefixes: vec![PREFIX.to_owned()], providers }]
}

fn open(path: &Path, encryption: &Encryption) -> Result<Disk, Error> {
    Disk::open(path, extractor(), Config::default().encryption(encryption.clone()))
}

/// Every byte of a directory.
pub(crate) fn bytes(path: &Path) -> Vec<u8> {
    let files = std::fs::read_dir(path).unwrap();
    files.flat_map(|file| std::fs::read(file.unwrap().path()).unwrap()).collect()
}

pub(crate) fn contains(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

pub(crate) async fn put(store: &dyn Store, key: &str, text: &str) {
    let value = Value { bytes: text.to_owned().into(), splice: 0 };
    store.put(key, Precondition::None, value).await.unwrap();
}

pub(crate) async fn get(store: &dyn Store, key: &str) -> String {
    let entry = store.get(key, ReadAt::Latest).await.unwrap().expect("it was written");
    String::from_utf8(entry.value.bytes.to_vec()).unwrap()
}

/// The contract holds with every value encrypted, by each cipher.
#[tokio::test(start_paused = true)]
async fn an_encrypted_disk_conforms() {
    let key = |bytes| Key::new("k", vec![3; bytes]);
    let providers: [Arc<dyn Provider>; 3] = [
        Arc::new(AesGcm::new(&key(16)).unwrap()),
        Arc::new(AesCbc::new(&key(24)).unwrap()),
        Arc::new(Secretbox::new(&key(32)).unwrap()),
    ];
    let next = std::sync::atomic::AtomicUsize::new(0);
    run_all(async || {
        let turn = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let providers = vec![Arc::clone(&providers[turn % providers.len()])];
        let encryption = Encryption::new(vec![Rule { prefixes: vec![String::new()], providers }]);
        let config = Config::default().commit_mode(CommitMode::Inline).segment_bytes(4 << 10).encryption(encryption);
        Arc::new(Disk::open_on(Simulated::new(1), extractor(), config).unwrap()) as Subject
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_plain_text_of_a_secret_is_in_any_file() {
    let directory = tempfile::tempdir().unwrap();
    let encryption = Encryption::new(rules(vec![gcm("one"), Arc::new(Identity)]));
    {
        let store = open(directory.path(), &encryption).unwrap();
        put(&store, "/core/secrets/default/a", &format!("label={PLAIN};x=1")).await;
        put(&store, "/core/configmaps/default/a", "this=is-public").await;
        assert_eq!(get(&store, "/core/secrets/default/a").await, format!("label={PLAIN};x=1"));
        let log = bytes(directory.path());
        assert!(contains(&log, "this=is-public") && !contains(&log, PLAIN));
        // In the snapshot as well as in the log.
        store.reseal().await.unwrap();
        assert!(!contains(&bytes(directory.path()), PLAIN));
    }
    let store = open(directory.path(), &encryption).unwrap();
    assert_eq!(get(&store, "/core/secrets/default/a").await, format!("label={PLAIN};x=1"));
    // What selectors see was encrypted too, and is there again.
    let mut listed = store.list(ListRequest { prefix: PREFIX.to_owned(), ..ListRequest::default() }).await.unwrap();
    let entry = listed.entries.next().unwrap();
    assert_eq!(entry.attributes.get("label"), Some(PLAIN));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_rotate_while_the_store_runs() {
    let directory = tempfile::tempdir().unwrap();
    let encryption = Encryption::default();
    let store = open(directory.path(), &encryption).unwrap();
    put(&store, "/core/secrets/default/a", PLAIN).await;
    assert!(contains(&bytes(directory.path()), PLAIN), "nothing is encrypted yet");

    let mut events = store.watch(WatchRequest { prefix: PREFIX.to_owned(), ..WatchRequest::default() }).await.unwrap();
    let plain: Arc<dyn Provider> = Arc::new(Identity);
    for (new, old, gone, written) in [
        (gcm("one"), plain, None, ":one:"),
        (gcm("two"), gcm("one"), Some(":one:"), ":two:"),
        (gcm("three"), gcm("two"), Some(":two:"), ":three:"),
    ] {
        encryption.replace(rules(vec![new, old]));
        assert_eq!(store.reseal().await.unwrap(), 1);
        let found = bytes(directory.path());
        assert!(!contains(&found, PLAIN) && contains(&found, written));
        assert!(gone.is_none_or(|gone| !contains(&found, gone)), "a byte under the old key is left");
    }
    assert!(futures::FutureExt::now_or_never(futures::StreamExt::next(&mut events)).is_none(), "nothing has changed");
    drop((events, store));
    // The older keys are not needed any more.
    encryption.replace(rules(vec![gcm("three")]));
    let store = open(directory.path(), &encryption).unwrap();
    assert_eq!(get(&store, "/core/secrets/default/a").await, PLAIN);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_without_its_key_says_so_and_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let right = Encryption::new(rules(vec![gcm("one")]));
    {
        let store = open(directory.path(), &right).unwrap();
        put(&store, "/core/secrets/default/a", PLAIN).await;
    }
    let before = bytes(directory.path());
    let impostor = Arc::new(AesGcm::new(&Key::new("one", vec![9; 32])).unwrap());
    for (encryption, expected) in [
        (Encryption::default(), "k8s:enc:aesgcm:v1:one:, for which the encryption configuration has no provider"),
        (Encryption::new(rules(vec![gcm("two"), Arc::new(Identity)])), "add the key back"),
        (Encryption::new(rules(vec![impostor])), "the key \"one\" is not the one that it was encrypted with"),
    ] {
        let error = open(directory.path(), &encryption).unwrap_err();
        assert!(matches!(error, Error::Damaged(_)), "{error}");
        let text = error.to_string();
        assert!(text.contains("/core/secrets/default/a") && text.contains(expected), "{text}");
        assert_eq!(bytes(directory.path()).len(), before.len());
    }
    assert_eq!(get(&open(directory.path(), &right).unwrap(), "/core/secrets/default/a").await, PLAIN);
}
