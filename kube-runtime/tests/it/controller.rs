//! When keys are reconciled, and what happens when that fails.

use crate::fake::{Fake, settle};
use k8s_openapi::api::core::v1::ConfigMap;
use kubekit_runtime::{Action, BoxError, Controller, Informers, ObjectKey};
use parking_lot::Mutex;
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

type Calls = Arc<Mutex<Vec<(String, u64)>>>;

struct Bench {
    server: Fake,
    informers: Informers,
    shutdown: CancellationToken,
    calls: Calls,
    start: Instant,
}

impl Bench {
    fn new() -> Self {
        let server = Fake::default();
        let informers = Informers::new(server.client());
        let (shutdown, calls) = (CancellationToken::new(), Calls::default());
        tokio::spawn({
            let (informers, shutdown) = (informers.clone(), shutdown.clone());
            async move { informers.run(shutdown).await }
        });
        Self { server, informers, shutdown, calls, start: Instant::now() }
    }

    /// A controller of ConfigMaps that notes each call with its time in milliseconds, and then does `reconcile`.
    fn run<F, Fut>(&self, workers: usize, reconcile: F) -> tokio::task::JoinHandle<()>
    where
        F: Fn(ObjectKey, usize) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Action, BoxError>> + Send + 'static,
    {
        let maps = self.informers.informer::<ConfigMap>();
        let (calls, start) = (Arc::clone(&self.calls), self.start);
        let controller = Controller::new("test").watches(&maps, |change| vec![change.key()]).workers(workers).run(
            self.shutdown.clone(),
            move |key: ObjectKey| {
                let nth = {
                    let mut calls = calls.lock();
                    let at = u64::try_from(start.elapsed().as_millis()).expect("a test is short");
                    calls.push((key.name.clone(), at));
                    calls.iter().filter(|(name, _)| *name == key.name).count()
                };
                reconcile(key, nth)
            },
        );
        tokio::spawn(controller)
    }

    fn calls(&self) -> Vec<(String, u64)> {
        std::mem::take(&mut self.calls.lock())
    }
}

fn calls(expected: &[(&str, u64)]) -> Vec<(String, u64)> {
    expected.iter().map(|(name, at)| ((*name).to_owned(), *at)).collect()
}

#[tokio::test(start_paused = true)]
async fn every_change_is_reconciled_what_was_there_first() {
    let bench = Bench::new();
    bench.server.put_map("ns", "a", "1");
    bench.server.put_map("ns", "b", "1");
    bench.run(1, |_, _| async { Ok(Action::Done) });
    settle().await;
    assert_eq!(bench.calls(), calls(&[("a", 0), ("b", 0)]));
    bench.server.put_map("ns", "a", "2");
    bench.server.remove_map("ns", "b");
    settle().await;
    assert_eq!(bench.calls(), calls(&[("a", 0), ("b", 0)]));
}

/// Expectations rest on it: a creation that was there before must not count as one that a reconcile has asked for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_that_was_there_is_seen_before_the_first_reconcile() {
    const MAPS: usize = 3_000;
    let server = Fake::default();
    for index in 0..MAPS {
        server.put_map("ns", &format!("m{index}"), "1");
    }
    let (informers, shutdown) = (Informers::new(server.client()), CancellationToken::new());
    let maps = informers.informer::<ConfigMap>();
    let seen = Arc::new(AtomicUsize::new(0));
    let (counting, reading) = (Arc::clone(&seen), Arc::clone(&seen));
    let (first, mut told) = tokio::sync::mpsc::unbounded_channel();
    let controller = Controller::new("test")
        .watches(&maps, move |change| {
            counting.fetch_add(1, Ordering::SeqCst);
            vec![change.key()]
        })
        .run(shutdown.clone(), move |_: ObjectKey| {
            let _ = first.send(reading.load(Ordering::SeqCst));
            async { Ok::<_, BoxError>(Action::Done) }
        });
    let ending = shutdown.clone();
    let running = tokio::spawn(async move { tokio::join!(informers.run(ending), controller) });
    assert_eq!(told.recv().await, Some(MAPS));
    shutdown.cancel();
    running.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn failures_and_panics_are_tried_again_after_a_growing_wait() {
    let bench = Bench::new();
    bench.run(1, |_, nth| async move {
        match nth {
            1 => Err("no".into()),
            2 => panic!("oh"),
            3 => Err("no".into()),
            _ => Ok(Action::Done),
        }
    });
    bench.server.put_map("ns", "a", "1");
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(bench.calls(), calls(&[("a", 0), ("a", 5), ("a", 15), ("a", 35)]));
}

#[tokio::test(start_paused = true)]
async fn a_reconcile_may_ask_to_be_called_again() {
    let bench = Bench::new();
    bench.run(1, |_, nth| async move {
        Ok(if nth < 3 { Action::RequeueAfter(Duration::from_secs(10)) } else { Action::Done })
    });
    bench.server.put_map("ns", "a", "1");
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(bench.calls(), calls(&[("a", 0), ("a", 10_000), ("a", 20_000)]));
}

#[tokio::test(start_paused = true)]
async fn a_reconcile_may_ask_for_a_time_that_never_comes() {
    let bench = Bench::new();
    bench.run(1, |_, _| async move { Ok(Action::RequeueAfter(Duration::MAX)) });
    bench.server.put_map("ns", "a", "1");
    settle().await;
    bench.server.put_map("ns", "a", "2");
    settle().await;
    assert_eq!(bench.calls(), calls(&[("a", 0), ("a", 0)]), "the worker works on");
}

#[tokio::test(start_paused = true)]
async fn workers_share_keys_but_never_one_key() {
    let bench = Bench::new();
    let under_way = Arc::new(Mutex::new((HashSet::new(), 0)));
    let twice = Arc::new(Mutex::new(Vec::new()));
    let (shared, told) = (Arc::clone(&under_way), Arc::clone(&twice));
    bench.run(4, move |key, _| {
        let (under_way, twice) = (Arc::clone(&shared), Arc::clone(&told));
        async move {
            {
                let mut guard = under_way.lock();
                // Not asserted here: a controller survives a panic of its reconcile.
                if !guard.0.insert(key.clone()) {
                    twice.lock().push(key.clone());
                }
                guard.1 = guard.1.max(guard.0.len());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
            under_way.lock().0.remove(&key);
            Ok(Action::Done)
        }
    });
    for round in 0..50 {
        for name in ["a", "b", "c", "d", "e"] {
            bench.server.put_map("ns", name, &round.to_string());
        }
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let twice = std::mem::take(&mut *twice.lock());
    assert!(twice.is_empty(), "reconciled twice at a time: {twice:?}");
    assert_eq!(under_way.lock().1, 4, "four at a time");
    assert!(bench.calls().len() >= 50);
}

#[tokio::test(start_paused = true)]
async fn shutdown_waits_for_what_is_under_way_and_begins_nothing_more() {
    let bench = Bench::new();
    let ended = Arc::new(Mutex::new(Vec::new()));
    let shared = Arc::clone(&ended);
    let running = bench.run(1, move |key, _| {
        let ended = Arc::clone(&shared);
        async move {
            tokio::time::sleep(Duration::from_secs(5)).await;
            ended.lock().push(key.name);
            Ok(Action::Done)
        }
    });
    bench.server.put_map("ns", "a", "1");
    bench.server.put_map("ns", "b", "1");
    settle().await;
    bench.shutdown.cancel();
    running.await.unwrap();
    assert_eq!(*ended.lock(), ["a"]);
}

#[tokio::test(start_paused = true)]
async fn keys_may_be_of_any_type_and_be_added_by_hand() {
    let bench = Bench::new();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let shared = Arc::clone(&seen);
    let controller = Controller::<u32>::keyed("numbers");
    let queue = controller.queue();
    tokio::spawn(controller.run(bench.shutdown.clone(), move |key| {
        shared.lock().push(key);
        async { Ok::<_, BoxError>(Action::Done) }
    }));
    queue.add(7);
    queue.add_after(8, Duration::from_secs(1));
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(*seen.lock(), [7, 8]);
}
