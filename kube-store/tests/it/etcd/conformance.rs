//! The public conformance suite on one member and on three, each check on a cluster of its own.

use super::cluster::{Cluster, available};
use super::settings;
use futures::StreamExt;
use kubekit_store::conformance::{Check, checks, extractor, random_operations};
use kubekit_store::{Config, Etcd, History};
use std::sync::Arc;

/// Members that run at the same time: most of the time is waiting for them, but with a dozen on two cores they time out.
const MEMBERS_AT_ONCE: usize = 4;

async fn run(check: &Check, members: usize, config: Config) {
    println!("{members} members: {}", check.name);
    let cluster = Cluster::start(members);
    let store = Etcd::connect(settings(&cluster), extractor(), config).await.unwrap();
    check.run(Arc::new(store)).await;
}

async fn run_all(members: usize, config: Config) {
    futures::stream::iter(checks())
        .map(|check| run(check, members, config.clone()))
        .buffer_unordered(MEMBERS_AT_ONCE.div_ceil(members))
        .collect::<Vec<()>>()
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_member_conforms() {
    if available() {
        run_all(1, Config::default()).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_members_conform() {
    if available() {
        run_all(3, Config::default().watch_buffer(3).indexed("color").indexed("node")).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_operations_agree_with_the_model() {
    if !available() {
        return;
    }
    for seed in crate::seeds("model over etcd", 2) {
        let cluster = Cluster::start(1);
        let config = Config::default().history(History::unbounded());
        let store = Etcd::connect(settings(&cluster), extractor(), config).await.unwrap();
        random_operations(Arc::new(store), seed, 1500).await;
    }
}
