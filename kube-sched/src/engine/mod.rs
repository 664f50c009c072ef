//! The fast path: decisions that cost what has changed, and not what there is.
//!
//! **Classes.** Pods of which scheduling sees the same ([`key`]) are one class. For each class of the last decisions the
//! engine keeps every node's score ([`class`]), and a tree over the scores that knows the best and how many have it
//! ([`index`]). A decision is then a walk down the tree.
//!
//! **What is kept and for how long** follows from what plugins declare ([`Depends`](crate::framework::Depends)). What
//! depends on labels and taints is computed once per class and kind of node, and normalised over the kinds that occur
//! ([`groups`]); what depends on a node and its pods is computed again for the nodes that changed. A class with a plugin
//! that declares nothing is not kept: all plugins are asked about all nodes, as the oracle does.
//!
//! **What changed** the cluster's journal tells; indexes follow it when they are next used, so that a class that is not
//! used costs nothing, and a bind costs nothing at all ([`log`]). A move to a fork, or back, is a change of the nodes that
//! differ: nothing is copied, and the indexes of a cluster serve all its forks. (An index with versions of its own for each
//! fork would make forks cost at every change of a cluster that has none.)
//!
//! **Volumes** are not part of a class: what plugins say of them is asked for each pod, about the nodes that they name
//! ([`volumes`]).
//!
//! **Bounds.** When classes take more than [`BytesMax`], the least recently used give up what they keep of nodes.
//!
//! The oracle is [`Scheduler::schedule_naively`](crate::Scheduler::schedule_naively); both take the same decisions, and
//! the crate's tests hold one against the other on random clusters.

mod class;
mod diagnosis;
mod domains;
mod groups;
mod index;
mod key;
mod log;
mod slot;
mod volumes;

use crate::cluster::{Cluster, Position};
use crate::framework::{Depends, FitError, MAX_NODE_SCORE, Names, Profile};
use crate::model::{Pod, Selector};
use crate::scheduler::Tie;
use class::{Choice, Class};
use hashbrown::{DefaultHashBuilder, HashTable};
use key::LabelsSeen;
use log::Log;
use std::borrow::Cow;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError};

/// How many label keys of terms are kept that no bound pod has any more.
const KEYS_MAX: usize = 1024;
/// How many classes are known at most.
const CLASSES_MAX: usize = 1024;
/// How many classes keep what they know of nodes, whatever memory it takes.
const CLASSES_KEPT_MIN: usize = 16;

/// How much memory classes take, in bytes, before the least recently used gives up what it keeps of nodes.
#[derive(Clone, Copy)]
struct BytesMax(usize);

impl Default for BytesMax {
    fn default() -> Self {
        Self(512 << 20)
    }
}

/// What the fast path says.
#[derive(Debug)]
pub(crate) enum Decision {
    /// The pod goes here; so many nodes could take it.
    Node { position: Position, feasible: usize },
    /// No node can take it, and why.
    Nowhere(Box<FitError>),
    /// All plugins have to be asked about all nodes.
    Unknown,
}

/// The state of the fast path: nothing that decisions depend on, and cheap to lose.
#[derive(Default)]
pub(crate) struct Engine(Mutex<Cache>);

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").finish_non_exhaustive()
    }
}

/// A copy starts with nothing.
impl Clone for Engine {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl Engine {
    /// How many decisions asked no plugin about all nodes.
    pub(crate) fn kept(&self) -> u64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).kept
    }

    /// Decides on a pod. `tie` chooses between equal nodes.
    pub(crate) fn decide(&self, profile: &Profile, cluster: &Cluster, pod: &Pod, tie: Tie) -> Decision {
        // A panic leaves the cache half changed: it is thrown away, and the oracle finds out whose fault it was.
        let mut cache = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        catch_unwind(AssertUnwindSafe(|| cache.decide(profile, cluster, pod, tie))).unwrap_or_else(|_| {
            *cache = Cache { refuses: true, kept: cache.kept, ..Cache::default() };
            Decision::Unknown
        })
    }
}

#[derive(Default)]
struct Cache {
    log: Log,
    classes: Vec<Class>,
    table: HashTable<usize>,
    hasher: DefaultHashBuilder,
    /// How much memory classes take, in bytes; more where one was replaced since it was counted.
    bytes: usize,
    bytes_max: BytesMax,
    decisions: u64,
    /// Decisions that asked no plugin about all nodes.
    kept: u64,
    names: KnownNames,
    seen: LabelsSeen,
    term_version: Option<u64>,
    /// Whether the profile has rules on domains.
    domains: Option<bool>,
    /// A plugin panicked: its answers cannot be kept.
    refuses: bool,
}

impl Cache {
    fn decide(&mut self, profile: &Profile, cluster: &Cluster, pod: &Pod, tie: Tie) -> Decision {
        let domains = *self.domains.get_or_insert_with(|| has_domains(profile));
        if self.refuses || cluster.is_empty() || !suits(profile, pod) {
            return Decision::Unknown;
        }
        let refusing = if pod.volumes.is_empty() { Some(Vec::new()) } else { volumes::refusing(profile, cluster, pod) };
        let Some(refusing) = refusing else { return Decision::Unknown };
        if !self.log.follow(cluster) {
            self.classes.iter_mut().for_each(Class::forget);
        }
        self.decisions += 1;
        let alike = if domains { alike(cluster, pod) } else { Selector::Nothing };
        let like_it = without_volumes(pod);
        let Some(number) = self.class(profile, cluster, &like_it, alike) else { return Decision::Unknown };
        let class = &mut self.classes[number];
        class.used = self.decisions;
        class.follow(cluster, &self.log);
        let decision = match class.choose_but(cluster, pod, tie, &refusing) {
            Choice::Node { position, feasible } => {
                self.kept += 1;
                Decision::Node { position, feasible }
            }
            // What has to go may be volumes.
            Choice::Nowhere if !pod.volumes.is_empty() => Decision::Unknown,
            Choice::Nowhere => {
                self.kept += 1;
                let names = self.names.of(cluster);
                Decision::Nowhere(class.nowhere(profile, cluster, pod, (&self.log, &names)))
            }
            Choice::Unknown => Decision::Unknown,
        };
        self.account(number);
        decision
    }

    /// The number of the pod's class; `None` when it cannot be kept.
    fn class(&mut self, profile: &Profile, cluster: &Cluster, pod: &Pod, alike: Selector) -> Option<usize> {
        self.see_labels(profile, cluster);
        let hash = key::hash(pod, &alike, &self.seen, &self.hasher);
        let same = |number: &usize| {
            let class = &self.classes[*number];
            class.alike == alike && key::same(&class.pod, pod, &alike, &self.seen)
        };
        let known = self.table.find(hash, same).copied();
        if let Some(number) = known {
            if !self.classes[number].holds(cluster) {
                self.classes[number] = Class::new(profile, cluster, pod, (hash, alike)).ok()?;
            }
            return Some(number);
        }
        let class = Class::new(profile, cluster, pod, (hash, alike)).ok()?;
        let number = self.room();
        if number == self.classes.len() {
            self.classes.push(class);
        } else {
            self.classes[number] = class;
        }
        let classes = &self.classes;
        self.table.insert_unique(hash, number, |number| classes[*number].hash);
        Some(number)
    }

    /// Tells classes apart by the labels that terms of bound pods look at.
    fn see_labels(&mut self, profile: &Profile, cluster: &Cluster) {
        let (keys, version) = cluster.term_keys();
        if self.term_version == Some(version) {
            return;
        }
        if self.term_version.is_none() {
            self.seen = labels_seen(profile);
        }
        self.term_version = Some(version);
        let LabelsSeen::Terms(seen) = &mut self.seen else { return };
        let before = seen.len();
        if before > KEYS_MAX {
            seen.clear();
        }
        seen.extend(keys.cloned());
        // Keys of terms that are gone only make classes finer than they need be.
        if seen.len() != before {
            self.classes.clear();
            self.table.clear();
            self.bytes = 0;
        }
    }

    /// The number for a new class, at the cost of the least recently used one where there are many.
    fn room(&mut self) -> usize {
        if self.classes.len() < CLASSES_MAX {
            return self.classes.len();
        }
        let oldest = (0..self.classes.len()).min_by_key(|number| self.classes[*number].used);
        let oldest = oldest.expect("the most of classes is not 0");
        if let Ok(entry) = self.table.find_entry(self.classes[oldest].hash, |number| *number == oldest) {
            entry.remove();
        }
        oldest
    }

    /// Counts what the class of the last decision keeps of nodes now: with every decision that may be more.
    fn account(&mut self, number: usize) {
        let class = &mut self.classes[number];
        let (before, now) = (class.counted, class.bytes());
        class.counted = now;
        self.bytes = self.bytes - before + now;
        if now > before && self.bytes > self.bytes_max.0 {
            self.shrink();
        }
    }

    /// Takes memory from classes that were not used for long.
    fn shrink(&mut self) {
        self.classes.iter_mut().for_each(|class| class.counted = class.bytes());
        self.bytes = self.classes.iter().map(|class| class.counted).sum();
        let keeping = self.classes.iter().enumerate().filter(|(_, class)| class.counted > 0);
        let mut keeping: Vec<(u64, usize)> = keeping.map(|(number, class)| (class.used, number)).collect();
        keeping.sort_unstable();
        let spare = keeping.len().saturating_sub(CLASSES_KEPT_MIN);
        for (_, number) in keeping.into_iter().take(spare) {
            if self.bytes <= self.bytes_max.0 {
                return;
            }
            let class = &mut self.classes[number];
            class.release();
            self.bytes -= std::mem::take(&mut class.counted);
        }
    }
}

/// The names of nodes by position.
#[derive(Default)]
struct KnownNames(Option<(u64, Names)>);

impl KnownNames {
    fn of(&mut self, cluster: &Cluster) -> Names {
        let layout = cluster.table().layout();
        if self.0.as_ref().is_none_or(|(known, _)| *known != layout) {
            self.0 = Some((layout, cluster.table().names()));
        }
        self.0.as_ref().expect("it was just put there").1.clone()
    }
}

/// Whether decisions on a pod can be kept at all, by what is known without a class.
fn suits(profile: &Profile, pod: &Pod) -> bool {
    // Pods that name their nodes, as those of a DaemonSet do, are each their own class; and a few nodes are soon asked.
    let names_nodes = || pod.node_affinity.iter().flat_map(|affinity| &affinity.0).any(|term| !term.names.is_empty());
    let weights: i64 = profile.scores.iter().fold(0, |sum, (_, weight)| sum.saturating_add(*weight));
    weights <= i64::from(i16::MAX) / MAX_NODE_SCORE && !names_nodes()
}

/// Whether a plugin keeps to a rule on domains.
fn has_domains(profile: &Profile) -> bool {
    let any = Pod::new("");
    let domains = |depends: Depends| matches!(depends, Depends::Domains(_));
    profile.filters.iter().any(|plugin| domains(plugin.depends(&any)))
        || profile.scores.iter().any(|(plugin, _)| domains(plugin.depends(&any)))
}

/// The pod as its class has it.
fn without_volumes(pod: &Pod) -> Cow<'_, Pod> {
    if pod.volumes.is_empty() {
        return Cow::Borrowed(pod);
    }
    Cow::Owned(Pod { volumes: Vec::new(), ..pod.clone() })
}

/// What selects pods like this one for default spreading; nothing where it has constraints of its own.
fn alike(cluster: &Cluster, pod: &Pod) -> Selector {
    let inventory = cluster.inventory();
    if !pod.spread.is_empty() || (inventory.services.is_empty() && inventory.workloads.is_empty()) {
        return Selector::Nothing;
    }
    match inventory.default_selector(pod) {
        Selector::All(requirements) if requirements.is_empty() => Selector::Nothing,
        selector => selector,
    }
}

fn labels_seen(profile: &Profile) -> LabelsSeen {
    let filters = profile.filters.iter().any(|plugin| plugin.sees_pod_labels());
    let scores = profile.scores.iter().any(|(plugin, _)| plugin.sees_pod_labels());
    if filters || scores { LabelsSeen::All } else { LabelsSeen::Terms(std::collections::BTreeSet::new()) }
}

#[cfg(test)]
mod tests;
