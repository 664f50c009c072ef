//! The scheduling queue with a million pods.

use super::{load, rate};
use crate::report::Report;
use anyhow::{Context as _, Result};
use kubekit_sched::framework::{ClusterEvent, EventKind};
use kubekit_sched::queue::{QueueConfig, Requeue, SchedulingQueue};
use kubekit_sched::{Pod, Profile};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub(super) fn measure(report: &mut Report, scale: usize) -> Result<()> {
    const KEYS: [&str; 4] =
        ["sched.queue.1m_add", "sched.queue.1m_pop", "sched.queue.1m_requeue", "sched.queue.1m_wake"];
    const EVENT: &str = "sched.queue.1m_event";
    if !KEYS.iter().any(|key| report.wants(key)) && !report.wants(EVENT) {
        return Ok(());
    }
    let count = 1_000_000 / scale;
    let mut queue = SchedulingQueue::new(Profile::default(), QueueConfig::default());
    let pods: Vec<Arc<Pod>> = (0..count).map(|i| load::pod(load::Kind::Plain, i, super::CLASSES).into()).collect();
    let timed = |work: &mut dyn FnMut() -> Result<()>| -> Result<f64> {
        let start = Instant::now();
        work()?;
        Ok(rate(count, start.elapsed()))
    };
    let mut pods = pods.into_iter();
    let now = Duration::ZERO;
    let added = timed(&mut || {
        pods.by_ref().for_each(|pod| queue.add(pod));
        Ok(())
    })?;
    let mut tried = Vec::with_capacity(count);
    let popped = timed(&mut || {
        for _ in 0..count {
            tried.push(queue.pop(now).context("a pod is active")?.uid.clone());
        }
        Ok(())
    })?;
    let refused = Requeue::Unschedulable(BTreeSet::from(["NodeResourcesFit"]));
    let requeued = timed(&mut || {
        tried.iter().for_each(|uid| queue.requeue(uid, refused.clone(), now));
        Ok(())
    })?;
    let event = |kind| ClusterEvent { kind, node: load::node_name(0) };
    let start = Instant::now();
    queue.notice(&event(EventKind::NodeTaint), now);
    let unconcerned = start.elapsed();
    // Everybody waits for room: one event wakes a million, and their back-off ends at once.
    let later = Duration::from_secs(20);
    let woken = timed(&mut || {
        queue.notice(&event(EventKind::PodDelete), later);
        for _ in 0..count {
            queue.pop(later).context("a pod is active again")?;
        }
        Ok(())
    })?;
    for (key, value) in KEYS.into_iter().zip([added, popped, requeued, woken]) {
        report.add(key, value, "pods/s");
    }
    report.add(EVENT, unconcerned.as_secs_f64() * 1e6, "us");
    std::mem::forget(queue);
    Ok(())
}
