//! Each policy's rule as rows that were worked out by hand, and what all of them keep.

use super::*;
use crate::cluster::{Cluster, NodeInfo};
use crate::framework::{Filter, PreFilter, Profile, Reserve, Score};
use crate::model::{GpuRequest, Gpus, Node, Pod, Resources};
use crate::scheduler::Scheduler;
use proptest::prelude::*;
use std::sync::Arc;

/// A node with this much CPU, and devices of a model.
fn node(name: &str, cpu_milli: i64, devices: usize, model: &str) -> Node {
    Node::new(name, Resources::new(cpu_milli, 1 << 40, 100)).gpus(Gpus::new(devices, model))
}

fn pod(cpu_milli: i64, gpu: Option<GpuRequest>) -> Pod {
    let pod = Pod::new("p").request(Resources::new(cpu_milli, 1, 0));
    gpu.map_or(pod.clone(), |request| pod.gpu(request))
}

/// A cluster with one node of 64 cores, of whose devices so much is free.
fn cluster(free: &[i64]) -> Cluster {
    let mut cluster = Cluster::new();
    cluster.add_node(node("n", 64_000, free.len(), "T4"));
    for (device, free) in free.iter().enumerate().filter(|(_, free)| **free < 1000) {
        let mut user = Pod::new(&format!("user-{device}")).request(Resources::new(1, 1, 0));
        user = user.gpu(GpuRequest::share(1000 - free)).on("n");
        user.gpu_devices = vec![device];
        cluster.add_pod(user).unwrap();
    }
    cluster
}

fn raw(plugin: &impl Score, cluster: &Cluster, pod: &Pod) -> Option<i64> {
    let nodes: Vec<&NodeInfo> = cluster.nodes().collect();
    let state = plugin.pre_score(cluster, pod, &nodes)?;
    Some(plugin.score(&state, pod, nodes[0]))
}

/// The raw score of a node with these devices for a pod.
#[track_caller]
fn check(plugin: impl Score, free: &[i64], pod: &Pod, expected: Option<i64>) {
    assert_eq!(raw(&plugin, &cluster(free), pod), expected);
}

/// What one pod in two, three in ten and one in five want.
fn typical() -> Arc<TypicalPods> {
    let shape =
        |cpu_milli, gpu: Option<GpuRequest>, popularity| TypicalPod { cpu_milli, gpu: gpu.map(Arc::new), popularity };
    Arc::new(TypicalPods::from_pods(vec![
        shape(4000, Some(GpuRequest::share(500)), 0.5),
        shape(8000, Some(GpuRequest::whole(1)), 0.3),
        shape(1000, None, 0.2),
    ]))
}

fn spare(model: &str, cpu_milli: i64, devices: &[i64]) -> Spare {
    Spare { model: model.into(), cpu_milli, devices: devices.to_vec() }
}

#[test]
fn filter_wants_a_model_and_enough_of_enough_devices() {
    let state = cluster(&[1000, 500]);
    let share = GpuRequest::share;
    for (request, expected) in [
        (share(500), Ok(())),
        (share(1000), Ok(())),
        (GpuRequest { count: 2, milli: 500, models: Vec::new() }, Ok(())),
        (GpuRequest::whole(2), Err("Insufficient GPU devices")),
        (GpuRequest::whole(3), Err("Insufficient GPU devices")),
        (share(100).of(["T4"]), Ok(())),
        (share(100).of(["V100", "T4"]), Ok(())),
        (share(100).of(["V100"]), Err("node(s) didn't have a requested GPU model")),
    ] {
        let p = pod(1, Some(request.clone()));
        let found = GpuShare.filter(&(), &p, state.nodes().next().unwrap());
        assert_eq!(
            found.map_err(|refusal| refusal.reasons[0].to_string()),
            expected.map_err(str::to_owned),
            "{request:?}"
        );
    }
}

#[test]
fn a_request_without_sense_is_refused_before_any_node() {
    for request in [GpuRequest::share(0), GpuRequest::share(-1), GpuRequest::share(1001), GpuRequest::whole(0)] {
        let answer = GpuShare.pre_filter(&cluster(&[1000]), &pod(1, Some(request)));
        assert!(matches!(answer, PreFilter::Refuse(_)));
    }
    assert!(matches!(GpuShare.pre_filter(&cluster(&[1000]), &pod(1, None)), PreFilter::Skip));
}

#[test]
fn dot_product_by_hand() {
    // cpu 64/128 · 32/128 = 0.125; gpu 1.5/8 · 0.5/8 = 0.0117; 100·(1 − 0.0684) = 93.
    let mut state = Cluster::new();
    state.add_node(node("n", 64_000, 1, "T4"));
    assert_eq!(raw(&DotProduct, &state, &pod(32_000, Some(GpuRequest::whole(1)))), Some(92));
    // Without GPUs only CPU counts: 100·(1 − 0.125/2) = 93.75.
    assert_eq!(raw(&DotProduct, &state, &pod(32_000, None)), Some(93));
    assert_eq!(raw(&DotProduct, &state, &pod(0, None)), Some(99), "100 m are assumed: 99.98, truncated");
}

#[test]
fn best_fit_by_hand() {
    let mut state = Cluster::new();
    state.add_node(node("a", 64_000, 2, "T4"));
    // (64 − 32)/128·0.5 = 0.125 and (2 − 1)/8·0.5 = 0.0625: 100·(1 − 0.1875) = 81.
    assert_eq!(raw(&GpuBestFit, &state, &pod(32_000, Some(GpuRequest::whole(1)))), Some(81));
    let nodes: Vec<&NodeInfo> = state.nodes().collect();
    for (mut scores, expected) in [(vec![81, 60, 40], vec![100, 48, 0]), (vec![7, 7], vec![0, 0]), (vec![], vec![])] {
        GpuBestFit.normalize(&(), &nodes, &mut scores);
        assert_eq!(scores, expected);
    }
}

#[test]
fn packing_by_hand() {
    let share = |milli| pod(1, Some(GpuRequest::share(milli)));
    let whole = |count| pod(1, Some(GpuRequest::whole(count)));
    check(GpuPacking, &[1000, 500], &share(500), Some(95));
    check(GpuPacking, &[1000, 500, 200], &share(200), Some(98));
    check(GpuPacking, &[1000, 500], &share(600), Some(49));
    check(GpuPacking, &[1000, 1000, 400], &whole(2), Some(48));
    check(GpuPacking, &[1000, 1000], &share(100), Some(31));
    check(GpuPacking, &[1000; 8], &whole(8), Some(25));
    check(GpuPacking, &[1000; 20], &whole(8), Some(20));
    check(GpuPacking, &[1000, 500], &pod(1, None), None);
}

#[test]
fn clustering_by_hand() {
    let share = pod(1, Some(GpuRequest::share(100)));
    let whole = pod(1, Some(GpuRequest::whole(1)));
    // 1.5 of 8 are free: 25·6.5/8 = 20.
    check(GpuClustering, &[1000, 500], &share, Some(95));
    check(GpuClustering, &[1000, 500], &whole, Some(20));
    // 2 of 8 are free: 25·6/8 = 18.
    check(GpuClustering, &[1000, 1000], &share, Some(43));
    check(GpuClustering, &[1000, 1000], &pod(1, None), None);
    let mut both = cluster(&[1000, 500]);
    let mut other = Pod::new("other").gpu(GpuRequest::whole(1)).on("n");
    other.gpu_devices = vec![0];
    both.add_pod(other).unwrap();
    // 0.5 of 8 is free: 25·7.5/8 = 23.
    assert_eq!(raw(&GpuClustering, &both, &share), Some(73));
}

#[test]
fn fragmentation_by_hand() {
    for (spare, expected) in [
        // Shares cannot use the 300; whole devices lack CPU; pods without GPUs use nothing.
        (spare("T4", 6000, &[1000, 300]), 0.5 * 300.0 + 0.3 * 1300.0 + 0.2 * 1300.0),
        (spare("T4", 8000, &[1000, 300]), 0.5 * 300.0 + 0.3 * 300.0 + 0.2 * 1300.0),
        (spare("T4", 0, &[1000, 300]), 1300.0),
        (spare("T4", 8000, &[]), 0.0),
        (spare("T4", 8000, &[0, 0]), 0.0),
    ] {
        assert!((typical().fragmentation(&spare) - expected).abs() < 1e-9, "{spare:?}");
    }
    let picky = TypicalPod { cpu_milli: 1, gpu: Some(Arc::new(GpuRequest::share(100).of(["A"]))), popularity: 1.0 };
    let picky = TypicalPods::from_pods(vec![picky]);
    assert!(picky.fragmentation(&spare("A", 1, &[1000])).abs() < 1e-9);
    assert!((picky.fragmentation(&spare("B", 1, &[1000])) - 1000.0).abs() < 1e-9);
}

#[test]
fn fgd_by_hand() {
    // Before: 150 + 390 + 260 = 800. On the first device: 150 + 300 + 200 = 650, sigmoid(0.15) = 0.537.
    // On the second: 0 + 300 + 200 = 500, sigmoid(0.3) = 0.574.
    let fgd = Fgd::new(typical());
    let p = pod(1000, Some(GpuRequest::share(300)));
    assert_eq!(fgd.rate(&p, &spare("T4", 6000, &[1000, 300])), (57, vec![1]));
    assert_eq!(fgd.rate(&p, &spare("T4", 6000, &[1000, 299])), (53, vec![0]));
    // Equal devices: the first.
    assert_eq!(fgd.rate(&p, &spare("T4", 6000, &[1000, 1000])).1, vec![0]);
    // A pod without GPUs that leaves 5 cores: whole devices had no CPU before either, so nothing changes.
    assert_eq!(fgd.rate(&pod(1000, None), &spare("T4", 6000, &[1000, 300])), (50, vec![]));
}

#[test]
fn typical_pods_are_the_most_frequent_up_to_the_coverage() {
    let mut pods: Vec<Pod> = (0..12).map(|_| pod(1000, Some(GpuRequest::share(500)))).collect();
    pods.extend((0..7).map(|_| pod(2000, None)));
    pods.push(pod(3000, Some(GpuRequest::whole(1))));
    let kept = TypicalPods::of(&pods, 0.95);
    let shares: Vec<(i64, f64)> = kept.pods().iter().map(|pod| (pod.cpu_milli, pod.popularity)).collect();
    assert_eq!(shares, [(1000, 12.0 / 19.0), (2000, 7.0 / 19.0)]);
    assert_eq!(TypicalPods::of(&pods, 1.0).pods().len(), 3);
    assert!(TypicalPods::of(&[], 1.0).pods().is_empty());
}

#[test]
fn balance_fills_what_only_a_rare_share_fills() {
    let load: Vec<Pod> =
        [810, 810, 810, 190].into_iter().map(|milli| pod(1000, Some(GpuRequest::share(milli)))).collect();
    let nodes = [node("n", 64_000, 2, "T4")];
    let balance = GpuBalance::new(&load, &nodes, 1.0, BalanceWeights::default());
    let (_, devices) = balance.rate(&load[3], &spare("T4", 64_000, &[1000, 190]));
    assert_eq!(devices, [1]);
}

#[test]
fn balance_leaves_scarce_models_to_those_that_name_them() {
    let mut load: Vec<Pod> = (0..4).map(|_| pod(1000, Some(GpuRequest::whole(1)))).collect();
    load.extend((0..2).map(|_| pod(1000, Some(GpuRequest::whole(1).of(["A"])))));
    let nodes = [node("a", 64_000, 2, "A"), node("b", 64_000, 2, "B")];
    let balance = GpuBalance::new(&load, &nodes, 1.0, BalanceWeights::default());
    let on = |model| balance.rate(&load[0], &spare(model, 64_000, &[1000, 1000])).0;
    assert!(on("B") > on("A"));
}

#[test]
fn balance_lets_only_the_best_have_the_full_score() {
    let nodes = Vec::new();
    let balance = GpuBalance::new(&[], &[], 1.0, BalanceWeights::default());
    let state = balance.pre_score(&Cluster::new(), &pod(1, None), &nodes).unwrap();
    for (mut scores, expected) in [
        (vec![1_000_000, 999_999, 0], vec![100, 98, 0]),
        (vec![5, 5], vec![100, 100]),
        (vec![i64::MIN, i64::MAX], vec![0, 100]),
        (vec![], vec![]),
    ] {
        balance.normalize(&state, &nodes, &mut scores);
        assert_eq!(scores, expected);
    }
}

#[test]
fn random_draws_every_node_about_equally_often() {
    let mut counts = [0u32; 7];
    for i in 0..7000 {
        counts[random::draw(3, &format!("pod-{i}"), 7).unwrap()] += 1;
    }
    // Standard deviation about 29.
    assert!(counts.iter().all(|count| (850..1150).contains(count)), "{counts:?}");
    assert_eq!(random::draw(3, "p", 0), None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever the rule, no device is given twice, none beyond what is free, and what is removed comes back.
    #[test]
    fn devices_are_never_overcommitted(requests in proptest::collection::vec((1usize..3, 1i64..=1000), 0..40), seed: u64) {
        let load: Vec<Pod> = requests.iter().map(|(count, milli)| {
            pod(100, Some(if *count == 1 { GpuRequest::share(*milli) } else { GpuRequest::whole(*count) }))
        }).collect();
        let nodes = [node("a", 64_000, 2, "A"), node("b", 64_000, 4, "B")];
        let fgd = Fgd::new(Arc::new(TypicalPods::of(&load, 1.0)));
        let balance = GpuBalance::new(&load, &nodes, 1.0, BalanceWeights::default());
        for profile in [
            Profile::builder("random").filter(GpuShare).reserve(GpuDevices(RandomFit { seed })).score(GpuRandom { seed }, 1),
            Profile::builder("packing").filter(GpuShare).reserve(GpuDevices(TightestFit)).score(GpuPacking, 1),
            Profile::builder("fgd").filter(GpuShare).reserve(GpuDevices(fgd.clone())).score(fgd.clone(), 1),
            Profile::builder("balance").filter(GpuShare).reserve(GpuDevices(balance.clone())).score(balance.clone(), 1),
        ] {
            let scheduler = Scheduler::new(profile.build(), seed);
            let mut cluster = Cluster::new();
            nodes.iter().for_each(|node| cluster.add_node(node.clone()));
            let mut placed = Vec::new();
            for (i, p) in load.iter().enumerate() {
                let p = Pod { uid: i.to_string().into(), ..p.clone() };
                let Ok(placement) = scheduler.schedule(&cluster, &p) else { continue };
                prop_assert!(scheduler.reserve(&cluster, &p, &placement.node).is_ok());
                let p = scheduler.assume(&cluster, p, &placement.node);
                let mut distinct = p.gpu_devices.clone();
                distinct.dedup();
                prop_assert_eq!(distinct.len(), p.gpu.as_ref().unwrap().count);
                placed.push(p.uid.clone());
                cluster.add_pod(p).unwrap();
                prop_assert!(cluster.nodes().flat_map(|n| n.gpu_free()).all(|free| (0..=1000).contains(free)));
            }
            placed.iter().for_each(|uid| { cluster.remove_pod(uid); });
            prop_assert!(cluster.nodes().flat_map(|n| n.gpu_free()).all(|free| *free == 1000));
        }
    }
}

#[test]
fn reserve_refuses_what_no_longer_fits() {
    let state = cluster(&[100]);
    let p = pod(1, Some(GpuRequest::share(500)));
    assert!(GpuDevices(TightestFit).reserve(&state, &p, "n").is_err());
    assert!(GpuDevices(TightestFit).reserve(&state, &pod(1, None), "n").is_ok());
    assert!(GpuDevices(TightestFit).reserve(&state, &p, "nowhere").is_err());
}
