//! Caches that agree with the server whatever happens, and subscribers that miss nothing.

use crate::fake::{Fake, Fault, settle};
use futures::{FutureExt as _, StreamExt as _};
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kubekit_core::environment::Random as _;
use kubekit_runtime::environment::SeededRandom;
use kubekit_runtime::{
    Change, Changes, Informer, Informers, Interner, Object as _, ObjectKey, PartialObject, TypedObject as _, WatchScope,
};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

struct Running {
    informers: Informers,
    shutdown: CancellationToken,
    task: JoinHandle<()>,
}

fn run(server: &Fake) -> Running {
    let informers = Informers::new(server.client());
    let shutdown = CancellationToken::new();
    let task = tokio::spawn({
        let (informers, shutdown) = (informers.clone(), shutdown.clone());
        async move { informers.run(shutdown).await }
    });
    Running { informers, shutdown, task }
}

fn values(objects: impl IntoIterator<Item = std::sync::Arc<ConfigMap>>) -> Vec<String> {
    objects
        .into_iter()
        .map(|object| format!("{}={}", object.key(), object.data.as_ref().expect("it has data")["value"]))
        .collect()
}

/// What has arrived, without waiting.
fn arrived(changes: &mut Changes<ConfigMap>) -> Vec<String> {
    std::iter::from_fn(|| changes.next().now_or_never().flatten())
        .map(|change| match change {
            Change::Applied { old: None, new } => format!("+{}", new.key()),
            Change::Applied { new, .. } => format!("~{}", new.key()),
            Change::Deleted(object) => format!("-{}", object.key()),
        })
        .collect()
}

#[tokio::test(start_paused = true)]
async fn a_cache_follows_the_server() {
    let server = Fake::default();
    server.put_map("ns", "a", "1");
    let running = run(&server);
    let maps: Informer<ConfigMap> = running.informers.informer();
    maps.add_index("value", |object| object.data.iter().flat_map(|data| data.values().cloned()).collect());
    assert!(!maps.is_synced());
    assert!(maps.wait_synced().await);
    let reader = maps.reader();
    assert_eq!(values(reader.list()), ["ns/a=1"]);
    server.put_map("ns", "a", "2");
    server.put_map("other", "b", "2");
    settle().await;
    assert_eq!(values(reader.get(&ObjectKey::new("ns", "a"))), ["ns/a=2"]);
    assert_eq!(values(reader.by_index("value", "2")), ["ns/a=2", "other/b=2"]);
    assert_eq!(values(reader.in_namespace("other")), ["other/b=2"]);
    server.remove_map("ns", "a");
    settle().await;
    assert_eq!((reader.len(), reader.is_empty()), (1, false));
}

#[tokio::test(start_paused = true)]
async fn one_watch_for_all_who_ask_for_a_kind_and_scope() {
    let server = Fake::default();
    let running = run(&server);
    let first: Informer<ConfigMap> = running.informers.informer();
    let second: Informer<ConfigMap> = running.informers.informer();
    let scoped: Informer<ConfigMap> = running.informers.informer_with(WatchScope::namespace("ns"));
    let _other: Informer<Secret> = running.informers.informer();
    let _partial: Informer<PartialObject> =
        running.informers.informer_of(ConfigMap::api_resource(), WatchScope::default());
    assert!(running.informers.wait_synced().await);
    settle().await;
    assert_eq!(server.watch_count(), 4);
    server.put_map("other", "a", "1");
    settle().await;
    assert_eq!((first.reader().len(), second.reader().len(), scoped.reader().len()), (1, 1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_watch_ends_when_nobody_uses_it_and_begins_again_when_somebody_does() {
    let server = Fake::default();
    let running = run(&server);
    let maps: Informer<ConfigMap> = running.informers.informer();
    maps.wait_synced().await;
    let reader = maps.reader();
    drop(maps);
    settle().await;
    assert_eq!(server.watch_count(), 1, "a reader uses it");
    drop(reader);
    settle().await;
    assert_eq!(server.watch_count(), 0);
    let maps: Informer<ConfigMap> = running.informers.informer();
    assert!(maps.wait_synced().await);
    settle().await;
    assert_eq!(server.watch_count(), 1);
}

#[tokio::test(start_paused = true)]
async fn subscribers_get_what_is_there_and_then_every_change() {
    let server = Fake::default();
    server.put_map("ns", "a", "1");
    let running = run(&server);
    let maps: Informer<ConfigMap> = running.informers.informer();
    let mut early = maps.subscribe();
    maps.wait_synced().await;
    let mut late = maps.subscribe();
    assert_eq!(arrived(&mut early), ["+ns/a"]);
    assert_eq!(arrived(&mut late), ["+ns/a"]);
    server.put_map("ns", "a", "2");
    server.put_map("ns", "b", "1");
    server.remove_map("ns", "b");
    settle().await;
    assert_eq!(arrived(&mut early), ["~ns/a", "+ns/b", "-ns/b"]);
    assert_eq!(arrived(&mut late), ["~ns/a", "+ns/b", "-ns/b"]);
}

#[tokio::test(start_paused = true)]
async fn shutdown_ends_watches_and_subscriptions() {
    let server = Fake::default();
    let running = run(&server);
    let maps: Informer<ConfigMap> = running.informers.informer();
    let mut changes = maps.subscribe();
    maps.wait_synced().await;
    running.shutdown.cancel();
    running.task.await.unwrap();
    assert!(changes.next().await.is_none());
    assert_eq!(server.watch_count(), 0);
    assert!(maps.subscribe().next().await.is_none(), "a later subscription ends too");
}

#[tokio::test(start_paused = true)]
async fn whoever_asks_at_the_end_or_after_it_does_not_wait_for_ever() {
    let server = Fake::default();
    let running = run(&server);
    settle().await;
    running.shutdown.cancel();
    let late: Informer<ConfigMap> = running.informers.informer();
    let mut changes = late.subscribe();
    running.task.await.unwrap();
    assert!(!late.wait_synced().await);
    assert!(changes.next().await.is_none());
    let later: Informer<Secret> = running.informers.informer();
    assert!(!later.wait_synced().await);
    assert!(later.subscribe().next().await.is_none());
    assert!(!running.informers.wait_synced().await);
}

#[tokio::test(start_paused = true)]
async fn informers_that_are_dropped_end_subscriptions_too() {
    let server = Fake::default();
    let running = run(&server);
    let maps: Informer<ConfigMap> = running.informers.informer();
    let mut changes = maps.subscribe();
    maps.wait_synced().await;
    running.task.abort();
    assert!(changes.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn why_a_cache_is_not_there_can_be_asked() {
    let server = Fake::default();
    server.set_down(true);
    let running = run(&server);
    let maps: Informer<ConfigMap> = running.informers.informer();
    tokio::time::sleep(std::time::Duration::from_secs(61)).await;
    assert_eq!(maps.failure().as_deref(), Some("GET /api/v1/configmaps: no answer from the API server within 60s"));
    assert!(!maps.is_synced());
    server.set_down(false);
    assert!(maps.wait_synced().await);
    settle().await;
    assert_eq!(maps.failure(), None);
}

/// Replays changes, checking each against what was there before.
#[derive(Default)]
struct Replay(BTreeMap<ObjectKey, String>);

impl Replay {
    fn apply(&mut self, change: &Change<ConfigMap>) {
        let key = change.key();
        match change {
            Change::Applied { old, new } => {
                let known = self.0.insert(key, new.resource_version().to_owned());
                assert_eq!(known.as_deref(), old.as_ref().map(|old| old.resource_version()), "{}", new.key());
            }
            Change::Deleted(_) => assert!(self.0.remove(&key).is_some(), "{key} was deleted, but not there"),
        }
    }
}

async fn churn(seed: u64) {
    let server = Fake::default();
    let random = SeededRandom::new(seed);
    let pick = |n: u64| random.next_u64() % n;
    let running = run(&server);
    let maps: Informer<ConfigMap> = running.informers.informer();
    let (mut quick, mut slow) = (maps.subscribe(), maps.subscribe());
    let (mut quick_replay, mut slow_replay) = (Replay::default(), Replay::default());
    maps.wait_synced().await;
    for step in 0..400 {
        let name = format!("m{}", pick(8));
        match pick(12) {
            0..=5 => drop(server.put_map("ns", &name, &step.to_string())),
            6..=8 => server.remove_map("ns", &name),
            9 => server.end_watches(),
            10 => server.compact(),
            _ => server.fault(Fault::Status(500, "InternalError", None)),
        }
        if pick(3) == 0 {
            tokio::time::sleep(std::time::Duration::from_millis(pick(500))).await;
            settle().await;
        }
        while let Some(Some(change)) = quick.next().now_or_never() {
            quick_replay.apply(&change);
        }
    }
    // Long enough for every failure that was commanded, with the longest back-off between them.
    tokio::time::sleep(std::time::Duration::from_secs(7200)).await;
    settle().await;
    while let Some(Some(change)) = quick.next().now_or_never() {
        quick_replay.apply(&change);
    }
    while let Some(Some(change)) = slow.next().now_or_never() {
        slow_replay.apply(&change);
    }
    let there: BTreeMap<ObjectKey, String> = server
        .objects("/api/v1 configmaps")
        .into_iter()
        .map(|object| serde_json::from_value::<ConfigMap>(object).expect("a ConfigMap"))
        .map(|object| (object.key(), object.resource_version().to_owned()))
        .collect();
    let cached: BTreeMap<ObjectKey, String> =
        maps.reader().list().iter().map(|object| (object.key(), object.resource_version().to_owned())).collect();
    assert_eq!(cached, there, "seed {seed}");
    assert_eq!(quick_replay.0, there, "seed {seed}");
    assert_eq!(slow_replay.0, there, "seed {seed}");
}

#[tokio::test(start_paused = true)]
async fn caches_and_subscribers_agree_with_the_server_through_breaks_gaps_and_failures() {
    for seed in 0..20 {
        churn(seed).await;
    }
}

#[tokio::test(start_paused = true)]
async fn informers_of_clients_with_one_interner_hold_an_object_once() {
    let server = Fake::default();
    server.put_map("ns", "a", "1");
    let interner = Interner::default();
    let shutdown = CancellationToken::new();
    let readers = [Interner::clone(&interner), interner, Interner::default()].map(|interner| {
        let informers = Informers::new(server.client().with_interner(interner));
        let maps: Informer<ConfigMap> = informers.informer();
        let shutdown = shutdown.clone();
        tokio::spawn(async move { informers.run(shutdown).await });
        maps.reader()
    });
    for version in ["1", "2"] {
        server.put_map("ns", "a", version);
        settle().await;
        let [one, same, other] = readers.each_ref().map(|reader| reader.get(&ObjectKey::new("ns", "a")).unwrap());
        assert_eq!(one.data, other.data);
        assert!(Arc::ptr_eq(&one, &same));
        assert!(!Arc::ptr_eq(&one, &other));
    }
    shutdown.cancel();
}
