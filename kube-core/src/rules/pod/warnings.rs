//! Warnings about pods and pod templates. Source: `pkg/api/pod/warnings.go`, `pkg/api/node/util.go`.

use super::{all_containers, security_field};
use crate::rules::access::{at, entries, get, int, list, text, text_at, texts};
use crate::rules::address::warning_of_ip;
use crate::rules::resource_list::quantity_of;
use crate::rules::{Rules, format, persistent_volume_claim};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";
const PREFERRED: &str = "preferredDuringSchedulingIgnoredDuringExecution";
const MATCHES_NOTHING: &str = "a null labelSelector results in matching no pod";

/// Labels of nodes that have newer names.
const DEPRECATED_LABELS: [(&str, &str); 6] = [
    ("beta.kubernetes.io/arch", "deprecated since v1.14; use \"kubernetes.io/arch\" instead"),
    ("beta.kubernetes.io/os", "deprecated since v1.14; use \"kubernetes.io/os\" instead"),
    (
        "failure-domain.beta.kubernetes.io/region",
        "deprecated since v1.17; use \"topology.kubernetes.io/region\" instead",
    ),
    ("failure-domain.beta.kubernetes.io/zone", "deprecated since v1.17; use \"topology.kubernetes.io/zone\" instead"),
    ("beta.kubernetes.io/instance-type", "deprecated since v1.17; use \"node.kubernetes.io/instance-type\" instead"),
    (
        "node.kubernetes.io/exclude-balancer",
        "deprecated since v1.17; use \"node.kubernetes.io/exclude-from-external-load-balancers\" instead",
    ),
];

const DEPRECATED_ANNOTATIONS: [(&str, &str); 3] = [
    (
        "scheduler.alpha.kubernetes.io/critical-pod",
        "non-functional in v1.16+; use the \"priorityClassName\" field instead",
    ),
    ("security.alpha.kubernetes.io/sysctls", "non-functional in v1.11+; use the \"sysctls\" field instead"),
    ("security.alpha.kubernetes.io/unsafe-sysctls", "non-functional in v1.11+; use the \"sysctls\" field instead"),
];

const DEPRECATED_VOLUMES: [(&str, &str); 9] = [
    ("photonPersistentDisk", "deprecated in v1.11, non-functional in v1.16+"),
    ("gitRepo", "deprecated in v1.11, and disabled by default in v1.33+"),
    ("scaleIO", "deprecated in v1.16, non-functional in v1.22+"),
    ("flocker", "deprecated in v1.22, non-functional in v1.25+"),
    ("storageos", "deprecated in v1.22, non-functional in v1.25+"),
    ("quobyte", "deprecated in v1.22, non-functional in v1.25+"),
    ("glusterfs", "deprecated in v1.25, non-functional in v1.26+"),
    ("cephfs", "deprecated in v1.28, non-functional in v1.31+"),
    ("rbd", "deprecated in v1.28, non-functional in v1.31+"),
];

/// A warning about a name that cannot be a host's. `use_of_name` is what it is used in.
pub(in crate::rules) fn of_name(object: &Value, use_of_name: &str) -> Vec<String> {
    let problems = format::label(text_at(object, &["metadata", "name"]));
    if problems.is_empty() {
        return Vec::new();
    }
    vec![format!(
        "metadata.name: this is used in {use_of_name}, which can result in surprising behavior; a DNS label is \
         recommended: [{}]",
        problems.join(" ")
    )]
}

/// Warnings about a new workload: of its name, and those of its updates.
pub(in crate::rules) fn of_create(object: &Value, rules: &dyn Rules) -> Vec<String> {
    let mut warnings = of_name(object, "Pod names and hostnames");
    warnings.extend(rules.warnings(object));
    warnings
}

/// Warnings about the template of a workload; `path` is that of the template.
pub(in crate::rules) fn of_template(object: &Value, path: &str) -> Vec<String> {
    let template = &object["spec"]["template"];
    of_spec(&format!("{path}."), &template["spec"], &template["metadata"])
}

/// Warnings about a pod spec; `prefix` is what stands before `spec` in paths.
pub(in crate::rules) fn of_spec(prefix: &str, spec: &Value, metadata: &Value) -> Vec<String> {
    let mut warnings = Vec::new();
    warn_of_labels(&mut warnings, prefix, spec);
    if let Some(annotations) = get(metadata, "annotations") {
        for (name, text) in DEPRECATED_ANNOTATIONS {
            if get(annotations, name).is_some() {
                warnings.push(format!("{prefix}metadata.annotations[{name}]: {text}"));
            }
        }
    }
    for (index, volume) in list(spec, "volumes").iter().enumerate() {
        // A volume has two fields, and there are many sources to warn of.
        let given = volume.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null());
        let mut found: Vec<usize> =
            given.filter_map(|(name, _)| DEPRECATED_VOLUMES.iter().position(|(source, _)| source == name)).collect();
        found.sort_unstable();
        for (source, text) in found.into_iter().map(|at| DEPRECATED_VOLUMES[at]) {
            warnings.push(format!("{prefix}spec.volumes[{index}].{source}: {text}"));
        }
        if let Some(claim) = at(volume, &["ephemeral", "volumeClaimTemplate", "spec"]) {
            let path = format!("{prefix}spec.volumes[{index}].ephemeral.volumeClaimTemplate.spec");
            warnings.extend(persistent_volume_claim::warnings_of_spec(&path, claim));
        }
    }
    for (index, ip) in texts(&spec["dnsConfig"], "nameservers").enumerate() {
        warnings.extend(warning_of_ip(format_args!("{prefix}spec.dnsConfig.nameservers[{index}]"), ip));
    }
    for (index, alias) in list(spec, "hostAliases").iter().enumerate() {
        warnings.extend(warning_of_ip(format_args!("{prefix}spec.hostAliases[{index}].ip"), text(alias, "ip")));
    }
    warn_of_duplicates(&mut warnings, prefix, spec, "hostAliases", "ip");
    warn_of_duplicates(&mut warnings, prefix, spec, "imagePullSecrets", "name");
    for (index, secret) in list(spec, "imagePullSecrets").iter().enumerate() {
        if text(secret, "name").is_empty() {
            warnings.push(format!("{prefix}spec.imagePullSecrets[{index}].name: invalid empty name \"\""));
        }
    }
    warn_of_fractions(&mut warnings, || format!("{prefix}spec.overhead"), &spec["overhead"]);
    const SECCOMP: &str = "seccomp.security.alpha.kubernetes.io/pod";
    if security_field(spec, "seccompProfile").is_none() && at(metadata, &["annotations", SECCOMP]).is_some() {
        warnings.push(format!(
            "{prefix}metadata.annotations[{SECCOMP}]: non-functional in v1.27+; use the \"seccompProfile\" field instead"
        ));
    }
    for (field, index, container) in all_containers(spec) {
        warn_of_annotations(&mut warnings, prefix, spec, metadata, container);
        warn_of_container(&mut warnings, || format!("{prefix}spec.{field}[{index}]"), container);
    }
    warn_of_ports(&mut warnings, prefix, spec);
    let grace = int(spec, "terminationGracePeriodSeconds");
    if grace.is_some_and(|seconds| seconds < 0) {
        warnings.push(format!(
            "{prefix}spec.terminationGracePeriodSeconds: must be >= 0; negative values are invalid and will be treated as 1"
        ));
    }
    warn_of_affinity(&mut warnings, prefix, spec);
    warnings
}

/// Of the annotations that fields have replaced. Those of pods for AppArmor still count, and those of templates do not.
fn warn_of_annotations(warnings: &mut Vec<String>, prefix: &str, spec: &Value, metadata: &Value, container: &Value) {
    let Some(annotations) = get(metadata, "annotations") else { return };
    let mut warn = |annotation: &str, what: &str| {
        let key = format!("{annotation}{}", text(container, "name"));
        if get(annotations, &key).is_some() {
            warnings.push(format!("{prefix}metadata.annotations[{key}]: {what}"));
        }
    };
    if security_field(container, "seccompProfile").is_none() {
        let text = "non-functional in v1.27+; use the \"seccompProfile\" field instead";
        warn("container.seccomp.security.alpha.kubernetes.io/", text);
    }
    let profile = security_field(container, "appArmorProfile").or(security_field(spec, "appArmorProfile"));
    if !prefix.is_empty() && profile.is_none() {
        let text = "deprecated since v1.30; use the \"appArmorProfile\" field instead";
        warn("container.apparmor.security.beta.kubernetes.io/", text);
    }
}

fn warn_of_affinity(warnings: &mut Vec<String>, prefix: &str, spec: &Value) {
    for name in ["podAffinity", "podAntiAffinity"] {
        let Some(affinity) = at(spec, &["affinity", name]) else { continue };
        for (field, below) in [(REQUIRED, ""), (PREFERRED, ".podAffinityTerm")] {
            for (index, term) in list(affinity, field).iter().enumerate() {
                let selector = if below.is_empty() { term } else { &term["podAffinityTerm"] };
                if get(selector, "labelSelector").is_none() {
                    warnings.push(format!(
                        "{prefix}spec.affinity.{name}.{field}[{index}]{below}.labelSelector: {MATCHES_NOTHING}"
                    ));
                }
            }
        }
    }
}

fn deprecated_label(key: &str) -> Option<&'static str> {
    DEPRECATED_LABELS.iter().find(|(label, _)| *label == key).map(|(_, text)| *text)
}

fn warn_of_labels(warnings: &mut Vec<String>, prefix: &str, spec: &Value) {
    for (key, _) in entries(spec, "nodeSelector") {
        if let Some(text) = deprecated_label(key) {
            warnings.push(format!("{prefix}spec.nodeSelector[{key}]: {text}"));
        }
    }
    if let Some(affinity) = at(spec, &["affinity", "nodeAffinity"]) {
        let path = format!("{prefix}spec.affinity.nodeAffinity");
        let terms = get(affinity, REQUIRED).map_or(&[][..], |required| list(required, "nodeSelectorTerms"));
        for (index, term) in terms.iter().enumerate() {
            warn_of_term(warnings, &format!("{path}.{REQUIRED}.nodeSelectorTerms[{index}]"), term);
        }
        for (index, weighted) in list(affinity, PREFERRED).iter().enumerate() {
            warn_of_term(warnings, &format!("{path}.{PREFERRED}[{index}].preference"), &weighted["preference"]);
        }
    }
    for (index, constraint) in list(spec, "topologySpreadConstraints").iter().enumerate() {
        let path = format!("{prefix}spec.topologySpreadConstraints[{index}]");
        let key = text(constraint, "topologyKey");
        if let Some(text) = deprecated_label(key) {
            warnings.push(format!("{path}.topologyKey: {key} is {text}"));
        }
        if get(constraint, "labelSelector").is_none() {
            warnings.push(format!("{path}.labelSelector: {MATCHES_NOTHING}"));
        }
    }
}

/// Warnings about the labels that a term of a node selector names.
pub(in crate::rules) fn warn_of_term(warnings: &mut Vec<String>, path: &str, term: &Value) {
    for (index, expression) in list(term, "matchExpressions").iter().enumerate() {
        let key = text(expression, "key");
        if let Some(text) = deprecated_label(key) {
            warnings.push(format!("{path}.matchExpressions[{index}].key: {key} is {text}"));
        }
    }
}

fn warn_of_duplicates(warnings: &mut Vec<String>, prefix: &str, spec: &Value, field: &str, key: &str) {
    let mut seen = BTreeSet::new();
    for (index, entry) in list(spec, field).iter().enumerate() {
        let value = text(entry, key);
        if !seen.insert(value) {
            warnings.push(format!("{prefix}spec.{field}[{index}].{key}: duplicate {key} {value:?}"));
        }
    }
}

/// Half a byte cannot be had.
fn warn_of_fractions(warnings: &mut Vec<String>, path: impl Fn() -> String, resources: &Value) {
    for name in ["memory", "ephemeral-storage"] {
        if quantity_of(resources, name).is_some_and(|amount| amount.milli_value() % 1000 != 0) {
            let value = text(resources, name);
            let path = path();
            warnings.push(format!("{path}[{name}]: fractional byte value {value:?} is invalid, must be an integer"));
        }
    }
}

fn warn_of_container(warnings: &mut Vec<String>, path: impl Fn() -> String, container: &Value) {
    for list in ["limits", "requests"] {
        warn_of_fractions(warnings, || format!("{}.resources.{list}", path()), &container["resources"][list]);
    }
    let mut seen = BTreeSet::new();
    for (index, variable) in list(container, "env").iter().enumerate() {
        let name = text(variable, "name");
        if seen.insert(name) {
            continue;
        }
        // A later definition may build on the earlier one; if it does not, it hides it.
        let reference = format!("$({name})");
        let value = text(variable, "value");
        if get(variable, "valueFrom").is_some() || value == reference || !value.contains(&reference) {
            warnings.push(format!(
                "{}.env[{index}]: hides previous definition of {name:?}, which may be dropped when using apply",
                path()
            ));
        }
    }
}

fn warn_of_ports(warnings: &mut Vec<String>, prefix: &str, spec: &Value) {
    type Place = (&'static str, usize, usize);
    let path = |(field, index, port): Place| format!("{prefix}spec.{field}[{index}].ports[{port}]");
    let mut seen: BTreeMap<(i64, &str), Vec<(Place, &Value)>> = BTreeMap::new();
    for (field, index, container) in all_containers(spec) {
        for (port_index, port) in list(container, "ports").iter().enumerate() {
            let place = (field, index, port_index);
            let host = |port: &Value| int(port, "hostPort").unwrap_or(0);
            let key = (int(port, "containerPort").unwrap_or(0), text(port, "protocol"));
            let others = seen.entry(key).or_default();
            for (other_place, other) in others.iter() {
                let how = if text(port, "hostIP") == text(other, "hostIP") && host(port) == host(other) {
                    "duplicate"
                } else if host(port) == 0 || host(other) == 0 {
                    "overlapping"
                } else if (text(port, "hostIP").is_empty() || text(other, "hostIP").is_empty())
                    && host(port) == host(other)
                {
                    "dangerously ambiguous"
                } else {
                    continue;
                };
                warnings.push(format!("{}: {how} port definition with {}", path(place), path(*other_place)));
            }
            others.push((place, port));
        }
    }
}
