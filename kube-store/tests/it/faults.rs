//! A medium that is full, fails, or is taken; and what a store keeps of itself from one life to the next.

use crate::trace::{Model, Step, config, open, state};
use kubekit_store::conformance::extractor;
use kubekit_store::medium::{Fault, Simulated};
use kubekit_store::{
    Config, Disk, Error, Op, Precondition, ReadAt, Store, Txn, TxnOutcome, Value, WallClock, WatchRequest,
};
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

fn put(i: usize, bytes: usize) -> Step {
    Step::Put(format!("/p/{i}"), vec![b'x'; bytes])
}

#[tokio::test(start_paused = true)]
async fn a_full_medium_refuses_writes_and_recovers() {
    // Every remainder of space, so that the end comes at every place of a frame, a rotation and a snapshot.
    for room in (0..6000).step_by(97) {
        let medium = Simulated::new(1);
        let store = open(&medium).unwrap();
        let mut model = Model::new();
        for i in 0..10 {
            model.run(&store, &put(i, 50)).await.unwrap();
        }
        medium.inject(Fault::Capacity(medium.bytes() + room));
        let mut refused = 0;
        for i in 0..60 {
            match model.run(&store, &put(i % 20, 300)).await {
                Ok(()) => {}
                Err(Error::NoSpace(_)) => refused += 1,
                Err(error) => panic!("room for {room}: {error}"),
            }
            model.check(&store, "reads go on").await;
        }
        assert!(refused > 0, "room for {room}");
        medium.inject(Fault::Capacity(u64::MAX));
        for i in 0..30 {
            model.run(&store, &put(i % 20, 300)).await.unwrap_or_else(|error| panic!("room for {room}: {error}"));
        }
        drop(store);
        model.check(&open(&medium).unwrap(), &format!("reopened after room for {room}")).await;
    }
}

fn spares(medium: &Simulated) -> usize {
    medium.names().iter().filter(|name| name.starts_with("spare-")).count()
}

/// A store whose next log file will go over an older one.
async fn with_a_spare() -> (Simulated, Disk, Model) {
    let medium = Simulated::new(1);
    let store = open(&medium).unwrap();
    let mut model = Model::new();
    for i in 0.. {
        if spares(&medium) > 0 {
            break;
        }
        model.run(&store, &put(i % 10, 300)).await.unwrap();
    }
    (medium, store, model)
}

#[tokio::test(start_paused = true)]
async fn a_log_goes_on_over_older_files() {
    let (medium, store, mut model) = with_a_spare().await;
    for i in 0..200 {
        model.run(&store, &put(i % 10, 300)).await.unwrap();
    }
    let recycled = |name: &String| medium.contents(name).unwrap().starts_with(b"\xf5kkREC");
    assert!(medium.names().iter().any(recycled), "{:?}", medium.names());
    drop(store);
    let store = open(&medium).unwrap();
    model.check(&store, "over older files").await;
    assert!(store.recovery().in_order);
    assert_eq!(spares(&medium), 0, "a start keeps none");
}

#[tokio::test(start_paused = true)]
async fn spares_are_given_up_before_a_write_is_refused() {
    let (medium, store, mut model) = with_a_spare().await;
    medium.inject(Fault::Capacity(medium.bytes()));
    model.run(&store, &put(1, 300)).await.unwrap();
    assert_eq!(spares(&medium), 0);
    drop(store);
    model.check(&open(&medium).unwrap(), "in the room of a spare").await;
}

#[tokio::test(start_paused = true)]
async fn a_compaction_gives_spares_up() {
    let (medium, store, model) = with_a_spare().await;
    store.compact(model.revision).await.unwrap();
    assert_eq!(spares(&medium), 0);
}

#[tokio::test(start_paused = true)]
async fn how_the_store_before_ended_is_told() {
    let medium = Simulated::new(1);
    let store = open(&medium).unwrap();
    assert!(store.recovery().in_order, "a new directory");
    let mut model = Model::new();
    model.run(&store, &put(1, 50)).await.unwrap();
    drop(store);
    assert!(open(&medium).unwrap().recovery().in_order, "closed");
    let name = medium.names().pop().unwrap();
    let bytes = medium.contents(&name).unwrap();
    medium.set_contents(&name, [&bytes[..], b"torn"].concat());
    let recovery = open(&medium).unwrap().recovery();
    assert_eq!((recovery.in_order, recovery.cut_bytes), (false, 4));
    // Without the mark of the close.
    medium.set_contents(&name, bytes[..bytes.len() - 36].to_vec());
    let recovery = open(&medium).unwrap().recovery();
    assert_eq!((recovery.in_order, recovery.cut_bytes), (false, 0));
}

async fn check_poison(fault: Fault) {
    let medium = Simulated::new(1);
    let store = open(&medium).unwrap();
    let mut model = Model::new();
    for i in 0..5 {
        model.run(&store, &put(i, 50)).await.unwrap();
    }
    medium.inject(fault);
    let error = model.run(&store, &put(7, 50)).await.unwrap_err();
    assert!(matches!(error, Error::Io(_)), "{error}");
    // The medium would work again, but nobody knows what it holds.
    for _ in 0..3 {
        let error = model.run(&store, &put(8, 50)).await.unwrap_err();
        assert!(error.to_string().contains("until it is opened again"), "{error}");
    }
    model.check(&store, "reads go on").await;
    drop(store);
    medium.restart();
    let store = open(&medium).unwrap();
    if store.revision().await.unwrap() > model.revision {
        model.apply(&put(7, 50));
    }
    model.check(&store, "after the failure").await;
    model.run(&store, &put(9, 50)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_failed_sync_ends_all_writing() {
    check_poison(Fault::SyncFails).await;
}

#[tokio::test(start_paused = true)]
async fn a_failed_append_ends_all_writing() {
    check_poison(Fault::AppendFails).await;
}

#[tokio::test]
async fn a_directory_belongs_to_one_store() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("data/deeper");
    let open = || Disk::open(&path, extractor(), Config::default());
    let store = open().unwrap();
    let error = open().unwrap_err();
    assert!(matches!(&error, Error::Locked(text) if text.contains("data/deeper")), "{error}");
    assert!(error.to_string().contains(&std::process::id().to_string()), "{error}");
    drop(store);
    open().unwrap();
}

#[tokio::test]
async fn a_directory_keeps_what_was_written() {
    let directory = tempfile::tempdir().unwrap();
    let open = || Disk::open(directory.path(), extractor(), Config::default().segment_bytes(10_000)).unwrap();
    let mut model = Model::new();
    for round in 0..4 {
        let store = open();
        model.check(&store, &format!("round {round}")).await;
        for i in 0..50 {
            model.run(&store, &put(i * 7 % 40, 100 + i)).await.unwrap();
        }
        model.run(&store, &Step::Delete(format!("/p/{round}"))).await.unwrap();
    }
    model.check(&open(), "at the end").await;
}

#[tokio::test(start_paused = true)]
async fn compaction_makes_the_files_shrink() {
    let medium = Simulated::new(1);
    let large = config().segment_bytes(10 << 20);
    let store = Disk::open_on(medium.clone(), extractor(), large).unwrap();
    let mut model = Model::new();
    for i in 0..1000 {
        model.run(&store, &put(i % 10, 1000)).await.unwrap();
    }
    let before = medium.bytes();
    assert!(before > 1_000_000);
    store.compact(model.revision).await.unwrap();
    assert!(medium.bytes() < before / 20, "{} of {before} bytes are left", medium.bytes());
    drop(store);
    model.check(&open(&medium).unwrap(), "compacted").await;
}

#[tokio::test(start_paused = true)]
async fn files_stay_in_proportion_to_the_state() {
    let medium = Simulated::new(1);
    let store = open(&medium).unwrap();
    let mut model = Model::new();
    for i in 0..3000 {
        model.run(&store, &put(i % 10, 100)).await.unwrap();
    }
    assert!(medium.bytes() < 20_000, "{} bytes for a state of about 1,500", medium.bytes());
}

#[tokio::test(start_paused = true)]
async fn a_compaction_survives_a_restart() {
    let medium = Simulated::new(1);
    let large = || config().segment_bytes(10 << 20);
    let store = Disk::open_on(medium.clone(), extractor(), large()).unwrap();
    let mut model = Model::new();
    for i in 0..20 {
        model.run(&store, &put(i % 3, 10)).await.unwrap();
    }
    store.compact(15).await.unwrap();
    model.run(&store, &put(1, 10)).await.unwrap();
    drop(store);
    let store = Disk::open_on(medium, extractor(), large()).unwrap();
    let error = store.get("/p/1", ReadAt::Exactly(14)).await.unwrap_err();
    assert!(error.is_compacted(), "{error}");
    assert!(store.get("/p/1", ReadAt::Exactly(15)).await.unwrap().is_some());
}

#[tokio::test(start_paused = true)]
async fn a_watch_resumes_after_a_restart() {
    use futures::StreamExt;
    let medium = Simulated::new(1);
    let large = || config().segment_bytes(10 << 20);
    let store = Disk::open_on(medium.clone(), extractor(), large()).unwrap();
    let mut model = Model::new();
    for i in 0..20 {
        model.run(&store, &put(i % 3, 10)).await.unwrap();
    }
    drop(store);
    let store = Disk::open_on(medium, extractor(), large()).unwrap();
    let request = WatchRequest { after: Some(5), ..WatchRequest::default() };
    let events: Vec<_> =
        store.watch(request).await.unwrap().take(16).map(|event| event.unwrap().revision).collect().await;
    assert_eq!(events, (6..=21).collect::<Vec<_>>());
}

/// A life of 10 s, of which 4 s pass in the first life of the store, and 5 s while it is closed.
#[tokio::test(start_paused = true)]
async fn lifetimes_survive_a_restart() {
    let wall = Arc::new(Mutex::new(SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000)));
    let now = Arc::clone(&wall);
    let clock = WallClock::new(move || *now.lock());
    let medium = Simulated::new(1);
    for small in [false, true] {
        let open = || {
            let config = config().wall_clock(clock.clone()).segment_bytes(if small { 200 } else { 1 << 20 });
            Disk::open_on(medium.clone(), extractor(), config).unwrap()
        };
        let store = open();
        let value = Value { bytes: "x".into(), splice: 0 };
        let op = Op::Put { value: value.clone(), attributes: None, ttl_seconds: Some(10) };
        let txn = Txn { key: "/p/short".to_owned(), precondition: Precondition::None, op };
        assert!(matches!(store.txn(txn).await.unwrap(), TxnOutcome::Committed { .. }));
        for i in 0..5 {
            store.put(&format!("/p/{i}"), Precondition::None, value.clone()).await.unwrap();
        }
        let pass = async |seconds| {
            *wall.lock() += Duration::from_secs(seconds);
            tokio::time::sleep(Duration::from_secs(seconds)).await;
        };
        pass(4).await;
        drop(store);
        *wall.lock() += Duration::from_secs(5);
        let store = open();
        assert!(store.get("/p/short", ReadAt::Latest).await.unwrap().is_some());
        tokio::time::sleep(Duration::from_millis(900)).await;
        assert!(store.get("/p/short", ReadAt::Latest).await.unwrap().is_some(), "not before its time");
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert!(store.get("/p/short", ReadAt::Latest).await.unwrap().is_none(), "soon after");
        assert_eq!(state(&store).await.len(), 5);
    }
}
