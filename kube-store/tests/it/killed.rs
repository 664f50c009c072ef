//! A process that is killed with SIGKILL again and again, on a directory of a real file system.
//!
//! The process is this test binary: [`writers`] writes when it is told where.

use crate::{long, seeds, trace::Trace};
use kubekit_store::{Config, Disk, Extractor, Precondition, ReadAt, Store, Value};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

const WRITERS: u64 = 8;
/// Tells the process where to write.
const DIRECTORY: &str = "KUBEKIT_STORE_KILLED";

/// Small files, so that each life completes some, writes snapshots and goes on over older files.
fn open(path: &Path) -> Disk {
    Disk::open(path, Extractor::none(), Config::default().segment_bytes(20_000)).unwrap()
}

fn key(writer: u64) -> String {
    format!("/w/{writer}")
}

async fn found(store: &Disk, writer: u64) -> u64 {
    let entry = store.get(&key(writer), ReadAt::Latest).await.unwrap();
    entry.map_or(0, |entry| {
        let text = String::from_utf8(entry.value.bytes.to_vec()).unwrap();
        let number = text.split(' ').next().unwrap().parse().unwrap();
        assert_eq!(text, value(number), "torn");
        number
    })
}

fn value(number: u64) -> String {
    format!("{number} {}", "x".repeat(usize::try_from(number * 37 % 400).unwrap()))
}

/// Writes until it is killed, and says what it was told. A test of its own only by name.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writers() {
    let Some(path) = std::env::var_os(DIRECTORY) else { return };
    let store = Arc::new(open(Path::new(&path)));
    let mut tasks = tokio::task::JoinSet::new();
    for writer in 0..WRITERS {
        let store = Arc::clone(&store);
        tasks.spawn(async move {
            for number in found(&store, writer).await + 1.. {
                let bytes = value(number).into();
                store.put(&key(writer), Precondition::None, Value { bytes, splice: 0 }).await.unwrap();
                println!("acknowledged {writer} {number}");
            }
        });
    }
    tasks.join_all().await;
}

fn start(path: &Path) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "killed::writers", "--nocapture"]).env(DIRECTORY, path).stdout(Stdio::piped());
    command.spawn().unwrap()
}

/// What a line says, behind words of the harness.
fn acknowledged(line: &str) -> Option<(u64, u64)> {
    let (writer, number) = line.split_once("acknowledged ")?.1.split_once(' ')?;
    Some((writer.parse().ok()?, number.parse().ok()?))
}

#[tokio::test]
async fn a_killed_process_loses_nothing_acknowledged() {
    let kills = if long() { 1000 } else { 12 };
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    for seed in seeds("killed processes", 1) {
        let mut random = Trace::new(seed);
        let mut told: BTreeMap<u64, u64> = BTreeMap::new();
        let (mut over_older, mut out_of_order) = (0, 0);
        for kill in 0..kills {
            let mut process = start(&path);
            let lines = BufReader::new(process.stdout.take().unwrap()).lines();
            let mut left = 1 + random.below(600);
            for line in lines {
                if let Some((writer, number)) = acknowledged(&line.unwrap()) {
                    told.insert(writer, number);
                }
                left = left.saturating_sub(1);
                if left == 0 {
                    process.kill().unwrap();
                }
            }
            process.wait().unwrap();
            for file in std::fs::read_dir(&path).into_iter().flatten() {
                over_older += u64::from(std::fs::read(file.unwrap().path()).unwrap().starts_with(b"\xf5kkREC"));
            }
            // It may have been killed before it made the directory.
            let store = open(&path);
            out_of_order += u64::from(!store.recovery().in_order);
            for writer in 0..WRITERS {
                let (told, found) = (told.get(&writer).copied().unwrap_or(0), found(&store, writer).await);
                // The last one may be there, or told of to nobody any more.
                assert!((told..=told + 1).contains(&found), "seed {seed}, kill {kill}: told {told}, found {found}");
            }
            for writer in 0..WRITERS {
                told.insert(writer, found(&store, writer).await);
            }
        }
        println!("seed {seed}: {kills} processes killed after {} writes", told.values().sum::<u64>());
        println!("{out_of_order} of them in the middle of something, {over_older} in a log over an older one");
        assert!(over_older > 0, "a log went on over an older file");
    }
}
