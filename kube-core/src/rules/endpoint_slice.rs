//! EndpointSlice. Source: `pkg/apis/discovery/v1/defaults.go`, `pkg/apis/discovery/validation`,
//! `pkg/registry/discovery/endpointslice`.

use super::access::{count, default_to, each_mut, get, list, text, texts};
use super::{Rules, format};
use crate::field::{Error, ErrorList, Path};
use crate::meta::{self, syntax};
use serde_json::Value;
use std::collections::HashSet;
use std::net::IpAddr;

/// Rules of EndpointSlices.
#[derive(Debug)]
pub struct EndpointSlice;

const ENDPOINTS_MAX: usize = 1000;
const ADDRESSES_MAX: usize = 100;
/// Source: kubernetes#119144, which raised it so that a slice can carry a Service with wide port ranges.
const PORTS_MAX: usize = 20_000;
const TOPOLOGY_LABELS_MAX: usize = 16;
const HINTS_MAX: usize = 8;

impl Rules for EndpointSlice {
    fn default(&self, object: &mut Value) {
        for port in each_mut(object, "ports") {
            default_to(port, "name", "");
            default_to(port, "protocol", "TCP");
        }
    }

    fn validate(&self, object: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        format::check_required(&mut errors, &Path::new(""), object, "addressType", &["FQDN", "IPv4", "IPv6"]);
        check_endpoints(&mut errors, object);
        check_ports(&mut errors, object);
        errors
    }

    fn validate_update(&self, new: &Value, old: &Value) -> ErrorList {
        let mut errors = self.validate(new);
        format::check_immutable(&mut errors, &Path::new(""), new, old, "addressType");
        errors
    }

    fn warnings(&self, object: &Value) -> Vec<String> {
        if text(object, "addressType") == "FQDN" {
            vec!["addressType: FQDN endpoints are deprecated".to_owned()]
        } else {
            Vec::new()
        }
    }

    fn has_generation(&self) -> bool {
        true
    }
}

fn check_endpoints(errors: &mut ErrorList, object: &Value) {
    let path = Path::new("endpoints");
    let endpoints = list(object, "endpoints");
    if endpoints.len() > ENDPOINTS_MAX {
        errors.push(Error::too_many(&path, endpoints.len(), ENDPOINTS_MAX));
        return;
    }
    let kind = text(object, "addressType");
    for (index, endpoint) in endpoints.iter().enumerate() {
        let path = path.index(index);
        let addresses = count(endpoint, "addresses");
        if addresses == 0 {
            errors.push(Error::required(&path.child("addresses"), "must contain at least 1 address"));
        } else if addresses > ADDRESSES_MAX {
            errors.push(Error::too_many(&path.child("addresses"), addresses, ADDRESSES_MAX));
        }
        for (index, address) in texts(endpoint, "addresses").enumerate() {
            check_address(errors, || path.child("addresses").index(index), kind, address);
        }
        if let Some(node) = get(endpoint, "nodeName").and_then(Value::as_str) {
            format::check_subdomain(errors, &path.child("nodeName"), node);
        }
        if let Some(topology) = get(endpoint, "deprecatedTopology") {
            let path = path.child("deprecatedTopology");
            let labels = count(endpoint, "deprecatedTopology");
            if labels > TOPOLOGY_LABELS_MAX {
                errors.push(Error::too_many(&path, labels, TOPOLOGY_LABELS_MAX));
            }
            errors.extend(meta::validate_labels(topology, &path));
        }
        if let Some(name) = get(endpoint, "hostname").and_then(Value::as_str) {
            format::check_label(errors, &path.child("hostname"), name);
        }
        if let Some(hints) = get(endpoint, "hints") {
            check_hints(errors, &path.child("hints"), hints);
        }
    }
}

fn check_address(errors: &mut ErrorList, path: impl Fn() -> Path, kind: &str, address: &str) {
    let parsed = format::parse_ip(address);
    match (kind, parsed) {
        ("FQDN", _) => {
            let name = address.strip_suffix('.').unwrap_or(address);
            let messages = syntax::dns1123_subdomain(name);
            if name.is_empty() {
                errors.push(Error::required(&path(), ""));
            } else if !messages.is_empty() {
                format::invalid(errors, &path(), address, messages);
            } else if name.split('.').count() < 2 {
                let text = "should be a domain with at least two segments separated by dots";
                errors.push(Error::invalid(&path(), &address.into(), text));
            }
        }
        ("IPv4", Some(IpAddr::V4(_))) | ("IPv6", Some(IpAddr::V6(_))) => {
            format::check_reachable_ip(errors, &path(), address);
        }
        ("IPv4" | "IPv6", _) => {
            let text = format!("must be a valid {kind} address");
            errors.push(Error::invalid(&path(), &address.into(), &text));
            format::check_reachable_ip(errors, &path(), address);
        }
        _ => {}
    }
}

fn check_hints(errors: &mut ErrorList, path: &Path, hints: &Value) {
    for (field, check) in [
        ("forZones", format::check_label_key as fn(&mut ErrorList, &Path, &str)),
        ("forNodes", format::check_subdomain),
    ] {
        let path = path.child(field);
        let entries = list(hints, field);
        if entries.len() > HINTS_MAX {
            errors.push(Error::too_many(&path, entries.len(), HINTS_MAX));
            continue;
        }
        let mut seen = HashSet::new();
        for (index, entry) in entries.iter().enumerate() {
            let name = text(entry, "name");
            if seen.insert(name) {
                check(errors, &path.index(index).child("name"), name);
            } else {
                errors.push(Error::duplicate(&path.index(index).child("name"), &name.into()));
            }
        }
    }
}

fn check_ports(errors: &mut ErrorList, object: &Value) {
    let path = Path::new("ports");
    let ports = list(object, "ports");
    if ports.len() > PORTS_MAX {
        errors.push(Error::too_many(&path, ports.len(), PORTS_MAX));
        return;
    }
    let mut names = HashSet::new();
    for (index, port) in ports.iter().enumerate() {
        let path = path.index(index);
        let name = text(port, "name");
        if !name.is_empty() {
            format::check_label(errors, &path.child("name"), name);
        }
        if !names.insert(name) {
            errors.push(Error::duplicate(&path.child("name"), &name.into()));
        }
        format::check_required(errors, &path, port, "protocol", &["SCTP", "TCP", "UDP"]);
        if let Some(protocol) = get(port, "appProtocol").and_then(Value::as_str) {
            format::check_qualified_name(errors, &path.child("appProtocol"), protocol);
        }
    }
}
