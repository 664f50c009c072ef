//! Service. Source: `pkg/apis/core/v1/defaults.go`, `pkg/apis/core/validation`, `pkg/registry/core/service`.
//!
//! Addresses and ports are allocated by the server, between `prepare_*` and `validate*`. What an update leaves out and
//! its predecessor had allocated is taken over in `update`.

mod ip_families;
mod update;
mod validate;
mod warnings;

use super::access::{at, default_text, default_to, each_mut, get, int, is_true, list, made, set, text, text_at, texts};
use super::{NameRule, Rules, copy_field, format};
use crate::field::{Error, ErrorList, Path};
use serde_json::{Value, json};

/// Rules of Services.
#[derive(Debug)]
pub struct Service;

/// The `clusterIP` of a headless Service.
pub const HEADLESS: &str = "None";

impl Rules for Service {
    fn default(&self, object: &mut Value) {
        let Some(spec) = made(object, "spec") else { return };
        default_text(spec, "type", "ClusterIP");
        default_affinity(spec);
        for port in each_mut(spec, "ports") {
            default_text(port, "protocol", "TCP");
            let unset = match port.get("targetPort") {
                None => true,
                Some(target) => target.as_str() == Some("") || target.as_i64() == Some(0),
            };
            if unset && let Some(number) = int(port, "port") {
                set(port, "targetPort", number);
            }
        }
        if is_externally_accessible(spec) {
            default_text(spec, "externalTrafficPolicy", "Cluster");
        }
        if text(spec, "type") != "ExternalName" {
            default_to(spec, "internalTrafficPolicy", "Cluster");
        }
        if text(spec, "type") == "LoadBalancer" {
            default_to(spec, "allocateLoadBalancerNodePorts", true);
            if let Some(balancer) = object.get_mut("status").and_then(|status| status.get_mut("loadBalancer")) {
                for ingress in each_mut(balancer, "ingress").filter(|ingress| !text(ingress, "ip").is_empty()) {
                    default_to(ingress, "ipMode", "VIP");
                }
            }
        }
    }

    fn prepare_create(&self, object: &mut Value) {
        set(object, "status", json!({"loadBalancer": {}}));
        if let Some(spec) = made(object, "spec") {
            let ip = text(spec, "clusterIP").to_owned();
            if !ip.is_empty() && list(spec, "clusterIPs").is_empty() {
                set(spec, "clusterIPs", vec![Value::from(ip)]);
            }
        }
    }

    fn prepare_update(&self, new: &mut Value, old: &Value) {
        copy_field(new, old, "status");
        if let Some(spec) = made(new, "spec") {
            update::prepare(spec, &old["spec"]);
        }
    }

    fn validate(&self, object: &Value) -> ErrorList {
        validate::service(object)
    }

    fn validate_update(&self, new: &Value, old: &Value) -> ErrorList {
        let mut errors = update::check(&new["spec"], &old["spec"]);
        errors.extend(self.validate(new));
        errors
    }

    fn validate_status_update(&self, new: &Value, _old: &Value) -> ErrorList {
        check_status(new)
    }

    fn warnings(&self, object: &Value) -> Vec<String> {
        warnings::of_service(object)
    }

    fn has_status(&self) -> bool {
        true
    }

    fn has_generation(&self) -> bool {
        false
    }

    fn allows_create_on_update(&self) -> bool {
        true
    }

    fn name_rule(&self) -> NameRule {
        NameRule::Rfc1035Label
    }

    fn selectable_fields(&self, object: &Value) -> Vec<(&'static str, String)> {
        let field = |name| text_at(object, &["spec", name]).to_owned();
        vec![("spec.clusterIP", field("clusterIP")), ("spec.type", field("type"))]
    }

    fn selectable_field_names(&self) -> &'static [&'static str] {
        &["spec.clusterIP", "spec.type"]
    }
}

fn default_affinity(spec: &mut Value) {
    default_text(spec, "sessionAffinity", "None");
    match text(spec, "sessionAffinity") {
        "None" => super::access::unset(spec, "sessionAffinityConfig"),
        "ClientIP" if at(spec, &["sessionAffinityConfig", "clientIP", "timeoutSeconds"]).is_none() => {
            // Three hours.
            set(spec, "sessionAffinityConfig", json!({"clientIP": {"timeoutSeconds": 10800}}));
        }
        _ => {}
    }
}

/// Whether a Service has no cluster IP and shall have none.
fn is_headless(spec: &Value) -> bool {
    list(spec, "clusterIPs").len() == 1 && texts(spec, "clusterIPs").next() == Some(HEADLESS)
}

/// Whether a Service can be reached from outside the cluster.
fn is_externally_accessible(spec: &Value) -> bool {
    match text(spec, "type") {
        "NodePort" | "LoadBalancer" => true,
        "ClusterIP" => !list(spec, "externalIPs").is_empty(),
        _ => false,
    }
}

/// Whether a Service has a cluster IP (or is headless).
pub fn needs_cluster_ip(spec: &Value) -> bool {
    matches!(text(spec, "type"), "ClusterIP" | "NodePort" | "LoadBalancer")
}

/// Whether each port of a Service has a node port.
pub fn needs_node_port(spec: &Value) -> bool {
    match text(spec, "type") {
        "NodePort" => true,
        "LoadBalancer" => {
            get(spec, "allocateLoadBalancerNodePorts").is_none() || is_true(spec, "allocateLoadBalancerNodePorts")
        }
        _ => false,
    }
}

/// Whether a Service has a node port on which its health can be asked for.
pub fn needs_health_check(spec: &Value) -> bool {
    text(spec, "type") == "LoadBalancer" && text(spec, "externalTrafficPolicy") == "Local"
}

fn check_status(object: &Value) -> ErrorList {
    let mut errors = ErrorList::new();
    let path = Path::new("status").child("loadBalancer").child("ingress");
    let ingress = list(&object["status"]["loadBalancer"], "ingress");
    if text_at(object, &["spec", "type"]) != "LoadBalancer" && !ingress.is_empty() {
        errors.push(Error::forbidden(&path, "may only be used when `spec.type` is 'LoadBalancer'"));
        return errors;
    }
    for (index, entry) in ingress.iter().enumerate() {
        let path = path.index(index);
        let ip = text(entry, "ip");
        if !ip.is_empty() {
            format::check_ip(&mut errors, &path.child("ip"), ip);
        }
        match get(entry, "ipMode") {
            None if !ip.is_empty() => {
                errors.push(Error::required(&path.child("ipMode"), "must be specified when `ip` is set"));
            }
            Some(_) if ip.is_empty() => {
                errors.push(Error::forbidden(&path.child("ipMode"), "may not be specified when `ip` is not set"));
            }
            _ => format::check_optional(&mut errors, &path, entry, "ipMode", &["Proxy", "VIP"]),
        }
        let host = text(entry, "hostname");
        if !host.is_empty() {
            format::check_subdomain(&mut errors, &path.child("hostname"), host);
            if format::parse_ip(host).is_some() {
                let text = "must be a DNS name, not an IP address";
                errors.push(Error::invalid(&path.child("hostname"), &host.into(), text));
            }
        }
    }
    errors
}
