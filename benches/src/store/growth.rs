//! What grows with the number of objects and of watchers: memory, and the time to open a directory.

use super::{commit, config, fill, put, scatter, value};
use anyhow::{Context, bail, ensure};
use kubekit_store::backup::{Backup, restore};
use kubekit_store::{Disk, Extractor, ListRequest, Memory, Precondition, ReadAt, Store, WallClock, WatchRequest};
use serde::{Deserialize, Serialize};
use std::io::{BufReader, BufWriter, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Instant;

/// What was measured with so many objects.
#[derive(Deserialize, Serialize)]
pub(super) struct Growth {
    pub(super) bytes_per_object: f64,
    pub(super) gets: f64,
    pub(super) open: f64,
}

/// Measures in a process of its own: in one that has freed as much before, new objects would cost nothing.
pub(super) fn measure(directory: &Path, objects: usize) -> anyhow::Result<Growth> {
    let mut child = Command::new(std::env::current_exe()?);
    let child = child.arg("store-growth").arg(directory).arg(objects.to_string()).stderr(Stdio::inherit());
    let output = child.output().context("starting the process that is measured")?;
    ensure!(output.status.success(), "the process that is measured ended with {}", output.status);
    serde_json::from_slice(&output.stdout).context("reading what was measured")
}

/// What that process does, and prints.
#[expect(clippy::print_stdout, reason = "its output is read by the process that started it")]
pub(crate) async fn measure_here(directory: &Path, objects: usize) -> anyhow::Result<()> {
    let growth = fill_and_open(directory, objects).await?;
    println!("{}", serde_json::to_string(&growth)?);
    Ok(())
}

/// Fills a store in memory, then a directory with the same, and opens that.
async fn fill_and_open(directory: &Path, objects: usize) -> anyhow::Result<Growth> {
    let before = resident()?;
    let store = Memory::new(Extractor::none(), config());
    fill(&store, objects).await?;
    let bytes_per_object = per(resident()?.saturating_sub(before), objects);
    let gets = gets(&store, objects).await?;
    let file = directory.join("backup");
    {
        let mut into = BufWriter::new(std::fs::File::create(&file)?);
        for piece in Backup::of(&store, &WallClock::system()).await? {
            into.write_all(&piece)?;
        }
        into.flush()?;
    }
    drop(store);
    let path = directory.join("opened");
    restore(&path, BufReader::new(std::fs::File::open(&file)?), "the backup", &WallClock::system())?;
    std::fs::remove_file(&file)?;
    // The first start on what was restored writes it anew.
    drop(open(&path)?);
    let start = Instant::now();
    let store = open(&path)?;
    let open = start.elapsed().as_secs_f64();
    let found = store.list(ListRequest::default()).await?.entries.count();
    drop(store);
    std::fs::remove_dir_all(&path)?;
    if found != objects {
        bail!("{found} of {objects} objects were found again");
    }
    Ok(Growth { bytes_per_object, gets, open })
}

fn open(path: &Path) -> anyhow::Result<Disk> {
    Ok(Disk::open(path, Extractor::none(), config())?)
}

async fn gets(store: &dyn Store, objects: usize) -> anyhow::Result<f64> {
    let gets = 20 * objects.min(100_000);
    let keys: Vec<String> = (0..objects).map(super::key).collect();
    let start = Instant::now();
    for round in 0..gets {
        let key = &keys[scatter(round, objects)];
        store.get(key, ReadAt::Latest).await?.with_context(|| format!("{key} is there"))?;
    }
    Ok(super::rate(gets, start))
}

/// Resident bytes for each of many watchers to whom nothing happens.
pub(super) async fn idle_watchers(watchers: usize) -> anyhow::Result<f64> {
    let store = Arc::new(Memory::new(Extractor::none(), config()));
    commit(&*store, put(0, Precondition::Absent, value())).await?;
    let before = resident()?;
    let mut streams = Vec::with_capacity(watchers);
    for _ in 0..watchers {
        let request = WatchRequest { prefix: "/registry/pods/".to_owned(), ..WatchRequest::default() };
        let mut events = store.watch(request).await?;
        // It follows the present once it has been looked at.
        let _ = futures::FutureExt::now_or_never(futures::StreamExt::next(&mut events));
        streams.push(events);
    }
    Ok(per(resident()?.saturating_sub(before), watchers))
}

#[expect(clippy::cast_precision_loss, reason = "bytes of one process, far below 2^52")]
fn per(bytes: u64, count: usize) -> f64 {
    bytes as f64 / count as f64
}

/// Resident bytes of this process.
fn resident() -> anyhow::Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status").context("this needs Linux")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("the kernel tells VmRSS")?;
    let kilobytes: u64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kilobytes * 1024)
}
