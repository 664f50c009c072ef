//! A process that is killed loses nothing that it acknowledged, and one that is stopped carries on.

use crate::cluster::Cluster;
use k8s_openapi::api::core::v1::ConfigMap;
use kubekit_runtime::{Api, Client, Kubeconfig, ListParams};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const CLIENTS: usize = 8;
const CREATES: usize = 10_000;

fn client(cluster: &Cluster) -> Client {
    Client::from_kubeconfig(&Kubeconfig::from_file(&cluster.kubeconfig()).expect("the cluster wrote it"))
        .expect("complete")
}

fn config_map(name: &str) -> ConfigMap {
    let mut object = ConfigMap::default();
    object.metadata.name = Some(name.to_owned());
    object.data = Some([("payload".to_owned(), format!("{name}:").repeat(40))].into());
    object
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_9_in_the_middle_of_creates_loses_nothing_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    let cluster = Cluster::start_in(dir.path(), &["--nodes", "0"]);
    let acknowledged = Arc::new(Mutex::new(BTreeSet::new()));
    let count = Arc::new(AtomicUsize::new(0));
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..CLIENTS {
        let api: Api<ConfigMap> = Api::namespaced(client(&cluster), "default");
        let (acknowledged, count) = (acknowledged.clone(), count.clone());
        writers.spawn(async move {
            for i in 0..CREATES / CLIENTS {
                let name = format!("c-{writer}-{i}");
                if api.create(&config_map(&name)).await.is_err() {
                    return;
                }
                acknowledged.lock().unwrap().insert(name);
                count.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    while count.load(Ordering::Relaxed) < CREATES / 2 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    tokio::task::spawn_blocking(move || cluster.kill()).await.unwrap();
    writers.shutdown().await;
    let acknowledged = std::mem::take(&mut *acknowledged.lock().unwrap());
    assert!(acknowledged.len() >= CREATES / 2 && acknowledged.len() < CREATES, "{}", acknowledged.len());

    let cluster = Cluster::start_in(dir.path(), &["--nodes", "0"]);
    let api: Api<ConfigMap> = Api::namespaced(client(&cluster), "default");
    let found = api.list(&ListParams::default()).await.unwrap().items;
    for object in &found {
        let name = object.metadata.name.as_deref().unwrap();
        if name.starts_with("c-") {
            assert_eq!(object.data, config_map(name).data, "{name} is torn");
        }
    }
    let names: BTreeSet<String> = found.into_iter().filter_map(|object| object.metadata.name).collect();
    let lost: Vec<&String> = acknowledged.difference(&names).collect();
    assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
}

#[test]
fn it_stops_in_order_and_carries_on() {
    let dir = tempfile::tempdir().unwrap();
    let first = Cluster::start_in(dir.path(), &[]);
    let kubeconfig = std::fs::read(first.kubeconfig()).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(std::fs::metadata(first.kubeconfig()).unwrap().permissions().mode() & 0o777, 0o600);
    }
    let authority = |text: &[u8]| {
        let text = String::from_utf8_lossy(text).into_owned();
        text.lines().find(|line| line.contains("certificate-authority-data")).map(str::to_owned)
    };
    first.stop();
    let second = Cluster::start_in(dir.path(), &[]);
    let again = std::fs::read(second.kubeconfig()).unwrap();
    assert_eq!(authority(&kubeconfig), authority(&again), "the same certificates");
    second.stop();
}
