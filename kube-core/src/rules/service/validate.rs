//! Errors of a Service.

use super::{ip_families, is_externally_accessible, is_headless, needs_health_check};
use crate::field::{Error, ErrorList, Path};
use crate::meta;
use crate::rules::access::{at, entries, get, int, list, text, text_at, texts};
use crate::rules::format;
use serde_json::{Value, json};
use std::collections::HashSet;

const AFFINITY_SECONDS_MAX: i64 = 86400;
const SOURCE_RANGES_ANNOTATION: &str = "service.beta.kubernetes.io/load-balancer-source-ranges";
const ONLY_LOAD_BALANCER: &str = "may only be used when `type` is 'LoadBalancer'";

/// Errors of a new Service, and of an updated one.
pub(super) fn service(object: &Value) -> ErrorList {
    let mut errors = ErrorList::new();
    let path = Path::new("spec");
    let spec = &object["spec"];
    check_topology_annotations(&mut errors, object);
    let kind = text(spec, "type");
    if list(spec, "ports").is_empty() && !is_headless(spec) && kind != "ExternalName" {
        errors.push(Error::required(&path.child("ports"), ""));
    }
    check_by_type(&mut errors, &path, spec);
    check_ports(&mut errors, &path.child("ports"), spec);
    if let Some(selector) = get(spec, "selector") {
        errors.extend(meta::validate_labels(selector, &path.child("selector")));
    }
    check_affinity(&mut errors, &path, spec);
    ip_families::check(&mut errors, &path, spec);
    for (index, ip) in texts(spec, "externalIPs").enumerate() {
        let path = path.child("externalIPs").index(index);
        if format::parse_ip(ip).is_none() {
            format::check_ip(&mut errors, &path, ip);
        } else {
            format::check_reachable_ip(&mut errors, &path, ip);
        }
    }
    let kinds = ["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"];
    format::check_required(&mut errors, &path, spec, "type", &kinds);
    check_unique_ports(&mut errors, &path.child("ports"), spec);
    check_load_balancer(&mut errors, &path, object, spec);
    check_traffic(&mut errors, &path, spec);
    errors
}

fn check_topology_annotations(errors: &mut ErrorList, object: &Value) {
    const HINTS: &str = "service.kubernetes.io/topology-aware-hints";
    const MODE: &str = "service.kubernetes.io/topology-mode";
    let annotation = |name| at(object, &["metadata", "annotations", name]);
    if let (Some(mode), Some(hints)) = (annotation(MODE), annotation(HINTS))
        && mode != hints
    {
        let text = format!("must match annotations[{HINTS}] when both are specified");
        errors.push(Error::invalid(&Path::new("metadata").child("annotations").key(MODE), mode, &text));
    }
}

fn check_by_type(errors: &mut ErrorList, path: &Path, spec: &Value) {
    match text(spec, "type") {
        kind @ ("LoadBalancer" | "NodePort") if is_headless(spec) => errors.push(Error::invalid(
            &path.child("clusterIPs").index(0),
            &super::HEADLESS.into(),
            &format!("may not be set to 'None' for {kind} services"),
        )),
        "ExternalName" => {
            for (field, set) in [
                ("clusterIPs", !list(spec, "clusterIPs").is_empty()),
                ("ipFamilies", !list(spec, "ipFamilies").is_empty()),
                ("ipFamilyPolicy", get(spec, "ipFamilyPolicy").is_some()),
            ] {
                if set {
                    errors.push(Error::forbidden(&path.child(field), "may not be set for ExternalName services"));
                }
            }
            let name = text(spec, "externalName");
            let name = name.strip_suffix('.').unwrap_or(name);
            if name.is_empty() {
                errors.push(Error::required(&path.child("externalName"), ""));
            } else {
                format::check_subdomain(errors, &path.child("externalName"), name);
            }
        }
        _ => {}
    }
}

fn check_ports(errors: &mut ErrorList, path: &Path, spec: &Value) {
    let ports = list(spec, "ports");
    let mut names = HashSet::new();
    for (index, port) in ports.iter().enumerate() {
        let path = path.index(index);
        match text(port, "name") {
            "" if ports.len() > 1 => errors.push(Error::required(&path.child("name"), "")),
            "" => {}
            name => {
                format::check_label(errors, &path.child("name"), name);
                if !names.insert(name) {
                    errors.push(Error::duplicate(&path.child("name"), &name.into()));
                }
            }
        }
        format::check_port(errors, &path.child("port"), int(port, "port").unwrap_or(0));
        format::check_required(errors, &path, port, "protocol", &["SCTP", "TCP", "UDP"]);
        format::check_port_or_name(errors, &path.child("targetPort"), &port["targetPort"]);
        if let Some(protocol) = get(port, "appProtocol").and_then(Value::as_str) {
            format::check_qualified_name(errors, &path.child("appProtocol"), protocol);
        }
    }
}

fn check_affinity(errors: &mut ErrorList, path: &Path, spec: &Value) {
    format::check_required(errors, path, spec, "sessionAffinity", &["ClientIP", "None"]);
    let config = path.child("sessionAffinityConfig");
    let given = get(spec, "sessionAffinityConfig");
    match text(spec, "sessionAffinity") {
        "ClientIP" => {
            const WHEN: &str = "when session affinity type is ClientIP";
            let Some(given) = given else { return errors.push(Error::required(&config, WHEN)) };
            let config = config.child("clientIP");
            let Some(client) = get(given, "clientIP") else { return errors.push(Error::required(&config, WHEN)) };
            let config = config.child("timeoutSeconds");
            match int(client, "timeoutSeconds") {
                None => errors.push(Error::required(&config, WHEN)),
                Some(seconds) if !(1..=AFFINITY_SECONDS_MAX).contains(&seconds) => {
                    let text = format!("must be greater than 0 and less than {AFFINITY_SECONDS_MAX}");
                    errors.push(Error::invalid(&config, &seconds.into(), &text));
                }
                Some(_) => {}
            }
        }
        "None" if given.is_some() => {
            errors.push(Error::forbidden(&config, "must not be set when session affinity is None"));
        }
        _ => {}
    }
}

fn check_unique_ports(errors: &mut ErrorList, path: &Path, spec: &Value) {
    let ports = list(spec, "ports");
    if text(spec, "type") == "ClusterIP" {
        for (index, port) in ports.iter().enumerate() {
            if int(port, "nodePort").unwrap_or(0) != 0 {
                let text = "may not be used when `type` is 'ClusterIP'";
                errors.push(Error::forbidden(&path.index(index).child("nodePort"), text));
            }
        }
    }
    let mut node_ports = HashSet::new();
    for (index, port) in ports.iter().enumerate() {
        let number = int(port, "nodePort").unwrap_or(0);
        if number != 0 && !node_ports.insert((text(port, "protocol"), number)) {
            errors.push(Error::duplicate(&path.index(index).child("nodePort"), &number.into()));
        }
    }
    let mut numbers = HashSet::new();
    for (index, port) in ports.iter().enumerate() {
        let key = (text(port, "protocol"), int(port, "port").unwrap_or(0));
        if !numbers.insert(key) {
            errors.push(Error::duplicate(&path.index(index), &json!({"protocol": key.0, "port": key.1})));
        }
    }
}

fn check_load_balancer(errors: &mut ErrorList, path: &Path, object: &Value, spec: &Value) {
    let balancer = text(spec, "type") == "LoadBalancer";
    let ranges = list(spec, "loadBalancerSourceRanges");
    if !ranges.is_empty() {
        // Kubernetes spells the field so in its errors.
        let path = path.child("LoadBalancerSourceRanges");
        if !balancer {
            errors.push(Error::forbidden(&path, ONLY_LOAD_BALANCER));
        }
        for (index, range) in texts(spec, "loadBalancerSourceRanges").enumerate() {
            format::check_cidr(errors, &path.index(index), range.trim());
        }
    } else if entries(&object["metadata"], "annotations").any(|(name, _)| name == SOURCE_RANGES_ANNOTATION) {
        let path = Path::new("metadata").child("annotations").key(SOURCE_RANGES_ANNOTATION);
        if !balancer {
            errors.push(Error::forbidden(&path, ONLY_LOAD_BALANCER));
        }
        let value = text_at(object, &["metadata", "annotations", SOURCE_RANGES_ANNOTATION]).trim();
        for range in value.split(',').filter(|_| !value.is_empty()) {
            format::check_cidr(errors, &path, range.trim());
        }
    }
    match (balancer, get(spec, "allocateLoadBalancerNodePorts")) {
        (false, Some(_)) => {
            errors.push(Error::forbidden(&path.child("allocateLoadBalancerNodePorts"), ONLY_LOAD_BALANCER));
        }
        (true, None) => errors.push(Error::required(&Path::new("allocateLoadBalancerNodePorts"), "")),
        _ => {}
    }
    if let Some(class) = get(spec, "loadBalancerClass").and_then(Value::as_str) {
        if balancer {
            format::check_qualified_name(errors, &path.child("loadBalancerClass"), class);
        } else {
            errors.push(Error::forbidden(&path.child("loadBalancerClass"), ONLY_LOAD_BALANCER));
        }
    }
}

fn check_traffic(errors: &mut ErrorList, path: &Path, spec: &Value) {
    let policy = text(spec, "externalTrafficPolicy");
    if is_externally_accessible(spec) {
        format::check_required(errors, path, spec, "externalTrafficPolicy", &["Cluster", "Local"]);
    } else if !policy.is_empty() {
        let text = "may only be set for externally-accessible services";
        errors.push(Error::invalid(&path.child("externalTrafficPolicy"), &policy.into(), text));
    }
    let health = path.child("healthCheckNodePort");
    match (needs_health_check(spec), int(spec, "healthCheckNodePort").unwrap_or(0)) {
        (true, 0) => errors.push(Error::required(&health, "")),
        (true, port) => format::check_port(errors, &health, port),
        (false, 0) => {}
        (false, port) => errors.push(Error::invalid(
            &health,
            &port.into(),
            "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'",
        )),
    }
    match get(spec, "internalTrafficPolicy") {
        None if super::needs_cluster_ip(spec) => {
            errors.push(Error::required(&path.child("internalTrafficPolicy"), ""));
        }
        _ => format::check_optional(errors, path, spec, "internalTrafficPolicy", &["Cluster", "Local"]),
    }
    let distributions = ["PreferClose", "PreferSameNode", "PreferSameZone"];
    format::check_optional(errors, path, spec, "trafficDistribution", &distributions);
}
