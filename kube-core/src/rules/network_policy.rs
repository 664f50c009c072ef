//! NetworkPolicy. Source: `pkg/apis/networking/v1/defaults.go`, `pkg/apis/networking/validation`.

use super::access::{default_text, each_mut, get, int, list, made, set, text, texts};
use super::address::warnings_of_cidr;
use super::{Rules, format, selector};
use crate::field::{Error, ErrorList, Path};
use serde_json::{Value, json};

/// Rules of NetworkPolicies.
#[derive(Debug)]
pub struct NetworkPolicy;

impl Rules for NetworkPolicy {
    fn default(&self, object: &mut Value) {
        let Some(spec) = made(object, "spec") else { return };
        made(spec, "podSelector");
        for direction in ["ingress", "egress"] {
            for rule in each_mut(spec, direction) {
                each_mut(rule, "ports").for_each(|port| default_text(port, "protocol", "TCP"));
            }
        }
        if list(spec, "policyTypes").is_empty() {
            let types = if list(spec, "egress").is_empty() { json!(["Ingress"]) } else { json!(["Ingress", "Egress"]) };
            set(spec, "policyTypes", types);
        }
    }

    fn validate(&self, object: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let path = Path::new("spec");
        let spec = &object["spec"];
        selector::check(&mut errors, &path.child("podSelector"), &spec["podSelector"]);
        for (direction, peers) in [("ingress", "from"), ("egress", "to")] {
            for (index, rule) in list(spec, direction).iter().enumerate() {
                let path = path.child(direction).index(index);
                for (index, port) in list(rule, "ports").iter().enumerate() {
                    check_port(&mut errors, &path.child("ports").index(index), port);
                }
                for (index, peer) in list(rule, peers).iter().enumerate() {
                    check_peer(&mut errors, &path.child(peers).index(index), peer);
                }
            }
        }
        let types: Vec<&str> = texts(spec, "policyTypes").collect();
        if types.len() > 2 {
            errors.push(Error::invalid(
                &path.child("policyTypes"),
                &spec["policyTypes"],
                "may not specify more than two policyTypes",
            ));
        } else {
            for (index, kind) in types.iter().enumerate() {
                if !matches!(*kind, "Ingress" | "Egress") {
                    let path = path.child("policyTypes").index(index);
                    errors.push(Error::not_supported(&path, &(*kind).into(), &["Ingress", "Egress"]));
                }
            }
        }
        errors
    }

    fn warnings(&self, object: &Value) -> Vec<String> {
        let mut warnings = Vec::new();
        for (direction, peers) in [("ingress", "from"), ("egress", "to")] {
            for (index, rule) in list(&object["spec"], direction).iter().enumerate() {
                let path = Path::new("spec").child(direction).index(index).child(peers);
                for (index, peer) in list(rule, peers).iter().enumerate() {
                    let path = path.index(index).child("ipBlock");
                    warnings.extend(warnings_of_cidr(path.child("cidr"), text(&peer["ipBlock"], "cidr")));
                    for (index, range) in texts(&peer["ipBlock"], "except").enumerate() {
                        warnings.extend(warnings_of_cidr(path.child("except").index(index), range));
                    }
                }
            }
        }
        warnings
    }

    fn has_generation(&self) -> bool {
        true
    }
}

fn check_port(errors: &mut ErrorList, path: &Path, port: &Value) {
    format::check_optional(errors, path, port, "protocol", &["SCTP", "TCP", "UDP"]);
    let end = path.child("endPort");
    match get(port, "port") {
        Some(value @ Value::Number(_)) => {
            format::check_port(errors, &path.child("port"), value.as_i64().unwrap_or(0));
            if let Some(last) = int(port, "endPort") {
                if last < value.as_i64().unwrap_or(0) {
                    let text = "must be greater than or equal to `port`";
                    errors.push(Error::invalid(&end, &last.into(), text));
                }
                format::check_port(errors, &end, last);
            }
        }
        Some(value) => {
            if let Some(last) = get(port, "endPort") {
                errors.push(Error::invalid(&end, last, "may not be specified when `port` is non-numeric"));
            }
            format::check_port_or_name(errors, &path.child("port"), value);
        }
        None => {
            if let Some(last) = get(port, "endPort") {
                errors.push(Error::invalid(&end, last, "may not be specified when `port` is not specified"));
            }
        }
    }
}

fn check_peer(errors: &mut ErrorList, path: &Path, peer: &Value) {
    let mut peers = 0;
    for field in ["podSelector", "namespaceSelector"] {
        if let Some(value) = get(peer, field) {
            peers += 1;
            selector::check(errors, &path.child(field), value);
        }
    }
    if let Some(block) = get(peer, "ipBlock") {
        check_block(errors, &path.child("ipBlock"), block);
        if peers > 0 {
            errors.push(Error::forbidden(path, "may not specify both ipBlock and another peer"));
        }
        peers += 1;
    }
    if peers == 0 {
        errors.push(Error::required(path, "must specify a peer"));
    }
}

fn check_block(errors: &mut ErrorList, path: &Path, block: &Value) {
    let cidr = text(block, "cidr");
    if cidr.is_empty() {
        errors.push(Error::required(&path.child("cidr"), ""));
        return;
    }
    format::check_cidr(errors, &path.child("cidr"), cidr);
    let Ok(range) = cidr.parse::<ipnet::IpNet>() else { return };
    for (index, value) in texts(block, "except").enumerate() {
        let path = path.child("except").index(index);
        format::check_cidr(errors, &path, value);
        if let Ok(except) = value.parse::<ipnet::IpNet>()
            && (!range.contains(&except) || except.prefix_len() <= range.prefix_len())
        {
            errors.push(Error::invalid(&path, &value.into(), &format!("must be a strict subset of `cidr`: {cidr}")));
        }
    }
}
