//! Devices, as their drivers publish them.

use super::{Capacity, DeviceSelector};
use crate::inventory::Entry;
use crate::model::{Effect, Labels, NodeSelector};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The value of an attribute of a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attribute {
    /// An integer.
    Int(i64),
    /// A truth value.
    Bool(bool),
    /// A text.
    Text(String),
    /// A semantic version.
    Version(String),
}

/// A taint of a device (KEP-5055).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceTaint {
    /// The key.
    pub key: String,
    /// The value; may be empty.
    pub value: String,
    /// What it does.
    pub effect: Effect,
}

/// A request's toleration of taints of devices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceToleration {
    /// The taint's key; `None` tolerates every key.
    pub key: Option<String>,
    /// The taint's value; `None` tolerates every value.
    pub value: Option<String>,
    /// The taint's effect; `None` tolerates every effect.
    pub effect: Option<Effect>,
}

impl DeviceToleration {
    /// Whether it tolerates the taint.
    pub fn tolerates(&self, taint: &DeviceTaint) -> bool {
        self.key.as_ref().is_none_or(|key| *key == taint.key)
            && self.value.as_ref().is_none_or(|value| *value == taint.value)
            && self.effect.is_none_or(|effect| effect == taint.effect)
    }
}

/// The nodes that can reach devices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NodeScope {
    /// This one.
    Node(Arc<str>),
    /// All.
    All,
    /// Those that are selected.
    Selected(NodeSelector),
    /// Each device says so itself (KEP-4815).
    PerDevice,
}

impl NodeScope {
    /// Whether a node can reach the devices, as far as this says.
    pub fn contains(&self, labels: &Labels, name: &str) -> bool {
        match self {
            Self::Node(node) => **node == *name,
            Self::All => true,
            Self::Selected(selector) => selector.matches(labels, name),
            Self::PerDevice => false,
        }
    }
}

/// A device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Its name, unique in its pool.
    pub name: Arc<str>,
    /// Its attributes, by name with domain (`driver.example.com/model`).
    pub attributes: BTreeMap<String, Attribute>,
    /// Its capacities, by name with domain.
    pub capacity: BTreeMap<String, Capacity>,
    /// Whether it may be given to several claims and requests, as long as its capacity lasts (KEP-5075).
    pub shared: bool,
    /// Its taints.
    pub taints: Vec<DeviceTaint>,
    /// The nodes that can reach it, where its slice leaves that to devices.
    pub scope: Option<NodeScope>,
    /// What it takes of its pool's counters, by counter set and counter (KEP-4815).
    pub consumes: Vec<(String, String, i64)>,
}

impl Device {
    /// A device without attributes.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.into(),
            attributes: BTreeMap::new(),
            capacity: BTreeMap::new(),
            shared: false,
            taints: Vec::new(),
            scope: None,
            consumes: Vec::new(),
        }
    }

    /// With an attribute more; its name has a domain.
    #[must_use]
    pub fn attribute(mut self, name: &str, value: Attribute) -> Self {
        self.attributes.insert(name.to_owned(), value);
        self
    }
}

/// Counters that devices of a pool share (KEP-4815).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CounterSet {
    /// Its name, unique in its pool.
    pub name: String,
    /// How much there is of each.
    pub counters: BTreeMap<String, i64>,
}

/// A ResourceSlice: a part of a pool of devices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourceSlice {
    /// Its name.
    pub name: Arc<str>,
    /// The driver.
    pub driver: Arc<str>,
    /// The pool.
    pub pool: Arc<str>,
    /// Which edition of the pool it belongs to: only the newest counts.
    pub generation: i64,
    /// How many slices that edition has.
    pub slices_in_pool: usize,
    /// The nodes that can reach its devices.
    pub scope: NodeScope,
    /// The devices.
    pub devices: Vec<Arc<Device>>,
    /// Counters that devices of the pool share.
    pub counters: Vec<CounterSet>,
}

impl ResourceSlice {
    /// The only slice of a node's pool of the node's name.
    pub fn on_node(node: &str, driver: &str, devices: impl IntoIterator<Item = Device>) -> Self {
        Self {
            name: format!("{node}-{driver}").into(),
            driver: driver.into(),
            pool: node.into(),
            generation: 1,
            slices_in_pool: 1,
            scope: NodeScope::Node(node.into()),
            devices: devices.into_iter().map(Arc::new).collect(),
            counters: Vec::new(),
        }
    }
}

/// A DeviceClass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceClass {
    /// Its name.
    pub name: Arc<str>,
    /// What its devices must meet.
    pub selectors: Vec<DeviceSelector>,
}

static NONE: std::sync::LazyLock<Arc<str>> = std::sync::LazyLock::new(|| "".into());

impl Entry for ResourceSlice {
    fn namespace(&self) -> &Arc<str> {
        &NONE
    }

    fn name(&self) -> Arc<str> {
        self.name.clone()
    }
}

impl Entry for DeviceClass {
    fn namespace(&self) -> &Arc<str> {
        &NONE
    }

    fn name(&self) -> Arc<str> {
        self.name.clone()
    }
}
