//! The area `sched`: decisions of the scheduling engine alone, beside the plain evaluation of the same plugins, and a million
//! pods onto a million nodes with the store.
//!
//! A decision is `schedule` and `add_pod`, on one core, with the default plugins and every node considered. Pods come in
//! turn from 16 classes, and with a number in the key from so many.

mod full;
mod load;
mod queue;

use crate::process;
use crate::report::Report;
use anyhow::{Context as _, Result, ensure};
use kubekit_sched::{Cluster, Pod, Profile, Scheduler};
use kubekit_store::{Extractor, Memory, Op, Precondition, Store, Txn, TxnOutcome, Value};
use load::Kind;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

const CLASSES: usize = 16;
const RIVAL: &str = "all plugins asked about all nodes";

/// How throughput grows with the nodes, beside the sizes below: key, nodes, pods.
const GROWTH: [(&str, usize, usize); 2] = [("sched.engine.1k", 1_000, 60_000), ("sched.engine.10k", 10_000, 300_000)];

/// What is measured of one size: key, key of one class, key of 151, nodes, pods.
type Size = (&'static str, &'static str, &'static str, usize, usize);
const SIZES: [Size; 3] = [
    ("sched.engine.5k", "sched.engine.5k_1class", "sched.engine.5k_151classes", 5_000, 300_000),
    ("sched.engine.100k", "sched.engine.100k_1class", "sched.engine.100k_151classes", 100_000, 300_000),
    ("sched.engine.1m", "sched.engine.1m_1class", "sched.engine.1m_151classes", 1_000_000, 400_000),
];

/// Pods with terms: key, what they say, nodes, pods.
const DOMAINS: [(&str, Kind, usize, usize); 8] = [
    ("sched.affinity.5k", Kind::Affinity, 5_000, 10_000),
    ("sched.antiaffinity.5k", Kind::AntiAffinity, 5_000, 10_000),
    ("sched.preferred_affinity.5k", Kind::PreferredAffinity, 5_000, 10_000),
    ("sched.spread.5k", Kind::Spread, 5_000, 10_000),
    ("sched.preferred_spread.5k", Kind::PreferredSpread, 5_000, 10_000),
    ("sched.affinity.100k", Kind::Affinity, 100_000, 2_000),
    ("sched.antiaffinity.100k", Kind::AntiAffinity, 100_000, 2_000),
    ("sched.spread.100k", Kind::Spread, 100_000, 2_000),
];

/// Measures the area; with a thousandth of the work when `smoke`.
pub(crate) fn measure(report: &mut Report, smoke: bool) -> Result<()> {
    let scale = if smoke { 1_000 } else { 1 };
    for (key, nodes, pods) in GROWTH {
        if report.wants(key) {
            report.add(key, throughput(Kind::Plain, nodes / scale, pods / scale, CLASSES)?, "pods/s");
        }
    }
    for (key, one, many, nodes, pods) in SIZES {
        let (nodes, pods) = (nodes / scale, pods / scale);
        if report.wants(key) {
            let rate = throughput(Kind::Plain, nodes, pods, CLASSES)?;
            report.add_beside(key, rate, "pods/s", RIVAL, naive(Kind::Plain, nodes, pods / 2)?);
        }
        for (key, classes) in [(one, 1), (many, 151)] {
            if report.wants(key) {
                report.add(key, throughput(Kind::Plain, nodes, pods, classes)?, "pods/s");
            }
        }
    }
    latencies(report, scale)?;
    for (key, kind, nodes, pods) in DOMAINS {
        if report.wants(key) {
            let (nodes, pods) = (nodes / scale, (pods / scale).max(4));
            let rate = throughput(kind, nodes, pods, CLASSES)?;
            report.add_beside(key, rate, "pods/s", RIVAL, naive(kind, nodes, pods / 2)?);
        }
    }
    full::measure(report, scale)?;
    queue::measure(report, scale)?;
    if report.wants("sched.node_bytes") {
        report.add("sched.node_bytes", node_bytes(1_000_000 / scale)?, "bytes/node");
    }
    if report.wants("sched.fork.100k") {
        report.add("sched.fork.100k", fork(100_000 / scale)?, "us");
    }
    if report.wants("sched.1m_on_1m") {
        report.add("sched.1m_on_1m", store_too(1_000_000 / scale)?, "s");
    }
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "counts of pods, far below 2^52")]
fn rate(count: usize, elapsed: Duration) -> f64 {
    count as f64 / elapsed.as_secs_f64()
}

/// Places a pod; every pod of these loads has a place. The pod is the caller's, and is not copied.
fn place(scheduler: &Scheduler, cluster: &mut Cluster, pod: impl Into<Arc<Pod>>) -> Result<()> {
    let mut pod = pod.into();
    let placement = scheduler.schedule(cluster, &pod).map_err(|error| anyhow::anyhow!("{error}"))?;
    Arc::make_mut(&mut pod).node = Some(placement.node);
    cluster.add_pod(pod)?;
    Ok(())
}

/// Decisions a second. The classes are known before: what a first pod of a class costs is in the latencies.
fn throughput(kind: Kind, nodes: usize, pods: usize, classes: usize) -> Result<f64> {
    let (mut cluster, scheduler) = (load::cluster(nodes), Scheduler::new(Profile::default(), 1));
    let mut pods: Vec<Arc<Pod>> = (0..pods + classes).map(|i| load::pod(kind, i, classes).into()).collect();
    let measured = pods.split_off(classes);
    for pod in pods {
        place(&scheduler, &mut cluster, pod)?;
    }
    let (count, start) = (measured.len(), Instant::now());
    for pod in measured {
        place(&scheduler, &mut cluster, pod)?;
    }
    let rate = rate(count, start.elapsed());
    // Dropping millions of pods is not what is measured, and takes longer.
    std::mem::forget(cluster);
    Ok(rate)
}

/// The same by the plain evaluation, on a cluster with `before` pods, for about a second.
fn naive(kind: Kind, nodes: usize, before: usize) -> Result<f64> {
    let (mut cluster, scheduler) = (load::cluster(nodes), Scheduler::new(Profile::default(), 1));
    for i in 0..before {
        place(&scheduler, &mut cluster, load::pod(kind, i, CLASSES))?;
    }
    let (start, mut count) = (Instant::now(), 0);
    // On few nodes a second would fill them.
    while count < 2 || (count < before && start.elapsed() < Duration::from_secs(1)) {
        let pod = load::pod(kind, before + count, CLASSES);
        let placement = scheduler.schedule_naively(&cluster, &pod).map_err(|error| anyhow::anyhow!("{error}"))?;
        cluster.add_pod(pod.on(placement.node))?;
        count += 1;
    }
    let rate = rate(count, start.elapsed());
    std::mem::forget(cluster);
    Ok(rate)
}

/// Microseconds of one decision without the bind: median, 99th percentile, and the first of a class.
fn latencies(report: &mut Report, scale: usize) -> Result<()> {
    const KEYS: [(&str, &str, &str, usize); 3] = [
        ("sched.engine.5k_p50", "sched.engine.5k_p99", "sched.engine.5k_first", 5_000),
        ("sched.engine.100k_p50", "sched.engine.100k_p99", "sched.engine.100k_first", 100_000),
        ("sched.engine.1m_p50", "sched.engine.1m_p99", "sched.engine.1m_first", 1_000_000),
    ];
    for (p50, p99, first, nodes) in KEYS {
        if ![p50, p99, first].iter().any(|key| report.wants(key)) {
            continue;
        }
        let (mut cluster, scheduler) = (load::cluster(nodes / scale), Scheduler::new(Profile::default(), 1));
        let mut times = Vec::new();
        let mut firsts = Vec::new();
        for i in 0..CLASSES + 100_000 / scale {
            let pod = load::pod(Kind::Plain, i, CLASSES);
            let start = Instant::now();
            let placement = scheduler.schedule(&cluster, &pod).map_err(|error| anyhow::anyhow!("{error}"))?;
            let elapsed = start.elapsed().as_secs_f64() * 1e6;
            if i < CLASSES {
                firsts.push(elapsed)
            } else {
                times.push(elapsed)
            }
            cluster.add_pod(pod.on(placement.node))?;
        }
        times.sort_by(f64::total_cmp);
        firsts.sort_by(f64::total_cmp);
        report.add(p50, times[times.len() / 2], "us");
        report.add(p99, times[times.len() * 99 / 100], "us");
        report.add(first, firsts[firsts.len() / 2], "us");
        std::mem::forget(cluster);
    }
    Ok(())
}

/// Bytes of memory a node, without pods.
#[expect(clippy::cast_precision_loss, reason = "counts of nodes, far below 2^52")]
fn node_bytes(nodes: usize) -> Result<f64> {
    let resident = || process::resident_mib(std::process::id()).context("the memory of this process");
    let before = resident()?;
    let cluster = load::cluster(nodes);
    let bytes = (resident()? - before) * f64::from(1 << 20) / cluster.len() as f64;
    std::mem::forget(cluster);
    Ok(bytes)
}

/// Microseconds of a fork on which one pod is placed, with going back to the cluster that it was made from.
fn fork(nodes: usize) -> Result<f64> {
    const FORKS: u32 = 1_000;
    let (cluster, scheduler) = (load::cluster(nodes), Scheduler::new(Profile::default(), 1));
    let pod = |i: u32| load::pod(Kind::Plain, i as usize, 1);
    scheduler.schedule(&cluster, &pod(0)).map_err(|error| anyhow::anyhow!("{error}"))?;
    let start = Instant::now();
    for i in 0..FORKS {
        place(&scheduler, &mut cluster.fork(), pod(i))?;
        scheduler.schedule(&cluster, &pod(i)).map_err(|error| anyhow::anyhow!("{error}"))?;
    }
    Ok(start.elapsed().as_secs_f64() * 1e6 / f64::from(FORKS))
}

/// Seconds from the first decision to the last binding in the store, for as many pods as nodes: decisions on one thread,
/// writes of bindings that were encoded before on another.
fn store_too(count: usize) -> Result<f64> {
    const BATCH: usize = 1_000;
    let (mut cluster, scheduler) = (load::cluster(count), Scheduler::new(Profile::default(), 1));
    let pods: Vec<Arc<Pod>> = (0..count).map(|i| load::pod(Kind::Plain, i, CLASSES).into()).collect();
    let mut pods = pods.into_iter();
    let bindings: Vec<Txn> = (0..count).map(binding).collect();
    let (send, receive) = mpsc::sync_channel::<usize>(64);
    let start = Instant::now();
    let writer = std::thread::spawn(move || -> Result<()> {
        let store = Memory::new(Extractor::none(), kubekit_server::store_config());
        let runtime = tokio::runtime::Builder::new_current_thread().build()?;
        let mut bindings = bindings.into_iter();
        for decided in receive {
            for binding in bindings.by_ref().take(decided) {
                let outcome = runtime.block_on(store.txn(binding))?;
                ensure!(matches!(outcome, TxnOutcome::Committed { .. }), "a binding was refused");
            }
        }
        std::mem::forget(store);
        Ok(())
    });
    while pods.len() > 0 {
        let batch = pods.len().min(BATCH);
        for pod in pods.by_ref().take(batch) {
            place(&scheduler, &mut cluster, pod)?;
        }
        send.send(batch).context("the writer ended")?;
    }
    drop(send);
    writer.join().map_err(|_| anyhow::anyhow!("the writer panicked"))??;
    let seconds = start.elapsed().as_secs_f64();
    std::mem::forget(cluster);
    Ok(seconds)
}

/// A binding as an API server would store it.
fn binding(i: usize) -> Txn {
    let name = load::pod_name(i);
    let body = format!(
        r#"{{"apiVersion":"v1","kind":"Binding","metadata":{{"namespace":"default","name":"{name}"}},"target":{{"kind":"Node","name":"{}"}}}}"#,
        load::node_name(i)
    );
    let value = Value { bytes: body.into_bytes().into(), splice: 50 };
    Txn {
        key: format!("/registry/pods/default/{name}"),
        precondition: Precondition::Absent,
        op: Op::Put { value, attributes: None, ttl_seconds: None },
    }
}
