//! A process that is killed loses nothing that it acknowledged, and one that is stopped carries on.

use crate::cluster::Cluster;
use k8s_openapi::api::core::v1::ConfigMap;
use kubekit_runtime::{Api, Client, Kubeconfig, ListParams};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::task::JoinSet;

const CLIENTS: usize = 8;
/// More than any round gets to.
const CREATES: usize = 100_000;

pub(crate) fn client(cluster: &Cluster) -> Client {
    Client::from_kubeconfig(&Kubeconfig::from_file(&cluster.kubeconfig()).expect("the cluster wrote it"))
        .expect("complete")
}

pub(crate) fn config_map(name: &str) -> ConfigMap {
    let mut object = ConfigMap::default();
    object.metadata.name = Some(name.to_owned());
    object.data = Some([("payload".to_owned(), format!("{name}:").repeat(40))].into());
    object
}

/// Names of objects that were acknowledged, and of those whose answer was lost.
#[derive(Default)]
struct Told {
    acknowledged: BTreeSet<String>,
    unknown: BTreeSet<String>,
}

/// Starts clients that create until the cluster is gone.
fn writers(cluster: &Cluster, round: usize, told: &Arc<Mutex<Told>>, count: &Arc<AtomicUsize>) -> JoinSet<()> {
    let mut writers = JoinSet::new();
    for writer in 0..CLIENTS {
        let api: Api<ConfigMap> = Api::namespaced(client(cluster), "default");
        let (told, count) = (Arc::clone(told), Arc::clone(count));
        writers.spawn(async move {
            for i in 0..CREATES {
                let name = format!("c-{round}-{writer}-{i}");
                let mut object = config_map(&name);
                object.metadata.labels = Some([("round".to_owned(), round.to_string())].into());
                let created = api.create(&object).await.is_ok();
                let mut told = told.lock().unwrap();
                if !created {
                    told.unknown.insert(name);
                    return;
                }
                told.acknowledged.insert(name);
                count.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    writers
}

/// Checks what a cluster has found again, of one round or of all: everything acknowledged, nothing that nobody wrote,
/// nothing torn.
async fn check_found(cluster: &Cluster, told: &Told, round: Option<usize>, place: &str) {
    let api: Api<ConfigMap> = Api::namespaced(client(cluster), "default");
    let mut names = BTreeSet::new();
    let of_round = round.map(|round| (format!("round={round}"), format!("c-{round}-")));
    let (selector, prefix) = of_round.unwrap_or_else(|| (String::new(), "c-".to_owned()));
    for object in api.list(&ListParams::default().labels(selector)).await.unwrap().items {
        let name = object.metadata.name.clone().unwrap();
        if name.starts_with(&prefix) {
            assert_eq!(object.data, config_map(&name).data, "{place}: {name} is torn");
            assert!(
                told.acknowledged.contains(&name) || told.unknown.contains(&name),
                "{place}: {name} comes from nowhere"
            );
            names.insert(name);
        }
    }
    let acknowledged = told.acknowledged.range(prefix.clone()..).take_while(|name| name.starts_with(&prefix));
    let lost: Vec<&String> = acknowledged.filter(|name| !names.contains(*name)).collect();
    assert!(lost.is_empty(), "{place}: acknowledged and lost: {lost:?}");
}

/// The same directory again and again: each cluster is killed in the middle of its creates, and the next one starts on what
/// it left. `KUBEKIT_LONG=1` kills a thousand, and then looks at all that was written before after every fiftieth only.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_9_in_the_middle_of_creates_loses_nothing_acknowledged() {
    let (rounds, creates): (usize, usize) =
        if std::env::var_os("KUBEKIT_LONG").is_some() { (1000, 200) } else { (3, 1500) };
    let dir = tempfile::tempdir().unwrap();
    let told = Arc::new(Mutex::new(Told::default()));
    for round in 0..rounds {
        let cluster = Cluster::start_in(dir.path(), &["--nodes", "0"]);
        let before = std::mem::take(&mut *told.lock().unwrap());
        let all = rounds < 50 || round % 50 == 0;
        let last = round.checked_sub(1).filter(|_| !all);
        check_found(&cluster, &before, last, &format!("round {round}")).await;
        *told.lock().unwrap() = before;
        let count = Arc::new(AtomicUsize::new(0));
        let mut writers = writers(&cluster, round, &told, &count);
        // Not at the same place each time.
        while count.load(Ordering::Relaxed) < creates / 2 + round * 37 % (creates / 2) {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        tokio::task::spawn_blocking(move || cluster.kill()).await.unwrap();
        while let Some(ended) = writers.join_next().await {
            ended.unwrap();
        }
    }
    let cluster = Cluster::start_in(dir.path(), &["--nodes", "0"]);
    let told = std::mem::take(&mut *told.lock().unwrap());
    check_found(&cluster, &told, None, "at the end").await;
    let (acknowledged, unknown) = (told.acknowledged.len(), told.unknown.len());
    println!("{rounds} kills, {acknowledged} acknowledged creates, {unknown} whose answer was lost");
    assert!(acknowledged >= rounds * creates / 2);
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
