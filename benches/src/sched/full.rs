//! Clusters without room: preemption, pods that fit nowhere, and the last free places.

use super::{load, place, rate};
use crate::report::Report;
use anyhow::{Context as _, Result, ensure};
use kubekit_sched::{Cluster, FitError, Pod, Profile, Scheduler};
use std::time::{Duration, Instant};

/// How many decisions the plain evaluation makes.
const NAIVE: usize = 3;
const RIVAL: &str = super::RIVAL;

pub(super) fn measure(report: &mut Report, scale: usize) -> Result<()> {
    for (key, first, nodes) in [
        ("sched.preempt.5k", "sched.preempt.5k_first", 5_000),
        ("sched.preempt.100k", "sched.preempt.100k_first", 100_000),
    ] {
        if report.wants(key) {
            let times = preempt(nodes / scale)?;
            report.add_beside(key, times.median, "ms", RIVAL, times.naive);
            report.add(first, times.first, "ms");
        }
    }
    for (key, nodes) in [("sched.unschedulable.5k", 5_000), ("sched.unschedulable.100k", 100_000)] {
        if report.wants(key) {
            let (fast, naive) = unschedulable(nodes / scale)?;
            report.add_beside(key, fast, "pods/s", RIVAL, naive);
        }
    }
    if report.wants("sched.nearly_full.5k") {
        report.add("sched.nearly_full.5k", nearly_full(5_000 / scale)?, "pods/s");
    }
    Ok(())
}

/// Milliseconds of one decision.
struct Times {
    median: f64,
    /// Of the first pod of its class.
    first: f64,
    naive: f64,
}

/// Decisions that end in a nomination, on nodes full of lesser pods, each carried out before the next: the victims go, and
/// the pod takes their place.
fn preempt(nodes: usize) -> Result<Times> {
    const DECISIONS: usize = 201;
    let (mut cluster, scheduler) = (full(nodes)?, Scheduler::new(Profile::default(), 1));
    let mut times = Vec::new();
    let mut naive = Vec::new();
    for i in 0..DECISIONS.min(nodes) {
        let pod = load::large(&format!("urgent-{i}")).priority(10);
        if i < NAIVE {
            naive.push(timed(|| scheduler.schedule_naively(&cluster, &pod)).1);
        }
        let (refused, time) = timed(|| scheduler.schedule(&cluster, &pod));
        times.push(time);
        let refused = refused.err().context("no node has room")?;
        let nomination =
            refused.nomination.as_ref().with_context(|| format!("no node was found to clear: {refused}"))?;
        ensure!(!nomination.victims.is_empty(), "a node is cleared of nothing");
        for victim in &nomination.victims {
            cluster.remove_pod(&victim.uid);
        }
        cluster.add_pod(pod.on(nomination.node.as_str()))?;
    }
    std::mem::forget(cluster);
    let first = times[0];
    Ok(Times { median: median(times), first, naive: median(naive) })
}

/// Pods a second that no node takes and none can be cleared for, each with the text for people, while another pod comes and
/// goes; and the same by the plain evaluation.
fn unschedulable(nodes: usize) -> Result<(f64, f64)> {
    let (mut cluster, scheduler) = (full(nodes)?, Scheduler::new(Profile::default(), 1));
    let told =
        |refused: Result<_, Box<FitError>>| refused.err().map(|error| error.to_string()).context("no node has room");
    let pod = |i: usize| load::large(&format!("waiting-{i}"));
    let (start, mut count) = (Instant::now(), 0);
    while count < 2 || start.elapsed() < Duration::from_secs(1) {
        told(scheduler.schedule(&cluster, &pod(count)))?;
        let small = Pod::new("small").on(load::node_name(count % nodes));
        cluster.remove_pod(&small.uid);
        cluster.add_pod(small)?;
        count += 1;
    }
    let fast = rate(count, start.elapsed());
    let start = Instant::now();
    for i in 0..NAIVE {
        told(scheduler.schedule_naively(&cluster, &pod(i)))?;
    }
    let naive = rate(NAIVE, start.elapsed());
    std::mem::forget(cluster);
    Ok((fast, naive))
}

/// Decisions a second where one node in a thousand has room left.
fn nearly_full(nodes: usize) -> Result<f64> {
    let (mut cluster, scheduler) = (full(nodes)?, Scheduler::new(Profile::default(), 1));
    for i in (0..nodes).step_by(1_000) {
        cluster.remove_pod(&load::filler(i, 0));
    }
    let (start, mut count) = (Instant::now(), 0);
    while start.elapsed() < Duration::from_secs(1) {
        let name = format!("p-{count}");
        place(&scheduler, &mut cluster, load::large(&name))?;
        cluster.remove_pod(&name);
        count += 1;
    }
    Ok(rate(count, start.elapsed()))
}

fn full(nodes: usize) -> Result<Cluster> {
    let mut cluster = load::cluster(nodes);
    load::fill(&mut cluster, 4)?;
    Ok(cluster)
}

fn timed<T>(work: impl FnOnce() -> T) -> (T, f64) {
    let start = Instant::now();
    let result = work();
    (result, start.elapsed().as_secs_f64() * 1e3)
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}
