//! The graph against a plain list of objects, under random changes, gaps and deletions: it knows the same, and whatever loses
//! an owner is looked at.

use std::collections::{BTreeMap, BTreeSet};

use super::*;

const NAMES: [&str; 6] = ["a", "b", "c", "d", "e", "f"];

#[derive(Debug)]
struct Model {
    graph: Graph,
    objects: BTreeMap<&'static str, PartialObject>,
    random: u64,
}

impl Model {
    fn below(&mut self, bound: usize) -> usize {
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.random >> 33).unwrap() % bound
    }

    fn name(&mut self) -> &'static str {
        NAMES[self.below(NAMES.len())]
    }

    /// An object with up to two owners, there or not, of which each may block; it may be on its way out.
    fn object(&mut self, name: &str) -> PartialObject {
        let mut owners: Vec<OwnerReference> = Vec::new();
        for _ in 0..self.below(3) {
            let owner = reference(self.name(), self.below(2) == 0);
            if owner.uid != name && owners.iter().all(|o| o.uid != owner.uid) {
                owners.push(owner);
            }
        }
        let made = object(name, &owners);
        if self.below(5) == 0 { deleting(made, FOREGROUND) } else { made }
    }

    /// One change, seen by both; what the graph wants looked at.
    fn step(&mut self) -> Vec<Work> {
        let name = self.name();
        match self.below(6) {
            0 => {
                self.objects.remove(name);
                self.graph.deleted(name)
            }
            1 => {
                // A gap: what is there now is another half of the objects, some of them changed.
                let kept = NAMES.into_iter().filter(|_| self.below(2) == 0).collect::<Vec<_>>();
                self.objects = kept.into_iter().map(|name| (name, self.object(name))).collect();
                let all: Vec<PartialObject> = self.objects.values().cloned().collect();
                self.graph.restarted(&sets(), &all)
            }
            _ => {
                let object = self.object(name);
                let work = self.graph.applied(&sets(), &object);
                self.objects.insert(name, object);
                work
            }
        }
    }

    fn is_foreground(&self, name: &str) -> bool {
        self.objects.get(name).is_some_and(|o| o.metadata.deletion_timestamp.is_some())
    }

    fn owners(&self, name: &str) -> &[OwnerReference] {
        self.objects.get(name).and_then(|o| o.metadata.owner_references.as_deref()).unwrap_or_default()
    }

    fn dependents(&self, owner: &str, blocking: bool) -> Vec<&'static str> {
        let names = |r: &OwnerReference| r.uid == owner && (!blocking || r.block_owner_deletion == Some(true));
        self.objects.keys().copied().filter(|name| self.owners(name).iter().any(names)).collect()
    }

    fn is_in_doubt(&self, name: &str) -> bool {
        let lost = |owner: &str| !self.objects.contains_key(owner) || self.is_foreground(owner);
        self.objects.contains_key(name) && (self.is_foreground(name) || self.owners(name).iter().any(|o| lost(&o.uid)))
    }
}

#[test]
fn the_graph_knows_what_was_seen() {
    for seed in 0..50 {
        let mut model = Model { graph: Graph::default(), objects: BTreeMap::new(), random: seed };
        for _ in 0..200 {
            let before: BTreeSet<&str> = NAMES.into_iter().filter(|name| model.is_in_doubt(name)).collect();
            let work = texts(&model.step());
            assert_eq!(model.graph.len(), model.objects.len());
            for name in NAMES {
                let texts =
                    |uids: Vec<super::super::graph::Uid>| uids.iter().map(|u| u.to_string()).collect::<Vec<_>>();
                assert_eq!(texts(model.graph.dependents(name)), model.dependents(name, false), "seed {seed}");
                assert_eq!(texts(model.graph.blocking(name)), model.dependents(name, true), "seed {seed}");
                assert_eq!(model.graph.is_in_doubt(name), model.is_in_doubt(name), "seed {seed}: {name}");
                if model.is_in_doubt(name) && !before.contains(name) {
                    assert!(work.contains(&format!("-{name}")), "seed {seed}: {name} is not looked at: {work:?}");
                }
            }
        }
    }
}
