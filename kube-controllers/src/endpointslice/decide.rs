//! Which slices to create, replace and delete.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Node, Pod, Service};
use k8s_openapi::api::discovery::v1::{Endpoint, EndpointConditions, EndpointPort, EndpointSlice};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kubekit_runtime::{Object as _, controller_reference};

use super::hints;
use super::pack::{self, Plan, PortKey};
use crate::{backends, owners, pods};

/// The label that names a slice's Service.
pub const SERVICE_NAME: &str = "kubernetes.io/service-name";
/// The label that names who writes a slice.
pub const MANAGED_BY: &str = "endpointslice.kubernetes.io/managed-by";
/// The value of [`MANAGED_BY`] for this controller.
pub const MANAGER: &str = "endpointslice-controller.k8s.io";

/// What a pass looks at.
#[derive(Debug)]
pub struct Observed<'a> {
    /// The Service, which has a selector.
    pub service: &'a Service,
    /// The pods that it selects.
    pub pods: &'a [Arc<Pod>],
    /// The nodes of those pods, by name.
    pub nodes: &'a BTreeMap<String, Arc<Node>>,
    /// The slices of the Service that this controller manages.
    pub slices: &'a [Arc<EndpointSlice>],
}

/// One write.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Create a slice, whose name the server makes.
    Create(Box<EndpointSlice>),
    /// Replace a slice, under its resourceVersion.
    Update(Box<EndpointSlice>),
    /// Delete a slice.
    Delete(Arc<EndpointSlice>),
}

/// What a pass decided.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Decision {
    /// The writes, in order.
    pub effects: Vec<Effect>,
    /// Whether pods were left out because their node is not known (yet).
    pub incomplete: bool,
}

/// Decides the slices of a Service, with at most `max` endpoints each. `trigger` is the time of the change.
pub fn decide(observed: &Observed<'_>, max: usize, trigger: Option<Timestamp>) -> Decision {
    let families = backends::families(observed.service);
    let (known, foreign): (Vec<_>, Vec<_>) =
        observed.slices.iter().cloned().partition(|s| families.contains(&s.address_type.as_str()));
    let mut plan = Plan::default();
    let mut incomplete = false;
    for family in families {
        let slices: Vec<_> = known.iter().filter(|s| s.address_type == family).cloned().collect();
        let (desired, left_out) = desired(observed, family);
        incomplete |= left_out;
        plan.extend(reconcile_family(observed.service, family, &slices, desired, max));
    }
    // A slice of a family that the Service no longer has.
    plan.delete.extend(foreign);
    Decision { effects: effects(observed.service, plan, trigger), incomplete }
}

/// The wanted endpoints of one family, by the ports they share; and whether any was left out.
fn desired(observed: &Observed<'_>, family: &str) -> (BTreeMap<PortKey, Vec<Endpoint>>, bool) {
    let mut by_ports: BTreeMap<PortKey, Vec<Endpoint>> = BTreeMap::new();
    let mut left_out = false;
    for pod in observed.pods.iter().filter(|pod| backends::may_back(pod, true)) {
        let node = observed.nodes.get(pods::node_name(pod));
        // A pod whose node is gone will be collected; until then nothing answers at its address.
        if node.is_none() && !backends::publishes_not_ready(observed.service) && !pods::node_name(pod).is_empty() {
            left_out = true;
            continue;
        }
        let endpoint = endpoint(pod, node.map(AsRef::as_ref), observed.service, family);
        if endpoint.addresses.is_empty() {
            continue;
        }
        by_ports.entry(PortKey::of(&endpoint_ports(observed.service, pod))).or_default().push(endpoint);
    }
    (by_ports, left_out)
}

fn endpoint(pod: &Pod, node: Option<&Node>, service: &Service, family: &str) -> Endpoint {
    let serving = pods::is_ready(pod);
    let terminating = pods::is_terminating(pod);
    let zone = node.and_then(|n| n.labels().get("topology.kubernetes.io/zone").cloned());
    let node_name = Some(pods::node_name(pod)).filter(|n| !n.is_empty());
    let addresses = backends::addresses(pod).filter(|a| backends::is_of_family(a, family));
    let ready = backends::publishes_not_ready(service) || (serving && !terminating);
    Endpoint {
        addresses: addresses.map(str::to_owned).collect(),
        conditions: Some(EndpointConditions {
            ready: Some(ready),
            serving: Some(serving),
            terminating: Some(terminating),
        }),
        hostname: backends::hostname(pod, service),
        hints: if ready { hints::of(service, zone.as_deref(), node_name) } else { None },
        node_name: node_name.map(str::to_owned),
        zone,
        target_ref: Some(backends::target(pod)),
        deprecated_topology: None,
    }
}

fn endpoint_ports(service: &Service, pod: &Pod) -> Vec<EndpointPort> {
    let found = backends::ports(service).iter().filter_map(|port| {
        Some(EndpointPort {
            name: Some(port.name.clone().unwrap_or_default()),
            port: Some(backends::target_port(pod, port)?),
            protocol: Some(port.protocol.clone().unwrap_or_else(|| "TCP".into())),
            app_protocol: port.app_protocol.clone(),
        })
    });
    found.collect()
}

fn reconcile_family(
    service: &Service,
    family: &str,
    slices: &[Arc<EndpointSlice>],
    desired: BTreeMap<PortKey, Vec<Endpoint>>,
    max: usize,
) -> Plan {
    let mut by_ports: BTreeMap<PortKey, Vec<Arc<EndpointSlice>>> = BTreeMap::new();
    let mut plan = Plan::default();
    for slice in slices {
        // A slice of an earlier Service of this name is the garbage collector's.
        if !owners::is_controlled_by(&**slice, service.uid()) {
            plan.delete.push(Arc::clone(slice));
            continue;
        }
        let ports = slice.ports.as_deref().unwrap_or_default();
        by_ports.entry(PortKey::of(ports)).or_default().push(Arc::clone(slice));
    }
    let none = desired.is_empty();
    for (ports, endpoints) in desired {
        let existing = by_ports.remove(&ports).unwrap_or_default();
        let empty = new_slice(service, family, ports.into_ports());
        plan.extend(pack::pack(&existing, endpoints, &empty, max));
    }
    let obsolete: Vec<_> = by_ports.into_values().flatten().collect();
    if none && plan.delete.len() + obsolete.len() == slices.len() {
        // A Service without endpoints has one empty slice, so that whoever watches knows that there are none.
        let placeholder = new_slice(service, family, Vec::new());
        match obsolete.as_slice() {
            [only] if is_placeholder(only, &placeholder) => return plan,
            _ => plan.create.push(placeholder),
        }
    }
    plan.delete.extend(obsolete);
    plan
}

fn is_placeholder(slice: &EndpointSlice, placeholder: &EndpointSlice) -> bool {
    slice.endpoints.as_ref().is_none_or(Vec::is_empty)
        && slice.ports.as_ref().is_none_or(Vec::is_empty)
        && slice.metadata.labels == placeholder.metadata.labels
        && slice.metadata.owner_references == placeholder.metadata.owner_references
}

fn new_slice(service: &Service, family: &str, ports: Vec<EndpointPort>) -> EndpointSlice {
    EndpointSlice {
        metadata: ObjectMeta {
            generate_name: Some(format!("{}-", service.name())),
            namespace: service.metadata.namespace.clone(),
            labels: Some(slice_labels(service)),
            owner_references: Some(vec![controller_reference(service)]),
            ..ObjectMeta::default()
        },
        address_type: family.to_owned(),
        endpoints: Some(Vec::new()),
        ports: Some(ports),
    }
}

/// The labels of a slice: the Service's, and ours. Ours win; what the Service lost, the slice loses.
fn slice_labels(service: &Service) -> BTreeMap<String, String> {
    let mut labels = service.labels().clone();
    labels.remove(backends::HEADLESS);
    if backends::is_headless(service) {
        labels.insert(backends::HEADLESS.into(), String::new());
    }
    labels.insert(SERVICE_NAME.into(), service.name().to_owned());
    labels.insert(MANAGED_BY.into(), MANAGER.to_owned());
    labels
}

/// The plan as writes. A slice that would be deleted is filled with what would be created, where that is allowed: one
/// write instead of two.
fn effects(service: &Service, mut plan: Plan, trigger: Option<Timestamp>) -> Vec<Effect> {
    let mut kept = Vec::new();
    for slice in std::mem::take(&mut plan.delete) {
        let owned = owners::is_controlled_by(&*slice, service.uid());
        let reusable = plan.create.iter().rposition(|new| owned && new.address_type == slice.address_type);
        match reusable {
            Some(index) => {
                let new = plan.create.remove(index);
                let metadata = ObjectMeta { labels: new.metadata.labels, ..slice.metadata.clone() };
                plan.update.push(EndpointSlice { metadata, ..new });
            }
            None => kept.push(slice),
        }
    }
    let mut effects = Vec::new();
    let stamped = |mut slice: EndpointSlice| {
        stamp(&mut slice.metadata, trigger);
        Box::new(slice)
    };
    // While the Service is being deleted its slices must not come back, or the garbage collector never ends.
    if !service.is_being_deleted() {
        effects.extend(plan.create.into_iter().map(|slice| Effect::Create(stamped(slice))));
    }
    effects.extend(plan.update.into_iter().map(|slice| Effect::Update(stamped(slice))));
    effects.extend(kept.into_iter().map(Effect::Delete));
    effects
}

/// Writes the time of the change into the annotation made for it, or takes it away.
pub fn stamp(metadata: &mut ObjectMeta, trigger: Option<Timestamp>) {
    let annotations = metadata.annotations.get_or_insert_default();
    match trigger {
        Some(time) => {
            annotations.insert(backends::LAST_CHANGE_TRIGGER_TIME.into(), time.to_string());
        }
        None => {
            annotations.remove(backends::LAST_CHANGE_TRIGGER_TIME);
        }
    }
    if annotations.is_empty() {
        metadata.annotations = None;
    }
}
