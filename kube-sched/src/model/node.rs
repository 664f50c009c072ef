//! A node, as scheduling sees it.

use super::{Gpus, Labels, Resources, Taint};
use std::sync::Arc;

/// A node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Its name; unique in a cluster.
    pub name: Arc<str>,
    /// Its labels.
    pub labels: Labels,
    /// What pods may use of it.
    pub allocatable: Resources,
    /// Its taints.
    pub taints: Vec<Taint>,
    /// Whether it is cordoned (`spec.unschedulable`).
    pub unschedulable: bool,
    /// Images that it holds, by normalised name, with their sizes in bytes.
    pub images: Vec<(String, i64)>,
    /// Its GPU devices, where they are shared by thousandths.
    pub gpus: Gpus,
}

impl Node {
    /// A node with the label `kubernetes.io/hostname` set to its name.
    pub fn new(name: &str, allocatable: Resources) -> Self {
        Self {
            name: name.into(),
            labels: Labels::new([("kubernetes.io/hostname", name)]),
            allocatable,
            taints: Vec::new(),
            unschedulable: false,
            images: Vec::new(),
            gpus: Gpus::default(),
        }
    }

    /// With a label more.
    #[must_use]
    pub fn label(mut self, key: &str, value: &str) -> Self {
        self.labels = self.labels.with(key, value);
        self
    }

    /// With a taint more.
    #[must_use]
    pub fn taint(mut self, taint: Taint) -> Self {
        self.taints.push(taint);
        self
    }

    /// With GPU devices.
    #[must_use]
    pub fn gpus(mut self, gpus: Gpus) -> Self {
        self.gpus = gpus;
        self
    }

    /// Cordoned.
    #[must_use]
    pub fn cordoned(mut self) -> Self {
        self.unschedulable = true;
        self
    }

    /// With an image of this size in bytes.
    #[must_use]
    pub fn image(mut self, name: &str, bytes: i64) -> Self {
        self.images.push((name.to_owned(), bytes));
        self
    }
}
