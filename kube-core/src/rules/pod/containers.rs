//! Errors of containers: regular, init (and sidecars), ephemeral.

use super::spec::Pod;
use super::{environment, is_sidecar, mounts, probes, security};
use crate::field::{Error, ErrorList, Path};
use crate::meta::syntax;
use crate::rules::access::{count, get, int, list, text};
use crate::rules::{format, resource_list};
use serde_json::Value;
use std::collections::BTreeSet;

const PROTOCOLS: [&str; 3] = ["SCTP", "TCP", "UDP"];
const RESTART_RULES_MAX: usize = 20;
const NOT_EPHEMERAL: &str = "cannot be set for an Ephemeral Container";
const NOT_INIT: &str = "may not be set for init containers without restartPolicy=Always";

/// Checks every container of a pod.
pub(super) fn check(errors: &mut ErrorList, path: &Path, pod: &Pod<'_>) {
    check_regular(errors, &path.child("containers"), pod);
    check_init(errors, &path.child("initContainers"), pod);
    check_ephemeral(errors, &path.child("ephemeralContainers"), pod);
}

fn check_regular(errors: &mut ErrorList, path: &Path, pod: &Pod<'_>) {
    let containers = list(pod.spec, "containers");
    if containers.is_empty() {
        errors.push(Error::required(path, ""));
        return;
    }
    let mut names = BTreeSet::new();
    for (index, container) in containers.iter().enumerate() {
        let path = path.index(index);
        check_common(errors, &path, container, pod);
        if !names.insert(text(container, "name")) {
            errors.push(Error::duplicate(&path.child("name"), &text(container, "name").into()));
        }
        probes::check_container(errors, &path, container, pod.grace_seconds);
        check_restart(errors, &path, container, &["Always", "OnFailure", "Never"]);
    }
    check_host_ports(errors, path, containers.iter().enumerate());
}

fn check_init(errors: &mut ErrorList, path: &Path, pod: &Pod<'_>) {
    let containers = list(pod.spec, "initContainers");
    let mut names: BTreeSet<&str> = list(pod.spec, "containers").iter().map(|c| text(c, "name")).collect();
    for (index, container) in containers.iter().enumerate() {
        let at = path.index(index);
        check_common(errors, &at, container, pod);
        check_restart(errors, &at, container, &["Always", "OnFailure", "Never"]);
        let name = text(container, "name");
        if !names.insert(name) && !name.is_empty() {
            errors.push(Error::duplicate(&at.child("name"), &name.into()));
        }
        // Init containers run one by one, so each may use a port that another uses.
        check_host_ports(errors, path, std::iter::once((0, container)));
        if is_sidecar(container) {
            probes::check_container(errors, &at, container, pod.grace_seconds);
            continue;
        }
        for field in ["lifecycle", "livenessProbe", "readinessProbe", "startupProbe"] {
            if get(container, field).is_some() {
                errors.push(Error::forbidden(&at.child(field), NOT_INIT));
            }
        }
        if count(container, "resizePolicy") > 0 {
            let text = "must not be set for init containers";
            errors.push(Error::invalid(&at.child("resizePolicy"), &container["resizePolicy"], text));
        }
    }
}

fn check_ephemeral(errors: &mut ErrorList, path: &Path, pod: &Pod<'_>) {
    let others: BTreeSet<&str> = ["containers", "initContainers"]
        .iter()
        .flat_map(|field| list(pod.spec, field))
        .map(|container| text(container, "name"))
        .collect();
    let mut names = others.clone();
    for (index, container) in list(pod.spec, "ephemeralContainers").iter().enumerate() {
        let path = path.index(index);
        check_common(errors, &path, container, pod);
        check_image_spaces(errors, || path.clone(), container);
        if !names.insert(text(container, "name")) {
            errors.push(Error::duplicate(&path.child("name"), &text(container, "name").into()));
        }
        let target = text(container, "targetContainerName");
        if !target.is_empty() && !others.contains(target) {
            errors.push(Error::not_found(&path.child("targetContainerName"), &target.into()));
        }
        for field in [
            "ports",
            "resources",
            "resizePolicy",
            "restartPolicy",
            "restartPolicyRules",
            "livenessProbe",
            "readinessProbe",
            "startupProbe",
            "lifecycle",
        ] {
            if get(container, field).is_some_and(|value| !is_empty(value)) {
                errors.push(Error::forbidden(&path.child(field), NOT_EPHEMERAL));
            }
        }
        for (index, mount) in list(container, "volumeMounts").iter().enumerate() {
            for field in ["subPath", "subPathExpr"] {
                if !text(mount, field).is_empty() {
                    let path = path.child("volumeMounts").index(index).child(field);
                    errors.push(Error::forbidden(&path, NOT_EPHEMERAL));
                }
            }
        }
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Object(map) => map.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::String(text) => text.is_empty(),
        _ => false,
    }
}

/// What holds for containers of every kind.
fn check_common(errors: &mut ErrorList, path: &Path, container: &Value, pod: &Pod<'_>) {
    match text(container, "name") {
        "" => errors.push(Error::required(&path.child("name"), "")),
        name => {
            let messages = format::label(name);
            if !messages.is_empty() {
                format::invalid(errors, &path.child("name"), name, messages);
            }
        }
    }
    format::check_present(errors, path, container, "image");
    let policies = ["FallbackToLogsOnError", "File"];
    format::check_required(errors, path, container, "terminationMessagePolicy", &policies);
    check_ports(errors, path, container);
    environment::check(errors, path, container);
    mounts::check(errors, path, container, &pod.volumes);
    format::check_required(errors, path, container, "imagePullPolicy", &["Always", "IfNotPresent", "Never"]);
    if let Some(resources) = get(container, "resources").filter(|resources| !is_empty(resources)) {
        let path = path.child("resources");
        resource_list::check_requirements(errors, &path, resources, resource_list::check_container_name);
        check_claims(errors, &path.child("claims"), resources, pod);
    }
    check_resize_policy(errors, &path.child("resizePolicy"), container, pod);
    if let Some(context) = get(container, "securityContext") {
        security::check_container(errors, &path.child("securityContext"), context, super::uses_host_users(pod.spec));
    }
}

/// An image's name has no spaces around it; templates that were stored with some stay valid.
pub(super) fn check_image_spaces(errors: &mut ErrorList, path: impl Fn() -> Path, container: &Value) {
    let image = text(container, "image");
    if image.trim() != image {
        let text = "must not have leading or trailing whitespace";
        errors.push(Error::invalid(&path().child("image"), &image.into(), text));
    }
}

fn check_ports(errors: &mut ErrorList, path: &Path, container: &Value) {
    let mut names = BTreeSet::new();
    for (index, port) in list(container, "ports").iter().enumerate() {
        let path = path.child("ports").index(index);
        let name = text(port, "name");
        if !name.is_empty() {
            let messages = syntax::port_name(name);
            if !messages.is_empty() {
                format::invalid(errors, &path.child("name"), name, messages);
            } else if !names.insert(name) {
                errors.push(Error::duplicate(&path.child("name"), &name.into()));
            }
        }
        match int(port, "containerPort").unwrap_or(0) {
            0 => errors.push(Error::required(&path.child("containerPort"), "")),
            number => check_number(errors, &path, "containerPort", number),
        }
        match int(port, "hostPort").unwrap_or(0) {
            0 => {}
            number => check_number(errors, &path, "hostPort", number),
        }
        format::check_required(errors, &path, port, "protocol", &PROTOCOLS);
    }
}

fn check_number(errors: &mut ErrorList, path: &Path, field: &str, number: i64) {
    if !(1..=65535).contains(&number) {
        format::check_port(errors, &path.child(field), number);
    }
}

/// No two ports of these containers want the same port of the host.
fn check_host_ports<'a>(errors: &mut ErrorList, path: &Path, containers: impl Iterator<Item = (usize, &'a Value)>) {
    let mut taken = BTreeSet::new();
    for (index, container) in containers {
        for (port_index, port) in list(container, "ports").iter().enumerate() {
            let number = int(port, "hostPort").unwrap_or(0);
            if number != 0 && !taken.insert((text(port, "protocol"), text(port, "hostIP"), number)) {
                let path = path.index(index).child("ports").index(port_index).child("hostPort");
                let shown = format!("{}/{}/{number}", text(port, "protocol"), text(port, "hostIP"));
                errors.push(Error::duplicate(&path, &shown.into()));
            }
        }
    }
}

/// A container's own restart policy and rules. Source: KEP-753 (sidecars), KEP-5307 (rules).
fn check_restart(errors: &mut ErrorList, path: &Path, container: &Value, supported: &[&str]) {
    format::check_optional(errors, path, container, "restartPolicy", supported);
    let rules = list(container, "restartPolicyRules");
    if rules.is_empty() {
        return;
    }
    if get(container, "restartPolicy").is_none() {
        let text = "must specify restartPolicy when restart rules are used";
        errors.push(Error::required(&path.child("restartPolicy"), text));
    }
    let path = path.child("restartPolicyRules");
    if rules.len() > RESTART_RULES_MAX {
        errors.push(Error::too_many(&path, rules.len(), RESTART_RULES_MAX));
    }
    for (index, rule) in rules.iter().enumerate() {
        let path = path.index(index);
        format::check_required(errors, &path, rule, "action", &["Restart", "RestartAllContainers"]);
        match get(rule, "exitCodes") {
            None => errors.push(Error::required(&path.child("exitCodes"), "must be specified")),
            Some(codes) => {
                let path = path.child("exitCodes");
                format::check_required(errors, &path, codes, "operator", &["In", "NotIn"]);
                if count(codes, "values") > 255 {
                    errors.push(Error::too_many(&path.child("values"), count(codes, "values"), 255));
                }
            }
        }
    }
}

fn check_resize_policy(errors: &mut ErrorList, path: &Path, container: &Value, pod: &Pod<'_>) {
    let mut seen = BTreeSet::new();
    for (index, policy) in list(container, "resizePolicy").iter().enumerate() {
        let name = text(policy, "resourceName");
        if !seen.insert(name) {
            errors.push(Error::duplicate(&path.index(index), &name.into()));
        }
        for (field, supported) in
            [("resourceName", ["cpu", "memory"]), ("restartPolicy", ["NotRequired", "RestartContainer"])]
        {
            match text(policy, field) {
                "" => errors.push(Error::required(path, "")),
                value if !supported.contains(&value) => {
                    errors.push(Error::not_supported(path, &value.into(), &supported));
                }
                _ => {}
            }
        }
        if text(pod.spec, "restartPolicy") == "Never" && text(policy, "restartPolicy") != "NotRequired" {
            let text = "must be 'NotRequired' when `restartPolicy` is 'Never'";
            errors.push(Error::invalid(path, &policy["restartPolicy"], text));
        }
    }
}

/// The resource claims that a container uses are the pod's.
fn check_claims(errors: &mut ErrorList, path: &Path, resources: &Value, pod: &Pod<'_>) {
    let mut seen: BTreeSet<String> = BTreeSet::new();
    for (index, claim) in list(resources, "claims").iter().enumerate() {
        let path = path.index(index);
        let (name, request) = (text(claim, "name"), text(claim, "request"));
        if name.is_empty() {
            errors.push(Error::required(&path, ""));
            continue;
        }
        let key = if request.is_empty() { name.to_owned() } else { format!("{name}/{request}") };
        if !request.is_empty() {
            format::check_label(errors, &path.child("request"), request);
        }
        let whole = request.is_empty() && seen.iter().any(|other| other.split('/').next() == Some(name));
        if whole || seen.contains(name) || !seen.insert(key.clone()) {
            errors.push(Error::duplicate(&path, &key.into()));
        }
        if !pod.claims.contains(name) {
            let mut error = Error::not_found(&path, &name.into());
            let mut names: Vec<&str> = pod.claims.iter().copied().collect();
            names.sort_unstable();
            error.message.push_str(": must be one of the names in pod.spec.resourceClaims");
            error.message.push_str(&if names.is_empty() {
                " which is empty".to_owned()
            } else {
                format!(": {}", names.join(", "))
            });
            errors.push(error);
        }
    }
}
