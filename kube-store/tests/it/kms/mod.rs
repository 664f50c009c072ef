//! Encryption at rest under keys of a plugin behind a Unix socket, on disk: no plain text, restarts, a plugin that is away,
//! and keys that rotate.

mod plugin;

use crate::encryption::{PLAIN, PREFIX, bytes, contains, get, put};
use kubekit_store::conformance::extractor;
use kubekit_store::encryption::config::EncryptionConfiguration;
use kubekit_store::encryption::kms::simulated::Simulated;
use kubekit_store::{Config, Disk, Encryption, Error, Precondition, Store, Value};
use plugin::Plugin;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const SECRET: &str = "/core/secrets/default/a";

/// A directory with a store and a plugin's socket.
struct Place {
    directory: tempfile::TempDir,
    service: Arc<Simulated>,
}

impl Place {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap(), service: Arc::default() }
    }

    fn store(&self) -> PathBuf {
        self.directory.path().join("store")
    }

    fn socket(&self) -> PathBuf {
        self.directory.path().join("kms.sock")
    }

    fn plugin(&self) -> Plugin {
        Plugin::start(&self.socket(), &self.service)
    }

    /// The rules as a file says them.
    fn encryption(&self) -> Encryption {
        let text = format!(
            "apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\nresources:\n- resources: [secrets]\n  \
             providers:\n  - kms: {{apiVersion: v2, name: vault, endpoint: 'unix://{}', timeout: 2s}}\n  - identity: {{}}\n",
            self.socket().display()
        );
        let read = EncryptionConfiguration::parse(&text).unwrap();
        Encryption::new(read.rules(|_| PREFIX.to_owned()))
    }

    /// A server that starts: its rules, fresh, and its store.
    async fn open(&self) -> (Encryption, Disk) {
        let encryption = self.encryption();
        encryption.refresh().await.unwrap();
        let store = open(&self.store(), &encryption).unwrap();
        (encryption, store)
    }
}

fn open(path: &Path, encryption: &Encryption) -> Result<Disk, Error> {
    Disk::open(path, extractor(), Config::default().encryption(encryption.clone()))
}

/// One thread is blocked while the directory is read back; the other serves the plugin.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn secrets_are_read_back_after_restarts_and_nowhere_in_plain_text() {
    let place = Place::new();
    let _plugin = place.plugin();
    for round in 0..3 {
        let (_, store) = place.open().await;
        for earlier in 0..round {
            assert_eq!(get(&store, &format!("{PREFIX}default/{earlier}")).await, format!("label={PLAIN};n={earlier}"));
        }
        put(&store, &format!("{PREFIX}default/{round}"), &format!("label={PLAIN};n={round}")).await;
        put(&store, "/core/configmaps/default/a", "this=is-public").await;
    }
    assert_eq!(place.service.unwrapped(), 1 + 2, "each start makes a data key, and unwraps those of the starts before");
    let stored = bytes(&place.store());
    assert!(contains(&stored, "k8s:enc:kms:v2:vault:") && contains(&stored, "this=is-public"));
    assert!(!contains(&stored, PLAIN));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plugin_that_is_away_is_said_and_stops_what_needs_it_only() {
    let place = Place::new();
    let plugin = place.plugin();
    let (encryption, store) = place.open().await;
    put(&store, SECRET, PLAIN).await;
    store.health().await.unwrap();
    drop(plugin);
    let error = encryption.refresh().await.unwrap_err().to_string();
    assert!(error.contains("KMS plugin \"vault\"") && error.contains("kms.sock"), "{error}");
    assert_eq!(store.health().await.unwrap_err().to_string(), error, "a server is not ready then");
    assert_eq!(get(&store, SECRET).await, PLAIN, "reads go on");
    let error = store.reseal().await.unwrap_err();
    assert!(matches!(error, Error::Unavailable(_)), "{error}");
    drop(store);

    // A server that starts now cannot read what it has; a store that holds nothing encrypted opens, and refuses Secrets.
    let unasked = place.encryption();
    let error = open(&place.store(), &unasked).unwrap_err();
    assert!(matches!(&error, Error::Unavailable(_)), "nothing is damaged: {error}");
    let error = error.to_string();
    assert!(error.contains("/core/secrets/default/a cannot be decrypted") && error.contains("kms.sock"), "{error}");
    let empty = open(&place.directory.path().join("empty"), &unasked).unwrap();
    let value = Value { bytes: PLAIN.into(), splice: 0 };
    let refused = empty.put(SECRET, Precondition::None, value).await.unwrap_err();
    assert!(matches!(&refused, Error::Unavailable(text) if text.contains("has not been asked yet")), "{refused}");
    put(&empty, "/core/configmaps/default/a", "this=is-public").await;

    let _plugin = place.plugin();
    unasked.refresh().await.unwrap();
    put(&empty, SECRET, PLAIN).await;
    assert_eq!(get(&open(&place.store(), &unasked).unwrap(), SECRET).await, PLAIN);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_rotation_and_a_reencryption_the_old_key_is_not_needed() {
    let place = Place::new();
    let _plugin = place.plugin();
    let (_, store) = place.open().await;
    put(&store, SECRET, PLAIN).await;
    place.service.rotate("key-2");
    assert_eq!(store.reseal().await.unwrap(), 1, "it asks for the present key by itself");
    drop(store);
    place.service.forget("key-1");
    let stored = bytes(&place.store());
    assert!(contains(&stored, "key-2") && !contains(&stored, "key-1"));
    let (_, store) = place.open().await;
    assert_eq!(get(&store, SECRET).await, PLAIN);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_says_no_is_quoted() {
    let place = Place::new();
    let _plugin = place.plugin();
    let (encryption, store) = place.open().await;
    put(&store, SECRET, PLAIN).await;
    drop(store);
    place.service.rotate("key-2");
    place.service.forget("key-1");
    encryption.refresh().await.unwrap();
    let error = open(&place.store(), &place.encryption()).unwrap_err().to_string();
    assert!(
        error.contains("/v2.KeyManagementService/Decrypt") && error.contains("there is no key \"key-1\""),
        "{error}"
    );
    place.service.set_healthz("sealed");
    let error = encryption.refresh().await.unwrap_err().to_string();
    assert!(error.contains("it says \"sealed\" where \"ok\" is expected"), "{error}");
}
