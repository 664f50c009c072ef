//! Where an endpoint should be used: the hints that `spec.trafficDistribution` of its Service asks for.
//!
//! Source: `k8s.io/endpointslice/trafficdist` (KEP-4444, KEP-3015).

use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::discovery::v1::{EndpointHints, ForNode, ForZone};

/// The hints of a ready endpoint in this zone and on this node; none where traffic goes everywhere alike.
pub fn of(service: &Service, zone: Option<&str>, node: Option<&str>) -> Option<EndpointHints> {
    let near_node = match service.spec.as_ref()?.traffic_distribution.as_deref()? {
        "PreferClose" | "PreferSameZone" => false,
        "PreferSameNode" => true,
        _ => return None,
    };
    let for_zones = zone.map(|name| vec![ForZone { name: name.to_owned() }]);
    let for_nodes = node.filter(|_| near_node).map(|name| vec![ForNode { name: name.to_owned() }]);
    (for_zones.is_some() || for_nodes.is_some()).then_some(EndpointHints { for_zones, for_nodes })
}
