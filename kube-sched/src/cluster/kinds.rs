//! Numbers for equal things: kinds of nodes.

use super::info::GONE;
use crate::model::{Gpus, Labels, Node, Taint};
use hashbrown::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// What [`Depends::Profile`](crate::framework::Depends::Profile) lets a plugin look at.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Profile {
    labels: Labels,
    taints: Vec<Taint>,
    unschedulable: bool,
    gpus: Gpus,
}

/// Numbers of node profiles, shared by a cluster and its forks. Numbers are never used again for another profile.
#[derive(Clone, Debug, Default)]
pub(crate) struct Profiles(Arc<Mutex<HashMap<Profile, u32>>>);

pub(crate) const HOSTNAME: &str = "kubernetes.io/hostname";

impl Profiles {
    /// How many were given.
    pub(crate) fn len(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// The number of a node's profile.
    pub(crate) fn number(&self, node: &Node) -> u32 {
        let labels = Labels::new(node.labels.iter().filter(|(key, _)| *key != HOSTNAME));
        let profile =
            Profile { labels, taints: node.taints.clone(), unschedulable: node.unschedulable, gpus: node.gpus.clone() };
        // A map of numbers is whole at every step: a thread that panicked with it has left nothing half done.
        let mut numbers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let next = u32::try_from(numbers.len()).ok().filter(|number| *number < GONE);
        *numbers.entry(profile).or_insert(next.expect("there are fewer than 2^32 kinds of nodes"))
    }
}
