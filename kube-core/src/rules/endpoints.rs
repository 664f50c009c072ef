//! Endpoints. Source: `pkg/apis/core/v1/defaults.go`, `pkg/apis/core/validation`, `pkg/registry/core/endpoint`.

use super::access::{default_text, each_mut, get, int, list, text};
use super::{Rules, format};
use crate::field::{Error, ErrorList, Path};
use serde_json::Value;

/// Rules of Endpoints.
#[derive(Debug)]
pub struct Endpoints;

impl Rules for Endpoints {
    fn default(&self, object: &mut Value) {
        for subset in each_mut(object, "subsets") {
            each_mut(subset, "ports").for_each(|port| default_text(port, "protocol", "TCP"));
        }
    }

    fn validate(&self, object: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        for (index, subset) in list(object, "subsets").iter().enumerate() {
            let path = Path::new("subsets").index(index);
            if list(subset, "addresses").is_empty() && list(subset, "notReadyAddresses").is_empty() {
                errors.push(Error::required(&path, "must specify `addresses` or `notReadyAddresses`"));
            }
            for field in ["addresses", "notReadyAddresses"] {
                for (index, address) in list(subset, field).iter().enumerate() {
                    check_address(&mut errors, &path.child(field).index(index), address);
                }
            }
            let ports = list(subset, "ports");
            for (index, port) in ports.iter().enumerate() {
                check_port(&mut errors, &path.child("ports").index(index), port, ports.len() > 1);
            }
        }
        errors
    }

    fn allows_create_on_update(&self) -> bool {
        true
    }
}

fn check_address(errors: &mut ErrorList, path: &Path, address: &Value) {
    let ip = text(address, "ip");
    format::check_ip(errors, &path.child("ip"), ip);
    if !text(address, "hostname").is_empty() {
        format::check_label(errors, &path.child("hostname"), text(address, "hostname"));
    }
    if let Some(node) = get(address, "nodeName").and_then(Value::as_str) {
        format::check_subdomain(errors, &path.child("nodeName"), node);
    }
    format::check_reachable_ip(errors, &path.child("ip"), ip);
}

fn check_port(errors: &mut ErrorList, path: &Path, port: &Value, named: bool) {
    match text(port, "name") {
        "" if named => errors.push(Error::required(&path.child("name"), "")),
        "" => {}
        name => format::check_label(errors, &path.child("name"), name),
    }
    format::check_port(errors, &path.child("port"), int(port, "port").unwrap_or(0));
    format::check_required(errors, path, port, "protocol", &["SCTP", "TCP", "UDP"]);
    if let Some(protocol) = get(port, "appProtocol").and_then(Value::as_str) {
        format::check_qualified_name(errors, &path.child("appProtocol"), protocol);
    }
}
