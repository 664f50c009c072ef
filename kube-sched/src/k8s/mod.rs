//! Conversions from Kubernetes' objects to what scheduling sees of them.
//!
//! They never fail: an API server has validated the objects, and what it would refuse (a quantity that does not parse) counts
//! as absent here, so that one bad object cannot stop all scheduling.

mod affinity;
mod cel;
mod devices;
mod inventory;
mod node;
mod pod;
mod requests;
mod volumes;

#[cfg(feature = "driver")]
pub(crate) use affinity::node_selector_json;
pub use affinity::{node_selector, preferred_nodes};
#[cfg(feature = "driver")]
pub(crate) use devices::quantity;
pub use devices::{device_class, resource_claim, resource_slice};
pub use inventory::{budget, pod_group, replica_set, replication_controller, service, stateful_set};
pub use node::node;
pub use pod::pod;
pub use requests::{pod_requests, resources};
pub use volumes::{claim, csi_driver, csi_node, storage_capacity, storage_class, volume, volume_attachment};

/// A spread constraint without a pod: keys of its `matchLabelKeys` select nothing.
pub fn spread_constraint(constraint: &k8s_openapi::api::core::v1::TopologySpreadConstraint) -> crate::SpreadConstraint {
    affinity::spread(constraint, &crate::Labels::default())
}

/// Labels of a namespace or anything else.
pub fn labels(map: Option<&std::collections::BTreeMap<String, String>>) -> crate::Labels {
    map.map_or_else(crate::Labels::default, crate::Labels::new)
}

/// `nginx` and `docker.io/library/nginx:latest` are one image: without a tag or digest, `:latest` is meant.
/// Source: `normalizedImageName` of kube-scheduler.
fn normalised_image(name: &str) -> String {
    let last = name.rsplit('/').next().unwrap_or(name);
    if last.contains(':') || last.contains('@') { name.to_owned() } else { format!("{name}:latest") }
}

#[cfg(test)]
mod tests;
