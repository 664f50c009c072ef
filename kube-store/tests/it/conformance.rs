//! The conformance suite on both backends, and the model with more seeds.

use crate::seeds;
use kubekit_store::conformance::{Subject, checks, extractor, random_operations, run_all};
use kubekit_store::medium::Simulated;
use kubekit_store::{CommitMode, Config, Disk, History, Memory};
use std::sync::Arc;

/// `docs/store.md` says which check stands for which behaviour of Kubernetes' suite: each is there.
#[test]
fn the_behaviours_of_kubernetes_have_their_checks() {
    let page = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/store.md");
    let page = std::fs::read_to_string(page).unwrap();
    let (_, table) = page.split_once("| | there | here |").unwrap();
    let names: Vec<&str> = checks().iter().map(|check| check.name).collect();
    let (mut rows, mut covered) = (0, 0);
    for row in table.lines().skip(2).take_while(|line| line.starts_with('|')) {
        rows += 1;
        let Some((_, here)) = row.split_once("| `") else { continue };
        covered += 1;
        for check in here.trim_end_matches(" |").split(", ") {
            assert!(names.contains(&check.trim_matches('`')), "{row}: there is no check {check}");
        }
    }
    assert_eq!((rows, covered), (54, 50));
}

fn memory(config: Config) -> Subject {
    Arc::new(Memory::new(extractor(), config))
}

fn simulated(config: Config) -> Subject {
    let config = config.commit_mode(CommitMode::Inline);
    Arc::new(Disk::open_on(Simulated::new(1), extractor(), config).unwrap())
}

/// Configurations in which everything has to go the long way.
fn small(config: Config) -> Config {
    config.watch_buffer(3).segment_bytes(4 << 10).indexed("color").indexed("node")
}

#[tokio::test(start_paused = true)]
async fn memory_conforms() {
    run_all(async || memory(Config::default())).await;
}

#[tokio::test(start_paused = true)]
async fn memory_with_small_buffers_and_indexes_conforms() {
    run_all(async || memory(small(Config::default()))).await;
}

#[tokio::test(start_paused = true)]
async fn a_simulated_disk_conforms() {
    run_all(async || simulated(Config::default())).await;
}

#[tokio::test(start_paused = true)]
async fn a_simulated_disk_with_small_files_conforms() {
    run_all(async || simulated(small(Config::default()))).await;
}

/// Stores with threads of their own run in real time: a paused clock would run on while they work.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_directory_conforms() {
    let directories = tempfile::tempdir().unwrap();
    let next = std::sync::atomic::AtomicU32::new(0);
    run_all(async || {
        let number = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let path = directories.path().join(number.to_string());
        Arc::new(Disk::open(path, extractor(), small(Config::default())).unwrap()) as Subject
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn random_operations_agree_with_the_model() {
    for seed in seeds("model", 12) {
        let unbounded = Config::default().history(History::unbounded());
        random_operations(memory(unbounded.clone()), seed, 3000).await;
        random_operations(memory(small(unbounded.clone())), seed, 3000).await;
        random_operations(simulated(small(unbounded)), seed, 1500).await;
    }
}
