//! Which endpoint goes into which slice: what is there stays where it is, and few slices are written.
//!
//! Source: `reconcileByPortMapping` of `k8s.io/endpointslice`.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::discovery::v1::{Endpoint, EndpointPort, EndpointSlice};
use kubekit_runtime::Object as _;

/// The ports that the endpoints of a slice share, in an order of their own.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct PortKey(Vec<(String, String, Option<i32>, Option<String>)>);

impl PortKey {
    /// The key of these ports.
    pub fn of(ports: &[EndpointPort]) -> Self {
        let mut key: Vec<_> = ports
            .iter()
            .map(|p| {
                let protocol = p.protocol.clone().unwrap_or_else(|| "TCP".into());
                (p.name.clone().unwrap_or_default(), protocol, p.port, p.app_protocol.clone())
            })
            .collect();
        key.sort();
        Self(key)
    }

    /// The ports.
    pub fn into_ports(self) -> Vec<EndpointPort> {
        let ports = self.0.into_iter().map(|(name, protocol, port, app_protocol)| EndpointPort {
            name: Some(name),
            protocol: Some(protocol),
            port,
            app_protocol,
        });
        ports.collect()
    }
}

/// The most endpoints that validation lets a slice have.
pub const ENDPOINTS_MAX: usize = 1000;

/// What to write.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// New slices.
    pub create: Vec<EndpointSlice>,
    /// Slices that changed.
    pub update: Vec<EndpointSlice>,
    /// Slices that nothing is left for.
    pub delete: Vec<Arc<EndpointSlice>>,
}

impl Plan {
    /// Takes over another plan.
    pub fn extend(&mut self, other: Self) {
        self.create.extend(other.create);
        self.update.extend(other.update);
        self.delete.extend(other.delete);
    }
}

/// What makes an endpoint this one and no other: its addresses, its host name and its pod's name.
type Identity = (Vec<String>, String, String);

fn identity(endpoint: &Endpoint) -> Identity {
    let mut addresses = endpoint.addresses.clone();
    addresses.sort();
    let target = endpoint.target_ref.as_ref().and_then(|t| t.name.clone()).unwrap_or_default();
    (addresses, endpoint.hostname.clone().unwrap_or_default(), target)
}

/// A slice in the making.
#[derive(Debug)]
struct Draft {
    slice: EndpointSlice,
    changed: bool,
}

/// Packs `desired` into the `existing` slices, which have the same ports and addresses of the same family, and into copies
/// of `empty`, whose labels all of them get. A slice has room for `max` endpoints, which is taken for 1 at least and
/// [`ENDPOINTS_MAX`] at most.
pub fn pack(existing: &[Arc<EndpointSlice>], desired: Vec<Endpoint>, empty: &EndpointSlice, max: usize) -> Plan {
    let max = max.clamp(1, ENDPOINTS_MAX);
    let mut left: BTreeMap<Identity, Endpoint> = desired.into_iter().map(|e| (identity(&e), e)).collect();
    let mut plan = Plan::default();
    let mut drafts = Vec::new();
    for slice in existing {
        match keep(slice, &mut left, empty.labels()) {
            Some(draft) => drafts.push(draft),
            None => plan.delete.push(Arc::clone(slice)),
        }
    }
    fill_changed(&mut drafts, &mut left, max);
    while !left.is_empty() {
        // What is left goes into one slice that has room for all of it, else into new ones.
        let fitting = drafts.iter_mut().filter(|d| !d.changed && left.len() < max && room(d, max) >= left.len());
        match fitting.min_by_key(|d| room(d, max)) {
            Some(draft) => fill(draft, &mut left, max),
            None => {
                let mut draft = Draft { slice: empty.clone(), changed: true };
                fill(&mut draft, &mut left, max);
                plan.create.push(draft.slice);
            }
        }
    }
    plan.update.extend(drafts.into_iter().filter(|d| d.changed).map(|d| d.slice));
    plan
}

/// The slice with those of its endpoints that are still wanted, as they are wanted; none where no endpoint is.
fn keep(
    slice: &EndpointSlice,
    left: &mut BTreeMap<Identity, Endpoint>,
    labels: &BTreeMap<String, String>,
) -> Option<Draft> {
    let current = slice.endpoints.as_deref().unwrap_or_default();
    let mut kept = Vec::with_capacity(current.len());
    let mut changed = false;
    for endpoint in current {
        match left.remove(&identity(endpoint)) {
            Some(wanted) => {
                changed |= wanted != *endpoint;
                kept.push(wanted);
            }
            None => changed = true,
        }
    }
    if changed && kept.is_empty() {
        return None;
    }
    changed |= labels != slice.labels();
    let mut slice = slice.clone();
    if changed {
        slice.endpoints = Some(kept);
        slice.metadata.labels = Some(labels.clone());
    }
    Some(Draft { slice, changed })
}

/// Fills the slices that are written anyway, the fullest first.
fn fill_changed(drafts: &mut [Draft], left: &mut BTreeMap<Identity, Endpoint>, max: usize) {
    let mut order: Vec<&mut Draft> = drafts.iter_mut().filter(|d| d.changed).collect();
    order.sort_by_key(|draft| room(draft, max));
    for draft in order {
        fill(draft, left, max);
    }
}

fn room(draft: &Draft, max: usize) -> usize {
    max.saturating_sub(draft.slice.endpoints.as_ref().map_or(0, Vec::len))
}

fn fill(draft: &mut Draft, left: &mut BTreeMap<Identity, Endpoint>, max: usize) {
    let endpoints = draft.slice.endpoints.get_or_insert_default();
    while endpoints.len() < max {
        let Some((_, endpoint)) = left.pop_first() else { break };
        endpoints.push(endpoint);
        draft.changed = true;
    }
}
