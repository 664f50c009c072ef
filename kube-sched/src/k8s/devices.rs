//! Devices and claims on them (`resource.k8s.io`), as scheduling sees them.

use super::affinity::node_selector;
use super::cel;
use super::node::effect;
use super::volumes::controller_uid;
use crate::dra::{
    Allocation, Amount, Amounts, Attribute, Capacity, Constraint, ConstraintRule, CounterSet, Device, DeviceAmount,
    DeviceClass, DeviceRequest, DeviceResult, DeviceSelector, DeviceTaint, DeviceToleration, ExactRequest, NodeScope,
    RequestPolicy, ResourceClaim, ResourceSlice, ValidAmounts, qualified,
};
use crate::model::{NodeSelector, PodResourceClaim};
use k8s_openapi::api::core::v1 as core;
use k8s_openapi::api::resource::v1 as api;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use std::sync::Arc;

fn text(value: Option<&String>) -> Arc<str> {
    value.map_or("", String::as_str).into()
}

fn amount(quantity: &Quantity) -> i64 {
    quantity.0.parse::<kubekit_core::quantity::Quantity>().map_or(0, |quantity| quantity.value())
}

/// An amount to the billionth.
fn exact(quantity: &Quantity) -> Amount {
    let read = quantity.0.parse::<kubekit_core::quantity::Quantity>();
    read.map_or(Amount::ZERO, |quantity| Amount::nanos(quantity.nanos()))
}

/// An amount as people write it.
#[cfg(feature = "driver")]
pub(crate) fn quantity(amount: Amount) -> String {
    use kubekit_core::quantity::{Format, Quantity};
    match amount.whole() {
        Some(units) if units % 1024 == 0 => Quantity::from_units(units, Format::BinarySi).to_string(),
        _ => amount.to_string().parse::<Quantity>().map_or_else(|_| amount.to_string(), |read| read.to_string()),
    }
}

/// The claims that a Pod refers to.
pub(super) fn pod_claims(object: &core::Pod) -> Vec<PodResourceClaim> {
    let statuses = || object.status.iter().flat_map(|status| status.resource_claim_statuses.iter().flatten());
    let claims = object.spec.iter().flat_map(|spec| spec.resource_claims.iter().flatten());
    claims
        .map(|claim| match &claim.resource_claim_name {
            Some(name) => PodResourceClaim::Named(name.as_str().into()),
            None => match statuses().find(|status| status.name == claim.name) {
                Some(made) => match &made.resource_claim_name {
                    Some(name) => PodResourceClaim::Made(name.as_str().into()),
                    None => PodResourceClaim::None,
                },
                None => PodResourceClaim::NotMade,
            },
        })
        .collect()
}

fn scope(all: Option<bool>, node: Option<&String>, selector: Option<&core::NodeSelector>) -> NodeScope {
    match (node.filter(|node| !node.is_empty()), selector) {
        (Some(node), _) => NodeScope::Node(node.as_str().into()),
        (None, Some(selector)) => NodeScope::Selected(node_selector(selector)),
        (None, None) if all == Some(true) => NodeScope::All,
        // What names no nodes is reached from none.
        (None, None) => NodeScope::Selected(NodeSelector::default()),
    }
}

fn attribute(value: &api::DeviceAttribute) -> Option<Attribute> {
    value
        .int
        .map(Attribute::Int)
        .or(value.bool.map(Attribute::Bool))
        .or_else(|| value.string.clone().map(Attribute::Text))
        .or_else(|| value.version.clone().map(Attribute::Version))
}

/// What scheduling sees of a ResourceSlice.
pub fn resource_slice(object: &api::ResourceSlice) -> ResourceSlice {
    let spec = &object.spec;
    ResourceSlice {
        name: text(object.metadata.name.as_ref()),
        driver: spec.driver.as_str().into(),
        pool: spec.pool.name.as_str().into(),
        generation: spec.pool.generation,
        slices_in_pool: usize::try_from(spec.pool.resource_slice_count).unwrap_or(0),
        scope: if spec.per_device_node_selection == Some(true) {
            NodeScope::PerDevice
        } else {
            scope(spec.all_nodes, spec.node_name.as_ref(), spec.node_selector.as_ref())
        },
        devices: spec.devices.iter().flatten().map(|d| Arc::new(device(d, &spec.driver))).collect(),
        counters: spec
            .shared_counters
            .iter()
            .flatten()
            .map(|set| CounterSet {
                name: set.name.clone(),
                counters: set.counters.iter().map(|(name, c)| (name.clone(), amount(&c.value))).collect(),
            })
            .collect(),
    }
}

fn device(device: &api::Device, driver: &str) -> Device {
    let attributes = device.attributes.iter().flatten();
    let capacity = device.capacity.iter().flatten();
    Device {
        name: device.name.as_str().into(),
        attributes: attributes
            .filter_map(|(name, v)| Some((qualified(driver, name).into_owned(), attribute(v)?)))
            .collect(),
        capacity: capacity.map(|(name, known)| (qualified(driver, name).into_owned(), self::capacity(known))).collect(),
        shared: device.allow_multiple_allocations == Some(true),
        taints: device
            .taints
            .iter()
            .flatten()
            .filter_map(|taint| {
                let (key, value) = (taint.key.clone(), taint.value.clone().unwrap_or_default());
                Some(DeviceTaint { key, value, effect: effect(&taint.effect)? })
            })
            .collect(),
        scope: Some(scope(device.all_nodes, device.node_name.as_ref(), device.node_selector.as_ref())),
        consumes: device
            .consumes_counters
            .iter()
            .flatten()
            .flat_map(|set| {
                set.counters.iter().map(|(name, c)| (set.counter_set.clone(), name.clone(), amount(&c.value)))
            })
            .collect(),
    }
}

fn capacity(capacity: &api::DeviceCapacity) -> Capacity {
    let policy = capacity.request_policy.as_ref().map(|policy| RequestPolicy {
        default: policy.default.as_ref().map(exact),
        valid: match (&policy.valid_range, &policy.valid_values) {
            (Some(range), _) => ValidAmounts::Range {
                min: exact(&range.min),
                max: range.max.as_ref().map(exact),
                step: range.step.as_ref().map(exact),
            },
            (None, Some(values)) => ValidAmounts::Values(values.iter().map(exact).collect()),
            (None, None) => ValidAmounts::Any,
        },
    });
    Capacity { value: exact(&capacity.value), policy }
}

fn selectors(list: Option<&Vec<api::DeviceSelector>>) -> Vec<DeviceSelector> {
    let expressions = list.into_iter().flatten().filter_map(|selector| selector.cel.as_ref());
    expressions.map(|cel| cel::selector(&cel.expression)).collect()
}

/// What scheduling sees of a DeviceClass.
pub fn device_class(object: &api::DeviceClass) -> DeviceClass {
    DeviceClass { name: text(object.metadata.name.as_ref()), selectors: selectors(object.spec.selectors.as_ref()) }
}

/// One with an operator or an effect that is not known tolerates nothing.
fn toleration(toleration: &api::DeviceToleration) -> Option<DeviceToleration> {
    let value = match toleration.operator.as_deref().unwrap_or_default() {
        "" | "Equal" => Some(toleration.value.clone().unwrap_or_default()),
        "Exists" => None,
        _ => return None,
    };
    let key = toleration.key.clone().filter(|key| !key.is_empty());
    let effect = match toleration.effect.as_deref().filter(|effect| !effect.is_empty()) {
        Some(name) => Some(effect(name)?),
        None => None,
    };
    Some(DeviceToleration { key, value, effect })
}

fn requested(capacity: Option<&api::CapacityRequirements>) -> Amounts {
    let requests = capacity.into_iter().flat_map(|capacity| capacity.requests.iter().flatten());
    requests.map(|(name, amount)| (name.clone(), exact(amount))).collect()
}

fn device_amount(mode: Option<&String>, count: Option<i64>) -> DeviceAmount {
    if mode.map(String::as_str) == Some("All") {
        return DeviceAmount::All;
    }
    DeviceAmount::Exactly(count.and_then(|count| usize::try_from(count).ok()).unwrap_or(1))
}

fn request(request: &api::DeviceRequest) -> DeviceRequest {
    let tolerations =
        |list: &Option<Vec<api::DeviceToleration>>| list.iter().flatten().filter_map(toleration).collect();
    let exactly = request.exactly.iter().map(|exact| ExactRequest {
        name: "".into(),
        class: exact.device_class_name.as_str().into(),
        selectors: selectors(exact.selectors.as_ref()),
        amount: device_amount(exact.allocation_mode.as_ref(), exact.count),
        admin_access: exact.admin_access == Some(true),
        tolerations: tolerations(&exact.tolerations),
        capacity: requested(exact.capacity.as_ref()),
    });
    let first = request.first_available.iter().flatten().map(|sub| ExactRequest {
        name: sub.name.as_str().into(),
        class: sub.device_class_name.as_str().into(),
        selectors: selectors(sub.selectors.as_ref()),
        amount: device_amount(sub.allocation_mode.as_ref(), sub.count),
        admin_access: false,
        tolerations: tolerations(&sub.tolerations),
        capacity: requested(sub.capacity.as_ref()),
    });
    DeviceRequest { name: request.name.as_str().into(), alternatives: exactly.chain(first).collect() }
}

fn allocation(allocation: &api::AllocationResult) -> Allocation {
    let results = allocation.devices.iter().flat_map(|devices| devices.results.iter().flatten());
    Allocation {
        results: results
            .map(|result| DeviceResult {
                request: result.request.as_str().into(),
                driver: result.driver.as_str().into(),
                pool: result.pool.as_str().into(),
                device: result.device.as_str().into(),
                admin_access: result.admin_access == Some(true),
                consumed: result.share_id.as_ref().map(|_| {
                    let consumed = result.consumed_capacity.iter().flatten();
                    consumed.map(|(name, q)| (qualified(&result.driver, name).into_owned(), exact(q))).collect()
                }),
            })
            .collect(),
        nodes: allocation.node_selector.as_ref().map(node_selector),
    }
}

/// What scheduling sees of a ResourceClaim.
pub fn resource_claim(object: &api::ResourceClaim) -> ResourceClaim {
    let metadata = &object.metadata;
    let devices = object.spec.devices.as_ref();
    let constraints = devices.into_iter().flat_map(|devices| devices.constraints.iter().flatten());
    let status = object.status.as_ref();
    ResourceClaim {
        namespace: text(metadata.namespace.as_ref()),
        name: text(metadata.name.as_ref()),
        uid: text(metadata.uid.as_ref()),
        owner: controller_uid(metadata),
        requests: devices.into_iter().flat_map(|d| d.requests.iter().flatten()).map(request).collect(),
        constraints: constraints
            .map(|constraint| Constraint {
                requests: constraint.requests.iter().flatten().map(|name| name.as_str().into()).collect(),
                rule: match (&constraint.match_attribute, &constraint.distinct_attribute) {
                    (Some(attribute), _) => ConstraintRule::Match(attribute.as_str().into()),
                    (None, Some(attribute)) => ConstraintRule::Distinct(attribute.as_str().into()),
                    (None, None) => ConstraintRule::Unknown,
                },
            })
            .collect(),
        allocation: status.and_then(|status| status.allocation.as_ref()).map(allocation),
        assumed: false,
        reserved_for: status
            .into_iter()
            .flat_map(|status| status.reserved_for.iter().flatten())
            .map(|consumer| consumer.uid.as_str().into())
            .collect(),
        deleting: metadata.deletion_timestamp.is_some(),
    }
}
