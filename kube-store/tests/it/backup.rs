//! Backups and what is restored from them, versions of the format, and files that shrink.

use crate::trace::{Model, Step, Trace, config, open, state};
use kubekit_store::backup::{Backup, REVISIONS_A_SECOND, restore, restore_on, verify};
use kubekit_store::conformance::extractor;
use kubekit_store::medium::{Fault, Simulated};
use kubekit_store::{Config, Disk, Error, Memory, Precondition, ReadAt, Store, Value, WallClock, WatchRequest};
use std::io::Cursor;
use std::time::{Duration, SystemTime};

fn at(seconds: u64) -> WallClock {
    WallClock::new(move || SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
}

/// A store after a random life, and its backup of second 1000.
async fn backed_up(seed: u64, writes: usize) -> (Model, Vec<u8>) {
    let store = open(&Simulated::new(seed)).unwrap();
    let mut model = Model::new();
    for step in Trace::new(seed).take(writes) {
        model.run(&store, &step).await.unwrap();
    }
    let mut backup = Backup::of(&store, &at(1000)).await.unwrap();
    assert_eq!(backup.revision(), model.revision);
    // What is written while it is read is none of it.
    let mut bytes = backup.next().unwrap().to_vec();
    store.put("/later", Precondition::None, Value { bytes: "x".into(), splice: 0 }).await.unwrap();
    store.delete("/p/01", Precondition::None).await.unwrap();
    bytes.extend(backup.flatten());
    (model, bytes)
}

#[tokio::test(start_paused = true)]
async fn a_backup_is_the_state_at_one_revision() {
    for seed in 1..20 {
        let (model, bytes) = backed_up(seed, 300).await;
        let contents = verify(Cursor::new(bytes.clone()), "the backup").unwrap();
        assert_eq!((contents.entries, contents.revision), (model.state.len() as u64, model.revision));
        assert_eq!(contents.taken, at(1000).now());
        let medium = Simulated::new(seed);
        let (restored, revision) =
            restore_on(medium.clone(), Cursor::new(bytes), "the backup", &at(1000 + 59)).unwrap();
        assert_eq!(restored, contents);
        assert_eq!(revision, model.revision + 60 * REVISIONS_A_SECOND, "past any that was served in a minute");
        let store = open(&medium).unwrap();
        assert_eq!(store.revision().await.unwrap(), revision);
        assert_eq!(state(&store).await, model.state);
        // Nobody resumes from what was before, and the store goes on.
        for before in [1, model.revision, revision - 1] {
            let watch = store.watch(WatchRequest { after: Some(before), ..WatchRequest::default() }).await;
            assert!(watch.err().unwrap().is_compacted(), "{before}");
            assert!(store.get("/p/01", ReadAt::Exactly(before)).await.unwrap_err().is_compacted());
        }
        let mut model = Model { state: model.state, revision };
        for step in Trace::new(!seed).take(100) {
            model.run(&store, &step).await.unwrap();
        }
        drop(store);
        model.check(&open(&medium).unwrap(), "after a restart").await;
    }
}

#[tokio::test]
async fn any_store_can_be_backed_up_into_a_directory() {
    let store = Memory::new(extractor(), Config::default());
    for i in 0..100 {
        let value = Value { bytes: vec![b'x'; 50_000].into(), splice: 7 };
        store.put(&format!("/p/{i}"), Precondition::None, value).await.unwrap();
    }
    let bytes: Vec<u8> = Backup::of(&store, &WallClock::system()).await.unwrap().flatten().collect();
    assert!(bytes.len() > 5_000_000);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("restored");
    let (contents, revision) = restore(&path, Cursor::new(bytes.clone()), "b", &WallClock::system()).unwrap();
    assert_eq!((contents.entries, contents.revision), (100, 101));
    let open = || Disk::open(&path, extractor(), Config::default()).unwrap();
    let entry = open().get("/p/99", ReadAt::Latest).await.unwrap().unwrap();
    assert_eq!((entry.revision, entry.value.splice, entry.value.bytes.len()), (101, 7, 50_000));
    assert!(revision >= 101 + REVISIONS_A_SECOND);
    // A directory with a store in it is not touched, whether it runs or not.
    let error = restore(&path, Cursor::new(bytes.clone()), "b", &WallClock::system()).unwrap_err();
    assert!(matches!(&error, Error::Invalid(text) if text.contains("another directory")), "{error}");
    let running = open();
    let error = restore(&path, Cursor::new(bytes), "b", &WallClock::system()).unwrap_err();
    assert!(matches!(error, Error::Locked(_)), "{error}");
    drop(running);
}

#[tokio::test(start_paused = true)]
async fn a_damaged_backup_is_refused() {
    let (_, bytes) = backed_up(3, 60).await;
    let mut damaged: Vec<Vec<u8>> = (0..bytes.len()).step_by(37).map(|length| bytes[..length].to_vec()).collect();
    damaged.extend((0..bytes.len() * 8).step_by(101).map(|bit| {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        flipped
    }));
    damaged.push([&bytes[..], b"x"].concat());
    for (i, backup) in damaged.into_iter().enumerate() {
        let medium = Simulated::new(1);
        let error = restore_on(medium.clone(), Cursor::new(backup.clone()), "b", &at(1)).unwrap_err();
        assert!(matches!(error, Error::Damaged(_)), "{i}: {error}");
        assert!(verify(Cursor::new(backup), "b").is_err());
        assert_eq!(medium.names(), Vec::<String>::new(), "{i}: nothing is left behind");
    }
}

/// A machine that stops while a backup is restored leaves a directory that can be restored into, or one that says that it
/// is incomplete, or all of it.
#[tokio::test(start_paused = true)]
async fn a_restore_is_all_or_nothing() {
    let (model, bytes) = backed_up(5, 100).await;
    let mut whole = 0;
    for operation in 1..40 {
        let medium = Simulated::new(operation);
        medium.inject(Fault::CrashAt(operation));
        let done = restore_on(medium.clone(), Cursor::new(bytes.clone()), "b", &at(1000));
        medium.restart();
        match open(&medium) {
            Ok(store) if store.revision().await.unwrap() == 1 => assert!(done.is_err(), "{operation}"),
            Ok(store) => {
                assert_eq!(state(&store).await, model.state, "{operation}");
                whole += 1;
            }
            Err(Error::Damaged(_)) => assert!(done.is_err(), "{operation}"),
            Err(error) => panic!("{operation}: {error}"),
        }
    }
    assert!(whole > 10);
}

#[tokio::test(start_paused = true)]
async fn a_full_medium_stops_a_restore() {
    let (_, bytes) = backed_up(5, 100).await;
    let medium = Simulated::new(1);
    medium.inject(Fault::Capacity(100));
    let error = restore_on(medium.clone(), Cursor::new(bytes), "b", &at(1)).unwrap_err();
    assert!(matches!(error, Error::NoSpace(_)), "{error}");
}

/// Makes the files of a medium those of a version of the format.
fn age(medium: &Simulated, version: u32) {
    for name in medium.names() {
        let mut bytes = medium.contents(&name).unwrap();
        bytes[8..12].copy_from_slice(&version.to_le_bytes());
        let checksum = crc32fast::hash(&bytes[..24]);
        bytes[24..28].copy_from_slice(&checksum.to_le_bytes());
        medium.set_contents(&name, bytes);
    }
}

fn versions(medium: &Simulated) -> Vec<u8> {
    let mut versions: Vec<_> = medium.names().iter().map(|name| medium.contents(name).unwrap()[8]).collect();
    versions.sort_unstable();
    versions.dedup();
    versions
}

/// A directory of the version before is read, and is of the present one afterwards, wherever a machine stops meanwhile.
#[tokio::test(start_paused = true)]
async fn an_older_version_is_upgraded_in_place() {
    for steps in [0, 1, 5, 80, 200] {
        let medium = Simulated::new(7);
        let store = open(&medium).unwrap();
        let mut model = Model::new();
        for step in Trace::new(7).take(steps) {
            model.run(&store, &step).await.unwrap();
        }
        drop(store);
        age(&medium, 1);
        let old = medium.fork();
        let store = open(&medium).unwrap();
        assert_eq!(versions(&medium), [3], "after {steps} steps");
        model.check(&store, "upgraded").await;
        drop(store);
        model.check(&open(&medium).unwrap(), "upgraded and reopened").await;
        for operation in 1..30 {
            let stopping = old.fork();
            stopping.inject(Fault::CrashAt(stopping.operations() + operation));
            drop(open(&stopping));
            stopping.restart();
            let store = open(&stopping).unwrap_or_else(|error| panic!("operation {operation}: {error}"));
            model.check(&store, &format!("stopped at operation {operation} of an upgrade")).await;
        }
    }
}

/// Nobody asks for a compaction here: what is deleted leaves the medium by itself.
#[tokio::test(start_paused = true)]
async fn files_shrink_after_deletes() {
    let medium = Simulated::new(1);
    let store = Disk::open_on(medium.clone(), extractor(), config().segment_bytes(20_000)).unwrap();
    let mut model = Model::new();
    for i in 0..300 {
        model.run(&store, &Step::Put(format!("/p/{i}"), vec![7; 1000])).await.unwrap();
    }
    let before = medium.bytes();
    assert!(before > 300_000);
    for i in 0..299 {
        model.run(&store, &Step::Delete(format!("/p/{i}"))).await.unwrap();
    }
    assert!(medium.bytes() < 60_000, "{} of {before} bytes are left", medium.bytes());
    drop(store);
    model.check(&open(&medium).unwrap(), "shrunk").await;
}
