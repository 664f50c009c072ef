//! What an update of a Service takes over from its predecessor, and what it may not change.

use super::{is_headless, needs_cluster_ip, needs_health_check, needs_node_port};
use crate::field::{Error, ErrorList, Path};
use crate::rules::access::{each_mut, get, int, list, set, text, unset};
use crate::rules::{copy_field, format};
use serde_json::Value;
use std::collections::{HashMap, HashSet};

const FIXED: &str = "may not change once set";

/// Takes over what the author left out, then drops what the new type does not have and the author did not touch.
pub(super) fn prepare(spec: &mut Value, old: &Value) {
    normalize_cluster_ips(spec, old);
    take_over_allocated(spec, old);
    drop_by_type(spec, old);
}

/// A client that knows only one of `clusterIP` and `clusterIPs` changes both.
fn normalize_cluster_ips(spec: &mut Value, old: &Value) {
    let changed = text(spec, "clusterIP") != text(old, "clusterIP");
    if changed && list(spec, "clusterIPs") == list(old, "clusterIPs") {
        match text(spec, "clusterIP").to_owned() {
            ip if ip.is_empty() => unset(spec, "clusterIPs"),
            ip => set(spec, "clusterIPs", vec![Value::from(ip)]),
        }
    } else if changed && !text(spec, "clusterIP").is_empty() && list(spec, "clusterIPs").is_empty() {
        let ip = text(spec, "clusterIP").to_owned();
        set(spec, "clusterIPs", vec![Value::from(ip)]);
    }
}

fn take_over_allocated(spec: &mut Value, old: &Value) {
    if needs_cluster_ip(spec) && needs_cluster_ip(old) {
        if text(spec, "clusterIP").is_empty() {
            copy_field(spec, old, "clusterIP");
        }
        if list(spec, "clusterIPs").is_empty() && text(spec, "clusterIP") == text(old, "clusterIP") {
            copy_field(spec, old, "clusterIPs");
        }
        for field in ["ipFamilies", "ipFamilyPolicy"] {
            if get(spec, field).is_none() {
                copy_field(spec, old, field);
            }
        }
    }
    if needs_node_port(spec) && needs_node_port(old) {
        let used: HashSet<i64> = list(spec, "ports").iter().filter_map(|port| int(port, "nodePort")).collect();
        let before: HashMap<&str, i64> = list(old, "ports")
            .iter()
            .filter_map(|port| Some((text(port, "name"), int(port, "nodePort").filter(|port| *port != 0)?)))
            .collect();
        for port in each_mut(spec, "ports").filter(|port| int(port, "nodePort").unwrap_or(0) == 0) {
            let known = before.get(text(port, "name")).copied();
            if let Some(number) = known.filter(|number| !used.contains(number)) {
                set(port, "nodePort", number);
            }
        }
    }
    if needs_health_check(spec) && needs_health_check(old) && int(spec, "healthCheckNodePort").unwrap_or(0) == 0 {
        copy_field(spec, old, "healthCheckNodePort");
    }
}

/// When the type changes, what only the old type has goes, unless the author changed it too: that is an error then.
fn drop_by_type(spec: &mut Value, old: &Value) {
    let mut drop_where = |needed: fn(&Value) -> bool, fields: &[&str]| {
        if needed(old) && !needed(spec) {
            for field in fields {
                if get(spec, field) == get(old, field) {
                    unset(spec, field);
                }
            }
        }
    };
    drop_where(needs_cluster_ip, &["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"]);
    drop_where(needs_health_check, &["healthCheckNodePort"]);
    drop_where(is_load_balancer, &["allocateLoadBalancerNodePorts", "loadBalancerClass"]);
    drop_where(super::is_externally_accessible, &["externalTrafficPolicy"]);
    if needs_node_port(old) && !needs_node_port(spec) {
        let ports = |spec: &Value| -> HashSet<i64> {
            list(spec, "ports").iter().filter_map(|port| int(port, "nodePort")).filter(|port| *port != 0).collect()
        };
        if ports(spec) == ports(old) {
            each_mut(spec, "ports").for_each(|port| unset(port, "nodePort"));
        }
    }
}

fn is_load_balancer(spec: &Value) -> bool {
    text(spec, "type") == "LoadBalancer"
}

/// Errors of what changed.
pub(super) fn check(spec: &Value, old: &Value) -> ErrorList {
    let mut errors = ErrorList::new();
    let path = Path::new("spec");
    if text(spec, "type") != "ExternalName" && text(old, "type") != "ExternalName" {
        if !(is_headless(spec) && is_headless(old)) {
            check_list(&mut errors, &path, spec, old, "clusterIPs", "clusterIP");
        }
        if !is_headless(spec) && !is_headless(old) {
            check_list(&mut errors, &path, spec, old, "ipFamilies", "ipFamily");
        }
    }
    if is_load_balancer(spec)
        && is_load_balancer(old)
        && get(spec, "loadBalancerClass") != get(old, "loadBalancerClass")
    {
        let value = get(spec, "loadBalancerClass").unwrap_or(&Value::Null);
        errors.push(Error::invalid(&path.child("loadBalancerClass"), value, FIXED));
    }
    if needs_health_check(spec)
        && needs_health_check(old)
        && int(spec, "healthCheckNodePort") != int(old, "healthCheckNodePort")
    {
        errors.push(Error::forbidden(&path.child("healthCheckNodePort"), format::IMMUTABLE));
    }
    errors
}

/// The first entry is for good; a second may come, and go when the policy says `SingleStack`.
fn check_list(errors: &mut ErrorList, path: &Path, spec: &Value, old: &Value, name: &str, one: &str) {
    let (new, before) = (list(spec, name), list(old, name));
    let shown = Value::from(new);
    let field = path.child(name);
    if new.len() == before.len() {
        for (index, (a, b)) in new.iter().zip(before).enumerate() {
            if a != b {
                errors.push(Error::invalid(&field.index(index), &shown, FIXED));
            }
        }
        return;
    }
    if new.is_empty() {
        let text = format!("primary {one} can not be unset");
        errors.push(Error::invalid(&field.index(0), &shown, &text));
    }
    if let (Some(a), Some(b)) = (new.first(), before.first())
        && a != b
    {
        errors.push(Error::invalid(&field.index(0), &shown, FIXED));
    }
    if new.len() == 1 && before.len() > 1 && text(spec, "ipFamilyPolicy") != "SingleStack" {
        let text = format!("must be set to 'SingleStack' when releasing the secondary {one}");
        let value = get(spec, "ipFamilyPolicy").unwrap_or(&Value::Null);
        errors.push(Error::invalid(&path.child("ipFamilyPolicy"), value, &text));
    }
}
