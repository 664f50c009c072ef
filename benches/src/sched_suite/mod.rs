//! The workloads of kube-scheduler's own suite (`scheduler_perf`) by their names, through the whole path: an API server in
//! this process, the driver, and a watcher. Each figure is pods a second from the first create to the last pod that the
//! watcher saw bound, beside the threshold below which kube-scheduler's own continuous integration fails.
//!
//! Pods, nodes and their numbers are the suite's. Volumes and claims are bound by fake controllers, as there.

mod objects;
mod rig;
mod seen;

use crate::report::Report;
use anyhow::{Context, Result};
use objects::{Kind, Zones};
use rig::{Rig, Transport};
use std::time::{Duration, Instant};

/// How long a workload may take before it counts as stuck.
const TIMEOUT: Duration = Duration::from_secs(120);
/// What a smoke run divides the numbers by.
const SMOKE: usize = 50;

/// A workload of the suite.
#[derive(Clone, Copy, Debug)]
struct Workload {
    key: &'static str,
    nodes: usize,
    zones: Zones,
    /// Pods that are there before: how many namespaces, how many in each, of which kind.
    initial: &'static [(usize, usize, Kind)],
    /// Pods that can never be placed and wait all the while.
    unschedulable: usize,
    /// Pods that are measured.
    measured: (usize, Kind),
    /// Whether nodes and large pods come and go meanwhile.
    churn: bool,
    /// Pods a second.
    threshold: f64,
}

/// The suite's workloads have 5,000 nodes, unless said otherwise.
const fn workload(
    key: &'static str,
    initial: &'static [(usize, usize, Kind)],
    measured: (usize, Kind),
    threshold: f64,
) -> Workload {
    Workload { key, nodes: 5_000, zones: Zones::One, initial, unschedulable: 0, measured, churn: false, threshold }
}

/// Every workload, in the order of the suite.
#[expect(clippy::too_many_lines, reason = "a table, a row a workload")]
const fn workloads() -> [Workload; 24] {
    use Kind::{
        Affinity, AffinityNamespaces, AntiAffinity, AntiAffinityNamespaces, CsiVolume, Daemon, Default, Devices,
        HighPriority, InTreeVolume, LowPriority, NodeAffinity, PreferredAffinity, PreferredAffinityNamespaces,
        PreferredAntiAffinity, PreferredAntiAffinityNamespaces, PreferredSpread, Secret, Served, Spread,
    };
    [
        workload("sched.suite.SchedulingBasic", &[(1, 1_000, Default)], (10_000, Default), 680.0),
        workload("sched.suite.SchedulingBasic_50000", &[(1, 5_000, Default)], (50_000, Default), 810.0),
        Workload {
            nodes: 15_000,
            ..workload("sched.suite.SchedulingDaemonset", &[(1, 0, Default)], (30_000, Daemon), 1_100.0)
        },
        workload("sched.suite.PreemptionAsync", &[(1, 20_000, LowPriority)], (5_000, HighPriority), 570.0),
        Workload {
            unschedulable: 100,
            ..workload("sched.suite.Unschedulable", &[(1, 0, Default)], (10_000, Default), 590.0)
        },
        Workload {
            unschedulable: 20_000,
            ..workload("sched.suite.Unschedulable_20000", &[(1, 0, Default)], (10_000, Default), 600.0)
        },
        Workload {
            churn: true,
            ..workload("sched.suite.SchedulingWithMixedChurn", &[(1, 0, Default)], (10_000, Default), 710.0)
        },
        workload("sched.suite.SchedulingSecrets", &[(1, 1_000, Default)], (10_000, Secret), 790.0),
        Workload {
            zones: Zones::Three,
            ..workload("sched.suite.TopologySpreading", &[(1, 5_000, Default)], (5_000, Spread), 460.0)
        },
        Workload {
            zones: Zones::Three,
            ..workload(
                "sched.suite.PreferredTopologySpreading",
                &[(1, 5_000, Default)],
                (5_000, PreferredSpread),
                340.0,
            )
        },
        Workload {
            zones: Zones::Three,
            ..workload("sched.suite.DefaultTopologySpreading", &[(1, 5_000, Default)], (50_000, Served), 160.0)
        },
        workload("sched.suite.SchedulingNodeAffinity", &[(1, 5_000, NodeAffinity)], (10_000, NodeAffinity), 220.0),
        workload("sched.suite.SchedulingPodAffinity", &[(1, 5_000, Affinity)], (5_000, Affinity), 35.0),
        workload(
            "sched.suite.SchedulingPreferredPodAffinity",
            &[(1, 5_000, PreferredAffinity)],
            (5_000, PreferredAffinity),
            90.0,
        ),
        workload(
            "sched.suite.SchedulingPreferredPodAntiAffinity",
            &[(1, 5_000, PreferredAntiAffinity)],
            (5_000, PreferredAntiAffinity),
            90.0,
        ),
        workload("sched.suite.SchedulingPodAntiAffinity", &[(1, 1_000, AntiAffinity)], (2_000, AntiAffinity), 60.0),
        Workload {
            nodes: 6_000,
            ..workload(
                "sched.suite.SchedulingRequiredPodAntiAffinityWithNSSelector",
                &[(100, 40, AntiAffinityNamespaces)],
                (2_000, AntiAffinityNamespaces),
                24.0,
            )
        },
        workload(
            "sched.suite.SchedulingPreferredAntiAffinityWithNSSelector",
            &[(100, 40, PreferredAntiAffinityNamespaces)],
            (2_000, PreferredAntiAffinityNamespaces),
            55.0,
        ),
        workload(
            "sched.suite.SchedulingRequiredPodAffinityWithNSSelector",
            &[(100, 50, AffinityNamespaces)],
            (2_000, AffinityNamespaces),
            35.0,
        ),
        workload(
            "sched.suite.SchedulingPreferredAffinityWithNSSelector",
            &[(100, 50, PreferredAffinityNamespaces)],
            (5_000, PreferredAffinityNamespaces),
            90.0,
        ),
        workload("sched.suite.SchedulingInTreePVs", &[(1, 1_000, InTreeVolume)], (2_000, InTreeVolume), 290.0),
        workload("sched.suite.SchedulingCSIPVs", &[(1, 5_000, CsiVolume)], (5_000, CsiVolume), 100.0),
        workload(
            "sched.suite.MixedSchedulingBasePod",
            &[
                (1, 2_000, Default),
                (1, 2_000, Affinity),
                (1, 2_000, AntiAffinity),
                (1, 2_000, PreferredAffinity),
                (1, 2_000, PreferredAntiAffinity),
            ],
            (5_000, Default),
            140.0,
        ),
        Workload {
            nodes: 500,
            ..workload(
                "sched.suite.SchedulingWithResourceClaimTemplate",
                &[(1, 2_500, Devices)],
                (2_500, Devices),
                40.0,
            )
        },
    ]
}

/// The begin of keys, and of those of the same over TLS.
const PLAIN: &str = "sched.suite.";
const TLS: &str = "sched.suite_tls.";

/// Measures the suite; with a fiftieth of everything when `smoke`. Over TLS only the first, unless those are asked for.
pub(crate) async fn measure(report: &mut Report, smoke: bool) -> Result<()> {
    let part = |count: usize| if smoke { count.div_ceil(SMOKE) } else { count };
    for (number, workload) in workloads().into_iter().enumerate() {
        let scaled = Workload {
            nodes: part(workload.nodes),
            unschedulable: part(workload.unschedulable),
            measured: (part(workload.measured.0), workload.measured.1),
            ..workload
        };
        if report.wants(workload.key) {
            measure_one(report, workload.key, &scaled, part, Transport::InProcess).await;
        }
        let over_tls: &'static str = workload.key.replacen(PLAIN, TLS, 1).leak();
        if report.wants(over_tls) && (number == 0 || report.wants_only(TLS)) {
            measure_one(report, over_tls, &scaled, part, Transport::Tls).await;
        }
    }
    Ok(())
}

/// Adds a row, or says why there is none: one workload that is stuck does not hide the others.
async fn measure_one(
    report: &mut Report,
    key: &'static str,
    workload: &Workload,
    part: impl Fn(usize) -> usize,
    transport: Transport,
) {
    match run(workload, part, transport).await.with_context(|| format!("the workload {key}")) {
        Ok(rate) => report.add_beside(key, rate, "pods/s", "threshold", workload.threshold),
        Err(error) => report.fail(error),
    }
}

/// Pods a second.
async fn run(workload: &Workload, part: impl Fn(usize) -> usize, transport: Transport) -> Result<f64> {
    let rig = Rig::start(transport).await?;
    let (pods, kind) = workload.measured;
    rig.create_nodes(workload.nodes, workload.zones, kind).await?;
    rig.await_nodes(workload.nodes).await?;
    let mut expected = 0;
    for (batch, (namespaces, pods, kind)) in workload.initial.iter().enumerate() {
        let (namespaces, pods) = (part(*namespaces), part(*pods));
        for i in 0..namespaces {
            // Batches share their namespaces: the terms of pods name them.
            let namespace = format!("init-{i}");
            rig.create_namespace(&namespace, *kind).await?;
            rig.create_pods(&namespace, &format!("pod-{batch}"), pods, *kind).await?;
            expected += pods;
        }
    }
    rig.await_bound(expected, TIMEOUT).await?;
    rig.create_namespace("waiting", Kind::Unschedulable).await?;
    rig.create_pods("waiting", "pod", workload.unschedulable, Kind::Unschedulable).await?;
    rig.create_namespace("measured", kind).await?;
    rig.prepare(pods, kind).await?;
    // Victims of preemption are taken off the count of bound pods; what is measured is counted by namespace.
    let started = Instant::now();
    let churn = workload.churn.then(|| rig.churn());
    rig.create_pods("measured", "pod", pods, kind).await?;
    rig.await_bound_in("measured", pods, TIMEOUT).await?;
    let elapsed = started.elapsed();
    drop(churn);
    rig.stop().await;
    Ok(f64::from(u32::try_from(pods)?) / elapsed.as_secs_f64())
}
