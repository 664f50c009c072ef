//! Errors of a pod spec, of a pod or a template.

use super::volumes::Volumes;
use super::{affinity, containers, operating_system, resources, scheduling, security};
use crate::field::{Error, ErrorList, Path};
use crate::meta;
use crate::rules::access::{count, entries, get, int, is_true, list, text, texts};
use crate::rules::{format, resource_list};
use serde_json::Value;
use std::collections::BTreeSet;

const NAMESERVERS_MAX: usize = 3;
const SEARCHES_MAX: usize = 32;
const SEARCH_CHARACTERS_MAX: usize = 2048;

/// What the checks of a container need to know of its pod.
pub(super) struct Pod<'a> {
    /// The spec.
    pub(super) spec: &'a Value,
    /// The volumes that are valid, by name.
    pub(super) volumes: Volumes<'a>,
    /// The resource claims' names.
    pub(super) claims: BTreeSet<&'a str>,
    /// `terminationGracePeriodSeconds`.
    pub(super) grace_seconds: Option<i64>,
    /// Whether it is a pod and not a template of one.
    pub(super) is_pod: bool,
}

/// Checks a pod spec. `metadata` is that of a pod; a template has none.
pub(super) fn check(errors: &mut ErrorList, path: &Path, spec: &Value, metadata: Option<&Value>) {
    let grace_seconds = int(spec, "terminationGracePeriodSeconds");
    if grace_seconds.is_none() {
        errors.push(Error::required(&path.child("terminationGracePeriodSeconds"), ""));
    }
    let volumes = super::volumes::check(errors, &path.child("volumes"), spec, metadata);
    let claims = list(spec, "resourceClaims").iter().map(|claim| text(claim, "name")).collect();
    check_claims(errors, &path.child("resourceClaims"), spec);
    let pod = Pod { spec, volumes, claims, grace_seconds, is_pod: metadata.is_some() };
    containers::check(errors, path, &pod);
    resources::check_pod_level(errors, &path.child("resources"), spec);
    check_host_ports(errors, &path.child("containers"), &pod);
    let policies = ["Always", "OnFailure", "Never"];
    format::check_required(errors, path, spec, "restartPolicy", &policies);
    let dns = ["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"];
    format::check_required(errors, path, spec, "dnsPolicy", &dns);
    if let Some(selector) = get(spec, "nodeSelector") {
        errors.extend(meta::validate_labels(selector, &path.child("nodeSelector")));
    }
    security::check_pod(errors, &path.child("securityContext"), spec);
    if let Some(value) = get(spec, "affinity") {
        affinity::check(errors, &path.child("affinity"), value);
    }
    check_dns(errors, &path.child("dnsConfig"), spec);
    for (index, gate) in list(spec, "readinessGates").iter().enumerate() {
        let path = path.child("readinessGates").index(index).child("conditionType");
        format::check_qualified_name(errors, &path, text(gate, "conditionType"));
    }
    scheduling::check_gates(errors, &path.child("schedulingGates"), spec);
    scheduling::check_spread(errors, &path.child("topologySpreadConstraints"), spec);
    operating_system::check_host_process(errors, path, spec);
    security::check_host_users(errors, path, spec);
    check_names(errors, path, spec);
    if !list(spec, "tolerations").is_empty() {
        scheduling::check_tolerations(errors, &path.child("tolerations"), spec);
    }
    check_host_aliases(errors, &path.child("hostAliases"), spec);
    format::check_optional(errors, path, spec, "preemptionPolicy", &["PreemptLowerPriority", "Never"]);
    if get(spec, "overhead").is_some() {
        check_overhead(errors, &path.child("overhead"), spec);
    }
    operating_system::check(errors, path, spec);
}

fn check_names(errors: &mut ErrorList, path: &Path, spec: &Value) {
    for field in ["serviceAccountName", "nodeName", "priorityClassName", "runtimeClassName"] {
        let name = text(spec, field);
        if !name.is_empty() || (field == "runtimeClassName" && get(spec, field).is_some()) {
            format::check_subdomain(errors, &path.child(field), name);
        }
    }
    format::check_range(errors, path, spec, "activeDeadlineSeconds", 1, i64::from(i32::MAX));
    for field in ["hostname", "subdomain"] {
        let name = text(spec, field);
        if !name.is_empty() {
            format::check_label(errors, &path.child(field), name);
        }
    }
    if let Some(name) = get(spec, "hostnameOverride").and_then(Value::as_str) {
        let field = path.child("hostnameOverride");
        if name.is_empty() {
            errors.push(Error::invalid(&field, &name.into(), "must not be an empty string"));
        } else if name.len() > 64 {
            errors.push(Error::too_long(&field, 64));
        } else {
            format::check_subdomain(errors, &field, name);
        }
        for conflict in ["setHostnameAsFQDN", "hostNetwork"] {
            if is_true(spec, conflict) {
                let text = format!("may not be specified when {conflict} is true");
                errors.push(Error::forbidden(&field, &text));
            }
        }
    }
}

fn check_claims(errors: &mut ErrorList, path: &Path, spec: &Value) {
    let mut seen = BTreeSet::new();
    for (index, claim) in list(spec, "resourceClaims").iter().enumerate() {
        let path = path.index(index);
        match text(claim, "name") {
            "" => errors.push(Error::required(&path.child("name"), "")),
            name if !seen.insert(name) => errors.push(Error::duplicate(&path.child("name"), &name.into())),
            name => format::check_label(errors, &path.child("name"), name),
        }
        let sources = ["resourceClaimName", "resourceClaimTemplateName"];
        let given = sources.iter().filter(|source| get(claim, source).is_some()).count();
        if given > 1 {
            let text = "at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified";
            errors.push(Error::invalid(&path, claim, text));
        }
        if given == 0 {
            let text = "must specify one of: `resourceClaimName`, `resourceClaimTemplateName`";
            errors.push(Error::invalid(&path, claim, text));
        }
        for source in sources {
            if let Some(name) = get(claim, source).and_then(Value::as_str) {
                format::check_subdomain(errors, &path.child(source), name);
            }
        }
    }
}

/// On the host's network a container's port is the host's.
fn check_host_ports(errors: &mut ErrorList, path: &Path, pod: &Pod<'_>) {
    if !is_true(pod.spec, "hostNetwork") {
        return;
    }
    for (index, container) in list(pod.spec, "containers").iter().enumerate() {
        for (port_index, port) in list(container, "ports").iter().enumerate() {
            let host = int(port, "hostPort").unwrap_or(0);
            if (pod.is_pod || host != 0) && host != int(port, "containerPort").unwrap_or(0) {
                let path = path.index(index).child("ports").index(port_index).child("hostPort");
                let text = "must match `containerPort` when `hostNetwork` is true";
                errors.push(Error::invalid(&path, &host.into(), text));
            }
        }
    }
}

fn check_dns(errors: &mut ErrorList, path: &Path, spec: &Value) {
    let alone = text(spec, "dnsPolicy") == "None";
    let Some(config) = get(spec, "dnsConfig") else {
        if alone {
            errors.push(Error::required(path, "must provide `dnsConfig` when `dnsPolicy` is None"));
        }
        return;
    };
    let servers = path.child("nameservers");
    if alone && list(config, "nameservers").is_empty() {
        let text = "must provide at least one DNS nameserver when `dnsPolicy` is None";
        errors.push(Error::required(&servers, text));
        return;
    }
    if count(config, "nameservers") > NAMESERVERS_MAX {
        let text = format!("must not have more than {NAMESERVERS_MAX} nameservers");
        errors.push(Error::invalid(&servers, &config["nameservers"], &text));
    }
    for (index, server) in texts(config, "nameservers").enumerate() {
        format::check_ip(errors, &servers.index(index), server);
    }
    let searches = path.child("searches");
    if count(config, "searches") > SEARCHES_MAX {
        let text = format!("must not have more than {SEARCHES_MAX} search paths");
        errors.push(Error::invalid(&searches, &config["searches"], &text));
    }
    let characters = texts(config, "searches").map(|search| search.len() + 1).sum::<usize>();
    if characters > SEARCH_CHARACTERS_MAX + 1 {
        let text =
            format!("must not have more than {SEARCH_CHARACTERS_MAX} characters (including spaces) in the search list");
        errors.push(Error::invalid(&searches, &config["searches"], &text));
    }
    for (index, search) in texts(config, "searches").enumerate().filter(|(_, search)| *search != ".") {
        let name = search.strip_suffix('.').unwrap_or(search);
        let messages = crate::meta::syntax::dns1123_subdomain_with_underscore(name);
        format::invalid(errors, &searches.index(index), name, messages);
    }
    for (index, option) in list(config, "options").iter().enumerate() {
        if text(option, "name").is_empty() {
            errors.push(Error::required(&path.child("options").index(index), "must not be empty"));
        }
    }
}

fn check_host_aliases(errors: &mut ErrorList, path: &Path, spec: &Value) {
    for (index, alias) in list(spec, "hostAliases").iter().enumerate() {
        let path = path.index(index);
        format::check_ip(errors, &path.child("ip"), text(alias, "ip"));
        for (index, name) in texts(alias, "hostnames").enumerate() {
            format::check_subdomain(errors, &path.child("hostnames").index(index), name);
        }
    }
}

fn check_overhead(errors: &mut ErrorList, path: &Path, spec: &Value) {
    for (name, value) in entries(spec, "overhead") {
        let path = path.child("limits").key(name);
        resource_list::check_container_name(errors, &path, name);
        resource_list::check_quantity(errors, &path, name, value);
    }
}
