//! Eight writers and eight watchers on a store that fails under them again and again, and the judgement on all of it.

use crate::{long, seeds};
use kubekit_store::conformance::extractor;
use kubekit_store::conformance::history::{Journal, Judged, Load, Recorder, run};
use kubekit_store::medium::{Fault, Simulated};
use kubekit_store::{CommitMode, Config, Disk, EMPTY_REVISION, History, Store};
use std::sync::Arc;

/// Everything stays in one log, so that the journal can be read at the end.
fn config(mode: CommitMode) -> Config {
    Config::default().history(History::unbounded()).commit_mode(mode).watch_buffer(4)
}

fn open(medium: &Simulated, mode: CommitMode) -> Arc<dyn Store> {
    Arc::new(Disk::open_on(medium.clone(), extractor(), config(mode)).unwrap())
}

/// The fault of a life, and its name.
fn fault(number: u64, medium: &Simulated, at: u64) -> (&'static str, Fault) {
    match number % 4 {
        0 => ("crashes", Fault::CrashAt(medium.operations() + 1 + at)),
        1 => ("failed syncs", Fault::SyncFails),
        2 => ("failed appends", Fault::AppendFails),
        _ => ("full media", Fault::Capacity(medium.bytes() + 40 * at)),
    }
}

async fn check(mode: CommitMode, seed: u64, lives: u64) -> Judged {
    let medium = Simulated::new(seed);
    let recorder = Arc::new(Recorder::default());
    let mut injected = std::collections::BTreeMap::new();
    let mut after = EMPTY_REVISION;
    for life in 0..lives {
        let store = open(&medium, mode);
        let load = Load { writers: 8, watchers: 8, questions: 40, keys: 4, serial: life, after };
        // A first part without faults, and one in which something happens.
        run(&store, &recorder, load, seed + life).await;
        let (name, fault) = fault(seed + life, &medium, (seed * 31 + life * 17) % 120);
        medium.inject(fault);
        *injected.entry(name).or_insert(0) += 1;
        after = store.revision().await.unwrap();
        let load = Load { serial: lives + life, after, ..load };
        run(&store, &recorder, load, seed + 1000 + life).await;
        after = store.revision().await.unwrap();
        drop(store);
        medium.restart();
    }
    let store = open(&medium, mode);
    let journal = Journal::read(&store, EMPTY_REVISION).await.unwrap();
    let judged = recorder.judge(&journal).unwrap_or_else(|violation| panic!("seed {seed}: {violation}"));
    println!("seed {seed}: {} changes, {judged:?}, injected: {injected:?}", journal.len());
    assert!(judged.answered > 1000 && judged.events > 1000, "{judged:?}");
    judged
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn histories_under_faults_are_linearizable() {
    let lives = if long() { 40 } else { 8 };
    let mut unknown = 0;
    for seed in seeds("linearizability with threads", 4) {
        unknown += check(CommitMode::Thread, seed, lives).await.unknown_not_done;
    }
    assert!(unknown > 0, "some answers were lost");
}

#[tokio::test(start_paused = true)]
async fn simulated_histories_under_faults_are_linearizable() {
    for seed in seeds("linearizability of simulations", 4) {
        check(CommitMode::Inline, seed, 8).await;
    }
}

/// The judge finds what a broken store does: here one that forgets its last acknowledged write.
#[tokio::test(start_paused = true)]
async fn a_lost_write_is_found() {
    let medium = Simulated::new(1);
    let store = open(&medium, CommitMode::Inline);
    let recorder = Arc::new(Recorder::default());
    let load = Load { writers: 2, watchers: 1, questions: 20, keys: 2, serial: 0, after: EMPTY_REVISION };
    run(&store, &recorder, load, 1).await;
    let revision = store.revision().await.unwrap();
    drop(store);
    let name = medium.names().pop().unwrap();
    let bytes = medium.contents(&name).unwrap();
    let opened = |length: usize| {
        let cut = Simulated::new(2);
        cut.set_contents(&name, bytes[..length].to_vec());
        Disk::open_on(cut, extractor(), config(CommitMode::Inline)).unwrap()
    };
    let mut store = opened(bytes.len());
    for length in (0..bytes.len()).rev() {
        store = opened(length);
        if store.revision().await.unwrap() < revision {
            break;
        }
    }
    let store: Arc<dyn Store> = Arc::new(store);
    let journal = Journal::read(&store, EMPTY_REVISION).await.unwrap();
    let violation = recorder.judge(&journal).unwrap_err();
    assert!(violation.to_string().contains("lost"), "{violation}");
}
