//! Warnings about a Service. Source: `pkg/api/service/warnings.go`.

use super::is_headless;
use crate::field::Path;
use crate::rules::access::{at, list, text, texts};
use crate::rules::address::{warning_of_ip, warnings_of_cidr};
use serde_json::Value;

/// Warnings about a new Service, and about an updated one.
pub(super) fn of_service(object: &Value) -> Vec<String> {
    const HINTS: &str = "service.kubernetes.io/topology-aware-hints";
    let spec = &object["spec"];
    let path = Path::new("spec");
    let mut warnings = Vec::new();
    if at(object, &["metadata", "annotations", HINTS]).is_some() {
        warnings
            .push(format!("annotation {HINTS} is deprecated, please use service.kubernetes.io/topology-mode instead"));
    }
    if is_headless(spec) {
        warn_of_headless(&mut warnings, spec);
    }
    for field in ["clusterIPs", "externalIPs"] {
        let path = path.child(field);
        warnings.extend(texts(spec, field).enumerate().filter_map(|(index, ip)| warning_of_ip(path.index(index), ip)));
    }
    warnings.extend(warning_of_ip(path.child("loadBalancerIP"), text(spec, "loadBalancerIP")));
    for (index, range) in texts(spec, "loadBalancerSourceRanges").enumerate() {
        warnings.extend(warnings_of_cidr(path.child("loadBalancerSourceRanges").index(index), range));
    }
    let external = text(spec, "type") == "ExternalName";
    if external && !list(spec, "externalIPs").is_empty() {
        warnings.push("spec.externalIPs is ignored when spec.type is \"ExternalName\"".to_owned());
    }
    if !external && !text(spec, "externalName").is_empty() {
        warnings.push("spec.externalName is ignored when spec.type is not \"ExternalName\"".to_owned());
    }
    if text(spec, "trafficDistribution") == "PreferClose" {
        warnings.push("spec.trafficDistribution: \"PreferClose\" is deprecated; use \"PreferSameZone\"".to_owned());
    }
    warnings
}

fn warn_of_headless(warnings: &mut Vec<String>, spec: &Value) {
    for (ignored, name) in [
        (!text(spec, "loadBalancerIP").is_empty(), "loadBalancerIP"),
        (!list(spec, "externalIPs").is_empty(), "externalIPs"),
        (text(spec, "sessionAffinity") != "None", "SessionAffinity"),
    ] {
        if ignored {
            warnings.push(format!("spec.{name} is ignored for headless services"));
        }
    }
}
