//! Claims on devices.

use super::{Amounts, DeviceSelector, DeviceToleration};
use crate::inventory::Entry;
use crate::model::NodeSelector;
use std::sync::Arc;

/// How many devices a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceAmount {
    /// So many.
    Exactly(usize),
    /// All that match on the node; at least one.
    All,
}

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExactRequest {
    /// The name of the alternative; empty for the only one.
    pub name: Arc<str>,
    /// The device class.
    pub class: Arc<str>,
    /// What devices must meet besides the class's conditions.
    pub selectors: Vec<DeviceSelector>,
    /// How many.
    pub amount: DeviceAmount,
    /// Whether devices are only looked at, as a monitor does, also those in use (KEP-5018).
    pub admin_access: bool,
    /// Taints of devices that do not matter.
    pub tolerations: Vec<DeviceToleration>,
    /// What each device must have, and how much is taken of one that others may share (KEP-5075). A name without a domain is
    /// of the driver's.
    pub capacity: Amounts,
}

impl ExactRequest {
    /// One device of a class.
    pub fn one(class: &str) -> Self {
        Self {
            name: "".into(),
            class: class.into(),
            selectors: Vec::new(),
            amount: DeviceAmount::Exactly(1),
            admin_access: false,
            tolerations: Vec::new(),
            capacity: Amounts::new(),
        }
    }
}

/// A request of a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceRequest {
    /// Its name, unique in the claim.
    pub name: Arc<str>,
    /// What is asked for: the first of these that can be had (KEP-4816).
    pub alternatives: Vec<ExactRequest>,
}

/// What must hold among the devices of some requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Constraint {
    /// The requests, as `request` or `request/alternative`; all when empty.
    pub requests: Vec<Arc<str>>,
    /// What must hold.
    pub rule: ConstraintRule,
}

/// What must hold among devices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConstraintRule {
    /// All have this attribute, named with its domain, with one value.
    Match(Arc<str>),
    /// All have this attribute, named with its domain, each with a value of its own (KEP-5075).
    Distinct(Arc<str>),
    /// Something that is not known here: it cannot be met.
    Unknown,
}

/// A device that a claim was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceResult {
    /// The request, as `request` or `request/alternative`.
    pub request: Arc<str>,
    /// The driver.
    pub driver: Arc<str>,
    /// The pool.
    pub pool: Arc<str>,
    /// The device.
    pub device: Arc<str>,
    /// Whether it is only looked at.
    pub admin_access: bool,
    /// What is taken of a device that others may share; `None` where the device is the claim's alone.
    pub consumed: Option<Amounts>,
}

/// What a claim was given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Allocation {
    /// The devices.
    pub results: Vec<DeviceResult>,
    /// The nodes that can reach them; all when absent.
    pub nodes: Option<NodeSelector>,
}

/// A ResourceClaim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourceClaim {
    /// Its namespace.
    pub namespace: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
    /// Its uid.
    pub uid: Arc<str>,
    /// The uid of the pod that it was made for, if any.
    pub owner: Option<Arc<str>>,
    /// What it asks for.
    pub requests: Vec<DeviceRequest>,
    /// What must hold among its devices.
    pub constraints: Vec<Constraint>,
    /// What it was given.
    pub allocation: Option<Allocation>,
    /// Whether that is assumed and not yet carried out.
    pub assumed: bool,
    /// The uids of the pods that use it.
    pub reserved_for: Vec<Arc<str>>,
    /// Whether it is being deleted.
    pub deleting: bool,
}

impl ResourceClaim {
    /// How many pods may use a claim. Source: `ResourceClaimReservedForMaxSize`.
    pub const RESERVED_FOR_MAX: usize = 256;

    /// A claim with one request; its uid is its name.
    pub fn new(namespace: &str, name: &str, request: ExactRequest) -> Self {
        Self {
            namespace: namespace.into(),
            name: name.into(),
            uid: name.into(),
            owner: None,
            requests: vec![DeviceRequest { name: "req".into(), alternatives: vec![request] }],
            constraints: Vec::new(),
            allocation: None,
            assumed: false,
            reserved_for: Vec::new(),
            deleting: false,
        }
    }
}

impl Entry for ResourceClaim {
    fn namespace(&self) -> &Arc<str> {
        &self.namespace
    }

    fn name(&self) -> Arc<str> {
        self.name.clone()
    }
}
