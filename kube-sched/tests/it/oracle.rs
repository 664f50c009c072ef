//! The fast path against the plain evaluation: the same decisions, ties included, on random clusters and pods.
//!
//! A run is decided by its seed, which is printed where it fails. `SCHED_ORACLE_RUNS` asks for more runs than the short
//! version's, `SCHED_ORACLE_SEED` for another first seed.

#[path = "oracle/generate.rs"]
mod generate;

use generate::{Rng, World};
use kubekit_sched::{Cluster, Pod, Scheduler, Ties};

const RUNS: u64 = 120;
const STEPS: usize = 160;

fn environment(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().map_or(default, |text| text.parse().expect("a number"))
}

#[derive(Default)]
struct Counts {
    decisions: u64,
    placed: u64,
    /// Those that found a node to clear.
    preempting: u64,
    fast: u64,
    /// Those of the fast path that found no node.
    fast_refusals: u64,
    /// Those of the fast path for pods with volumes.
    fast_with_volumes: u64,
}

struct Run {
    seed: u64,
    rng: Rng,
    world: World,
    scheduler: Scheduler,
    /// The state and its forks, each with what it was forked from.
    clusters: Vec<Cluster>,
    counts: Counts,
}

impl Run {
    fn new(seed: u64) -> Self {
        let mut rng = Rng(seed);
        let world = World::new(&mut rng);
        let ties = if rng.one_in(5) { Ties::NodeOrder } else { Ties::PerPod };
        let scheduler = Scheduler::new(generate::profile(&mut rng), seed).with_ties(ties);
        let mut cluster = Cluster::new();
        for _ in 0..rng.below(world.nodes_max) {
            cluster.add_node(world.node(&mut rng));
        }
        if world.volumes {
            (0..200).for_each(|_| world.change_storage(&mut rng, cluster.inventory_mut()));
        }
        Self { seed, rng, world, scheduler, clusters: vec![cluster], counts: Counts::default() }
    }

    fn step(&mut self, step: usize) {
        let at = self.rng.below(self.clusters.len());
        match self.rng.below(24) {
            0 => {
                let node = self.world.node(&mut self.rng);
                self.clusters[at].add_node(node);
            }
            1 => {
                let name = self.world.node_name(&mut self.rng);
                self.clusters[at].remove_node(&name);
            }
            2..=4 => {
                let uid = self.world.uid(&mut self.rng);
                self.clusters[at].remove_pod(&uid);
            }
            5 => {
                let (name, labels) = self.world.namespace(&mut self.rng);
                self.clusters[at].set_namespace(&name, labels);
            }
            6 if self.world.nominations => {
                let (mut pod, node) = (self.world.pod(&mut self.rng), self.world.node_name(&mut self.rng));
                pod.nominated_node = Some(node.as_str().into());
                self.clusters[at].nominate(pod);
            }
            7 => {
                let uid = self.world.uid(&mut self.rng);
                self.clusters[at].withdraw_nomination(&uid);
            }
            10 if self.world.services => {
                let service = self.world.service(&mut self.rng);
                self.clusters[at].inventory_mut().services.set(service);
            }
            11 if self.world.services => {
                let service = self.world.service(&mut self.rng);
                self.clusters[at].inventory_mut().services.remove(&service.namespace, &service.name);
            }
            12 if self.world.budgets => {
                let budget = self.world.budget(&mut self.rng);
                self.clusters[at].inventory_mut().budgets.set(budget);
            }
            13 | 14 if self.world.volumes => {
                self.world.change_storage(&mut self.rng, self.clusters[at].inventory_mut());
            }
            8 if self.clusters.len() < 4 => {
                let fork = self.clusters[at].fork();
                self.clusters.push(fork);
            }
            9 if self.clusters.len() > 1 => {
                let fork = self.clusters.swap_remove(at);
                if self.rng.one_in(2) {
                    let to = self.rng.below(self.clusters.len());
                    // Most are refused, since the other has gone on.
                    let _ = self.clusters[to].commit(fork);
                }
            }
            // Nodes that are what they were before some classes looked again.
            13 | 14 => {
                let node = self.clusters[at].node(&self.world.node_name(&mut self.rng)).map(|info| info.node().clone());
                if let Some(mut node) = node {
                    node.unschedulable = !node.unschedulable;
                    self.clusters[at].add_node(node);
                }
            }
            _ => self.decide(at, step),
        }
    }

    fn decide(&mut self, at: usize, step: usize) {
        let pod = self.world.pod(&mut self.rng);
        self.compare(at, &pod, step);
        let cluster = &mut self.clusters[at];
        match self.scheduler.schedule(cluster, &pod) {
            Ok(placement) if !self.rng.one_in(8) => {
                cluster.withdraw_nomination(&pod.uid);
                let changes = self.scheduler.changes(cluster, &pod, &placement.node).unwrap_or_default();
                changes.iter().for_each(|change| cluster.inventory_mut().apply(change));
                // A pod of this uid may be elsewhere already.
                let _ = cluster.add_pod(pod.on(placement.node));
            }
            Err(error) => {
                // Sometimes what preemption asks for happens, in part or whole.
                let Some(nomination) = error.nomination.filter(|_| self.rng.one_in(2)) else { return };
                for victim in nomination.victims {
                    if !self.rng.one_in(4) {
                        cluster.remove_pod(&victim.uid);
                    }
                }
                if self.world.nominations {
                    let mut promised = pod.clone();
                    promised.nominated_node = Some(nomination.node.as_str().into());
                    cluster.nominate(promised.clone());
                    self.compare(at, &promised, step);
                }
            }
            Ok(_) => {}
        }
    }

    fn compare(&mut self, at: usize, pod: &Pod, step: usize) {
        let before = self.scheduler.kept_decisions();
        let fast = self.scheduler.schedule(&self.clusters[at], pod);
        let slow = self.scheduler.schedule_naively(&self.clusters[at], pod);
        let kept = self.scheduler.kept_decisions() - before;
        self.counts.fast += kept;
        self.counts.fast_refusals += kept * u64::from(slow.is_err());
        self.counts.fast_with_volumes += kept * u64::from(!pod.volumes.is_empty());
        self.counts.preempting += u64::from(slow.as_ref().is_err_and(|error| error.nomination.is_some()));
        self.counts.decisions += 1;
        self.counts.placed += u64::from(slow.is_ok());
        if fast != slow {
            let explanation = self.scheduler.explain(&self.clusters[at], pod);
            panic!("seed {}, step {step}, pod {pod:#?}\nfast {fast:?}\nslow {slow:?}\n{explanation:#?}", self.seed);
        }
    }
}

#[test]
fn the_fast_path_decides_as_the_plain_evaluation_does() {
    let (runs, first) = (environment("SCHED_ORACLE_RUNS", RUNS), environment("SCHED_ORACLE_SEED", 1));
    let mut all = Counts::default();
    for seed in first..first + runs {
        let mut run = Run::new(seed);
        (0..STEPS).for_each(|step| run.step(step));
        all.decisions += run.counts.decisions;
        all.placed += run.counts.placed;
        all.preempting += run.counts.preempting;
        all.fast += run.counts.fast;
        all.fast_refusals += run.counts.fast_refusals;
        all.fast_with_volumes += run.counts.fast_with_volumes;
    }
    println!(
        "oracle: {runs} random clusters, {} decisions compared ({} placed, {} preempting; by the fast path {}, {} of them refusals, {} of pods with volumes), 0 differences",
        all.decisions, all.placed, all.preempting, all.fast, all.fast_refusals, all.fast_with_volumes
    );
    assert!(all.fast * 3 > all.decisions, "the fast path was hardly used");
    assert!(all.fast_refusals * 20 > all.decisions, "the fast path hardly refused");
    assert!(all.fast_with_volumes * 50 > all.decisions, "pods with volumes hardly took the fast path");
    assert!(all.preempting * 80 > all.decisions, "hardly anything was preempted");
}
