//! The store: compare-and-swap puts in memory and on disk, fan-out to watchers, lists.
//!
//! Objects are as large as a pod of Kubernetes, about 2 KB, have the attributes that its server extracts from one, and
//! one of those has an index. They lie in 20 namespaces. Puts in memory go to 10,000 of them without a visible order, and
//! in a second row to 100,000.

mod bare;
mod etcd;
mod growth;

pub(crate) use growth::measure_here as measure_growth_here;

use crate::report::Report;
use anyhow::{Context, bail};
use futures::StreamExt;
use kubekit_store::{
    Attributes, Config, Disk, Extractor, ListRequest, Memory, Op, Precondition, Revision, Store, Txn, TxnOutcome,
    Value, WatchRequest,
};
use std::sync::Arc;
use std::time::Instant;
use tokio::runtime::Runtime;

const PUT_MEMORY: &str = "store.put.memory.w1";
const PUT_MEMORY_100K: &str = "store.put.memory.w1_100k";
const PUT_DISK: &str = "store.put.disk.w64";
const PUT_FILE: &str = "store.put.file.w64";
const PUT_REDB: &str = "store.put.redb.w64";
const PUT_FJALL: &str = "store.put.fjall.w64";
const PUT_ETCD: &str = "store.put.etcd.w64";
const GET_MEMORY: &str = "store.get.memory";
const GET_MEMORY_10K: &str = "store.get.memory_10k";
const BYTES: &str = "store.bytes_per_object";
const BYTES_10K: &str = "store.bytes_per_object_10k";
const BYTES_WATCHER: &str = "store.bytes_per_watcher";
const OPEN: &str = "store.open_1m";
const OPEN_10K: &str = "store.open_10k";
const FAN_OUT: &str = "store.watch.fanout";
const FAN_OUT_1: &str = "store.watch.fanout_1";
const FAN_OUT_100: &str = "store.watch.fanout_100";
const FAN_OUT_10K: &str = "store.watch.fanout_10k";
const LIST: &str = "store.list_100k";

const VALUE_BYTES: usize = 2048;
const OBJECTS: usize = 100_000;

/// Adds the figures of this area.
pub(crate) fn measure(report: &mut Report, smoke: bool) -> anyhow::Result<()> {
    let scale = if smoke { 1000 } else { 1 };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    if report.wants(PUT_MEMORY) {
        let puts = runtime.block_on(put_memory(2_000_000 / scale, OBJECTS / 10 / scale))?;
        report.add(PUT_MEMORY, puts, "puts/s");
    }
    if report.wants(PUT_MEMORY_100K) {
        // More objects than the caches of the processor hold: what is measured is the latency of its memory.
        let puts = runtime.block_on(put_memory(2_000_000 / scale, OBJECTS / scale))?;
        report.add(PUT_MEMORY_100K, puts, "puts/s");
    }
    if [PUT_DISK, PUT_FILE, PUT_REDB, PUT_FJALL, PUT_ETCD].iter().any(|key| report.wants(key)) {
        durable(report, &runtime, scale)?;
    }
    for (key, puts, watchers) in [
        (FAN_OUT_1, 1_000_000, 1),
        (FAN_OUT_100, 100_000, 100),
        (FAN_OUT_10K, 1000, 10_000),
        // The key of before.
        (FAN_OUT, 100_000, 100),
    ] {
        if report.wants(key) {
            report.add(key, runtime.block_on(fan_out(puts / scale, watchers / scale.min(watchers)))?, "events/s");
        }
    }
    if report.wants(LIST) {
        report.add(LIST, runtime.block_on(list(OBJECTS / scale))?, "ms");
    }
    if report.wants(BYTES_WATCHER) {
        report.add(BYTES_WATCHER, runtime.block_on(growth::idle_watchers(100_000 / scale))?, "bytes");
    }
    grown(report, [GET_MEMORY_10K, BYTES_10K, OPEN_10K], OBJECTS / 10 / scale)?;
    grown(report, [GET_MEMORY, BYTES, OPEN], OBJECTS * 10 / scale)
}

/// Puts that are durable before their answer, on one disk: ours, a bare file's, redb's, fjall's, etcd's.
fn durable(report: &mut Report, runtime: &Runtime, scale: usize) -> anyhow::Result<()> {
    let directory = tempfile::tempdir_in(".").context("a directory on the disk to be measured")?;
    let path = directory.path();
    let ours = Arc::new(Disk::open(path.join("store"), Extractor::none(), config())?);
    let puts = runtime.block_on(put_by_64(ours, 1_000_000 / scale))?;
    report.add(PUT_DISK, puts, "puts/s");
    if report.wants(PUT_FILE) {
        report.add_beside(PUT_FILE, bare::file(path, 200_000 / scale)?, "puts/s", "ours", puts);
    }
    if report.wants(PUT_REDB) {
        report.add_beside(PUT_REDB, bare::redb(path, 200_000 / scale)?, "puts/s", "ours", puts);
    }
    if report.wants(PUT_FJALL) {
        report.add_beside(PUT_FJALL, bare::fjall(path, 200_000 / scale)?, "puts/s", "ours", puts);
    }
    if report.wants(PUT_ETCD)
        && let Some((_member, address)) = etcd::start(path)?
    {
        let etcd = runtime.block_on(async {
            let store = Arc::new(etcd::store(&address).await?);
            put_by_64(store, 50_000 / scale).await
        })?;
        report.add_beside(PUT_ETCD, etcd, "puts/s", "ours", puts);
    }
    Ok(())
}

/// What depends on the number of objects: gets, memory, the time to open a directory.
fn grown(report: &mut Report, keys: [&'static str; 3], objects: usize) -> anyhow::Result<()> {
    if !keys.iter().any(|key| report.wants(key)) {
        return Ok(());
    }
    let directory = tempfile::tempdir_in(".").context("a directory on the disk to be measured")?;
    let growth = growth::measure(directory.path(), objects)?;
    let [gets, bytes, open] = keys;
    report.add(gets, growth.gets, "gets/s");
    report.add(bytes, growth.bytes_per_object, "bytes");
    report.add(open, growth.open, "s");
    Ok(())
}

fn config() -> Config {
    Config::default().indexed("field:spec.nodeName")
}

fn key(i: usize) -> String {
    format!("/registry/pods/namespace-{:02}/deployment-5d59d67564-{i:06}", i % 20)
}

fn attributes(i: usize) -> Attributes {
    Attributes::new([
        ("field:metadata.name", format!("deployment-5d59d67564-{i:06}")),
        ("field:metadata.namespace", format!("namespace-{:02}", i % 20)),
        ("field:spec.nodeName", format!("node-{:04}", i % 1000)),
        ("label:app", "deployment".to_owned()),
    ])
}

fn value() -> Value {
    Value { bytes: vec![b'x'; VALUE_BYTES].into(), splice: 40 }
}

fn put(i: usize, precondition: Precondition, value: Value) -> Txn {
    Txn { key: key(i), precondition, op: Op::Put { value, attributes: Some(attributes(i)), ttl_seconds: None } }
}

/// Commits, and gives the revision.
async fn commit(store: &dyn Store, txn: Txn) -> anyhow::Result<Revision> {
    match store.txn(txn).await? {
        TxnOutcome::Committed { revision, .. } => Ok(revision),
        TxnOutcome::Refused { .. } => bail!("a transaction was refused"),
    }
}

/// Fills a store and gives the revisions of its objects.
async fn fill(store: &dyn Store, objects: usize) -> anyhow::Result<Vec<Revision>> {
    let mut revisions = Vec::with_capacity(objects);
    for i in 0..objects {
        revisions.push(commit(store, put(i, Precondition::Absent, value())).await?);
    }
    Ok(revisions)
}

#[expect(clippy::cast_precision_loss, reason = "a count of events, far below 2^52")]
fn rate(count: usize, start: Instant) -> f64 {
    count as f64 / start.elapsed().as_secs_f64()
}

/// A cheap sequence without a visible order.
fn scatter(i: usize, below: usize) -> usize {
    i.wrapping_mul(0x9e37_79b1) % below
}

async fn put_memory(puts: usize, objects: usize) -> anyhow::Result<f64> {
    let store = Memory::new(Extractor::none(), config());
    let mut revisions = fill(&store, objects).await?;
    // What a caller does before it asks the store is none of the store's time.
    // Two of each, so that attributes are equal from one put to the next, and not merely the same.
    let ready: Vec<_> = (0..2 * objects).map(|i| put(i % objects, Precondition::None, value())).collect();
    let start = Instant::now();
    for round in 0..puts {
        let i = scatter(round, objects);
        let ready = &ready[i + round / objects % 2 * objects];
        let txn = Txn { precondition: Precondition::Revision(revisions[i]), ..ready.clone() };
        revisions[i] = commit(&store, txn).await?;
    }
    Ok(rate(puts, start))
}

async fn put_by_64(store: Arc<dyn Store>, puts: usize) -> anyhow::Result<f64> {
    const WRITERS: usize = 64;
    let start = Instant::now();
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                const KEYS: usize = 100;
                let mut revisions = [None; KEYS];
                for i in 0..puts / WRITERS {
                    let known = &mut revisions[i % KEYS];
                    let precondition = known.map_or(Precondition::Absent, Precondition::Revision);
                    let txn = put(writer * KEYS + i % KEYS, precondition, value());
                    *known = Some(commit(&*store, txn).await?);
                }
                anyhow::Ok(())
            })
        })
        .collect();
    for writer in writers {
        writer.await??;
    }
    Ok(rate(puts / WRITERS * WRITERS, start))
}

async fn fan_out(puts: usize, watching: usize) -> anyhow::Result<f64> {
    const KEYS: usize = 1000;
    let store = Arc::new(Memory::new(Extractor::none(), config()));
    let mut watchers = Vec::new();
    for _ in 0..watching {
        let request = WatchRequest { prefix: "/registry/pods/".to_owned(), ..WatchRequest::default() };
        let mut events = store.watch(request).await?;
        watchers.push(tokio::spawn(async move {
            for _ in 0..puts {
                events.next().await.context("the watch goes on")??;
            }
            anyhow::Ok(())
        }));
    }
    let start = Instant::now();
    let writer = tokio::spawn(async move {
        let value = value();
        for i in 0..puts {
            commit(&*store, put(i % KEYS, Precondition::None, value.clone())).await?;
            // A writer that serves requests lets others run between two of them.
            if i % 64 == 63 {
                tokio::task::yield_now().await;
            }
        }
        // The store must outlive the last event.
        anyhow::Ok(store)
    });
    let store = writer.await??;
    for watcher in watchers {
        watcher.await??;
    }
    drop(store);
    Ok(rate(puts * watching, start))
}

async fn list(objects: usize) -> anyhow::Result<f64> {
    const LISTS: u32 = 20;
    let store = Memory::new(Extractor::none(), config());
    fill(&store, objects).await?;
    let start = Instant::now();
    for _ in 0..LISTS {
        let request = ListRequest { prefix: "/registry/pods/".to_owned(), ..ListRequest::default() };
        let bytes: usize = store.list(request).await?.entries.map(|entry| entry.value.bytes.len()).sum();
        if bytes != objects * VALUE_BYTES {
            bail!("the list has {bytes} bytes");
        }
    }
    Ok(start.elapsed().as_secs_f64() * 1000.0 / f64::from(LISTS))
}
