//! Errors of a container's environment, and of references to fields and resources of the pod (the downward API).

use crate::field::{Error, ErrorList, Path};
use crate::meta::syntax;
use crate::rules::access::{get, list, text};
use crate::rules::format;
use serde_json::Value;

/// The fields of a pod that an environment variable may carry.
const ENV_FIELDS: [&str; 9] = [
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
];
/// The fields of a pod that a file may carry.
pub(super) const VOLUME_FIELDS: [&str; 5] =
    ["metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid"];
/// The resources of a container that a variable or a file may carry.
const RESOURCES: [&str; 6] = [
    "limits.cpu",
    "limits.ephemeral-storage",
    "limits.memory",
    "requests.cpu",
    "requests.ephemeral-storage",
    "requests.memory",
];
/// Every field that the downward API knows, wherever it may be used.
const KNOWN_FIELDS: [&str; 5] =
    ["spec.restartPolicy", "spec.schedulerName", "status.phase", "metadata.annotations", "metadata.labels"];

const ONE_SOURCE: &str = "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef` or `secretKeyRef`";

/// Checks `env` and `envFrom`.
pub(super) fn check(errors: &mut ErrorList, path: &Path, container: &Value) {
    for (index, variable) in list(container, "env").iter().enumerate() {
        let name = text(variable, "name");
        let messages = syntax::env_var_name(name);
        if name.is_empty() {
            errors.push(Error::required(&path.child("env").index(index).child("name"), ""));
        } else if !messages.is_empty() {
            format::invalid(errors, &path.child("env").index(index).child("name"), name, messages);
        }
        if let Some(source) = get(variable, "valueFrom") {
            let path = path.child("env").index(index).child("valueFrom");
            check_source(errors, &path, source, !text(variable, "value").is_empty());
        }
    }
    for (index, source) in list(container, "envFrom").iter().enumerate() {
        check_env_from(errors, &path.child("envFrom"), index, source);
    }
}

fn check_source(errors: &mut ErrorList, path: &Path, source: &Value, has_value: bool) {
    let mut sources = 0;
    if let Some(field) = get(source, "fieldRef") {
        sources += 1;
        check_field(errors, &path.child("fieldRef"), field, &ENV_FIELDS);
    }
    if let Some(resource) = get(source, "resourceFieldRef") {
        sources += 1;
        check_resource(errors, &path.child("resourceFieldRef"), resource, false);
    }
    for name in ["configMapKeyRef", "secretKeyRef"] {
        if let Some(reference) = get(source, name) {
            sources += 1;
            let path = path.child(name);
            format::check_subdomain(errors, &path.child("name"), text(reference, "name"));
            match text(reference, "key") {
                "" => errors.push(Error::required(&path.child("key"), "")),
                key => format::invalid(errors, &path.child("key"), key, syntax::config_map_key(key)),
            }
        }
    }
    if let Some(file) = get(source, "fileKeyRef") {
        sources += 1;
        check_file(errors, &path.child("fileKeyRef"), file);
    }
    let problem = match sources {
        0 => ONE_SOURCE,
        _ if has_value => "may not be specified when `value` is not empty",
        1 => return,
        _ => "may not have more than one field specified at a time",
    };
    errors.push(Error::invalid(path, &"".into(), problem));
}

/// A variable of a file that an init container writes. Source: KEP-3721.
fn check_file(errors: &mut ErrorList, path: &Path, file: &Value) {
    for field in ["volumeName", "path", "key"] {
        format::check_present(errors, path, file, field);
    }
    if !text(file, "path").is_empty() {
        format::check_not_reserved(errors, &path.child("path"), text(file, "path"));
    }
    if !text(file, "key").is_empty() {
        let key = text(file, "key");
        format::invalid(errors, &path.child("key"), key, syntax::env_var_name(key));
    }
}

fn check_env_from(errors: &mut ErrorList, path: &Path, index: usize, source: &Value) {
    let at = path.index(index);
    let prefix = text(source, "prefix");
    if !prefix.is_empty() {
        format::invalid(errors, &at.child("prefix"), prefix, syntax::env_var_name(prefix));
    }
    let mut sources = 0;
    for name in ["configMapRef", "secretRef"] {
        if let Some(reference) = get(source, name) {
            sources += 1;
            let path = at.child(name).child("name");
            match text(reference, "name") {
                "" => errors.push(Error::required(&path, "")),
                value => {
                    let rule = crate::rules::NameRule::Subdomain;
                    format::invalid(errors, &path, value, syntax::name(rule, value, true));
                }
            }
        }
    }
    let problem = match sources {
        0 => "must specify one of: `configMapRef` or `secretRef`",
        1 => return,
        _ => "may not have more than one field specified at a time",
    };
    errors.push(Error::invalid(path, &"".into(), problem));
}

/// A reference to a field of the pod.
pub(super) fn check_field(errors: &mut ErrorList, path: &Path, reference: &Value, supported: &[&str]) {
    let field = text(reference, "fieldPath");
    for required in ["apiVersion", "fieldPath"] {
        if text(reference, required).is_empty() {
            errors.push(Error::required(&path.child(required), ""));
            return;
        }
    }
    if let Some((name, subscript)) = subscripted(field) {
        match name {
            "metadata.annotations" => format::check_qualified_name(errors, path, &subscript.to_lowercase()),
            "metadata.labels" => format::check_qualified_name(errors, path, subscript),
            _ => {
                let text = format!("error converting fieldPath: field label does not support subscript: {field}");
                errors.push(Error::invalid(&path.child("fieldPath"), &field.into(), &text));
            }
        }
        return;
    }
    let field = if field == "spec.host" { "spec.nodeName" } else { field };
    if supported.contains(&field) {
        return;
    }
    if ENV_FIELDS.contains(&field) || KNOWN_FIELDS.contains(&field) {
        errors.push(Error::not_supported(&path.child("fieldPath"), &field.into(), supported));
    } else {
        let text = format!("error converting fieldPath: field label not supported: {field}");
        errors.push(Error::invalid(&path.child("fieldPath"), &field.into(), &text));
    }
}

/// `metadata.labels['name']` is a path and a subscript.
fn subscripted(path: &str) -> Option<(&str, &str)> {
    path.strip_suffix("']")?.split_once("['").filter(|(name, _)| !name.is_empty())
}

/// A reference to a resource of a container.
pub(super) fn check_resource(errors: &mut ErrorList, path: &Path, reference: &Value, volume: bool) {
    let resource = text(reference, "resource");
    let huge = resource.starts_with("requests.hugepages-") || resource.starts_with("limits.hugepages-");
    if volume && text(reference, "containerName").is_empty() {
        errors.push(Error::required(&path.child("containerName"), ""));
    } else if resource.is_empty() {
        errors.push(Error::required(&path.child("resource"), ""));
    } else if !RESOURCES.contains(&resource) && !huge {
        errors.push(Error::not_supported(&path.child("resource"), &resource.into(), &RESOURCES));
    }
    let divisor = text(reference, "divisor");
    if matches!(divisor, "" | "0") {
        return;
    }
    let what = match resource {
        "limits.cpu" | "requests.cpu" => {
            if !matches!(divisor, "1m" | "1") {
                let text = "only divisor's values 1m and 1 are supported with the cpu resource";
                errors.push(Error::invalid(&path.child("divisor"), &resource.into(), text));
            }
            return;
        }
        "limits.memory" | "requests.memory" => "memory",
        "limits.ephemeral-storage" | "requests.ephemeral-storage" => "local ephemeral storage",
        _ if huge => "hugepages",
        _ => return,
    };
    const BYTES: [&str; 13] = ["1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei"];
    if !BYTES.contains(&divisor) {
        let text = format!("only divisor's values {} are supported with the {what} resource", BYTES.join(", "));
        errors.push(Error::invalid(&path.child("divisor"), &resource.into(), &text));
    }
}
