//! The backend over etcd, against real `etcd` processes. Where there is no `etcd`, these tests say so and pass; under
//! `CI=true` they fail instead.

mod cluster;
mod conformance;
mod faults;
mod leases;
mod security;
mod sharing;

use cluster::Cluster;
use kubekit_store::conformance::extractor;
use kubekit_store::etcd::EtcdConfig;
use kubekit_store::{Config, Etcd, Precondition, Revision, Store, TxnOutcome, Value};
use std::time::Duration;

/// Settings for a cluster of the tests: nothing is compacted unless a test asks.
fn settings(cluster: &Cluster) -> EtcdConfig {
    EtcdConfig::new(cluster.addresses()).compaction_interval(None)
}

async fn store(cluster: &Cluster) -> Etcd {
    Etcd::connect(settings(cluster), extractor(), Config::default()).await.unwrap()
}

async fn store_with(settings: EtcdConfig) -> Etcd {
    Etcd::connect(settings, extractor(), Config::default()).await.unwrap()
}

fn value(text: &str) -> Value {
    Value { bytes: text.to_owned().into(), splice: 0 }
}

/// Writes, and gives the revision.
async fn put(store: &dyn Store, key: &str, text: &str) -> Revision {
    match store.put(key, Precondition::None, value(text)).await.unwrap() {
        TxnOutcome::Committed { revision, .. } => revision,
        TxnOutcome::Refused { .. } => panic!("a write without a condition was refused"),
    }
}

async fn get(store: &dyn Store, key: &str) -> Option<String> {
    let entry = store.get(key, kubekit_store::ReadAt::Latest).await.unwrap();
    entry.map(|entry| String::from_utf8(entry.value.bytes.to_vec()).unwrap())
}

/// Polls until `check` holds; says `what` did not happen otherwise.
async fn eventually(what: &str, mut check: impl AsyncFnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
    while !check().await {
        assert!(tokio::time::Instant::now() < deadline, "this did not happen in time: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
