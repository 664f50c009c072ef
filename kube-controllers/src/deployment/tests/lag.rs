//! Rollouts in which pods come and go when they like, and are reported late: the promises of the strategy hold at every
//! moment.

use std::collections::BTreeMap;

use super::super::replicas;
use super::*;

/// A rollout of a Deployment whose sets are looked after by a slow controller.
#[derive(Debug)]
struct Slow {
    world: World,
    /// What a set really has: its pods, and those of them that are available.
    real: BTreeMap<String, (i32, i32)>,
    random: u64,
}

impl Slow {
    fn below(&mut self, bound: usize) -> usize {
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.random >> 33).unwrap() % bound.max(1)
    }

    /// One thing happens: the Deployment is looked at, or a set creates or deletes its pods, or has one more available, or
    /// reports what it has.
    fn step(&mut self) {
        let what = self.below(4);
        let index = self.below(self.world.sets.len());
        self.world.now += jiff::SignedDuration::from_secs(1);
        if what == 0 || self.world.sets.is_empty() {
            self.world.pass();
            return;
        }
        let set = &mut self.world.sets[index];
        let (pods, available) = self.real.entry(set.name().to_owned()).or_default();
        match what {
            1 => {
                *pods = replicas::of(set);
                *available = (*available).min(*pods);
            }
            2 => *available = (*available + 1).min(*pods),
            _ => {
                set.status = Some(ReplicaSetStatus {
                    replicas: *pods,
                    ready_replicas: Some(*available),
                    available_replicas: Some(*available),
                    observed_generation: set.metadata.generation,
                    terminating_replicas: Some(0),
                    ..ReplicaSetStatus::default()
                });
            }
        }
    }

    /// The pods that are available and that nobody has decided to delete.
    fn available(&self) -> i32 {
        let real = |set: &ReplicaSet| self.real.get(set.name()).map_or(0, |(_, available)| *available);
        self.world.sets.iter().map(|set| real(set).min(replicas::of(set))).sum()
    }
}

#[track_caller]
fn check(wanted: i32, surge: &str, unavailable: &str) {
    for seed in 0..40 {
        let world = World::new(deployment(wanted, surge, unavailable));
        let mut slow = Slow { world, real: BTreeMap::new(), random: seed };
        while slow.available() < wanted {
            slow.step();
        }
        let most = wanted + replicas::max_surge(&slow.world.deployment);
        let least = wanted - replicas::max_unavailable(&slow.world.deployment);
        for image in ["v2", "v3", "v4"] {
            spec(&mut slow.world.deployment).template = template(image);
            for _ in 0..60 {
                slow.step();
                let (total, available) = (slow.world.total(), slow.available());
                assert!(total <= most, "seed {seed}: {total} pods, at most {most}: {slow:?}");
                assert!(available >= least, "seed {seed}: {available} available, at least {least}: {slow:?}");
            }
        }
        slow.world.settle(|_| {});
        assert_eq!(slow.world.sets.iter().map(replicas::of).max(), Some(wanted), "seed {seed}: the last rollout ends");
    }
}

#[test]
fn rollouts_keep_their_promises_though_reports_are_late() {
    check(3, "25%", "25%");
    check(10, "25%", "25%");
    check(10, "3", "0");
    check(10, "0", "3");
    check(4, "100%", "50%");
}
