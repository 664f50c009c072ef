//! Gangs: which pods of which groups are known, and which of them are held back (KEP-4671).
//!
//! A pod of a gang is held back from the queue until its group is known and has as many pods as it needs. From then on it
//! waits in the queue as any pod does; when the first of them has its turn, all are decided on together.

use crate::Pod;
use crate::inventory::Inventory;
use crate::plugins::GangScheduling;
use hashbrown::HashMap;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Namespace and name of a group.
pub(in crate::driver) type GroupKey = (Arc<str>, Arc<str>);

/// The pods of groups.
#[derive(Debug, Default)]
pub(super) struct Gangs {
    groups: HashMap<GroupKey, Members>,
    /// The group of each of them, by uid.
    of: HashMap<Arc<str>, GroupKey>,
    /// Gangs that have their places and wait in Permit.
    forming: HashMap<GroupKey, Forming>,
    /// How many pods are held back.
    held: usize,
}

/// The pods of a group, by uid.
#[derive(Debug, Default)]
struct Members {
    /// Pods without a place; those that are held back, as they are.
    pending: BTreeMap<Arc<str>, Option<Pod>>,
    /// Pods with a place, assumed or bound.
    placed: BTreeSet<Arc<str>>,
}

/// A gang whose pods have their places.
#[derive(Debug, Default)]
pub(super) struct Forming {
    /// All that were placed together.
    pub(super) members: Vec<(Arc<Pod>, Arc<str>)>,
    /// Those that are not permitted yet, by uid.
    pub(super) waiting: BTreeSet<Arc<str>>,
}

/// The group that a pod names.
pub(super) fn key(pod: &Pod) -> Option<GroupKey> {
    pod.group.as_ref().map(|group| (pod.namespace.clone(), group.clone()))
}

impl Gangs {
    /// Takes notice of a pod of a group that has no place. Gives it back if it is to go to the queue: it is there already, or
    /// is held back no longer.
    pub(super) fn pend(&mut self, key: &GroupKey, pod: Pod) -> Option<Pod> {
        let members = self.groups.entry(key.clone()).or_default();
        let uid = pod.uid.clone();
        members.placed.remove(&uid);
        self.of.insert(uid.clone(), key.clone());
        if let Some(None) = members.pending.get(&uid) {
            return Some(pod);
        }
        if members.pending.insert(uid, Some(pod)).is_none() {
            self.held += 1;
        }
        None
    }

    /// A pod of a group has a place.
    pub(super) fn place(&mut self, key: &GroupKey, uid: &Arc<str>) {
        let members = self.groups.entry(key.clone()).or_default();
        if let Some(Some(_)) = members.pending.remove(uid) {
            self.held -= 1;
        }
        members.placed.insert(uid.clone());
        self.of.insert(uid.clone(), key.clone());
    }

    /// A pod has lost its place, and is back in the queue.
    pub(super) fn displace(&mut self, uid: &str) {
        let Some((uid, key)) = self.of.get_key_value(uid) else { return };
        if let Some(members) = self.groups.get_mut(key) {
            members.placed.remove(uid);
            members.pending.insert(uid.clone(), None);
        }
    }

    /// A pod is gone.
    pub(super) fn leave(&mut self, uid: &str) {
        let Some(key) = self.of.remove(uid) else { return };
        if let Some(members) = self.groups.get_mut(&key) {
            if let Some(Some(_)) = members.pending.remove(uid) {
                self.held -= 1;
            }
            members.placed.remove(uid);
            if members.pending.is_empty() && members.placed.is_empty() {
                self.groups.remove(&key);
            }
        }
    }

    /// The pods of a group that need be held back no longer.
    pub(super) fn release(&mut self, key: &GroupKey, inventory: &Inventory) -> Vec<Pod> {
        let Some(members) = self.groups.get_mut(key) else { return Vec::new() };
        let known = members.pending.len() + members.placed.len();
        let ready = |pod: &Pod| GangScheduling.pre_enqueue(inventory, pod, known).is_ok();
        let held = members.pending.values_mut();
        let released: Vec<Pod> = held.filter_map(|pod| pod.take_if(|pod| ready(pod))).collect();
        self.held -= released.len();
        released
    }

    /// Holds a pod back again that is no longer in the queue.
    pub(super) fn hold(&mut self, key: &GroupKey, pod: Pod) {
        if let Some(members) = self.groups.get_mut(key)
            && !matches!(members.pending.insert(pod.uid.clone(), Some(pod)), Some(Some(_)))
        {
            self.held += 1;
        }
    }

    /// The uids of a group's pods in the queue.
    pub(super) fn queued(&self, key: &GroupKey) -> Vec<Arc<str>> {
        let pending = self.groups.get(key).into_iter().flat_map(|members| &members.pending);
        pending.filter(|(_, held)| held.is_none()).map(|(uid, _)| uid.clone()).collect()
    }

    /// How many pods of a group are known, with a place or without.
    pub(super) fn known(&self, key: &GroupKey) -> usize {
        self.groups.get(key).map_or(0, |members| members.pending.len() + members.placed.len())
    }

    /// The uids of a group's pods that have a place.
    pub(super) fn placed(&self, key: &GroupKey) -> impl Iterator<Item = &Arc<str>> {
        self.groups.get(key).into_iter().flat_map(|members| &members.placed)
    }

    /// How many pods are held back.
    pub(super) fn held(&self) -> usize {
        self.held
    }

    /// Pods of a gang have their places, beside those of it that wait in Permit already: what becomes of one then becomes
    /// of all. Gives the gang when nobody of it waits.
    pub(super) fn form(&mut self, key: &GroupKey, forming: Forming) -> Option<Forming> {
        let all = self.forming.entry(key.clone()).or_default();
        all.members.extend(forming.members);
        all.waiting.extend(forming.waiting);
        self.formed(key)
    }

    /// The gang that a pod is part of while it waits in Permit.
    pub(super) fn forming(&self, uid: &str) -> Option<&GroupKey> {
        let key = self.of.get(uid)?;
        let forming = self.forming.get(key)?;
        forming.members.iter().any(|(pod, _)| *pod.uid == *uid).then_some(key)
    }

    /// A pod is permitted; gives the gang when it was the last of it.
    pub(super) fn permit(&mut self, key: &GroupKey, uid: &str) -> Option<Forming> {
        self.forming.get_mut(key)?.waiting.remove(uid);
        self.formed(key)
    }

    fn formed(&mut self, key: &GroupKey) -> Option<Forming> {
        if self.forming.get(key)?.waiting.is_empty() { self.forming.remove(key) } else { None }
    }

    /// A gang that waited in Permit comes to nothing.
    pub(super) fn dissolve(&mut self, key: &GroupKey) -> Option<Forming> {
        self.forming.remove(key)
    }
}
